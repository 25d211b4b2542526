#include "pool/buf_ring.h"

#include "pool/buf.h"
#include "pool/mem_large.h"

#include <pthread.h>

struct ring_class {
    void *idle; /* linked through their first word, the warmest first */
    size_t idle_bytes;
    unsigned low_water; /* fewest idle since the last tick */
    struct pool_stats stats;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring_class classes[BUF_RING_N_CLASSES];

struct lease {
    const char *site; /* NULL: free */
    uint64_t since_ms;
    uint16_t class, next_free;
};

static struct lease leases[BUF_RING_MAX_LEASES + 1]; /* [0] is none; what was never used is never touched */
static uint16_t n_leases, free_lease;                /* numbers given out so far; the first that came back */
static uint64_t now_ms, lease_ms;                    /* as of the last tick; 0: for ever */

/* 4096 << 0, 6144 << 0, 4096 << 1, 6144 << 1, ... */
static size_t
bytes_of(unsigned class)
{
    return (class % 2 == 0 ? (size_t)4096 : 6144) << class / 2;
}

static unsigned
class_of(size_t n_bytes)
{
    unsigned class = 0;

    while (bytes_of(class) < n_bytes)
        class++;
    return class;
}

size_t
buf_ring_class_bytes(size_t n_bytes)
{
    if (n_bytes <= BUF_RING_LEAST_BYTES / 2 || n_bytes > BUF_RING_MOST_BYTES)
        return 0;
    return bytes_of(class_of(n_bytes));
}

static void *
take_idle(struct ring_class *c)
{
    void *p = c->idle;

    if (p == NULL)
        return NULL;
    c->idle = *(void **)p;
    c->idle_bytes -= large_usable_bytes(p);
    c->stats.n_idle--;
    return p;
}

/* Under the lock. */
static uint16_t
begin_lease(struct ring_class *c, const char *site)
{
    uint16_t id = free_lease;

    if (site == NULL)
        return 0;
    if (id != 0)
        free_lease = leases[id].next_free;
    else if (n_leases < BUF_RING_MAX_LEASES)
        id = ++n_leases;
    else
        return 0;
    leases[id] = (struct lease){ site, now_ms, (uint16_t)(c - classes), 0 };
    return id;
}

static void
end_lease(uint16_t id)
{
    if (id == 0)
        return;
    CHECK(id <= n_leases && leases[id].site != NULL); /* put back twice */
    leases[id].site = NULL;
    leases[id].next_free = free_lease;
    free_lease = id;
}

static void
count_refusal(struct ring_class *c)
{
    pthread_mutex_lock(&lock);
    c->stats.n_refused++;
    pthread_mutex_unlock(&lock);
}

void *
buf_ring_get(size_t class_bytes, const char *site, uint16_t *lease)
{
    struct ring_class *c = &classes[class_of(class_bytes)];
    struct slot *s = slot_of_thread();
    void *p;

    if (mem_is_watched(MEM_BUF) && mem_may_not(MEM_BUF, class_bytes)) {
        count_refusal(c);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    p = take_idle(c);
    c->low_water = ORB_MIN(c->low_water, c->stats.n_idle);
    *(p != NULL ? &c->stats.n_hits : &c->stats.n_misses) += 1;
    pthread_mutex_unlock(&lock);
    if (p != NULL)
        large_count(s, MEM_BUF, p, large_usable_bytes(p), true);
    else if ((p = large_alloc(s, MEM_BUF, class_bytes, false)) == NULL) {
        count_refusal(c);
        return mem_refuse(MEM_BUF);
    }
    pthread_mutex_lock(&lock);
    c->stats.n_in_use++;
    c->stats.high_water = ORB_MAX(c->stats.high_water, c->stats.n_in_use);
    *lease = begin_lease(c, site);
    pthread_mutex_unlock(&lock);
    return p;
}

void
buf_ring_put(void *p, size_t class_bytes, uint16_t lease)
{
    struct ring_class *c = &classes[class_of(class_bytes)];
    struct slot *s = slot_of_thread();
    size_t usable_bytes = large_usable_bytes(p);

    CHECK(usable_bytes >= class_bytes); /* the next body will write all of it */
    buf_ring_lose(class_bytes, lease);
    if (MEM_IS_PLAIN) { /* AddressSanitizer is to see who uses it after this */
        large_free(s, MEM_BUF, p, usable_bytes);
        return;
    }
    large_count(s, MEM_BUF, p, usable_bytes, false);
    pthread_mutex_lock(&lock);
    *(void **)p = c->idle;
    c->idle = p;
    c->idle_bytes += usable_bytes;
    c->stats.n_idle++;
    pthread_mutex_unlock(&lock);
}

void
buf_ring_lose(size_t class_bytes, uint16_t lease)
{
    struct ring_class *c = &classes[class_of(class_bytes)];

    pthread_mutex_lock(&lock);
    CHECK(c->stats.n_in_use > 0);
    c->stats.n_in_use--;
    CHECK(lease == 0 || &classes[leases[lease].class] == c);
    end_lease(lease);
    pthread_mutex_unlock(&lock);
}

static void
free_idle(struct ring_class *c, unsigned n)
{
    for (void *p; n > 0 && (p = take_idle(c)) != NULL; n--) {
        large_release(slot_of_thread(), MEM_BUF, p);
        c->stats.n_trims++;
    }
    c->low_water = c->stats.n_idle;
}

/* Threads tell their time in turn: it never goes back. */
static void
take_time(uint64_t ms)
{
    if (now_ms == 0) /* no time was known when these were lent */
        for (unsigned i = 1; i <= n_leases; i++)
            leases[i].since_ms = ms;
    now_ms = ORB_MAX(now_ms, ms);
}

void
buf_ring_tick(uint64_t ms)
{
    pthread_mutex_lock(&lock);
    take_time(ms);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        free_idle(&classes[i], (ORB_MIN(classes[i].low_water, classes[i].stats.n_idle) + 1) / 2);
    pthread_mutex_unlock(&lock);
}

void
buf_ring_flush(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        free_idle(&classes[i], classes[i].stats.n_idle);
    pthread_mutex_unlock(&lock);
}

size_t
buf_ring_idle_bytes(void)
{
    size_t sum = 0;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        sum += classes[i].idle_bytes;
    pthread_mutex_unlock(&lock);
    return sum;
}

void
buf_lease_ms(uint64_t ms)
{
    pthread_mutex_lock(&lock);
    lease_ms = ms;
    pthread_mutex_unlock(&lock);
}

static bool
is_overdue(const struct lease *l, unsigned class)
{
    return l->site != NULL && l->class == class && lease_ms != 0 && now_ms - l->since_ms > lease_ms;
}

/* Puts l among the oldest, of which there are n so far; their number then. */
static unsigned
put_in_order(struct lease *oldest, unsigned n, const struct lease *l)
{
    unsigned at = n;

    while (at > 0 && oldest[at - 1].since_ms > l->since_ms)
        at--;
    if (at == BUF_RING_MAX_SHOWN)
        return n;
    n = ORB_MIN(n, BUF_RING_MAX_SHOWN - 1);
    memmove(&oldest[at + 1], &oldest[at], (n - at) * sizeof *oldest);
    oldest[at] = *l;
    return n + 1;
}

/* visit() is called without the lock: it may need a buffer itself. */
void
buf_ring_overdue(unsigned class, void (*visit)(const char *site, uint64_t lent_ms, void *arg), void *arg)
{
    struct lease oldest[BUF_RING_MAX_SHOWN];
    unsigned n = 0;
    uint64_t now;

    pthread_mutex_lock(&lock);
    now = now_ms;
    for (unsigned i = 1; i <= n_leases; i++)
        if (is_overdue(&leases[i], class))
            n = put_in_order(oldest, n, &leases[i]);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < n; i++)
        visit(oldest[i].site, now - oldest[i].since_ms, arg);
}

size_t
buf_ring_stats(unsigned class, struct pool_stats *out)
{
    if (class >= BUF_RING_N_CLASSES)
        return 0;
    pthread_mutex_lock(&lock);
    *out = classes[class].stats;
    out->n_overdue = 0;
    for (unsigned i = 1; i <= n_leases; i++)
        out->n_overdue += is_overdue(&leases[i], class);
    pthread_mutex_unlock(&lock);
    return bytes_of(class);
}
