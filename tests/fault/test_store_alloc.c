/* Every allocation of the store's life fails once, ours and sqlite's: no crash, no leak, no partial state. */
#include "storage/store.h"

#include "tests/support/store_sample.h"

#include <unistd.h>


/* As a worker does: a batch that leaves no room is committed first. */
static int
put(struct store *s, const struct record *r)
{
    int err = store_put(s, r, SAMPLE_NOW_MS);

    if (err != ORB_EAGAIN)
        return err;
    assert_true(store_n_pending(s) > 0);
    err = store_flush(s);
    return err == 0 ? store_put(s, r, SAMPLE_NOW_MS) : err;
}

/* One life: open, put, put again (a revisit), a failure, flush, close. Returns the first error. */
static int
live(const struct sample_dirs *d)
{
    const struct record_link links[] = { { SLICE_LITERAL("http://example.org/b"), 0, 0, 0 }, { SLICE_LITERAL("http://example.org/c"), 0, 1, 0 } };
    struct store_conf conf = sample_conf(d);
    struct record r = sample_page(1, "http://example.org/a", SLICE_LITERAL("caf\xe9 page")), failure = sample_failure(3, "http://example.org/c");
    struct pagedb_validators v;
    struct store *s = NULL;
    struct buf error;
    int err, close_err;

    buf_init(&error, MEM_DEFAULT, 4096);
    r.title = SLICE_LITERAL("caf\xe9");
    r.links = links;
    r.n_links = 2;
    err = store_open(&s, &conf, &error);
    assert_true((s == NULL) == (err != 0)); /* no partial state */
    if (err == 0)
        err = put(s, &r);
    r.url_id = 2;
    r.url = SLICE_LITERAL("http://example.org/b");
    if (err == 0)
        err = put(s, &r);
    if (err == 0)
        err = put(s, &failure);
    if (err == 0) {
        unsigned n_pending = store_n_pending(s); /* 3, or fewer: one of them was put after a commit */

        err = store_flush(s);
        assert_int_equal(store_n_pending(s), err == 0 ? 0 : n_pending);
    }
    if (err == 0) {
        err = store_lookup(s, 1, &v);
        assert_int_not_equal(err, ORB_ENOTFOUND);
    }
    close_err = store_close(&s);
    assert_null(s);
    buf_fini(&error);
    return err != 0 ? err : close_err;
}

static int
prepare_and_verify(const struct sample_dirs *d)
{
    struct warc_recovered found;
    struct pagedb *p = NULL;
    int err = store_prepare(d->pages, d->warc, &found, NULL);

    if (err == 0)
        err = pagedb_open(&p, d->pages, DB_READ, NULL);
    for (uint64_t id = 1; id <= 3 && err == 0; id++) {
        err = pagedb_verify(p, d->warc, id);
        if (err == ORB_ENOTFOUND) /* never committed: fine; committed without its record: not */
            err = 0;
    }
    pagedb_close(&p);
    return err;
}

static void
sweep(bool libraries)
{
    struct sample_dirs d = sample_dirs_new();
    uint64_t nth = 1, n_counted;
    size_t before;

    assert_int_equal(live(&d), 0); /* what libraries keep for ever is made here */
    assert_int_equal(prepare_and_verify(&d), 0);
    before = mem_live_blocks();
    for (;; nth++) {
        int err;

        mem_fail_nth(nth, false, libraries);
        err = live(&d);
        n_counted = mem_fail_nth(0, false, false);
        assert_int_equal(mem_live_blocks(), before);
        if (err != 0 && err != ORB_ENOMEM)
            fail_msg("allocation %llu: %s", (unsigned long long)nth, orb_strerror(err));
        assert_int_equal(prepare_and_verify(&d), 0);
        if (n_counted < nth)
            break;
    }
    assert_true(nth > 20);
    print_message("%llu allocations failed in turn\n", (unsigned long long)nth - 1);
}

TEST(store__survives_any_failed_allocation_of_ours)
{
    sweep(false);
}

TEST(store__survives_any_failed_allocation_of_sqlite)
{
    sweep(true);
}

TEST(store__survives_memory_that_stays_out)
{
    struct sample_dirs d = sample_dirs_new();
    size_t before;

    assert_int_equal(live(&d), 0);
    before = mem_live_blocks();
    for (uint64_t nth = 1; nth < 400; nth += 3) {
        int err;

        mem_fail_nth(nth, true, true);
        err = live(&d);
        mem_fail_nth(0, false, false);
        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_int_equal(mem_live_blocks(), before);
        assert_int_equal(prepare_and_verify(&d), 0);
    }
}

/* Memory that stays out from the n-th allocation of a put on: until the put needs none of those. */
static void
put_without_memory(struct store *s, const struct record *r, unsigned n_pending, int want)
{
    unsigned n_failed = 0;
    int err = ORB_ENOMEM;

    for (uint64_t nth = 1; err != 0; nth++) {
        mem_fail_nth(nth, true, false);
        err = store_put(s, r, SAMPLE_NOW_MS);
        mem_fail_nth(0, false, false);
        if (err == 0)
            break;
        assert_int_equal(err, want);
        assert_int_equal(store_n_pending(s), n_pending);
        n_failed++;
    }
    assert_true(n_failed > 0);
    assert_int_equal(store_n_pending(s), n_pending + 1);
}

/* The bytes of a body that would have had room once the others were committed are not given up. */
TEST(store__asks_for_a_commit_when_there_is_no_memory_beside_the_batch)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct buf body;
    struct record r;

    buf_init(&body, MEM_BUF, 8 << 20);
    sample_body(&body, 7, 2 << 20);
    r = sample_page(1, "http://example.org/a", buf_slice(&body));
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    put_without_memory(s, &r, 0, ORB_ENOMEM);
    sample_body(&body, 8, 2 << 20);
    r = sample_page(2, "http://example.org/b", buf_slice(&body));
    r.title = SLICE_LITERAL("caf\xe9");
    put_without_memory(s, &r, 1, ORB_EAGAIN);
    assert_int_equal(store_flush(s), 0);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(prepare_and_verify(&d), 0);
    buf_fini(&body);
}

TESTS(T(store__asks_for_a_commit_when_there_is_no_memory_beside_the_batch), T(store__survives_any_failed_allocation_of_ours), T(store__survives_any_failed_allocation_of_sqlite),
      T(store__survives_memory_that_stays_out))
