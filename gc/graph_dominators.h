/* graph_dominators.h - the tree of who must be passed on every way from outside to an object
 *
 * Lengauer and Tarjan, "A Fast Algorithm for Finding Dominators in a Flowgraph", 1979, the simple version: O(m log n) also on
 * the graphs that make iterative data flow quadratic (a doubly linked list entered at both ends, such as an LRU list).
 * The flow graph's entry is "outside": graph_each_held() leads from it. Objects that are not reached are garbage and left out.
 *
 * Private to gc/.
 */
#ifndef ORB_GC_GRAPH_DOMINATORS_H
#define ORB_GC_GRAPH_DOMINATORS_H

#include "gc/graph_tables.h"

struct graph_dominators {
    uint32_t n;           /* objects that are reached; numbers 1 to n in depth-first order, 0 is the outside */
    struct object **objects; /* by number */
    uint32_t *dominators; /* by number; dominators[v] < v */
};
int graph_dominators_find(struct graph_dominators *d) ORB_MUST_USE;
void graph_dominators_fini(struct graph_dominators *d);

#endif
