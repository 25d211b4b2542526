/* mem.c - the allocation calls: small blocks from the thread's slabs, large ones from the domain's arena
 *
 *   mem_alloc(d, n) -- watched? (a hard limit, a test) --> refused: NULL
 *        |
 *        +-- n <= 1 KiB --> slot's current slab of (d, class) --> mem_small.c: foreign frees, roomy slabs, a new slab
 *        +-- more, or no slab to be had --> mem_large.c
 *   mem_free(d, p) -- inside the reserved range? --> its slab's header says class, domain and owner
 *
 * A block of one domain that is freed in another is our bug, and the slab's header tells (a large one: mem_verify()).
 */
#include "pool/mem_hooks.h"
#include "pool/mem_large.h"
#include "pool/mem_sample.h"
#include "pool/mem_small.h"

static const char *const domain_names[MEM_N_DOMAINS] = {
    "page", "buf", "obj", "cache", "host", "frontier", "xml", "curl",
    "ssl", "sqlite", "ev", "http", "json", "log", "plugin", "default",
};

/* ---- without a look at limits -------------------------------------------------------------------------------------- */

#ifndef ORB_PLAIN_MEMORY /* then mem_plain.c has the calls */
static __attribute__((noinline)) void *
get_slowly(enum mem_domain d, size_t n_bytes, bool is_zeroed)
{
    struct slot *s = slot_of_thread();
    void *p = NULL;

    if (!MEM_IS_PLAIN && n_bytes <= SMALL_MAX_BYTES) {
        p = small_alloc_slowly(s, d, n_bytes);
        if (p != NULL && is_zeroed)
            memset(p, 0, n_bytes);
    }
    if (p == NULL)
        p = large_alloc(s, d, n_bytes == 0 ? 1 : n_bytes, is_zeroed);
    return p != NULL ? p : mem_refuse(d);
}

static inline void *
get(enum mem_domain d, size_t n_bytes, bool is_zeroed)
{
    void *p;

    if (__builtin_expect(n_bytes <= SMALL_MAX_BYTES, 1)) {
        p = small_alloc(slot_mine, d, n_bytes);
        if (__builtin_expect(p != NULL, 1))
            return is_zeroed ? memset(p, 0, n_bytes) : p;
    }
    return get_slowly(d, n_bytes, is_zeroed);
}

/* Freed by a thread that does not own the slab, or that has no slot. */
static __attribute__((noinline)) void
put_foreign(enum mem_domain d, struct slab *slab, void *p)
{
    struct slot *s = slot_of_thread();

    if (s == &slots[SLOT_SHARED])
        mem_count_shared(d, slab->block_bytes, false);
    else
        mem_count_free(s, d, slab->block_bytes);
    small_free_foreign(slab, p);
}

static inline void
put(enum mem_domain d, void *p)
{
    struct slot *s = slot_mine;
    struct slab *slab;

    if (__builtin_expect(!slab_has(p), 0)) {
        large_free(slot_of_thread(), d, p, large_usable_bytes(p));
        return;
    }
    slab = slab_of(p);
    CHECK(slab->domain == d);
    if (__builtin_expect(COUNT_GET(&slab->owner) != s->number, 0)) {
        CHECK(COUNT_GET(&slab->owner) < N_SLOTS);
        put_foreign(d, slab, p);
        return;
    }
    mem_count_free(s, d, slab->block_bytes);
    small_free(s, slab, p);
}
#endif

/* ---- the calls ----------------------------------------------------------------------------------------------------- */

#ifndef ORB_PLAIN_MEMORY
/* What a block of n_bytes counts as. */
static size_t
set_aside_for(size_t n_bytes)
{
    if (!MEM_IS_PLAIN && n_bytes <= SMALL_MAX_BYTES)
        return small_class_bytes(n_bytes);
    return large_bytes_for(n_bytes);
}

void *
mem_alloc(enum mem_domain domain, size_t n_bytes)
{
    if (mem_is_watched(domain) && mem_may_not(domain, set_aside_for(n_bytes)))
        return NULL;
    return get(domain, n_bytes, false);
}

void *
mem_zalloc(enum mem_domain domain, size_t n_bytes)
{
    if (mem_is_watched(domain) && mem_may_not(domain, set_aside_for(n_bytes)))
        return NULL;
    return get(domain, n_bytes, true);
}
#endif

void *
mem_array(enum mem_domain domain, size_t n, size_t element_bytes)
{
    size_t n_bytes;

    if (__builtin_mul_overflow(n, element_bytes, &n_bytes))
        return mem_refuse(domain);
    return mem_zalloc(domain, n_bytes);
}

#ifndef ORB_PLAIN_MEMORY
/* Does a block of old_bytes serve n_bytes as it is? A small one that would shrink by less than half stays, too. */
static bool
stays(size_t old_bytes, size_t n_bytes)
{
    return !MEM_IS_PLAIN && old_bytes <= SMALL_MAX_BYTES && n_bytes <= old_bytes && n_bytes >= old_bytes / 2;
}

static void *
move(enum mem_domain d, void *p, size_t n_bytes, size_t old_bytes)
{
    void *q = get(d, n_bytes, false);

    if (q == NULL)
        return NULL;
    memcpy(q, p, ORB_MIN(n_bytes, old_bytes));
    put(d, p);
    return q;
}

void *
mem_realloc(enum mem_domain domain, void *p, size_t n_bytes)
{
    size_t old_bytes, new_bytes;
    void *q;

    if (p == NULL)
        return mem_alloc(domain, n_bytes);
    if (n_bytes == 0)
        n_bytes = 1;
    old_bytes = mem_usable_bytes(p);
    if (mem_is_watched(domain)) {
        new_bytes = set_aside_for(n_bytes);
        if (mem_may_not(domain, new_bytes > old_bytes ? new_bytes - old_bytes : 0))
            return NULL;
    }
    if (slab_has(p) && stays(old_bytes, n_bytes))
        return p;
    mem_sample_free(domain, p); /* a block that grows is another one to the sampler. Before another thread can be given p; a failure costs one sample */
    if (slab_has(p) || (!MEM_IS_PLAIN && n_bytes <= SMALL_MAX_BYTES))
        q = move(domain, p, n_bytes, old_bytes);
    else if ((q = large_realloc(slot_of_thread(), domain, p, n_bytes, old_bytes)) == NULL)
        mem_refuse(domain);
    return q;
}
#endif

void *
mem_dup(enum mem_domain domain, const void *bytes, size_t n_bytes)
{
    void *p = mem_alloc(domain, n_bytes);

    if (p != NULL && n_bytes > 0)
        memcpy(p, bytes, n_bytes);
    return p;
}

char *
mem_strdup(enum mem_domain domain, const char *text)
{
    return mem_slicedup(domain, slice_str(text));
}

char *
mem_slicedup(enum mem_domain domain, struct slice s)
{
    char *p = mem_alloc(domain, s.n + 1);

    if (p == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

#ifndef ORB_PLAIN_MEMORY
void
mem_free(enum mem_domain domain, void *p)
{
    if (p == NULL)
        return;
    mem_sample_free(domain, p);
    put(domain, p);
}

size_t
mem_usable_bytes(const void *p)
{
    return slab_has(p) ? slab_of(p)->block_bytes : large_usable_bytes(p);
}
#endif

void *
mem_must(void *p)
{
    if (p == NULL)
        CHECK_NEVER("out of memory at start");
    return p;
}

static size_t start_bytes;

void
mem_note_start(void)
{
    large_look();
    start_bytes = large_outside_bytes();
}

size_t
mem_start_bytes(void)
{
    return start_bytes;
}

size_t
mem_outside_bytes(void)
{
    size_t n = large_outside_bytes();

    return n - ORB_MIN(n, start_bytes);
}

size_t
mem_cache_bytes(void)
{
    return large_cache_bytes();
}

/* ---- all of them at once ------------------------------------------------------------------------------------------- */

const char *
mem_domain_name(enum mem_domain domain)
{
    return domain < MEM_N_DOMAINS ? domain_names[domain] : "?";
}

void
mem_tick(uint64_t now_ms)
{
    slot_of_thread();
    small_tick();
    slab_decay(now_ms, false);
}

void
mem_look(void)
{
    large_look();
}

void
mem_purge(void)
{
    struct slot *s = slot_of_thread();

    small_trim();
    slab_decay(0, true);
    large_purge(s);
}

void
slab_count_live(enum mem_domain d, ptrdiff_t n_bytes)
{
    struct slot *s = slot_of_thread();
    size_t n = (size_t)(n_bytes < 0 ? -n_bytes : n_bytes);

    if (__builtin_expect(s == &slots[SLOT_SHARED], 0))
        mem_count_shared(d, n, n_bytes >= 0);
    else if (n_bytes >= 0)
        mem_count_alloc(s, d, NULL, n);
    else
        mem_count_free(s, d, n);
}

bool
slab_try_live(enum mem_domain d, size_t n_bytes)
{
    if (mem_is_watched(d) && mem_may_not(d, n_bytes))
        return false;
    slab_count_live(d, (ptrdiff_t)n_bytes);
    return true;
}

bool
slab_try_live_many(enum mem_domain d, size_t n_bytes, uint64_t n_blocks)
{
    if (!slab_try_live(d, n_bytes))
        return false;
    atomic_fetch_add(&slot_of_thread()->counts[d].n_allocs, n_blocks - 1);
    return true;
}

void
slab_count_dead(enum mem_domain d, size_t n_bytes, uint64_t n_blocks)
{
    struct count *c = &slot_of_thread()->counts[d];

    atomic_fetch_add(&c->free_bytes, n_bytes);
    atomic_fetch_add(&c->n_frees, n_blocks);
}
