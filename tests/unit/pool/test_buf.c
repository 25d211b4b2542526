/* The body buffers: classes, copies, who keeps what. Other tests of buf are in test_pool.c. */
#include "pool/buf.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS false
#else
#define KEEPS true
#endif

static struct pool_stats
ring_of(size_t n_bytes)
{
    struct pool_stats s = { 0 };
    unsigned class = 0;

    for (size_t bytes; (bytes = buf_ring_stats(class, &s)) != 0; class++)
        if (bytes >= n_bytes)
            return s;
    fail();
    return s;
}

static size_t
live_bytes(void)
{
    struct mem_stats s;

    mem_stats(MEM_BUF, &s);
    return s.live_bytes;
}

static void
assert_verified(void)
{
    const char *names[MEM_N_DOMAINS];

    assert_int_equal(mem_verify(names, MEM_N_DOMAINS), 0);
}

TEST(buf__a_body_grows_through_classes_and_keeps_its_bytes)
{
    struct buf b;
    size_t last_cap = 0;
    unsigned n_growths = 0;

    buf_init(&b, MEM_BUF, BUF_NO_CEILING);
    for (unsigned i = 0; i < 400000; i++) {
        assert_int_equal(buf_append_char(&b, (char)(i * 7)), 0);
        n_growths += b.cap != last_cap;
        last_cap = b.cap;
        assert_int_equal(b.p[b.n], '\0');
    }
    for (unsigned i = 0; i < 400000; i++)
        assert_int_equal(b.p[i], (char)(i * 7));
    assert_true(n_growths < 22);
    assert_true(b.cap < 400000 * 5 / 4);
    buf_fini(&b);
    assert_verified();
}

TEST(buf__the_next_body_gets_the_buffer_of_the_last)
{
    struct pool_stats before, now;
    size_t live = live_bytes();
    struct buf b;
    char *p = NULL;

    pool_flush_all();
    buf_init(&b, MEM_BUF, BUF_NO_CEILING);
    before = ring_of(50000);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(buf_reserve(&b, 50000), 0);
        assert_true(!KEEPS || i == 0 || b.p == p);
        p = b.p;
        memset(p, 1, 50001);
        buf_fini(&b);
        assert_int_equal(live_bytes(), live); /* what is idle does not live */
    }
    now = ring_of(50000);
    assert_int_equal(now.n_hits - before.n_hits, KEEPS ? 9 : 0);
    assert_int_equal(now.n_idle, KEEPS ? 1 : 0);
    assert_int_equal(now.n_in_use, 0);
    assert_verified();
    for (unsigned i = 0; i < 3; i++)
        pool_tick_all(1000 * i);
    assert_int_equal(ring_of(50000).n_idle, 0);
    assert_verified();
}

TEST(buf__a_ceiling_between_two_classes_is_kept)
{
    struct buf b;

    for (size_t ceiling = 2000; ceiling < 600000; ceiling = ceiling * 9 / 8) {
        buf_init(&b, MEM_BUF, ceiling);
        while (buf_append(&b, "0123456789", 10) == 0)
            continue;
        assert_true(b.n <= ceiling && b.n + 10 > ceiling);
        assert_int_equal(buf_reserve(&b, ceiling - b.n), 0);
        assert_int_equal(b.cap, ceiling);
        buf_fini(&b);
    }
    pool_flush_all();
    for (struct { unsigned class; struct pool_stats s; } at = { 0 }; buf_ring_stats(at.class, &at.s) != 0; at.class++)
        assert_int_equal(at.s.n_in_use + at.s.n_idle, 0);
    assert_verified();
}

TEST(buf__a_buffer_that_the_limit_refuses_is_counted_with_its_class)
{
    uint64_t before = ring_of(64 * 1024).n_refused, others = ring_of(32 * 1024).n_refused;
    struct buf b;

    buf_init(&b, MEM_BUF, BUF_NO_CEILING);
    mem_set_limits(MEM_BUF, 0, live_bytes() + 48 * 1024);
    assert_int_equal(buf_reserve(&b, 60 * 1024), ORB_ENOMEM);
    assert_int_equal(buf_reserve(&b, 30 * 1024), 0);
    mem_set_limits(MEM_BUF, 0, 0);
    assert_int_equal(ring_of(64 * 1024).n_refused, before + 1);
    assert_int_equal(ring_of(32 * 1024).n_refused, others);
    buf_fini(&b);
}

TEST(buf__what_is_made_to_fit_belongs_to_its_new_class)
{
    static const size_t sizes[] = { 0, 1, 2047, 2048, 5000, 200000, 262143, 262144, 900000 };
    size_t live = live_bytes();

    for (size_t i = 0; i < ORB_N_ELEMENTS(sizes); i++)
        for (size_t from = 3000; from < 9000000; from *= 9) {
            struct buf b;

            buf_init(&b, MEM_BUF, BUF_NO_CEILING);
            assert_int_equal(buf_reserve(&b, ORB_MAX(from, sizes[i])), 0);
            memset(b.p, 'x', sizes[i]);
            b.n = sizes[i];
            b.p[b.n] = '\0';
            buf_fit(&b);
            assert_int_equal(b.n, sizes[i]);
            assert_int_equal(strlen(b.p), sizes[i]);
            assert_true(b.cap >= b.n && b.cap <= ORB_MAX(4095, b.n * 3 / 2) && mem_usable_bytes(b.p) > b.cap);
            buf_fini(&b);
            assert_int_equal(live_bytes(), live);
        }
    assert_verified();
}

TEST(buf__bytes_taken_out_are_an_ordinary_block)
{
    struct buf b;
    size_t n, live = live_bytes();
    char *p;

    buf_init(&b, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_reserve(&b, 100000), 0);
    assert_int_equal(buf_append(&b, "text", 4), 0);
    p = buf_take(&b, &n);
    assert_int_equal(n, 4);
    assert_string_equal(p, "text");
    assert_int_equal(ring_of(100000).n_in_use, 0);
    mem_free(MEM_BUF, p);
    assert_int_equal(live_bytes(), live);
    assert_verified();
}

struct looks {
    const char *size; /* "64": asks the pool "bodies of 64 KiB" */
    struct pool_stats stats;
    unsigned n, n_here; /* overdue leases seen; those of this file */
    uint64_t lent_ms, last_ms;
};

static void
note_overdue(const char *site, uint64_t lent_ms, void *arg)
{
    struct looks *l = arg;

    l->n_here += strstr(site, "test_buf.c:") != NULL;
    assert_true(l->n++ == 0 || lent_ms <= l->last_ms); /* the oldest first */
    l->lent_ms = ORB_MAX(l->lent_ms, lent_ms);
    l->last_ms = lent_ms;
}

static void
look_at(struct pool *pool, void *arg)
{
    struct looks *l = arg;
    char name[40];

    snprintf(name, sizeof name, "bodies of %s KiB", l->size);
    if (strcmp(pool_name(pool), name) != 0)
        return;
    pool_stats(pool, &l->stats);
    pool_overdue(pool, note_overdue, l);
}

static struct looks
look(const char *size)
{
    struct looks l = { .size = size };

    pool_each(look_at, &l);
    return l;
}

static void
body_of(struct buf *b, size_t n_bytes)
{
    buf_init(b, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_reserve(b, n_bytes), 0);
}

TEST(buf__who_holds_a_body_for_too_long_is_named)
{
    struct buf early, late, kept, moved;
    struct looks l;

    buf_lease_ms(1000);
    pool_tick_all(100000);
    body_of(&early, 60000);
    buf_init_kept(&kept, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_reserve(&kept, 60000), 0);
    pool_tick_all(100500);
    body_of(&late, 60000);
    pool_tick_all(101000);
    assert_int_equal(look("64").stats.n_overdue, 0);
    pool_tick_all(101001);
    l = look("64");
    assert_int_equal(l.stats.n_in_use, 3);
    assert_int_equal(l.stats.n_overdue, 1);
    assert_int_equal(l.n_here, 1);
    assert_int_equal(l.lent_ms, 1001);
    pool_tick_all(105000);
    assert_int_equal(look("64").n, 2); /* never the one that is kept */
    assert_int_equal(look("128").n, 0);
    moved = early; /* a lease goes with the buffer */
    buf_fini(&moved);
    assert_int_equal(look("64").n, 1);
    assert_int_equal(buf_reserve(&late, 90000), 0); /* another buffer, another lease */
    assert_int_equal(look("64").n + look("128").n, 0);
    pool_tick_all(107000);
    assert_int_equal(look("128").lent_ms, 2000);
    mem_free(MEM_BUF, buf_take(&late, NULL));
    assert_int_equal(look("128").n, 0);
    buf_lease_ms(0);
    body_of(&late, 60000);
    pool_tick_all(1000000000);
    assert_int_equal(look("64").n, 0);
    buf_fini(&late);
    buf_fini(&kept);
    assert_int_equal(look("64").stats.n_in_use, 0);
}

TEST(buf__more_bodies_than_leases_are_all_counted_and_the_oldest_shown)
{
    enum { N = 2100 };
    struct buf *b = mem_array(MEM_DEFAULT, N, sizeof *b);
    struct looks l;

    buf_lease_ms(1000);
    pool_tick_all(2000000000);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++) {
            body_of(&b[i], 4000);
            if (i == 0)
                pool_tick_all(2000000000 + 10000 * round + 1);
        }
        pool_tick_all(2000000000 + 10000 * round + 5000);
        l = look("4");
        assert_int_equal(l.stats.n_in_use, N);
        assert_int_equal(l.stats.n_overdue, 2048);
        assert_int_equal(l.n, 32);
        assert_int_equal(l.lent_ms, round == 0 ? 5000 : 10000);
        for (unsigned i = 0; i < N; i++)
            buf_fini(&b[i]);
        assert_int_equal(look("4").stats.n_overdue, 0);
    }
    buf_lease_ms(0);
    mem_free(MEM_DEFAULT, b);
    pool_flush_all();
    assert_verified();
}

TEST(buf__a_body_that_cannot_grow_stays_as_it_was)
{
    struct buf b;
    size_t live = live_bytes();

    pool_flush_all();
    buf_init(&b, MEM_BUF, BUF_NO_CEILING);
    for (size_t size = 100; size < 1000000; size = size * 3 / 2) {
        assert_int_equal(buf_reserve(&b, size - b.n), 0);
        memset(b.p, 'x', size);
        b.n = size;
        b.p[size] = '\0';
        mem_fail_nth(1, true, false);
        assert_int_equal(buf_reserve(&b, b.cap - b.n + 1), ORB_ENOMEM);
        mem_fail_nth(0, false, false);
        mem_set_limits(MEM_BUF, 0, live_bytes() + 1);
        assert_int_equal(buf_reserve(&b, b.cap - b.n + 1), ORB_ENOMEM);
        mem_set_limits(MEM_BUF, 0, 0);
        assert_int_equal(b.n, size);
        for (size_t i = 0; i < size; i += 97)
            assert_int_equal(b.p[i], 'x');
    }
    buf_fini(&b);
    assert_int_equal(live_bytes(), live);
    assert_verified();
}

TESTS(T(buf__a_body_grows_through_classes_and_keeps_its_bytes), T(buf__the_next_body_gets_the_buffer_of_the_last),
      T(buf__a_ceiling_between_two_classes_is_kept), T(buf__bytes_taken_out_are_an_ordinary_block),
      T(buf__a_buffer_that_the_limit_refuses_is_counted_with_its_class),
      T(buf__what_is_made_to_fit_belongs_to_its_new_class),
      T(buf__who_holds_a_body_for_too_long_is_named),
      T(buf__more_bodies_than_leases_are_all_counted_and_the_oldest_shown),
      T(buf__a_body_that_cannot_grow_stays_as_it_was))
