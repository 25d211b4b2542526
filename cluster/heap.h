/* heap.h - what a process says of its memory when it is asked: the questions of `orb heap`, answered at a safe point
 *
 *   orb heap --control socket--> coordinator_heap.c --HEAP frame--> worker: at its loop's next turn heap_answer()
 *                                      | the coordinator itself: at once
 *
 * A question is one JSON object:
 *   {"what":"census"}                                  also types, sites (the same figures), roots, gc, domains, pools, collect
 *   {"what":"diff","since_s":600}
 *   {"what":"graph","format":"json|dot","target":T,"referrers":true,"depth":4,"nodes":60}      T may be missing: from the roots
 *   {"what":"referrers|referents|chain|retained","target":T}      T: "0x7f..." or a type's name (its oldest object)
 *   {"what":"errors"}                                  the last errors of the hosts at hand
 *   {"what":"trace","format":"json|folded|pprof"}   {"what":"magnify","minutes":5}
 * The answer is a JSON object, or what `format` says.
 *
 * Safe point  gc_safe_point(), census and graph look at every object: heap_safe_point(), heap_tick() and heap_answer() are
 *            called where no C code holds an uncounted reference: from a callback of the loop, with nothing of ours above it.
 * Ownership  heap_open() ... heap_close(); facts are BORROWED.
 */
#ifndef ORB_CLUSTER_HEAP_H
#define ORB_CLUSTER_HEAP_H

#include "gc/census.h"
#include "gc/text.h"

#define HEAP_MAX_QUESTION_BYTES 4096
#define HEAP_MAX_ANSWER_BYTES (8u << 20)
#define HEAP_MAX_MAGNIFY_MINUTES 1440

/* What only the process knows; each may be NULL. */
struct heap_facts {
    void (*balance)(void *arg, struct text *t);  /* elements of a JSON array: {"type":"Fetch","live":n,"expected":n}, ... */
    void (*errors)(void *arg, struct text *t);   /* elements of a JSON array: {"host","errors":[...]}, ... */
    void *arg;
};

struct heap {
    struct heap_facts facts;
    struct census_history *history;
    uint64_t collect_pages, collect_ms;          /* --collect-every; 0 = not */
    uint64_t next_collect_pages, next_collect_ms;
    uint64_t n_periodic, periodic_objects, periodic_bytes; /* collections that it asked for, and their yield */
    uint64_t magnify_until_ms;                   /* 0 = not magnified */
    size_t trace_mean_bytes;                     /* what sampling comes back to then */
};

int heap_open(struct heap *h, const struct heap_facts *facts) ORB_MUST_USE;
void heap_close(struct heap *h);
/* "5000 pages", "30s", "5m": false: it is neither. */
bool heap_parse_rhythm(const char *text, uint64_t *n_pages, uint64_t *ms);
void heap_set_rhythm(struct heap *h, uint64_t n_pages, uint64_t ms);

/* Each turn of the loop: the collector's own rhythm, and --collect-every. Returns whether the latter ran; *result is its. */
struct gc_result;
bool heap_safe_point(struct heap *h, uint64_t now_ms, uint64_t n_pages, struct gc_result *result);
/* About once a second. */
void heap_tick(struct heap *h, uint64_t now_ms);

/* The answer in `to` (appended); false: a sentence that says why there is none. */
bool heap_answer(struct heap *h, struct slice question, uint64_t now_ms, struct buf *to);

#endif
