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

TESTS(T(object__dies_when_its_last_reference_goes), T(object__drops_what_it_refers_to),
      T(object__a_chain_of_ten_million_dies_without_recursion), T(object__census_counts_the_living))
