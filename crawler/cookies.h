/* cookies.h - RFC 6265bis cookies of one host, as text that travels with its lease
 *
 * The coordinator keeps one jar per host (frontier.db); a lease carries it to the worker and a report brings it back.
 *
 * Refused    control bytes, more than 4,096 bytes of name and value, a Domain that does not match the host or is a public
 *            suffix (libpsl), Secure from http, a secure cookie overwritten from http, __Secure- and __Host- names that
 *            do not keep their promise.
 * Limits     50 cookies and 8 KiB a host; the expired go first, then the oldest. A cookie set for a parent domain stays with
 *            the host that got it (jars are per host on purpose: a crawl is no browser session). No cookie lives longer
 *            than 400 days; one without Max-Age and Expires lives as long as the jar. HttpOnly, SameSite and Partitioned
 *            mean nothing to a crawler.
 * Time       now_s is an argument.
 */
#ifndef ORB_CRAWLER_COOKIES_H
#define ORB_CRAWLER_COOKIES_H

#include "crawler/url.h"

#define COOKIES_MAX_PER_HOST 50
#define COOKIES_MAX_BYTES 8192
#define COOKIES_MAX_LIFE_S ((uint64_t)400 * 24 * 60 * 60)

struct cookies;

int cookies_new(struct cookies **out) ORB_MUST_USE;
void cookies_free(struct cookies **c);
int cookies_load(struct cookies *c, struct slice text) ORB_MUST_USE; /* what cookies_save() made; ORB_EINVAL: left empty */
int cookies_save(const struct cookies *c, struct buf *out) ORB_MUST_USE; /* appends; nothing when there are none */
/* One Set-Cookie value of an answer from u. Returns whether the jar changed. No memory: it did not. */
bool cookies_set(struct cookies *c, const struct url *u, struct slice set_cookie, uint64_t now_s);
/* The Cookie header's value for a request of u, appended; nothing when none applies. Drops the expired. */
int cookies_header(struct cookies *c, const struct url *u, uint64_t now_s, struct buf *out) ORB_MUST_USE;
size_t cookies_count(const struct cookies *c);
size_t cookies_bytes(const struct cookies *c); /* of names, values, paths and domains: what COOKIES_MAX_BYTES is about */

/* RFC 6265 section 5.1.1, in seconds since 1970 (0 for those before). Total; false: no date. */
bool cookies_date_parse(struct slice text, uint64_t *seconds);

#endif
