/* robots.h - the Robots Exclusion Protocol, RFC 9309
 *
 * Longest match wins, allow wins a tie, `*` and `$`, percent-encoding normalised on both sides (`%2A` and `%24` stand for
 * the characters themselves), /robots.txt itself is always allowed; groups of the same product token are merged; an agent
 * without a group of its own uses `*`. Crawl-delay (of the group that applies; the longest) and Sitemap lines (of the
 * whole file) are read too.
 *
 * Tokens     letters, digits, '_' and '-', whole and in any case. When no line names the agent so, a line whose token is
 *            the agent's followed by a digit counts: the RFC's own tokens end there.
 * Leniency   a BOM, CR line ends, blanks before the colon, a blank instead of the colon, common misspellings of the keys,
 *            and "Allow: .../index.html", which allows ".../" too.
 *
 * Ownership  NEW by robots_parse(); a struct robots is an object (robots_type) that refers to another, "Rule": what the file
 *            came to, which hosts share whose files came to the same, byte for byte. Slices are BORROWED for its life.
 * Limits     only the first 500 KiB are read. A question that would take more than ROBOTS_MAX_WORK_BYTES of comparing
 *            (patterns made to be slow) is answered with no.
 */
#ifndef ORB_CRAWLER_ROBOTS_H
#define ORB_CRAWLER_ROBOTS_H

#include "crawler/url.h"
#include "gc/object.h"

#define ROBOTS_MAX_BYTES (500 * 1024)
#define ROBOTS_MAX_SITEMAPS 1000
#define ROBOTS_MAX_DELAY_MS (24u * 60 * 60 * 1000)
#define ROBOTS_MAX_WORK_BYTES ((size_t)16 * 1024 * 1024)
#define ROBOTS_NO_DELAY UINT32_MAX

struct robots;
extern struct object_type robots_type;

/* agent: our product token ("orbweaver"), or a whole User-Agent value whose leading token counts. */
struct robots *robots_parse(struct slice body, struct slice agent); /* NEW; NULL: out of memory */
struct robots *robots_all(bool is_allowed);                         /* NEW: everything allowed (404), or nothing (5xx) */
void robots_unref(struct robots **r);
/* path_query: "/a/b?c"; never a full URL. false also when memory ends. */
bool robots_allows(const struct robots *r, struct slice path_query);
uint32_t robots_crawl_delay_ms(const struct robots *r);                /* ROBOTS_NO_DELAY = none; clamped to a day */
size_t robots_n_rules(const struct robots *r);
size_t robots_n_sitemaps(const struct robots *r);
struct slice robots_sitemap(const struct robots *r, size_t i);         /* BORROWED, as written; no repetitions */

#endif
