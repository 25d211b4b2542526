/* page.h - one fetched resource, from its first header byte to its WARC record
 *
 * A page is born in fetch.c, is filled while the answer comes in, is sealed, and is read-only from then on: parse.c,
 * the worker and the record made for storage all look at the same bytes.
 *
 *   wire_body       as it crossed the wire (HTTP/1.1: still chunked and encoded)
 *   payload         chunking off, Content-Encoding still on      (BORROWED from wire_body when not chunked)
 *   body            decoded                                      (BORROWED from payload when not encoded)
 *
 * Ownership  NEW by page_new(); page_ref/page_unref move the count; slices are BORROWED for the page's life.
 * Limits     every buf has its ceiling from struct fetch_limits.
 */
#ifndef ORB_CRAWLER_PAGE_H
#define ORB_CRAWLER_PAGE_H

#include "crawler/outcome.h"
#include "gc/object.h"
#include "pool/arena.h"
#include "pool/buf.h"

struct page {
    struct object object;
    struct arena arena;           /* small strings of the page */
    struct buf request;           /* the request as sent: line, headers, empty line */
    struct buf head;              /* status line and headers of the final answer, CRLF kept, empty line included */
    struct buf wire_body;
    struct buf payload_buf, body_buf;
    struct slice payload, body;
    struct slice trailers;        /* of a chunked answer; may be empty */
    /* header fields that somebody asks for, values joined by ", " where a field may repeat; empty = absent */
    struct slice content_type, content_encoding, content_language, location, etag, last_modified, retry_after,
        x_robots_tag, link, set_cookie; /* x_robots_tag, set_cookie: values joined by "\n" */
    struct slice transfer_encoding;
    int64_t content_length;       /* announced; -1 = not, or not a number */
    char remote_address[64];      /* "192.0.2.1", "2001:db8::1"; "" = none */
    int status;                   /* 0 = none */
    int http_version;             /* 10, 11, 20 */
    enum outcome outcome;
    char error[160];              /* a sentence that adds to the outcome; "" = none */
    const char *truncated;        /* WARC-Truncated: "length", "time", "disconnect"; NULL = whole */
    uint64_t fetched_at_ms;       /* Unix time of the request */
    uint32_t fetch_ms;
    uint64_t wire_bytes;          /* header and body bytes received */
    bool is_mislabelled;          /* Content-Encoding announced what was not there */
    bool is_connection_reused;
    bool is_chunked;
};

/* A page lives while its transfer does, and until it is stored: mux_new() adds the transfers' own limit. */
#define PAGE_LIFETIME_MS 120000u
extern struct object_type page_type;
struct page *page_new(size_t max_header_bytes, size_t max_body_bytes, size_t max_decoded_bytes); /* NEW or NULL */
static inline struct page *page_ref(struct page *p) { object_ref(&p->object); return p; }
void page_unref(struct page **p);

/* Reads status, version and fields out of head. ORB_EINVAL: no status line, or lengths that differ; ORB_ENOMEM. */
int page_read_head(struct page *p) ORB_MUST_USE;

/* Takes chunking and encoding off. A body that cannot be read makes a failure of the outcome OK; every other outcome
 * stays (a redirect with a damaged body is a redirect) and the error says what was wrong. */
void page_seal(struct page *p, size_t max_decoded_bytes);

/* Sets outcome and the sentence; what is not printable ASCII in it becomes '?'. */
void page_fail(struct page *p, enum outcome outcome, const char *fmt, ...) ORB_PRINTF(3, 4);

#endif
