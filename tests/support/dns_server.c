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

static void
on_query(struct ev_loop *loop, struct ev_io *w, int revents)
{
    struct dns_server *s = w->data;
    struct sockaddr_in from;
    socklen_t n_from = sizeof from;
    uint8_t q[1500] = { 0 };
    ssize_t n = recvfrom(s->fd, q, sizeof q - 1, 0, (struct sockaddr *)&from, &n_from);
    struct message m = { .n = 0 };
    char label[64] = "";
    size_t end = 12;
    unsigned type;

    if (n < 17)
        return;
    s->n_queries++;
    memcpy(label, q + 13, q[12] & 63);
    while (end < (size_t)n && q[end] != 0)
        end += q[end] + 1u;
    end += 5;
    if (end > (size_t)n || s->is_holding)
        return;
    type = (unsigned)q[end - 4] << 8 | q[end - 3];
    if (answer(&m, q, end, type, label, q[11] > 0))
        CHECK(sendto(s->fd, m.bytes, m.n, 0, (struct sockaddr *)&from, n_from) == (ssize_t)m.n);
}

void
dns_server_start(struct dns_server *s, struct ev_loop *loop)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int rcvbuf = 4 << 20;

    *s = (struct dns_server){ .loop = loop };
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(s->fd >= 0);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    CHECK(bind(s->fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockname(s->fd, (struct sockaddr *)&a, &n) == 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(a.sin_port));
    ev_io_init(&s->io, on_query, s->fd, EV_READ);
    s->io.data = s;
    ev_io_start(loop, &s->io);
    ev_unref(loop); /* a loop with nothing but the server may end */
}

void
dns_server_stop(struct dns_server *s)
{
    ev_ref(s->loop);
    ev_io_stop(s->loop, &s->io);
    close(s->fd);
}
