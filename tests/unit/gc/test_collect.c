#include "gc/collect.h"
#include "gc/heap.h"
#include "gc/weak.h"
#include "tests/support/support.h"

struct node {
    struct object object;
    struct object *next, *other;
};

static const uint16_t pointers[] = { offsetof(struct node, next), offsetof(struct node, other) };
static struct object *revived;
static int n_finalized, n_released;

static void
reviving_finalize(struct object *o)
{
    n_finalized++;
    if (revived == NULL)
        revived = object_ref(o);
}

static void
count_release(struct object *o)
{
    n_released++;
}

static size_t
ten_bytes(const struct object *o)
{
    return 10;
}

#define NODE .object_bytes = sizeof(struct node), .pointer_offsets = pointers, .n_pointers = 2
static struct object_type plain_type = { .name = "plain", NODE, .flags = OBJECT_WEAKABLE };
static struct object_type reviving_type = { .name = "reviving", NODE, .finalize = reviving_finalize };
static struct object_type ordered_type = { .name = "ordered", NODE, .flags = OBJECT_ORDERED, .release = count_release };
static struct object_type owning_type = { .name = "owning", NODE, .release = count_release, .owned_bytes = ten_bytes };

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

/* A ring of n that nobody else holds. */
static void
garbage_ring(struct object_type *t, unsigned n)
{
    struct object *first = make(t), *at = object_ref(first), *last;

    for (unsigned i = 1; i < n; i++) {
        last = at;
        at = make(t);
        link_to(last, at);
        object_unref(&last);
    }
    link_to(at, first);
    object_unref(&at);
    object_unref(&first);
}

static void
forget_the_past(void)
{
    gc_collect(2);
    assert_int_equal(heap_n_objects(), 0);
}

TEST(gc_collect__frees_rings_and_spares_what_is_held)
{
    struct object *held = make(&plain_type), *deep = make(&plain_type);
    struct gc_result r;

    link_to(held, deep);
    link_to(deep, held);
    object_unref(&deep);
    for (unsigned n = 1; n < 20; n++)
        garbage_ring(&plain_type, n);
    r = gc_collect(0);
    assert_false(r.was_skipped);
    assert_int_equal(r.n_collected, 19 * 20 / 2);
    assert_int_equal(r.collected_bytes, r.n_collected * 40);
    assert_int_equal(heap_n_objects(), 2);
    object_unref(&held);
    assert_int_equal(gc_collect(0).n_collected, 0); /* it is middle-aged now */
    assert_int_equal(gc_collect(1).n_collected, 2);
}

TEST(gc_collect__of_the_young_is_skipped_when_no_count_has_fallen_to_non_zero)
{
    struct object *a, *b;

    forget_the_past();
    a = make(&plain_type);
    b = make(&plain_type);
    link_to(a, b);
    assert_true(gc_collect(0).was_skipped);
    assert_true(gc_collect(1).was_skipped);
    assert_false(gc_collect(2).was_skipped); /* a full one always looks */
    object_unref(&b);
    assert_true(gc_collect(1).was_skipped);  /* b is old */
    assert_false(gc_collect(2).was_skipped);
    object_unref(&a);                        /* died by counting */
    assert_true(gc_collect(1).was_skipped);
    assert_int_equal(heap_n_objects(), 0);
}

/* Nobody gives a reference back: the last one from outside moves into the ring. */
static void
moved_ring(struct object_type *t)
{
    struct object *first = make(t), *second = make(t);

    ((struct node *)(void *)first)->next = second;
    ((struct node *)(void *)second)->next = first;
}

TEST(gc_collect__finds_a_ring_that_swallowed_the_last_reference_to_itself)
{
    struct object *held;

    forget_the_past();
    held = make(&plain_type);
    moved_ring(&plain_type);
    assert_int_equal(gc_collect(2).n_collected, 2); /* the young */
    moved_ring(&plain_type);
    assert_true(gc_collect(0).was_skipped);         /* middle now */
    assert_true(gc_collect(1).was_skipped);         /* and old */
    assert_int_equal(gc_collect(2).n_collected, 2);
    assert_int_equal(heap_n_objects(), 1);
    object_unref(&held);
}

/* No candidate, ever: the turns of the loop alone keep the heap small. */
TEST(gc_safe_point__bounds_rings_that_swallowed_the_last_reference_to_themselves)
{
    const unsigned few[] = { 100, 2, 2 };
    unsigned was[GC_GENERATIONS];
    uint64_t most = 0;

    gc_thresholds(was);
    forget_the_past();
    gc_set_thresholds(few);
    for (int i = 0; i < 50000; i++) {
        moved_ring(&plain_type);
        gc_safe_point();
        most = ORB_MAX(most, heap_n_objects());
    }
    assert_in_range(most, 100, 2000);
    gc_set_thresholds(was);
    forget_the_past();
}

/* The young one was the candidate; what holds it is old. */
TEST(gc_collect__finds_a_ring_across_generations)
{
    struct object *old, *young;

    forget_the_past();
    old = make(&plain_type);
    gc_collect(1);
    young = make(&plain_type);
    link_to(old, young);
    link_to(young, old);
    object_unref(&old);
    object_unref(&young);
    assert_int_equal(gc_collect(0).n_collected, 0);
    assert_int_equal(gc_collect(1).n_collected, 0);
    assert_int_equal(gc_collect(2).n_collected, 2);
}

/* The same, and nothing that happened to the old one says so: its last reference from outside moved into the ring. */
TEST(gc_collect__remembers_a_young_candidate_that_something_old_holds)
{
    struct object *old, *young;

    forget_the_past();
    old = make(&plain_type);
    gc_collect(2);
    young = make(&plain_type);
    ((struct node *)(void *)young)->next = old;
    link_to(old, young);
    object_unref(&young);
    assert_int_equal(gc_collect(0).n_collected, 0);
    assert_int_equal(gc_collect(1).n_collected, 0);
    assert_int_equal(gc_collect(2).n_collected, 2);
}

TEST(gc_collect__generations_grow_older)
{
    struct gc_stats s;
    struct object *o;

    forget_the_past();
    o = make(&plain_type);
    gc_stats(&s);
    assert_int_equal(s.generations[0].n_objects, 1);
    assert_int_equal(s.generations[0].live_bytes, 40);
    gc_collect(0);
    gc_stats(&s);
    assert_int_equal(s.generations[1].n_objects, 1);
    gc_collect(1);
    gc_stats(&s);
    assert_int_equal(s.generations[2].n_objects, 1);
    assert_int_equal(s.generations[2].live_bytes, 40);
    object_unref(&o);
}

TEST(gc_collect__finalizes_once_and_lets_the_revived_live)
{
    struct gc_result r;

    forget_the_past();
    n_finalized = 0;
    garbage_ring(&reviving_type, 3);
    r = gc_collect(2);
    assert_int_equal(n_finalized, 3);
    assert_int_equal(r.n_collected, 0);
    assert_int_equal(r.n_resurrected, 3);
    assert_int_equal(heap_n_objects(), 3);
    gc_check();
    object_unref(&revived);
    r = gc_collect(2);
    assert_int_equal(n_finalized, 3);
    assert_int_equal(r.n_collected, 3);
}

TEST(gc_collect__only_what_a_revived_one_reaches_is_spared)
{
    struct object *a, *b;

    forget_the_past();
    a = make(&reviving_type);
    b = make(&plain_type);
    link_to(b, a);
    ((struct node *)(void *)b)->other = object_ref(b);
    link_to(a, a);
    object_unref(&a);
    object_unref(&b);
    assert_int_equal(gc_collect(2).n_collected, 1); /* b */
    assert_non_null(revived);
    object_unref(&revived);
    assert_int_equal(gc_collect(2).n_collected, 1);
}

TEST(gc_collect__ordered_ones_in_a_ring_are_uncollectable)
{
    struct object *left[4];
    struct gc_result r;
    struct gc_stats s;

    forget_the_past();
    garbage_ring(&ordered_type, 2);
    r = gc_collect(2);
    assert_int_equal(r.n_collected, 0);
    assert_int_equal(r.n_uncollectable, 2);
    assert_int_equal(gc_uncollectable(left, 4), 2);
    assert_int_equal(gc_uncollectable(left, 1), 2);
    assert_ptr_equal(object_type_of(left[0]), &ordered_type);
    object_candidates[3]++;
    assert_int_equal(gc_collect(2).n_uncollectable, 0); /* they are known */
    gc_stats(&s);
    assert_int_equal(s.generations[2].n_uncollectable, 2);
    object_unref(&((struct node *)(void *)left[0])->next);
    assert_int_equal(heap_n_objects(), 0);
    assert_int_equal(gc_uncollectable(NULL, 0), 0);
}

TEST(gc_collect__ordered_ones_that_hang_on_a_ring_die_in_order)
{
    struct object *a, *f;

    forget_the_past();
    a = make(&plain_type);
    f = make(&ordered_type);
    link_to(a, a);
    ((struct node *)(void *)a)->other = f;
    object_unref(&a);
    n_released = 0;
    assert_int_equal(gc_collect(2).n_uncollectable, 0);
    assert_int_equal(n_released, 1);
    assert_int_equal(heap_n_objects(), 0);
}

TEST(gc_collect__pinned_and_frozen_objects_are_held)
{
    struct object *a, *b;
    struct gc_stats s;

    forget_the_past();
    a = make(&plain_type);
    b = a;
    link_to(a, a);
    object_pin(a);
    object_pin(a);
    object_unref(&b);
    assert_int_equal(gc_collect(2).n_collected, 0);
    object_unpin(a);
    assert_int_equal(gc_collect(2).n_collected, 0);
    object_unpin(a);
    assert_int_equal(gc_collect(0).n_collected, 1);

    garbage_ring(&plain_type, 5);
    gc_freeze();
    gc_stats(&s);
    assert_int_equal(s.n_frozen, 5);
    assert_int_equal(gc_collect(2).n_collected, 0);
    gc_unfreeze();
    assert_int_equal(gc_collect(2).n_collected, 5);
}

TEST(gc_collect__immortals_stay)
{
    struct object *o = make(&plain_type), *p = o;

    object_make_immortal(o);
    object_unref(&p);
    p = object_ref(o);
    object_unref(&p);
    garbage_ring(&plain_type, 2);
    assert_int_equal(gc_collect(2).n_collected, 2);
    assert_int_equal(heap_n_objects(), 1);
    o->refs = 1;
    object_unref(&o);
}

/* More at once than the stack holds: the rest is linked through the objects. */
TEST(gc_collect__marks_a_heap_that_overflows_its_stack)
{
    enum { DEPTH = 17 };
    static struct object *level[1 << DEPTH];
    struct object *root;
    size_t n = 1, n_all = 1;

    forget_the_past();
    root = level[0] = make(&plain_type);
    for (unsigned d = 0; d < DEPTH; d++, n *= 2, n_all += n)
        for (size_t i = n; i-- > 0;) {
            struct node *parent = (struct node *)(void *)level[i];

            parent->next = level[2 * i] = make(&plain_type);
            parent->other = level[2 * i + 1] = make(&plain_type);
        }
    object_candidates[1]++;
    assert_int_equal(gc_collect(2).n_collected, 0);
    gc_check();
    ((struct node *)(void *)level[0])->next = object_ref(root); /* a leaf: now it is one garbage cycle */
    object_unref(&root);
    assert_int_equal(gc_collect(2).n_collected, n_all);
}

TEST(gc_collect__a_chain_of_a_million_in_a_ring_needs_no_recursion)
{
    forget_the_past();
    garbage_ring(&plain_type, 1000000);
    assert_int_equal(gc_collect(2).n_collected, 1000000);
    garbage_ring(&owning_type, 1000000);
    n_released = 0;
    assert_int_equal(gc_collect(2).n_collected, 1000000);
    assert_int_equal(n_released, 1000000);
}

/* ---- callbacks, clock, policy ------------------------------------------------------------------------------------------- */

static char events[16];
static uint64_t fake_ns;

static uint64_t
fake_clock(void)
{
    return fake_ns += 50000;
}

static void
note_event(void *arg, unsigned generation, const struct gc_result *r)
{
    size_t n = strlen(events);

    events[n] = r == NULL ? *(char *)arg : (char)(*(char *)arg - 'a' + 'A');
    events[n + 1] = '\0';
    assert_int_equal(generation, 1);
}

TEST(gc_callbacks__come_at_start_and_stop_newest_first)
{
    char a = 'a', b = 'b';
    struct gc_callback first = { .fn = note_event, .arg = &a }, second = { .fn = note_event, .arg = &b };

    forget_the_past();
    events[0] = '\0';
    gc_callback_add(&first);
    gc_callback_add(&second);
    gc_collect(1); /* skipped: none */
    assert_string_equal(events, "");
    garbage_ring(&plain_type, 2);
    gc_collect(1);
    assert_string_equal(events, "baBA");
    gc_callback_remove(&second);
    garbage_ring(&plain_type, 2);
    gc_collect(1);
    assert_string_equal(events, "baBAaA");
    gc_callback_remove(&first);
    gc_callback_remove(&first);
}

TEST(gc_stats__say_how_long_and_how_much)
{
    struct gc_stats before, after;
    struct gc_result r;

    forget_the_past();
    gc_set_clock(fake_clock);
    gc_stats(&before);
    garbage_ring(&owning_type, 7);
    r = gc_collect(2);
    gc_stats(&after);
    gc_set_clock(NULL);
    assert_int_equal(r.pause_ns, 50000);
    assert_int_equal(after.generations[2].pauses[1] - before.generations[2].pauses[1], 1); /* below 64 us */
    assert_int_equal(after.generations[2].pause_total_ns - before.generations[2].pause_total_ns, 50000);
    assert_int_equal(after.generations[2].n_collected - before.generations[2].n_collected, 7);
    assert_int_equal(after.generations[2].n_scanned - before.generations[2].n_scanned, 7);
    assert_int_equal(after.floating_bytes_last, 7 * (32 + 10));
    assert_int_equal(after.last_yield, 7);
    assert_true(gc_collected_of_type(owning_type.id) >= 7);
    assert_int_equal(gc_collected_of_type(100000), 0);
}

TEST(gc_safe_point__collects_the_young_at_their_threshold)
{
    const unsigned few[] = { 10, 0, 0 };
    unsigned was[GC_GENERATIONS];

    forget_the_past();
    gc_thresholds(was);
    assert_int_equal(was[0], 2000);
    gc_set_thresholds(few);
    garbage_ring(&plain_type, 9);
    assert_false(gc_safe_point());
    garbage_ring(&plain_type, 1);
    gc_enable(false);
    assert_false(gc_safe_point());
    gc_enable(true);
    assert_true(gc_safe_point());
    assert_int_equal(heap_n_objects(), 0);
    gc_set_thresholds(was);
}

/* Garbage that has become old floats; the cap on it brings a full collection, however rare the thresholds make those. */
TEST(gc_safe_point__caps_what_floats)
{
    const unsigned rare[] = { 1000, 1000000, 1000000 };
    unsigned was[GC_GENERATIONS];
    struct gc_stats s;
    uint64_t most = 0;

    forget_the_past();
    gc_thresholds(was);
    gc_set_thresholds(rare);
    gc_set_floating_limit(100000);
    for (int i = 0; i < 300; i++) { /* rings that live through one collection, and are let go then */
        struct object *ring = make(&plain_type);

        link_to(ring, ring);
        for (int k = 0; k < 50; k++) {
            struct object *o = make(&plain_type);
            ((struct node *)(void *)o)->next = ((struct node *)(void *)ring)->other;
            ((struct node *)(void *)ring)->other = o;
        }
        gc_collect(0);
        object_unref(&ring);
        gc_safe_point();
        most = ORB_MAX(most, heap_n_objects() * 40);
    }
    gc_stats(&s);
    assert_true(s.generations[2].n_collections > 0);
    assert_true(most < 300000);
    assert_true(s.floating_bytes_last < 300000);
    gc_set_thresholds(was);
    gc_set_floating_limit((uint64_t)16 << 20);
    gc_collect(2);
}

struct holder {
    struct node node;
    char *body;
};

static void
free_body(struct object *o)
{
    mem_free(MEM_BUF, ((struct holder *)(void *)o)->body);
}

static size_t
body_bytes(const struct object *o)
{
    return mem_usable_bytes(((const struct holder *)(const void *)o)->body);
}

static struct object_type holder_type = { .name = "holder", .object_bytes = sizeof(struct holder), .pointer_offsets = pointers,
                                          .n_pointers = 2, .release = free_body, .owned_bytes = body_bytes };

/* A few small objects may own most of the memory: long before there are as many as a threshold asks for. */
/* Rings of one, each with a MiB; how they came to be is `is_moved`. */
static void
bodies_do_not_pile_up(bool is_moved)
{
    size_t before, most = 0;

    forget_the_past();
    before = mem_live_bytes();
    for (int i = 0; i < 300; i++) {
        struct object *o = make(&holder_type);

        ((struct holder *)(void *)o)->body = mem_must(mem_alloc(MEM_BUF, 1 << 20));
        if (is_moved) {
            ((struct node *)(void *)o)->next = o;
        } else {
            link_to(o, o);
            object_unref(&o);
        }
        gc_safe_point();
        most = ORB_MAX(most, mem_live_bytes());
    }
    assert_true(most - before <= (16 + 2) << 20);
    forget_the_past();
}

TEST(gc_safe_point__caps_what_floats_outside_the_slots)
{
    bodies_do_not_pile_up(false);
}

TEST(gc_safe_point__caps_what_floats_though_no_count_has_fallen)
{
    bodies_do_not_pile_up(true);
}

TEST(gc_fini__runs_finalizers_and_says_what_is_left)
{
    struct object *left;

    forget_the_past();
    left = make(&plain_type);
    garbage_ring(&plain_type, 3);
    gc_freeze();
    assert_int_equal(gc_fini(), 1);
    object_unref(&left);
    assert_int_equal(gc_fini(), 0);
    assert_int_equal(mem_live_blocks(), 0);
}

static void
pin_finalize(struct object *o)
{
    object_pin(o);
    revived = o;
}

static struct object_type pinning_type = { .name = "pinning", NODE, .flags = OBJECT_WEAKABLE, .finalize = pin_finalize };

TEST(gc_collect__a_finalizer_may_pin_its_object)
{
    struct object *o;

    forget_the_past();
    gc_set_check(true);
    revived = NULL;
    garbage_ring(&pinning_type, 1);
    assert_int_equal(gc_collect(2).n_resurrected, 1);
    o = revived;
    assert_int_equal(o->gcn, 1);
    object_unpin(o);
    revived = NULL;
    assert_int_equal(gc_collect(2).n_collected, 1);
    assert_int_equal(heap_n_objects(), 0);
}

static struct weak to_neighbour;

/* The first to be finalized drops the neighbour, the second looks for it. */
static void
dropping_finalize(struct object *o)
{
    struct node *n = (struct node *)(void *)o;

    if (n_finalized++ == 0) {
        assert_int_equal(weak_set(&to_neighbour, n->other), 0);
        object_unref(&n->other);
    }
    assert_null(weak_peek(&to_neighbour));
}

static struct object_type dropping_type = { .name = "dropping", NODE, .finalize = dropping_finalize };

TEST(gc_collect__a_weak_reference_to_one_that_a_finalizer_let_go_reads_null)
{
    struct object *a, *b;

    forget_the_past();
    n_finalized = 0;
    a = make(&dropping_type);
    b = make(&dropping_type);
    link_to(a, b);
    link_to(b, a);
    ((struct node *)(void *)a)->other = make(&plain_type);
    ((struct node *)(void *)b)->other = make(&plain_type);
    object_unref(&a);
    object_unref(&b);
    assert_int_equal(gc_collect(2).n_collected, 4);
    assert_int_equal(n_finalized, 2);
    weak_clear(&to_neighbour);
}

/* Makes an object that holds it, in a ring that nobody else knows of. */
static void
hiding_finalize(struct object *o)
{
    struct object *n = make(&plain_type);

    link_to(n, o);
    object_unref(&((struct node *)(void *)o)->other);
    ((struct node *)(void *)o)->other = n;
}

static struct object_type hiding_type = { .name = "hiding", NODE, .finalize = hiding_finalize };

TEST(gc_collect__one_that_revived_itself_in_a_ring_is_found_by_the_next)
{
    forget_the_past();
    garbage_ring(&hiding_type, 1);
    assert_int_equal(gc_collect(2).n_resurrected, 1);
    assert_int_equal(gc_collect(2).n_collected, 2);
    assert_int_equal(heap_n_objects(), 0);
}

static struct object_type reviving_ordered_type = { .name = "reviving ordered", NODE, .flags = OBJECT_ORDERED,
                                                    .finalize = reviving_finalize };

TEST(gc_collect__an_ordered_one_that_revives_itself_is_not_uncollectable)
{
    struct object *ring, *o;
    struct gc_result r;

    forget_the_past();
    ring = make(&plain_type);
    revived = NULL;
    link_to(ring, ring);
    o = make(&reviving_ordered_type);
    ((struct node *)(void *)ring)->other = o;
    object_unref(&ring);
    r = gc_collect(2);
    assert_int_equal(r.n_collected, 1);
    assert_ptr_equal(revived, o);
    assert_int_equal(r.n_uncollectable, 0);
    assert_int_equal(gc_uncollectable(NULL, 0), 0);
    object_unref(&revived);
}

static unsigned n_nested, n_calls;

static void
collect_again(void *arg, unsigned generation, const struct gc_result *result)
{
    if (n_calls++ > 10)
        return;
    garbage_ring(&plain_type, 2);
    n_nested += !gc_collect(2).was_skipped;
}

TEST(gc_callbacks__do_not_collect)
{
    struct gc_callback c = { .fn = collect_again };

    forget_the_past();
    n_nested = n_calls = 0;
    gc_callback_add(&c);
    garbage_ring(&plain_type, 2);
    gc_collect(0);
    gc_callback_remove(&c);
    assert_int_equal(n_nested, 0);
    assert_int_equal(n_calls, 2);
    gc_collect(2);
}

static struct gc_callback first_called, called_next;

static void
remove_next(void *arg, unsigned generation, const struct gc_result *result)
{
    gc_callback_remove(&called_next);
    memset(&called_next, 0xff, sizeof called_next); /* its owner has gone */
}

static void
count_call(void *arg, unsigned generation, const struct gc_result *result)
{
    n_calls++;
}

TEST(gc_callbacks__may_remove_the_one_that_comes_next)
{
    struct gc_callback last = { .fn = count_call };

    forget_the_past();
    n_calls = 0;
    first_called = (struct gc_callback){ .fn = remove_next };
    called_next = (struct gc_callback){ .fn = count_call };
    gc_callback_add(&last);
    gc_callback_add(&called_next);
    gc_callback_add(&first_called);
    garbage_ring(&plain_type, 2);
    gc_collect(2);
    gc_callback_remove(&first_called);
    gc_callback_remove(&last);
    assert_int_equal(n_calls, 2); /* the last, at the start and the stop */
}

TESTS(T(gc_callbacks__may_remove_the_one_that_comes_next), T(gc_collect__frees_rings_and_spares_what_is_held), T(gc_collect__of_the_young_is_skipped_when_no_count_has_fallen_to_non_zero),
      T(gc_collect__finds_a_ring_that_swallowed_the_last_reference_to_itself),
      T(gc_safe_point__bounds_rings_that_swallowed_the_last_reference_to_themselves),
      T(gc_collect__finds_a_ring_across_generations),
      T(gc_collect__remembers_a_young_candidate_that_something_old_holds), T(gc_collect__generations_grow_older),
      T(gc_collect__finalizes_once_and_lets_the_revived_live), T(gc_collect__only_what_a_revived_one_reaches_is_spared),
      T(gc_collect__ordered_ones_in_a_ring_are_uncollectable), T(gc_collect__ordered_ones_that_hang_on_a_ring_die_in_order),
      T(gc_collect__pinned_and_frozen_objects_are_held), T(gc_collect__immortals_stay),
      T(gc_collect__marks_a_heap_that_overflows_its_stack), T(gc_collect__a_chain_of_a_million_in_a_ring_needs_no_recursion),
      T(gc_callbacks__come_at_start_and_stop_newest_first), T(gc_stats__say_how_long_and_how_much),
      T(gc_safe_point__collects_the_young_at_their_threshold), T(gc_safe_point__caps_what_floats),
      T(gc_collect__a_finalizer_may_pin_its_object),
      T(gc_collect__a_weak_reference_to_one_that_a_finalizer_let_go_reads_null),
      T(gc_collect__one_that_revived_itself_in_a_ring_is_found_by_the_next),
      T(gc_collect__an_ordered_one_that_revives_itself_is_not_uncollectable),
      T(gc_callbacks__do_not_collect),
      T(gc_safe_point__caps_what_floats_outside_the_slots), T(gc_safe_point__caps_what_floats_though_no_count_has_fallen),
      T(gc_fini__runs_finalizers_and_says_what_is_left))
