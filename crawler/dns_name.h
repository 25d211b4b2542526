/* dns_name.h - inside dns.c: what a host name is, before anybody is asked */
#ifndef ORB_CRAWLER_DNS_NAME_H
#define ORB_CRAWLER_DNS_NAME_H

#include "crawler/dns.h"

#define DNS_NAME_MAX_BYTES 253

struct dns_address {
    uint8_t bytes[16]; /* IPv4: the first 4 */
    bool is_v6;
};

/* Addresses without the 112 bytes of padding that a sockaddr_storage has. */
struct dns_found {
    enum outcome outcome;
    unsigned ttl_s;
    unsigned n;
    struct dns_address addresses[DNS_MAX_ADDRESSES];
};

enum dns_name_kind {
    DNS_NAME_ASK,   /* `name` is to be looked up: lower case, no dot at its end */
    DNS_NAME_KNOWN, /* `found` is the answer: a literal, a local name, or no name at all */
};

enum dns_name_kind dns_name_read(struct slice host, char name[DNS_NAME_MAX_BYTES + 1], struct dns_found *found);

void dns_answer_of(struct dns_answer *answer, const struct dns_found *found);
void dns_found_of(struct dns_found *found, const struct dns_answer *answer);
void dns_found_add(struct dns_found *found, const void *bytes, bool is_v6); /* no doubles; full: ignored */

#endif
