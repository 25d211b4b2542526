#include "gc/graph_tables.h"

#include "gc/heap_slab.h"

/* Free slots have an index as well, so a heap with many of them is refused later than by its objects alone. */
#define MAX_INDEX (4u * GRAPH_MAX_OBJECTS)

int
graph_check_size(void)
{
    return heap_n_objects() > GRAPH_MAX_OBJECTS || heap_index_end() > MAX_INDEX ? ORB_ETOOBIG : 0;
}

uint64_t
graph_size_of(const struct object *o)
{
    const struct object_type *type = object_type_of(o);

    return heap_types[type->id].slot_bytes + (type->owned_bytes == NULL ? 0 : type->owned_bytes(o));
}

/* ---- held from outside ---- */

static void
count_reference(struct object **reference, void *counts)
{
    ((uint32_t *)counts)[heap_index(*reference)]++;
}

static void
count_references_of(void *counts, struct object *o)
{
    heap_each_reference(o, count_reference, counts);
}

static void
count_root(void *counts, const struct gc_root *root, struct object **reference)
{
    count_reference(reference, counts);
}

int
graph_count_references(uint32_t **out, bool with_roots)
{
    uint32_t *counts;
    int err = graph_check_size();

    if (err != 0)
        return err;
    counts = mem_array(MEM_OBJ, heap_index_end(), sizeof *counts);
    if (counts == NULL)
        return ORB_ENOMEM;
    heap_each(count_references_of, counts);
    if (with_roots)
        gc_roots_each(count_root, counts);
    *out = counts;
    return 0;
}

struct held {
    const uint32_t *counts;
    heap_each_fn *each;
    void *arg;
};

static void
pass_if_held(void *arg, struct object *o)
{
    struct held *h = arg;

    if (graph_is_held(o, h->counts))
        h->each(h->arg, o);
}

static void
pass_root(void *arg, const struct gc_root *root, struct object **reference)
{
    struct held *h = arg;

    h->each(h->arg, *reference);
}

int
graph_each_held(heap_each_fn *each, void *arg)
{
    struct held h = { NULL, each, arg };
    uint32_t *counts;
    int err = graph_count_references(&counts, false);

    if (err != 0)
        return err;
    h.counts = counts;
    gc_roots_each(pass_root, &h);
    heap_each(pass_if_held, &h);
    mem_free(MEM_OBJ, counts);
    return 0;
}

/* ---- breadth first ---- */

int
graph_flood_init(struct graph_flood *f)
{
    int err = graph_check_size();

    if (err != 0)
        return err;
    *f = (struct graph_flood){ .parents = mem_array(MEM_OBJ, heap_index_end(), sizeof *f->parents),
                               .queue = mem_array(MEM_OBJ, heap_n_objects(), sizeof *f->queue) };
    if (f->parents != NULL && f->queue != NULL)
        return 0;
    graph_flood_fini(f);
    return ORB_ENOMEM;
}

void
graph_flood_fini(struct graph_flood *f)
{
    MEM_FREE(MEM_OBJ, &f->parents);
    MEM_FREE(MEM_OBJ, &f->queue);
}

void
graph_flood_bar(struct graph_flood *f, struct object *o)
{
    f->parents[heap_index(o)] = GRAPH_BARRED;
}

static void
reach(struct graph_flood *f, struct object *o, uint32_t parent)
{
    size_t index = heap_index(o);

    if (f->parents[index] != 0)
        return;
    f->parents[index] = parent;
    f->queue[f->n_queued++] = o;
    if (o == f->until)
        f->is_found = true;
}

void
graph_flood_add(void *flood, struct object *o)
{
    reach(flood, o, GRAPH_SOURCE);
}

static void
follow(struct object **reference, void *flood)
{
    struct graph_flood *f = flood;

    reach(f, *reference, f->from + 1);
}

void
graph_flood_run(struct graph_flood *f)
{
    while (f->n_done < f->n_queued && !f->is_found) {
        struct object *o = f->queue[f->n_done++];

        f->from = (uint32_t)heap_index(o);
        heap_each_reference(o, follow, f);
    }
}
