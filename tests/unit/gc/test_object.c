#include "gc/collect.h"
#include "gc/object.h"
#include "tests/support/support.h"

struct node {
    struct object object;
    struct object *next;
    struct object *other;
};

static int n_released;

static void
node_release(struct object *o)
{
    n_released++;
}

static const uint16_t node_pointers[] = { offsetof(struct node, next), offsetof(struct node, other) };
static struct object_type node_type = {
    .name = "node",
    .object_bytes = sizeof(struct node),
    .pointer_offsets = node_pointers,
    .n_pointers = 2,
    .release = node_release,
};

TEST(object__dies_when_its_last_reference_goes)
{
    struct node *a = OBJECT_NEW(&node_type);
    struct object *ref = object_ref(&a->object), *first = &a->object;

    n_released = 0;
    object_unref(&first);
    assert_null(first);
    assert_int_equal(n_released, 0);
    object_unref(&ref);
    assert_int_equal(n_released, 1);
}

TEST(object__drops_what_it_refers_to)
{
    size_t before = mem_live_blocks();
    struct node *a = OBJECT_NEW(&node_type), *b = OBJECT_NEW(&node_type);
    struct object *o = &a->object;

    a->next = &b->object;
    a->other = object_ref(&b->object);
    n_released = 0;
    object_unref(&o);
    assert_int_equal(n_released, 2);
    assert_int_equal(mem_live_blocks(), before);
}

TEST(object__a_chain_of_ten_million_dies_without_recursion)
{
    struct object *head = NULL;

    for (int i = 0; i < 10 * 1000 * 1000; i++) {
        struct node *n = OBJECT_NEW(&node_type);
        assert_non_null(n);
        n->next = head;
        head = &n->object;
    }
    n_released = 0;
    object_unref(&head);
    assert_int_equal(n_released, 10 * 1000 * 1000);
}

struct leaf {
    struct object object;
    uint64_t words[2];
};
static struct object_type leaf_type = { .name = "leaf", .object_bytes = sizeof(struct leaf), .flags = OBJECT_ACYCLIC };
static struct object_type releasing_leaf_type = {
    .name = "releasing", .object_bytes = sizeof(struct leaf), .flags = OBJECT_ACYCLIC | OBJECT_WEAKABLE, .release = node_release
};

TEST(object_new_many__makes_as_many_over_slabs_and_object_unref_many_ends_them)
{
    enum { N = 5000 };
    static struct object *all[N];
    size_t before = mem_live_blocks();
    struct object *held;

    for (int round = 0; round < 3; round++) {
        assert_true(OBJECT_NEW_MANY(&leaf_type, all, N));
        assert_int_equal(mem_live_blocks(), before + N);
        for (int i = 0; i < N; i++) {
            assert_true(object_is(all[i], &leaf_type) && all[i]->refs == 1);
            assert_true(((struct leaf *)(void *)all[i])->words[1] == 0);
            ((struct leaf *)(void *)all[i])->words[1] = 77; /* a slot that is used again must be zero again */
        }
        gc_check();
        held = object_ref(all[2500]);
        object_unref_many(all, N);
        assert_int_equal(mem_live_blocks(), before + 1);
        assert_int_equal(held->refs, 1);
        gc_check();
        object_unref(&held);
        assert_int_equal(mem_live_blocks(), before);
    }
    assert_true(OBJECT_NEW_MANY(&leaf_type, all, 0));
    object_unref_many(all, 0);
}

TEST(object_unref_many__runs_the_callbacks_of_types_that_have_some)
{
    struct object *all[3];

    assert_true(OBJECT_NEW_MANY(&releasing_leaf_type, all, 3));
    n_released = 0;
    object_unref_many(all, 3);
    assert_int_equal(n_released, 3);
    gc_check();
}

TEST(object__census_counts_the_living)
{
    struct object_type_stats stats[8];
    struct node *a = OBJECT_NEW(&node_type);
    struct object *o = &a->object;
    unsigned n = object_census(stats, 8);

    assert_int_equal(n, 1);
    assert_string_equal(stats[0].name, "node");
    assert_int_equal(stats[0].n_live, 1);
    object_unref(&o);
    object_census(stats, 8);
    assert_int_equal(stats[0].n_live, 0);
}

static struct object *revived;
static int n_finalized;

static void
revive(struct object *o)
{
    n_finalized++;
    revived = object_ref(o);
}

static struct object_type revived_type = { .name = "revived", .object_bytes = sizeof(struct node), .pointer_offsets = node_pointers,
                                           .n_pointers = 2, .finalize = revive, .release = node_release };

TEST(object__a_finalizer_runs_once_and_may_revive)
{
    struct object *o = OBJECT_NEW(&revived_type);
    struct gc_stats before, after;

    gc_stats(&before);
    n_finalized = n_released = 0;
    object_unref(&o);
    gc_stats(&after);
    assert_non_null(revived);
    assert_int_equal(after.n_revived - before.n_revived, 1);
    assert_int_equal(n_released, 0);
    gc_check();
    object_unref(&revived);
    assert_int_equal(n_finalized, 1);
    assert_int_equal(n_released, 1);
}

TEST(object__remembers_where_it_was_made)
{
    struct object *o = OBJECT_NEW(&node_type);
    const struct object_site *site = object_site_of(o);

    assert_non_null(strstr(site->file, "test_object.c"));
    assert_string_equal(site->function, __func__);
    assert_true(site->line > 0);
    assert_ptr_equal(object_site_by_id(site->id), site);
    assert_ptr_equal(object_type_of(o), &node_type);
    assert_ptr_equal(object_type_by_id(node_type.id), &node_type);
    assert_null(object_type_by_id(0));
    assert_null(object_type_by_id(511));
    assert_true(object_is(o, &node_type) && !object_is(o, &revived_type));
    object_unref(&o);
}

TEST(object__an_immortal_is_not_counted)
{
    struct object *o = OBJECT_NEW(&node_type), *p = o;

    object_make_immortal(o);
    n_released = 0;
    for (int i = 0; i < 10; i++) {
        p = o;
        object_unref(&p);
    }
    assert_int_equal(n_released, 0);
    assert_int_equal(object_ref(o)->refs, OBJECT_IMMORTAL_REFS);
    o->refs = 1;
    object_unref(&o);
}

TEST(object__a_pin_is_a_reference)
{
    struct object *o = OBJECT_NEW(&node_type), *p = o;

    n_released = 0;
    object_pin(o);
    object_pin(o);
    object_unref(&p);
    gc_check();
    object_unpin(o);
    assert_int_equal(n_released, 0);
    object_unpin(o);
    assert_int_equal(n_released, 1);
}

TESTS(T(object__dies_when_its_last_reference_goes), T(object__drops_what_it_refers_to),
      T(object__a_chain_of_ten_million_dies_without_recursion), T(object__census_counts_the_living),
      T(object__a_finalizer_runs_once_and_may_revive), T(object__remembers_where_it_was_made), T(object__an_immortal_is_not_counted),
      T(object__a_pin_is_a_reference), T(object_new_many__makes_as_many_over_slabs_and_object_unref_many_ends_them),
      T(object_unref_many__runs_the_callbacks_of_types_that_have_some))
