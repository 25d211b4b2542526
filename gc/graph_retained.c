#include <stdlib.h>

#include "gc/graph.h"
#include "gc/graph_tables.h"

/* ---- of one object: flood from outside with the object barred, then from the object; what is new is retained ---- */

int
graph_retained_of(struct object *o, uint64_t *bytes)
{
    struct graph_flood f;
    uint64_t sum = 0;
    size_t n_without;
    int err = graph_flood_init(&f);

    if (err != 0)
        return err;
    graph_flood_bar(&f, o);
    err = graph_each_held(graph_flood_add, &f);
    if (err != 0)
        goto done;
    graph_flood_run(&f);
    n_without = f.n_queued;
    f.parents[heap_index(o)] = 0;
    graph_flood_add(&f, o);
    graph_flood_run(&f);
    for (size_t i = n_without; i < f.n_queued; i++)
        sum += graph_size_of(f.queue[i]);
    *bytes = sum;
done:
    graph_flood_fini(&f);
    return err;
}

/* ---- by type ----
 *
 * Dominator trees answer for single objects; what two pages hold together neither of them dominates, yet it would go with
 * the type. So the question is put to types directly: which types lie on *every* way from outside to an object? Each object
 * has a set of types (its mask), all of them to begin with; the mask of an object that is held from outside is its own type;
 * along a reference   mask(to) &= mask(from) | type(to)   until nothing changes. Masks only shrink, so an object is followed
 * at most 64 times, and mostly once. What has a type in its mask at the end is retained by that type.
 * Types are done 63 at a time: the last bit means "not reached". */

#define TYPES_AT_ONCE 63u
#define NOT_REACHED (1ull << TYPES_AT_ONCE)

struct spread {
    uint64_t *masks;      /* by heap index */
    uint64_t *is_queued;  /* bits by heap index */
    struct object **queue; /* a ring of n_slots */
    size_t n_slots, head, n_queued;
    unsigned first_type;  /* the id that bit 0 stands for */
    uint64_t from;        /* the mask of the object whose references are followed */
    struct graph_retained *rows; /* by type id - 1 */
};

static int
spread_init(struct spread *s)
{
    size_t n_indices = heap_index_end();

    s->n_slots = heap_n_objects();
    s->masks = mem_array(MEM_OBJ, n_indices, sizeof *s->masks);
    s->is_queued = mem_array(MEM_OBJ, n_indices / 64 + 1, sizeof *s->is_queued);
    s->queue = mem_array(MEM_OBJ, s->n_slots, sizeof *s->queue);
    return s->masks == NULL || s->is_queued == NULL || s->queue == NULL ? ORB_ENOMEM : 0;
}

static void
spread_fini(struct spread *s)
{
    MEM_FREE(MEM_OBJ, &s->masks);
    MEM_FREE(MEM_OBJ, &s->is_queued);
    MEM_FREE(MEM_OBJ, &s->queue);
}

static uint64_t
bit_of(const struct spread *s, const struct object *o)
{
    unsigned at = o->type - s->first_type; /* ids below it wrap around */

    return at < TYPES_AT_ONCE ? 1ull << at : 0;
}

static void
narrow(struct spread *s, struct object *o, uint64_t mask)
{
    size_t index = heap_index(o), at;
    uint64_t queued = 1ull << (index % 64);

    mask = (mask | bit_of(s, o)) & s->masks[index];
    if (mask == s->masks[index])
        return;
    s->masks[index] = mask;
    if ((s->is_queued[index / 64] & queued) != 0)
        return;
    s->is_queued[index / 64] |= queued;
    at = s->head + s->n_queued++;
    s->queue[at < s->n_slots ? at : at - s->n_slots] = o;
}

static void
narrow_held(void *spread, struct object *o)
{
    narrow(spread, o, 0);
}

static void
narrow_reference(struct object **reference, void *spread)
{
    struct spread *s = spread;

    narrow(s, *reference, s->from);
}

static int
spread_run(struct spread *s)
{
    int err;

    memset(s->masks, 0xff, heap_index_end() * sizeof *s->masks);
    s->head = s->n_queued = 0;
    err = graph_each_held(narrow_held, s);
    while (err == 0 && s->n_queued > 0) {
        struct object *o = s->queue[s->head];
        size_t index = heap_index(o);

        s->head = s->head + 1 < s->n_slots ? s->head + 1 : 0;
        s->n_queued--;
        s->is_queued[index / 64] &= ~(1ull << (index % 64));
        s->from = s->masks[index];
        heap_each_reference(o, narrow_reference, s);
    }
    return err;
}

static void
add_retained(void *spread, struct object *o)
{
    struct spread *s = spread;
    uint64_t mask = s->masks[heap_index(o)], size;

    if ((mask & NOT_REACHED) != 0 || mask == 0)
        return;
    size = graph_size_of(o);
    for (; mask != 0; mask &= mask - 1)
        s->rows[s->first_type - 1 + (unsigned)__builtin_ctzll(mask)].retained_bytes += size;
}

static void
add_own(void *spread, struct object *o)
{
    struct graph_retained *row = &((struct spread *)spread)->rows[o->type - 1];

    row->type = object_type_of(o);
    row->n++;
    row->bytes += graph_size_of(o);
}

static int
compare_retained(const void *a, const void *b)
{
    const struct graph_retained *x = a, *y = b;

    if (x->retained_bytes != y->retained_bytes)
        return x->retained_bytes < y->retained_bytes ? 1 : -1;
    return x->type->id < y->type->id ? -1 : x->type->id > y->type->id;
}

static unsigned
count_types(void)
{
    unsigned n = 0;

    while (object_type_by_id(n + 1) != NULL)
        n++;
    return n;
}

static size_t
drop_empty(struct graph_retained *rows, size_t n_rows)
{
    size_t n = 0;

    for (size_t i = 0; i < n_rows; i++)
        if (rows[i].n > 0)
            rows[n++] = rows[i];
    return n;
}

int
graph_retained_by_type(struct graph_retained **out, size_t *n)
{
    unsigned n_types = count_types();
    struct spread s = { .rows = mem_array(MEM_OBJ, n_types, sizeof *s.rows) };
    int err = graph_check_size();

    if (err == 0)
        err = s.rows == NULL ? ORB_ENOMEM : spread_init(&s);
    if (err != 0)
        goto done;
    heap_each(add_own, &s);
    for (s.first_type = 1; s.first_type <= n_types && err == 0; s.first_type += TYPES_AT_ONCE) {
        err = spread_run(&s);
        if (err == 0)
            heap_each(add_retained, &s);
    }
    if (err != 0)
        goto done;
    *n = drop_empty(s.rows, n_types);
    qsort(s.rows, *n, sizeof *s.rows, compare_retained);
    *out = s.rows;
    s.rows = NULL;
done:
    mem_free(MEM_OBJ, s.rows);
    spread_fini(&s);
    return err;
}
