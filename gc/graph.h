/* graph.h - who holds whom: referrers, the shortest chain to a root, retained sizes, pictures
 *
 * Answers at a safe point, over the live heap; side tables (8 to 24 bytes an object) live for one call. Refuses with
 * ORB_ETOOBIG above GRAPH_MAX_OBJECTS rather than stop a worker for long.
 *
 * Ownership  lists are NEW (mem_free(MEM_OBJ)); objects in them BORROWED until the next safe point.
 */
#ifndef ORB_GC_GRAPH_H
#define ORB_GC_GRAPH_H

#include "gc/object.h"
#include "gc/roots.h"
#include "pool/buf.h"

#define GRAPH_MAX_OBJECTS 4000000u

int graph_referents(struct object *o, struct object ***out, size_t *n) ORB_MUST_USE;
int graph_referrers(struct object *o, struct object ***out, size_t *n) ORB_MUST_USE; /* objects only; O(heap) */

struct graph_chain {
    const char *root;        /* its name; NULL: no root leads here (an unregistered holder, or a missing unref) */
    struct object **objects; /* from the root's to the one asked about */
    size_t n;
};
/* The shortest one. ORB_ENOTFOUND never: a chain without a root starts at the object that is held from nowhere known. */
int graph_chain(struct object *o, struct graph_chain *out) ORB_MUST_USE;
void graph_chain_fini(struct graph_chain *c);

struct graph_retained {
    const struct object_type *type;
    uint64_t n, bytes, retained_bytes; /* what would go if all of the type went: dominator tree (Lengauer and Tarjan 1979, or Cooper,
                                          Harvey and Kennedy 2001); owned_bytes included */
};
int graph_retained_by_type(struct graph_retained **out, size_t *n) ORB_MUST_USE;
int graph_retained_of(struct object *o, uint64_t *bytes) ORB_MUST_USE;

struct graph_picture {
    struct object *around;             /* NULL: the roots */
    const struct object_type *type;    /* NULL: any; else objects of this type and what holds them */
    unsigned max_depth, max_nodes;     /* 0 = 4, 60 */
    bool is_referrers;                 /* towards the roots (who holds it) instead of away from them */
};
/* Equal siblings (same type, site and referrer) are one node "x 1,284". DOT for Graphviz, JSON {nodes, edges} for programs. */
int graph_dot(const struct graph_picture *p, struct buf *to) ORB_MUST_USE;
int graph_json(const struct graph_picture *p, struct buf *to) ORB_MUST_USE;

#endif
