#include "gc/graph.h"

#include "gc/graph_tables.h"

/* ---- referents and referrers ---- */

struct list_of_objects {
    struct object **objects;
    size_t n, cap;
    const struct object *of; /* referrers of this one */
    bool is_referrer, has_failed;
};

static void
list_add(struct list_of_objects *l, struct object *o)
{
    if (l->n == l->cap && !l->has_failed) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        struct object **objects = mem_realloc(MEM_OBJ, l->objects, cap * sizeof *objects);

        if (objects != NULL) {
            l->objects = objects;
            l->cap = cap;
        } else {
            l->has_failed = true;
        }
    }
    if (!l->has_failed)
        l->objects[l->n++] = o;
}

static int
list_hand_over(struct list_of_objects *l, struct object ***out, size_t *n)
{
    if (l->has_failed) {
        mem_free(MEM_OBJ, l->objects);
        return ORB_ENOMEM;
    }
    *out = l->objects;
    *n = l->n;
    return 0;
}

static void
add_referent(struct object **reference, void *list)
{
    list_add(list, *reference);
}

int
graph_referents(struct object *o, struct object ***out, size_t *n)
{
    struct list_of_objects l = { .objects = NULL };

    heap_each_reference(o, add_referent, &l);
    return list_hand_over(&l, out, n);
}

static void
compare_reference(struct object **reference, void *list)
{
    struct list_of_objects *l = list;

    if (*reference == l->of)
        l->is_referrer = true;
}

static void
add_if_referrer(void *list, struct object *o)
{
    struct list_of_objects *l = list;

    l->is_referrer = false;
    heap_each_reference(o, compare_reference, l);
    if (l->is_referrer)
        list_add(l, o);
}

int
graph_referrers(struct object *o, struct object ***out, size_t *n)
{
    struct list_of_objects l = { .of = o };
    int err = graph_check_size();

    if (err != 0)
        return err;
    heap_each(add_if_referrer, &l);
    return list_hand_over(&l, out, n);
}

/* ---- the shortest chain ----
 *
 * Forwards from all roots at once, breadth first, until the object is met: the chain is as short as one found backwards, and
 * no table of referrers is needed. Only when no root leads there, the same from whatever else is held from outside. */

static void
add_root(void *flood, const struct gc_root *root, struct object **reference)
{
    graph_flood_add(flood, *reference);
}

struct root_name {
    const struct object *object;
    const char *name;
};

static void
compare_root(void *arg, const struct gc_root *root, struct object **reference)
{
    struct root_name *r = arg;

    if (r->name == NULL && *reference == r->object)
        r->name = root->name;
}

static const char *
name_of_holder(const struct object *o)
{
    struct root_name r = { o, NULL };

    gc_roots_each(compare_root, &r);
    if (r.name != NULL)
        return r.name;
    if ((o->flags & OBJECT_PINNED) != 0)
        return "(pinned)";
    return o->refs == OBJECT_IMMORTAL_REFS ? "(immortal)" : NULL;
}

static int
chain_from_flood(const struct graph_flood *f, struct object *o, struct graph_chain *out)
{
    struct graph_chain c = { .n = 1 };

    for (uint32_t at = f->parents[heap_index(o)]; at != GRAPH_SOURCE; at = f->parents[at - 1])
        c.n++;
    c.objects = mem_array(MEM_OBJ, c.n, sizeof(struct object *));
    if (c.objects == NULL)
        return ORB_ENOMEM;
    c.objects[c.n - 1] = o;
    for (size_t i = c.n - 1; i > 0; i--)
        c.objects[i - 1] = heap_at_index(f->parents[heap_index(c.objects[i])] - 1);
    c.root = name_of_holder(c.objects[0]);
    *out = c;
    return 0;
}

int
graph_chain(struct object *o, struct graph_chain *out)
{
    struct graph_flood f;
    bool is_garbage;
    int err = graph_flood_init(&f);

    if (err != 0)
        return err;
    f.until = o;
    gc_roots_each(add_root, &f);
    graph_flood_run(&f);
    if (!f.is_found) {
        err = graph_each_held(graph_flood_add, &f);
        if (err != 0)
            goto done;
        graph_flood_run(&f);
    }
    is_garbage = !f.is_found;
    if (is_garbage)
        graph_flood_add(&f, o);
    err = chain_from_flood(&f, o, out);
    if (err == 0)
        out->is_garbage = is_garbage;
done:
    graph_flood_fini(&f);
    return err;
}

void
graph_chain_fini(struct graph_chain *c)
{
    MEM_FREE(MEM_OBJ, &c->objects);
    c->n = 0;
}
