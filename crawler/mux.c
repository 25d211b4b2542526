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

#define MUX_KICKS_PER_TURN 8
#define MUX_STARVED_S 0.05
#define MUX_MAX_DESCRIPTOR (1 << 20)

struct mux_socket {
    ev_io io;
    struct mux *mux;
    bool is_wanted; /* a transfer waits for it */
};

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
mux_drain(struct mux *mux)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(mux->multi, &n_left)) != NULL) {
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
timer_start(struct mux *mux, double after_s)
{
    ev_timer_stop(mux->loop, &mux->timer);
    ev_timer_set(&mux->timer, after_s, 0.);
    ev_timer_start(mux->loop, &mux->timer);
}

static void
mux_act(struct mux *mux, curl_socket_t s, int events)
{
    int n_running;
    CURLMcode code = curl_multi_socket_action(mux->multi, s, events, &n_running);

    CHECK(code == CURLM_OK || code == CURLM_OUT_OF_MEMORY);
    mux_drain(mux);
    if (code == CURLM_OUT_OF_MEMORY)
        timer_start(mux, MUX_STARVED_S); /* libcurl stopped in the middle: it looks again at all that is due */
}

static void
on_io(struct ev_loop *loop, ev_io *w, int events)
{
    struct mux_socket *s = (struct mux_socket *)(void *)w;

    if (!s->is_wanted) {
        ev_io_stop(loop, w);
        return;
    }
    mux_act(s->mux, w->fd, (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    struct mux *mux = w->data;

    mux_act(mux, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
    struct mux *mux = w->data;

    if (mux->n_cancelled > 0)
        mux_end_cancelled(mux);
    for (unsigned i = 0; mux->is_kicked && i < MUX_KICKS_PER_TURN; i++) {
        mux->is_kicked = false;
        mux_act(mux, CURL_SOCKET_TIMEOUT, 0);
    }
    if (mux->is_kicked || mux->n_cancelled > 0)
        timer_start(mux, 0.);
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct mux *mux = arg;

    if (timeout_ms == 0)
        mux->is_kicked = true;
    if (timeout_ms < 0)
        ev_timer_stop(mux->loop, &mux->timer);
    else
        timer_start(mux, (double)timeout_ms / 1000.0);
    return 0;
}

/* --- sockets --- */

static struct mux_socket *
socket_at(struct mux *mux, int fd)
{
    return fd >= 0 && fd < mux->n_sockets ? mux->sockets[fd] : NULL;
}

static struct mux_socket *
socket_add(struct mux *mux, int fd)
{
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
    s->mux = mux;
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
    struct mux *mux = arg;
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

    if (mux->conf->proxy == NULL && !guard_permits(mux->conf->guard, &address->addr)) {
        f->was_refused_by_guard = true;
        return CURL_SOCKET_BAD;
    }
    f->was_connect_tried = true;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (socket_add(mux, fd) == NULL) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

int
mux_on_close_socket(void *arg, curl_socket_t fd)
{
    socket_drop(arg, fd);
    return close(fd);
}

/* --- transfers --- */

int
mux_attach(struct mux *mux, struct fetch *f)
{
    CHECK(!f->is_attached);
    if (curl_multi_add_handle(mux->multi, f->handle->easy) != CURLM_OK)
        return ORB_ENOMEM;
    f->is_attached = true;
    mux->is_kicked = true;
    return 0;
}

void
mux_detach(struct mux *mux, struct fetch *f)
{
    if (f->is_attached)
        CHECK(curl_multi_remove_handle(mux->multi, f->handle->easy) == CURLM_OK);
    f->is_attached = false;
}

/* --- life --- */

static int
multi_open(struct mux *mux)
{
    CURLM *m = mux->multi = curl_multi_init();
    CURLMcode err = CURLM_OK;

    if (m == NULL)
        return ORB_ENOMEM;
    err |= curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    err |= curl_multi_setopt(m, CURLMOPT_SOCKETDATA, mux);
    err |= curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    err |= curl_multi_setopt(m, CURLMOPT_TIMERDATA, mux);
    err |= curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)mux->conf->max_connections);
    err |= curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)mux->conf->max_connections);
    /* 0: the worker paces hosts; a limit here would queue in libcurl, where nobody sees it */
    err |= curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, 0L);
    return err == CURLM_OK ? 0 : ORB_ENOMEM;
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
    ev_timer_init(&mux->timer, on_timer, 0., 0.);
    ev_prepare_init(&mux->prepare, on_prepare);
    mux->timer.data = mux->prepare.data = mux;
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
                                                           .floor = 1 });
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
    while (!list_is_empty(&mux->fetches)) {
        struct fetch *f = LIST_ELEMENT(mux->fetches.next, struct fetch, node);
        fetch_cancel(f, OUTCOME_NOT_STARTED);
        f->cancelled = OUTCOME_NOT_STARTED;
        fetch_end_cancelled(f);
    }
    if (mux->multi != NULL)
        curl_multi_cleanup(mux->multi); /* closes the kept connections */
    pool_free(&mux->handles);
    tls_cache_free(&mux->tls);
    for (int fd = 0; fd < mux->n_sockets; fd++)
        socket_drop(mux, fd);
    mem_free(MEM_CURL, mux->sockets);
    ev_timer_stop(mux->loop, &mux->timer);
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

void
mux_tick(struct mux *mux)
{
    CHECK_IS(mux, MUX_MAGIC);
    pool_tick(mux->handles);
}
