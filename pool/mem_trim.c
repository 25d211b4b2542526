/* mem_trim.c - giving back what no live block needs: foreign frees of idle slots, empty slabs, free pages inside slabs
 *
 * One survivor pins 64 KiB of a slab but only one 4 KiB page of memory: where a domain holds more than a quarter beyond what
 * lives in it, the pages of its slabs that hold no live block go to the kernel, and their blocks out of the free list.
 */
#include "pool/mem_small.h"

#define WORDS ((SLAB_BYTES / 16 + 63) / 64)

static void
mark_free(const struct slab *slab, uint64_t bits[WORDS])
{
    memset(bits, 0, WORDS * sizeof *bits);
    for (char *p = slab->free; p != NULL; p = *(char **)(void *)p) {
        size_t i = (size_t)(p - slab_memory(slab)) / slab->block_bytes;
        bits[i / 64] |= (uint64_t)1 << i % 64;
    }
}

static bool
is_page_free(const struct slab *slab, unsigned page, const uint64_t bits[WORDS])
{
    unsigned last = small_last_in(slab, page);

    if (last >= slab->n_carved)
        return false;
    for (unsigned i = small_first_in(slab, page); i <= last; i++)
        if ((bits[i / 64] >> i % 64 & 1) == 0 && (small_pages(slab, i) & slab->given_pages) == 0)
            return false;
    return true;
}

static void
give_free_pages(struct slab *slab)
{
    uint64_t bits[WORDS];
    unsigned pages = 0;
    void **at = &slab->free;

    slab_shrink(slab, (slab->n_carved * slab->block_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT);
    mark_free(slab, bits);
    for (unsigned i = 0; i < SLAB_N_PAGES; i++)
        if ((slab->given_pages >> i & 1) == 0 && is_page_free(slab, i, bits))
            pages |= ORB_BIT(i);
    if (pages == 0)
        return;
    for (char *p = slab->free, *next; p != NULL; p = next) { /* out of the list, before they are gone */
        next = *(char **)(void *)p;
        if ((small_pages(slab, (unsigned)((size_t)(p - slab_memory(slab)) / slab->block_bytes)) & pages) != 0)
            continue;
        *at = p;
        at = (void **)(void *)p;
    }
    *at = NULL;
    slab_give(slab, pages);
}

static bool
has_slack(enum mem_domain d)
{
    struct slab_totals t;
    struct mem_stats s;

    slab_totals(d, &t);
    mem_stats(d, &s);
    return t.touched_bytes > (s.live_bytes - ORB_MIN(s.large_bytes, s.live_bytes)) / 4 * 5;
}

static void
put_empty_current(struct slot *s)
{
    for (unsigned d = 0; d < MEM_N_DOMAINS; d++)
        for (unsigned c = 0; c < N_CLASSES; c++) {
            struct slab *slab = s->current[d][c];

            if (slab != &slab_none && small_is_empty(slab)) {
                s->current[d][c] = &slab_none;
                slab_put(slab);
            }
        }
}

void
small_retire(struct slot *s)
{
    small_come_home(s);
    put_empty_current(s);
}

void
small_trim_own(struct slot *s)
{
    bool has[MEM_N_DOMAINS];

    atomic_store_explicit(&s->wants_trim, false, memory_order_relaxed);
    small_retire(s);
    for (unsigned d = 0; d < MEM_N_DOMAINS; d++)
        has[d] = has_slack((enum mem_domain)d);
    for (size_t i = 0, n = slab_n_used(); i < n; i++) {
        struct slab *slab = &slab_headers[i];

        if (COUNT_GET(&slab->owner) == s->number && has[slab->domain])
            give_free_pages(slab);
    }
}

/* Does something to a slot whose thread is not at work in it: its own thread is here, or it has none. */
static void
with_idle_slots(void (*act)(struct slot *))
{
    for (unsigned i = 0, n = slot_n_used(); i < n; i++) {
        struct slot *s = &slots[i];

        if (i == SLOT_SHARED) {
            pthread_mutex_lock(&small_shared_lock);
            act(s);
            pthread_mutex_unlock(&small_shared_lock);
        } else if (s == slot_mine) {
            act(s);
        } else if (slot_try(i) != NULL) {
            act(s);
            slot_leave(s);
        } else if (act == small_trim_own) {
            atomic_store_explicit(&s->wants_trim, true, memory_order_relaxed);
        }
    }
}

void
small_tick(void)
{
    with_idle_slots(small_come_home);
}

void
small_trim(void)
{
    with_idle_slots(small_trim_own);
}
