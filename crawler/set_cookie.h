/* set_cookie.h - one Set-Cookie value, read and judged against the URL that sent it (RFC 6265bis); used by cookies.c alone
 *
 * Total: any bytes are a cookie or none. Slices are BORROWED from the value and from the URL.
 */
#ifndef ORB_CRAWLER_SET_COOKIE_H
#define ORB_CRAWLER_SET_COOKIE_H

#include "crawler/url.h"

#define SET_COOKIE_MAX_PAIR_BYTES 4096
#define SET_COOKIE_MAX_ATTRIBUTE_BYTES 1024
#define SET_COOKIE_NEVER UINT64_MAX /* a session cookie: expires with the jar */

enum { SET_COOKIE_SECURE = 1 };

struct set_cookie {
    struct slice name, value;
    struct slice path;   /* never empty */
    struct slice domain; /* in lower case; empty: for this host only */
    uint64_t expires_s;
    uint8_t flags;
    bool has_max_age, is_expired;
};

bool set_cookie_read(struct set_cookie *out, const struct url *u, struct slice text, uint64_t now_s);
bool set_cookie_has_control(struct slice s); /* bytes that no cookie may hold; a tab may stand */

#endif
