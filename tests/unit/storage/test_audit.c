#include "storage/audit.h"

#include "storage/store.h"
#include "tests/support/store_sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

/* FNV-1a: a stand-in for the crawl key; "?sid" and what follows is no part of it. */
static uint64_t
test_key(void *arg, struct slice url)
{
    const char *sid = memmem(url.p, url.n, "?sid", 4);
    size_t n = sid == NULL ? url.n : (size_t)(sid - url.p);
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)url.p[i]) * 0x100000001b3u;
    return slice_starts_with(url, SLICE_LITERAL("http")) ? h | 1 : 0;
}

static void
exec(const struct sample_dirs *d, const char *file, const char *sql)
{
    char path[512], *error = NULL;
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/%s", d->root, file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

/* Three pages (the third a revisit of the second), an excluded URL and one that waits; page 1 links to all of them. */
static struct sample_dirs
make_crawl(void)
{
    static const char *const urls[] = { "http://a.test/1", "http://a.test/2", "http://a.test/3" };
    const struct record_link links[] = {
        { SLICE_LITERAL("http://a.test/2"), 0, 0, 0 }, { SLICE_LITERAL("http://a.test/3?sid=7"), 0, 0, 0 },
        { SLICE_LITERAL("http://b.test/out"), 0, 0, 0 }, { SLICE_LITERAL("http://a.test/never"), 0, 1, RECORD_LINK_NOFOLLOW },
    };
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    char coordinator[512];

    assert_int_equal(store_open(&s, &conf, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct record r = sample_page(i + 1, urls[i], i == 0 ? SLICE_LITERAL("first") : SLICE_LITERAL("same body"));

        r.links = links;
        r.n_links = i == 0 ? ORB_N_ELEMENTS(links) : 0;
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    }
    assert_int_equal(store_close(&s), 0);
    snprintf(coordinator, sizeof coordinator, "%s/coordinator", d.root);
    assert_int_equal(mkdir(coordinator, 0755), 0);
    exec(&d, "coordinator/frontier.db",
         "PRAGMA user_version = 1; PRAGMA application_id = 0x6f726266;" /* as urldb.c marks its own */
         "CREATE TABLE url(url_id INTEGER PRIMARY KEY, url TEXT NOT NULL, host_id INTEGER, via INTEGER, depth INTEGER, hops INTEGER,"
         " kind INTEGER, flags INTEGER, state INTEGER NOT NULL, outcome INTEGER, status INTEGER, attempts INTEGER, retry_at INTEGER,"
         " ended_at INTEGER);"
         "CREATE TABLE meta(key TEXT PRIMARY KEY, value);"
         "INSERT INTO url(url_id, url, state, outcome) VALUES (1, 'http://a.test/1', 1, 1), (2, 'http://a.test/2', 1, 1),"
         " (3, 'http://a.test/3', 1, 1), (4, 'http://b.test/out', 4, 36), (5, 'http://a.test/5', 2, 16);"
         "INSERT INTO meta VALUES ('books', '{\"discovered\": 5, \"queued\": 0, \"done\": 3, \"waiting\": 1, \"failed\": 0, \"excluded\": 1, \"quarantined\": 0}')");
    return d;
}

static void
audit(const struct sample_dirs *d, size_t memory_bytes, struct audit *out)
{
    struct sql_conf conf = { .dir = d->root, .key = test_key };
    struct sql *s = NULL;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 4096);
    if (sql_open(&s, &conf, &error) != 0)
        fail_msg("%s", error.p);
    *out = (struct audit){ .sql = s, .dir = d->root, .memory_bytes = memory_bytes };
    if (audit_run(out, &error) != 0)
        fail_msg("%s", error.n > 0 ? error.p : "audit failed");
    sql_close(&s);
    buf_fini(&error);
}

/* Exactly this kind of finding, n times. */
static void
assert_finds(const struct sample_dirs *d, enum audit_kind kind, uint64_t n)
{
    struct audit a;

    audit(d, 0, &a);
    assert_int_equal(a.n_findings[kind], n);
    assert_int_equal(audit_n_findings(&a), n);
}

static void
warc_path(const struct sample_dirs *d, char *path, size_t room)
{
    DIR *dir = opendir(d->warc);
    struct dirent *e;

    while ((e = readdir(dir)) != NULL)
        if (slice_ends_with(slice_str(e->d_name), SLICE_LITERAL(".warc.gz")))
            snprintf(path, room, "%s/%s", d->warc, e->d_name);
    closedir(dir);
}

TEST(audit__a_sound_crawl_agrees)
{
    struct sample_dirs d = make_crawl();
    struct audit a;

    audit(&d, 0, &a);
    assert_int_equal(audit_n_findings(&a), 0);
    assert_int_equal(a.n_urls, 5);
    assert_true(a.has_counters);
    assert_int_equal(a.n_pages, 3);
    assert_int_equal(a.n_records, 7);
    assert_int_equal(a.n_responses, 2);
    assert_int_equal(a.n_revisits, 1);
    assert_int_equal(a.n_superseded, 0);
    assert_int_equal(a.n_links, 4);
    assert_int_equal(a.n_links_followed, 3);
}

TEST(audit__the_answer_of_a_page_that_asked_not_to_be_kept_is_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "pages/pages.db", "UPDATE page SET withheld = 'noarchive' WHERE url_id = 2");
    assert_finds(&d, AUDIT_WRONG_RECORD, 1);
}

TEST(audit__a_gap_in_the_journal_is_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "coordinator/frontier.db", "UPDATE url SET url_id = 9 WHERE url_id = 5");
    assert_finds(&d, AUDIT_BOOKS, 1);
}

TEST(audit__a_counter_that_differs_is_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "coordinator/frontier.db", "UPDATE meta SET value = json_set(value, '$.done', 4) WHERE key = 'books'");
    assert_finds(&d, AUDIT_BOOKS, 1);
}

TEST(audit__a_done_url_without_page_is_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "pages/pages.db", "DELETE FROM page WHERE url_id = 3");
    assert_finds(&d, AUDIT_NO_PAGE, 1);
}

TEST(audit__a_page_of_no_url_or_of_another_is_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "coordinator/frontier.db", "UPDATE url SET url = 'http://a.test/x' WHERE url_id = 2; INSERT INTO url(url_id, url, state) VALUES"
                                        " (6, 'http://a.test/2', 4); UPDATE meta SET value = json_set(value, '$.excluded', 2, '$.discovered', 6)");
    assert_finds(&d, AUDIT_NO_URL, 1);
}

TEST(audit__two_urls_of_one_key_are_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "coordinator/frontier.db", "UPDATE url SET url = 'http://a.test/2?sid=1' WHERE url_id = 5");
    assert_finds(&d, AUDIT_DUPLICATE, 1);
}

TEST(audit__a_link_that_got_lost_is_found_unless_exclusions_were_dropped)
{
    struct sample_dirs d = make_crawl();
    struct audit a;

    exec(&d, "coordinator/frontier.db", "UPDATE url SET url = 'http://b.test/other' WHERE url_id = 4");
    assert_finds(&d, AUDIT_LINK, 1);
    exec(&d, "coordinator/frontier.db", "INSERT INTO meta VALUES ('excluded_dropped', '{\"out_of_scope\": 12}');"
                                        "UPDATE meta SET value = json_set(value, '$.excluded', 13, '$.discovered', 17) WHERE key = 'books'");
    audit(&d, 0, &a);
    assert_int_equal(audit_n_findings(&a), 0);
    assert_int_equal(a.n_excluded_dropped, 12);
    assert_int_equal(a.n_links_dropped, 1);
}

TEST(audit__links_of_a_page_that_was_not_reported_are_not_judged)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "coordinator/frontier.db", "UPDATE url SET url = 'http://b.test/other' WHERE url_id = 4; UPDATE url SET state = 0 WHERE url_id = 1;"
                                        "UPDATE meta SET value = json_set(value, '$.done', 2, '$.queued', 1)");
    assert_finds(&d, AUDIT_LINK, 0);
}

TEST(audit__damage_in_a_warc_file_is_found)
{
    struct sample_dirs d = make_crawl();
    char path[512];
    struct audit a;
    int fd;

    warc_path(&d, path, sizeof path);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "XXXX", 4, 700), 4);
    close(fd);
    audit(&d, 0, &a);
    assert_int_equal(a.n_findings[AUDIT_BAD_RECORD], 1);
    assert_true(a.n_findings[AUDIT_NO_RECORD] >= 2);
}

TEST(audit__a_missing_warc_file_is_found_by_its_rows)
{
    struct sample_dirs d = make_crawl();
    char path[512];

    warc_path(&d, path, sizeof path);
    assert_int_equal(unlink(path), 0);
    assert_finds(&d, AUDIT_NO_RECORD, 3);
}

TEST(audit__a_row_that_differs_from_its_record_is_found)
{
    struct sample_dirs d = make_crawl();

    exec(&d, "pages/pages.db", "UPDATE page SET payload_digest = 'sha1:X' WHERE url_id = 1");
    assert_finds(&d, AUDIT_WRONG_RECORD, 1);
}

TEST(audit__a_torn_tail_of_an_open_file_is_told_not_blamed)
{
    struct sample_dirs d = make_crawl();
    char path[512], marker[520];
    struct audit a;
    int fd;

    warc_path(&d, path, sizeof path);
    fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\x1f\x8b\x08", 3), 3);
    close(fd);
    assert_finds(&d, AUDIT_BAD_RECORD, 1);
    snprintf(marker, sizeof marker, "%s.open", path);
    write_file(marker, "", 0);
    audit(&d, 0, &a);
    assert_int_equal(audit_n_findings(&a), 0);
    assert_int_equal(a.n_torn_tails, 1);
}

TEST(audit__superseded_records_are_counted)
{
    struct sample_dirs d = make_crawl();
    struct store_conf conf = sample_conf(&d);
    struct record r = sample_page(1, "http://a.test/1", SLICE_LITERAL("newer"));
    struct store *s = NULL;
    struct audit a;

    assert_int_equal(store_open(&s, &conf, NULL), 0);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    audit(&d, 0, &a);
    assert_int_equal(audit_n_findings(&a), 0);
    assert_int_equal(a.n_superseded, 1);
    assert_int_equal(a.n_warc_files, 2);
}

TEST(audit__parts_find_what_one_pass_finds)
{
    struct sample_dirs d = make_crawl();
    struct audit a;

    exec(&d, "coordinator/frontier.db",
         "WITH n(i) AS (SELECT 6 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO url(url_id, url, state)"
         " SELECT i, 'http://c.test/' || i, 4 FROM n; UPDATE meta SET value = json_set(value, '$.excluded', 4996, '$.discovered', 5000);"
         "UPDATE url SET url = 'http://c.test/4000?sid=2' WHERE url_id = 4;");
    audit(&d, 16 * 1024, &a); /* 1,024 slots a part */
    assert_int_equal(a.n_findings[AUDIT_DUPLICATE], 1);
    assert_int_equal(a.n_findings[AUDIT_LINK], 1); /* of b.test/out */
    assert_int_equal(audit_n_findings(&a), 2);
    assert_int_equal(a.n_links_followed, 3);
}

TESTS(T(audit__a_sound_crawl_agrees), T(audit__the_answer_of_a_page_that_asked_not_to_be_kept_is_found),
      T(audit__a_gap_in_the_journal_is_found), T(audit__a_counter_that_differs_is_found),
      T(audit__a_done_url_without_page_is_found), T(audit__a_page_of_no_url_or_of_another_is_found),
      T(audit__two_urls_of_one_key_are_found), T(audit__a_link_that_got_lost_is_found_unless_exclusions_were_dropped),
      T(audit__links_of_a_page_that_was_not_reported_are_not_judged), T(audit__damage_in_a_warc_file_is_found),
      T(audit__a_missing_warc_file_is_found_by_its_rows), T(audit__a_row_that_differs_from_its_record_is_found),
      T(audit__a_torn_tail_of_an_open_file_is_told_not_blamed), T(audit__superseded_records_are_counted),
      T(audit__parts_find_what_one_pass_finds))
