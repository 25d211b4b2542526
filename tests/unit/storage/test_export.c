#include "storage/export.h"

#include "storage/store.h"
#include "tests/support/store_sample.h"

#include <sqlite3.h>

static uint64_t
test_key(void *arg, struct slice url)
{
    const char *hash = url.n == 0 ? NULL : memchr(url.p, '#', url.n);
    size_t n = hash == NULL ? url.n : (size_t)(hash - url.p);
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)url.p[i]) * 0x100000001b3u;
    return h | 1;
}

static const char *
test_outcome(int n)
{
    static const char *const names[] = { "none", "ok", "redirect", "too_slow" };

    return n >= 0 && n < 4 ? names[n] : NULL;
}

static const char *
test_error(int n)
{
    return n == 3 ? "too_slow" : NULL;
}

static const char *
test_kind(int n)
{
    return n == 0 ? "a" : n == 3 ? "canonical" : NULL;
}

static int
keep(void *arg, const char *bytes, size_t n_bytes)
{
    return buf_append(arg, bytes, n_bytes);
}

static void
run(const struct sample_dirs *d, enum export_format format, struct buf *out)
{
    struct sql_conf conf = { .dir = d->root, .key = test_key, .outcome_name = test_outcome, .kind_name = test_kind };
    struct sql *s = NULL;
    struct export e;

    assert_int_equal(sql_open(&s, &conf, NULL), 0);
    e = (struct export){ .sql = s, .dir = d->root, .write = keep, .arg = out, .error_kind = test_error };
    buf_clear(out);
    assert_int_equal(export_run(&e, format), 0);
    sql_close(&s);
}

static void
put(struct store *s, struct record *r)
{
    assert_int_equal(store_put(s, r, SAMPLE_NOW_MS), 0);
}

/* b.test/1 redirects to /2, which redirects to a page; /5 and /6 chase each other; /7 was too slow; /8 waits its turn. */
static struct sample_dirs
make_crawl(void)
{
    const struct record_link links[] = { { SLICE_LITERAL("http://b.test/x"), 3, 0, 0 }, { SLICE_LITERAL("http://c.test/"), 0, 1, RECORD_LINK_NOFOLLOW } };
    static const char *const redirects[][2] = { { "http://b.test/1", "http://b.test/2#part" }, { "http://b.test/2", "http://a.test/3" },
                                                { "http://b.test/5", "http://b.test/6" }, { "http://b.test/6", "http://b.test/5" } };
    static const uint64_t ids[] = { 1, 2, 5, 6 };
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct record r;
    char path[512];
    sqlite3 *db;

    assert_int_equal(store_open(&s, &conf, NULL), 0);
    for (int i = 0; i < 4; i++) {
        r = sample_page(ids[i], redirects[i][0], SLICE_NONE);
        r.status = 301;
        r.outcome = SLICE_LITERAL("redirect");
        r.redirect_to = slice_str(redirects[i][1]);
        put(s, &r);
    }
    r = sample_page(3, "http://a.test/3", SLICE_LITERAL("body of three"));
    r.title = SLICE_LITERAL("=cmd|'/c calc'!A1\n\"quoted\", and\x1b[31m more");
    r.links = links;
    r.n_links = 2;
    put(s, &r);
    r = sample_page(4, "http://www.a.test:8080/4", SLICE_LITERAL("body of three"));
    r.title = SLICE_LITERAL("plain");
    put(s, &r);
    r = sample_failure(7, "http://b.test/7");
    put(s, &r);
    assert_int_equal(store_close(&s), 0);
    snprintf(path, sizeof path, "%s/coordinator", d.root);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/coordinator/frontier.db", d.root);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
        "PRAGMA user_version = 1; PRAGMA application_id = 0x6f726266;" /* as urldb.c marks its own */
        "CREATE TABLE url(url_id INTEGER PRIMARY KEY, url TEXT NOT NULL, depth INTEGER, state INTEGER NOT NULL, outcome INTEGER,"
        " status INTEGER, attempts INTEGER);"
        "INSERT INTO url VALUES (1,'http://b.test/1',0,1,2,301,1), (2,'http://b.test/2',0,1,2,301,1), (3,'http://a.test/3',0,1,1,200,1),"
        " (4,'http://www.a.test:8080/4',1,1,1,200,1), (5,'http://b.test/5',1,1,2,301,1), (6,'http://b.test/6',1,1,2,301,1),"
        " (7,'http://b.test/7',1,3,3,0,3), (8,'http://b.test/8',2,0,0,0,0)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    return d;
}

static struct slice
line_of(const struct buf *b, unsigned n)
{
    struct slice rest = buf_slice(b);

    for (;; n--) {
        const char *end = memchr(rest.p, '\n', rest.n);

        assert_non_null(end);
        if (n == 0)
            return slice_of(rest.p, (size_t)(end - rest.p));
        rest = slice_sub(rest, (size_t)(end - rest.p) + 1, SIZE_MAX);
    }
}

TEST(export_outcomes__follows_redirects_to_their_end)
{
    struct sample_dirs d = make_crawl();
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    run(&d, EXPORT_OUTCOMES, &out);
    assert_slice_str(line_of(&out, 0), "{\"url\": \"http://b.test/1\", \"status\": 200, \"error\": null, \"bytes\": 13, \"seconds\": 0.012,"
                     " \"state\": \"done\", \"outcome\": \"redirect\", \"attempts\": 1, \"depth\": 0, \"redirects\": 2}");
    assert_slice_str(line_of(&out, 2), "{\"url\": \"http://a.test/3\", \"status\": 200, \"error\": null, \"bytes\": 13, \"seconds\": 0.012,"
                     " \"state\": \"done\", \"outcome\": \"ok\", \"attempts\": 1, \"depth\": 0, \"redirects\": 0}");
    assert_non_null(memmem(line_of(&out, 4).p, line_of(&out, 4).n, "\"error\": \"redirect_loop\"", 24));
    assert_slice_str(line_of(&out, 6), "{\"url\": \"http://b.test/7\", \"status\": null, \"error\": \"too_slow\", \"bytes\": 0, \"seconds\": 5.000,"
                     " \"state\": \"failed\", \"outcome\": \"too_slow\", \"attempts\": 3, \"depth\": 1, \"redirects\": 0}");
    assert_non_null(memmem(line_of(&out, 7).p, line_of(&out, 7).n, "\"error\": \"not_asked\"", 20));
    buf_fini(&out);
}

TEST(export_csv__defuses_formulas_and_control_characters)
{
    struct sample_dirs d = make_crawl();
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    run(&d, EXPORT_CSV, &out);
    assert_non_null(strstr(out.p, ",\"'=cmd|'/c calc'!A1 \"\"quoted\"\", and [31m more\","));
    assert_null(strchr(out.p, '\x1b'));
    assert_non_null(strstr(out.p, ",plain,"));
    assert_true(slice_ends_with(buf_slice(&out), SLICE_LITERAL("\r\n")));
    buf_fini(&out);
}

TEST(export_csv__cells)
{
    static const struct { const char *text, *cell; } cases[] = {
        { "", "" }, { "plain", "plain" }, { "a,b", "\"a,b\"" }, { "say \"x\"", "\"say \"\"x\"\"\"" }, { "=1+1", "\"'=1+1\"" },
        { "+1", "\"'+1\"" }, { "-1", "\"'-1\"" }, { "@SUM(A1)", "\"'@SUM(A1)\"" }, { "\tx", "\"' x\"" }, { "a\nb", "\"a b\"" },
        { "a\xff" "b", "a\xef\xbf\xbd" "b" }, { "a=b", "a=b" },
    };
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        buf_clear(&out);
        assert_int_equal(export_csv_cell(&out, slice_str(cases[i].text)), 0);
        assert_slice_str(buf_slice(&out), cases[i].cell);
    }
    buf_fini(&out);
}

TEST(export_cdxj__is_sorted_and_knows_revisits)
{
    struct sample_dirs d = make_crawl();
    struct slice before = SLICE_NONE, line;
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    run(&d, EXPORT_CDXJ, &out);
    for (unsigned i = 0; i < 6; i++) { /* the failure is not in it */
        line = line_of(&out, i);
        if (i > 0)
            assert_true(memcmp(before.p, line.p, ORB_MIN(before.n, line.n)) < 0);
        before = line;
    }
    assert_true(slice_starts_with(line_of(&out, 0), SLICE_LITERAL("test,a)/3 20261122113815 {\"url\": \"http://a.test/3\", \"mime\": \"text/html\", \"status\": \"200\", \"digest\": \"sha1:")));
    assert_true(slice_starts_with(line_of(&out, 1), SLICE_LITERAL("test,a,www:8080)/4 20261122113815 {\"url\": \"http://www.a.test:8080/4\", \"mime\": \"warc/revisit\"")));
    buf_fini(&out);
}

TEST(export_cdxj__has_no_line_for_what_is_withheld)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct record r = sample_page(1, "http://a.test/1", SLICE_LITERAL("kept"));
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    put(s, &r);
    r = sample_page(2, "http://a.test/2", SLICE_LITERAL("withheld"));
    r.withheld = RECORD_NOARCHIVE;
    put(s, &r);
    assert_int_equal(store_close(&s), 0);
    run(&d, EXPORT_CDXJ, &out);
    assert_non_null(strstr(out.p, "http://a.test/1"));
    assert_null(strstr(out.p, "http://a.test/2"));
    run(&d, EXPORT_CSV, &out);
    assert_non_null(strstr(out.p, ",noarchive\r\n"));
    run(&d, EXPORT_JSONL, &out);
    assert_non_null(strstr(out.p, "\"withheld\": \"noarchive\""));
    buf_fini(&out);
}

TEST(export_links__one_line_a_link)
{
    struct sample_dirs d = make_crawl();
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    run(&d, EXPORT_LINKS, &out);
    assert_slice_str(buf_slice(&out), "http://a.test/3\thttp://b.test/x\tcanonical\t\t\nhttp://a.test/3\thttp://c.test/\ta\tnofollow\tnofollow\n");
    buf_fini(&out);
}

TEST(export_jsonl__escapes_what_pages_say)
{
    struct sample_dirs d = make_crawl();
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    run(&d, EXPORT_JSONL, &out);
    assert_non_null(strstr(out.p, "\"title\": \"=cmd|'/c calc'!A1\\n\\\"quoted\\\", and\\u001b[31m more\""));
    assert_non_null(strstr(out.p, "\"links\": [{\"url\": \"http://b.test/x\", \"kind\": \"canonical\", \"nofollow\": false, \"followed\": true},"
                                  " {\"url\": \"http://c.test/\", \"kind\": \"a\", \"nofollow\": true, \"followed\": false}], \"withheld\": null}"));
    buf_fini(&out);
}

TEST(surt__turns_names_not_addresses)
{
    static const struct { const char *url, *surt; } cases[] = {
        { "http://example.org/", "org,example)/" }, { "https://www.example.org:8443/a?b", "org,example,www:8443)/a?b" },
        { "http://192.0.2.7:80/x", "192.0.2.7:80)/x" }, { "http://[2001:db8::1]:81/", "[2001:db8::1]:81)/" },
        { "http://user:pw@example.org/", "org,example)/" }, { "http://localhost", "localhost)" }, { "mailto:x", "mailto:x" },
        { "http:///a", ")/a" }, { "http://a..b/", "b,,a)/" }, { "http://example.org./", ",org,example)/" },
    };
    struct buf out;

    buf_init(&out, MEM_BUF, 1 << 20);
    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        buf_clear(&out);
        assert_int_equal(sql_surt(&out, slice_str(cases[i].url)), 0);
        assert_slice_str(buf_slice(&out), cases[i].surt);
    }
    buf_fini(&out);
}

static void
refuses_journal(const struct sample_dirs *d, const char *change, int want, const char *sentence)
{
    struct sql_conf conf = { .dir = d->root };
    struct sql *s = NULL;
    struct buf error;
    char path[512];
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/coordinator/frontier.db", d->root);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, change, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    buf_init(&error, MEM_BUF, 4096);
    assert_int_equal(sql_open(&s, &conf, &error), want);
    assert_null(s);
    assert_non_null(strstr(error.p, path));
    assert_non_null(strstr(error.p, sentence));
    buf_fini(&error);
}

TEST(sql_open__refuses_a_journal_that_is_newer_or_not_orbs)
{
    struct sample_dirs d = make_crawl();

    refuses_journal(&d, "PRAGMA user_version = 2", ORB_EVERSION, "was written by a newer orb");
    refuses_journal(&d, "PRAGMA user_version = 1; PRAGMA application_id = 7", ORB_EINVAL, "of another program");
    refuses_journal(&d, "PRAGMA user_version = 0; PRAGMA application_id = 0x6f726266", ORB_ECORRUPT, "never began");
}

TEST(sql__links_is_a_table_and_errors_are_sentences)
{
    struct sample_dirs d = make_crawl();
    struct sql_conf conf = { .dir = d.root, .kind_name = test_kind, .outcome_name = test_outcome };
    struct sql *s = NULL;
    struct buf error;

    buf_init(&error, MEM_BUF, 4096);
    assert_int_equal(sql_open(&s, &conf, &error), 0);
    assert_int_equal(sqlite3_exec(sql_sqlite(s), "SELECT count(*), max(l.kind), max(outcome(u.outcome)) FROM page p, links(p.links) l,"
                                  " frontier.url u USING (url_id) WHERE l.not_followed IS NULL", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sql_run(s, SLICE_LITERAL("-- nothing yet\n;SELECT nothing"), NULL, NULL, &error), ORB_EINVAL);
    sql_close(&s);
    buf_fini(&error);
}

TESTS(T(export_outcomes__follows_redirects_to_their_end), T(export_csv__defuses_formulas_and_control_characters), T(export_csv__cells),
      T(export_cdxj__is_sorted_and_knows_revisits), T(export_cdxj__has_no_line_for_what_is_withheld),
      T(export_links__one_line_a_link), T(export_jsonl__escapes_what_pages_say),
      T(surt__turns_names_not_addresses), T(sql_open__refuses_a_journal_that_is_newer_or_not_orbs),
      T(sql__links_is_a_table_and_errors_are_sentences))
