/* fetch.h - one transfer: a request and its limits in, a sealed page with an outcome out
 *
 *    IDLE ----------> CONNECTING ----------> RECEIVING ----------> DONE --done()--> IDLE
 *         fetch_start      |    first header     |     end of body  ^
 *                          +---------------------+------------------+   a limit, an error, fetch_cancel
 *
 * libcurl's multi interface on libev (mux.h) does the transfer. It never resolves (CURLOPT_CONNECT_TO), never follows a
 * redirect, never decodes, never looks at the environment's proxies, and asks the guard about each address it opens.
 *
 * A connection that cannot be made is tried at the host's next address; one that was kept and turns out dead is made anew.
 * Reused connections belong to one name, address, port and scheme. TLS sessions are kept per host (tls.h).
 *
 * Ownership  fetch_start() copies what it needs of the request; done() gets a NEW page and STEALS nothing of the caller.
 *            done() is called exactly once, from the loop, never from inside fetch_start(); the transfer refers to its owner
 *            weakly, and is an object itself ("Fetch", as its page is): the mux's references are the root "mux.fetches".
 */
#ifndef ORB_CRAWLER_FETCH_H
#define ORB_CRAWLER_FETCH_H

#include "crawler/dns.h"
#include "crawler/guard.h"
#include "crawler/page.h"
#include "crawler/url.h"

struct fetch_limits {
    size_t max_header_bytes, max_body_bytes, max_decoded_bytes;
    unsigned connect_timeout_ms, timeout_ms;
    unsigned low_speed_bytes_per_s, low_speed_s;
};

/* Settings of all transfers of a worker; BORROWED by the mux for its life. */
struct mux_conf {
    struct fetch_limits limits;
    const struct guard *guard;
    const char *user_agent;      /* the whole header value */
    const char *const *headers;  /* further header lines, NULL-terminated; may be NULL */
    const char *proxy;           /* http, https, socks5(h), socks4(a); NULL = none. It is told names, so that hosts need no
                                  * addresses; a host that is itself an address, or localhost, is still shown to the
                                  * guard. */
    const struct dns_conf *dns;  /* looks the proxy's name up; NULL = the system's */
    const char *ca_file;         /* NULL = Debian's bundle */
    unsigned max_connections;    /* kept and open, of all hosts */
    unsigned max_per_host;       /* not used here: the worker paces hosts, a limit in libcurl would queue unseen */
    bool is_insecure;            /* --insecure: certificates are not checked */
    bool is_http2;               /* offer h2 over TLS */
};

struct fetch_request {
    uint64_t id;                          /* for traces */
    const struct url *url;                /* http or https */
    const struct dns_answer *addresses;   /* where the host is; tried in order */
    struct slice cookie, etag, last_modified, referer, authorization; /* empty = not sent */
    struct slice accept_types;            /* --accept, comma-separated; empty = all; stops after the head otherwise */
    size_t max_body_bytes;                /* 0 = the mux's limit; robots.txt: 500 KiB, longer is cut, not refused */
    struct object *owner;                 /* whom done()'s arg belongs to (weakable): once he has died done() is not called and
                                           * the page is let go; NULL = the caller cancels before arg goes */
    bool cut_long_body;                   /* the body is cut at max_body_bytes and the page is OK with truncated="length" */
};

struct mux;
struct fetch;
struct pool;
extern struct object_type fetch_type;

typedef void fetch_done_fn(void *arg, struct page *page /* NEW */);

#define FETCH_LIFETIME_MS 90000u /* beyond the total time of a transfer */
#define FETCH_EVIDENCE_BYTES (1024 * 1024) /* of a body that is refused for its size so much stays in the page */

struct mux_stats {
    uint64_t n_requests, n_connections_opened, n_connections_reused, n_wire_bytes;
    unsigned n_in_flight;
};

/* curl_init_libraries() comes first. ORB_ENOMEM; ORB_EINVAL: a header line or the proxy's URL; ORB_ENOTFOUND: its name. */
int mux_new(struct mux **out, struct ev_loop *loop, const struct mux_conf *conf) ORB_MUST_USE;
/* Cancels what is in flight: their done() get OUTCOME_NOT_STARTED pages. Never from within done(). */
void mux_free(struct mux **mux);
void mux_stats(const struct mux *mux, struct mux_stats *out);

/* ORB_ENOMEM; ORB_EINVAL: no address to ask (and no proxy); ORB_ECLOSED: mux_free() is at work. */
int fetch_start(struct mux *mux, const struct fetch_request *request, fetch_done_fn *done, void *arg,
                struct fetch **handle) ORB_MUST_USE; /* *handle: BORROWED until done(); may be NULL */
void fetch_cancel(struct fetch *fetch, enum outcome why); /* done() follows from the loop */

#endif
