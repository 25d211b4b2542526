/* mem_verify.c - do the counters tell the truth, and do the libraries use their domains? */
#include "pool/buf_ring.h"
#include "pool/mem_large.h"
#include "pool/mem_small.h"

static size_t (*walk_objects)(enum mem_domain domain);
static uint64_t n_allocs_at_begin[MEM_N_DOMAINS];
static enum mem_hook_state hook_states[MEM_N_DOMAINS];

void
slab_set_walk(size_t (*walk)(enum mem_domain domain))
{
    walk_objects = walk;
}

/* ---- slabs, from their headers and lists --------------------------------------------------------------------------- */

/* The length of a list of blocks of this slab; UINT_MAX: it leads outside, or round in a circle. */
static unsigned
list_length(const struct slab *slab, const void *list)
{
    unsigned n = 0;

    for (const char *p = list; p != NULL; p = *(char *const *)(const void *)p, n++) {
        size_t offset = (size_t)(p - slab_memory(slab));

        if (n > slab->n_carved || offset >= (size_t)slab->n_carved * slab->block_bytes || offset % slab->block_bytes != 0)
            return UINT32_MAX;
    }
    return n;
}

/* Live blocks; *is_sound turns false when the header and the lists do not add up. */
static size_t
n_live_blocks(const struct slab *slab, bool *is_sound)
{
    unsigned n_free = list_length(slab, slab->free), n_given = 0;
    unsigned n_foreign = list_length(slab, (const void *)(slab->foreign & ~SLAB_CALLED));

    for (unsigned i = 0; i < slab->n_carved; i++)
        n_given += (small_pages(slab, i) & slab->given_pages) != 0;
    *is_sound = *is_sound && n_free != UINT32_MAX && n_foreign != UINT32_MAX && n_foreign <= slab->n_live
                && n_free + n_given + slab->n_live == slab->n_carved;
    return slab->n_live - (size_t)n_foreign;
}

static size_t
small_live_bytes(enum mem_domain d, bool *is_sound)
{
    size_t n_pages = 0, sum = 0;
    struct slab_totals totals;

    for (size_t i = 0, n = slab_n_used(); i < n; i++) {
        const struct slab *slab = &slab_headers[i];

        if (slab->domain != d || slab->state == SLAB_FREE)
            continue;
        n_pages += slab->touched_pages - (size_t)__builtin_popcount(slab->given_pages);
        if (slab->state == SLAB_IN_USE && COUNT_GET(&slab->owner) != SLAB_OF_NOBODY)
            sum += n_live_blocks(slab, is_sound) * slab->block_bytes;
    }
    slab_totals(d, &totals);
    *is_sound = *is_sound && totals.touched_bytes == n_pages * PAGE_BYTES;
    return sum;
}

/* ---- all together -------------------------------------------------------------------------------------------------- */

static bool
agrees(enum mem_domain d)
{
    struct mem_stats s;
    bool is_sound = true, is_known;
    size_t small = small_live_bytes(d, &is_sound), large = large_live_bytes(d, &is_known);

    mem_stats(d, &s);
    if (!is_known)
        large = s.large_bytes;
    else if (d == MEM_BUF)
        large -= buf_ring_idle_bytes();
    return is_sound && large == s.large_bytes && s.live_bytes == small + large + (walk_objects != NULL ? walk_objects(d) : 0);
}

unsigned
mem_verify(const char **names, unsigned max)
{
    unsigned n = 0;

    slot_of_thread();
    for (unsigned i = 0; i < slot_n_used(); i++)
        large_retire(&slots[i]); /* what they cache the allocator takes for allocated */
    large_look();
    for (int i = 0; i < MEM_N_DOMAINS; i++)
        if (!agrees((enum mem_domain)i)) {
            if (n < max)
                names[n] = mem_domain_name((enum mem_domain)i);
            n++;
        }
    return n;
}

/* ---- hooks --------------------------------------------------------------------------------------------------------- */

void
mem_hook_begin(enum mem_domain domain)
{
    struct mem_stats s;

    mem_stats(domain, &s);
    n_allocs_at_begin[domain] = s.n_allocs;
}

enum mem_hook_state
mem_hook_end(enum mem_domain domain)
{
    struct mem_stats s;
    enum mem_hook_state found;

    mem_stats(domain, &s);
    found = s.n_allocs > n_allocs_at_begin[domain] ? MEM_HOOK_WORKS : MEM_HOOK_FAILED;
    if (hook_states[domain] != MEM_HOOK_FAILED)
        hook_states[domain] = found;
    return found;
}

enum mem_hook_state
mem_hook_state(enum mem_domain domain)
{
    CHECK(domain < MEM_N_DOMAINS);
    return hook_states[domain];
}
