/* graph.h - who holds whom: referrers, the shortest chain to a root, retained sizes, pictures
 *
 * Answers at a safe point, over the live heap. Weak references hold nobody. An object is *held from outside* when it is
 * pinned, immortal, named by a root, or has more references than other objects account for: from these on, all that is
 * reached is in use; the rest is garbage that waits for the collector.
 *
 * Cost       every call but graph_referents() walks the heap a few times. Of a million objects linked at random, in ms of CPU: a
 *            chain 60, a picture 200, what one object retains 230, what each type retains 350, graph_retained_top() 1,700. Side
 *            tables live for one call: 8 to 20 bytes an object; for graph_retained_top() 48, and 4 a reference. Nothing recurses.
 * Ownership  lists are NEW (mem_free(MEM_OBJ)); objects in them BORROWED until the next safe point.
 * Errors     ORB_ETOOBIG: more than GRAPH_MAX_OBJECTS, for graph_retained_top() GRAPH_MAX_OBJECTS_OF_TOP (rather than stop a
 *            worker for long), or the buf's ceiling.
 *            ORB_ENOMEM. After an error nothing is written, and a buf holds what it held.
 */
#ifndef ORB_GC_GRAPH_H
#define ORB_GC_GRAPH_H

#include "gc/object.h"
#include "gc/roots.h"
#include "pool/buf.h"

#define GRAPH_MAX_OBJECTS 4000000u
#define GRAPH_MAX_OBJECTS_OF_TOP 1000000u

int graph_referents(struct object *o, struct object ***out, size_t *n) ORB_MUST_USE; /* one for each reference */
int graph_referrers(struct object *o, struct object ***out, size_t *n) ORB_MUST_USE; /* objects, each once */

struct graph_chain {
    const char *root;        /* its name; "(pinned)" or "(immortal)" when no root leads here but such an object does;
                              * NULL: held from nowhere known (an unregistered holder, or a missing unref), or garbage */
    struct object **objects; /* from the root's to the one asked about */
    size_t n;                /* >= 1 */
    bool is_garbage;         /* nothing outside holds it: it waits for the collector; objects is it alone */
};
/* The shortest one from a root; when there is none, the shortest from an object that is held from outside. */
int graph_chain(struct object *o, struct graph_chain *out) ORB_MUST_USE;
void graph_chain_fini(struct graph_chain *c);

/* Retained = what would go with it: what is reached from outside through it alone, itself included. Bytes are slots and
 * owned_bytes. */
struct graph_retained {
    const struct object_type *type;
    uint64_t n, bytes;       /* of the living, garbage included */
    uint64_t retained_bytes; /* what would go if all of the type went */
};
int graph_retained_by_type(struct graph_retained **out, size_t *n) ORB_MUST_USE; /* by retained bytes, descending */
int graph_retained_of(struct object *o, uint64_t *bytes) ORB_MUST_USE;

struct graph_retainer {
    struct object *object;
    struct object *dominator; /* the nearest object that every way to it leads through; NULL: there is none */
    uint64_t n, bytes;        /* retained, itself included */
};
/* The (at most max, at most GRAPH_MAX_RETAINERS) objects that retain most, descending. */
#define GRAPH_MAX_RETAINERS 1000u
int graph_retained_top(size_t max, struct graph_retainer **out, size_t *n) ORB_MUST_USE;

struct graph_picture {
    struct object *around;             /* NULL: the roots */
    const struct object_type *type;    /* without around: the objects of this type and what holds them; NULL: any */
    unsigned max_depth, max_nodes;     /* 0 = 4, 60; at most GRAPH_MAX_DEPTH, GRAPH_MAX_NODES. Nodes of roots come on top */
    bool is_referrers;                 /* towards the roots (who holds it) instead of away from them */
};
#define GRAPH_MAX_DEPTH 20u
#define GRAPH_MAX_NODES 2000u
/* Equal siblings (same type, site and referrer) are one node "x 1,284". Edges lead from the holder to the held. A node says
 * how many more references it has to (or from) what is not shown.
 * DOT for Graphviz; JSON {is_referrers, is_cut, nodes: [{id, kind: objects|root|unknown, ...}], edges: [{from, to, n}]}. */
int graph_dot(const struct graph_picture *p, struct buf *to) ORB_MUST_USE;
int graph_json(const struct graph_picture *p, struct buf *to) ORB_MUST_USE;

#endif
