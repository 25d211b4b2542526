/* dns_cache.h - inside dns.c: answers by name, until their time is over or others are more in demand
 *
 * Ownership  copies what it is given. Errors: want of memory is a miss, never an error.
 * Limits     at most max_entries names; the least recently used one makes room.
 */
#ifndef ORB_CRAWLER_DNS_CACHE_H
#define ORB_CRAWLER_DNS_CACHE_H

#include "crawler/dns_name.h"
#include "pool/list.h"
#include "pool/map.h"

struct dns_cache {
    struct map by_key;
    struct list by_use; /* most recently used first */
    unsigned n, max_entries;
    uint64_t n_evicted;
};

void dns_cache_init(struct dns_cache *c, unsigned max_entries);
void dns_cache_fini(struct dns_cache *c);
/* Fills *found, its ttl_s being what is left; false: not there, or too old. */
bool dns_cache_get(struct dns_cache *c, uint64_t key, struct slice name, double now_s, struct dns_found *found);
void dns_cache_put(struct dns_cache *c, uint64_t key, struct slice name, double now_s, const struct dns_found *found);
void dns_cache_clear(struct dns_cache *c);

#endif
