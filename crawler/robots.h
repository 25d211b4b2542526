/* robots.h - the Robots Exclusion Protocol, RFC 9309
 *
 * Longest match wins, allow wins a tie, `*` and `$`, percent-encoding normalised on both sides, /robots.txt itself is
 * always allowed; groups of the same product token are merged; an agent without a group of its own uses `*`.
 * Crawl-delay (of the group that applies) and Sitemap lines (of the whole file) are read too.
 *
 * Ownership  NEW by robots_parse(); a struct robots is an object (robots_type). Slices are BORROWED for its life.
 * Limits     only the first 500 KiB are read, at most 20,000 rules and 1,000 sitemaps, lines over 16 KiB are skipped.
 */
#ifndef ORB_CRAWLER_ROBOTS_H
#define ORB_CRAWLER_ROBOTS_H

#include "crawler/url.h"
#include "gc/object.h"

#define ROBOTS_MAX_BYTES (500 * 1024)
#define ROBOTS_NO_DELAY UINT32_MAX

struct robots;
extern struct object_type robots_type;

/* agent: our product token ("orbweaver"), or a whole User-Agent value whose leading token counts. */
struct robots *robots_parse(struct slice body, struct slice agent); /* NEW; NULL: out of memory */
struct robots *robots_all(bool is_allowed);                         /* NEW: everything allowed (404), or nothing (5xx) */
void robots_unref(struct robots **r);
bool robots_allows(const struct robots *r, struct slice path_query);   /* "/a/b?c"; never a full URL */
uint32_t robots_crawl_delay_ms(const struct robots *r);                /* ROBOTS_NO_DELAY = none */
size_t robots_n_sitemaps(const struct robots *r);
struct slice robots_sitemap(const struct robots *r, size_t i);         /* BORROWED, as written */

#endif
