/* Every allocation of the store's life fails once, ours and sqlite's: no crash, no leak, no partial state. */
#include "storage/store.h"

#include "tests/support/store_sample.h"

#include <unistd.h>


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
        err = store_put(s, &r, SAMPLE_NOW_MS);
    r.url_id = 2;
    r.url = SLICE_LITERAL("http://example.org/b");
    if (err == 0)
        err = store_put(s, &r, SAMPLE_NOW_MS);
    if (err == 0)
        err = store_put(s, &failure, SAMPLE_NOW_MS);
    if (err == 0) {
        err = store_flush(s);
        assert_int_equal(store_n_pending(s), err == 0 ? 0 : 3);
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

TESTS(T(store__survives_any_failed_allocation_of_ours), T(store__survives_any_failed_allocation_of_sqlite),
      T(store__survives_memory_that_stays_out))
