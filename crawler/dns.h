/* dns.h - names to addresses, with c-ares on libev; libcurl never resolves a name
 *
 * Ownership  dns_lookup() KEEPS nothing of its caller but callback and arg; the answer is BORROWED during the callback.
 * Cache      answers for their TTL (clamped to 30 s - 1 day), failures for 60 s (no such host: 300 s); at most
 *            DNS_MAX_CACHED names, least recently used out first.
 * Limits     at most 256 lookups in flight (the others wait their turn), 16 addresses per name.
 * Errors     the callback is always called exactly once, possibly before dns_lookup() returns - never after dns_free(),
 *            which calls those outstanding with OUTCOME_NOT_STARTED.
 */
#ifndef ORB_CRAWLER_DNS_H
#define ORB_CRAWLER_DNS_H

#include <netinet/in.h>

#include "crawler/outcome.h"
#include "pool/check.h"

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
    const char *hosts_file;    /* NULL = /etc/hosts; looked at first */
    unsigned timeout_ms, tries;
};

int dns_new(struct dns **out, struct ev_loop *loop, const struct dns_conf *conf) ORB_MUST_USE;
void dns_free(struct dns **dns);
/* host: a name, an IPv4 literal or a bracketed IPv6 literal (the last two answer at once). */
void dns_lookup(struct dns *dns, struct slice host, dns_done_fn *done, void *arg);
void dns_cancel(struct dns *dns, dns_done_fn *done, void *arg); /* forget that pending lookup: its callback is not called */
void dns_put(struct dns *dns, struct slice host, const struct dns_answer *answer); /* known from elsewhere (a lease) */

#endif
