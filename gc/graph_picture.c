#include "gc/graph_picture.h"

/* Away from the roots, node after node, the references of a node's objects are read. Towards them, depth after depth, the whole
 * heap is read for references to objects of that depth: no table of referrers is kept, and a picture has few depths. Either
 * way an object belongs to the node through which it was met first, and nodes come in the order of their depth. */

#define MAX_EDGES 20000u
#define DEFAULT_DEPTH 4u
#define DEFAULT_NODES 60u
#define MAX_HOLDERS 64u /* nodes of roots; they do not count for max_nodes */
#define NO_NODE UINT32_MAX

/* ---- nodes and edges ---- */

/* Room for one element more in an array of *cap; doubles. */
static int
make_room(void **array, uint32_t *cap, uint32_t n, size_t element_bytes)
{
    uint32_t more = *cap == 0 ? 32 : 2 * *cap;
    void *grown;

    if (n < *cap)
        return 0;
    grown = mem_realloc(MEM_OBJ, *array, more * element_bytes);
    if (grown == NULL)
        return ORB_ENOMEM;
    *array = grown;
    *cap = more;
    return 0;
}

static uint32_t
add_node(struct picture *p, const struct picture_node *node)
{
    if (p->err == 0)
        p->err = make_room((void **)&p->nodes, &p->cap_nodes, p->n_nodes, sizeof *p->nodes);
    if (p->err != 0)
        return NO_NODE;
    p->nodes[p->n_nodes] = *node;
    return p->n_nodes++;
}

static void
add_edge(struct picture *p, uint32_t from, uint32_t to, uint64_t n)
{
    uint64_t key = (uint64_t)from << 32 | to;
    uintptr_t edge = (uintptr_t)map_get(&p->edge_of, key);

    if (p->err != 0)
        return;
    if (edge != 0) {
        p->edges[edge - 1].n += n;
        return;
    }
    if (p->n_edges == MAX_EDGES) {
        p->is_cut = true;
        return;
    }
    p->err = make_room((void **)&p->edges, &p->cap_edges, p->n_edges, sizeof *p->edges);
    if (p->err == 0)
        p->err = map_put(&p->edge_of, key, (void *)(uintptr_t)(p->n_edges + 1));
    if (p->err == 0)
        p->edges[p->n_edges++] = (struct picture_edge){ from, to, n };
}

/* The node for objects like o that are met through node `through`, or NO_NODE: there are too many already. */
static uint32_t
group_of(struct picture *p, const struct object *o, uint32_t through)
{
    /* 13 bits: nodes are fewer than 2^12, and NO_NODE + 1 is 0; 16 bits; 20 bits: the key is exact */
    uint64_t key = (uint64_t)(through + 1) << 36 | (uint64_t)o->type << 20 | (o->site & ((1u << OBJECT_SITE_BITS) - 1));
    uintptr_t known = (uintptr_t)map_get(&p->groups, key);
    struct picture_node node = { .kind = PICTURE_OBJECTS, .depth = through == NO_NODE ? 0 : p->nodes[through].depth + 1 };
    uint32_t at;

    if (known != 0)
        return (uint32_t)(known - 1);
    if (p->n_object_nodes == p->max_nodes) {
        p->is_cut = true;
        return NO_NODE;
    }
    at = add_node(p, &node);
    if (at == NO_NODE)
        return NO_NODE;
    p->n_object_nodes++;
    p->err = map_put(&p->groups, key, (void *)(uintptr_t)(at + 1));
    return at;
}

/* o becomes one of the objects of the node that it belongs to. Returns that, or NO_NODE. */
static uint32_t
show(struct picture *p, struct object *o, uint32_t through)
{
    size_t index = heap_index(o);
    uint32_t at = p->node_of[index];
    struct picture_node *node;

    if (at != 0)
        return at - 1;
    at = group_of(p, o, through);
    if (at == NO_NODE || p->err != 0)
        return NO_NODE;
    node = &p->nodes[at];
    if (node->first == NULL)
        node->first = o;
    p->next[index] = node->newest;
    node->newest = (uint32_t)index + 1;
    p->node_of[index] = at + 1;
    node->n++;
    node->bytes += graph_size_of(o);
    return at;
}

/* ---- away from the roots ---- */

static void
show_referent(struct object **reference, void *picture)
{
    struct picture *p = picture;
    uint32_t to = p->node_of[heap_index(*reference)];

    if (to == 0)
        to = p->nodes[p->at].depth < p->max_depth ? show(p, *reference, p->at) + 1 : 0; /* NO_NODE + 1 is 0 */
    if (to != 0)
        add_edge(p, p->at, to - 1, 1);
    else
        p->nodes[p->at].n_more++;
}

static void
grow_away(struct picture *p)
{
    for (p->at = 0; p->at < p->n_nodes && p->err == 0; p->at++)
        for (uint32_t i = p->nodes[p->at].newest; i != 0 && p->err == 0; i = p->next[i - 1])
            heap_each_reference(heap_at_index(i - 1), show_referent, p);
}

/* ---- towards the roots ---- */

static void
show_referrer(struct object **reference, void *picture)
{
    struct picture *p = picture;
    uint32_t to = p->node_of[heap_index(*reference)], from;

    if (to == 0 || p->nodes[to - 1].depth != p->at || p->err != 0)
        return;
    from = p->node_of[heap_index(p->reader)];
    if (from == 0)
        from = p->at < p->max_depth ? show(p, p->reader, to - 1) + 1 : 0;
    if (from != 0)
        add_edge(p, from - 1, to - 1, 1);
    else
        p->nodes[to - 1].n_more++;
}

static void
read_references(void *picture, struct object *o)
{
    struct picture *p = picture;

    p->reader = o;
    heap_each_reference(o, show_referrer, p);
}

static void
grow_towards(struct picture *p)
{
    for (p->at = 0; p->err == 0 && p->n_nodes > 0 && p->nodes[p->n_nodes - 1].depth >= p->at; p->at++)
        heap_each(read_references, p);
}

/* ---- who holds from outside ---- */

static bool
is_holder(const struct picture_node *node, const char *name)
{
    if (name == NULL)
        return node->kind == PICTURE_UNKNOWN;
    return node->kind == PICTURE_ROOT && strcmp(node->root, name) == 0;
}

/* The node of a root by that name; NULL is PICTURE_UNKNOWN. NO_NODE: too many. */
static uint32_t
holder_of(struct picture *p, const char *name)
{
    struct picture_node node = { .kind = name == NULL ? PICTURE_UNKNOWN : PICTURE_ROOT, .root = name };
    uint32_t n_holders = 0;

    if (p->holder < p->n_nodes && is_holder(&p->nodes[p->holder], name))
        return p->holder;
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        if (is_holder(&p->nodes[i], name))
            return p->holder = i;
        n_holders += p->nodes[i].kind != PICTURE_OBJECTS;
    }
    if (n_holders < MAX_HOLDERS)
        return p->holder = add_node(p, &node);
    p->is_cut = true;
    return NO_NODE;
}

static void
hold(struct picture *p, const char *name, struct object *o, uint64_t n)
{
    uint32_t holder, held = p->node_of[heap_index(o)];

    if (p->err != 0 || (p->is_referrers && held == 0)) /* what is not shown needs no holder */
        return;
    holder = holder_of(p, name);
    if (holder == NO_NODE)
        return;
    if (held == 0)
        held = show(p, o, holder) + 1;
    if (held != 0)
        add_edge(p, holder, held - 1, n);
    else
        p->nodes[holder].n_more += n;
}

static void
hold_by_root(void *picture, const struct gc_root *root, struct object **reference)
{
    hold(picture, root->name, *reference, 1);
}

static void
hold_by_unknown(void *picture, struct object *o)
{
    struct picture *p = picture;
    uint32_t n_known = p->n_references[heap_index(o)];

    if (graph_is_held(o, p->n_references))
        hold(p, NULL, o, o->refs != OBJECT_IMMORTAL_REFS && o->refs > n_known ? o->refs - n_known : 1);
}

static void
grow_holders(struct picture *p)
{
    uint32_t *n_references;

    if (p->err != 0)
        return;
    gc_roots_each(hold_by_root, p);
    if (p->err == 0)
        p->err = graph_count_references(&n_references, true);
    if (p->err != 0)
        return;
    p->n_references = n_references;
    heap_each(hold_by_unknown, p);
    p->n_references = NULL;
    mem_free(MEM_OBJ, n_references);
}

/* ---- all of it ---- */

static void
show_if_of_type(void *picture, struct object *o)
{
    struct picture *p = picture;

    if (p->err == 0 && o->type == p->at && show(p, o, NO_NODE) == NO_NODE)
        p->is_cut = true;
}

static void
start(struct picture *p, const struct graph_picture *what)
{
    if (what->around != NULL) {
        show(p, what->around, NO_NODE);
    } else if (what->type != NULL) {
        p->at = what->type->id;
        heap_each(show_if_of_type, p);
    } else {
        grow_holders(p);
    }
}

int
picture_make(struct picture *p, const struct graph_picture *what)
{
    int err = graph_check_size();

    if (err != 0)
        return err;
    *p = (struct picture){
        .max_depth = what->max_depth == 0 ? DEFAULT_DEPTH : ORB_MIN(what->max_depth, GRAPH_MAX_DEPTH),
        .max_nodes = what->max_nodes == 0 ? DEFAULT_NODES : ORB_MIN(what->max_nodes, GRAPH_MAX_NODES),
        .is_referrers = what->around != NULL ? what->is_referrers : what->type != NULL,
        .node_of = mem_array(MEM_OBJ, heap_index_end(), sizeof(uint32_t)),
        .next = mem_array(MEM_OBJ, heap_index_end(), sizeof(uint32_t)),
    };
    map_init(&p->groups, MEM_OBJ);
    map_init(&p->edge_of, MEM_OBJ);
    p->err = p->node_of == NULL || p->next == NULL ? ORB_ENOMEM : 0;
    if (p->err == 0)
        start(p, what);
    if (p->err == 0 && p->is_referrers) {
        grow_towards(p);
        grow_holders(p);
    } else if (p->err == 0) {
        grow_away(p);
    }
    err = p->err;
    if (err != 0)
        picture_fini(p);
    return err;
}

void
picture_fini(struct picture *p)
{
    MEM_FREE(MEM_OBJ, &p->nodes);
    MEM_FREE(MEM_OBJ, &p->edges);
    MEM_FREE(MEM_OBJ, &p->node_of);
    MEM_FREE(MEM_OBJ, &p->next);
    map_fini(&p->groups);
    map_fini(&p->edge_of);
}
