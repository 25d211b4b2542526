/* store_sample.h - answers as a worker would hand them to the store, for the tests of storage/ */
#ifndef ORB_TESTS_STORE_SAMPLE_H
#define ORB_TESTS_STORE_SAMPLE_H

#include "storage/store.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SAMPLE_NOW_MS 1795347495123u

struct sample_dirs {
    char root[160], pages[192], warc[192];
};

static inline struct sample_dirs
sample_dirs_new(void)
{
    struct sample_dirs d;

    snprintf(d.root, sizeof d.root, "%s", scratch_dir());
    snprintf(d.pages, sizeof d.pages, "%s/pages", d.root);
    snprintf(d.warc, sizeof d.warc, "%s/warc", d.root);
    assert_int_equal(mkdir(d.pages, 0755), 0);
    assert_int_equal(mkdir(d.warc, 0755), 0);
    return d;
}

static inline struct store_conf
sample_conf(const struct sample_dirs *d)
{
    return (struct store_conf){ .pages_dir = d->pages, .warc_dir = d->warc, .slot = 3, .crawl = "test crawl",
                                .software = "orbweaver/test", .contact = "operator@example.org", .user_agent = "orb-test" };
}

/* A page of HTML over HTTP/1.1; url and body BORROWED. */
static inline struct record
sample_page(uint64_t url_id, const char *url, struct slice body)
{
    return (struct record){
        .url_id = url_id, .url = slice_str(url), .status = 200, .http_version = 11, .fetched_at_ms = SAMPLE_NOW_MS + url_id,
        .fetch_ms = 12, .content_type = SLICE_LITERAL("text/html; charset=utf-8"), .charset = SLICE_LITERAL("utf-8"),
        .title = SLICE_LITERAL("A page"), .etag = SLICE_LITERAL("\"v1\""),
        .last_modified = SLICE_LITERAL("Sun, 22 Nov 2026 10:00:00 GMT"), .outcome = SLICE_LITERAL("ok"),
        .remote_address = SLICE_LITERAL("127.0.0.1"), .request = SLICE_LITERAL("GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        .head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n"),
        .wire_body = body, .payload = body, .body = body,
    };
}

/* A fetch that got no answer. */
static inline struct record
sample_failure(uint64_t url_id, const char *url)
{
    return (struct record){ .url_id = url_id, .url = slice_str(url), .fetched_at_ms = SAMPLE_NOW_MS + url_id, .fetch_ms = 5000,
                            .outcome = SLICE_LITERAL("connect_timeout"), .error = SLICE_LITERAL("no answer from 192.0.2.1:80\r\nfor 5 s") };
}

/* Body bytes that differ by seed: words and numbers, as compressible as HTML. */
static inline void
sample_body(struct buf *b, unsigned seed, size_t n_bytes)
{
    buf_clear(b);
    while (b->n < n_bytes) {
        seed = seed * 1103515245u + 12345u;
        assert_int_equal(buf_printf(b, "<p class=\"item\"><a href=\"/page/%u\">word%u</a> text number %u</p>\n", seed >> 8, seed >> 20, seed), 0);
    }
    buf_truncate(b, n_bytes);
}

#endif
