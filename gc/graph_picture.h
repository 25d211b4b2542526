/* graph_picture.h - a bounded part of the graph, with equal siblings in one node
 *
 * Private to gc/: graph_draw.c writes it as DOT or JSON. Tables of 8 to 12 bytes an object live as long as the picture.
 */
#ifndef ORB_GC_GRAPH_PICTURE_H
#define ORB_GC_GRAPH_PICTURE_H

#include "gc/graph_tables.h"
#include "pool/map.h"

enum picture_kind {
    PICTURE_OBJECTS,         /* objects of one type and site, found through the same node */
    PICTURE_ROOT,            /* a named root */
    PICTURE_UNKNOWN          /* whoever holds references that neither objects nor roots account for, pins included */
};
struct picture_node {
    enum picture_kind kind;
    unsigned depth;
    const char *root;        /* PICTURE_ROOT: its name */
    struct object *first;    /* PICTURE_OBJECTS */
    uint32_t newest;         /* of its objects: heap index + 1; the others follow in picture.next */
    uint64_t n, bytes;
    uint64_t n_more;         /* references to (in a picture of referrers: from) objects that are not shown */
};
struct picture_edge {
    uint32_t from, to;       /* the holder, the held */
    uint64_t n;              /* references */
};
struct picture {
    struct picture_node *nodes;
    struct picture_edge *edges;
    uint32_t n_nodes, n_edges, cap_nodes, cap_edges;
    uint32_t max_nodes, max_depth; /* of nodes of objects */
    bool is_referrers, is_cut;     /* cut: there is more than is shown */
    int err;
    /* while it is made */
    uint32_t *node_of;       /* by heap index: node + 1; 0 = not shown */
    uint32_t *next;          /* by heap index: the next object of the same node + 1 */
    struct map groups;       /* (node it was found through, type, site) -> node + 1 */
    struct map edge_of;      /* (from, to) -> edge + 1 */
    uint32_t n_object_nodes;
    uint32_t at;             /* the node, or the depth, that is being looked at */
    uint32_t holder;         /* the node of the root before: references of one come in a row */
    const uint32_t *n_references;
    struct object *reader;   /* whose references are being read */
};

int picture_make(struct picture *p, const struct graph_picture *what) ORB_MUST_USE;
void picture_fini(struct picture *p);

#endif
