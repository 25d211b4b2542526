/* scope.h - which URLs belong to the crawl: --scope, --include/--exclude, --depth, trap rules, [host] sections
 *
 * Pure: (settings, URL, depth) -> OUTCOME_OK or the reason of exclusion. Asked once per crawl key, when it is first seen.
 *   host    the seeds' hosts (name and port; http's 80 and https's 443 count as one)
 *   domain  their registrable domains, by the public suffix list, whatever the port
 *   prefix  URLs below the last '/' of a seed's path, on its host          any  everything
 * The first reason counts: scheme, scope, depth, traps (length, path depth, a segment more often than
 * max_repeated_segments, parameters), patterns.
 * Patterns are PCRE2 with match and depth limits; a pattern that runs over its limit excludes the URL and is counted.
 *
 * Ownership  scope_new() NEW, copies what it needs of conf; scope_add_seed() copies, and takes a seed redirect's target too.
 * Errors     scope_add_seed(): ORB_EINVAL for URLs that are neither http nor https, ORB_ENOMEM.
 */
#ifndef ORB_CRAWLER_SCOPE_H
#define ORB_CRAWLER_SCOPE_H

#include "crawler/outcome.h"
#include "crawler/url.h"

enum scope_kind { SCOPE_HOST, SCOPE_DOMAIN, SCOPE_PREFIX, SCOPE_ANY };

struct scope_conf {
    enum scope_kind kind;
    const char *const *includes, *const *excludes; /* NULL-terminated PCRE2; NULL = none. Any include must match. */
    unsigned max_depth;          /* UINT_MAX = none */
    unsigned max_url_bytes, max_path_depth, max_repeated_segments, max_parameters; /* 0 = no such rule */
};

struct scope;

/* On ORB_EINVAL *error says which pattern and where. */
int scope_new(struct scope **out, const struct scope_conf *conf, struct buf *error) ORB_MUST_USE;
void scope_free(struct scope **s);
int scope_add_seed(struct scope *s, const struct url *seed) ORB_MUST_USE;
enum outcome scope_judge(struct scope *s, const struct url *u, unsigned depth);
uint64_t scope_n_pattern_overruns(const struct scope *s);

/* "example.org", "example.org:8080", "*.example.org" (all below it, not itself), "*": a [host "..."] section's pattern. */
bool scope_host_matches(struct slice pattern, struct slice host, uint16_t port);
/* The registrable domain ("example.co.uk"); the host itself for IP addresses and public suffixes. BORROWED from host,
 * without its last dot. */
struct slice scope_registrable_domain(struct slice host);

#endif
