#include "gc/object_internal.h"
#include "gc/roots.h"

/* gc_unexplained() needs no memory: it counts references in the objects' gcn, where a pinned one's pins already stand, and
 * takes the same references off again. */

static struct list roots = { &roots, &roots };

void
gc_root_add(struct gc_root *r)
{
    CHECK((r->reference != NULL) != (r->walk != NULL));
    list_push_back(&roots, &r->node);
}

void
gc_root_remove(struct gc_root *r)
{
    if (r->node.next != NULL)
        list_remove(&r->node);
}

struct each {
    void (*each)(void *arg, const struct gc_root *root, struct object **reference);
    void *arg;
    const struct gc_root *root;
};

static void
each_of_walk(struct object **reference, void *arg)
{
    const struct each *e = arg;

    if (*reference != NULL)
        e->each(e->arg, e->root, reference);
}

void
gc_roots_each(void (*each)(void *arg, const struct gc_root *root, struct object **reference), void *arg)
{
    LIST_EACH(node, &roots) {
        const struct gc_root *r = LIST_ELEMENT(node, struct gc_root, node);
        struct each e = { each, arg, r };

        if (r->reference != NULL)
            each_of_walk(r->reference, &e);
        else
            r->walk(r->owner, each_of_walk, &e);
    }
}

/* ---- references that nobody explains ---------------------------------------------------------------------------------- */

struct unexplained {
    struct gc_unexplained *out;
    size_t max, n_written;
    int64_t n;
};

static void
add_reference(struct object **reference, void *arg)
{
    (*reference)->gcn += *(const uint32_t *)arg; /* 1, or -1 modulo 2^32 */
}

static void
add_references_of(void *arg, struct object *o)
{
    heap_each_reference(o, add_reference, arg);
}

static void
add_reference_of_root(void *arg, const struct gc_root *root, struct object **reference)
{
    add_reference(reference, arg);
}

static void
add_all(uint32_t by)
{
    heap_each(add_references_of, &by);
    gc_roots_each(add_reference_of_root, &by);
}

/* Keeps the largest, in falling order. */
static void
note_surplus(void *arg, struct object *o)
{
    struct unexplained *u = arg;
    int64_t surplus = (int64_t)o->refs - (int64_t)o->gcn;
    size_t i;

    if (surplus == 0 || o->refs == OBJECT_IMMORTAL_REFS)
        return;
    u->n++;
    if (u->n_written < u->max)
        u->n_written++;
    else if (u->max == 0 || u->out[u->max - 1].surplus >= surplus)
        return;
    for (i = u->n_written - 1; i > 0 && u->out[i - 1].surplus < surplus; i--)
        u->out[i] = u->out[i - 1];
    u->out[i] = (struct gc_unexplained){ o, surplus };
}

int64_t
gc_unexplained(struct gc_unexplained *out, size_t max)
{
    struct unexplained u = { out, max, 0, 0 };

    CHECK(!heap.is_collecting && !object_is_tearing_down());
    add_all(1);
    heap_each(note_surplus, &u);
    add_all(UINT32_MAX);
    return u.n;
}
