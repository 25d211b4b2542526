/* address.h - IP addresses as text: "192.0.2.1,2001:db8::1" in a lease, in frontier.db and in reports
 *
 * Limits     at most DNS_MAX_ADDRESSES addresses; what is no address is skipped.
 */
#ifndef ORB_CRAWLER_ADDRESS_H
#define ORB_CRAWLER_ADDRESS_H

#include "crawler/dns.h"
#include "pool/buf.h"

/* Returns whether there was at least one; sets outcome, addresses and n_addresses, not ttl_s. */
bool address_list_from_text(struct dns_answer *out, struct slice text);
int address_list_to_text(const struct dns_answer *answer, struct buf *out) ORB_MUST_USE; /* appends */

/* Retry-After (RFC 9110 section 10.2.3): seconds or an HTTP date; milliseconds from wall_ms on, at most a day; 0 = none. */
#define RETRY_AFTER_MAX_MS (24u * 3600 * 1000) /* longer ones are given as this */
uint32_t retry_after_ms(struct slice value, uint64_t wall_ms);

#endif
