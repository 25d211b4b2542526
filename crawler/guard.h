/* guard.h - which addresses the crawl may connect to
 *
 * Refused unless allowed: every block of the IANA special-purpose registries (RFC 6890) that is not global: this
 * network, private, loopback, link-local (cloud metadata with it), shared (RFC 6598), benchmark, documentation,
 * multicast, reserved, broadcast; IPv6 likewise, and IPv4 inside IPv6 (mapped, compatible, 6to4, Teredo, NAT64) by its
 * inner address. Asked at connect time, for every hop, from the address that is really connected to.
 */
#ifndef ORB_CRAWLER_GUARD_H
#define ORB_CRAWLER_GUARD_H

#include <sys/socket.h>

#include "pool/check.h"
#include "pool/error.h"
#include "pool/slice.h"

#define GUARD_MAX_RULES 64

struct guard_rule { uint8_t address[16]; uint8_t prefix_bits; bool is_v6; };

struct guard {
    struct guard_rule allowed[GUARD_MAX_RULES];
    unsigned n_allowed;
    bool allow_all; /* --allow-private any */
};

void guard_init(struct guard *g);
/* cidr: "127.0.0.0/8", "::1", "any". ORB_EINVAL, ORB_ETOOBIG. */
int guard_allow(struct guard *g, struct slice cidr) ORB_MUST_USE;
bool guard_is_localhost(struct slice host); /* a name that means this machine: RFC 6761, section 6.3 */
bool guard_permits(const struct guard *g, const struct sockaddr *address);

#endif
