/* url.h - URLs by the WHATWG URL Standard (https://url.spec.whatwg.org/), one buffer and offsets into it
 *
 * A parsed URL is its serialisation plus the places where its parts begin and end, so that a part costs nothing.
 *
 *   https://user:pass@example.com:1234/foo/bar?baz#qux
 *         |      |    |          | ^^^^|       |   |
 *         |      |    |          | |   |       |   `----- fragment_start (at '#')
 *         |      |    |          | |   |       `--------- query_start (at '?')
 *         |      |    |          | |   `----------------- path_start
 *         |      |    |          | `--------------------- port (-1 = none in the serialisation)
 *         |      |    |          `----------------------- host_end
 *         |      |    `---------------------------------- host_start (first byte of the host; after '@' or "//")
 *         |      `--------------------------------------- username_end
 *         `---------------------------------------------- scheme_end (behind ':')
 *
 * Ownership  a struct url owns its bytes: url_init ... url_fini; url_parse() may be called again and again on one.
 *            Slices are BORROWED until the next call that changes the url.
 * Errors     url_parse(): ORB_EINVAL (no URL by the standard), ORB_ENOMEM, ORB_ETOOBIG (over URL_MAX_BYTES).
 *            After an error the url is empty.
 */
#ifndef ORB_CRAWLER_URL_H
#define ORB_CRAWLER_URL_H

#include "pool/buf.h"

#define URL_MAX_BYTES (64 * 1024)
#define URL_NO_PART UINT32_MAX

struct url {
    struct buf href;
    uint32_t scheme_end, username_end, host_start, host_end, path_start;
    uint32_t query_start, fragment_start; /* URL_NO_PART = none */
    int32_t port;                         /* -1 = none or the scheme's default */
    bool is_special;                      /* http, https, ws, wss, ftp, file */
    bool has_host;                        /* host is not null */
    bool has_opaque_path;
};

void url_init(struct url *u, enum mem_domain domain);
void url_fini(struct url *u);
int url_copy(struct url *to, const struct url *from) ORB_MUST_USE;

/* base may be NULL (then href must be absolute); base and u may not be the same. href is UTF-8 (bad bytes become U+FFFD). */
int url_parse(struct url *u, struct slice href, const struct url *base) ORB_MUST_USE;

/* As url_parse(); the query of a special URL is percent-encoded in the document's encoding: `encode` turns UTF-8 into it
 * (HTML: a character that does not fit becomes "%26%23NNN%3B", NNN decimal; '%' is not encoded again). NULL = UTF-8. */
typedef int url_encode_fn(struct buf *out, struct slice utf8, void *arg);
int url_parse_encoded(struct url *u, struct slice href, const struct url *base, url_encode_fn *encode,
                      void *arg) ORB_MUST_USE;

/* As url_parse() without a base, but href must be a serialised URL without a fragment already: else ORB_EINVAL. */
int url_parse_canonical(struct url *u, struct slice href) ORB_MUST_USE;

static inline struct slice url_href(const struct url *u) { return buf_slice(&u->href); }
struct slice url_scheme(const struct url *u);    /* "https", without ':' */
struct slice url_username(const struct url *u);
struct slice url_password(const struct url *u);
struct slice url_host(const struct url *u);      /* ASCII; IPv6 with its brackets */
struct slice url_path(const struct url *u);      /* "/foo/bar" */
struct slice url_query(const struct url *u);     /* with '?', or empty */
struct slice url_fragment(const struct url *u);  /* with '#', or empty */
struct slice url_path_query(const struct url *u);/* what a request line asks for: path and query, at least "/" */
struct slice url_origin(const struct url *u, struct buf *scratch); /* "https://example.com:1234"; in scratch */
uint16_t url_effective_port(const struct url *u);/* the scheme's default when none is given; 0 = none */
bool url_is_http(const struct url *u);           /* http or https */
bool url_host_is_ip(const struct url *u);
void url_drop_fragment(struct url *u);
void url_drop_userinfo(struct url *u);

/* The crawl key: two URLs with one key are one page. `key` is cleared first. See urlkey.h for the rules. */
struct urlkey_rules;
int url_key(struct buf *key, const struct url *u, const struct urlkey_rules *rules) ORB_MUST_USE; /* NULL = built-in rules */

#endif
