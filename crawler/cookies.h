/* cookies.h - RFC 6265bis cookies of one host, as text that travels with its lease
 *
 * The coordinator keeps one jar per host (frontier.db); a lease carries it to the worker and a report brings it back.
 *
 * Limits     50 cookies and 8 KiB a host; the oldest goes first. A Domain attribute that is a public suffix (libpsl) or
 *            that does not match the host refuses the cookie; a cookie set for a parent domain stays with the host that
 *            got it (jars are per host on purpose: a crawl is no browser session).
 * Time       now_s is an argument.
 */
#ifndef ORB_CRAWLER_COOKIES_H
#define ORB_CRAWLER_COOKIES_H

#include "crawler/url.h"

#define COOKIES_MAX_PER_HOST 50
#define COOKIES_MAX_BYTES 8192

struct cookies;

int cookies_new(struct cookies **out) ORB_MUST_USE;
void cookies_free(struct cookies **c);
int cookies_load(struct cookies *c, struct slice text) ORB_MUST_USE; /* what cookies_save() made; ORB_EINVAL: left empty */
int cookies_save(const struct cookies *c, struct buf *out) ORB_MUST_USE;
/* One Set-Cookie value of an answer from u. Returns whether the jar changed. */
bool cookies_set(struct cookies *c, const struct url *u, struct slice set_cookie, uint64_t now_s);
/* The Cookie header's value for a request of u; empty when none applies. */
int cookies_header(struct cookies *c, const struct url *u, uint64_t now_s, struct buf *out) ORB_MUST_USE;
size_t cookies_count(const struct cookies *c);

#endif
