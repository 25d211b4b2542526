/* dns_server.h - a name server on loopback, on the test's own loop, that answers by what the name says
 *
 * The first label is a list of words with '-' between them:
 *   a, aaaa     one address of that family: 192.0.2.1, 2001:db8::1          a20  twenty of each
 *   nx, fail    NXDOMAIN, SERVFAIL        empty  no records        nofour, nosix  that family is never answered
 *   silent      no answer                 noise  bytes that are no answer    cut   an answer that ends early
 *   cname       three CNAMEs before the addresses    ttlN    this TTL instead of 300; of the CNAMEs, N / 2
 *   tc          over UDP: cut off, ask again by TCP
 *   private     127.0.0.1                 formerr  refuses EDNS (FORMERR), answers without
 */
#ifndef ORB_TESTS_DNS_SERVER_H
#define ORB_TESTS_DNS_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_server {
    struct ev_loop *loop;
    struct ev_io io;
    int fd;
    struct ev_io listener, peer; /* TCP, the same port; one connection at a time */
    int listen_fd, peer_fd;      /* peer_fd -1: none */
    uint8_t in[1500];
    size_t n_in;
    unsigned n_queries;    /* A and AAAA count one each */
    unsigned n_tcp;        /* those by TCP */
    bool is_holding;       /* answers nothing */
    char address[32];      /* "127.0.0.1:PORT", for struct dns_conf */
};

void dns_server_start(struct dns_server *s, struct ev_loop *loop);
void dns_server_stop(struct dns_server *s);

#endif
