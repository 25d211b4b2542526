#include "gc/graph_dominators.h"

/* Three steps, each with its own tables:
 *
 *   walk    depth first from outside: numbers, and each object's parent in the tree of the walk
 *   edges   for each number, the numbers that refer to it, side by side
 *   link    semidominators from the last number to the first, on a forest with path compression; then dominators
 *
 * Tables by heap index have room for free slots; those by number only for what was reached. */

#define NONE UINT32_MAX

/* ---- walk ----
 *
 * The stack is a list through the objects' own entries, and one that is pushed again moves to the top with its new parent: a
 * depth-first walk as if by recursion, in 16 bytes an object however many references there are. */

struct walk {
    uint32_t *numbers;  /* by heap index; 0 = not visited */
    uint32_t *parents;  /* by heap index: a number */
    uint32_t *above, *below; /* by heap index, the stack's neighbours; entry n_indices is its end; NONE = not in it */
    struct object **objects; /* by number */
    uint64_t *is_held;  /* bits by heap index */
    uint32_t n, n_indices, from;
};

static void
walk_fini(struct walk *w)
{
    MEM_FREE(MEM_OBJ, &w->numbers);
    MEM_FREE(MEM_OBJ, &w->parents);
    MEM_FREE(MEM_OBJ, &w->above);
    MEM_FREE(MEM_OBJ, &w->below);
    MEM_FREE(MEM_OBJ, &w->objects);
    MEM_FREE(MEM_OBJ, &w->is_held);
}

static int
walk_init(struct walk *w)
{
    size_t n = heap_index_end();

    *w = (struct walk){ .n_indices = (uint32_t)n,
                        .numbers = mem_array(MEM_OBJ, n, sizeof(uint32_t)),
                        .parents = mem_array(MEM_OBJ, n, sizeof(uint32_t)),
                        .above = mem_array(MEM_OBJ, n + 1, sizeof(uint32_t)),
                        .below = mem_array(MEM_OBJ, n + 1, sizeof(uint32_t)),
                        .objects = mem_array(MEM_OBJ, heap_n_objects() + 1, sizeof(struct object *)),
                        .is_held = mem_array(MEM_OBJ, n / 64 + 1, sizeof(uint64_t)) };
    if (w->numbers == NULL || w->parents == NULL || w->above == NULL || w->below == NULL || w->objects == NULL
        || w->is_held == NULL) {
        walk_fini(w);
        return ORB_ENOMEM;
    }
    memset(w->above, 0xff, (n + 1) * sizeof(uint32_t));
    w->above[n] = w->below[n] = w->n_indices;
    return 0;
}

static void
stack_remove(struct walk *w, uint32_t index)
{
    w->below[w->above[index]] = w->below[index];
    w->above[w->below[index]] = w->above[index];
    w->above[index] = NONE;
}

static void
stack_push(struct walk *w, uint32_t index)
{
    if (w->numbers[index] != 0)
        return;
    if (w->above[index] != NONE)
        stack_remove(w, index);
    w->parents[index] = w->from;
    w->above[index] = w->n_indices;
    w->below[index] = w->below[w->n_indices];
    w->above[w->below[index]] = index;
    w->below[w->n_indices] = index;
}

static void
push_held(void *walk, struct object *o)
{
    struct walk *w = walk;
    uint32_t index = (uint32_t)heap_index(o);

    w->is_held[index / 64] |= 1ull << (index % 64);
    stack_push(w, index);
}

static void
push_reference(struct object **reference, void *walk)
{
    stack_push(walk, (uint32_t)heap_index(*reference));
}

static int
walk_run(struct walk *w)
{
    int err = graph_each_held(push_held, w);

    if (err != 0)
        return err;
    while (w->below[w->n_indices] != w->n_indices) {
        uint32_t index = w->below[w->n_indices];
        struct object *o = heap_at_index(index);

        stack_remove(w, index);
        w->numbers[index] = w->from = ++w->n;
        w->objects[w->n] = o;
        heap_each_reference(o, push_reference, w);
    }
    return 0;
}

/* ---- edges ---- */

struct edges {
    const uint32_t *numbers;
    uint32_t *ends;     /* by number: where its list ends; it begins where that of the number before ends */
    uint32_t *sources;  /* all lists */
    uint64_t n;
    uint32_t from;
};

static void
edges_fini(struct edges *e)
{
    MEM_FREE(MEM_OBJ, &e->ends);
    MEM_FREE(MEM_OBJ, &e->sources);
}

static void
count_edge(struct object **reference, void *edges)
{
    struct edges *e = edges;

    e->ends[e->numbers[heap_index(*reference)]]++;
    e->n++;
}

static void
write_edge(struct object **reference, void *edges)
{
    struct edges *e = edges;

    e->sources[e->ends[e->numbers[heap_index(*reference)]]++] = e->from;
}

static int
edges_find(struct edges *e, const struct walk *w)
{
    uint32_t before = 0;

    *e = (struct edges){ .numbers = w->numbers, .ends = mem_array(MEM_OBJ, w->n + 1, sizeof(uint32_t)) };
    if (e->ends == NULL)
        return ORB_ENOMEM;
    for (uint32_t v = 1; v <= w->n; v++)
        heap_each_reference(w->objects[v], count_edge, e);
    if (e->n < NONE)
        e->sources = mem_array(MEM_OBJ, e->n, sizeof(uint32_t));
    if (e->sources == NULL) {
        edges_fini(e);
        return e->n < NONE ? ORB_ENOMEM : ORB_ETOOBIG;
    }
    for (uint32_t v = 1; v <= w->n; v++) {
        uint32_t n = e->ends[v];

        e->ends[v] = before; /* writing moves it to the list's end */
        before += n;
    }
    for (uint32_t v = 1; v <= w->n; v++) {
        e->from = v;
        heap_each_reference(w->objects[v], write_edge, e);
    }
    return 0;
}

/* ---- link ---- */

struct forest { /* all by number */
    uint32_t *parents;    /* of the walk */
    uint32_t *semis;      /* semidominator */
    uint32_t *ancestors;  /* in the forest; NONE = a root of it */
    uint32_t *labels;     /* the number with the least semidominator on the compressed way to the root */
    uint32_t *buckets, *next_in_bucket; /* numbers by semidominator; 0 = end */
    uint32_t *dominators;
};

static void
forest_fini(struct forest *f)
{
    MEM_FREE(MEM_OBJ, &f->parents);
    MEM_FREE(MEM_OBJ, &f->semis);
    MEM_FREE(MEM_OBJ, &f->ancestors);
    MEM_FREE(MEM_OBJ, &f->labels);
    MEM_FREE(MEM_OBJ, &f->buckets);
    MEM_FREE(MEM_OBJ, &f->next_in_bucket);
    MEM_FREE(MEM_OBJ, &f->dominators);
}

static int
forest_init(struct forest *f, const struct walk *w)
{
    size_t n = (size_t)w->n + 1;
    uint32_t **const tables[] = { &f->parents, &f->semis, &f->ancestors, &f->labels, &f->buckets, &f->next_in_bucket,
                                  &f->dominators };

    *f = (struct forest){ .parents = NULL };
    for (size_t i = 0; i < ORB_N_ELEMENTS(tables); i++) {
        *tables[i] = mem_array(MEM_OBJ, n, sizeof(uint32_t));
        if (*tables[i] == NULL) {
            forest_fini(f);
            return ORB_ENOMEM;
        }
    }
    for (uint32_t v = 0; v < n; v++) {
        f->parents[v] = v == 0 ? 0 : w->parents[heap_index(w->objects[v])];
        f->semis[v] = f->labels[v] = v;
        f->ancestors[v] = NONE;
    }
    return 0;
}

/* Every number on the way to the root gets the root as its ancestor, and the best label of what lay between. The way back
 * down is kept in the ancestors themselves, turned around, so that no stack is needed. */
static void
compress(struct forest *f, uint32_t v)
{
    uint32_t *ancestors = f->ancestors, above = v, below = NONE, root;

    while (ancestors[ancestors[above]] != NONE) {
        uint32_t next = ancestors[above];

        ancestors[above] = below;
        below = above;
        above = next;
    }
    root = ancestors[above];
    while (below != NONE) {
        uint32_t next = ancestors[below];

        if (f->semis[f->labels[above]] < f->semis[f->labels[below]])
            f->labels[below] = f->labels[above];
        ancestors[below] = root;
        above = below;
        below = next;
    }
}

static uint32_t
evaluate(struct forest *f, uint32_t v)
{
    if (f->ancestors[v] != NONE)
        compress(f, v);
    return f->labels[v];
}

static void
find_semidominator(struct forest *f, const struct edges *e, uint32_t v)
{
    for (uint32_t i = e->ends[v - 1]; i < e->ends[v]; i++) {
        uint32_t semi = f->semis[evaluate(f, e->sources[i])];

        if (semi < f->semis[v])
            f->semis[v] = semi;
    }
}

static void
empty_bucket(struct forest *f, uint32_t parent)
{
    for (uint32_t v = f->buckets[parent]; v != 0; v = f->next_in_bucket[v]) {
        uint32_t u = evaluate(f, v);

        f->dominators[v] = f->semis[u] < f->semis[v] ? u : parent;
    }
    f->buckets[parent] = 0;
}

static void
link_all(struct forest *f, const struct walk *w, const struct edges *e)
{
    for (uint32_t v = w->n; v > 0; v--) {
        size_t index = heap_index(w->objects[v]);
        uint32_t parent = f->parents[v];

        find_semidominator(f, e, v);
        if ((w->is_held[index / 64] & 1ull << (index % 64)) != 0)
            f->semis[v] = 0;
        f->next_in_bucket[v] = f->buckets[f->semis[v]];
        f->buckets[f->semis[v]] = v;
        f->ancestors[v] = parent;
        empty_bucket(f, parent);
    }
    for (uint32_t v = 1; v <= w->n; v++)
        if (f->dominators[v] != f->semis[v])
            f->dominators[v] = f->dominators[f->dominators[v]];
}

/* ---- all of it ---- */

int
graph_dominators_find(struct graph_dominators *d)
{
    struct walk w;
    struct edges e = { .n = 0 };
    struct forest f = { .parents = NULL };
    int err = heap_n_objects() > GRAPH_MAX_OBJECTS_OF_TOP ? ORB_ETOOBIG : graph_check_size();

    if (err == 0)
        err = walk_init(&w);
    if (err != 0)
        return err;
    err = walk_run(&w);
    MEM_FREE(MEM_OBJ, &w.above);
    MEM_FREE(MEM_OBJ, &w.below);
    if (err == 0)
        err = edges_find(&e, &w);
    MEM_FREE(MEM_OBJ, &w.numbers);
    if (err == 0)
        err = forest_init(&f, &w);
    if (err == 0) {
        link_all(&f, &w, &e);
        *d = (struct graph_dominators){ w.n, w.objects, f.dominators };
        w.objects = NULL;
        f.dominators = NULL;
    }
    walk_fini(&w);
    edges_fini(&e);
    forest_fini(&f);
    return err;
}

void
graph_dominators_fini(struct graph_dominators *d)
{
    MEM_FREE(MEM_OBJ, &d->objects);
    MEM_FREE(MEM_OBJ, &d->dominators);
    d->n = 0;
}
