#include "storage/urldb.h"

#include "tests/support/support.h"

#include <stdio.h>

static struct urldb *
open_new(const char *dir, bool *is_new)
{
    struct urldb *db = NULL;
    struct buf error;
    char path[300];

    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    snprintf(path, sizeof path, "%s/frontier.db", dir);
    if (urldb_open(&db, path, is_new, &error) != 0)
        fail_msg("%s", error.p);
    buf_fini(&error);
    return db;
}

TEST(urldb__gives_back_what_was_written)
{
    const char *dir = scratch_dir();
    bool is_new;
    struct urldb *db = open_new(dir, &is_new);
    struct urldb_url u = { .url_id = 1, .url = SLICE_LITERAL("http://a.example/"), .host_id = 7, .via = 3, .depth = 2,
                           .hops = 1, .kind = 4, .flags = URLDB_SEED, .state = URLDB_READY };
    struct urldb_end end = { .url_id = 1, .state = URLDB_WAITING, .outcome = 11, .status = 503, .attempts = 2,
                             .retry_at_ms = 123456789012, .ended_at_ms = 5, .flags = URLDB_SEED };
    struct urldb_url out;
    uint32_t old_state, old_outcome;

    assert_true(is_new);
    assert_int_equal(urldb_begin(db), 0);
    assert_int_equal(urldb_add_url(db, &u), 0);
    assert_int_equal(urldb_get_url(db, 1, &out), 0);
    assert_slice_str(out.url, "http://a.example/");
    assert_int_equal(out.host_id, 7);
    assert_int_equal(out.via, 3);
    assert_int_equal(out.depth, 2);
    assert_int_equal(out.flags, URLDB_SEED);
    assert_int_equal(urldb_end_url(db, &end, &old_state, &old_outcome), 0);
    assert_int_equal(old_state, URLDB_READY);
    assert_int_equal(old_outcome, 0);
    assert_int_equal(urldb_get_url(db, 1, &out), 0);
    assert_int_equal(out.state, URLDB_WAITING);
    assert_int_equal(out.retry_at_ms, 123456789012);
    assert_int_equal(out.status, 503);
    assert_int_equal(urldb_get_url(db, 2, &out), ORB_ENOTFOUND);
    end.url_id = 2;
    assert_int_equal(urldb_end_url(db, &end, &old_state, &old_outcome), ORB_ENOTFOUND);
    assert_int_equal(urldb_commit(db), 0);
    urldb_close(&db);
    db = open_new(dir, &is_new);
    assert_false(is_new);
    assert_int_equal(urldb_max_url(db), 1);
    urldb_close(&db);
}

TEST(urldb__a_rollback_forgets)
{
    bool is_new;
    struct urldb *db = open_new(scratch_dir(), &is_new);
    struct urldb_url u = { .url_id = 1, .url = SLICE_LITERAL("x") };

    assert_int_equal(urldb_begin(db), 0);
    assert_int_equal(urldb_add_url(db, &u), 0);
    assert_int_equal(urldb_max_url(db), 1);
    urldb_rollback(db);
    assert_int_equal(urldb_max_url(db), 0);
    urldb_rollback(db); /* nothing open: nothing happens */
    urldb_close(&db);
}

TEST(urldb__keeps_hosts)
{
    bool is_new;
    struct urldb *db = open_new(scratch_dir(), &is_new);
    struct urldb_host h = { .host_id = 1, .addresses = SLICE_LITERAL("10.0.0.1,::1"), .addresses_until_s = 99, .robots_status = 200,
                            .robots_until_s = 77, .crawl_delay_ms = UINT32_MAX, .robots = SLICE_LITERAL("Disallow: /"),
                            .cookies = SLICE_LITERAL("a=b"), .fails = 2, .retry_at_ms = 5 };
    struct urldb_host out;

    assert_int_equal(urldb_add_host(db, 1, SLICE_LITERAL("https://a.example")), 0);
    assert_int_equal(urldb_get_host(db, 1, &out), 0);
    assert_int_equal(out.crawl_delay_ms, UINT32_MAX); /* none, not 0 */
    assert_int_equal(out.robots_until_s, 0);
    assert_int_equal(urldb_set_host(db, &h, URLDB_HOST_ADDRESSES | URLDB_HOST_ROBOTS), 0);
    assert_int_equal(urldb_get_host(db, 1, &out), 0);
    assert_slice_str(out.origin, "https://a.example");
    assert_slice_str(out.addresses, "10.0.0.1,::1");
    assert_slice_str(out.robots, "Disallow: /");
    assert_int_equal(out.robots_until_s, 77);
    assert_int_equal(out.crawl_delay_ms, UINT32_MAX);
    assert_int_equal(out.cookies.n, 0);
    assert_int_equal(out.fails, 0);
    h.crawl_delay_ms = 0;
    assert_int_equal(urldb_set_host(db, &h, URLDB_HOST_ROBOTS | URLDB_HOST_COOKIES | URLDB_HOST_FAILS), 0);
    assert_int_equal(urldb_get_host(db, 1, &out), 0);
    assert_int_equal(out.crawl_delay_ms, 0);
    assert_slice_str(out.cookies, "a=b");
    assert_int_equal(out.fails, 2);
    assert_int_equal(out.retry_at_ms, 5);
    assert_int_equal(urldb_get_host(db, 2, &out), ORB_ENOTFOUND);
    urldb_close(&db);
}

TEST(urldb__keeps_chunks_queues_and_meta)
{
    bool is_new;
    struct urldb *db = open_new(scratch_dir(), &is_new);
    struct buf text;
    struct slice ids;
    uint64_t next;

    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(urldb_add_chunk(db, 1, 0, SLICE_LITERAL("abcde")), 0);
    assert_int_equal(urldb_add_chunk(db, 2, 0, SLICE_LITERAL("fghij")), 0);
    assert_int_equal(urldb_link_chunk(db, 1, 2), 0);
    assert_int_equal(urldb_get_chunk(db, 1, &next, &ids), 0);
    assert_int_equal(next, 2);
    assert_slice_str(ids, "abcde");
    assert_int_equal(urldb_drop_chunks_above(db, 1), 0);
    assert_int_equal(urldb_get_chunk(db, 2, &next, &ids), ORB_ENOTFOUND);
    assert_int_equal(urldb_drop_chunk(db, 1), 0);
    assert_int_equal(urldb_get_chunk(db, 1, &next, &ids), ORB_ENOTFOUND);
    assert_int_equal(urldb_get_meta(db, "books", &text), ORB_ENOTFOUND);
    assert_int_equal(urldb_set_meta(db, "books", SLICE_LITERAL("one")), 0);
    assert_int_equal(urldb_set_meta(db, "books", SLICE_LITERAL("two")), 0);
    assert_int_equal(urldb_get_meta(db, "books", &text), 0);
    assert_slice_str(buf_slice(&text), "two");
    buf_fini(&text);
    urldb_close(&db);
}

static int
stop_at_third(void *arg, const struct urldb_url *u)
{
    ++*(unsigned *)arg;
    return u->url_id == 3 ? ORB_EAGAIN : 0;
}

static int
count_row(void *arg, const struct urldb_url *u)
{
    ++*(unsigned *)arg;
    return 0;
}

TEST(urldb__scans)
{
    bool is_new;
    struct urldb *db = open_new(scratch_dir(), &is_new);
    unsigned n = 0;
    uint64_t id;

    for (uint64_t i = 1; i <= 10; i++) {
        char url[32];
        struct urldb_url u = { .url_id = i, .state = i % 2 == 0 ? URLDB_DONE : URLDB_READY, .ended_at_ms = i * 10 };

        u.url = slice_of(url, (size_t)snprintf(url, sizeof url, "http://a/%u", (unsigned)i));
        assert_int_equal(urldb_add_url(db, &u), 0);
    }
    assert_int_equal(urldb_each_url(db, 1, 0, stop_at_third, &n), ORB_EAGAIN);
    assert_int_equal(n, 3);
    n = 0;
    assert_int_equal(urldb_each_url(db, 4, 5, count_row, &n), 0);
    assert_int_equal(n, 5);
    n = 0;
    assert_int_equal(urldb_each_ended(db, URLDB_DONE, 40, count_row, &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(urldb_find_url(db, SLICE_LITERAL("http://a/7"), 1, 100, &id), 0);
    assert_int_equal(id, 7);
    assert_int_equal(urldb_find_url(db, SLICE_LITERAL("http://a/7"), 8, 100, &id), ORB_ENOTFOUND);
    urldb_close(&db);
}

TEST(urldb__says_what_is_wrong_with_a_file)
{
    const char *dir = scratch_dir();
    struct urldb *db = NULL;
    struct buf error;
    char path[300];
    bool is_new;

    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    snprintf(path, sizeof path, "%s/frontier.db", dir);
    write_file(path, "this is no database, but it is long enough to look like one: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 100);
    assert_int_equal(urldb_open(&db, path, &is_new, &error), ORB_ECORRUPT);
    assert_null(db);
    assert_non_null(strstr(error.p, path));
    buf_clear(&error);
    snprintf(path, sizeof path, "%s/none/frontier.db", dir);
    assert_true(urldb_open(&db, path, &is_new, &error) < 0);
    assert_true(error.n > 0);
    buf_fini(&error);
}

TESTS(T(urldb__gives_back_what_was_written), T(urldb__a_rollback_forgets), T(urldb__keeps_hosts),
      T(urldb__keeps_chunks_queues_and_meta), T(urldb__scans), T(urldb__says_what_is_wrong_with_a_file))
