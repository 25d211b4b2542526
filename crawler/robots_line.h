/* robots_line.h - the lines of a robots.txt file and the spelling of its paths; used by robots.c (the token also by what reads meta robots)
 *
 * Total: any bytes are lines; what is no record is ROBOTS_KEY_OTHER. Slices are BORROWED from the body.
 */
#ifndef ORB_CRAWLER_ROBOTS_LINE_H
#define ORB_CRAWLER_ROBOTS_LINE_H

#include "pool/buf.h"

enum robots_key {
    ROBOTS_KEY_OTHER,
    ROBOTS_KEY_AGENT,
    ROBOTS_KEY_ALLOW,
    ROBOTS_KEY_DISALLOW,
    ROBOTS_KEY_DELAY,
    ROBOTS_KEY_SITEMAP
};

/* In a compiled pattern these stand for `*` and a final `$`; no normal path holds a control byte. */
#define ROBOTS_ANY '\1'
#define ROBOTS_END '\2'

struct slice robots_skip_bom(struct slice body);
/* Takes the next line off *rest; false at the end. The value is trimmed, without comment. */
bool robots_line_next(struct slice *rest, enum robots_key *key, struct slice *value);
/* The leading run of token characters. */
struct slice robots_token(struct slice value);
/* RFC 9309 section 2.2.2: unreserved characters plain, what is neither unreserved nor reserved as %XX, the reserved as
 * they stand ("/" and "%2F" differ), `*` and `$` plain. Appends. is_pattern: `*` and a final `$` become ROBOTS_ANY, ROBOTS_END. */
int robots_path_append(struct buf *out, struct slice path, bool is_pattern) ORB_MUST_USE;
bool robots_path_is_normal(struct slice path); /* a URL's path that robots_path_append() would not change */
/* Seconds with a fraction, as milliseconds up to max_ms. */
bool robots_delay_parse(struct slice value, uint32_t max_ms, uint32_t *ms);

#endif
