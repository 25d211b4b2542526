/* dns_channel.c - c-ares on libev, and the life of a question
 *
 *               hosts file knows it
 *   ask --------------------------------------------------> REPLIED --> freed
 *      \                                                     ^    |
 *       `--> OPEN: A and AAAA are out --both are back--------'    | (the late AAAA comes, or times out)
 *                  |                                              |
 *                  `--A is back, AAAA is LATE_AAAA_S behind --> STRAY -> freed
 *
 * Name servers that never answer AAAA are common; a page does not wait for the timeout (RFC 8305 section 3, in spirit).
 */
#include "crawler/dns_channel.h"

#include <ares.h>
#include <ev.h>
#include <stdlib.h>

#include "crawler/dns_hosts.h"
#include "pool/error.h"
#include "pool/list.h"
#include "pool/mem_hooks.h"

#define CHANNEL_MAGIC 0x646e7363u
#define MAX_SOCKETS 32       /* one UDP and one TCP per name server; those beyond it live by timeouts */
#define DEFAULT_TIMEOUT_MS 2000
#define DEFAULT_TRIES 3
#define EDNS_BYTES 1232      /* fits every path without fragments (DNS flag day 2020) */
#define LATE_AAAA_S 0.25
#define MAX_STRAYS 1024      /* beyond it, questions wait for both answers again: c-ares remembers each */
#define HOSTS_TTL_S 60

enum family { V4, V6, N_FAMILIES };

struct half {
    struct ask *ask;
    enum family family;
    enum outcome outcome;    /* OUTCOME_NONE: not back yet */
    bool has_no_name;        /* NXDOMAIN, not just no such record */
    struct dns_found found;
};

struct ask {
    struct list link;
    struct dns_channel *channel;
    dns_reply_fn *reply;     /* NULL: replied already */
    void *arg;
    struct ev_timer late;
    unsigned n_open;         /* halves not back, and one while they are being sent */
    struct half halves[N_FAMILIES];
};

struct watched_socket {
    struct ev_io io;
    struct dns_channel *channel;
    ares_socket_t fd;        /* ARES_SOCKET_BAD: free */
};

struct dns_channel {
    uint32_t magic;
    struct ev_loop *loop;
    struct dns_hosts *hosts;
    ares_channel servers;
    struct ev_timer timer;
    struct list asks;
    unsigned n_asks, n_strays;
    bool is_closing;
    struct watched_socket sockets[MAX_SOCKETS];
};

static bool is_library_ready;

int
dns_library_init(void)
{
    unsigned char *probe;
    int n;

    if (is_library_ready)
        return 0;
    if (ares_library_init_mem(ARES_LIB_INIT_ALL, mem_curl_malloc, mem_curl_free, mem_curl_realloc) != ARES_SUCCESS)
        return ORB_ENOMEM;
    is_library_ready = true;
    mem_hook_begin(MEM_CURL);
    if (ares_create_query("x", 1, 1, 0, 0, &probe, &n, 0) == ARES_SUCCESS) {
        ares_free_string(probe);
        mem_hook_end(MEM_CURL);
    }
    return 0;
}

void
dns_library_fini(void)
{
    if (is_library_ready)
        ares_library_cleanup();
    is_library_ready = false;
}

/* ---- libev ---- */

/* c-ares says how long it may sleep; one more ms, because it rounds down and would be asked in vain. */
static void
timer_rearm(struct dns_channel *c)
{
    struct timeval tv, *next = c->n_asks == 0 ? NULL : ares_timeout(c->servers, NULL, &tv);

    ev_timer_stop(c->loop, &c->timer);
    if (next == NULL)
        return;
    ev_timer_set(&c->timer, (double)next->tv_sec + (double)next->tv_usec / 1e6 + 0.001, 0.);
    ev_timer_start(c->loop, &c->timer);
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
    struct dns_channel *c = w->data;

    ares_process_fd(c->servers, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    timer_rearm(c);
}

static void
on_socket(struct ev_loop *loop, struct ev_io *w, int revents)
{
    struct watched_socket *s = w->data;
    struct dns_channel *c = s->channel;

    ares_process_fd(c->servers, revents & EV_READ ? s->fd : ARES_SOCKET_BAD,
                    revents & EV_WRITE ? s->fd : ARES_SOCKET_BAD);
    timer_rearm(c);
}

static struct watched_socket *
socket_find(struct dns_channel *c, ares_socket_t fd)
{
    for (unsigned i = 0; i < MAX_SOCKETS; i++)
        if (c->sockets[i].fd == fd)
            return &c->sockets[i];
    return NULL;
}

/* c-ares: watch this socket for that, or for nothing any more (it is about to be closed). */
static void
on_socket_state(void *arg, ares_socket_t fd, int is_readable, int is_writable)
{
    struct dns_channel *c = arg;
    struct watched_socket *s = socket_find(c, fd);
    int events = (is_readable ? EV_READ : 0) | (is_writable ? EV_WRITE : 0);

    if (s == NULL)
        s = events == 0 ? NULL : socket_find(c, ARES_SOCKET_BAD);
    if (s == NULL)
        return;
    ev_io_stop(c->loop, &s->io);
    s->fd = events == 0 ? ARES_SOCKET_BAD : fd;
    if (events == 0)
        return;
    ev_io_set(&s->io, fd, events);
    ev_io_start(c->loop, &s->io);
}

/* ---- the two answers of a question ---- */

static enum outcome
outcome_of_status(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return OUTCOME_OK;
    case ARES_ENODATA: /* the name exists, without such an address */
    case ARES_ENOTFOUND:
        return OUTCOME_DNS_NO_SUCH_HOST;
    case ARES_ETIMEOUT:
        return OUTCOME_DNS_TIMEOUT;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
    case ARES_ENOMEM:
        return OUTCOME_NOT_STARTED;
    default:
        return OUTCOME_DNS_FAILED;
    }
}

static void
half_read_v4(struct half *h, const unsigned char *bytes, int n_bytes)
{
    struct ares_addrttl got[DNS_MAX_ADDRESSES * 2];
    int n = ORB_N_ELEMENTS(got);

    h->outcome = outcome_of_status(ares_parse_a_reply(bytes, n_bytes, NULL, got, &n));
    for (int i = 0; h->outcome == OUTCOME_OK && i < n; i++) {
        unsigned ttl_s = got[i].ttl < 0 ? 0 : (unsigned)got[i].ttl; /* RFC 2181 section 8 */
        h->found.ttl_s = i == 0 ? ttl_s : ORB_MIN(ttl_s, h->found.ttl_s);
        dns_found_add(&h->found, &got[i].ipaddr, false);
    }
}

static void
half_read_v6(struct half *h, const unsigned char *bytes, int n_bytes)
{
    struct ares_addr6ttl got[DNS_MAX_ADDRESSES * 2];
    int n = ORB_N_ELEMENTS(got);

    h->outcome = outcome_of_status(ares_parse_aaaa_reply(bytes, n_bytes, NULL, got, &n));
    for (int i = 0; h->outcome == OUTCOME_OK && i < n; i++) {
        unsigned ttl_s = got[i].ttl < 0 ? 0 : (unsigned)got[i].ttl;
        h->found.ttl_s = i == 0 ? ttl_s : ORB_MIN(ttl_s, h->found.ttl_s);
        dns_found_add(&h->found, &got[i].ip6addr, true);
    }
}

/* The answers in turn, IPv4 first. No address at all: the worse of the two reasons, unless one says that there is no
 * such name. */
static void
ask_merge(const struct ask *a, struct dns_found *found)
{
    const struct half *v4 = &a->halves[V4], *v6 = &a->halves[V6];

    *found = (struct dns_found){ .outcome = OUTCOME_OK };
    for (unsigned i = 0; i < v4->found.n || i < v6->found.n; i++) {
        if (i < v4->found.n)
            dns_found_add(found, v4->found.addresses[i].bytes, false);
        if (i < v6->found.n)
            dns_found_add(found, v6->found.addresses[i].bytes, true);
    }
    if (v4->found.n > 0 && v6->found.n > 0)
        found->ttl_s = ORB_MIN(v4->found.ttl_s, v6->found.ttl_s);
    else
        found->ttl_s = v4->found.n > 0 ? v4->found.ttl_s : v6->found.ttl_s;
    if (found->n > 0)
        return;
    found->outcome = v4->outcome != OUTCOME_OK && v4->outcome != OUTCOME_DNS_NO_SUCH_HOST ? v4->outcome : v6->outcome;
    if (found->outcome == OUTCOME_OK || v4->has_no_name || v6->has_no_name)
        found->outcome = OUTCOME_DNS_NO_SUCH_HOST;
}

static void
ask_reply(struct ask *a, const struct dns_found *found)
{
    dns_reply_fn *reply = a->reply;

    if (reply == NULL)
        return;
    a->reply = NULL;
    ev_timer_stop(a->channel->loop, &a->late);
    reply(a->arg, found);
}

/* Somebody lets go of the question: half an answer, or its sender. */
static void
ask_put(struct ask *a)
{
    struct dns_channel *c = a->channel;
    struct dns_found found;

    CHECK(a->n_open > 0);
    if (--a->n_open > 0)
        return;
    if (a->reply == NULL)
        c->n_strays--;
    ask_merge(a, &found);
    list_remove(&a->link);
    c->n_asks--;
    ask_reply(a, &found);
    mem_free(MEM_CURL, a);
}

static void
on_late(struct ev_loop *loop, struct ev_timer *w, int revents)
{
    struct ask *a = w->data;
    struct dns_found found;

    if (a->channel->n_strays >= MAX_STRAYS)
        return;
    a->channel->n_strays++;
    ask_merge(a, &found);
    ask_reply(a, &found);
}

static void
on_answer(void *arg, int status, int n_timeouts, unsigned char *bytes, int n_bytes)
{
    struct half *h = arg;
    struct ask *a = h->ask;

    h->outcome = outcome_of_status(status);
    h->has_no_name = status == ARES_ENOTFOUND;
    if (status == ARES_SUCCESS && h->family == V4)
        half_read_v4(h, bytes, n_bytes);
    else if (status == ARES_SUCCESS)
        half_read_v6(h, bytes, n_bytes);
    if (h->family == V4 && h->found.n > 0 && a->halves[V6].outcome == OUTCOME_NONE && !a->channel->is_closing)
        ev_timer_start(a->channel->loop, &a->late);
    ask_put(a);
}

static struct ask *
ask_new(struct dns_channel *c, dns_reply_fn *reply, void *arg)
{
    struct ask *a = mem_zalloc(MEM_CURL, sizeof *a);

    if (a == NULL)
        return NULL;
    a->channel = c;
    a->reply = reply;
    a->arg = arg;
    a->n_open = 1 + N_FAMILIES;
    for (unsigned i = 0; i < N_FAMILIES; i++) {
        a->halves[i].ask = a;
        a->halves[i].family = i;
    }
    ev_timer_init(&a->late, on_late, LATE_AAAA_S, 0.);
    a->late.data = a;
    list_push_back(&c->asks, &a->link);
    c->n_asks++;
    return a;
}

static bool
hosts_find(const struct dns_channel *c, const char *name, struct dns_found *found)
{
    *found = (struct dns_found){ .outcome = OUTCOME_OK, .ttl_s = HOSTS_TTL_S };
    return dns_hosts_find(c->hosts, slice_str(name), found);
}

void
dns_channel_ask(struct dns_channel *c, const char *name, dns_reply_fn *reply, void *arg)
{
    struct dns_found found;
    struct ask *a;

    CHECK_IS(c, CHANNEL_MAGIC);
    CHECK(!c->is_closing);
    if (hosts_find(c, name, &found)) {
        reply(arg, &found);
        return;
    }
    a = ask_new(c, reply, arg);
    if (a == NULL) {
        reply(arg, &(struct dns_found){ .outcome = OUTCOME_NOT_STARTED });
        return;
    }
    ares_query(c->servers, name, 1 /* IN */, 1 /* A */, on_answer, &a->halves[V4]);
    ares_query(c->servers, name, 1 /* IN */, 28 /* AAAA */, on_answer, &a->halves[V6]);
    ask_put(a);
    timer_rearm(c);
}

/* ---- opening and closing ---- */

static int
error_of_status(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOMEM:
        return ORB_ENOMEM;
    case ARES_EFILE:
        return ORB_EIO;
    default:
        return ORB_EINVAL;
    }
}

/* No search list, no sort list, no aliases, whatever resolv.conf and the environment say. */
static int
open_servers(struct dns_channel *c, const struct dns_conf *conf)
{
    char which[] = "b"; /* no hosts file: that is dns_hosts.c */
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)(conf->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : ORB_MIN(conf->timeout_ms, 600000u)),
        .tries = (int)(conf->tries == 0 ? DEFAULT_TRIES : ORB_MIN(conf->tries, 10u)),
        .ndots = 0,
        .lookups = which,
        .ednspsz = EDNS_BYTES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
    };

    return error_of_status(ares_init_options(&c->servers, &options, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES
                                                                | ARES_OPT_NDOTS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS
                                                                | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB));
}

static void
sockets_init(struct dns_channel *c)
{
    for (unsigned i = 0; i < MAX_SOCKETS; i++) {
        struct watched_socket *s = &c->sockets[i];
        s->fd = ARES_SOCKET_BAD;
        s->channel = c;
        ev_io_init(&s->io, on_socket, -1, 0);
        s->io.data = s;
    }
}

int
dns_channel_open(struct dns_channel **out, struct ev_loop *loop, const struct dns_conf *conf)
{
    struct dns_channel *c = mem_zalloc(MEM_CURL, sizeof *c);
    int err = c == NULL ? ORB_ENOMEM : dns_library_init();

    if (err != 0)
        goto fail;
    c->magic = CHANNEL_MAGIC;
    c->loop = loop;
    list_init(&c->asks);
    sockets_init(c);
    ev_timer_init(&c->timer, on_timer, 0., 0.);
    c->timer.data = c;
    err = dns_hosts_new(&c->hosts, conf->hosts);
    if (err == 0)
        err = open_servers(c, conf);
    if (err == 0 && conf->servers != NULL)
        err = error_of_status(ares_set_servers_ports_csv(c->servers, conf->servers));
    if (err != 0)
        goto fail;
    *out = c;
    return 0;
fail:
    dns_channel_close(&c);
    return err;
}

/* ares_destroy() calls back for every query, which frees the asks. */
void
dns_channel_close(struct dns_channel **channel)
{
    struct dns_channel *c = *channel;

    if (c == NULL)
        return;
    c->is_closing = true;
    if (c->servers != NULL)
        ares_destroy(c->servers);
    dns_hosts_free(&c->hosts);
    CHECK(c->magic == 0 || list_is_empty(&c->asks));
    if (c->loop != NULL)
        ev_timer_stop(c->loop, &c->timer);
    c->magic = 0;
    MEM_FREE(MEM_CURL, channel);
}
