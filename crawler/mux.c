/* mux.c - libcurl's sockets and timer on a libev loop
 *
 * A kept connection's watcher stays in epoll while no transfer uses it, so that the next request on it costs no
 * epoll_ctl; only if the idle connection turns readable (the server closed it) is the watcher stopped.
 *
 *                socket callback: IN, OUT         socket callback: REMOVE       close callback
 *   nothing ----------------------------> WANTED -----------------------> IDLE ----------------> nothing
 *                                           ^---- socket callback: IN -----'  readable: stop watching
 *
 * New transfers do not wait for a timer's turn: `is_kicked` runs libcurl in the prepare watcher, just before the loop
 * would block. done() is only ever called from there and from the io and timer callbacks.
 */
#include "crawler/mux.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crawler/tls.h"
#include "gc/trace.h"

#define MUX_KICKS_PER_TURN 8
#define MUX_STARVED_S 0.05
#define MUX_MAX_DESCRIPTOR (1 << 20)

struct mux_socket {
    ev_io io;
    struct mux_multi *multi;
    bool is_wanted; /* a transfer waits for it */
};

static void multi_close(struct mux_multi **multi);

/* --- libcurl's events --- */

static void
mux_end_cancelled(struct mux *mux)
{
    while (mux->n_cancelled > 0 && !list_is_empty(&mux->fetches)) {
        struct fetch *f = LIST_ELEMENT(mux->fetches.next, struct fetch, node);
        CHECK(f->cancelled != OUTCOME_NONE); /* fetch_cancel() puts them in front */
        fetch_end_cancelled(f);
    }
}

static void
multi_drain(struct mux_multi *m)
{
    struct mux *mux = m->mux;
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(m->curl, &n_left)) != NULL) {
        struct fetch *f = NULL;
        CURLcode code = msg->data.result; /* msg is gone after the handle is removed */
        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&f);
        fetch_on_end(f, code);
    }
    if (mux->n_cancelled > 0)
        mux_end_cancelled(mux);
}

static void
timer_start(struct mux_multi *m, double after_s)
{
    ev_timer_stop(m->mux->loop, &m->timer);
    ev_timer_set(&m->timer, after_s, 0.);
    ev_timer_start(m->mux->loop, &m->timer);
}

static void
multi_act(struct mux_multi *m, curl_socket_t s, int events)
{
    int n_running;
    CURLMcode code;

    trace_set_operation("fetch", SLICE_NONE); /* libcurl's callbacks say which */
    code = curl_multi_socket_action(m->curl, s, events, &n_running);
    trace_set_operation(NULL, SLICE_NONE); /* before a handle goes, and the URL in it */
    CHECK(code == CURLM_OK || code == CURLM_OUT_OF_MEMORY);
    multi_drain(m);
    if (code == CURLM_OUT_OF_MEMORY)
        timer_start(m, MUX_STARVED_S); /* libcurl stopped in the middle: it looks again at all that is due */
}

static void
on_io(struct ev_loop *loop, ev_io *w, int events)
{
    struct mux_socket *s = (struct mux_socket *)(void *)w;

    if (!s->is_wanted) {
        ev_io_stop(loop, w);
        return;
    }
    multi_act(s->multi, w->fd, (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    multi_act(w->data, CURL_SOCKET_TIMEOUT, 0);
}

static void
multi_run_kicks(struct mux_multi *m)
{
    for (unsigned i = 0; m->is_kicked && i < MUX_KICKS_PER_TURN; i++) {
        m->is_kicked = false;
        multi_act(m, CURL_SOCKET_TIMEOUT, 0);
    }
    if (m->is_kicked)
        timer_start(m, 0.);
}

static struct mux_multi *
mux_current(const struct mux *mux)
{
    return LIST_ELEMENT(mux->multis.next, struct mux_multi, node);
}

/* --- the room for bodies --- */

bool
mux_body_begins(struct fetch *f, size_t n)
{
    struct mux *mux = f->mux;

    f->is_paused = mux->n_body_bytes + n > MUX_BODY_BUDGET_BYTES && mux->giant != NULL && mux->giant != f;
    if (f->is_paused)
        return false;
    mux->n_body_bytes += n;
    f->n_counted_bytes += n;
    if (mux->n_body_bytes > MUX_BODY_BUDGET_BYTES)
        mux->giant = f;
    return true;
}

void
mux_body_ends(struct fetch *f)
{
    struct mux *mux = f->mux;

    mux->n_body_bytes -= f->n_counted_bytes;
    f->n_counted_bytes = 0;
    if (mux->giant == f)
        mux->giant = NULL;
    mux->may_resume = true;
}

/* libcurl hands over at once what it kept for a paused transfer; when that is refused, the transfer is over. */
static void
resume_paused(struct mux *mux)
{
    mux->may_resume = false;
    LIST_EACH_SAFE(node, &mux->fetches) {
        struct fetch *f = LIST_ELEMENT(node, struct fetch, node);
        CURLcode code;

        if (!f->is_paused || f->multi == NULL || f->cancelled != OUTCOME_NONE)
            continue;
        f->is_paused = false;
        code = curl_easy_pause(f->handle->easy, CURLPAUSE_CONT);
        if (code != CURLE_OK)
            fetch_on_end(f, code);
    }
}

static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
    struct mux *mux = w->data;

    if (mux->n_cancelled > 0)
        mux_end_cancelled(mux);
    if (mux->may_resume)
        resume_paused(mux);
    LIST_EACH(node, &mux->multis) /* one that is added meanwhile comes to the front; none goes */
        multi_run_kicks(LIST_ELEMENT(node, struct mux_multi, node));
    LIST_EACH_SAFE(node, &mux->multis) {
        struct mux_multi *m = LIST_ELEMENT(node, struct mux_multi, node);
        if (m != mux_current(mux) && m->n_attached == 0)
            multi_close(&m);
    }
    if (mux_current(mux)->is_kicked || mux->n_cancelled > 0)
        timer_start(mux_current(mux), 0.);
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct mux_multi *m = arg;

    if (timeout_ms == 0)
        m->is_kicked = true;
    if (timeout_ms < 0)
        ev_timer_stop(m->mux->loop, &m->timer);
    else
        timer_start(m, (double)timeout_ms / 1000.0);
    return 0;
}

/* --- sockets --- */

static struct mux_socket *
socket_at(struct mux *mux, int fd)
{
    return fd >= 0 && fd < mux->n_sockets ? mux->sockets[fd] : NULL;
}

static struct mux_socket *
socket_add(struct mux_multi *m, int fd)
{
    struct mux *mux = m->mux;
    struct mux_socket *s;

    if (fd < 0 || fd >= MUX_MAX_DESCRIPTOR)
        return NULL;
    if (fd >= mux->n_sockets) {
        int n = ORB_MAX(fd + 1, mux->n_sockets * 2);
        struct mux_socket **grown = mem_realloc(MEM_CURL, mux->sockets, (size_t)n * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        memset(grown + mux->n_sockets, 0, (size_t)(n - mux->n_sockets) * sizeof *grown);
        mux->sockets = grown;
        mux->n_sockets = n;
    }
    s = mem_zalloc(MEM_CURL, sizeof *s);
    if (s == NULL)
        return NULL;
    s->multi = m;
    ev_io_init(&s->io, on_io, fd, EV_NONE);
    mux->sockets[fd] = s;
    return s;
}

static void
socket_drop(struct mux *mux, int fd)
{
    struct mux_socket *s = socket_at(mux, fd);

    if (s == NULL)
        return;
    ev_io_stop(mux->loop, &s->io);
    mux->sockets[fd] = NULL;
    mem_free(MEM_CURL, s);
}

static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct mux *mux = ((struct mux_multi *)arg)->mux;
    struct mux_socket *s = socket_at(mux, fd);
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    if (s == NULL)
        return what == CURL_POLL_REMOVE ? 0 : -1; /* only mux_on_open_socket() makes sockets */
    s->is_wanted = what != CURL_POLL_REMOVE;
    if (!s->is_wanted) {
        if (s->io.events & EV_WRITE) /* an idle connection is always writable */
            ev_io_stop(mux->loop, &s->io);
        return 0;
    }
    if (ev_is_active(&s->io) && (s->io.events & (EV_READ | EV_WRITE)) == events)
        return 0;
    ev_io_stop(mux->loop, &s->io);
    ev_io_modify(&s->io, events); /* unlike ev_io_set() this tells libev that the descriptor is the one it knows */
    ev_io_start(mux->loop, &s->io);
    return 0;
}

curl_socket_t
mux_on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *f = arg;
    struct mux *mux = f->mux;
    int fd;

    trace_set_operation("fetch", slice_str(f->request->href));
    if (mux->conf->proxy == NULL && !guard_permits(mux->conf->guard, &address->addr)) {
        f->was_refused_by_guard = true;
        return CURL_SOCKET_BAD;
    }
    f->was_connect_tried = true;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (socket_add(f->multi, fd) == NULL) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    f->multi->n_opened++;
    return fd;
}

int
mux_on_close_socket(void *arg, curl_socket_t fd)
{
    socket_drop(arg, fd);
    return close(fd);
}

/* --- multi handles --- */

static CURLMcode
multi_options(struct mux_multi *m)
{
    long n_connections = (long)m->mux->conf->max_connections;
    CURLMcode err = curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket);

    err |= curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    err |= curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    err |= curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    err |= curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, n_connections);
    err |= curl_multi_setopt(m->curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, n_connections);
    /* 0: the worker paces hosts; a limit here would queue in libcurl, where nobody sees it */
    err |= curl_multi_setopt(m->curl, CURLMOPT_MAX_HOST_CONNECTIONS, 0L);
    return err;
}

static void
multi_close(struct mux_multi **multi)
{
    struct mux_multi *m = *multi;

    CHECK(m->n_attached == 0);
    if (m->curl != NULL)
        curl_multi_cleanup(m->curl); /* closes the kept connections */
    ev_timer_stop(m->mux->loop, &m->timer);
    list_remove(&m->node);
    MEM_FREE(MEM_CURL, multi);
}

static int
multi_open(struct mux *mux)
{
    struct mux_multi *m = mem_zalloc(MEM_CURL, sizeof *m);

    if (m == NULL)
        return ORB_ENOMEM;
    m->mux = mux;
    list_init(&m->node);
    ev_timer_init(&m->timer, on_timer, 0., 0.);
    m->timer.data = m;
    m->curl = curl_multi_init();
    if (m->curl == NULL || multi_options(m) != CURLM_OK) {
        multi_close(&m);
        return ORB_ENOMEM;
    }
    list_push_front(&mux->multis, &m->node);
    return 0;
}

/* --- transfers --- */

int
mux_attach(struct mux *mux, struct fetch *f)
{
    struct mux_multi *m;

    CHECK(f->multi == NULL);
    if (mux_current(mux)->n_opened >= MUX_MAX_OPENED && multi_open(mux) != 0)
        return ORB_ENOMEM;
    m = mux_current(mux);
    if (curl_multi_add_handle(m->curl, f->handle->easy) != CURLM_OK)
        return ORB_ENOMEM;
    f->multi = m;
    m->n_attached++;
    m->is_kicked = true;
    return 0;
}

void
mux_detach(struct fetch *f)
{
    if (f->multi == NULL)
        return;
    CHECK(curl_multi_remove_handle(f->multi->curl, f->handle->easy) == CURLM_OK);
    f->multi->n_attached--;
    f->multi = NULL;
}

/* --- life --- */

static void
walk_fetches(void *owner, object_visit_fn *visit, void *arg)
{
    struct mux *mux = owner;

    LIST_EACH(node, &mux->fetches) {
        struct object *o = &LIST_ELEMENT(node, struct fetch, node)->object;
        visit(&o, arg);
    }
}

/* What is overdue depends on how long a transfer may take; without a limit nothing is. */
static void
set_lifetimes(const struct fetch_limits *limits)
{
    bool is_limited = limits->timeout_ms > 0;

    fetch_type.lifetime_ms = is_limited ? limits->timeout_ms + FETCH_LIFETIME_MS : 0;
    page_type.lifetime_ms = is_limited ? limits->timeout_ms + PAGE_LIFETIME_MS : 0;
    buf_lease_ms(page_type.lifetime_ms); /* bodies live as long as their pages */
}

int
mux_new(struct mux **out, struct ev_loop *loop, const struct mux_conf *conf)
{
    struct mux *mux = mem_zalloc(MEM_CURL, sizeof *mux);
    int err = ORB_ENOMEM;

    if (mux == NULL)
        return ORB_ENOMEM;
    mux->magic = MUX_MAGIC;
    mux->loop = loop;
    mux->conf = conf;
    list_init(&mux->fetches);
    mux->root = (struct gc_root){ .name = "mux.fetches", .walk = walk_fetches, .owner = mux };
    gc_root_add(&mux->root);
    set_lifetimes(&conf->limits);
    list_init(&mux->multis);
    ev_prepare_init(&mux->prepare, on_prepare);
    mux->prepare.data = mux;
    ev_prepare_start(loop, &mux->prepare);
    ev_unref(loop); /* it alone keeps no loop alive */
    err = request_headers_init(mux);
    if (err == 0)
        err = proxy_init(mux);
    if (err == 0)
        err = tls_cache_new(&mux->tls);
    if (err == 0)
        err = multi_open(mux);
    if (err == 0)
        err = pool_new(&mux->handles, &(struct pool_type){ .name = "curl handles",
                                                           .make = fetch_handle_make,
                                                           .reset = fetch_handle_reset,
                                                           .destroy = fetch_handle_destroy,
                                                           .arg = mux,
                                                           .floor = 1,
                                                           .lease_ms = 2 * (uint64_t)conf->limits.timeout_ms });
    if (err == 0)
        err = request_pool_new(&mux->requests, 2 * (uint64_t)conf->limits.timeout_ms);
    if (err != 0)
        goto fail;
    *out = mux;
    return 0;
fail:
    mux_free(&mux);
    return err;
}

void
mux_free(struct mux **out)
{
    struct mux *mux = *out;

    if (mux == NULL)
        return;
    CHECK_IS(mux, MUX_MAGIC);
    mux->is_closing = true;
    while (!list_is_empty(&mux->fetches)) {
        struct fetch *f = LIST_ELEMENT(mux->fetches.next, struct fetch, node);
        fetch_cancel(f, OUTCOME_NOT_STARTED);
        f->cancelled = OUTCOME_NOT_STARTED;
        fetch_end_cancelled(f);
    }
    while (!list_is_empty(&mux->multis)) {
        struct mux_multi *m = mux_current(mux);
        multi_close(&m);
    }
    gc_root_remove(&mux->root);
    pool_free(&mux->handles);
    pool_free(&mux->requests);
    tls_cache_free(&mux->tls);
    for (int fd = 0; fd < mux->n_sockets; fd++)
        socket_drop(mux, fd);
    mem_free(MEM_CURL, mux->sockets);
    ev_ref(mux->loop);
    ev_prepare_stop(mux->loop, &mux->prepare);
    curl_slist_free_all(mux->headers);
    buf_fini(&mux->header_lines);
    proxy_fini(mux);
    mux->magic = 0;
    MEM_FREE(MEM_CURL, out);
}

void
mux_stats(const struct mux *mux, struct mux_stats *out)
{
    CHECK_IS(mux, MUX_MAGIC);
    *out = mux->stats;
}
