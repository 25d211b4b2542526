/* mux.h - what fetch.c and mux.c share: libcurl's multi interface on libev. Nobody else includes it.
 *
 *   libev io, timer ---> mux.c: curl_multi_socket_action ---> fetch.c: callbacks fill the page
 *                               curl_multi_info_read     ---> fetch_on_end
 */
#ifndef ORB_CRAWLER_MUX_H
#define ORB_CRAWLER_MUX_H

#include <curl/curl.h>
#include <ev.h>

#include "crawler/fetch.h"
#include "gc/roots.h"
#include "gc/weak.h"
#include "pool/list.h"
#include "pool/pool.h"

#define MUX_MAGIC 0x6d757821u
#define MUX_MAX_OPENED 2048       /* connections by one multi handle: see struct mux_multi */
#define MUX_MAX_REQUEST_HEADERS 8 /* of one request, the mux's constant ones apart */

struct tls_cache;

/* What is asked: the text that a handle's options point at while it is at it. Pooled: the text's memory serves again. */
struct request {
    struct buf text;                    /* reserved once per request: never moves while curl looks at it */
    const char *curl_url, *connect_to, *target, *href, *accept_types; /* in text */
    struct curl_slist connect_to_node;  /* libcurl only reads lists: nodes of ours save the copies */
    struct curl_slist headers[MUX_MAX_REQUEST_HEADERS];
    unsigned n_headers;
};

/* A curl easy handle with the options that all transfers share; pooled. */
struct handle {
    CURL *easy;
    bool is_altered;                    /* options that are the mux's were changed: not for the next */
    char error[CURL_ERROR_SIZE];
};

/* One of libcurl's multi handles. 7.88 forgets to free an entry of its connection table for every address whose last
 * connection was evicted, and walks those entries at each new connection. So a multi serves MUX_MAX_OPENED connections and
 * is then retired: its transfers end in it, new ones go to the next, and with it goes what it had forgotten. */
struct mux_multi {
    struct list node;                   /* in mux->multis; the front one takes new transfers */
    struct mux *mux;
    CURLM *curl;
    ev_timer timer;
    unsigned n_attached, n_opened;
    bool is_kicked;                     /* libcurl has work that waits for no socket */
};

struct fetch_address { uint8_t family; uint8_t bytes[16]; };

enum fetch_state { FETCH_IDLE, FETCH_CONNECTING, FETCH_RECEIVING, FETCH_DONE };

/* What the fetch itself decided while libcurl was still at it. */
enum fetch_stop { STOP_NONE, STOP_CUT, STOP_HEADERS, STOP_BODY, STOP_TYPE, STOP_MEMORY, STOP_PROTOCOL };

struct fetch {
    struct object object;
    enum fetch_state state;
    struct mux *mux;                    /* BORROWED */
    struct mux_multi *multi;            /* BORROWED; NULL = libcurl has no hand on it */
    struct handle *handle;              /* lent by mux->handles; NULL in FETCH_DONE */
    struct request *request;            /* lent by mux->requests; goes after the handle that points into it */
    struct page *page;
    fetch_done_fn *done;
    void *arg;
    struct weak owner;                  /* whom arg belongs to; once he is gone nobody is told */
    bool has_owner;
    struct list node;                   /* in mux->fetches, with the mux's reference */
    uint64_t id;
    struct fetch_address addresses[DNS_MAX_ADDRESSES];
    unsigned n_addresses, next_address;
    uint16_t port;
    size_t max_body_bytes, header_bytes, n_counted_bytes;
    ev_tstamp started_at;
    uint64_t n_memory_failures;         /* of MEM_CURL when it began: tells a lack of memory from a header that is too long */
    enum fetch_stop stop;
    enum outcome cancelled;             /* OUTCOME_NONE = not */
    bool is_head_complete, is_http2, cuts_long_body, is_conditional;
    bool was_refused_by_guard, was_connect_tried, was_tried_fresh;
    bool is_paused;                     /* waits for room: see MUX_BODY_BUDGET_BYTES */
};

/* Bodies that are arriving share so much. A fetch that would go beyond waits (TCP holds its server back), but for one, the
 * giant: so a worker's memory is bounded by this and one body, and large bodies still all arrive, one after the other. */
#define MUX_BODY_BUDGET_BYTES ((size_t)16 << 20)

struct mux {
    uint32_t magic;
    struct ev_loop *loop;               /* BORROWED */
    const struct mux_conf *conf;        /* BORROWED */
    struct list multis;
    struct pool *handles, *requests;
    struct tls_cache *tls;
    ev_prepare prepare;
    struct list fetches;
    unsigned n_cancelled;               /* fetches whose done() is due */
    size_t n_body_bytes;                /* of all bodies that are arriving */
    struct fetch *giant;                /* the one fetch that goes on beyond MUX_BODY_BUDGET_BYTES; NULL = none; BORROWED */
    bool may_resume;                    /* there is room again for those that wait */
    bool is_closing;                    /* no new ones */
    struct mux_socket **sockets;        /* by descriptor */
    int n_sockets;
    struct curl_slist *headers;         /* of every request; tail of each request's own list */
    struct buf header_lines;            /* ... as sent */
    struct buf proxy;                   /* what libcurl is given; empty = none */
    bool has_http_proxy;                /* it takes whole URLs of http; a SOCKS proxy sees nothing of the request */
    struct curl_slist *proxy_address;   /* CURLOPT_RESOLVE for its name; NULL = it is an address */
    struct mux_stats stats;
    struct gc_root root;                /* "mux.fetches" */
};

int mux_attach(struct mux *mux, struct fetch *f) ORB_MUST_USE; /* libcurl starts on it: ORB_ENOMEM */
void mux_detach(struct fetch *f);
curl_socket_t mux_on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address); /* arg: fetch */
bool mux_body_begins(struct fetch *f, size_t n);  /* n more bytes; false: pause */
void mux_body_ends(struct fetch *f);
int mux_on_close_socket(void *arg, curl_socket_t s);                                            /* arg: mux */

/* fetch.c, for the handle pool and for the end of a transfer */
void *fetch_handle_make(void *mux);
bool fetch_handle_reset(void *handle, void *mux);
void fetch_handle_destroy(void *handle, void *mux);
void fetch_on_end(struct fetch *f, CURLcode code);
void fetch_end_cancelled(struct fetch *f);

/* request.c: what is asked. request_build() fills the request, and page->request as its record. */
int request_pool_new(struct pool **out, uint64_t lease_ms) ORB_MUST_USE;
int request_build(struct request *q, struct page *page, const struct mux *mux, const struct fetch_request *request) ORB_MUST_USE;
int request_point(struct request *q, const struct fetch_address *address, uint16_t port) ORB_MUST_USE; /* connect_to */
int request_headers_init(struct mux *mux) ORB_MUST_USE;

/* proxy.c */
int proxy_init(struct mux *mux) ORB_MUST_USE; /* ORB_EINVAL, ORB_ENOTFOUND, ORB_ENOMEM */
void proxy_fini(struct mux *mux);
bool proxy_is_refused(const struct mux *mux, const struct url *url); /* may this target not be named to it? */

/* verdict.c: what became of it. */
void verdict_of_curl(struct fetch *f, CURLcode code);
void verdict_of_status(struct fetch *f);

#endif
