/* dns.h - names to addresses, with c-ares on libev; libcurl never resolves a name
 *
 * A and AAAA are asked together; their answers are interleaved, IPv4 first, in the order of the name server. The name
 * servers are the user's choice: the guard is not asked about them, but it is about every address found.
 *
 * Ownership  dns_lookup() KEEPS nothing of its caller but callback and arg; the answer is BORROWED during the callback.
 * Cache      answers for their TTL (clamped to 30 s - 1 day), failures for 60 s (no such host: 300 s); at most
 *            DNS_MAX_CACHED names, least recently used out first.
 * Limits     at most 256 lookups in flight (the others wait their turn), 16 addresses per name.
 * Errors     the callback is always called exactly once, possibly before dns_lookup() returns - never after dns_free(),
 *            which calls those outstanding with OUTCOME_NOT_STARTED; so does want of memory.
 */
#ifndef ORB_CRAWLER_DNS_H
#define ORB_CRAWLER_DNS_H

#include <netinet/in.h>

#include "crawler/outcome.h"
#include "pool/check.h"
#include "pool/slice.h"

#define DNS_MAX_ADDRESSES 16
#define DNS_MAX_CACHED 4096

struct ev_loop;
struct dns;

struct dns_answer {
    enum outcome outcome;      /* OUTCOME_OK, _DNS_NO_SUCH_HOST, _DNS_TIMEOUT, _DNS_FAILED, _NOT_STARTED */
    struct sockaddr_storage addresses[DNS_MAX_ADDRESSES]; /* in the order to try them; port 0 */
    unsigned n_addresses;
    unsigned ttl_s;
};

typedef void dns_done_fn(void *arg, const struct dns_answer *answer);

struct dns_conf {
    const char *servers;       /* "127.0.0.1:5353,[::1]:53"; NULL = /etc/resolv.conf */
    struct slice hosts;        /* a hosts file's text, looked at first; BORROWED until dns_free() */
    unsigned timeout_ms, tries; /* of the first try, doubled by each further one; 0 = 2,000 ms, 3 tries */
    unsigned min_ttl_s, max_ttl_s; /* 0 = 30 s, 1 day */
    unsigned failure_ttl_s, no_such_host_ttl_s; /* 0 = 60 s, 300 s */
};

struct dns_stats {
    unsigned n_cached, n_in_flight, n_waiting; /* names; waiting: their turn has not come */
    uint64_t n_hits, n_merged, n_misses, n_evicted;
};

/* c-ares with our allocator; once per process, before any thread; again is harmless. ORB_ENOMEM. */
int dns_library_init(void) ORB_MUST_USE;
void dns_library_fini(void);

int dns_new(struct dns **out, struct ev_loop *loop, const struct dns_conf *conf) ORB_MUST_USE; /* ORB_EINVAL: servers */
void dns_free(struct dns **dns); /* not from inside a callback */
/* host: a name, an IPv4 literal or a bracketed IPv6 literal (the last two answer at once). Names are absolute: no
 * search list. localhost and *.localhost are loopback, *.invalid and *.onion do not exist, and nobody is asked (RFC
 * 6761, 7686). */
void dns_lookup(struct dns *dns, struct slice host, dns_done_fn *done, void *arg);
void dns_cancel(struct dns *dns, dns_done_fn *done, void *arg); /* forget that lookup: its callback is not called */
void dns_put(struct dns *dns, struct slice host, const struct dns_answer *answer); /* known from elsewhere (a lease) */
void dns_flush(struct dns *dns); /* empties the cache */
void dns_stats(const struct dns *dns, struct dns_stats *out);

#endif
