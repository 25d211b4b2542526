/* n-th allocation failure over everything in gc/ that allocates: clean refusals, nothing changed, nothing left behind */
#include "gc/collect.h"
#include "gc/heap.h"
#include "gc/weak.h"
#include "tests/support/support.h"

struct node {
    struct object object;
    struct object *next;
    void *owned;
};

static const uint16_t pointers[] = { offsetof(struct node, next) };

static void
node_release(struct object *o)
{
    mem_free(MEM_OBJ, ((struct node *)(void *)o)->owned);
}

static struct object_type node_type = { .name = "node", .object_bytes = sizeof(struct node), .flags = OBJECT_WEAKABLE,
                                        .pointer_offsets = pointers, .n_pointers = 1, .release = node_release };

/* A constructor as users write it: what it has made goes when the rest cannot be had. */
static struct object *
node_new(void)
{
    struct node *n = OBJECT_NEW(&node_type);
    struct object *o;

    if (n == NULL)
        return NULL;
    o = &n->object;
    n->owned = mem_alloc(MEM_OBJ, 100);
    if (n->owned == NULL)
        object_unref(&o);
    return o;
}

TEST(object_new__survives_any_failed_allocation)
{
    bool was_good = false;

    FAULT_SWEEP(nth) {
        struct object *ring[50];
        unsigned n = 0;

        for (; n < ORB_N_ELEMENTS(ring); n++) {
            ring[n] = node_new();
            if (ring[n] == NULL)
                break;
        }
        was_good = n == ORB_N_ELEMENTS(ring);
        gc_check();
        for (unsigned i = 0; i < n; i++)
            ((struct node *)(void *)ring[i])->next = object_ref(ring[(i + 1) % n]);
        for (unsigned i = 0; i < n; i++)
            object_unref(&ring[i]);
        assert_int_equal(gc_collect(2).n_collected, n);
        assert_int_equal(heap_n_objects(), 0);
        assert_int_equal(mem_live_blocks(), 0);
    }
    assert_true(was_good);
}

TEST(object_new__respects_the_domains_hard_limit)
{
    struct object *first, *o, **kept = mem_must(mem_array(MEM_DEFAULT, 1000, sizeof *kept));
    struct mem_stats stats;
    size_t n = 0;

    mem_fail_nth(0, false, false);
    mem_set_limits(MEM_OBJ, 0, 10000);
    first = node_new();
    assert_non_null(first);
    while ((o = node_new()) != NULL)
        kept[n++] = o;
    assert_true(n > 20 && n < 100);
    mem_stats(MEM_OBJ, &stats);
    assert_true(stats.n_failed > 0);
    assert_true(stats.live_bytes <= 10000);
    object_unref(&first);
    first = node_new(); /* there is room again */
    assert_non_null(first);
    object_unref(&first);
    mem_set_limits(MEM_OBJ, 0, 0);
    while (n > 0)
        object_unref(&kept[--n]);
    mem_free(MEM_DEFAULT, kept);
    assert_int_equal(mem_live_blocks(), 0);
}

static struct object_type leaf_type = { .name = "leaf", .object_bytes = 32, .flags = OBJECT_ACYCLIC };

TEST(object_new_many__makes_all_or_none)
{
    enum { N = 3000 }; /* of two slabs */
    static struct object *all[N];

    mem_fail_nth(0, false, false);
    mem_set_limits(MEM_OBJ, 0, 32 * 2500); /* the second slab's part does not fit */
    assert_false(OBJECT_NEW_MANY(&leaf_type, all, N));
    assert_int_equal(mem_live_blocks(), 0);
    gc_check();
    mem_set_limits(MEM_OBJ, 0, 0);
    FAULT_SWEEP(nth) {
        bool is_made = OBJECT_NEW_MANY(&leaf_type, all, N);

        gc_check();
        assert_int_equal(heap_n_objects(), is_made ? N : 0);
        if (is_made)
            object_unref_many(all, N);
        assert_int_equal(heap_n_objects(), 0);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

static void
nothing(struct weak_watch *w, void *arg)
{
}

TEST(weak__survives_any_failed_allocation)
{
    FAULT_SWEEP(nth) {
        struct object *o = node_new();
        struct weak a = { 0 }, b = { 0 };
        struct weak_watch w = { 0 };
        struct weak_finalizer *f;

        if (o == NULL)
            continue;
        assert_true((weak_set(&a, o) == 0) == (weak_peek(&a) == o));
        assert_true((weak_set(&b, o) == 0) == (weak_peek(&b) == o));
        if (weak_watch_start(&w, o, nothing, NULL) != 0)
            assert_null(w.on_death);
        f = weak_finalize(o, (void (*)(void *))weak_clear, &b);
        gc_check();
        if (f == NULL)
            weak_clear(&b);
        object_unref(&o);
        assert_null(weak_peek(&a));
        assert_int_equal(b.cell, 0);
        weak_clear(&a);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

TEST(weak_set__a_failure_leaves_what_it_referred_to)
{
    struct object *a, *b;
    struct weak w = { 0 };

    mem_fail_nth(0, false, false);
    a = node_new();
    b = node_new();
    assert_int_equal(weak_set(&w, a), 0);
    mem_fail_nth(1, true, false);
    assert_int_equal(weak_set(&w, b), ORB_ENOMEM);
    mem_fail_nth(0, false, false);
    assert_ptr_equal(weak_peek(&w), a);
    weak_clear(&w);
    object_unref(&a);
    object_unref(&b);
    assert_int_equal(mem_live_blocks(), 0);
}

TEST(weakmap__survives_any_failed_allocation)
{
    FAULT_SWEEP(nth) {
        struct object *all[40] = { NULL };
        struct weakmap *m = NULL;
        size_t n = 0;

        if (weakmap_new(&m, MEM_CACHE) != 0)
            continue;
        for (unsigned i = 0; i < ORB_N_ELEMENTS(all); i++) {
            struct object *seen;
            int err;

            all[i] = node_new();
            if (all[i] == NULL)
                continue;
            err = weakmap_put(m, slice_of(&i, sizeof i), all[i]);
            assert_true(err == 0 || err == ORB_ENOMEM);
            n += err == 0;
            assert_int_equal(weakmap_count(m), n);
            seen = weakmap_get(m, slice_of(&i, sizeof i));
            assert_ptr_equal(seen, err == 0 ? all[i] : NULL);
            object_unref(&seen);
            if (all[0] == NULL || weakmap_put(m, slice_of(&i, sizeof i), all[0]) != 0) /* replaces, or changes nothing */
                continue;
            n += err != 0;
        }
        gc_check();
        for (unsigned i = 0; i < ORB_N_ELEMENTS(all); i++)
            object_unref(&all[i]);
        assert_int_equal(weakmap_count(m), 0);
        weakmap_free(&m);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

TEST(weakset__survives_any_failed_allocation)
{
    FAULT_SWEEP(nth) {
        struct object *all[40] = { NULL };
        struct weakset *s = NULL;
        size_t n = 0;

        if (weakset_new(&s, MEM_CACHE) != 0)
            continue;
        for (unsigned i = 0; i < ORB_N_ELEMENTS(all); i++) {
            int added;

            all[i] = node_new();
            if (all[i] == NULL)
                continue;
            added = weakset_add(s, all[i]);
            assert_true(added == 1 || added == ORB_ENOMEM);
            n += added == 1;
            assert_int_equal(weakset_count(s), n);
            assert_int_equal(weakset_has(s, all[i]), added == 1);
        }
        gc_check();
        for (unsigned i = 0; i < ORB_N_ELEMENTS(all); i++)
            object_unref(&all[i]);
        weakset_free(&s);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

/* A collection allocates nothing, so it works when there is nothing to be had. */
TEST(gc_collect__needs_no_memory)
{
    struct object *a, *b;

    mem_fail_nth(0, false, false);
    a = node_new();
    b = node_new();
    ((struct node *)(void *)a)->next = object_ref(b);
    ((struct node *)(void *)b)->next = object_ref(a);
    object_unref(&a);
    object_unref(&b);
    mem_fail_nth(1, true, true);
    assert_int_equal(gc_collect(2).n_collected, 2);
    assert_int_equal(mem_fail_nth(0, false, false), 0); /* none was asked for */
    assert_int_equal(mem_live_blocks(), 0);
}

TESTS(T(object_new__survives_any_failed_allocation), T(object_new__respects_the_domains_hard_limit), T(object_new_many__makes_all_or_none),
      T(weak__survives_any_failed_allocation), T(weak_set__a_failure_leaves_what_it_referred_to),
      T(weakmap__survives_any_failed_allocation), T(weakset__survives_any_failed_allocation), T(gc_collect__needs_no_memory))
