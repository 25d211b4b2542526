/* cache.h - bodies that were parsed before are not parsed again
 *
 *        cache_find (weak-value map, by key)        cache_put: newest in front      beyond limit_bytes: the oldest
 *   body ------------------------------------> miss --------------------------> KEPT --------------------------> let go
 *                     hit: to the front                                           ^                                | nobody else
 *                                                                                 +-- cache_find, while somebody   v holds it
 *                                                                                     else still holds it       nothing
 *
 * The key is what parsing a body depends on: its bytes, its Content-Type, our product token, and whether assets are wanted;
 * nothing of the URL, so that mirrors hit (parsed_page.h says why that is right). It is a 128-bit hash under a secret of the
 * process: who does not know the secret cannot make two bodies that share it.
 * A second map finds parsed pages by the URL that they were met on first, for a server that says "not modified".
 *
 * Ownership  cache_find() gives NEW or NULL; cache_put() KEEPS. The strong list is the root "cache.kept".
 * Errors     none: a page that cannot be kept is parsed again some day.
 */
#ifndef ORB_CRAWLER_CACHE_H
#define ORB_CRAWLER_CACHE_H

#include "crawler/parsed_page.h"

#define CACHE_SECRET_BYTES 192

struct cache;

struct cache_key {
    uint8_t bytes[PARSED_PAGE_KEY_BYTES];
};

struct cache_stats {
    uint64_t n_hits, n_misses;      /* bodies found; bodies that were parsed and came here */
    uint64_t n_url_hits;            /* answers without a body whose page is known */
    uint64_t n_evicted, n_refused;  /* refused: too large for the limit */
    uint64_t saved_bytes;           /* of bodies that were not parsed again */
    size_t n_kept, kept_bytes, limit_bytes;
    size_t n_known;                 /* kept ones and those that others still hold */
};

/* limit_bytes 0: nothing is kept and nothing is found, at no cost. */
int cache_new(struct cache **out, size_t limit_bytes, const uint8_t secret[static CACHE_SECRET_BYTES]) ORB_MUST_USE;
void cache_free(struct cache **c);
bool cache_is_on(const struct cache *c);

void cache_key_of(const struct cache *c, const struct parse_input *in, struct cache_key *key);
struct parsed_page *cache_find(struct cache *c, const struct cache_key *key); /* NEW or NULL; counted */
struct parsed_page *cache_find_url(struct cache *c, struct slice url);        /* NEW or NULL; counted when found */
void cache_put(struct cache *c, const struct cache_key *key, struct parsed_page *p);
/* Lets the oldest go until no more than that is kept. */
void cache_shrink(struct cache *c, size_t to_bytes);
void cache_stats(const struct cache *c, struct cache_stats *out);
/* Links of the pages that are known: kept, or held by others. Looks at each page; c may be NULL. */
size_t cache_count_links(const struct cache *c);

/* parse_page() through the cache: c may be NULL. *used becomes NEW, also after an error: what was found or kept; may be NULL. */
int cache_parse(struct cache *c, struct parsed *out, const struct parse_input *in, struct parsed_page **used) ORB_MUST_USE;

#endif
