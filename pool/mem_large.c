#include "pool/mem_large.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef ORB_HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>

/* Freed pages go back after 1 s: what may lie idle is what was freed within that time, so that 5 s kept 9 MiB for the one page in a
 * hundred that is large. Caches of free blocks end at 8 KiB: up to 32 KiB they held 6 MiB, and bodies have their own (buf_ring.h).
 * The process itself needs one arena, each domain gets its own. The background thread is off: mem_start_background() turns it
 * on once the sandbox is in place. */
const char *malloc_conf = "dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:1,tcache_max:8192";

#define CACHE_AFTER 32 /* a cache costs some KiB: not for a domain with a table or two */
#define CACHE_NONE UINT32_MAX

enum figure { FIGURE_SMALL, FIGURE_LARGE, FIGURE_ACTIVE, FIGURE_DIRTY, N_FIGURES };

static _Atomic unsigned arenas[MEM_N_DOMAINS]; /* 0: none yet; the process's own has that number */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t slack_bytes[MEM_N_DOMAINS];
static _Atomic size_t cache_bytes; /* of explicit caches: jemalloc takes them from its first arena */

static size_t allocated(unsigned arena);
static void refresh_figures(void);

static unsigned
make_arena(enum mem_domain d)
{
    unsigned arena;
    size_t n = sizeof arena;

    pthread_mutex_lock(&lock);
    arena = arenas[d];
    if (arena == 0 && mallctl("arenas.create", &arena, &n, NULL, 0) == 0)
        arenas[d] = arena;
    pthread_mutex_unlock(&lock);
    return arena;
}

/* What it takes is measured: it would pass for somebody's plain malloc. */
static unsigned
make_cache(void)
{
    unsigned cache;
    size_t n = sizeof cache, before, after;

    refresh_figures();
    before = allocated(0);
    if (mallctl("tcache.create", &cache, &n, NULL, 0) != 0)
        return CACHE_NONE;
    refresh_figures();
    after = allocated(0);
    atomic_fetch_add(&cache_bytes, after - ORB_MIN(before, after));
    return cache;
}

/* How to ask jemalloc for a block of d, or to take one back. */
static int
flags_for(struct slot *s, enum mem_domain d)
{
    unsigned arena = COUNT_GET(&arenas[d]);

    if (__builtin_expect(arena == 0, 0))
        arena = make_arena(d);
    if (__builtin_expect(s == &slots[SLOT_SHARED], 0))
        return MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE;
    if (__builtin_expect(s->n_large[d] < CACHE_AFTER, 0) && ++s->n_large[d] == CACHE_AFTER)
        s->tcaches[d] = make_cache();
    if (s->n_large[d] < CACHE_AFTER || s->tcaches[d] == CACHE_NONE)
        return MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE;
    return MALLOCX_ARENA(arena) | MALLOCX_TCACHE(s->tcaches[d]);
}

static void *
get_block(struct slot *s, enum mem_domain d, size_t n_bytes, bool is_zeroed)
{
    if (n_bytes > PTRDIFF_MAX) /* more than that mallocx() must not be asked for */
        return NULL;
    return mallocx(n_bytes, flags_for(s, d) | (is_zeroed ? MALLOCX_ZERO : 0));
}

static void *
move_block(struct slot *s, enum mem_domain d, void *p, size_t n_bytes)
{
    return n_bytes > PTRDIFF_MAX ? NULL : rallocx(p, n_bytes, flags_for(s, d));
}

static void
put_block(struct slot *s, enum mem_domain d, void *p, size_t n_bytes)
{
    sdallocx(p, n_bytes, flags_for(s, d));
}

static size_t
set_aside(void *p, size_t n_bytes)
{
    return nallocx(n_bytes, 0); /* cheaper than to ask by address, and the same */
}

size_t
large_usable_bytes(const void *p)
{
    return sallocx(p, 0);
}

size_t
large_bytes_for(size_t n_bytes)
{
    return n_bytes > PTRDIFF_MAX ? n_bytes : nallocx(ORB_MAX(n_bytes, 1), 0);
}

void
large_retire(struct slot *s)
{
    for (unsigned d = 0; d < MEM_N_DOMAINS; d++)
        if (s->n_large[d] >= CACHE_AFTER && s->tcaches[d] != CACHE_NONE)
            mallctl("tcache.flush", NULL, NULL, &s->tcaches[d], sizeof s->tcaches[d]);
}

static size_t
read_figure(unsigned arena, enum figure which)
{
    static const char *const names[N_FIGURES] = {
        "stats.arenas.0.small.allocated", "stats.arenas.0.large.allocated", "stats.arenas.0.pactive", "stats.arenas.0.pdirty",
    };
    static size_t mibs[N_FIGURES][5], n_mib[N_FIGURES];
    size_t mib[5], value = 0, n = sizeof value;

    if (n_mib[which] == 0) {
        size_t length = 5;
        if (mallctlnametomib(names[which], mibs[which], &length) != 0)
            return 0;
        n_mib[which] = length;
    }
    memcpy(mib, mibs[which], sizeof mib);
    mib[2] = arena;
    return mallctlbymib(mib, n_mib[which], &value, &n, NULL, 0) == 0 ? value : 0;
}

static size_t
allocated(unsigned arena)
{
    return read_figure(arena, FIGURE_SMALL) + read_figure(arena, FIGURE_LARGE);
}

static void
refresh_figures(void)
{
    uint64_t epoch = 1;

    mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
}

void
large_look(void)
{
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0); /* what it caches is free, and would count as allocated outside */
    pthread_mutex_lock(&lock);
    refresh_figures();
    for (unsigned d = 0; d < MEM_N_DOMAINS; d++)
        if (arenas[d] != 0) {
            size_t held = (read_figure(arenas[d], FIGURE_ACTIVE) + read_figure(arenas[d], FIGURE_DIRTY)) * PAGE_BYTES;
            size_t used = allocated(arenas[d]);
            slack_bytes[d] = held - ORB_MIN(held, used);
        }
    pthread_mutex_unlock(&lock);
}

size_t
large_slack_bytes(enum mem_domain d)
{
    return slack_bytes[d];
}

size_t
large_live_bytes(enum mem_domain d, bool *is_known)
{
    *is_known = true;
    return arenas[d] == 0 ? 0 : allocated(arenas[d]);
}

size_t
large_outside_bytes(void)
{
    size_t n = allocated(0), caches = cache_bytes;

    return n - ORB_MIN(n, caches);
}

size_t
large_cache_bytes(void)
{
    return cache_bytes;
}

void
large_purge(struct slot *s)
{
    if (s != &slots[SLOT_SHARED])
        large_retire(s);
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096 = MALLCTL_ARENAS_ALL */
    large_look();
}

void
mem_start_background(void)
{
    bool is_on = true;

    mallctl("background_thread", NULL, NULL, &is_on, sizeof is_on);
}

#else

#define GLIBC_PAGES_FROM_BYTES (128u * 1024) /* least threshold above which it maps a block of its own */

static void *
get_block(struct slot *s, enum mem_domain d, size_t n_bytes, bool is_zeroed)
{
    return is_zeroed ? calloc(1, n_bytes) : malloc(n_bytes);
}

static void *
move_block(struct slot *s, enum mem_domain d, void *p, size_t n_bytes)
{
    return realloc(p, n_bytes);
}

static void
put_block(struct slot *s, enum mem_domain d, void *p, size_t n_bytes)
{
    free(p);
}

static size_t
set_aside(void *p, size_t n_bytes)
{
    return malloc_usable_size(p);
}

size_t
large_usable_bytes(const void *p)
{
    return malloc_usable_size((void *)(uintptr_t)p);
}

/* glibc says only afterwards. Its blocks end 8 bytes behind a multiple of 16; a rest of 16 that could be no block of its own stays
 * with the block; and a large one may get whole pages. Under ASan a block is what was asked for. */
size_t
large_bytes_for(size_t n_bytes)
{
    if (MEM_IS_PLAIN || n_bytes > PTRDIFF_MAX)
        return ORB_MAX(n_bytes, 1);
    if (n_bytes >= GLIBC_PAGES_FROM_BYTES)
        return (n_bytes + 16 + 4095) & ~(size_t)4095;
    return ((n_bytes + 8 + 15) & ~(size_t)15) - 8 + 16;
}

void
large_retire(struct slot *s)
{
}

void
large_look(void)
{
}

size_t
large_slack_bytes(enum mem_domain d)
{
    return 0;
}

size_t
large_live_bytes(enum mem_domain d, bool *is_known)
{
    *is_known = false;
    return 0;
}

size_t
large_outside_bytes(void)
{
    return 0;
}

size_t
large_cache_bytes(void)
{
    return 0;
}

void
large_purge(struct slot *s)
{
    malloc_trim(0);
}

void
mem_start_background(void)
{
}

#endif

/* ---- the same for both --------------------------------------------------------------------------------------------- */

void
large_count(struct slot *s, enum mem_domain d, void *p, size_t n_bytes, bool is_alloc)
{
    struct count *c = &s->counts[d];
    _Atomic size_t *large = is_alloc ? &c->large_alloc_bytes : &c->large_free_bytes;

    if (__builtin_expect(s == &slots[SLOT_SHARED], 0)) {
        atomic_fetch_add(large, n_bytes);
        mem_count_shared(d, n_bytes, is_alloc);
        return;
    }
    COUNT_ADD(large, n_bytes);
    if (is_alloc)
        mem_count_alloc(s, d, p, n_bytes);
    else
        mem_count_free(s, d, n_bytes);
}

void *
large_alloc(struct slot *s, enum mem_domain d, size_t n_bytes, bool is_zeroed)
{
    void *p = get_block(s, d, n_bytes, is_zeroed);

    if (p != NULL)
        large_count(s, d, p, set_aside(p, n_bytes), true);
    return p;
}

void *
large_realloc(struct slot *s, enum mem_domain d, void *p, size_t n_bytes, size_t old_bytes)
{
    void *q = move_block(s, d, p, n_bytes);

    if (q == NULL)
        return NULL;
    large_count(s, d, NULL, old_bytes, false);
    large_count(s, d, q, set_aside(q, n_bytes), true);
    return q;
}

void
large_free(struct slot *s, enum mem_domain d, void *p, size_t n_bytes)
{
    large_count(s, d, NULL, n_bytes, false);
    put_block(s, d, p, n_bytes);
}

void
large_release(struct slot *s, enum mem_domain d, void *p)
{
    put_block(s, d, p, large_usable_bytes(p));
}
