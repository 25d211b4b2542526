/* dns_hosts.h - inside dns.c: a hosts file, read once and indexed by name
 *
 *   ADDRESS NAME...  # comment      (hosts(5)); lines that do not begin with an IPv4 or IPv6 address are skipped
 *
 * c-ares reads the file again for each name, line by line: with 200,000 lines it is all that a worker does.
 *
 * Ownership  the text is BORROWED for as long as the table lives; the table holds offsets into it, 8 bytes a name.
 * Errors     ORB_ENOMEM; ORB_ETOOBIG from 4 GiB on. Limits: DNS_MAX_ADDRESSES addresses a name, the first ones.
 */
#ifndef ORB_CRAWLER_DNS_HOSTS_H
#define ORB_CRAWLER_DNS_HOSTS_H

#include "crawler/dns_name.h"
#include "pool/slice.h"

struct dns_hosts;

int dns_hosts_new(struct dns_hosts **out, struct slice text) ORB_MUST_USE;
void dns_hosts_free(struct dns_hosts **hosts);
/* All addresses of `name` (lower case, no dot at its end), in the order of the file; false: it is not in there. */
bool dns_hosts_find(const struct dns_hosts *hosts, struct slice name, struct dns_found *found);

#endif
