/* slab.c - the reserved range, its blocks, and how they go back to the kernel
 *
 *                                 slab_get                                    slab_put
 *   FREE: never used, or given ----------------> IN USE by a domain ----------------------------> EMPTY, kept by that domain
 *     ^   (a stack of numbers)                     ^  mem_small.c carves it, or                    |  |
 *     |                                            |  gc/ holds it whole                           |  |
 *     |                                            +--------------- slab_get (newest first) -------+  |
 *     +--------- slab_decay: oldest first, beyond SLAB_KEEP_BYTES and MEM_DECAY_MS, or all of them ---+
 *
 * The range is PROT_NONE until a step of it is opened, so that it counts nowhere (overcommit, core dumps). What a domain once
 * used only that domain finds in EMPTY; through FREE a block may change its domain, without its contents.
 *
 * Invariant  per domain: touched_pages less given_pages, over its blocks IN USE and EMPTY, sum to n_touched.
 */
#include "pool/mem_count.h"

#include <pthread.h>
#include <sys/mman.h>

#define RANGE_MOST_BYTES ((size_t)64 << 30)
#define RANGE_LEAST_BYTES ((size_t)64 << 20) /* where address space is rationed */
#define STEP_BLOCKS 64                       /* opened at once: 4 MiB of blocks, a page of headers */

struct domain_blocks {
    struct slab *newest, *oldest; /* EMPTY */
    size_t n_empty, n_in_use;
};

char *slab_base;
size_t slab_range_bytes;
struct slab *slab_headers;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct domain_blocks domains[MEM_N_DOMAINS];
static _Atomic size_t n_touched[MEM_N_DOMAINS]; /* pages that may be resident, of blocks in use and empty ones */
static struct slab *free_blocks; /* through ->next */
static _Atomic size_t n_used;    /* blocks that have been in use, from the front */
static size_t n_open;            /* blocks that may be written */
static uint64_t clock_ms;        /* as of the last slab_decay() */

static bool
reserve(size_t n_bytes)
{
    size_t header_bytes = (n_bytes >> SLAB_SHIFT) * sizeof(struct slab);
    char *p = mmap(NULL, n_bytes + SLAB_BYTES + header_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return false;
    slab_base = (char *)(((uintptr_t)p + SLAB_BYTES - 1) & ~(uintptr_t)(SLAB_BYTES - 1));
    slab_headers = (struct slab *)(void *)(slab_base + n_bytes);
    slab_range_bytes = n_bytes;
    return true;
}

static void
begin(void)
{
    for (size_t n = RANGE_MOST_BYTES; n >= RANGE_LEAST_BYTES && !reserve(n); n /= 2)
        continue;
}

void
slab_begin(void)
{
    pthread_once(&once, begin);
}

static struct slab *
fresh_block(void)
{
    size_t n = atomic_load_explicit(&n_used, memory_order_relaxed);

    if (n == n_open) {
        if (n == slab_range_bytes >> SLAB_SHIFT
            || mprotect(slab_base + (n << SLAB_SHIFT), (size_t)STEP_BLOCKS << SLAB_SHIFT, PROT_READ | PROT_WRITE) != 0
            || mprotect(slab_headers + n, STEP_BLOCKS * sizeof(struct slab), PROT_READ | PROT_WRITE) != 0)
            return NULL;
        n_open += STEP_BLOCKS;
    }
    atomic_store_explicit(&slab_headers[n].owner, SLAB_OF_NOBODY, memory_order_relaxed); /* before others look at it */
    atomic_store_explicit(&n_used, n + 1, memory_order_release);
    return &slab_headers[n];
}

/* Takes s out of its domain's empty ones. */
static void
unkeep(struct domain_blocks *d, struct slab *s)
{
    *(s->prev != NULL ? &s->prev->next : &d->newest) = s->next;
    *(s->next != NULL ? &s->next->prev : &d->oldest) = s->prev;
    d->n_empty--;
}

struct slab *
slab_get(enum mem_domain domain)
{
    struct domain_blocks *d = &domains[domain];
    struct slab *s;

    slab_begin();
    pthread_mutex_lock(&lock);
    if (d->newest != NULL) {
        s = d->newest;
        unkeep(d, s);
    } else if (free_blocks != NULL) {
        s = free_blocks;
        free_blocks = s->next;
    } else {
        s = fresh_block();
    }
    if (s != NULL) {
        s->state = SLAB_IN_USE;
        atomic_store_explicit(&s->owner, SLAB_OF_NOBODY, memory_order_relaxed);
        s->domain = (uint16_t)domain;
        s->next = s->prev = NULL;
        s->next_called = NULL;
        d->n_in_use++;
    }
    pthread_mutex_unlock(&lock);
    return s;
}

void
slab_put(struct slab *s)
{
    struct domain_blocks *d = &domains[s->domain];

    pthread_mutex_lock(&lock);
    CHECK(s->state == SLAB_IN_USE && d->n_in_use > 0);
    if (s->given_pages != 0) /* counted as resident from here on, so that one number tells of an empty block */
        atomic_fetch_add_explicit(&n_touched[s->domain], (size_t)__builtin_popcount(s->given_pages), memory_order_relaxed);
    s->given_pages = 0;
    d->n_in_use--;
    d->n_empty++;
    s->state = SLAB_EMPTY;
    atomic_store_explicit(&s->owner, SLAB_OF_NOBODY, memory_order_relaxed);
    s->emptied_at_ms = clock_ms;
    s->prev = NULL;
    s->next = d->newest;
    *(d->newest != NULL ? &d->newest->prev : &d->oldest) = s;
    d->newest = s;
    pthread_mutex_unlock(&lock);
}

void
slab_touch(struct slab *s, unsigned n_pages)
{
    if (n_pages <= s->touched_pages)
        return;
    atomic_fetch_add_explicit(&n_touched[s->domain], n_pages - s->touched_pages, memory_order_relaxed);
    s->touched_pages = (uint16_t)n_pages;
}

static void
give(struct slab *s, unsigned page, unsigned n_pages)
{
    madvise(slab_memory(s) + (size_t)page * PAGE_BYTES, (size_t)n_pages * PAGE_BYTES, MADV_DONTNEED);
}

void
slab_shrink(struct slab *s, unsigned n_pages)
{
    if (n_pages >= s->touched_pages)
        return;
    give(s, n_pages, s->touched_pages - n_pages);
    atomic_fetch_sub_explicit(&n_touched[s->domain], s->touched_pages - n_pages, memory_order_relaxed);
    s->touched_pages = (uint16_t)n_pages;
}

void
slab_give(struct slab *s, unsigned pages)
{
    for (unsigned i = 0, n; pages >> i != 0; i += n) {
        for (n = 0; (pages >> (i + n) & 1) != 0; n++)
            continue;
        if (n == 0)
            n = 1;
        else
            give(s, i, n);
    }
    s->given_pages |= (uint16_t)pages;
    atomic_fetch_sub_explicit(&n_touched[s->domain], (size_t)__builtin_popcount(pages), memory_order_relaxed);
}

void
slab_retake(struct slab *s, unsigned page)
{
    s->given_pages &= (uint16_t)~ORB_BIT(page);
    atomic_fetch_add_explicit(&n_touched[s->domain], 1, memory_order_relaxed);
}

static void
give_oldest(struct domain_blocks *d)
{
    struct slab *s = d->oldest;

    unkeep(d, s);
    if (s->touched_pages > 0)
        give(s, 0, s->touched_pages);
    atomic_fetch_sub_explicit(&n_touched[s->domain], s->touched_pages, memory_order_relaxed);
    s->touched_pages = 0;
    s->state = SLAB_FREE;
    s->next = free_blocks;
    free_blocks = s;
}

void
slab_decay(uint64_t now_ms, bool all)
{
    pthread_mutex_lock(&lock);
    clock_ms = ORB_MAX(clock_ms, now_ms);
    for (unsigned i = 0; i < MEM_N_DOMAINS; i++) {
        struct domain_blocks *d = &domains[i];

        while (d->oldest != NULL
               && (all || (d->n_empty > SLAB_KEEP_BYTES / SLAB_BYTES && d->oldest->emptied_at_ms + MEM_DECAY_MS <= clock_ms)))
            give_oldest(d);
    }
    pthread_mutex_unlock(&lock);
}

void
slab_totals(enum mem_domain domain, struct slab_totals *out)
{
    const struct domain_blocks *d = &domains[domain];

    pthread_mutex_lock(&lock);
    *out = (struct slab_totals){ d->n_in_use, d->n_empty, n_touched[domain] << PAGE_SHIFT };
    pthread_mutex_unlock(&lock);
}

size_t
slab_n_used(void)
{
    return atomic_load_explicit(&n_used, memory_order_acquire);
}

void *
slab_block_get(enum mem_domain domain)
{
    struct slab *s;

    CHECK(domain < MEM_N_DOMAINS);
    s = mem_has_room(domain, 1) ? slab_get(domain) : NULL;
    if (s == NULL)
        return mem_refuse(domain);
    slab_touch(s, SLAB_N_PAGES);
    return slab_memory(s);
}

void
slab_block_put(enum mem_domain domain, void *block)
{
    struct slab *s;

    CHECK(slab_has(block) && ((uintptr_t)block & (SLAB_BYTES - 1)) == 0);
    s = slab_of(block);
    CHECK(s->domain == domain && COUNT_GET(&s->owner) == SLAB_OF_NOBODY);
    slab_put(s);
}
