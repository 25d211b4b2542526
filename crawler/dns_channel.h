/* dns_channel.h - inside dns.c: one question to the hosts file and the name servers, one reply
 *
 * c-ares is only asked for A and AAAA, one by one: ares_getaddrinfo() 1.18 reads the hosts file again for each name, and
 * calls back twice when it is destroyed between the two answers.
 *
 * Errors     reply() is called exactly once per question, perhaps before dns_channel_ask() returns, at the latest from
 *            dns_channel_close() (OUTCOME_NOT_STARTED).
 */
#ifndef ORB_CRAWLER_DNS_CHANNEL_H
#define ORB_CRAWLER_DNS_CHANNEL_H

#include "crawler/dns_name.h"

struct dns_channel;

typedef void dns_reply_fn(void *arg, const struct dns_found *found); /* found BORROWED; its ttl_s is the server's */

int dns_channel_open(struct dns_channel **out, struct ev_loop *loop, const struct dns_conf *conf) ORB_MUST_USE;
void dns_channel_close(struct dns_channel **channel);
void dns_channel_ask(struct dns_channel *channel, const char *name, dns_reply_fn *reply, void *arg);

#endif
