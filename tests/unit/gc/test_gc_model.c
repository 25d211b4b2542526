/* The whole runtime against a model: a graph of numbers that is changed in step with the objects. Which objects must live is
 * what the model reaches from its roots; gc_check() and gc_unexplained() look on after every collection.
 *
 * ROUNDS=n FIRST=n SEED=n test_gc_model: more rounds, others, or one that failed (its seed is printed; when it passes alone, the
 * rounds before it matter, and FIRST and ROUNDS bring them back). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/heap_model.h"

static unsigned n_swallowed;

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

/* Records of the dead are free again. */
static void
bury(void)
{
    for (int i = 0; i < N_RECORDS; i++)
        if (records[i].id != 0 && !is_alive(&records[i])) {
            assert_false(records[i].has_watch || records[i].has_finalizer); /* they were called */
            records[i].id = 0;
        }
}

static void
step_new(void)
{
    unsigned type = pick(ORB_N_ELEMENTS(types)), slot = pick(N_ROOTS);
    struct thing *t;

    if (type == ORDERED_TYPE && pick(4) != 0)
        type = 0;
    t = make(type);
    if (t == NULL)
        return;
    if (root_of[slot] >= 0)
        set_root((int)slot, -1);
    if (root_of[slot] >= 0) { /* a finalizer took it */
        struct object *o = &t->object;
        object_unref(&o);
        bury();
        return;
    }
    root_of[slot] = t->record;
    root_refs[slot] = &t->object;
}

static void
step_link(void)
{
    int from = random_record(), to = random_record();
    unsigned e = pick(N_EDGES);
    struct thing *t;
    struct object *old;

    if (from < 0 || to < 0 || object_type_of(&records[from].thing->object) == &types[LEAF_TYPE])
        return;
    t = records[from].thing;
    old = t->edges[e];
    t->edges[e] = object_ref(&records[to].thing->object);
    records[from].edges[e] = to;
    object_unref(&old);
}

/* A reference moves from a root into an object: no count falls. */
static void
step_move(void)
{
    int slot = (int)pick(N_ROOTS), from = random_record(), to = root_of[slot];
    unsigned e = pick(N_EDGES);
    struct object *old;

    if (to < 0 || from < 0 || object_type_of(&records[from].thing->object) == &types[LEAF_TYPE])
        return;
    old = records[from].thing->edges[e];
    records[from].thing->edges[e] = root_refs[slot];
    records[from].edges[e] = to;
    root_refs[slot] = NULL;
    root_of[slot] = -1;
    object_unref(&old);
}

static void
step_unlink(void)
{
    int from = random_record();
    unsigned e = pick(N_EDGES);

    if (from < 0)
        return;
    records[from].edges[e] = -1;
    object_unref(&records[from].thing->edges[e]);
}

static void
step_root(void)
{
    int slot = (int)pick(N_ROOTS), i = pick(3) == 0 ? random_record() : -1;

    set_root(slot, -1);
    if (root_of[slot] < 0 && i >= 0) {
        reach_all();
        if (records[i].id != 0 && records[i].is_reached)
            set_root(slot, i);
    }
}

static void
step_weak(void)
{
    unsigned w = pick(N_WEAKS);
    int i = random_record();

    if (i < 0 || pick(4) == 0) {
        weak_clear(&weaks[w]);
        weak_promise[w].id = 0;
        return;
    }
    weak_to(w, i);
}

static void
step_watch(void)
{
    int i = random_record();

    if (i < 0)
        return;
    switch (pick(9)) {
    case 0:
        watch(i);
        break;
    case 1:
        if (records[i].has_watch)
            weak_watch_stop(&records[i].watch);
        records[i].has_watch = false;
        break;
    case 2:
        put_into_map(i);
        break;
    case 3:
        add_finalizer(i);
        break;
    case 4:
        if (records[i].has_finalizer)
            weak_finalizer_detach(&records[i].finalizer);
        records[i].has_finalizer = false;
        break;
    case 5:
        get_from_map();
        remove_from_map();
        break;
    case 6:
        remove_from_set(i);
        break;
    default:
        put_into_set(i);
        put_into_map(i);
    }
}

static void
step_pin(void)
{
    int i = (int)pick(N_RECORDS);

    if (records[i].id == 0)
        return;
    if (records[i].n_pins > 0) {
        records[i].n_pins--;
        object_unpin(&records[i].thing->object);
    } else if (records[i].is_reached && pick(3) == 0) {
        pin(i);
    }
}

/* ---- what must be true ------------------------------------------------------------------------------------------------- */

/* What a walk over the map or the set has met. */
struct met {
    bool it[ORB_MAX(N_RECORDS, N_KEYS)];
    unsigned n;
};

static void
meet(struct met *m, unsigned i, const struct promise *p, struct object *o)
{
    assert_false(m->it[i]);
    m->it[i] = true;
    m->n++;
    assert_int_equal(records[find_record(o)].id, p->id);
    assert_ptr_equal(heap_find((uintptr_t)o), o);
}

static void
meet_in_map(void *arg, struct slice key, struct object *o)
{
    unsigned k = 0;

    for (size_t i = 0; i < key.n; i++)
        k = k * 10 + (unsigned)(key.p[i] - '0');
    assert_in_range(k, 0, N_KEYS - 1);
    meet(arg, k, &map_promise[k], o);
}

static void
meet_in_set(void *arg, struct object *o)
{
    int i = find_record(o);

    meet(arg, (unsigned)i, &set_promise[i], o);
}

/* All that must be there has been met, and nothing twice. */
static void
check_met(const struct met *m, const struct promise *promises, unsigned n, size_t count)
{
    assert_int_equal(m->n, count);
    for (unsigned i = 0; i < n; i++)
        assert_true(m->it[i] || !is_binding(&promises[i]));
}

static void
check_weak(void)
{
    struct met in_map = { .n = 0 }, in_set = { .n = 0 };

    for (unsigned w = 0; w < N_WEAKS; w++) {
        struct object *o = weak_peek(&weaks[w]);

        assert_true(o != NULL || !is_binding(&weak_promise[w]));
        if (o == NULL)
            continue;
        assert_int_equal(records[find_record(o)].id, weak_promise[w].id);
        assert_ptr_equal(heap_find((uintptr_t)o), o);
    }
    weakmap_each(map, meet_in_map, &in_map);
    check_met(&in_map, map_promise, N_KEYS, weakmap_count(map));
    weakset_each(set, meet_in_set, &in_set);
    check_met(&in_set, set_promise, N_RECORDS, weakset_count(set));
}

/* Soundness: what is reached lives. */
static void
check_model(void)
{
    struct gc_unexplained u;

    reach_all();
    for (int i = 0; i < N_RECORDS; i++)
        if (records[i].is_reached)
            assert_true(is_alive(&records[i]));
    bury();
    check_weak();
    gc_check();
    assert_int_equal(gc_unexplained(&u, 1), 0);
}

/* What is not reached may be revived by a finalizer, and has lost its weak references then; or it is left to a later collection. */
static void
expect_revivals(void)
{
    reach_all();
    for (int i = 0; i < N_RECORDS; i++)
        records[i].n_losses += records[i].id != 0 && !records[i].is_reached;
}

/* Told of a collection: what is reached may change before it looks, not afterwards. */
static void
on_collection(void *arg, unsigned generation, const struct gc_result *result)
{
    is_collecting = result == NULL;
    act();
    if (result == NULL)
        expect_revivals();
}
static struct gc_callback callback = { .fn = on_collection };

static void
step_collect(unsigned generation)
{
    gc_collect(generation);
    check_model();
}

static void
step_safe_point(void)
{
    const unsigned few[] = { 1 + pick(50), pick(4), pick(4) };

    gc_set_thresholds(few);
    if (gc_safe_point())
        check_model();
}

/* Exactness: after full collections have come to an end, what lives is reached, or uncollectable, or reached from there. */
static void
check_exact(void)
{
    struct object *left[N_RECORDS];
    size_t n_left;

    is_settling = true;
    for (int tries = 0; tries < 100; tries++) {
        struct gc_result r = gc_collect(2);

        assert_false(r.was_skipped);
        if (r.n_collected == 0 && r.n_resurrected == 0)
            break;
    }
    is_settling = false;
    check_model();
    n_left = gc_uncollectable(left, N_RECORDS);
    for (size_t i = 0; i < n_left; i++)
        reach(find_record(left[i]));
    for (int i = 0; i < N_RECORDS; i++)
        assert_int_equal(records[i].id != 0, records[i].is_reached);
}

/* The last reference from outside moves into the ring that it holds, or its object into itself: no count says so, and nothing
 * else that happened meanwhile leads the collector there. */
static void
step_swallow(void)
{
    int slot = (int)pick(N_ROOTS), to, at;
    unsigned e = 0;

    if (is_frozen)
        return;
    check_exact();
    to = at = root_of[slot];
    if (to < 0 || object_type_of(root_refs[slot]) == &types[LEAF_TYPE])
        return;
    for (unsigned n = pick(5); n > 0; n--) {
        int next = records[at].edges[pick(N_EDGES)];

        if (next >= 0 && object_type_of(&records[next].thing->object) != &types[LEAF_TYPE])
            at = next;
    }
    while (e < N_EDGES && records[at].edges[e] >= 0)
        e++;
    if (e == N_EDGES)
        return;
    records[at].thing->edges[e] = root_refs[slot];
    records[at].edges[e] = to;
    root_refs[slot] = NULL;
    root_of[slot] = -1;
    n_swallowed++;
    if (pick(2) == 0)
        gc_collect(pick(2)); /* grown older, without a look */
    check_exact();
}

/* Every reference of the uncollectable is cut by hand, as a user of the list would do. */
static void
break_uncollectable(void)
{
    struct object *left[N_RECORDS];
    size_t n = gc_uncollectable(left, N_RECORDS);

    for (size_t i = 0; i < n; i++)
        object_pin(left[i]);
    for (size_t i = 0; i < n; i++) {
        int k = find_record(left[i]);

        for (int e = 0; e < N_EDGES; e++) {
            records[k].edges[e] = -1;
            object_unref(&records[k].thing->edges[e]);
        }
    }
    for (size_t i = 0; i < n; i++)
        object_unpin(left[i]);
    bury();
}

static void
round_of(uint64_t seed)
{
    size_t before = mem_live_blocks();
    unsigned n_steps;

    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    may_act = true;
    n_steps = 50 + pick(600);
    for (int i = 0; i < N_ROOTS; i++)
        root_of[i] = -1;
    assert_int_equal(weakmap_new(&map, MEM_CACHE), 0);
    assert_int_equal(weakset_new(&set, MEM_CACHE), 0);
    for (unsigned i = 0; i < n_steps; i++) {
        unsigned what = pick(100);

        reach_all();
        if (what < 30)
            step_new();
        else if (what < 60)
            step_link();
        else if (what < 64)
            step_move();
        else if (what < 65)
            step_swallow();
        else if (what < 72)
            step_unlink();
        else if (what < 82)
            step_root();
        else if (what < 87)
            step_weak();
        else if (what < 92)
            step_watch();
        else if (what < 94)
            step_pin();
        else if (what < 98)
            step_collect(pick(3));
        else if (pick(4) == 0)
            freeze(true);
        else if (pick(3) == 0)
            freeze(false);
        else
            step_safe_point();
        bury();
    }
    if (is_frozen)
        freeze(false);
    check_exact();
    may_act = false;
    for (int i = 0; i < N_RECORDS; i++)
        while (records[i].id != 0 && records[i].n_pins > 0) {
            records[i].n_pins--;
            object_unpin(&records[i].thing->object);
            bury();
        }
    for (int i = 0; i < N_ROOTS; i++)
        set_root(i, -1);
    check_exact();
    break_uncollectable();
    check_exact();
    assert_int_equal(heap_n_objects(), 0);
    for (int i = 0; i < N_WEAKS; i++)
        weak_clear(&weaks[i]);
    memset(weak_promise, 0, sizeof weak_promise);
    memset(map_promise, 0, sizeof map_promise);
    memset(set_promise, 0, sizeof set_promise);
    assert_int_equal(weakmap_count(map), 0);
    assert_int_equal(weakset_count(set), 0);
    weakmap_free(&map);
    weakset_free(&set);
    assert_int_equal(mem_live_blocks(), before);
}

static unsigned seed_now;
static bool is_over;

static int
print_seed(void **state)
{
    if (!is_over)
        printf("failed with SEED=%u\n", seed_now);
    return 0;
}

static void
on_abort(int signal_number)
{
    char text[40];

    if (write(STDERR_FILENO, text, (size_t)snprintf(text, sizeof text, "failed with SEED=%u\n", seed_now)) < 0)
        _exit(2);
}

TEST(gc__agrees_with_the_model)
{
    const char *one = getenv("SEED"), *rounds = getenv("ROUNDS"), *from = getenv("FIRST");
    unsigned first = one != NULL ? (unsigned)atoi(one) : from != NULL ? (unsigned)atoi(from) : 1, n = one != NULL ? 1 : rounds != NULL ? (unsigned)atoi(rounds) : 2000;

    signal(SIGABRT, on_abort); /* of a CHECK */
    gc_root_add(&root);
    gc_callback_add(&callback);
    gc_set_check(true);
    for (unsigned seed = first; seed < first + n; seed++) {
        seed_now = seed;
        round_of(seed);
        if (rounds != NULL && (seed - first + 1) % 5000 == 0)
            fprintf(stderr, "%u rounds, %u rings that swallowed their last reference\n", seed - first + 1, n_swallowed);
    }
    is_over = true;
    assert_true(one != NULL || n < 100 || n_swallowed > n / 10);
    gc_set_check(false);
    gc_callback_remove(&callback);
    gc_root_remove(&root);
    assert_int_equal(gc_fini(), 0);
}

TESTS(cmocka_unit_test_teardown(gc__agrees_with_the_model, print_seed))
