/* urlkey.h - the crawl key: two URLs with one key are one page
 *
 * From the serialised URL: fragment and userinfo go, an empty query goes; escapes of unreserved characters are decoded,
 * others get upper-case hex; what RFC 3986 does not allow as it stands is encoded, a '%' that begins no escape among it.
 * Parameters that only track or name a session go by a table of rules. The order of parameters, double slashes and the
 * case of paths stay: changing them breaks real sites. A key is a URL that parses, and its own key.
 *
 * Rules      one a line; '#' begins a comment. The last rule that matches decides;
 *            the built-in ones (urlkey_builtin_rules) stand before the user's.
 *              drop utm_*        the query's parameters whose name begins with "utm_"; ASCII case does not matter
 *              keep sid          stays, whatever rules before say
 *              drop ;jsessionid  path parameters: "/a;jsessionid=1/b" becomes "/a/b"
 *              keep *            forgets the built-in query rules;  keep ;*  the built-in path rules
 * Ownership  rules are NEW from urlkey_rules_new() and never change: any number of keys, one thread each.
 */
#ifndef ORB_CRAWLER_URLKEY_H
#define ORB_CRAWLER_URLKEY_H

#include "crawler/url.h"

#define URLKEY_MAX_RULES 1000
#define URLKEY_MAX_NAME_BYTES 60

struct urlkey_rules;

/* ORB_EINVAL: error (may be NULL) gets a sentence that names the line. Empty text = the built-in rules. */
int urlkey_rules_new(struct urlkey_rules **out, struct slice text, struct buf *error) ORB_MUST_USE;
void urlkey_rules_free(struct urlkey_rules **rules);

/* The built-in rules as text; BORROWED, static. */
const char *urlkey_builtin_rules(void);

#endif
