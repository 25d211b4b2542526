#include "gc/collect.h"
#include "gc/weak.h"
#include "tests/support/support.h"

struct node {
    struct object object;
    struct object *next;
    struct weak back;
};

static const uint16_t node_pointers[] = { offsetof(struct node, next) };

static void
node_release(struct object *o)
{
    weak_clear(&((struct node *)(void *)o)->back);
}

static struct weak seen_by_finalizer;
static bool was_null_in_finalizer;

static void
watching_finalize(struct object *o)
{
    was_null_in_finalizer = weak_peek(&seen_by_finalizer) == NULL;
}

static struct object_type node_type = { .name = "node", .object_bytes = sizeof(struct node), .flags = OBJECT_WEAKABLE,
                                        .pointer_offsets = node_pointers, .n_pointers = 1, .release = node_release };
static struct object_type watching_type = { .name = "watching", .object_bytes = sizeof(struct node), .flags = OBJECT_WEAKABLE,
                                            .pointer_offsets = node_pointers, .n_pointers = 1, .finalize = watching_finalize };

static struct object *
make(struct object_type *t)
{
    struct node *n = OBJECT_NEW(t);

    assert_non_null(n);
    return &n->object;
}

static void
link_to(struct object *from, struct object *to)
{
    ((struct node *)(void *)from)->next = object_ref(to);
}

TEST(weak__an_empty_one_reads_null)
{
    struct weak w = { 0 };

    assert_null(weak_get(&w));
    weak_clear(&w);
    assert_int_equal(weak_set(&w, NULL), 0);
}

TEST(weak__reads_its_object_and_does_not_keep_it)
{
    size_t before = mem_live_blocks();
    struct object *o = make(&node_type), *seen;
    struct weak w = { 0 };

    assert_int_equal(weak_set(&w, o), 0);
    assert_int_equal(o->refs, 1);
    seen = weak_get(&w);
    assert_ptr_equal(seen, o);
    object_unref(&seen);
    assert_ptr_equal(weak_peek(&w), o);
    object_unref(&o);
    assert_null(weak_get(&w));
    weak_clear(&w);
    assert_int_equal(mem_live_blocks(), before);
}

TEST(weak__all_references_to_one_object_share_a_cell)
{
    struct weak_stats stats;
    struct object *o = make(&node_type);
    struct weak a = { 0 }, b = { 0 };

    assert_int_equal(weak_set(&a, o), 0);
    assert_int_equal(weak_set(&b, o), 0);
    assert_int_equal(a.cell, b.cell);
    weak_stats(&stats);
    assert_int_equal(stats.n_cells, 1);
    weak_clear(&a);
    assert_ptr_equal(weak_peek(&b), o);
    object_unref(&o);
    weak_stats(&stats);
    assert_int_equal(stats.n_cells, 1);
    assert_int_equal(stats.n_cells_dead, 1);
    weak_clear(&b);
    weak_stats(&stats);
    assert_int_equal(stats.n_cells, 0);
    assert_int_equal(stats.n_cells_dead, 0);
}

TEST(weak__a_reused_cell_never_speaks_for_the_old_object)
{
    struct object *a = make(&node_type), *b = make(&node_type);
    struct weak old = { 0 }, fresh = { 0 };

    assert_int_equal(weak_set(&old, a), 0);
    object_unref(&a);
    assert_int_equal(weak_set(&fresh, b), 0);
    assert_null(weak_peek(&old));
    assert_ptr_equal(weak_peek(&fresh), b);
    weak_clear(&old);
    weak_clear(&fresh);
    object_unref(&b);
}

TEST(weak__reads_null_before_the_finalizer_runs)
{
    struct object *o = make(&watching_type);

    assert_int_equal(weak_set(&seen_by_finalizer, o), 0);
    was_null_in_finalizer = false;
    object_unref(&o);
    assert_true(was_null_in_finalizer);

    o = make(&watching_type); /* the same in a cycle */
    link_to(o, o);
    assert_int_equal(weak_set(&seen_by_finalizer, o), 0);
    was_null_in_finalizer = false;
    object_unref(&o);
    assert_non_null(weak_peek(&seen_by_finalizer));
    assert_int_equal(gc_collect(2).n_collected, 1);
    assert_true(was_null_in_finalizer);
    weak_clear(&seen_by_finalizer);
}

TEST(weak__back_pointers_make_no_cycle)
{
    struct object *parent = make(&node_type), *child = make(&node_type);

    link_to(parent, child);
    assert_int_equal(weak_set(&((struct node *)(void *)child)->back, parent), 0);
    object_unref(&child);
    object_unref(&parent);
    assert_int_equal(gc_collect(2).n_collected, 0);
}

/* ---- watchers --------------------------------------------------------------------------------------------------------- */

struct count {
    struct weak_watch watch, other;
    struct object *drops;
    struct weak *reads;
    int n, order;
};
static int n_calls;

static void
count_death(struct weak_watch *w, void *arg)
{
    struct count *c = arg;

    c->n++;
    c->order = ++n_calls;
    if (c->reads != NULL)
        assert_null(weak_peek(c->reads));
    object_unref(&c->drops);
}

TEST(weak_watch__is_called_once_after_the_death)
{
    struct object *o = make(&node_type);
    struct weak w = { 0 };
    struct count c = { .reads = &w };

    assert_int_equal(weak_set(&w, o), 0);
    assert_int_equal(weak_watch_start(&c.watch, o, count_death, &c), 0);
    object_unref(&o);
    assert_int_equal(c.n, 1);
    weak_watch_stop(&c.watch);
    weak_clear(&w);
}

TEST(weak_watch__is_not_called_when_stopped)
{
    struct object *o = make(&node_type);
    struct count c = { 0 };

    weak_watch_stop(&c.watch); /* zeroed */
    assert_int_equal(weak_watch_start(&c.watch, o, count_death, &c), 0);
    weak_watch_stop(&c.watch);
    object_unref(&o);
    assert_int_equal(c.n, 0);
}

TEST(weak_watch__a_callback_may_end_other_objects)
{
    struct object *a = make(&node_type), *b = make(&node_type);
    struct count on_a = { 0 }, on_b = { 0 };

    assert_int_equal(weak_watch_start(&on_a.watch, a, count_death, &on_a), 0);
    assert_int_equal(weak_watch_start(&on_b.watch, b, count_death, &on_b), 0);
    on_a.drops = b;
    n_calls = 0;
    object_unref(&a);
    assert_int_equal(on_a.order, 1);
    assert_int_equal(on_b.order, 2);
}

static void
stop_other(struct weak_watch *w, void *arg)
{
    struct count *c = arg;

    c->n++;
    weak_watch_stop(c->watch.on_death != NULL ? &c->watch : &c->other);
}

TEST(weak_watch__a_callback_may_stop_one_that_waits)
{
    struct object *o = make(&node_type);
    struct count c = { 0 };

    assert_int_equal(weak_watch_start(&c.watch, o, stop_other, &c), 0);
    assert_int_equal(weak_watch_start(&c.other, o, stop_other, &c), 0);
    object_unref(&o);
    assert_int_equal(c.n, 1);
}

TEST(weak_watch__of_a_cycle_is_called_after_the_collection)
{
    struct object *a = make(&node_type), *b = make(&node_type);
    struct count c = { 0 };

    link_to(a, b);
    link_to(b, a);
    assert_int_equal(weak_watch_start(&c.watch, a, count_death, &c), 0);
    object_unref(&a);
    object_unref(&b);
    assert_int_equal(c.n, 0);
    assert_int_equal(gc_collect(0).n_collected, 2);
    assert_int_equal(c.n, 1);
}

/* ---- finalize(o, fn, arg) --------------------------------------------------------------------------------------------- */

static char order[8];

static void
append(void *arg)
{
    strcat(order, arg);
}

TEST(weak_finalize__runs_at_the_death_or_at_the_end_newest_first)
{
    size_t before = mem_live_blocks();
    struct object *a = make(&node_type), *b = make(&node_type);
    char one[] = "1", two[] = "2", three[] = "3", four[] = "4";
    struct weak_finalizer *f;

    order[0] = '\0';
    assert_non_null(weak_finalize(a, append, one));
    assert_non_null(weak_finalize(b, append, two));
    assert_non_null(weak_finalize(b, append, three));
    f = weak_finalize(b, append, four);
    weak_finalizer_detach(&f);
    assert_null(f);
    object_unref(&a);
    assert_string_equal(order, "1");
    weak_finalizers_run_all();
    assert_string_equal(order, "132");
    object_unref(&b);
    assert_string_equal(order, "132");
    assert_int_equal(mem_live_blocks(), before);
}

/* ---- weak-value maps ---------------------------------------------------------------------------------------------------- */

TEST(weakmap__finds_what_lives_and_forgets_what_died)
{
    size_t before = mem_live_blocks();
    struct object *a = make(&node_type), *b = make(&node_type), *seen;
    struct weakmap *m;

    assert_int_equal(weakmap_new(&m, MEM_CACHE), 0);
    assert_null(weakmap_get(m, SLICE_LITERAL("a")));
    assert_int_equal(weakmap_put(m, SLICE_LITERAL("a"), a), 0);
    assert_int_equal(weakmap_put(m, SLICE_LITERAL("b"), b), 0);
    assert_int_equal(weakmap_put(m, SLICE_LITERAL("also b"), b), 0);
    seen = weakmap_get(m, SLICE_LITERAL("a"));
    assert_ptr_equal(seen, a);
    object_unref(&seen);
    assert_int_equal(weakmap_count(m), 3);
    object_unref(&b);
    assert_int_equal(weakmap_count(m), 1);
    assert_null(weakmap_get(m, SLICE_LITERAL("b")));
    assert_true(weakmap_remove(m, SLICE_LITERAL("a")));
    assert_false(weakmap_remove(m, SLICE_LITERAL("a")));
    assert_int_equal(weakmap_put(m, SLICE_LITERAL("a"), a), 0);
    weakmap_free(&m);
    object_unref(&a);
    assert_int_equal(mem_live_blocks(), before);
}

TEST(weakmap__put_replaces)
{
    struct object *a = make(&node_type), *b = make(&node_type), *seen;
    struct weakmap *m;

    assert_int_equal(weakmap_new(&m, MEM_CACHE), 0);
    assert_int_equal(weakmap_put(m, SLICE_LITERAL(""), a), 0);
    assert_int_equal(weakmap_put(m, SLICE_LITERAL(""), b), 0);
    assert_int_equal(weakmap_count(m), 1);
    object_unref(&a); /* takes nothing with it */
    seen = weakmap_get(m, SLICE_LITERAL(""));
    assert_ptr_equal(seen, b);
    object_unref(&seen);
    object_unref(&b);
    assert_int_equal(weakmap_count(m), 0);
    weakmap_free(&m);
}

TEST(weakmap__grows_and_shrinks_with_its_objects)
{
    static struct object *all[5000];
    struct weakmap *m;
    size_t full_bytes;

    assert_int_equal(weakmap_new(&m, MEM_CACHE), 0);
    for (int i = 0; i < 5000; i++) {
        all[i] = make(&node_type);
        assert_int_equal(weakmap_put(m, slice_of(&i, sizeof i), all[i]), 0);
    }
    full_bytes = weakmap_ram_bytes(m);
    for (int i = 0; i < 5000; i++) {
        struct object *seen = weakmap_get(m, slice_of(&i, sizeof i));
        assert_ptr_equal(seen, all[i]);
        object_unref(&seen);
    }
    for (int i = 0; i < 4990; i++)
        object_unref(&all[i]);
    assert_int_equal(weakmap_count(m), 10);
    for (int i = 4989; i < 5000; i++)
        (void)!weakmap_remove(m, slice_of(&i, sizeof i));
    for (int round = 0; round < 10; round++)
        for (int i = 4999; i > 4997; i--) {
            assert_int_equal(weakmap_put(m, slice_of(&i, sizeof i), all[i]), 0);
            assert_true(round % 2 == 0 || weakmap_remove(m, slice_of(&i, sizeof i)));
        }
    assert_true(weakmap_ram_bytes(m) < full_bytes / 20);
    for (int i = 4990; i < 5000; i++)
        object_unref(&all[i]);
    weakmap_free(&m);
}

static void
count_set(void *arg, struct object *o)
{
    ++*(int *)arg;
}

TEST(weakset__holds_each_object_once_and_only_while_it_lives)
{
    size_t before = mem_live_blocks();
    static struct object *all[1000];
    struct weakset *s;
    int n = 0;

    assert_int_equal(weakset_new(&s, MEM_CACHE), 0);
    for (int i = 0; i < 1000; i++) {
        all[i] = make(&node_type);
        assert_int_equal(weakset_add(s, all[i]), 1);
        assert_int_equal(weakset_add(s, all[i]), 0);
    }
    assert_int_equal(weakset_count(s), 1000);
    for (int i = 0; i < 1000; i += 2)
        object_unref(&all[i]);
    assert_int_equal(weakset_count(s), 500);
    weakset_each(s, count_set, &n);
    assert_int_equal(n, 500);
    assert_true(weakset_has(s, all[1]));
    assert_true(weakset_remove(s, all[1]));
    assert_false(weakset_has(s, all[1]));
    assert_false(weakset_remove(s, all[1]));
    for (int i = 3; i < 500; i += 2)
        object_unref(&all[i]);
    weakset_free(&s);
    object_unref(&all[1]);
    for (int i = 501; i < 1000; i += 2)
        object_unref(&all[i]);
    assert_int_equal(mem_live_blocks(), before);
}

static bool has_collected;

static void
collect_in_callback(struct weak_watch *w, void *arg)
{
    has_collected |= !gc_collect(2).was_skipped;
    has_collected |= gc_safe_point();
}

/* It comes out of an object_unref(), whose caller may hold uncounted pointers. */
TEST(weak_watch__a_callback_does_not_collect)
{
    struct object *o = make(&node_type), *garbage = make(&node_type);
    struct weak_watch w = { .cell = 0 };

    ((struct node *)(void *)garbage)->next = object_ref(garbage);
    object_unref(&garbage);
    assert_int_equal(weak_watch_start(&w, o, collect_in_callback, NULL), 0);
    has_collected = false;
    object_unref(&o);
    assert_false(has_collected);
    assert_int_equal(gc_collect(2).n_collected, 1);
}

TESTS(T(weak_watch__a_callback_does_not_collect), T(weak__an_empty_one_reads_null), T(weak__reads_its_object_and_does_not_keep_it),
      T(weak__all_references_to_one_object_share_a_cell), T(weak__a_reused_cell_never_speaks_for_the_old_object),
      T(weak__reads_null_before_the_finalizer_runs), T(weak__back_pointers_make_no_cycle),
      T(weak_watch__is_called_once_after_the_death), T(weak_watch__is_not_called_when_stopped),
      T(weak_watch__a_callback_may_end_other_objects), T(weak_watch__a_callback_may_stop_one_that_waits),
      T(weak_watch__of_a_cycle_is_called_after_the_collection),
      T(weak_finalize__runs_at_the_death_or_at_the_end_newest_first),
      T(weakmap__finds_what_lives_and_forgets_what_died), T(weakmap__put_replaces),
      T(weakmap__grows_and_shrinks_with_its_objects), T(weakset__holds_each_object_once_and_only_while_it_lives))
