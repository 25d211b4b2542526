/* pool.h - things that are dear to make, kept for the next borrower
 *
 * A pool keeps what its users put back: curl handles, parser contexts, statements, decoders, buffers. It has a floor
 * (kept even when idle), a ceiling (in use and idle together) and decays by low watermark: pool_tick() frees half of
 * what stood unused since the tick before. At its ceiling pool_get() returns NULL: that is backpressure, not an error.
 *
 *            pool_get (miss: make)            pool_put (reset said no, or over ceiling: destroy)
 *   nothing ----------------------> IN USE ------------------------------> nothing
 *                    pool_get (hit) ^   | pool_put (reset said yes)
 *                                   +-- IDLE --pool_tick, pool_fini--> nothing
 *
 * Ownership  pool_get() lends; pool_put() takes back and writes NULL. pool_fini() requires that nothing is lent out.
 * Under ASan nothing is kept, so that use after put is seen.
 */
#ifndef ORB_POOL_POOL_H
#define ORB_POOL_POOL_H

#include "pool/mem.h"

struct pool_type {
    const char *name;
    void *(*make)(void *arg);              /* NEW or NULL */
    bool (*reset)(void *thing, void *arg); /* on put: may it be kept? NULL = always */
    void (*destroy)(void *thing, void *arg);
    void *arg;
    unsigned floor, ceiling;               /* ceiling 0 = none */
};

struct pool_stats {
    unsigned n_in_use, n_idle, high_water;
    uint64_t n_hits, n_misses, n_trims, n_refused;
};

struct pool;

int pool_new(struct pool **out, const struct pool_type *type); /* KEEPS a copy of *type */
void pool_free(struct pool **pool);
void *pool_get(struct pool *pool) ORB_MUST_USE; /* lent, or NULL: at the ceiling or out of memory */
void pool_put(struct pool *pool, void *thing_pp); /* &pointer; NULL inside is fine */
void pool_tick(struct pool *pool);              /* call about once a second */
void pool_flush(struct pool *pool);             /* destroys all idle ones */
void pool_stats(const struct pool *pool, struct pool_stats *out);
const char *pool_name(const struct pool *pool);

#endif
