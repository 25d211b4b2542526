/* graph_tables.h - what graph*.c share: tables by heap index that live for one call
 *
 * Private to gc/. Nothing is made or dies while they live.
 */
#ifndef ORB_GC_GRAPH_TABLES_H
#define ORB_GC_GRAPH_TABLES_H

#include "gc/graph.h"
#include "gc/heap.h"

int graph_check_size(void) ORB_MUST_USE; /* 0 or ORB_ETOOBIG */
uint64_t graph_size_of(const struct object *o); /* slot and owned bytes */

/* For each object the number of references that are known to hold it: from objects, and from roots when asked for. */
int graph_count_references(uint32_t **out, bool with_roots) ORB_MUST_USE; /* NEW */

/* By a table without roots: is it held from outside? By one with them: also from where no root is? */
static inline bool
graph_is_held(const struct object *o, const uint32_t *n_references)
{
    return (o->flags & OBJECT_PINNED) != 0 || o->refs == OBJECT_IMMORTAL_REFS || o->refs > n_references[heap_index(o)];
}

/* All objects that are held from outside, in no order, some of them twice. */
int graph_each_held(heap_each_fn *each, void *arg) ORB_MUST_USE;

/* A breadth-first search along references. */
struct graph_flood {
    uint32_t *parents;    /* by heap index: 0 = not reached; GRAPH_SOURCE, GRAPH_BARRED, or the parent's index + 1 */
    struct object **queue; /* in the order in which they were reached; pointers, since heap_at_index() searches */
    size_t n_queued, n_done;
    uint32_t from;        /* the heap index of the one whose references are followed: becomes the parent */
    const struct object *until; /* stops when this one is reached; may be NULL */
    bool is_found;
};
#define GRAPH_SOURCE UINT32_MAX
#define GRAPH_BARRED (UINT32_MAX - 1) /* counts as reached and is never passed */

int graph_flood_init(struct graph_flood *f) ORB_MUST_USE;
void graph_flood_fini(struct graph_flood *f);
void graph_flood_bar(struct graph_flood *f, struct object *o);
void graph_flood_add(void *flood, struct object *o); /* a source, unless it is reached already; a heap_each_fn */
void graph_flood_run(struct graph_flood *f);

#endif
