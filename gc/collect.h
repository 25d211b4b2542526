/* collect.h - the cycle collector: trial deletion over slabs, three generations, non-moving
 *
 * Counting frees nearly everything at once. What refers to itself in a ring is found here: references from inside a
 * generation are subtracted from the counts (gcn); what is held by more than them is reached from outside, and so is what it
 * reaches; the rest is garbage. Algorithm: Collins/Christopher trial deletion as in CPython's collector, with the
 * candidate test of Bacon and Rajan, "Concurrent Cycle Collection in Reference Counted Systems", 2001, for young and middle
 * collections. It does not see a ring that swallows the last reference to itself (object.h), so full ones look at everything.
 *
 *   gc_collect(g)   1 count    inside references of generations <= g
 *                   2 mark     from what is held from outside
 *                   3 doom     the unmarked; survivors move one generation up, their gcn is 0 again
 *                   4 weak     every weak reference into the doomed reads NULL
 *                   5 finalize once per object; then 1-2 again over the doomed alone: the resurrected live on
 *                   6 clear    every link is cut, counts fall to zero, release
 *                   7 call     watchers and gc callbacks, outside the collection
 *
 * Runs at safe points only: gc_collect() and gc_safe_point() are called where no C code holds an uncounted pointer to an
 * object (the loop's turn). object_new() never collects. The collector allocates nothing from phase 1 to 6 (finalizers may): what it needs is in the slabs.
 * Never driven by RSS: thresholds count objects, bytes are live bytes of the domains (pool/mem.h).
 *
 * Time       gc/ knows no clock: gc_set_clock() lends one for the pause histogram; without it pauses read 0.
 */
#ifndef ORB_GC_COLLECT_H
#define ORB_GC_COLLECT_H

#include "gc/object.h"

#define GC_GENERATIONS 3
#define GC_PAUSE_BUCKETS 16 /* bucket k: below 2^k * 32 us; the last: all longer ones */

struct gc_generation_stats {
    uint64_t n_collections, n_skipped;           /* skipped: no candidate; full ones never are */
    uint64_t n_collected, collected_bytes;
    uint64_t n_uncollectable, n_resurrected;
    uint64_t n_scanned;
    uint64_t n_candidates;                       /* since the last collection of it */
    uint64_t n_objects, live_bytes;              /* in it now; slots */
    uint64_t pause_total_ns, pause_max_ns, pauses[GC_PAUSE_BUCKETS];
};
struct gc_stats {
    struct gc_generation_stats generations[GC_GENERATIONS];
    uint64_t n_frozen, n_untracked;              /* frozen: and pinned; untracked: acyclic types */
    uint64_t heap_bytes, slack_bytes, n_slabs;   /* heap = slabs held; slack = heap - live slots */
    uint64_t floating_bytes_last, floating_bytes_max; /* garbage that the last full collection found: it had floated since the
                                                         one before; and the most ever */
    uint64_t n_revived;                          /* by their finalizer when their count fell to 0, outside collections */
    uint64_t last_yield;                         /* objects that the last collection found */
};
void gc_stats(struct gc_stats *out);

struct gc_result {
    uint64_t n_collected, collected_bytes, n_uncollectable, n_resurrected, pause_ns;
    bool was_skipped;
};
/* Generation 0 = young, 1 = young and middle: skipped when no count of them has fallen to non-zero. 2 = all, and exact: all that
 * is not held from outside goes, whatever it came from, but for the frozen and the uncollectable. From a callback of a collection, a
 * teardown or a weak reference it does nothing. */
struct gc_result gc_collect(unsigned generation);

/* The generation whose threshold is due, if any; to be called at each turn of the loop. A full one is due when its threshold is
 * and the survivors of middle collections exceed a quarter of the old, or when gc_floating_estimate() exceeds both
 * gc_set_floating_limit() and a quarter of what lived after the last full one. Returns whether a collection ran. */
bool gc_safe_point(void);
void gc_set_thresholds(const unsigned thresholds[GC_GENERATIONS]); /* new objects, then collections of the one below; 0 = never */
void gc_thresholds(unsigned thresholds[GC_GENERATIONS]);           /* 2000, 10, 10 at start */
void gc_set_floating_limit(uint64_t bytes);                        /* 16 MiB at start; 0 = none */
uint64_t gc_floating_estimate(void);                               /* of garbage that waits, from above: at most the live bytes */
void gc_enable(bool is_enabled);                                   /* of gc_safe_point(); gc_collect() always works */

/* Everything tracked leaves the generations (a start's tables that will live as long as the process) and comes back old. */
void gc_freeze(void);
void gc_unfreeze(void);

/* fn at the start and the stop of each collection that is not skipped, newest first; result is NULL at the start. Callbacks
 * may remove themselves and others; one that is added meanwhile is called from the next time on. */
typedef void gc_callback_fn(void *arg, unsigned generation, const struct gc_result *result);
struct gc_callback { /* embedded in its owner; zeroed = not registered */
    struct gc_callback *next;
    gc_callback_fn *fn;
    void *arg;
};
void gc_callback_add(struct gc_callback *c);
void gc_callback_remove(struct gc_callback *c);

/* Objects of garbage cycles that could not be torn down (OBJECT_ORDERED). BORROWED pointers; at most max are written; returns
 * how many there are. */
size_t gc_uncollectable(struct object **out, size_t max);

/* By type, what the collector (not counting) freed since the start. Index = type id. */
uint64_t gc_collected_of_type(unsigned type_id);

void gc_set_clock(uint64_t (*now_ns)(void));
/* Birth epochs: 12 bits of GC_EPOCH_S seconds; the caller says what time it is (monotonic). Objects whose birth would wrap are
 * dated as old as can be told. */
#define GC_EPOCH_S 4u
#define GC_EPOCH_BITS 12
void gc_set_time(uint64_t now_ms);
uint32_t gc_epoch(void);
uint32_t gc_age_s(const struct object *o); /* to GC_EPOCH_S; at most 2 h, which means "or more" */

/* Every invariant of heap, headers, bitmaps, cells and counts; CHECK fails with what is wrong. O(heap). */
void gc_check(void);
void gc_set_check(bool is_checking); /* after every collection that is not skipped: --check-heap */

/* At the end of a process: finalizers, a full collection, then every slab without objects goes back. Returns how many mortal
 * objects are still alive: they were leaked, or are held by statics. */
size_t gc_fini(void);

#endif
