#include "pool/pool.h"
#include "pool/error.h"

#define POOL_MAGIC 0x706f6f6cu

#if defined(__SANITIZE_ADDRESS__)
#define POOL_KEEPS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEPS false
#endif
#endif
#ifndef POOL_KEEPS
#define POOL_KEEPS true
#endif

struct pool {
    uint32_t magic;
    struct pool_type type;
    void **idle;            /* a stack: the warmest is on top */
    unsigned n_idle, idle_cap;
    unsigned n_in_use, high_water;
    unsigned low_water;     /* fewest idle since the last tick */
    uint64_t n_hits, n_misses, n_trims, n_refused;
};

int
pool_new(struct pool **out, const struct pool_type *type)
{
    struct pool *p = mem_zalloc(MEM_DEFAULT, sizeof *p);

    if (p == NULL)
        return ORB_ENOMEM;
    p->magic = POOL_MAGIC;
    p->type = *type;
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
    mem_free(MEM_DEFAULT, p->idle);
    p->magic = 0;
    MEM_FREE(MEM_DEFAULT, pool);
}

static void
lend(struct pool *p)
{
    p->n_in_use++;
    if (p->n_in_use > p->high_water)
        p->high_water = p->n_in_use;
}

void *
pool_get(struct pool *p)
{
    void *thing;

    CHECK_IS(p, POOL_MAGIC);
    if (p->n_idle > 0) {
        thing = p->idle[--p->n_idle];
        if (p->n_idle < p->low_water)
            p->low_water = p->n_idle;
        p->n_hits++;
        lend(p);
        return thing;
    }
    if (p->type.ceiling != 0 && p->n_in_use >= p->type.ceiling) {
        p->n_refused++;
        return NULL;
    }
    p->n_misses++;
    thing = p->type.make(p->type.arg);
    if (thing == NULL)
        return NULL;
    lend(p);
    return thing;
}

static bool
keep(struct pool *p, void *thing)
{
    if (!POOL_KEEPS || (p->type.reset != NULL && !p->type.reset(thing, p->type.arg)))
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
    CHECK(p->n_in_use > 0);
    p->n_in_use--;
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
pool_tick(struct pool *p)
{
    unsigned unused, n;

    CHECK_IS(p, POOL_MAGIC);
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

void
pool_stats(const struct pool *p, struct pool_stats *out)
{
    CHECK_IS(p, POOL_MAGIC);
    *out = (struct pool_stats){
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
