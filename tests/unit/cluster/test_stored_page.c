#include "cluster/stored_page.h"

#include "cluster/crawl_read.h"
#include "tests/support/store_sample.h"

#include <zlib.h>

#define BODY "<title>x</title>the decoded body, the decoded body, the decoded body"

static void
gzip_chunked(struct buf *chunked, struct buf *packed, struct slice body)
{
    z_stream z = { 0 };

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buf_reserve(packed, 4096), 0);
    z.next_in = (Bytef *)(uintptr_t)body.p;
    z.avail_in = (uInt)body.n;
    z.next_out = (Bytef *)packed->p;
    z.avail_out = 4096;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed->n = z.total_out;
    deflateEnd(&z);
    assert_int_equal(buf_printf(chunked, "%zx\r\n", packed->n), 0);
    assert_int_equal(buf_append_slice(chunked, buf_slice(packed)), 0);
    assert_int_equal(buf_append_str(chunked, "\r\n0\r\n\r\n"), 0);
}

static void
assert_body(struct crawl_read *c, const struct sample_dirs *d, const char *url, const char *body)
{
    struct page_place place;
    struct page_bytes bytes;
    struct page *p = NULL;

    page_bytes_init(&bytes);
    assert_int_equal(page_find(c->sql, slice_str(url), &place), 0);
    assert_int_equal(page_read(d->root, &place, true, &bytes), 0);
    assert_true(bytes.is_answer);
    assert_int_equal(stored_page_make(&p, &bytes), 0);
    assert_int_equal(p->outcome, OUTCOME_OK);
    assert_slice_str(p->body, body);
    page_unref(&p);
    page_bytes_fini(&bytes);
}

TEST(stored_page__comes_back_decoded)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct buf chunked, packed;
    struct crawl_read c;
    struct page_place place;
    struct record r;

    buf_init(&chunked, MEM_BUF, 1 << 20);
    buf_init(&packed, MEM_BUF, 1 << 20);
    gzip_chunked(&chunked, &packed, SLICE_LITERAL(BODY));
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    r = sample_page(1, "http://example.org/packed", SLICE_NONE);
    r.head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
    r.wire_body = buf_slice(&chunked);
    r.payload = buf_slice(&packed);
    r.body = SLICE_LITERAL(BODY);
    r.content_encoding = SLICE_LITERAL("gzip");
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    r.url_id = 2; /* the same payload: a revisit, whose body is the first one's */
    r.url = SLICE_LITERAL("http://mirror.example.org/packed");
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    r = sample_page(3, "https://example.org/h2", SLICE_LITERAL("5\r\nnot chunked"));
    r.http_version = 20;
    r.head = SLICE_LITERAL("HTTP/2 200 \r\ncontent-type: text/plain\r\n\r\n");
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    r = sample_page(4, "http://example.org/empty", SLICE_NONE);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    r = sample_failure(5, "http://example.org/failed");
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);

    assert_int_equal(crawl_read_open(&c, "test", d.root, false), 0);
    assert_body(&c, &d, "http://example.org/packed", BODY);
    assert_body(&c, &d, "http://mirror.example.org/packed", BODY);
    assert_body(&c, &d, "https://example.org/h2", "5\r\nnot chunked");
    assert_body(&c, &d, "http://example.org/empty", "");
    assert_int_equal(page_find(c.sql, SLICE_LITERAL("http://example.org/failed"), &place), 0);
    assert_string_equal(place.outcome, "connect_timeout");
    assert_int_equal(page_find(c.sql, SLICE_LITERAL("http://example.org/never"), &place), ORB_ENOTFOUND);
    crawl_read_close(&c);
    buf_fini(&chunked);
    buf_fini(&packed);
}

TEST(text_append_printable__lets_nothing_steer_a_terminal)
{
    static const struct { const char *text, *printed; } cases[] = {
        { "plain \xc3\xa9", "plain \xc3\xa9" }, { "\x1b[31mred", "\\x1b[31mred" }, { "a\tb\nc\rd", "a\\tb\\nc\\rd" },
        { "\xc2\x9b" "31m", "\\x9b31m" }, { "bad \xff", "bad \xef\xbf\xbd" }, { "cut \xc2", "cut \xef\xbf\xbd" }, { "\x7f", "\\x7f" },
    };
    struct buf out;

    buf_init(&out, MEM_BUF, 4096);
    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        buf_clear(&out);
        assert_int_equal(text_append_printable(&out, slice_str(cases[i].text)), 0);
        assert_slice_str(buf_slice(&out), cases[i].printed);
    }
    buf_fini(&out);
}

TESTS(T(stored_page__comes_back_decoded), T(text_append_printable__lets_nothing_steer_a_terminal))
