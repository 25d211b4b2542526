#include "pool/buf_ring.h"
#include "pool/mem_large.h"
#include "pool/mem_small.h"

#include <pthread.h>

struct domain {
    _Atomic size_t peak_bytes;
    _Atomic uint64_t n_failed;
    _Atomic size_t soft_limit_bytes, hard_limit_bytes, baseline_bytes;
};

#define NO_SLABS { [0 ... MEM_N_DOMAINS - 1] = { [0 ... N_CLASSES - 1] = &slab_none } }

struct slot slots[N_SLOTS] = { [0 ... N_SLOTS - 1] = { .current = NO_SLABS } };
struct slot slot_unborn = { .current = NO_SLABS, .number = SLOT_UNBORN };
_Thread_local struct slot *slot_mine = &slot_unborn;
_Atomic uint32_t mem_watched;

static struct domain domains[MEM_N_DOMAINS];
static _Atomic unsigned n_slots = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t slot_key;

static _Atomic bool fail_armed;
static bool fail_onwards, fail_libraries;
static _Atomic uint64_t fail_nth, fail_counted;


static bool
is_library(enum mem_domain d)
{
    return d >= MEM_XML && d <= MEM_JSON;
}

/* ---- slots --------------------------------------------------------------------------------------------------------- */

/* A thread's end: the slot keeps its slabs and counts for the next thread, and nothing that could be given back. */
static void
end_slot(void *slot)
{
    struct slot *s = slot;

    slot_mine = &slot_unborn;
    small_retire(s);
    large_retire(s);
    slot_leave(s);
}

static void
begin(void)
{
    CHECK(pthread_key_create(&slot_key, end_slot) == 0);
    for (unsigned i = 0; i < N_SLOTS; i++) {
        slots[i].number = (uint8_t)i;
        for (unsigned d = 0; d < MEM_N_DOMAINS; d++)
            slots[i].counts[d].sample_beyond = SIZE_MAX;
    }
    slab_begin();
}

struct slot *
slot_try(unsigned i)
{
    struct slot *s = &slots[i];

    if (i == SLOT_SHARED || COUNT_GET(&s->is_taken) || atomic_exchange_explicit(&s->is_taken, true, memory_order_acquire))
        return NULL;
    return s;
}

void
slot_leave(struct slot *s)
{
    atomic_store_explicit(&s->is_taken, false, memory_order_release);
}

struct slot *
slot_take(void)
{
    pthread_once(&once, begin);
    for (unsigned i = 1; i < N_SLOTS; i++) {
        struct slot *s = slot_try(i);
        unsigned n = n_slots;

        if (s == NULL)
            continue;
        if (pthread_setspecific(slot_key, s) != 0) {
            slot_leave(s);
            break;
        }
        while (n <= i && !atomic_compare_exchange_weak(&n_slots, &n, i + 1))
            continue;
        slot_mine = s;
        return s;
    }
    return &slots[SLOT_SHARED];
}

unsigned
slot_n_used(void)
{
    return n_slots;
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

size_t
mem_domain_live(enum mem_domain d)
{
    size_t sum = 0;

    for (unsigned i = 0, n = n_slots; i < n; i++)
        sum += COUNT_GET(&slots[i].counts[d].alloc_bytes) - COUNT_GET(&slots[i].counts[d].free_bytes);
    return (ptrdiff_t)sum < 0 ? 0 : sum; /* a block was freed between two of the loads */
}

/* The peak is looked at again when this thread alone has taken what lay between it and the bytes that lived last time:
 * exact with one thread, and as good as it has to be with more. */
void
mem_raise_peak(enum mem_domain d, struct count *c, size_t balance)
{
    size_t live = mem_domain_live(d), peak = domains[d].peak_bytes;

    while (live > peak && !atomic_compare_exchange_weak(&domains[d].peak_bytes, &peak, live))
        continue;
    c->peak_beyond = (int64_t)balance + (peak > live ? (int64_t)(peak - live) : 0);
}

void
mem_count_shared(enum mem_domain d, size_t n_bytes, bool is_alloc)
{
    struct count *c = &slots[SLOT_SHARED].counts[d];

    atomic_fetch_add(is_alloc ? &c->alloc_bytes : &c->free_bytes, n_bytes);
    atomic_fetch_add(is_alloc ? &c->n_allocs : &c->n_frees, 1);
    if (is_alloc)
        mem_raise_peak(d, c, c->alloc_bytes - c->free_bytes);
}

/* ---- refusing ------------------------------------------------------------------------------------------------------ */

/* Tests only: is this the allocation that has to fail? */
static bool
must_fail(enum mem_domain d)
{
    uint64_t n;

    if (!fail_armed || (is_library(d) && !fail_libraries))
        return false;
    n = atomic_fetch_add(&fail_counted, 1) + 1;
    return fail_nth != 0 && (n == fail_nth || (fail_onwards && n > fail_nth));
}

bool
mem_has_room(enum mem_domain d, size_t n_bytes)
{
    size_t limit = COUNT_GET(&domains[d].hard_limit_bytes), live;

    if (limit == 0)
        return true;
    live = mem_domain_live(d);
    return live <= limit && n_bytes <= limit - live;
}

bool
mem_may_not(enum mem_domain d, size_t more_bytes)
{
    if (!must_fail(d) && (more_bytes == 0 || mem_has_room(d, more_bytes)))
        return false;
    mem_refuse(d);
    return true;
}

void *
mem_refuse(enum mem_domain d)
{
    atomic_fetch_add_explicit(&domains[d].n_failed, 1, memory_order_relaxed);
    return NULL;
}

void
mem_set_limits(enum mem_domain domain, size_t soft_bytes, size_t hard_bytes)
{
    CHECK(domain < MEM_N_DOMAINS);
    domains[domain].soft_limit_bytes = soft_bytes;
    domains[domain].hard_limit_bytes = hard_bytes;
    if (hard_bytes != 0)
        atomic_fetch_or(&mem_watched, ORB_BIT(domain));
    else if (!fail_armed)
        atomic_fetch_and(&mem_watched, ~ORB_BIT(domain));
}

uint64_t
mem_fail_nth(uint64_t nth, bool onwards, bool libraries)
{
    uint64_t counted = atomic_exchange(&fail_counted, 0);

    fail_nth = nth;
    fail_onwards = onwards;
    fail_libraries = libraries;
    fail_armed = true;
    mem_watched = UINT32_MAX;
    return counted;
}

/* ---- telling ------------------------------------------------------------------------------------------------------- */

void
mem_stats(enum mem_domain domain, struct mem_stats *out)
{
    const struct domain *d;
    struct slab_totals blocks;
    size_t small;

    CHECK(domain < MEM_N_DOMAINS);
    d = &domains[domain];
    *out = (struct mem_stats){
        .live_bytes = mem_domain_live(domain),
        .peak_bytes = d->peak_bytes,
        .baseline_bytes = d->baseline_bytes,
        .n_failed = d->n_failed,
        .soft_limit_bytes = d->soft_limit_bytes,
        .hard_limit_bytes = d->hard_limit_bytes,
    };
    out->peak_bytes = ORB_MAX(out->peak_bytes, out->live_bytes);
    for (unsigned i = 0, n = n_slots; i < n; i++) {
        const struct count *c = &slots[i].counts[domain];
        out->n_allocs += COUNT_GET(&c->n_allocs);
        out->n_frees += COUNT_GET(&c->n_frees);
        out->large_bytes += COUNT_GET(&c->large_alloc_bytes) - COUNT_GET(&c->large_free_bytes);
    }
    slab_totals(domain, &blocks);
    out->slab_bytes = (blocks.n_in_use + blocks.n_empty) * SLAB_BYTES;
    small = out->live_bytes - ORB_MIN(out->large_bytes, out->live_bytes);
    out->slack_bytes = blocks.touched_bytes - ORB_MIN(small, blocks.touched_bytes) + large_slack_bytes(domain);
    if (domain == MEM_BUF)
        out->slack_bytes += buf_ring_idle_bytes();
}

size_t
mem_live_bytes(void)
{
    size_t sum = 0;

    for (int i = 0; i < MEM_N_DOMAINS; i++)
        sum += mem_domain_live((enum mem_domain)i);
    return sum;
}

size_t
mem_live_blocks(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0, n = n_slots; i < n; i++)
        for (unsigned d = 0; d < MEM_N_DOMAINS; d++)
            sum += slots[i].counts[d].n_allocs - slots[i].counts[d].n_frees;
    return (size_t)sum;
}

void
mem_set_baseline(void)
{
    for (int i = 0; i < MEM_N_DOMAINS; i++)
        domains[i].baseline_bytes = mem_domain_live((enum mem_domain)i);
}
