/* synth_server.c - sockets of the synthetic web: non-blocking, on libev, one connection struct each
 *
 *    READING --a whole request--> ANSWERING --all sent--> READING
 *                                    |  `--slow page: a fifth every slow_pieces_ms
 *                                    `--reset, last answer sent, peer gone--> closed
 */
#include "cluster/synth_server.h"
#include "cluster/clock.h"
#include "cluster/synth_http.h"
#include "pool/list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_MAGIC 0x5e4eb000u
#define MAX_CONNECTIONS 4096
#define MAX_UNSENT_BYTES (256 * 1024) /* beyond that, pipelined requests wait */
#define SLOW_PIECES 5

struct conn {
    struct list node;
    struct ev_io io;
    struct ev_timer drip;
    struct synth_server *server;
    uint64_t id;
    struct buf in, out;
    size_t sent, may_send; /* of out; may_send < out.n while a slow answer drips */
    bool is_last;
};

struct listener {
    struct ev_io io;
    struct synth_server *server;
};

struct synth_server {
    uint32_t magic;
    struct ev_loop *loop;
    struct synth_server_conf conf;
    struct synth_site site;
    struct synth_server_stats stats;
    struct listener listeners[SYNTH_MAX_ADDRESSES];
    unsigned n_listeners, n_connections;
    struct list connections;
    struct ev_timer each_second;
    FILE *log;
    uint64_t now_ms;
};

/* ---- connections ---- */

static void
conn_close(struct conn *c, bool is_reset)
{
    struct synth_server *s = c->server;
    const struct linger at_once = { 1, 0 };

    if (is_reset)
        setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ev_io_stop(s->loop, &c->io);
    ev_timer_stop(s->loop, &c->drip);
    close(c->io.fd);
    list_remove(&c->node);
    buf_fini(&c->in);
    buf_fini(&c->out);
    mem_free(MEM_HTTP, c);
    if (s->n_connections-- == MAX_CONNECTIONS)
        for (unsigned i = 0; i < s->n_listeners; i++)
            ev_io_start(s->loop, &s->listeners[i].io);
}

static void
log_request(struct synth_server *s, const struct conn *c, const struct synth_request *r, const struct synth_answer *a)
{
    if (s->log != NULL)
        fprintf(s->log, "%" PRIu64 "\t%" PRIu64 "\t" SLICE_FMT "\t" SLICE_FMT "\t%u\n", s->now_ms, c->id, SLICE_ARG(r->host),
                SLICE_ARG(r->path), a->status);
}

/* Answers one request if there is a whole one. 1: answered, 0: wait, negative: close. */
static int
conn_answer(struct conn *c)
{
    struct synth_server *s = c->server;
    struct synth_request request;
    struct synth_answer answer;
    int found = synth_read_request(buf_slice(&c->in), &request);

    if (found <= 0)
        return found;
    if (synth_answer(&s->site, &request, &c->out, &answer) != 0)
        return ORB_ENOMEM;
    s->stats.n_requests++;
    log_request(s, c, &request, &answer);
    if (answer.is_reset) {
        conn_close(c, true);
        return ORB_ECLOSED;
    }
    buf_drop_front(&c->in, request.head_bytes);
    c->is_last = answer.is_last;
    c->may_send = c->out.n;
    if (answer.is_slow) {
        c->may_send = c->sent + (c->out.n - c->sent) / SLOW_PIECES;
        ev_timer_again(s->loop, &c->drip);
    }
    return 1;
}

/* 0: all that may be sent was sent; 1: the socket is full; negative: closed. */
static int
conn_send(struct conn *c)
{
    while (c->sent < c->may_send) {
        ssize_t n = send(c->io.fd, c->out.p + c->sent, c->may_send - c->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : ORB_ECLOSED;
        c->sent += (size_t)n;
        c->server->stats.n_bytes += (size_t)n;
    }
    if (c->sent == c->out.n) {
        buf_clear(&c->out);
        buf_trim(&c->out, 65536);
        c->sent = c->may_send = 0;
    }
    return 0;
}

static void
conn_wait_for(struct conn *c, int events)
{
    if ((c->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(c->server->loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(c->server->loop, &c->io);
}

/* Answers what is there, sends what fits, decides what to wait for. */
static void
conn_go_on(struct conn *c)
{
    for (;;) {
        int answered = 0, full;

        while (!c->is_last && c->may_send == c->out.n && c->out.n - c->sent < MAX_UNSENT_BYTES && (answered = conn_answer(c)) > 0)
            ;
        if (answered == ORB_ECLOSED)
            return;
        full = conn_send(c);
        if (full < 0 || answered < 0 || (full == 0 && c->is_last && c->out.n == 0)) {
            conn_close(c, false);
            return;
        }
        if (full > 0) {
            conn_wait_for(c, EV_WRITE);
            return;
        }
        if (c->out.n > 0 || answered == 0) /* dripping, or no whole request left */
            break;
    }
    conn_wait_for(c, EV_READ);
}

static void
on_conn(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct conn *c = io->data;
    ssize_t n;

    c->server->now_ms = clock_now_ms();
    if (events & EV_READ) {
        if (c->in.n > 2 * SYNTH_MAX_HEAD_BYTES || buf_reserve(&c->in, 4096) != 0) {
            conn_close(c, false);
            return;
        }
        n = recv(io->fd, c->in.p + c->in.n, 4096, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            conn_close(c, false);
            return;
        }
        c->in.n += (size_t)n;
        c->in.p[c->in.n] = '\0';
    }
    conn_go_on(c);
}

static void
on_drip(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct conn *c = timer->data;
    size_t piece = c->out.n / SLOW_PIECES + 1;

    c->may_send = ORB_MIN(c->may_send + piece, c->out.n);
    if (c->may_send == c->out.n)
        ev_timer_stop(loop, timer);
    conn_go_on(c);
}

static void
conn_open(struct synth_server *s, int fd)
{
    struct conn *c = mem_zalloc(MEM_HTTP, sizeof *c);
    const int on = 1;

    if (c == NULL) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->server = s;
    c->id = ++s->stats.n_connections;
    buf_init(&c->in, MEM_HTTP, 4 * SYNTH_MAX_HEAD_BYTES);
    buf_init(&c->out, MEM_HTTP, BUF_NO_CEILING);
    list_push_back(&s->connections, &c->node);
    ev_io_init(&c->io, on_conn, fd, EV_READ);
    ev_init(&c->drip, on_drip);
    c->drip.repeat = s->conf.slow_pieces_ms / 1000.0 + 0.001;
    c->io.data = c->drip.data = c;
    ev_io_start(s->loop, &c->io);
    if (++s->n_connections == MAX_CONNECTIONS)
        for (unsigned i = 0; i < s->n_listeners; i++)
            ev_io_stop(s->loop, &s->listeners[i].io);
}

static void
on_listener(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct synth_server *s = ((struct listener *)io->data)->server;

    for (int i = 0; i < 64 && s->n_connections < MAX_CONNECTIONS; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            conn_open(s, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE) /* tried again when the second is over */
            ev_io_stop(loop, io);
        return;
    }
}

static void
on_second(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct synth_server *s = timer->data;

    if (s->log != NULL)
        fflush(s->log);
    for (unsigned i = 0; i < s->n_listeners && s->n_connections < MAX_CONNECTIONS; i++)
        ev_io_start(loop, &s->listeners[i].io);
}

/* ---- start and stop ---- */

static int
refuse(struct buf *error, const char *fmt, unsigned last_byte, unsigned port)
{
    int saved = errno;

    if (buf_printf(error, fmt, last_byte, port) != 0 || buf_append_str(error, strerror(saved)) != 0)
        return ORB_ENOMEM;
    return ORB_EIO;
}

static int
listen_on(struct synth_server *s, unsigned last_byte, struct buf *error)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(s->conf.web.port) };
    struct listener *l = &s->listeners[s->n_listeners];
    socklen_t n = sizeof address;
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return refuse(error, "no socket for 127.0.0.%u:%u: ", last_byte, s->conf.web.port);
    address.sin_addr.s_addr = htonl(0x7f000000u | last_byte);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0
        || getsockname(fd, (struct sockaddr *)&address, &n) != 0) {
        int err = refuse(error, "cannot listen on 127.0.0.%u:%u: ", last_byte, s->conf.web.port);

        close(fd);
        return err;
    }
    s->conf.web.port = ntohs(address.sin_port);
    l->server = s;
    ev_io_init(&l->io, on_listener, fd, EV_READ);
    l->io.data = l;
    ev_io_start(s->loop, &l->io);
    s->n_listeners++;
    return 0;
}

int
synth_server_start(struct synth_server **out, struct ev_loop *loop, const struct synth_server_conf *conf, struct buf *error)
{
    struct synth_server *s = mem_zalloc(MEM_HTTP, sizeof *s);
    int err = ORB_ENOMEM;

    if (s == NULL)
        goto fail;
    s->magic = SERVER_MAGIC;
    s->loop = loop;
    s->conf = *conf;
    list_init(&s->connections);
    ev_timer_init(&s->each_second, on_second, 1, 1);
    s->each_second.data = s;
    err = synth_site_init(&s->site, &s->conf.web);
    if (err != 0)
        goto fail;
    if (conf->log_file != NULL && (s->log = fopen(conf->log_file, "ae")) == NULL) {
        err = buf_printf(error, "the log %s cannot be written: %s", conf->log_file, strerror(errno)) != 0 ? ORB_ENOMEM : ORB_EIO;
        goto fail;
    }
    for (unsigned i = 1; i <= conf->n_addresses; i++) {
        err = listen_on(s, i, error);
        if (err != 0)
            goto fail;
    }
    ev_timer_start(loop, &s->each_second);
    *out = s;
    return 0;
fail:
    synth_server_stop(&s);
    return err;
}

void
synth_server_stop(struct synth_server **server)
{
    struct synth_server *s = *server;

    if (s == NULL)
        return;
    CHECK_IS(s, SERVER_MAGIC);
    while (!list_is_empty(&s->connections))
        conn_close(LIST_ELEMENT(s->connections.next, struct conn, node), false);
    for (unsigned i = 0; i < s->n_listeners; i++) {
        ev_io_stop(s->loop, &s->listeners[i].io);
        close(s->listeners[i].io.fd);
    }
    ev_timer_stop(s->loop, &s->each_second);
    if (s->log != NULL)
        fclose(s->log);
    synth_site_fini(&s->site);
    s->magic = 0;
    MEM_FREE(MEM_HTTP, server);
}

const struct synth_web *
synth_server_web(const struct synth_server *server)
{
    CHECK_IS(server, SERVER_MAGIC);
    return &server->conf.web;
}

void
synth_server_stats(const struct synth_server *server, struct synth_server_stats *out)
{
    CHECK_IS(server, SERVER_MAGIC);
    *out = server->stats;
}
