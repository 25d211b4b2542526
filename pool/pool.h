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
 * A lease is the time between get and put. The pool knows who borrowed (the line that called pool_get()) and since when, by
 * the clock that pool_tick() tells it; one that lasts longer than lease_ms is overdue: a thing that was not put back.
 *
 * Ownership  pool_get() lends; pool_put() takes back and writes NULL. pool_free() requires that nothing is lent out.
 * Threads    one at a time per pool; pool_each() and pool_tick_all() see the pools that their own thread made.
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
    void *(*make_for)(const void *key, void *arg);  /* instead of make: for pool_get_for(); no ceiling then */
    bool (*fits)(const void *thing, const void *key);
    unsigned floor, ceiling;               /* ceiling 0 = none */
    uint64_t lease_ms;                     /* 0: may be lent for ever */
};

struct pool_stats {
    unsigned n_in_use, n_idle, high_water, n_overdue;
    uint64_t n_hits, n_misses, n_trims, n_refused;
};

struct pool;

int pool_new(struct pool **out, const struct pool_type *type); /* KEEPS a copy of *type */
void pool_free(struct pool **pool);
#define POOL_LINE_TEXT_(line) #line
#define POOL_LINE_TEXT(line) POOL_LINE_TEXT_(line)
#define POOL_SITE __FILE__ ":" POOL_LINE_TEXT(__LINE__)

/* Lent, or NULL: at the ceiling or out of memory. The macro notes the borrower's line. */
#define pool_get(pool) pool_get_at((pool), POOL_SITE)
void *pool_get_at(struct pool *pool, const char *site) ORB_MUST_USE;
/* Of a pool whose things differ: the warmest idle one that fits key, or one made for it. */
#define pool_get_for(pool, key) pool_get_for_at((pool), (key), POOL_SITE)
void *pool_get_for_at(struct pool *pool, const void *key, const char *site) ORB_MUST_USE;
void pool_put(struct pool *pool, void *thing_pp); /* &pointer; NULL inside is fine */
void pool_tick(struct pool *pool, uint64_t now_ms); /* call about once a second */
void pool_flush(struct pool *pool);               /* destroys all idle ones */
void pool_stats(const struct pool *pool, struct pool_stats *out);
const char *pool_name(const struct pool *pool);

/* Every lease that is overdue, the oldest first: its borrower's "file:line" and how long it has lasted. */
void pool_overdue(const struct pool *pool, void (*visit)(const char *site, uint64_t lent_ms, void *arg), void *arg);

/* The pools that this thread made, in the order in which it did; then the sizes of body buffers, which are the process's: they lend
 * through buf.h and may only be asked (pool_stats, pool_name, pool_overdue). */
void pool_each(void (*visit)(struct pool *pool, void *arg), void *arg);
void pool_tick_all(uint64_t now_ms); /* ... and the body buffers of all threads (buf.h) */
void pool_flush_all(void);           /* likewise */

#endif
