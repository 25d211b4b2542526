#include "storage/store.h"

#include "storage/warc_read.h"
#include "tests/support/store_sample.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store *
open_store(const struct sample_dirs *d)
{
    struct store_conf conf = sample_conf(d);
    struct store *s = NULL;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 4096);
    if (store_open(&s, &conf, &error) != 0)
        fail_msg("%s", error.p);
    buf_fini(&error);
    return s;
}

static int
verify(const struct sample_dirs *d, uint64_t url_id)
{
    struct pagedb *p = NULL;
    int err;

    assert_int_equal(pagedb_open(&p, d->pages, DB_READ, NULL), 0);
    err = pagedb_verify(p, d->warc, url_id);
    pagedb_close(&p);
    return err;
}

static int64_t
query_int(const struct sample_dirs *d, const char *sql)
{
    struct pagedb *p = NULL;
    struct sqlite3_stmt *stmt;
    int64_t value;

    assert_int_equal(pagedb_open(&p, d->pages, DB_READ, NULL), 0);
    assert_int_equal(sqlite3_prepare_v2(pagedb_sqlite(p), sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    pagedb_close(&p);
    return value;
}

static unsigned
n_files(const char *dir, const char *suffix)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;

    while ((e = readdir(d)) != NULL)
        n += slice_ends_with(slice_str(e->d_name), slice_str(suffix));
    closedir(d);
    return n;
}

TEST(store__keeps_an_answer_as_records_and_a_row)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("<title>A page</title>"));
    struct pagedb_validators v;

    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_n_pending(s), 1);
    assert_int_equal(store_lookup(s, 7, &v), ORB_ENOTFOUND);
    assert_int_equal(store_flush(s), 0);
    assert_int_equal(store_n_pending(s), 0);
    assert_int_equal(store_lookup(s, 7, &v), 0);
    assert_string_equal(v.etag, "\"v1\"");
    assert_string_equal(v.last_modified, "Sun, 22 Nov 2026 10:00:00 GMT");
    assert_int_equal(n_files(d.warc, ".open"), 1);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(n_files(d.warc, ".open"), 0);
    assert_int_equal(n_files(d.warc, ".warc.gz"), 1);
    assert_int_equal(verify(&d, 7), 0);
    assert_int_equal(verify(&d, 8), ORB_ENOTFOUND);
}

TEST(store__keeps_no_more_of_the_domain_of_bodies_than_it_says)
{
    struct sample_dirs d = sample_dirs_new();
    struct mem_stats before, after;
    struct store *s;
    struct buf body;

    mem_stats(MEM_BUF, &before);
    s = open_store(&d);
    buf_init(&body, MEM_DEFAULT, BUF_NO_CEILING);
    for (uint64_t id = 1; id <= 40; id++) {
        struct record r;

        sample_body(&body, (unsigned)id, id % 10 == 0 ? 3u << 20 : 20000);
        r = sample_page(id, "http://example.org/a", buf_slice(&body));
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    }
    assert_int_equal(store_flush(s), 0);
    buf_fini(&body);
    mem_stats(MEM_BUF, &after);
    assert_in_range(after.live_bytes - before.live_bytes, 256 * 1024, STORE_KEPT_BYTES);
    assert_int_equal(store_close(&s), 0);
}

TEST(store__a_second_answer_replaces_the_row)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("one"));

    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_flush(s), 0);
    r = sample_page(7, "http://example.org/a", SLICE_LITERAL("number two"));
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(query_int(&d, "SELECT count(*) FROM page"), 1);
    assert_int_equal(query_int(&d, "SELECT body_bytes FROM page"), 10);
    assert_int_equal(verify(&d, 7), 0);
}

TEST(store__not_modified_keeps_the_stored_page)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("the page"));

    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_flush(s), 0);
    r = sample_page(7, "http://example.org/a", SLICE_NONE);
    r.status = 304;
    r.outcome = SLICE_LITERAL("not_modified");
    r.head = SLICE_LITERAL("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n");
    r.fetched_at_ms += 1000;
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(query_int(&d, "SELECT status FROM page"), 200);
    assert_int_equal(query_int(&d, "SELECT body_bytes FROM page"), 8);
    assert_int_equal(query_int(&d, "SELECT outcome = 'not_modified' FROM page"), 1);
    assert_true(query_int(&d, "SELECT fetched_at FROM page") == (int64_t)r.fetched_at_ms);
    assert_int_equal(verify(&d, 7), 0);
}

/* "title|language|charset|simhash|digest?|body_bytes|etag|withheld" of page 7. */
static void
assert_row(const struct sample_dirs *d, const char *want)
{
    struct pagedb *p = NULL;
    struct sqlite3_stmt *stmt;

    assert_int_equal(pagedb_open(&p, d->pages, DB_READ, NULL), 0);
    assert_int_equal(sqlite3_prepare_v2(pagedb_sqlite(p), "SELECT ifnull(title, '-') || '|' || ifnull(language, '-') || '|' || ifnull(charset, '-') || '|' || simhash"
                                                          " || '|' || (digest IS NOT NULL) || '|' || body_bytes || '|' || etag || '|' || ifnull(withheld, '-') FROM page WHERE url_id = 7",
                                        -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), want);
    sqlite3_finalize(stmt);
    pagedb_close(&p);
}

static struct record
withheld_page(enum record_withheld withheld)
{
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("<title>A page</title>"));

    r.language = SLICE_LITERAL("en");
    r.simhash = 12345;
    r.withheld = withheld;
    return r;
}

TEST(store__noarchive_keeps_the_row_and_noindex_little_of_it)
{
    static const struct {
        enum record_withheld withheld;
        const char *row;
    } cases[] = {
        { RECORD_KEPT, "A page|en|utf-8|12345|1|21|\"v1\"|-" },
        { RECORD_NOARCHIVE, "A page|en|utf-8|12345|1|21|\"v1\"|noarchive" },
        { RECORD_NOINDEX, "-|-|-|0|0|21|\"v1\"|noindex" },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        struct sample_dirs d = sample_dirs_new();
        struct store *s = open_store(&d);
        struct record r = withheld_page(cases[i].withheld);
        struct pagedb_validators v;

        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        assert_int_equal(store_flush(s), 0);
        assert_int_equal(store_lookup(s, 7, &v), 0);
        assert_string_equal(v.etag, cases[i].withheld == RECORD_KEPT ? "\"v1\"" : ""); /* a 304 would confirm nothing */
        assert_int_equal(store_close(&s), 0);
        assert_row(&d, cases[i].row);
        assert_int_equal(query_int(&d, "SELECT payload_digest IS NULL FROM page"), cases[i].withheld != RECORD_KEPT);
        assert_int_equal(verify(&d, 7), 0);
    }
}

TEST(store__a_304_that_asks_it_takes_what_is_kept_out_of_the_row)
{
    static const struct {
        enum record_withheld withheld;
        const char *row;
    } cases[] = {
        { RECORD_NOARCHIVE, "A page|en|utf-8|12345|1|21|\"v1\"|noarchive" },
        { RECORD_NOINDEX, "-|-|-|0|0|21|\"v1\"|noindex" },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        struct sample_dirs d = sample_dirs_new();
        struct store *s = open_store(&d);
        struct record r = withheld_page(RECORD_KEPT);
        int64_t before;

        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        assert_int_equal(store_flush(s), 0);
        before = query_int(&d, "SELECT warc_offset FROM page");
        r = sample_page(7, "http://example.org/a", SLICE_NONE);
        r.status = 304;
        r.outcome = SLICE_LITERAL("not_modified");
        r.head = SLICE_LITERAL("HTTP/1.1 304 Not Modified\r\nX-Robots-Tag: none\r\n\r\n");
        r.withheld = cases[i].withheld;
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        assert_int_equal(store_close(&s), 0);
        assert_row(&d, cases[i].row);
        assert_int_equal(query_int(&d, "SELECT status FROM page"), 200);
        assert_true(query_int(&d, "SELECT warc_offset FROM page") > before);
        assert_int_equal(verify(&d, 7), 0);
    }
}

TEST(store__a_file_of_the_first_schema_is_brought_up_to_date_by_a_writer_only)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("x"));
    struct pagedb *p = NULL;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 4096);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(pagedb_open(&p, d.pages, DB_WRITE, NULL), 0);
    assert_int_equal(db_exec(pagedb_sqlite(p), "ALTER TABLE page DROP COLUMN withheld; PRAGMA user_version = 1"), 0);
    pagedb_close(&p);
    assert_int_equal(pagedb_open(&p, d.pages, DB_READ, &error), ORB_EVERSION);
    assert_non_null(strstr(error.p, "older orb"));
    s = open_store(&d);
    r = withheld_page(RECORD_NOARCHIVE);
    r.url_id = 8;
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(query_int(&d, "SELECT count(*) FROM page WHERE withheld IS NULL"), 1);
    assert_int_equal(query_int(&d, "SELECT count(*) FROM page WHERE withheld = 'noarchive'"), 1);
    assert_int_equal(verify(&d, 7), 0);
    buf_fini(&error);
}

TEST(store__batch_full_is_again)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct record r = sample_failure(1, "http://example.org/");

    conf.batch_rows = 2;
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_false(store_is_full(s));
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_true(store_is_full(s));
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), ORB_EAGAIN);
    assert_int_equal(store_flush(s), 0);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
}

TEST(store__busy_keeps_the_batch)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct pagedb *other = NULL;
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("x"));

    assert_int_equal(pagedb_open(&other, d.pages, DB_WRITE, NULL), 0);
    assert_int_equal(pagedb_begin(other), 0);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_flush(s), ORB_EBUSY);
    assert_int_equal(store_n_pending(s), 1);
    pagedb_rollback(other);
    assert_int_equal(store_flush(s), 0);
    assert_int_equal(store_n_pending(s), 0);
    pagedb_close(&other);
    store_close(&s);
    assert_int_equal(verify(&d, 7), 0);
}

TEST(store__rotates_and_starts_each_file_with_warcinfo)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct buf body;

    conf.max_warc_bytes = 4096;
    buf_init(&body, MEM_BUF, 1 << 20);
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    for (unsigned i = 1; i <= 20; i++) {
        char url[64];
        struct record r;

        snprintf(url, sizeof url, "http://example.org/%u", i);
        sample_body(&body, i, 5000);
        r = sample_page(i, url, buf_slice(&body));
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    }
    assert_int_equal(store_close(&s), 0);
    assert_true(n_files(d.warc, ".warc.gz") > 2);
    for (unsigned i = 1; i <= 20; i++)
        assert_int_equal(verify(&d, i), 0);
    buf_fini(&body);
}

TEST(store__text_that_is_not_utf8_is_made_so)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct record r = sample_page(7, "http://example.org/a", SLICE_LITERAL("x"));

    r.title = SLICE_LITERAL("caf\xe9 \0nul");
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(query_int(&d, "SELECT title = 'caf' || char(0xfffd) || ' ' || char(0xfffd) || 'nul' FROM page"), 1);
}

TEST(store__prepare_cuts_the_torn_tail_of_a_killed_writer)
{
    struct sample_dirs d = sample_dirs_new();
    struct warc_recovered found;
    struct buf error;
    pid_t pid;
    int status;

    buf_init(&error, MEM_DEFAULT, 4096);
    pid = fork();
    if (pid == 0) { /* commits one page, writes another, and dies in the middle of a third */
        struct store *s = open_store(&d);
        struct record r = sample_page(1, "http://example.org/1", SLICE_LITERAL("first"));
        char path[512];
        FILE *f;

        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        assert_int_equal(store_flush(s), 0);
        r = sample_page(2, "http://example.org/2", SLICE_LITERAL("second"));
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        snprintf(path, sizeof path, "ls %s/*.gz | head -1", d.warc);
        f = popen(path, "r");
        assert_non_null(fgets(path, sizeof path, f));
        path[strcspn(path, "\n")] = '\0';
        f = fopen(path, "ab");
        fwrite("\x1f\x8b\x08torn", 1, 7, f);
        fflush(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(n_files(d.warc, ".open"), 1);
    assert_int_equal(store_prepare(d.pages, d.warc, &found, &error), 0);
    assert_int_equal(found.n_cut, 1);
    assert_int_equal(found.cut_bytes, 7);
    assert_int_equal(n_files(d.warc, ".open"), 0);
    assert_int_equal(verify(&d, 1), 0);
    buf_fini(&error);
}

TEST(store__prepare_refuses_while_a_writer_lives)
{
    struct sample_dirs d = sample_dirs_new();
    struct store *s = open_store(&d);
    struct record r = sample_page(1, "http://example.org/1", SLICE_LITERAL("first"));
    struct warc_recovered found;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 4096);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_prepare(d.pages, d.warc, &found, &error), ORB_EBUSY);
    assert_non_null(strstr(error.p, "another process"));
    buf_fini(&error);
    assert_int_equal(store_close(&s), 0);
}

TEST(store__many_may_begin_at_once)
{
    for (int round = 0; round < 20; round++) {
        struct sample_dirs d = sample_dirs_new();
        pid_t pids[4];

        for (int i = 0; i < 4; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                struct store_conf conf = sample_conf(&d);
                struct store *s = NULL;
                int err = store_open(&s, &conf, NULL);

                if (err == 0)
                    store_close(&s);
                _exit(-err);
            }
        }
        for (int i = 0; i < 4; i++) {
            int status;

            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
    }
}

TEST(store__a_missing_folder_is_an_error_that_names_it)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 4096);
    conf.pages_dir = "/nowhere/pages";
    assert_int_equal(store_open(&s, &conf, &error), ORB_ENOTFOUND);
    assert_non_null(strstr(error.p, "/nowhere/pages/pages.db"));
    assert_null(s);
    buf_fini(&error);
}

TESTS(T(store__keeps_an_answer_as_records_and_a_row), T(store__keeps_no_more_of_the_domain_of_bodies_than_it_says),
      T(store__a_second_answer_replaces_the_row),
      T(store__not_modified_keeps_the_stored_page), T(store__noarchive_keeps_the_row_and_noindex_little_of_it),
      T(store__a_304_that_asks_it_takes_what_is_kept_out_of_the_row), T(store__a_file_of_the_first_schema_is_brought_up_to_date_by_a_writer_only),
      T(store__batch_full_is_again), T(store__busy_keeps_the_batch),
      T(store__rotates_and_starts_each_file_with_warcinfo), T(store__text_that_is_not_utf8_is_made_so),
      T(store__prepare_cuts_the_torn_tail_of_a_killed_writer), T(store__prepare_refuses_while_a_writer_lives), T(store__many_may_begin_at_once),
      T(store__a_missing_folder_is_an_error_that_names_it))
