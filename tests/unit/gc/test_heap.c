#include "gc/collect.h"
#include "gc/heap.h"
#include "tests/support/support.h"

#define N 5000

struct small {
    struct object object;
    uint64_t value;
};
struct large {
    struct object object;
    char bytes[15000];
};

static struct object_type small_type = { .name = "small", .object_bytes = sizeof(struct small) };
static struct object_type large_type = { .name = "large", .object_bytes = sizeof(struct large), .flags = OBJECT_ACYCLIC };

static struct object *all[N];

static void
make_all(struct object_type *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        all[i] = mem_must(OBJECT_NEW(t));
        assert_int_equal(gc_age_s(all[i]), 0);
    }
}

static void
drop_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        object_unref(&all[i]);
}

TEST(heap__objects_are_zeroed_also_in_used_slots)
{
    make_all(&small_type, 1);
    ((struct small *)(void *)all[0])->value = 7;
    drop_all(1);
    for (int i = 0; i < 3000; i++) {
        make_all(&small_type, 1);
        assert_int_equal(((struct small *)(void *)all[0])->value, 0);
        ((struct small *)(void *)all[0])->value = 7;
        drop_all(1);
    }
}

TEST(heap__counts_bytes_of_slots_in_its_domain)
{
    struct mem_stats before, with, after;

    mem_stats(MEM_OBJ, &before);
    make_all(&small_type, 100);
    mem_stats(MEM_OBJ, &with);
    assert_int_equal(with.live_bytes - before.live_bytes, 100 * 32);
    assert_int_equal(with.n_allocs - before.n_allocs, 100);
    drop_all(100);
    mem_stats(MEM_OBJ, &after);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.n_frees - before.n_frees, 100);
    assert_int_equal(mem_verify(NULL, 0), 0);
}

TEST(heap__empty_slabs_go_back_but_for_one_a_type)
{
    struct gc_stats stats;

    make_all(&large_type, 100);
    gc_stats(&stats);
    assert_true(stats.n_slabs >= 25);
    drop_all(100);
    gc_stats(&stats);
    assert_true(stats.n_slabs <= 2);
    gc_collect(2);
    gc_stats(&stats);
    assert_int_equal(stats.n_slabs, 0);
    gc_check();
}

TEST(heap__what_is_made_together_lies_together)
{
    make_all(&small_type, N);
    for (unsigned i = 0; i < N; i += 2)
        object_unref(&all[i]);
    for (unsigned i = 0; i < N; i += 2) { /* into the gaps, not into new slabs */
        all[i] = mem_must(OBJECT_NEW(&small_type));
        assert_non_null(heap_find((uintptr_t)all[i]));
    }
    gc_check();
    drop_all(N);
}

static void
count(void *arg, struct object *o)
{
    ++*(unsigned *)arg;
}

TEST(heap__each_sees_every_object_of_every_kind_once)
{
    unsigned n = 0;

    make_all(&small_type, N - 10);
    for (unsigned i = N - 10; i < N; i++)
        all[i] = mem_must(OBJECT_NEW(&large_type));
    object_pin(all[3]);
    gc_collect(0);
    heap_each(count, &n);
    assert_int_equal(n, N);
    assert_int_equal(heap_n_objects(), N);
    object_unpin(all[3]);
    drop_all(N);
}

TEST(heap__indices_are_dense_and_lead_back)
{
    static bool is_taken[3 * N];
    size_t end;

    make_all(&small_type, N - 10);
    for (unsigned i = N - 10; i < N; i++)
        all[i] = mem_must(OBJECT_NEW(&large_type));
    object_unref(&all[17]);
    end = heap_index_end();
    assert_true(end >= N - 1 && end < 3 * N);
    for (unsigned i = 0; i < N; i++) {
        size_t index = all[i] == NULL ? 0 : heap_index(all[i]);

        if (all[i] == NULL)
            continue;
        assert_true(index < end && !is_taken[index]);
        is_taken[index] = true;
        assert_ptr_equal(heap_at_index(index), all[i]);
    }
    for (size_t i = 0; i < end; i++)
        assert_true(is_taken[i] == (heap_at_index(i) != NULL));
    assert_null(heap_at_index(end));
    drop_all(N);
}

TEST(heap__find_knows_objects_from_other_numbers)
{
    struct object *o;

    make_all(&small_type, 2);
    o = all[0];
    assert_ptr_equal(heap_find((uintptr_t)o), o);
    assert_null(heap_find((uintptr_t)o + 8));  /* inside it */
    assert_null(heap_find((uintptr_t)o | 0xffff)); /* a free slot, or none */
    assert_null(heap_find(0));
    assert_null(heap_find((uintptr_t)&o));
    assert_null(heap_find(UINTPTR_MAX));
    drop_all(2);
    assert_null(heap_find((uintptr_t)o));
}

/* The first of all tests, since a process is told the time for the first time only once. */
TEST(heap__what_is_made_before_the_time_is_told_is_no_older_than_that)
{
    make_all(&small_type, 1);
    gc_set_time(40000000); /* a clock begins anywhere */
    assert_int_equal(gc_age_s(all[0]), 0);
    gc_set_time(40000000 + 60000);
    assert_int_equal(gc_age_s(all[0]), 60);
    drop_all(1);
}

TEST(heap__ages_are_told_to_four_seconds_and_never_wrap)
{
    gc_set_time(50000000);
    make_all(&small_type, 2);
    assert_int_equal(gc_age_s(all[0]), 0);
    gc_set_time(50000000 + 60000);
    assert_int_equal(gc_age_s(all[0]), 60);
    object_unref(&all[1]);
    all[1] = mem_must(OBJECT_NEW(&small_type));
    assert_int_equal(gc_age_s(all[1]), 0);
    for (unsigned hour = 1; hour < 50; hour++) {
        gc_set_time(50000000 + hour * 3600000u);
        assert_int_equal(gc_age_s(all[0]), hour >= 2 ? 7200 : 3600);
    }
    gc_set_time(50000000 + 500 * (uint64_t)3600000); /* the process slept */
    assert_int_equal(gc_age_s(all[0]), 7200);
    assert_int_equal(gc_age_s(all[1]), 7200);
    drop_all(2);
}

TESTS(T(heap__what_is_made_before_the_time_is_told_is_no_older_than_that),
      T(heap__objects_are_zeroed_also_in_used_slots), T(heap__counts_bytes_of_slots_in_its_domain),
      T(heap__empty_slabs_go_back_but_for_one_a_type), T(heap__what_is_made_together_lies_together),
      T(heap__each_sees_every_object_of_every_kind_once), T(heap__indices_are_dense_and_lead_back),
      T(heap__find_knows_objects_from_other_numbers), T(heap__ages_are_told_to_four_seconds_and_never_wrap))
