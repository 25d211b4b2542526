/* heap_model.h - a heap in numbers beside the heap in objects: records, what they refer to, and finalizers and callbacks that
 * change both in step. For one test program: everything is static.
 */
#ifndef ORB_TESTS_HEAP_MODEL_H
#define ORB_TESTS_HEAP_MODEL_H

#include <stdio.h>

#include "gc/collect.h"
#include "gc/heap.h"
#include "gc/roots.h"
#include "gc/weak.h"
#include "tests/support/support.h"

#define N_RECORDS 400
#define N_EDGES 4
#define N_ROOTS 24
#define N_WEAKS 32
#define N_KEYS 48

struct thing { /* of all types: their pointers differ in how the collector finds them */
    struct object object;
    struct object *edges[N_EDGES];
    unsigned id;
    int record;
};

struct record {
    struct thing *thing;
    unsigned id;               /* never used again; 0 = no record */
    int edges[N_EDGES];        /* numbers of records, -1 = none */
    unsigned n_pins;
    unsigned n_losses;         /* times that it may have lost its weak references and lived on */
    bool is_reached, is_immortal;
    bool has_watch, has_finalizer;
    struct weak_watch watch;
    struct weak_finalizer *finalizer;
};

static struct record records[N_RECORDS];
static int root_of[N_ROOTS];                  /* -1 = empty */
static struct object *root_refs[N_ROOTS];
/* What a weak reference was made to, and when: it reads its object as long as that lives, unless there was a loss since. */
struct promise {
    int record;
    unsigned id; /* 0 = none was made, or it was taken back */
    unsigned n_losses;
};

static struct weak weaks[N_WEAKS];
static struct promise weak_promise[N_WEAKS], map_promise[N_KEYS], set_promise[N_RECORDS];
static unsigned next_id, n_watch_calls;
static struct weakmap *map;
static struct weakset *set;
static uint64_t random_state;
static bool may_act;             /* finalizers and callbacks: revive, make, drop, pin, watch, freeze */
static bool is_settling;        /* of them only what finalizers do to their neighbours */
static bool is_collecting;       /* between a collection's start and its end */
static bool is_frozen;           /* some objects may be, and garbage among them is not found */

static unsigned
pick(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % n);
}

/* ---- types ------------------------------------------------------------------------------------------------------------ */

static void thing_finalize(struct object *o);

static void
thing_visit(struct object *o, object_visit_fn *visit, void *arg)
{
    struct thing *t = (struct thing *)(void *)o;

    for (int i = 0; i < N_EDGES; i++)
        visit(&t->edges[i], arg);
}

static void
thing_clear(struct object *o)
{
    struct thing *t = (struct thing *)(void *)o;

    for (int i = 0; i < N_EDGES; i++)
        object_unref(&t->edges[i]);
}

static unsigned n_released;

static void
thing_release(struct object *o)
{
    n_released++;
}

#define EDGE(i) (uint16_t)(offsetof(struct thing, edges) + (i) * sizeof(void *))
static const uint16_t offsets[] = { EDGE(0), EDGE(1), EDGE(2), EDGE(3) };
#define THING .object_bytes = sizeof(struct thing)
#define FIXED .pointer_offsets = offsets, .n_pointers = N_EDGES
static struct object_type types[] = {
    { .name = "plain", THING, FIXED, .flags = OBJECT_WEAKABLE },
    { .name = "released", THING, FIXED, .flags = OBJECT_WEAKABLE, .release = thing_release },
    { .name = "visited", THING, .flags = OBJECT_WEAKABLE, .visit = thing_visit, .clear = thing_clear },
    { .name = "final", THING, FIXED, .flags = OBJECT_WEAKABLE, .finalize = thing_finalize },
    { .name = "large", .object_bytes = 5000, FIXED, .flags = OBJECT_WEAKABLE, .clear = thing_clear },
    { .name = "ordered", THING, FIXED, .flags = OBJECT_WEAKABLE | OBJECT_ORDERED, .finalize = thing_finalize },
    { .name = "leaf", THING, .flags = OBJECT_WEAKABLE | OBJECT_ACYCLIC, .release = thing_release },
};
#define ORDERED_TYPE 5
#define LEAF_TYPE 6

/* ---- the model -------------------------------------------------------------------------------------------------------- */

static bool
is_alive(const struct record *r)
{
    struct thing *t = (struct thing *)(void *)heap_find((uintptr_t)r->thing);

    return r->id != 0 && t != NULL && object_type_of(&t->object)->object_bytes >= sizeof *t && t->id == r->id;
}

static void
reach(int i)
{
    static int stack[N_RECORDS * N_EDGES + N_RECORDS];
    int n = 0;

    for (stack[n++] = i; n > 0;) {
        struct record *r = &records[stack[--n]];

        if (r->is_reached)
            continue;
        r->is_reached = true;
        for (int e = 0; e < N_EDGES; e++)
            if (r->edges[e] >= 0)
                stack[n++] = r->edges[e];
    }
}

static void
reach_all(void)
{
    for (int i = 0; i < N_RECORDS; i++)
        records[i].is_reached = false;
    for (int i = 0; i < N_ROOTS; i++)
        if (root_of[i] >= 0)
            reach(root_of[i]);
    for (int i = 0; i < N_RECORDS; i++)
        if (records[i].id != 0 && (records[i].n_pins > 0 || records[i].is_immortal))
            reach(i);
}

static int
find_record(const struct object *o)
{
    const struct thing *t = (const struct thing *)(const void *)o;

    assert_in_range(t->record, 0, N_RECORDS - 1);
    assert_ptr_equal(records[t->record].thing, t);
    assert_int_equal(records[t->record].id, t->id);
    return t->record;
}

static int
random_record(void)
{
    for (int tries = 0; tries < 40; tries++) {
        int i = (int)pick(N_RECORDS);

        if (records[i].id != 0 && records[i].is_reached)
            return i;
    }
    return -1;
}

static void
set_root(int slot, int i)
{
    struct object *old = root_refs[slot];

    root_refs[slot] = i < 0 ? NULL : object_ref(&records[i].thing->object);
    root_of[slot] = i;
    object_unref(&old); /* a finalizer may take the slot when it is empty */
}

/* NEW, of a type other than the rare ones; NULL: no record is free. */
static struct thing *
make(unsigned type)
{
    struct record *r = NULL;
    struct thing *t;

    for (int i = 0; i < N_RECORDS && r == NULL; i++)
        if (records[i].id == 0)
            r = &records[i];
    if (r == NULL)
        return NULL;
    t = OBJECT_NEW(&types[type]);
    assert_non_null(t);
    t->id = ++next_id;
    t->record = (int)(r - records);
    *r = (struct record){ .thing = t, .id = t->id, .edges = { -1, -1, -1, -1 } };
    return t;
}

static struct promise
promise_of(int i)
{
    return (struct promise){ i, records[i].id, records[i].n_losses };
}

static bool
is_alive_of(const struct promise *p)
{
    return p->id != 0 && records[p->record].id == p->id && is_alive(&records[p->record]);
}

/* It must be kept: its object lives, and has lost nothing since. */
static bool
is_binding(const struct promise *p)
{
    return is_alive_of(p) && records[p->record].n_losses == p->n_losses;
}

static void
weak_to(unsigned w, int i)
{
    assert_int_equal(weak_set(&weaks[w], &records[i].thing->object), 0);
    weak_promise[w] = promise_of(i);
}

static void
freeze(bool is_freezing)
{
    (is_freezing ? gc_freeze : gc_unfreeze)();
    is_frozen = is_freezing;
}

static void on_death(struct weak_watch *w, void *arg);
static void on_finalize(void *arg);

static void
watch(int i)
{
    struct record *r = &records[i];

    if (!r->has_watch)
        assert_int_equal(weak_watch_start(&r->watch, &r->thing->object, on_death, r), 0);
    r->has_watch = true;
}

static void
add_finalizer(int i)
{
    struct record *r = &records[i];

    if (!r->has_finalizer)
        r->finalizer = mem_must(weak_finalize(&r->thing->object, on_finalize, r));
    r->has_finalizer = true;
}

static void
pin(int i)
{
    records[i].n_pins++;
    object_pin(&records[i].thing->object);
}

static void
unpin_any(void)
{
    for (int i = 0, from = (int)pick(N_RECORDS); i < N_RECORDS; i++) {
        struct record *r = &records[(from + i) % N_RECORDS];

        if (r->id != 0 && r->n_pins > 0) {
            r->n_pins--;
            object_unpin(&r->thing->object);
            return;
        }
    }
}

/* Under any key: what was there is replaced. */
static void
put_into_map(int i)
{
    char key[24];
    unsigned k = pick(N_KEYS);

    snprintf(key, sizeof key, "%u", k);
    assert_int_equal(weakmap_put(map, slice_str(key), &records[i].thing->object), 0);
    map_promise[k] = promise_of(i);
}

static void
remove_from_map(void)
{
    char key[24];
    unsigned k = pick(N_KEYS);
    bool must_be_there = is_binding(&map_promise[k]), was_there;

    snprintf(key, sizeof key, "%u", k);
    was_there = weakmap_remove(map, slice_str(key));
    assert_true(was_there || !must_be_there);
    assert_true(!was_there || map_promise[k].id != 0);
    map_promise[k].id = 0;
}

static void
get_from_map(void)
{
    char key[24];
    unsigned k = pick(N_KEYS);
    struct object *o;

    snprintf(key, sizeof key, "%u", k);
    o = weakmap_get(map, slice_str(key));
    assert_true(o != NULL || !is_binding(&map_promise[k]));
    if (o != NULL)
        assert_int_equal(((struct thing *)(void *)o)->id, map_promise[k].id);
    object_unref(&o);
}

static void
put_into_set(int i)
{
    struct promise *p = &set_promise[i];
    bool must_be_there = is_binding(p), may_be_there = is_alive_of(p);
    int is_new = weakset_add(set, &records[i].thing->object);

    assert_in_range(is_new, 0, 1);
    assert_true(is_new == 0 || !must_be_there);
    assert_true(is_new == 1 || may_be_there);
    *p = promise_of(i);
}

static void
remove_from_set(int i)
{
    struct promise *p = &set_promise[i];
    bool must_be_there = is_binding(p), may_be_there = is_alive_of(p);
    bool was_there = weakset_remove(set, &records[i].thing->object);

    assert_true(was_there || !must_be_there);
    assert_true(!was_there || may_be_there);
    p->id = 0;
}

static void
put_into_edge(struct thing *t, unsigned e, struct thing *to)
{
    struct object *old = t->edges[e];

    t->edges[e] = to == NULL ? NULL : &to->object; /* STEALS */
    records[t->record].edges[e] = to == NULL ? -1 : to->record;
    object_unref(&old);
}

/* What finalizers and callbacks have in common. A collection does nothing there. */
static void
act(void)
{
    unsigned slot = pick(N_ROOTS);
    struct thing *t;
    int i;

    assert_true(gc_collect(pick(3)).was_skipped);
    assert_false(gc_safe_point());
    if (!may_act || is_settling)
        return;
    reach_all();
    i = random_record();
    switch (pick(12)) {
    case 0:
    case 1:
        if (root_of[slot] < 0 && (t = make(pick(LEAF_TYPE + 1))) != NULL) {
            root_of[slot] = t->record;
            root_refs[slot] = &t->object;
        }
        break;
    case 2:
        set_root((int)slot, -1);
        break;
    case 3:
        if (i >= 0)
            weak_to(pick(N_WEAKS), i);
        break;
    case 4:
        if (i >= 0)
            watch(i);
        break;
    case 5:
        if (i >= 0)
            add_finalizer(i);
        break;
    case 6:
        if (i >= 0)
            pin(i);
        break;
    case 7:
        unpin_any();
        break;
    case 8:
        if (i >= 0)
            put_into_map(i);
        break;
    case 9:
        if (i >= 0)
            put_into_set(i);
        break;
    case 10:
        if (!is_collecting)
            freeze(pick(3) == 0);
        break;
    default:
        weak_clear(&weaks[slot]);
        weak_promise[slot].id = 0;
    }
}

/* To itself, or to one of those that it refers to, which may be garbage as well. */
static int
near(const struct thing *t)
{
    unsigned e = pick(N_EDGES + 1);

    return e == N_EDGES || t->edges[e] == NULL ? t->record : find_record(t->edges[e]);
}

/* A finalizer may revive its object or one nearby, by a root, a pin or something new; drop what it refers to; make weak
 * references and watches; and whatever act() does. */
static void
thing_finalize(struct object *o)
{
    struct thing *t = (struct thing *)(void *)o, *fresh;
    int i = find_record(o), k = near(t);
    unsigned slot = pick(N_ROOTS), e = pick(N_EDGES);

    records[i].n_losses++;
    if (pick(4) == 0)
        put_into_edge(t, e, NULL);
    k = near(t);
    if (pick(4) == 0)
        weak_to(pick(N_WEAKS), k);
    if (!may_act) {
        act();
        return;
    }
    switch (pick(8)) {
    case 0:
    case 1:
        if (root_of[slot] < 0)
            set_root((int)slot, k);
        break;
    case 2:
        pin(k);
        break;
    case 3:
        pin(k);
        records[k].n_pins--;
        object_unpin(&records[k].thing->object);
        break;
    case 4: /* something new between, and back: a ring */
        if ((fresh = make(0)) != NULL) {
            put_into_edge(fresh, 0, (struct thing *)(void *)object_ref(&records[k].thing->object));
            put_into_edge(t, e, fresh);
        }
        break;
    case 5:
        watch(k);
        break;
    case 6:
        add_finalizer(k);
        put_into_map(k);
        break;
    default:
        put_into_set(k);
    }
    if (pick(2) == 0)
        act();
}

static void
on_death(struct weak_watch *w, void *arg)
{
    n_watch_calls++;
    ((struct record *)arg)->has_watch = false;
    act();
}

static void
on_finalize(void *arg)
{
    ((struct record *)arg)->has_finalizer = false;
    act();
}

static void
walk_roots(void *owner, object_visit_fn *visit, void *arg)
{
    for (int i = 0; i < N_ROOTS; i++)
        visit(&root_refs[i], arg);
}
static struct gc_root root = { .name = "model", .walk = walk_roots };

#endif
