#include "gc/collect.h"
#include "gc/heap.h"
#include "gc/roots.h"
#include "tests/support/support.h"

struct node {
    struct object object;
    struct object *next;
};

static const uint16_t pointers[] = { offsetof(struct node, next) };
static struct object_type node_type = { .name = "node", .object_bytes = sizeof(struct node), .pointer_offsets = pointers, .n_pointers = 1 };

static struct object *held, *table[4];

static void
walk_table(void *owner, object_visit_fn *visit, void *arg)
{
    for (int i = 0; i < 4; i++)
        visit(&((struct object **)owner)[i], arg);
}

static struct gc_root one = { .name = "test.held", .reference = &held };
static struct gc_root many = { .name = "test.table", .walk = walk_table, .owner = table };

static struct object *
make(void)
{
    struct node *n = OBJECT_NEW(&node_type);

    assert_non_null(n);
    return &n->object;
}

struct seen {
    int n_one, n_many;
};

static void
see(void *arg, const struct gc_root *root, struct object **reference)
{
    struct seen *s = arg;

    assert_non_null(*reference);
    s->n_one += root == &one;
    s->n_many += root == &many;
}

TEST(roots__are_walked_without_their_nulls)
{
    struct seen s = { 0 };

    gc_root_add(&one);
    gc_root_add(&many);
    gc_roots_each(see, &s);
    assert_int_equal(s.n_one + s.n_many, 0);
    held = make();
    table[1] = object_ref(held);
    table[3] = make();
    gc_roots_each(see, &s);
    assert_int_equal(s.n_one, 1);
    assert_int_equal(s.n_many, 2);
    gc_root_remove(&many);
    gc_roots_each(see, &s);
    assert_int_equal(s.n_one, 2);
    assert_int_equal(s.n_many, 2);
    gc_root_add(&many);
}

TEST(unexplained__is_zero_when_every_reference_is_known)
{
    struct gc_unexplained u[2];

    ((struct node *)(void *)held)->next = object_ref(table[3]);
    object_pin(table[3]);
    object_pin(table[3]);
    assert_int_equal(gc_unexplained(u, 2), 0);
    object_unpin(table[3]);
    object_unpin(table[3]);
    assert_int_equal(gc_unexplained(u, 2), 0);
    gc_check();
}

TEST(unexplained__names_a_missing_unref_and_a_missing_ref)
{
    struct gc_unexplained u[3];
    struct object *leaked = make();

    object_ref(leaked);
    object_ref(leaked);
    object_ref(table[3]);
    assert_int_equal(gc_unexplained(u, 3), 2);
    assert_ptr_equal(u[0].object, leaked);
    assert_int_equal(u[0].surplus, 3);
    assert_ptr_equal(u[1].object, table[3]);
    assert_int_equal(u[1].surplus, 1);
    assert_int_equal(gc_unexplained(u, 1), 2); /* the largest fits */
    assert_ptr_equal(u[0].object, leaked);
    assert_int_equal(gc_unexplained(NULL, 0), 2);
    table[3]->refs -= 2;
    assert_int_equal(gc_unexplained(u, 3), 2);
    assert_int_equal(u[1].surplus, -1);
    table[3]->refs += 1;
    leaked->refs = 1;
    object_unref(&leaked);
    assert_int_equal(gc_unexplained(u, 3), 0);
}

TEST(unexplained__passes_over_immortals)
{
    struct object *o = make();

    object_make_immortal(o);
    assert_int_equal(gc_unexplained(NULL, 0), 0);
    object_unref(&held);
    object_unref(&table[1]);
    object_unref(&table[3]);
    gc_root_remove(&one);
    gc_root_remove(&many);
    assert_int_equal(heap_n_objects(), 1);
    assert_int_equal(gc_fini(), 0); /* it is no leak */
}

TESTS(T(roots__are_walked_without_their_nulls), T(unexplained__is_zero_when_every_reference_is_known),
      T(unexplained__names_a_missing_unref_and_a_missing_ref), T(unexplained__passes_over_immortals))
