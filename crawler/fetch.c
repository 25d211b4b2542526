/* fetch.c - one transfer, from a request to a page
 *
 *    IDLE ----------> CONNECTING ----------> RECEIVING ----------> DONE --done()--> nothing
 *         fetch_start   ^  |    first header     |   fetch_on_end  ^
 *           next address|  |                     |                 |
 *                       +--+---------------------+-----------------+
 *   IDLE        being built; libcurl does not know of it.
 *   CONNECTING  holds a pooled handle; libcurl connects, sends, waits.
 *   RECEIVING   ... and the page grows.
 *   DONE        the page is sealed, the handle is back in its pool; the object goes after done().
 */
#include "crawler/mux.h"

#include <netinet/in.h>

#include "crawler/address.h"
#include "crawler/tls.h"
#include "gc/trace.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FETCH_FIRST_BODY_BYTES (16 * 1024)
#define FETCH_MAX_RESERVE_BYTES (1024 * 1024) /* an announced length is believed up to here */
#define CURL_BUFFER_BYTES (32 * 1024L)

static void
fetch_release(struct object *o)
{
    weak_clear(&((struct fetch *)(void *)o)->owner);
}

static void
fetch_describe(const struct object *o, char *to, size_t cap)
{
    static const char *const states[] = { "idle", "connecting", "receiving", "done" };
    const struct fetch *f = (const struct fetch *)(const void *)o;

    snprintf(to, cap, "%s %s", states[f->state], f->request == NULL || f->request->href == NULL ? "" : f->request->href);
}

static const uint16_t fetch_pointers[] = { offsetof(struct fetch, page) };

struct object_type fetch_type = {
    .name = "Fetch",
    .object_bytes = sizeof(struct fetch),
    .lifetime_ms = FETCH_LIFETIME_MS,
    .pointer_offsets = fetch_pointers,
    .n_pointers = ORB_N_ELEMENTS(fetch_pointers),
    .release = fetch_release,
    .describe = fetch_describe,
};

static const uint8_t fetch_may[] = {
    [FETCH_IDLE] = ORB_BIT(FETCH_CONNECTING),
    [FETCH_CONNECTING] = ORB_BIT(FETCH_CONNECTING) | ORB_BIT(FETCH_RECEIVING) | ORB_BIT(FETCH_DONE),
    [FETCH_RECEIVING] = ORB_BIT(FETCH_DONE) | ORB_BIT(FETCH_CONNECTING), /* libcurl retries a dead kept connection */
    [FETCH_DONE] = 0,
};

static void
fetch_enter(struct fetch *f, enum fetch_state to) /* the only writer of f->state */
{
    CHECK_OBJECT(f, &fetch_type);
    CHECK(fetch_may[f->state] & ORB_BIT(to));
    f->state = to;
}

/* --- the answer --- */

static size_t
fetch_stop(struct fetch *f, enum fetch_stop why)
{
    f->stop = why;
    return CURL_WRITEFUNC_ERROR;
}

/* Whether a media type is in a list such as "text/html, image/ *"; an absent type is let through. */
static bool
type_is_accepted(struct slice type, const char *list)
{
    size_t n = 0;

    while (n < type.n && type.p[n] != ';')
        n++;
    type = slice_trim(slice_sub(type, 0, n));
    if (type.n == 0)
        return true;
    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, ",");
        struct slice item = slice_trim(slice_of(at, len));
        bool is_wild = item.n >= 2 && item.p[item.n - 1] == '*' && (item.p[item.n - 2] == '/' || item.n == 3);
        if (slice_eq_nocase(item, SLICE_LITERAL("*/*")) || slice_eq_nocase(item, type))
            return true;
        if (is_wild && type.n >= item.n - 1 && strncasecmp(type.p, item.p, item.n - 1) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* The head of the final answer is whole: is its body wanted, and how long will it be? */
static size_t
fetch_on_head(struct fetch *f, size_t n_line)
{
    struct page *p = f->page;
    bool has_body = p->status != 204 && p->status != 304;

    f->is_head_complete = true;
    if (!has_body)
        p->is_chunked = false;
    if (f->request->accept_types != NULL && p->status >= 200 && p->status < 300
        && !type_is_accepted(p->content_type, f->request->accept_types))
        return fetch_stop(f, STOP_TYPE);
    if (!has_body || p->is_chunked || p->content_length <= 0)
        return n_line;
    if ((uint64_t)p->content_length > f->max_body_bytes && !f->cuts_long_body)
        return fetch_stop(f, STOP_BODY);
    /* one allocation instead of doublings; a lie costs at most FETCH_MAX_RESERVE_BYTES of addresses */
    if (buf_reserve(&p->wire_body, ORB_MIN(ORB_MIN((size_t)p->content_length, f->max_body_bytes),
                                           (size_t)FETCH_MAX_RESERVE_BYTES)) != 0)
        return fetch_stop(f, STOP_MEMORY);
    return n_line;
}

/* A status line begins a head: the first, or the one after an interim answer. HTTP/2's is written as HTTP/1.1's. */
static int
head_begin(struct fetch *f, const char *line, size_t n)
{
    struct page *p = f->page;

    buf_clear(&p->head);
    f->is_head_complete = false;
    if (f->state == FETCH_CONNECTING)
        fetch_enter(f, FETCH_RECEIVING);
    f->is_http2 = n > 7 && line[5] == '2' && line[6] == ' ';
    if (!f->is_http2)
        return buf_append(&p->head, line, n);
    return buf_append_str(&p->head, "HTTP/1.1") != 0 ? ORB_ENOMEM : buf_append(&p->head, line + 6, n - 6);
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    struct page *p = f->page;
    bool is_end = n > 0 && (line[0] == '\r' || line[0] == '\n');
    int err;

    trace_set_operation("fetch", slice_str(f->request->href));
    f->header_bytes += n;
    if (f->header_bytes > f->mux->conf->limits.max_header_bytes)
        return fetch_stop(f, STOP_HEADERS);
    if (f->is_head_complete)
        return n; /* trailers of HTTP/2 */
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0 && (p->head.n == 0 || p->status != 0)) {
        p->status = 0;
        err = head_begin(f, line, n);
    } else {
        err = buf_append(&p->head, line, n);
    }
    if (err != 0)
        return fetch_stop(f, err == ORB_ETOOBIG ? STOP_HEADERS : STOP_MEMORY);
    if (!is_end)
        return n;
    err = page_read_head(p);
    if (err != 0)
        return fetch_stop(f, err == ORB_EINVAL ? STOP_PROTOCOL : err == ORB_ETOOBIG ? STOP_HEADERS : STOP_MEMORY);
    if (f->is_http2) {
        p->http_version = 20;
        p->is_chunked = false;
    }
    if (p->status == 101) /* nobody asked for another protocol */
        return fetch_stop(f, STOP_PROTOCOL);
    return p->status < 200 ? n : fetch_on_head(f, n);
}

static size_t
on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    struct buf *body = &f->page->wire_body;
    size_t room = f->max_body_bytes - ORB_MIN(body->n, f->max_body_bytes);
    bool is_last = n > room;

    if (!mux_body_begins(f, n))
        return CURL_WRITEFUNC_PAUSE;
    if (body->p == NULL && f->page->is_chunked && n <= room
        && buf_reserve(body, ORB_MIN(ORB_MAX(n, (size_t)FETCH_FIRST_BODY_BYTES), room)) != 0)
        return fetch_stop(f, STOP_MEMORY);
    if (buf_append(body, bytes, is_last ? room : n) != 0)
        return fetch_stop(f, STOP_MEMORY);
    if (is_last)
        return fetch_stop(f, f->cuts_long_body ? STOP_CUT : STOP_BODY);
    return n;
}

/* --- handles --- */

static CURLcode
handle_limits(CURL *e, const struct fetch_limits *l)
{
    CURLcode err = curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)l->connect_timeout_ms);

    err |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)l->timeout_ms);
    err |= curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)l->low_speed_bytes_per_s);
    err |= curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)l->low_speed_s);
    return err;
}

/* What is the same for every transfer of a worker; the rest is set by fetch_options(). */
static CURLcode
handle_options(struct handle *h, struct mux *mux)
{
    const struct mux_conf *conf = mux->conf;
    CURL *e = h->easy;
    CURLcode err = handle_limits(e, &conf->limits);

    err |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    err |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    err |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    err |= curl_easy_setopt(e, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
    err |= curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    err |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                            (long)(conf->is_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    err |= curl_easy_setopt(e, CURLOPT_BUFFERSIZE, CURL_BUFFER_BYTES);
    err |= curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    err |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
    err |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    err |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    err |= curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, mux_on_open_socket);
    err |= curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, mux_on_close_socket);
    err |= curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, mux);
    err |= curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* set always, so that no variable of the environment is looked at */
    err |= curl_easy_setopt(e, CURLOPT_PROXY, mux->proxy.n > 0 ? mux->proxy.p : "");
    err |= curl_easy_setopt(e, CURLOPT_RESOLVE, mux->proxy_address);
    err |= curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    err |= tls_handle_options(e, mux);
    return err;
}

void
fetch_handle_destroy(void *handle, void *mux)
{
    struct handle *h = handle;

    if (h->easy != NULL)
        curl_easy_cleanup(h->easy);
    mem_free(MEM_CURL, h);
}

void *
fetch_handle_make(void *mux)
{
    struct handle *h = mem_zalloc(MEM_CURL, sizeof *h);

    if (h == NULL)
        return NULL;
    h->easy = curl_easy_init();
    if (h->easy == NULL || handle_options(h, mux) != CURLE_OK) {
        fetch_handle_destroy(h, mux);
        return NULL;
    }
    return h;
}

bool
fetch_handle_reset(void *handle, void *mux)
{
    struct handle *h = handle;

    h->error[0] = '\0';
    return !h->is_altered; /* rare: not worth putting right */
}

/* --- the start --- */

static void
addresses_copy(struct fetch *f, const struct dns_answer *answer)
{
    unsigned n = answer == NULL ? 0 : ORB_MIN(answer->n_addresses, (unsigned)DNS_MAX_ADDRESSES);

    for (unsigned i = 0; i < n; i++) {
        const struct sockaddr_storage *from = &answer->addresses[i];
        struct fetch_address *to = &f->addresses[f->n_addresses];
        to->family = (uint8_t)from->ss_family;
        if (from->ss_family == AF_INET)
            memcpy(to->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
        else if (from->ss_family == AF_INET6)
            memcpy(to->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
        else
            continue;
        f->n_addresses++;
    }
}

/* libcurl 7.88 keeps connections in one list per (scope id, port, address) and probes every idle one of the list for each
 * request: hundreds of names at one address made that most of the cost. The scope id matters to no connection but to
 * link-local IPv6 ones, which have their scope in the address; a hash of the origin there makes a list per host. */
static uint32_t
scope_of(const char *origin)
{
    return (uint32_t)XXH3_64bits(origin, strlen(origin));
}

/* What changes from one transfer to the next; everything else stays in the handle. */
static int
fetch_options(struct fetch *f)
{
    const struct request *q = f->request;
    CURL *e = f->handle->easy;
    CURLcode err = curl_easy_setopt(e, CURLOPT_URL, q->curl_url);

    err |= curl_easy_setopt(e, CURLOPT_REQUEST_TARGET, q->target);
    err |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, q->n_headers > 0 ? q->headers : f->mux->headers);
    err |= curl_easy_setopt(e, CURLOPT_ADDRESS_SCOPE, (long)scope_of(q->curl_url));
    err |= curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
    err |= curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
    err |= curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, f);
    err |= curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, f);
    err |= curl_easy_setopt(e, CURLOPT_PRIVATE, f);
    return err == CURLE_OK ? 0 : ORB_ENOMEM;
}

/* Points the handle at the next address. Through a proxy there is none to point at. */
static int
fetch_aim(struct fetch *f)
{
    int err;

    if (f->mux->conf->proxy != NULL)
        return 0;
    CHECK(f->next_address < f->n_addresses);
    err = request_point(f->request, &f->addresses[f->next_address++], f->port);
    if (err == 0)
        err = curl_easy_setopt(f->handle->easy, CURLOPT_CONNECT_TO, &f->request->connect_to_node) == CURLE_OK ? 0 : ORB_ENOMEM;
    return err;
}

static int
fetch_fill(struct fetch *f, const struct fetch_request *r)
{
    const struct fetch_limits *limits = &f->mux->conf->limits;
    int err;

    f->id = r->id;
    f->port = url_effective_port(r->url);
    f->cuts_long_body = r->cut_long_body;
    f->is_conditional = r->etag.n > 0 || r->last_modified.n > 0;
    f->max_body_bytes = r->max_body_bytes != 0 ? r->max_body_bytes : limits->max_body_bytes;
    addresses_copy(f, r->addresses);
    if (f->mux->conf->proxy == NULL && f->n_addresses == 0)
        return ORB_EINVAL;
    f->page = page_new(limits->max_header_bytes, f->max_body_bytes, limits->max_decoded_bytes);
    f->handle = pool_get(f->mux->handles);
    f->request = pool_get(f->mux->requests);
    if (f->page == NULL || f->handle == NULL || f->request == NULL)
        return ORB_ENOMEM;
    err = request_build(f->request, f->page, f->mux, r);
    if (err == 0)
        err = fetch_options(f);
    return err == 0 ? fetch_aim(f) : err;
}

static void
fetch_drop(struct fetch **fetch)
{
    struct fetch *f = *fetch;
    struct object *o = &f->object;

    pool_put(f->mux->handles, &f->handle);
    pool_put(f->mux->requests, &f->request);
    list_remove(&f->node);
    *fetch = NULL;
    object_unref(&o);
}

/* Its own part of a start; the mux has no part in it yet. */
static int
fetch_prepare(struct fetch *f, const struct fetch_request *request)
{
    struct mem_stats stats;
    int err = weak_set(&f->owner, request->owner);

    if (err == 0)
        err = fetch_fill(f, request);
    if (err != 0)
        return err;
    mem_stats(MEM_CURL, &stats);
    f->n_memory_failures = stats.n_failed;
    f->started_at = ev_now(f->mux->loop);
    f->page->fetched_at_ms = (uint64_t)(f->started_at * 1000.0);
    fetch_enter(f, FETCH_CONNECTING);
    return 0;
}

int
fetch_start(struct mux *mux, const struct fetch_request *request, fetch_done_fn *done, void *arg, struct fetch **handle)
{
    struct fetch *f;
    int err;

    CHECK_IS(mux, MUX_MAGIC);
    CHECK(url_is_http(request->url));
    if (mux->is_closing)
        return ORB_ECLOSED;
    f = OBJECT_NEW(&fetch_type);
    if (f == NULL)
        return ORB_ENOMEM;
    list_init(&f->node);
    f->mux = mux;
    f->done = done;
    f->arg = arg;
    f->has_owner = request->owner != NULL;
    trace_set_operation("fetch", url_href(request->url));
    err = fetch_prepare(f, request);
    if (err != 0)
        goto fail;
    f->was_refused_by_guard = proxy_is_refused(mux, request->url);
    err = f->was_refused_by_guard ? 0 : mux_attach(mux, f);
    if (err != 0)
        goto fail;
    list_push_back(&mux->fetches, &f->node);
    mux->stats.n_requests++;
    mux->stats.n_in_flight++;
    if (f->was_refused_by_guard)
        fetch_cancel(f, OUTCOME_ADDRESS_BLOCKED);
    if (handle != NULL)
        *handle = f;
    trace_set_operation(NULL, SLICE_NONE);
    return 0;
fail:
    trace_set_operation(NULL, SLICE_NONE);
    fetch_drop(&f);
    return err;
}

void
fetch_cancel(struct fetch *f, enum outcome why)
{
    CHECK_OBJECT(f, &fetch_type);
    CHECK(why != OUTCOME_NONE);
    if (f->cancelled != OUTCOME_NONE || f->state == FETCH_DONE)
        return;
    f->cancelled = why;
    f->mux->n_cancelled++;
    list_remove(&f->node); /* to the front, where the mux looks for the cancelled */
    list_push_front(&f->mux->fetches, &f->node);
}

/* --- the end --- */

/* The same handle once more, within what is left of the total time. */
static bool
fetch_again(struct fetch *f)
{
    unsigned timeout_ms = f->mux->conf->limits.timeout_ms;
    double left_ms = timeout_ms - (ev_now(f->mux->loop) - f->started_at) * 1000.0;

    if (timeout_ms != 0 && left_ms < 1)
        return false;
    f->handle->is_altered = true;
    if (timeout_ms != 0)
        curl_easy_setopt(f->handle->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
    f->handle->error[0] = '\0';
    fetch_enter(f, FETCH_CONNECTING);
    return mux_attach(f->mux, f) == 0;
}

/* A connection that could not be made is tried at the host's next address. */
static bool
fetch_try_next(struct fetch *f, CURLcode code)
{
    curl_off_t ready_us = 0;

    curl_easy_getinfo(f->handle->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    if (f->mux->conf->proxy != NULL || f->next_address >= f->n_addresses || ready_us != 0
        || (code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT))
        return false;
    return fetch_aim(f) == 0 && fetch_again(f);
}

/* A kept connection that the server had closed: libcurl tries again by itself, but 7.88 never sets its count of such
 * retries back, and so gives up at a handle's sixth although they were years apart. */
static bool
fetch_try_fresh(struct fetch *f, CURLcode code)
{
    long n_connects = 0, sent_bytes = 0;

    curl_easy_getinfo(f->handle->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    curl_easy_getinfo(f->handle->easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
    if (n_connects > 0 || f->was_tried_fresh
        || (size_t)sent_bytes > f->page->request.n + f->page->request.n / 2 /* it did: twice is enough */
        || (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR && code != CURLE_GOT_NOTHING))
        return false;
    f->was_tried_fresh = true;
    return curl_easy_setopt(f->handle->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK && fetch_again(f);
}

static bool
fetch_retry(struct fetch *f, CURLcode code)
{
    if (code == CURLE_OK || f->stop != STOP_NONE || f->header_bytes > 0)
        return false;
    return fetch_try_fresh(f, code) || fetch_try_next(f, code);
}

/* What libcurl knows about the transfer, as long as the handle is at hand. */
static void
fetch_measure(struct fetch *f)
{
    struct page *p = f->page;
    CURL *e = f->handle->easy;
    long n_connects = 0;
    char *address = NULL;

    curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &n_connects);
    if (curl_easy_getinfo(e, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address != NULL && f->mux->conf->proxy == NULL)
        snprintf(p->remote_address, sizeof p->remote_address, "%s", address);
    p->is_connection_reused = n_connects == 0 && f->header_bytes > 0;
    p->wire_bytes = f->header_bytes + p->wire_body.n;
    f->mux->stats.n_connections_opened += (uint64_t)n_connects;
    f->mux->stats.n_connections_reused += p->is_connection_reused;
    f->mux->stats.n_wire_bytes += p->wire_bytes;
}

/* Seals the page and hands it over; f is gone afterwards. */
static void
fetch_finish(struct fetch *f)
{
    struct page *page = f->page;

    page->fetch_ms = (uint32_t)((ev_now(f->mux->loop) - f->started_at) * 1000.0);
    trace_set_operation("decode", slice_str(f->request->href));
    page_seal(page, f->mux->conf->limits.max_decoded_bytes);
    trace_set_operation(NULL, SLICE_NONE);
    f->page = NULL;
    fetch_enter(f, FETCH_DONE);
    pool_put(f->mux->handles, &f->handle);
    pool_put(f->mux->requests, &f->request);
    f->mux->stats.n_in_flight--;
    if (f->has_owner && weak_peek(&f->owner) == NULL)
        page_unref(&page);
    else
        f->done(f->arg, page);
    fetch_drop(&f);
}

void
fetch_on_end(struct fetch *f, CURLcode code)
{
    CHECK_OBJECT(f, &fetch_type);
    mux_detach(f);
    if (f->cancelled != OUTCOME_NONE) {
        fetch_end_cancelled(f);
        return;
    }
    mux_body_ends(f);
    if (fetch_retry(f, code))
        return;
    fetch_measure(f);
    verdict_of_curl(f, code);
    fetch_finish(f);
}

void
fetch_end_cancelled(struct fetch *f)
{
    CHECK(f->cancelled != OUTCOME_NONE);
    mux_detach(f);
    mux_body_ends(f);
    f->mux->n_cancelled--;
    if (f->state == FETCH_RECEIVING)
        fetch_measure(f);
    f->page->outcome = f->cancelled;
    if (f->is_head_complete)
        f->page->truncated = "time";
    fetch_finish(f);
}
