/* record.h - what a worker hands to storage: one answer, as plain slices
 *
 * storage/ knows nothing of the crawler's types; the worker fills this in. Everything is BORROWED for the call.
 */
#ifndef ORB_STORAGE_RECORD_H
#define ORB_STORAGE_RECORD_H

#include "pool/slice.h"

struct record_link {
    struct slice url;  /* canonical */
    uint8_t kind;      /* enum link_kind of crawler/parse.h, stored as it is */
    uint8_t flags;     /* LINK_NOFOLLOW ... */
    uint8_t not_followed; /* 0 = offered to the coordinator, else an enum outcome or RECORD_* reason */
};
enum { RECORD_LINK_NOFOLLOW = 251, RECORD_LINK_ASSET = 252, RECORD_LINK_POLICY = 253, RECORD_LINK_NOT_HTTP = 254 };

/* What a page asked not to be kept. The row's column `withheld` holds the name; the WARC file gets a metadata record. */
enum record_withheld {
    RECORD_KEPT,
    RECORD_NOARCHIVE, /* no byte of the answer; what was read out of it stays in the row */
    RECORD_NOINDEX,   /* nor that, but for its links: no title, description, language, charset, simhash, digest */
};
const char *record_withheld_name(enum record_withheld w); /* "noarchive", "noindex", NULL; static */

struct record {
    uint64_t url_id;
    struct slice url;
    struct slice redirect_to;
    int status;               /* 0 = no answer */
    int http_version;         /* 10, 11, 20 */
    uint64_t fetched_at_ms;   /* Unix time */
    uint32_t fetch_ms;
    struct slice content_type, charset, title, description, language, etag, last_modified;
    uint64_t simhash;
    struct slice outcome;     /* its name */
    struct slice error;       /* a sentence; may be empty */
    const char *truncated;    /* WARC-Truncated's value; NULL = whole */
    enum record_withheld withheld;
    struct slice remote_address;
    const struct record_link *links;
    size_t n_links;
    /* bytes for the WARC file; head empty = no answer came: a metadata record tells the error */
    struct slice request;     /* as sent */
    struct slice head;        /* as received, empty line included */
    struct slice wire_body;   /* as received (HTTP/1.1: still chunked; HTTP/2: DATA bytes) */
    struct slice payload;     /* de-chunked, still encoded: what the payload digest is over */
    struct slice body;        /* decoded: what the page cache's digest is over */
    struct slice content_encoding; /* so that compressed bodies are stored, not deflated again */
};

#endif
