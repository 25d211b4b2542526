#include "tests/support/dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/check.h"
#include "pool/slice.h"

#define TYPE_A 1
#define TYPE_AAAA 28
#define TYPE_CNAME 5

struct message {
    uint8_t bytes[4096];
    size_t n;
};

static void
put16(struct message *m, unsigned v)
{
    m->bytes[m->n++] = (uint8_t)(v >> 8);
    m->bytes[m->n++] = (uint8_t)v;
}

/* A record of the name at offset `at`. */
static void
put_record(struct message *m, unsigned at, unsigned type, unsigned ttl_s, const void *data, size_t n_data)
{
    put16(m, 0xc000 | at);
    put16(m, type);
    put16(m, 1);
    put16(m, ttl_s >> 16);
    put16(m, ttl_s & 0xffff);
    put16(m, (unsigned)n_data);
    memcpy(m->bytes + m->n, data, n_data);
    m->n += n_data;
    m->bytes[7]++; /* ancount */
}

static bool
has_word(const char *label, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = label; (p = strstr(p, word)) != NULL; p++)
        if ((p == label || p[-1] == '-') && (p[n] == '\0' || p[n] == '-'))
            return true;
    return false;
}

static void
put_addresses(struct message *m, unsigned at, unsigned type, unsigned ttl_s, const char *label)
{
    uint8_t v4[4] = { 192, 0, 2, 1 }, v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, loopback[4] = { 127, 0, 0, 1 };

    for (unsigned i = 0; i < 20; i++, v4[3]++, v6[15]++) {
        if (i > 0 && !has_word(label, "a20"))
            break;
        if (type == TYPE_A && (has_word(label, "a") || has_word(label, "a20")))
            put_record(m, at, TYPE_A, ttl_s, v4, sizeof v4);
        if (type == TYPE_AAAA && (has_word(label, "aaaa") || has_word(label, "a20")))
            put_record(m, at, TYPE_AAAA, ttl_s, v6, sizeof v6);
    }
    if (type == TYPE_A && has_word(label, "private"))
        put_record(m, at, TYPE_A, ttl_s, loopback, sizeof loopback);
}

/* The answer to query q, whose question's name begins with `label` and ends before byte n_question. False: none. */
static bool
answer(struct message *m, const uint8_t *q, size_t n_question, unsigned type, const char *label, bool has_edns)
{
    const char *ttl = strstr(label, "ttl");
    unsigned ttl_s = ttl == NULL ? 300 : (unsigned)strtoul(ttl + 3, NULL, 10), at = 12;

    if (has_word(label, "silent") || (has_word(label, "nosix") && type == TYPE_AAAA)
        || (has_word(label, "nofour") && type == TYPE_A))
        return false;
    memcpy(m->bytes, q, n_question);
    m->n = n_question;
    m->bytes[2] = 0x84;
    m->bytes[3] = has_word(label, "nx") ? 0x83 : has_word(label, "fail") ? 0x82 : 0x80;
    memset(m->bytes + 6, 0, 6);
    if (has_word(label, "formerr") && has_edns)
        m->bytes[3] = 0x81;
    if ((m->bytes[3] & 15) != 0)
        return true;
    for (unsigned i = 0; i < 3 && has_word(label, "cname"); i++) {
        uint8_t target[6] = { 3, 'c', 'n', (uint8_t)('0' + i), 0xc0, 12 };
        put_record(m, at, TYPE_CNAME, ttl_s / 2, target, sizeof target);
        at = (unsigned)m->n - sizeof target;
    }
    put_addresses(m, at, type, ttl_s, label);
    if (has_word(label, "cut"))
        m->n -= 3;
    if (has_word(label, "noise"))
        for (size_t i = 4; i < m->n; i++)
            m->bytes[i] = (uint8_t)(i * 151 + 43);
    return true;
}

/* What stands in a query's bytes, and its answer. False: none. */
static bool
handle(struct dns_server *s, const uint8_t *q, size_t n, struct message *m, bool is_tcp)
{
    char label[64] = "";
    size_t end = 12;
    unsigned type;

    if (n < 17)
        return false;
    s->n_queries++;
    memcpy(label, q + 13, q[12] & 63);
    while (end < n && q[end] != 0)
        end += q[end] + 1u;
    end += 5;
    if (end > n || s->is_holding)
        return false;
    type = (unsigned)q[end - 4] << 8 | q[end - 3];
    if (!answer(m, q, end, type, label, q[11] > 0))
        return false;
    if (!is_tcp && has_word(label, "tc")) {
        m->bytes[2] |= 2;
        memset(m->bytes + 6, 0, 6);
        m->n = end;
    }
    return true;
}

static void
on_query(struct ev_loop *loop, struct ev_io *w, int revents)
{
    struct dns_server *s = w->data;
    struct sockaddr_in from;
    socklen_t n_from = sizeof from;
    uint8_t q[1500] = { 0 };
    struct message m = { .n = 0 };
    ssize_t n = recvfrom(s->fd, q, sizeof q - 1, 0, (struct sockaddr *)&from, &n_from);

    if (n > 0 && handle(s, q, (size_t)n, &m, false))
        CHECK(sendto(s->fd, m.bytes, m.n, 0, (struct sockaddr *)&from, n_from) == (ssize_t)m.n);
}

static void
hang_up(struct dns_server *s)
{
    if (s->peer_fd < 0)
        return;
    ev_ref(s->loop);
    ev_io_stop(s->loop, &s->peer);
    close(s->peer_fd);
    s->peer_fd = -1;
}

static void
on_peer(struct ev_loop *loop, struct ev_io *w, int revents)
{
    struct dns_server *s = w->data;
    ssize_t got = recv(s->peer_fd, s->in + s->n_in, sizeof s->in - s->n_in, 0);
    size_t n_query;

    if (got <= 0) {
        hang_up(s);
        return;
    }
    s->n_in += (size_t)got;
    while (s->n_in >= 2 && (n_query = (size_t)(s->in[0] << 8 | s->in[1])) <= s->n_in - 2) {
        struct message m = { .n = 0 };
        s->n_tcp++;
        if (handle(s, s->in + 2, n_query, &m, true)) {
            uint8_t prefix[2] = { (uint8_t)(m.n >> 8), (uint8_t)m.n };
            CHECK(send(s->peer_fd, prefix, 2, MSG_MORE) == 2 && send(s->peer_fd, m.bytes, m.n, 0) == (ssize_t)m.n);
        }
        s->n_in -= n_query + 2;
        memmove(s->in, s->in + 2 + n_query, s->n_in);
    }
}

static void
on_connect(struct ev_loop *loop, struct ev_io *w, int revents)
{
    struct dns_server *s = w->data;

    hang_up(s);
    s->peer_fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (s->peer_fd < 0)
        return; /* gone again */
    s->n_in = 0;
    ev_io_init(&s->peer, on_peer, s->peer_fd, EV_READ);
    s->peer.data = s;
    ev_io_start(loop, &s->peer);
    ev_unref(loop);
}

/* Both sockets on one port that was free. */
static void
bind_both(struct dns_server *s, struct sockaddr_in *a)
{
    socklen_t n = sizeof *a;
    int yes = 1;

    for (int tries = 0; tries < 100; tries++) {
        *a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(s->fd >= 0 && s->listen_fd >= 0);
        setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        CHECK(bind(s->fd, (struct sockaddr *)a, sizeof *a) == 0 && getsockname(s->fd, (struct sockaddr *)a, &n) == 0);
        if (bind(s->listen_fd, (struct sockaddr *)a, sizeof *a) == 0 && listen(s->listen_fd, 8) == 0)
            return;
        close(s->fd);
        close(s->listen_fd);
    }
    CHECK_NEVER("no port is free for both UDP and TCP");
}

void
dns_server_start(struct dns_server *s, struct ev_loop *loop)
{
    struct sockaddr_in a;
    int rcvbuf = 4 << 20;

    *s = (struct dns_server){ .loop = loop, .peer_fd = -1 };
    bind_both(s, &a);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(a.sin_port));
    ev_io_init(&s->io, on_query, s->fd, EV_READ);
    s->io.data = s;
    ev_io_start(loop, &s->io);
    ev_io_init(&s->listener, on_connect, s->listen_fd, EV_READ);
    s->listener.data = s;
    ev_io_start(loop, &s->listener);
    ev_unref(loop); /* a loop with nothing but the server may end */
    ev_unref(loop);
}

void
dns_server_stop(struct dns_server *s)
{
    hang_up(s);
    ev_ref(s->loop);
    ev_ref(s->loop);
    ev_io_stop(s->loop, &s->io);
    ev_io_stop(s->loop, &s->listener);
    close(s->fd);
    close(s->listen_fd);
}
