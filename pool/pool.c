#include "pool/pool.h"

#include "pool/buf.h"
#include "pool/buf_ring.h"
#include "pool/error.h"
#include "pool/list.h"
#include "pool/mem_count.h"

#define POOL_MAGIC 0x706f6f6cu
#define BODIES_MAGIC 0x626f6479u

struct lease {
    void *thing;
    const char *site;
    uint64_t since_ms;
};

struct pool {
    uint32_t magic;
    struct list node;       /* in its thread's registry */
    struct pool_type type;
    void **idle;            /* a stack: the warmest is on top */
    unsigned n_idle, idle_cap;
    struct lease *leases;   /* of things in use, the newest last */
    unsigned n_in_use, lease_cap, high_water;
    uint64_t now_ms;        /* as of the last tick */
    unsigned low_water;     /* fewest idle since the last tick */
    uint64_t n_hits, n_misses, n_trims, n_refused;
};

static _Thread_local struct list registry;

/* The sizes of the ring, as pools that can be asked. */
#define BODIES(kib) { .magic = BODIES_MAGIC, .type = { .name = "bodies of " kib " KiB" } }
static struct pool bodies[] = {
    BODIES("4"), BODIES("6"), BODIES("8"), BODIES("12"), BODIES("16"), BODIES("24"), BODIES("32"),
    BODIES("48"), BODIES("64"), BODIES("96"), BODIES("128"), BODIES("192"), BODIES("256"),
};
_Static_assert(ORB_N_ELEMENTS(bodies) == BUF_RING_N_CLASSES, "a name for each size");

int
pool_new(struct pool **out, const struct pool_type *type)
{
    struct pool *p = mem_zalloc(MEM_DEFAULT, sizeof *p);

    if (p == NULL)
        return ORB_ENOMEM;
    CHECK(type->make_for == NULL || type->ceiling == 0); /* idle ones that do not fit would stand in the way */
    p->magic = POOL_MAGIC;
    p->type = *type;
    if (registry.next == NULL)
        list_init(&registry);
    list_push_back(&registry, &p->node);
    *out = p;
    return 0;
}

void
pool_free(struct pool **pool)
{
    struct pool *p = *pool;

    if (p == NULL)
        return;
    CHECK_IS(p, POOL_MAGIC);
    CHECK(p->n_in_use == 0);
    pool_flush(p);
    list_remove(&p->node);
    mem_free(MEM_DEFAULT, p->idle);
    mem_free(MEM_DEFAULT, p->leases);
    p->magic = 0;
    MEM_FREE(MEM_DEFAULT, pool);
}

/* Room for one lease more, before the thing is made. */
static bool
can_lend(struct pool *p)
{
    unsigned cap = p->lease_cap == 0 ? 8 : p->lease_cap * 2;
    struct lease *leases;

    if (p->n_in_use < p->lease_cap)
        return true;
    leases = mem_realloc(MEM_DEFAULT, p->leases, cap * sizeof *leases);
    if (leases == NULL)
        return false;
    p->leases = leases;
    p->lease_cap = cap;
    return true;
}

static void *
lend(struct pool *p, void *thing, const char *site)
{
    p->leases[p->n_in_use++] = (struct lease){ thing, site, p->now_ms };
    p->high_water = ORB_MAX(p->high_water, p->n_in_use);
    return thing;
}

/* From the newest on: most things come back in the reverse order, and no pool lends more than some hundred. */
static void
end_lease(struct pool *p, const void *thing)
{
    unsigned i = p->n_in_use;

    do
        CHECK(i > 0); /* not lent by this pool */
    while (p->leases[--i].thing != thing);
    p->n_in_use--;
    memmove(&p->leases[i], &p->leases[i + 1], (p->n_in_use - i) * sizeof p->leases[i]);
}

void *
pool_get_at(struct pool *p, const char *site)
{
    void *thing;

    CHECK_IS(p, POOL_MAGIC);
    if (p->n_idle == 0 && p->type.ceiling != 0 && p->n_in_use >= p->type.ceiling) {
        p->n_refused++;
        return NULL;
    }
    if (!can_lend(p))
        return NULL;
    if (p->n_idle > 0) {
        thing = p->idle[--p->n_idle];
        p->low_water = ORB_MIN(p->low_water, p->n_idle);
        p->n_hits++;
        return lend(p, thing, site);
    }
    p->n_misses++;
    thing = p->type.make(p->type.arg);
    return thing == NULL ? NULL : lend(p, thing, site);
}

/* Out of the stack of idle ones, whose order stays. */
static void *
take_fitting(struct pool *p, const void *key)
{
    for (unsigned i = p->n_idle; i > 0; i--) {
        void *thing = p->idle[i - 1];

        if (!p->type.fits(thing, key))
            continue;
        p->n_idle--;
        memmove(&p->idle[i - 1], &p->idle[i], (p->n_idle - (i - 1)) * sizeof(p->idle[0]));
        p->low_water = ORB_MIN(p->low_water, p->n_idle);
        return thing;
    }
    return NULL;
}

void *
pool_get_for_at(struct pool *p, const void *key, const char *site)
{
    void *thing;

    CHECK_IS(p, POOL_MAGIC);
    if (!can_lend(p))
        return NULL;
    thing = take_fitting(p, key);
    *(thing != NULL ? &p->n_hits : &p->n_misses) += 1;
    if (thing == NULL)
        thing = p->type.make_for(key, p->type.arg);
    return thing == NULL ? NULL : lend(p, thing, site);
}

static bool
keep(struct pool *p, void *thing)
{
    if (MEM_IS_PLAIN || (p->type.reset != NULL && !p->type.reset(thing, p->type.arg)))
        return false;
    if (p->n_idle == p->idle_cap) {
        unsigned cap = p->idle_cap == 0 ? 16 : p->idle_cap * 2;
        void **idle = mem_realloc(MEM_DEFAULT, p->idle, cap * sizeof *idle);
        if (idle == NULL)
            return false; /* benign: the thing is made anew next time */
        p->idle = idle;
        p->idle_cap = cap;
    }
    p->idle[p->n_idle++] = thing;
    return true;
}

void
pool_put(struct pool *p, void *thing_pp)
{
    void **pp = thing_pp;
    void *thing = *pp;

    CHECK_IS(p, POOL_MAGIC);
    if (thing == NULL)
        return;
    *pp = NULL;
    end_lease(p, thing);
    if (!keep(p, thing))
        p->type.destroy(thing, p->type.arg);
}

static void
destroy_idle(struct pool *p, unsigned n)
{
    while (n-- > 0 && p->n_idle > 0)
        p->type.destroy(p->idle[--p->n_idle], p->type.arg);
}

void
pool_tick(struct pool *p, uint64_t now_ms)
{
    unsigned unused, n;

    CHECK_IS(p, POOL_MAGIC);
    if (p->now_ms == 0) /* no time was known when these were lent */
        for (unsigned i = 0; i < p->n_in_use; i++)
            p->leases[i].since_ms = now_ms;
    p->now_ms = ORB_MAX(p->now_ms, now_ms);
    unused = ORB_MIN(p->low_water, p->n_idle);
    n = (unused + 1) / 2;
    if (p->n_idle - n < p->type.floor)
        n = p->n_idle > p->type.floor ? p->n_idle - p->type.floor : 0;
    destroy_idle(p, n);
    p->n_trims += n;
    p->low_water = p->n_idle;
}

void
pool_flush(struct pool *p)
{
    CHECK_IS(p, POOL_MAGIC);
    destroy_idle(p, p->n_idle);
    p->low_water = 0;
}

/* Leases stand in the order of their begin. */
static unsigned
n_overdue(const struct pool *p)
{
    unsigned n = 0;

    while (p->type.lease_ms != 0 && n < p->n_in_use && p->now_ms - p->leases[n].since_ms > p->type.lease_ms)
        n++;
    return n;
}

void
pool_overdue(const struct pool *p, void (*visit)(const char *site, uint64_t lent_ms, void *arg), void *arg)
{
    if (p->magic == BODIES_MAGIC) {
        buf_ring_overdue((unsigned)(p - bodies), visit, arg);
        return;
    }
    CHECK_IS(p, POOL_MAGIC);
    for (unsigned i = 0, n = n_overdue(p); i < n; i++)
        visit(p->leases[i].site, p->now_ms - p->leases[i].since_ms, arg);
}

void
pool_stats(const struct pool *p, struct pool_stats *out)
{
    if (p->magic == BODIES_MAGIC) {
        buf_ring_stats((unsigned)(p - bodies), out);
        return;
    }
    CHECK_IS(p, POOL_MAGIC);
    *out = (struct pool_stats){
        .n_overdue = n_overdue(p),
        .n_in_use = p->n_in_use,
        .n_idle = p->n_idle,
        .high_water = p->high_water,
        .n_hits = p->n_hits,
        .n_misses = p->n_misses,
        .n_trims = p->n_trims,
        .n_refused = p->n_refused,
    };
}

const char *
pool_name(const struct pool *p)
{
    return p->type.name;
}

static void
each_own(void (*visit)(struct pool *pool, void *arg), void *arg)
{
    if (registry.next != NULL)
        LIST_EACH_SAFE (node, &registry)
            visit(LIST_ELEMENT(node, struct pool, node), arg);
}

void
pool_each(void (*visit)(struct pool *pool, void *arg), void *arg)
{
    each_own(visit, arg);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        visit(&bodies[i], arg);
}

static void
tick(struct pool *p, void *now_ms)
{
    pool_tick(p, *(const uint64_t *)now_ms);
}

void
pool_tick_all(uint64_t now_ms)
{
    each_own(tick, &now_ms);
    buf_ring_tick(now_ms);
}

static void
flush(struct pool *p, void *arg)
{
    pool_flush(p);
}

void
pool_flush_all(void)
{
    each_own(flush, NULL);
    buf_ring_flush();
}
