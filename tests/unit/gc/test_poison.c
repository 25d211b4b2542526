#include "gc/heap_slab.h"
#include "gc/weak.h"
#include "tests/support/support.h"

/* Under ASan whoever uses a freed slot or a freed cell is seen. Elsewhere there is nothing to look at: skipped. */

struct thing {
    struct object object;
    struct object *other;
};
static struct object_type thing_type = { .name = "thing", .object_bytes = sizeof(struct thing), .flags = OBJECT_WEAKABLE };

static bool
is_poisoned(const void *p)
{
    return HEAP_IS_POISONED((void *)(uintptr_t)p);
}

TEST(heap__a_freed_slot_is_poisoned)
{
    struct thing *t = OBJECT_NEW(&thing_type), *next;
    struct object *o = &t->object;

    if (!HEAP_POISONS)
        skip();
    assert_false(is_poisoned(&t->other));
    object_unref(&o);
    assert_true(is_poisoned(t));
    assert_true(is_poisoned(&t->other));
    next = OBJECT_NEW(&thing_type);
    assert_ptr_not_equal(next, t); /* not used again at once */
    o = &next->object;
    object_unref(&o);
}

TEST(weak__a_freed_cell_is_poisoned)
{
    struct thing *t = OBJECT_NEW(&thing_type);
    struct object *o = &t->object;
    struct weak w = { 0 }, next = { 0 };
    const struct weak_cell *cell;

    if (!HEAP_POISONS)
        skip();
    assert_int_equal(weak_set(&w, o), 0);
    cell = &weak_blocks[w.cell >> WEAK_BLOCK_BITS][w.cell & ((1u << WEAK_BLOCK_BITS) - 1)];
    assert_false(is_poisoned(cell));
    object_unref(&o);
    assert_false(is_poisoned(cell)); /* w still reads NULL there */
    assert_null(weak_peek(&w));
    weak_clear(&w);
    assert_true(is_poisoned(&cell->target));
    assert_true(is_poisoned(&cell->refs));
    o = mem_must(OBJECT_NEW(&thing_type));
    assert_int_equal(weak_set(&next, o), 0);
    assert_true(is_poisoned(cell)); /* not used again at once */
    weak_clear(&next);
    object_unref(&o);
}

TESTS(T(heap__a_freed_slot_is_poisoned), T(weak__a_freed_cell_is_poisoned))
