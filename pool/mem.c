#include "pool/mem.h"
#include "pool/slab_table.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef ORB_HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
/* Freed pages go back after 5 s; one arena per process, since one thread does nearly all the work. */
const char *malloc_conf = "dirty_decay_ms:5000,muzzy_decay_ms:0,narenas:1,prof:true,prof_active:false,lg_prof_sample:19";
#endif

#define N_SLOTS 64
#define TABLE_MAX_BYTES 4096 /* sizes up to here have their class in a table */

/* What one thread counts for one domain; it alone writes, others read. Cumulative: a block that another thread frees
 * leaves this count high and the other's low, and the sum over all slots right. */
struct count {
    _Atomic size_t live_bytes;   /* modulo 2^64: may stand below zero */
    _Atomic int64_t peak_beyond; /* while live_bytes stays under it, the domain's peak stands */
    _Atomic uint64_t n_allocs, n_frees;
};

/* A slot belongs to one thread at a time and goes on counting under the next one. The first is for all threads that find
 * no other free; only there are additions atomic. */
struct slot {
    _Alignas(64) struct count counts[MEM_N_DOMAINS];
    _Atomic bool is_taken;
};

struct domain {
    _Atomic size_t peak_bytes;
    _Atomic uint64_t n_failed;
    _Atomic size_t soft_limit_bytes, hard_limit_bytes;
};

static struct slot slots[N_SLOTS];
static _Atomic unsigned n_slots = 1; /* that ever were in use */
static _Thread_local struct slot *my_slot;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t slot_key;
static struct domain domains[MEM_N_DOMAINS];
static _Atomic bool is_watched; /* a hard limit or a test's failure may refuse an allocation */
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

/* ---- counting, per thread ----------------------------------------------------------------------------------------- */

#ifdef ORB_HAVE_JEMALLOC
static uint16_t class_bytes[TABLE_MAX_BYTES / 8 + 1];

static void
fill_classes(void)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(class_bytes); i++)
        class_bytes[i] = (uint16_t)nallocx(i == 0 ? 1 : i * 8, 0);
}

/* What malloc(n_bytes) sets aside; to ask for it by the block's address costs as much as the allocation. */
static size_t
set_aside(void *p, size_t n_bytes)
{
    return n_bytes <= TABLE_MAX_BYTES ? class_bytes[(n_bytes + 7) / 8] : nallocx(n_bytes, 0);
}

static void
give_back(void *p, size_t usable_bytes)
{
    sdallocx(p, usable_bytes, 0);
}
#else
static void
fill_classes(void)
{
}

static size_t
set_aside(void *p, size_t n_bytes)
{
    return malloc_usable_size(p);
}

static void
give_back(void *p, size_t usable_bytes)
{
    free(p);
}
#endif

static void
leave_slot(void *slot)
{
    my_slot = NULL;
    atomic_store_explicit(&((struct slot *)slot)->is_taken, false, memory_order_release);
}

static void
begin(void)
{
    CHECK(pthread_key_create(&slot_key, leave_slot) == 0);
    fill_classes();
}

static struct slot *
take_slot(void)
{
    pthread_once(&once, begin);
    my_slot = &slots[0];
    for (unsigned i = 1; i < N_SLOTS; i++) {
        unsigned n = n_slots;

        if (atomic_exchange_explicit(&slots[i].is_taken, true, memory_order_acquire))
            continue;
        while (n <= i && !atomic_compare_exchange_weak(&n_slots, &n, i + 1))
            continue;
        my_slot = &slots[i];
        if (pthread_setspecific(slot_key, my_slot) != 0)
            leave_slot(&slots[i]), my_slot = &slots[0];
        break;
    }
    return my_slot;
}

static struct slot *
slot_of_thread(void)
{
    struct slot *s = my_slot;

    return __builtin_expect(s != NULL, 1) ? s : take_slot();
}

static size_t
live_bytes(enum mem_domain d)
{
    size_t sum = 0;

    for (unsigned i = 0, n = n_slots; i < n; i++)
        sum += atomic_load_explicit(&slots[i].counts[d].live_bytes, memory_order_relaxed);
    return (ptrdiff_t)sum < 0 ? 0 : sum; /* a block was freed between two of the loads */
}

/* The peak is looked at again when this thread alone has taken what lay between it and the bytes that lived last time:
 * exact with one thread, and as good as it has to be with more. */
static void
raise_peak(enum mem_domain d, struct count *c, size_t mine)
{
    size_t live = live_bytes(d), peak = domains[d].peak_bytes;

    while (live > peak && !atomic_compare_exchange_weak(&domains[d].peak_bytes, &peak, live))
        continue;
    c->peak_beyond = (int64_t)mine + (peak > live ? (int64_t)(peak - live) : 0);
}

static void
count_shared(enum mem_domain d, struct count *c, size_t n_bytes, bool is_alloc)
{
    size_t live = atomic_fetch_add(&c->live_bytes, is_alloc ? n_bytes : -n_bytes) + n_bytes;

    atomic_fetch_add(is_alloc ? &c->n_allocs : &c->n_frees, 1);
    if (is_alloc)
        raise_peak(d, c, live);
}

#define ADD(counter, n)                                                                                                \
    atomic_store_explicit((counter), atomic_load_explicit((counter), memory_order_relaxed) + (n), memory_order_relaxed)

static void
count_alloc(struct slot *s, enum mem_domain d, size_t n_bytes)
{
    struct count *c = &s->counts[d];
    size_t live;

    if (__builtin_expect(s == &slots[0], 0)) {
        count_shared(d, c, n_bytes, true);
        return;
    }
    ADD(&c->n_allocs, 1);
    ADD(&c->live_bytes, n_bytes);
    live = atomic_load_explicit(&c->live_bytes, memory_order_relaxed);
    if (__builtin_expect((int64_t)live > atomic_load_explicit(&c->peak_beyond, memory_order_relaxed), 0))
        raise_peak(d, c, live);
}

static void
count_free(struct slot *s, enum mem_domain d, size_t n_bytes)
{
    struct count *c = &s->counts[d];

    if (__builtin_expect(s == &slots[0], 0)) {
        count_shared(d, c, n_bytes, false);
        return;
    }
    ADD(&c->n_frees, 1);
    ADD(&c->live_bytes, -n_bytes);
}

/* ---- allocating --------------------------------------------------------------------------------------------------- */

static bool
is_over_limit(enum mem_domain d, size_t n_bytes)
{
    size_t limit = atomic_load_explicit(&domains[d].hard_limit_bytes, memory_order_relaxed);

    return limit != 0 && live_bytes(d) + n_bytes > limit;
}

bool
mem_has_room(enum mem_domain d, size_t n_bytes)
{
    if (!is_over_limit(d, n_bytes))
        return true;
    atomic_fetch_add_explicit(&domains[d].n_failed, 1, memory_order_relaxed);
    return false;
}

void
slab_count_live(enum mem_domain d, ptrdiff_t n_bytes)
{
    if (n_bytes >= 0)
        count_alloc(slot_of_thread(), d, (size_t)n_bytes);
    else
        count_free(slot_of_thread(), d, (size_t)-n_bytes);
}

void
slab_set_walk(size_t (*walk)(enum mem_domain domain))
{
}

void
mem_tick(uint64_t now_ms)
{
    slab_decay(now_ms, false);
}

static bool
may_not(enum mem_domain d, size_t n_bytes)
{
    if (__builtin_expect(!atomic_load_explicit(&is_watched, memory_order_relaxed), 1))
        return false;
    return must_fail(d) || (n_bytes > 0 && is_over_limit(d, n_bytes));
}

static void *
refuse(enum mem_domain d)
{
    atomic_fetch_add_explicit(&domains[d].n_failed, 1, memory_order_relaxed);
    return NULL;
}

bool
slab_try_live(enum mem_domain d, size_t n_bytes)
{
    if (may_not(d, n_bytes))
        return refuse(d) != NULL;
    count_alloc(slot_of_thread(), d, n_bytes);
    return true;
}

void
slab_count_dead(enum mem_domain d, size_t n_bytes, uint64_t n_blocks)
{
    struct count *c = &slot_of_thread()->counts[d];

    atomic_fetch_add(&c->n_frees, n_blocks);
    atomic_fetch_sub(&c->live_bytes, n_bytes);
}

static void *
alloc(enum mem_domain d, size_t n_bytes, bool is_zeroed)
{
    struct slot *s = slot_of_thread(); /* first: it makes the table of classes */
    void *p;

    if (n_bytes == 0)
        n_bytes = 1;
    if (may_not(d, n_bytes))
        return refuse(d);
    p = is_zeroed ? calloc(1, n_bytes) : malloc(n_bytes);
    if (p == NULL)
        return refuse(d);
    count_alloc(s, d, set_aside(p, n_bytes));
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
        return refuse(domain);
    return alloc(domain, n_bytes, true);
}

void *
mem_realloc(enum mem_domain domain, void *p, size_t n_bytes)
{
    struct slot *s = slot_of_thread();
    size_t old_bytes;
    void *q;

    if (p == NULL)
        return mem_alloc(domain, n_bytes);
    if (n_bytes == 0)
        n_bytes = 1;
    old_bytes = malloc_usable_size(p);
    if (may_not(domain, n_bytes > old_bytes ? n_bytes - old_bytes : 0))
        return refuse(domain);
    q = realloc(p, n_bytes);
    if (q == NULL)
        return refuse(domain);
    count_free(s, domain, old_bytes);
    count_alloc(s, domain, set_aside(q, n_bytes));
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
    size_t n_bytes;

    if (p == NULL)
        return;
    n_bytes = malloc_usable_size(p);
    count_free(slot_of_thread(), domain, n_bytes);
    give_back(p, n_bytes);
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
    const struct domain *d = &domains[domain];
    struct slab_totals blocks;

    CHECK(domain < MEM_N_DOMAINS);
    *out = (struct mem_stats){
        .live_bytes = live_bytes(domain),
        .peak_bytes = d->peak_bytes,
        .n_failed = d->n_failed,
        .soft_limit_bytes = d->soft_limit_bytes,
        .hard_limit_bytes = d->hard_limit_bytes,
    };
    slab_totals(domain, &blocks);
    out->slab_bytes = (blocks.n_in_use + blocks.n_empty) * SLAB_BYTES;
    out->peak_bytes = ORB_MAX(out->peak_bytes, out->live_bytes);
    for (unsigned i = 0, n = n_slots; i < n; i++) {
        out->n_allocs += slots[i].counts[domain].n_allocs;
        out->n_frees += slots[i].counts[domain].n_frees;
    }
}

size_t
mem_live_bytes(void)
{
    size_t sum = 0;

    for (int i = 0; i < MEM_N_DOMAINS; i++)
        sum += live_bytes((enum mem_domain)i);
    return sum;
}

size_t
mem_live_blocks(void)
{
    size_t sum = 0;

    for (int i = 0; i < MEM_N_DOMAINS; i++) {
        struct mem_stats s;

        mem_stats((enum mem_domain)i, &s);
        sum += (size_t)(s.n_allocs - s.n_frees);
    }
    return sum;
}

void
mem_set_limits(enum mem_domain domain, size_t soft_bytes, size_t hard_bytes)
{
    CHECK(domain < MEM_N_DOMAINS);
    domains[domain].soft_limit_bytes = soft_bytes;
    domains[domain].hard_limit_bytes = hard_bytes;
    if (hard_bytes != 0)
        is_watched = true;
}

void
mem_purge(void)
{
    slab_decay(0, true);
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
    is_watched = true;
    return counted;
}

void *
mem_must(void *p)
{
    if (p == NULL)
        CHECK_NEVER("out of memory at start");
    return p;
}
