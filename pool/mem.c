#include "pool/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef ORB_HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
/* Freed pages go back after 5 s; one arena per process, since one thread does nearly all the work. */
const char *malloc_conf = "dirty_decay_ms:5000,muzzy_decay_ms:0,narenas:1,prof:true,prof_active:false,lg_prof_sample:19";
#endif

struct domain {
    _Atomic size_t live_bytes, peak_bytes;
    _Atomic uint64_t n_allocs, n_frees, n_failed;
    _Atomic size_t soft_limit_bytes, hard_limit_bytes;
};

static struct domain domains[MEM_N_DOMAINS];
static const char *const domain_names[MEM_N_DOMAINS] = {
    "page", "buf", "obj", "cache", "host", "frontier", "xml", "curl",
    "ssl", "sqlite", "ev", "http", "json", "log", "plugin", "default",
};

static _Atomic bool fail_armed;
static bool fail_onwards, fail_libraries;
static _Atomic uint64_t fail_nth, fail_counted;

static bool
is_library(enum mem_domain d)
{
    return d >= MEM_XML && d <= MEM_JSON;
}

/* Tests only: is this the allocation that has to fail? */
static bool
must_fail(enum mem_domain d)
{
    uint64_t n;

    if (__builtin_expect(!atomic_load_explicit(&fail_armed, memory_order_relaxed), 1))
        return false;
    if (is_library(d) && !fail_libraries)
        return false;
    n = atomic_fetch_add(&fail_counted, 1) + 1;
    return fail_nth != 0 && (n == fail_nth || (fail_onwards && n > fail_nth));
}

static void
count_alloc(struct domain *d, size_t n_bytes)
{
    size_t live = atomic_fetch_add_explicit(&d->live_bytes, n_bytes, memory_order_relaxed) + n_bytes;
    size_t peak = atomic_load_explicit(&d->peak_bytes, memory_order_relaxed);

    while (live > peak
           && !atomic_compare_exchange_weak_explicit(&d->peak_bytes, &peak, live, memory_order_relaxed,
                                                     memory_order_relaxed))
        continue;
    atomic_fetch_add_explicit(&d->n_allocs, 1, memory_order_relaxed);
}

static void
count_free(struct domain *d, size_t n_bytes)
{
    atomic_fetch_sub_explicit(&d->live_bytes, n_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->n_frees, 1, memory_order_relaxed);
}

static bool
is_over_limit(const struct domain *d, size_t n_bytes)
{
    size_t limit = atomic_load_explicit(&d->hard_limit_bytes, memory_order_relaxed);

    return limit != 0 && atomic_load_explicit(&d->live_bytes, memory_order_relaxed) + n_bytes > limit;
}

static void *
refuse(struct domain *d)
{
    atomic_fetch_add_explicit(&d->n_failed, 1, memory_order_relaxed);
    return NULL;
}

static void *
alloc(enum mem_domain domain, size_t n_bytes, bool is_zeroed)
{
    struct domain *d = &domains[domain];
    void *p;

    if (n_bytes == 0)
        n_bytes = 1;
    if (must_fail(domain) || is_over_limit(d, n_bytes))
        return refuse(d);
    p = is_zeroed ? calloc(1, n_bytes) : malloc(n_bytes);
    if (p == NULL)
        return refuse(d);
    count_alloc(d, malloc_usable_size(p));
    return p;
}

void *
mem_alloc(enum mem_domain domain, size_t n_bytes)
{
    return alloc(domain, n_bytes, false);
}

void *
mem_zalloc(enum mem_domain domain, size_t n_bytes)
{
    return alloc(domain, n_bytes, true);
}

void *
mem_array(enum mem_domain domain, size_t n, size_t element_bytes)
{
    size_t n_bytes;

    if (__builtin_mul_overflow(n, element_bytes, &n_bytes))
        return refuse(&domains[domain]);
    return alloc(domain, n_bytes, true);
}

void *
mem_realloc(enum mem_domain domain, void *p, size_t n_bytes)
{
    struct domain *d = &domains[domain];
    size_t old_bytes;
    void *q;

    if (p == NULL)
        return mem_alloc(domain, n_bytes);
    if (n_bytes == 0)
        n_bytes = 1;
    old_bytes = malloc_usable_size(p);
    if (must_fail(domain) || (n_bytes > old_bytes && is_over_limit(d, n_bytes - old_bytes)))
        return refuse(d);
    q = realloc(p, n_bytes);
    if (q == NULL)
        return refuse(d);
    count_free(d, old_bytes);
    count_alloc(d, malloc_usable_size(q));
    return q;
}

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

void
mem_free(enum mem_domain domain, void *p)
{
    if (p == NULL)
        return;
    count_free(&domains[domain], malloc_usable_size(p));
    free(p);
}

size_t
mem_usable_bytes(const void *p)
{
    return malloc_usable_size((void *)(uintptr_t)p);
}

const char *
mem_domain_name(enum mem_domain domain)
{
    return domain < MEM_N_DOMAINS ? domain_names[domain] : "?";
}

void
mem_stats(enum mem_domain domain, struct mem_stats *out)
{
    struct domain *d = &domains[domain];

    CHECK(domain < MEM_N_DOMAINS);
    *out = (struct mem_stats){
        .live_bytes = d->live_bytes,
        .peak_bytes = d->peak_bytes,
        .n_allocs = d->n_allocs,
        .n_frees = d->n_frees,
        .n_failed = d->n_failed,
        .soft_limit_bytes = d->soft_limit_bytes,
        .hard_limit_bytes = d->hard_limit_bytes,
    };
}

size_t
mem_live_bytes(void)
{
    size_t sum = 0;

    for (int i = 0; i < MEM_N_DOMAINS; i++)
        sum += domains[i].live_bytes;
    return sum;
}

size_t
mem_live_blocks(void)
{
    size_t sum = 0;

    for (int i = 0; i < MEM_N_DOMAINS; i++)
        sum += (size_t)(domains[i].n_allocs - domains[i].n_frees);
    return sum;
}

void
mem_set_limits(enum mem_domain domain, size_t soft_bytes, size_t hard_bytes)
{
    CHECK(domain < MEM_N_DOMAINS);
    domains[domain].soft_limit_bytes = soft_bytes;
    domains[domain].hard_limit_bytes = hard_bytes;
}

void
mem_purge(void)
{
#ifdef ORB_HAVE_JEMALLOC
    mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096 = MALLCTL_ARENAS_ALL */
#else
    malloc_trim(0);
#endif
}

void
mem_start_background(void)
{
#ifdef ORB_HAVE_JEMALLOC
    bool is_on = true;

    mallctl("background_thread", NULL, NULL, &is_on, sizeof is_on);
#endif
}

uint64_t
mem_fail_nth(uint64_t nth, bool onwards, bool libraries)
{
    uint64_t counted = atomic_exchange(&fail_counted, 0);

    fail_nth = nth;
    fail_onwards = onwards;
    fail_libraries = libraries;
    atomic_store(&fail_armed, true);
    return counted;
}

void *
mem_must(void *p)
{
    if (p == NULL)
        CHECK_NEVER("out of memory at start");
    return p;
}
