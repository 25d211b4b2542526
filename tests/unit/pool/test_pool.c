#include "pool/arena.h"
#include "pool/buf.h"
#include "pool/map.h"
#include "pool/pool.h"
#include "pool/ring.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

TEST(buf__refuses_to_grow_past_its_ceiling)
{
    struct buf b;

    buf_init(&b, MEM_BUF, 10);
    assert_int_equal(buf_append(&b, "12345", 5), 0);
    assert_int_equal(buf_append(&b, "678901", 6), ORB_ETOOBIG);
    assert_slice_str(buf_slice(&b), "12345");
    assert_int_equal(buf_append(&b, "67890", 5), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ORB_ETOOBIG);
    buf_drop_front(&b, 3);
    assert_slice_str(buf_slice(&b), "4567890");
    assert_int_equal(b.p[b.n], '\0');
    buf_fini(&b);
}

TEST(buf__numbers_and_printed_text_grow_it)
{
    struct buf b;

    buf_init(&b, MEM_BUF, 200);
    assert_int_equal(buf_append_number(&b, 0), 0);
    assert_int_equal(buf_append_number(&b, 65535), 0);
    assert_int_equal(buf_append_number(&b, UINT64_MAX), 0);
    assert_slice_str(buf_slice(&b), "06553518446744073709551615");
    for (unsigned i = 0; i < 12; i++) /* over the first capacity, and once exactly onto it */
        assert_int_equal(buf_printf(&b, "-%0*u", (int)i + 1, i), 0);
    assert_slice_str(buf_slice(&b), "06553518446744073709551615-0-01-002-0003-00004-000005-0000006-00000007-000000008"
                                    "-0000000009-00000000010-000000000011");
    assert_int_equal(buf_printf(&b, "%0200u", 1), ORB_ETOOBIG);
    assert_int_equal(b.n, 116);
    assert_int_equal(b.p[b.n], '\0');
    buf_fini(&b);
}

TEST(mem__counts_to_the_byte_and_honours_the_hard_limit)
{
    struct mem_stats before, now;
    void *p;

    mem_stats(MEM_PLUGIN, &before);
    p = mem_alloc(MEM_PLUGIN, 1000);
    mem_stats(MEM_PLUGIN, &now);
    assert_int_equal(now.live_bytes - before.live_bytes, mem_usable_bytes(p));
    mem_set_limits(MEM_PLUGIN, 0, now.live_bytes + 100);
    assert_null(mem_alloc(MEM_PLUGIN, 1000));
    assert_null(mem_realloc(MEM_PLUGIN, p, 100000));
    mem_set_limits(MEM_PLUGIN, 0, 0);
    p = mem_realloc(MEM_PLUGIN, p, 100000);
    assert_non_null(p);
    mem_free(MEM_PLUGIN, p);
    mem_stats(MEM_PLUGIN, &now);
    assert_int_equal(now.live_bytes, before.live_bytes);
    assert_null(mem_array(MEM_PLUGIN, SIZE_MAX / 2, 16));
}

/* What the counters say must be what the allocator set aside, for every class of sizes and on every way there. */
TEST(mem__counts_every_size_as_the_allocator_does)
{
    struct mem_stats before, now;
    size_t sum = 0;
    void *blocks[600];
    unsigned n = 0;

    mem_stats(MEM_PLUGIN, &before);
    for (size_t size = 0; n < ORB_N_ELEMENTS(blocks); size = size < 300 ? size + 1 : size * 103 / 100, n++)
        blocks[n] = n % 3 == 0 ? mem_zalloc(MEM_PLUGIN, size % 3000000)
                    : n % 3 == 1 ? mem_alloc(MEM_PLUGIN, size % 3000000)
                                 : mem_realloc(MEM_PLUGIN, mem_alloc(MEM_PLUGIN, 40), size % 3000000);
    for (unsigned i = 0; i < n; i++)
        sum += mem_usable_bytes(blocks[i]);
    mem_stats(MEM_PLUGIN, &now);
    assert_int_equal(now.live_bytes - before.live_bytes, sum);
    assert_true(now.peak_bytes >= now.live_bytes);
    for (unsigned i = 0; i < n; i++)
        mem_free(MEM_PLUGIN, blocks[i]);
    mem_stats(MEM_PLUGIN, &now);
    assert_int_equal(now.live_bytes, before.live_bytes);
    assert_int_equal(now.n_allocs - before.n_allocs, now.n_frees - before.n_frees);
    assert_true(now.peak_bytes >= before.live_bytes + sum);
}

TEST(mem__peak_is_that_of_the_highest_moment)
{
    struct mem_stats now;
    size_t peak, p_bytes;
    void *p = mem_alloc(MEM_JSON, 8 << 20), *q;

    mem_stats(MEM_JSON, &now);
    peak = now.peak_bytes;
    p_bytes = mem_usable_bytes(p);
    assert_true(peak >= 8 << 20);
    mem_free(MEM_JSON, p);
    for (int i = 0; i < 100; i++)
        mem_free(MEM_JSON, mem_alloc(MEM_JSON, 1 << 20));
    mem_stats(MEM_JSON, &now);
    assert_int_equal(now.peak_bytes, peak);
    p = mem_alloc(MEM_JSON, p_bytes); /* a block of that size may not take the same room again */
    q = mem_alloc(MEM_JSON, 100);
    peak += mem_usable_bytes(q) + mem_usable_bytes(p) - p_bytes;
    mem_free(MEM_JSON, q);
    mem_stats(MEM_JSON, &now);
    assert_int_equal(now.peak_bytes, peak);
    mem_free(MEM_JSON, p);
}

static void *
free_and_allocate(void *arg)
{
    void **block = arg;

    mem_free(MEM_PLUGIN, *block);
    *block = mem_alloc(MEM_PLUGIN, 5000);
    return NULL;
}

/* More threads than there are slots, at once and one after the other; blocks change hands. */
TEST(mem__counts_what_threads_pass_on)
{
    struct mem_stats before, now;
    pthread_t threads[100];
    void *blocks[100];

    mem_stats(MEM_PLUGIN, &before);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < ORB_N_ELEMENTS(blocks); i++)
            blocks[i] = mem_alloc(MEM_PLUGIN, 1000);
        for (unsigned i = 0; i < ORB_N_ELEMENTS(blocks); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, free_and_allocate, &blocks[i]), 0);
        for (unsigned i = 0; i < ORB_N_ELEMENTS(blocks); i++)
            pthread_join(threads[i], NULL);
        mem_stats(MEM_PLUGIN, &now);
        assert_int_equal(now.live_bytes - before.live_bytes, 100 * mem_usable_bytes(blocks[0]));
        assert_int_equal(now.n_allocs - now.n_frees - (before.n_allocs - before.n_frees), 100);
        for (unsigned i = 0; i < ORB_N_ELEMENTS(blocks); i++)
            mem_free(MEM_PLUGIN, blocks[i]);
    }
    mem_stats(MEM_PLUGIN, &now);
    assert_int_equal(now.live_bytes, before.live_bytes);
}

static void
count(void *arg)
{
    (*(int *)arg)++;
}

TEST(arena__frees_all_at_once_and_runs_cleanups)
{
    struct arena a;
    size_t blocks = mem_live_blocks();
    int n = 0;

    arena_init(&a, MEM_PAGE, 1024, 1 << 20);
    for (int i = 0; i < 100; i++)
        memset(arena_alloc(&a, 100), 1, 100);
    memset(arena_alloc(&a, 5000), 2, 5000);
    assert_int_equal((uintptr_t)arena_alloc(&a, 1) % 16, 0);
    assert_int_equal(arena_on_reset(&a, count, &n), 0);
    assert_null(arena_alloc(&a, 2 << 20));
    arena_reset(&a);
    assert_int_equal(n, 1);
    assert_string_equal(arena_dup(&a, SLICE_LITERAL("kept")), "kept");
    arena_fini(&a);
    assert_int_equal(n, 1);
    assert_int_equal(mem_live_blocks(), blocks);
}

TEST(map__agrees_with_a_plain_array_over_random_streaks)
{
    static char values[4096];
    static bool is_in[4096];
    struct map m;
    size_t n = 0;

    map_init(&m, MEM_DEFAULT);
    srand(7);
    for (int i = 0; i < 200000; i++) {
        unsigned k = (unsigned)rand() % 4096;
        if (rand() & 1) {
            assert_int_equal(map_put(&m, k, &values[k]), 0);
            n += !is_in[k];
            is_in[k] = true;
        } else {
            assert_ptr_equal(map_remove(&m, k), is_in[k] ? &values[k] : NULL);
            n -= is_in[k];
            is_in[k] = false;
        }
        assert_int_equal(m.n, n);
    }
    for (unsigned k = 0; k < 4096; k++)
        assert_ptr_equal(map_get(&m, k), is_in[k] ? &values[k] : NULL);
    map_fini(&m);
}

TEST(ring__first_in_first_out_while_it_grows)
{
    static int elements[1000];
    struct ring r;
    int in = 0, out = 0;

    ring_init(&r, MEM_DEFAULT, 0);
    srand(3);
    while (out < 1000) {
        if (in < 1000 && rand() % 3 != 0)
            assert_int_equal(ring_push(&r, &elements[in++]), 0);
        else if (out < in)
            assert_ptr_equal(ring_take(&r), &elements[out++]);
    }
    assert_null(ring_take(&r));
    ring_fini(&r);
}

static unsigned n_made, n_destroyed;

static void *
make(void *arg)
{
    n_made++;
    return mem_alloc(MEM_PLUGIN, 8);
}

static void
destroy(void *thing, void *arg)
{
    n_destroyed++;
    mem_free(MEM_PLUGIN, thing);
}

TEST(pool__refuses_beyond_its_ceiling_and_decays_to_its_floor)
{
    struct pool_type type = { .name = "test", .make = make, .destroy = destroy, .floor = 2, .ceiling = 8 };
    struct pool_stats s;
    struct pool *p;
    void *things[8], *none;

    assert_int_equal(pool_new(&p, &type), 0);
    for (int i = 0; i < 8; i++)
        things[i] = pool_get(p);
    none = pool_get(p);
    assert_null(none);
    for (int i = 0; i < 8; i++)
        pool_put(p, &things[i]);
    assert_null(things[0]);
    for (int i = 0; i < 20; i++)
        pool_tick(p, 0);
    pool_stats(p, &s);
    assert_int_equal(s.n_in_use, 0);
    assert_true(s.n_idle <= 2);
    assert_int_equal(s.n_refused, 1);
    assert_int_equal(s.high_water, 8);
    pool_free(&p);
    assert_null(p);
    assert_int_equal(n_made, n_destroyed);
}

struct overdue {
    char site[200];
    uint64_t lent_ms;
    unsigned n;
};

static void
note_overdue(const char *site, uint64_t lent_ms, void *arg)
{
    struct overdue *o = arg;

    if (o->n++ == 0) {
        snprintf(o->site, sizeof o->site, "%s", site);
        o->lent_ms = lent_ms;
    }
}

TEST(pool__names_the_borrower_of_what_is_overdue)
{
    struct pool_type type = { .name = "test", .make = make, .destroy = destroy, .lease_ms = 90000 };
    struct overdue o = { .n = 0 };
    struct pool_stats s;
    struct pool *p;
    void *kept, *brief;
    char here[200];

    assert_int_equal(pool_new(&p, &type), 0);
    pool_tick(p, 1000);
    kept = pool_get(p), snprintf(here, sizeof here, "test_pool.c:%d", __LINE__);
    pool_tick(p, 50000);
    brief = pool_get(p);
    pool_tick(p, 91000);
    pool_overdue(p, note_overdue, &o);
    assert_int_equal(o.n, 0);
    pool_tick(p, 91001);
    pool_overdue(p, note_overdue, &o);
    pool_stats(p, &s);
    assert_int_equal(o.n, 1);
    assert_int_equal(s.n_overdue, 1);
    assert_non_null(strstr(o.site, here));
    assert_int_equal(o.lent_ms, 90001);
    pool_put(p, &kept); /* not the newest */
    pool_put(p, &brief);
    pool_stats(p, &s);
    assert_int_equal(s.n_overdue + s.n_in_use, 0);
    pool_free(&p);
}

static void
count_pools(struct pool *pool, void *arg)
{
    *(unsigned *)arg += strncmp(pool_name(pool), "bodies of ", 10) != 0;
}

static void *
make_and_count(void *arg)
{
    struct pool_type type = { .name = "other", .make = make, .destroy = destroy };
    struct pool *p;

    assert_int_equal(pool_new(&p, &type), 0);
    pool_each(count_pools, arg);
    pool_free(&p);
    return NULL;
}

static void
is_bodies(struct pool *pool, void *arg)
{
    *(unsigned *)arg += strncmp(pool_name(pool), "bodies of ", 10) == 0;
}

static void *
count_bodies(void *arg)
{
    pool_each(is_bodies, arg);
    return NULL;
}

TEST(pool__a_thread_sees_the_pools_it_made)
{
    struct pool_type type = { .name = "test", .make = make, .destroy = destroy };
    struct pool *a, *b;
    unsigned n = 0, n_of_other = 0, n_bodies = 0;
    pthread_t thread;

    assert_int_equal(pool_new(&a, &type), 0);
    assert_int_equal(pool_new(&b, &type), 0);
    pool_each(count_pools, &n);
    assert_int_equal(n, 2);
    assert_int_equal(pthread_create(&thread, NULL, make_and_count, &n_of_other), 0);
    pthread_join(thread, NULL);
    assert_int_equal(n_of_other, 1);
    pool_free(&a);
    pool_each(count_pools, &n);
    assert_int_equal(n, 3);
    pool_free(&b);
    assert_int_equal(pthread_create(&thread, NULL, count_bodies, &n_bodies), 0);
    pthread_join(thread, NULL);
    assert_int_equal(n_bodies, 13); /* they are everybody's */
}

TEST(pool__a_failed_allocation_lends_nothing_and_loses_nothing)
{
    struct pool_type type = { .name = "test", .make = make, .destroy = destroy };
    size_t before = mem_live_blocks();

    FAULT_SWEEP(nth) {
        struct pool *p = NULL;
        void *things[20];

        if (pool_new(&p, &type) != 0)
            continue;
        for (unsigned i = 0; i < 20; i++)
            things[i] = pool_get(p);
        for (unsigned i = 0; i < 20; i++)
            pool_put(p, &things[i]);
        pool_free(&p);
        assert_int_equal(mem_live_blocks(), before);
    }
}

TEST(pool__what_is_lent_before_the_first_tick_is_not_overdue)
{
    struct pool_type type = { .name = "test", .make = make, .destroy = destroy, .lease_ms = 90000 };
    struct pool_stats s;
    struct pool *p;
    void *early;

    assert_int_equal(pool_new(&p, &type), 0);
    early = pool_get(p);
    pool_tick(p, 5000000); /* a clock begins anywhere */
    pool_stats(p, &s);
    assert_int_equal(s.n_overdue, 0);
    pool_tick(p, 5090001);
    pool_stats(p, &s);
    assert_int_equal(s.n_overdue, 1);
    pool_put(p, &early);
    pool_free(&p);
}

TESTS(T(buf__refuses_to_grow_past_its_ceiling), T(buf__numbers_and_printed_text_grow_it), T(mem__counts_to_the_byte_and_honours_the_hard_limit),
      T(mem__counts_every_size_as_the_allocator_does), T(mem__peak_is_that_of_the_highest_moment),
      T(mem__counts_what_threads_pass_on),
      T(arena__frees_all_at_once_and_runs_cleanups), T(map__agrees_with_a_plain_array_over_random_streaks),
      T(ring__first_in_first_out_while_it_grows), T(pool__refuses_beyond_its_ceiling_and_decays_to_its_floor),
      T(pool__what_is_lent_before_the_first_tick_is_not_overdue),
      T(pool__names_the_borrower_of_what_is_overdue), T(pool__a_thread_sees_the_pools_it_made),
      T(pool__a_failed_allocation_lends_nothing_and_loses_nothing))
