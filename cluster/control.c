/* control.c - the server side of orb.sock
 *
 *   accept --> READING --line--> answered at once, or WAITING (why, heap) --> READING ... --EOF, idle, error--> GONE --> freed
 *                 ^                                     |
 *                 +------ the answer is sent whole -----+   (the next line is not looked at before)
 *
 * GONE      the descriptor is closed. The memory goes once nothing refers to it any more: neither a callback that is under
 *           way (is_busy) nor an answer of front_why or of a worker that is still to come (is_waiting).
 */
#include "cluster/control.h"
#include "cluster/coordinator_internal.h"

#include "cluster/base64.h"
#include "cluster/clock.h"
#include "cluster/log.h"
#include "pool/list.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPT_AGAIN_S 1.0

struct connection {
    struct list node;
    struct control *control;
    int fd;
    ev_io reader, writer;
    ev_timer idle;
    struct buf in, out;
    bool is_waiting; /* for an answer of front_why, or of a worker about its memory */
    int heap_slot;   /* whose; -1 = the coordinator's */
    bool is_busy;    /* inside serve_lines() */
    bool is_gone;    /* closed */
};

struct control {
    struct coordinator *c;
    int fd;
    char socket_path[4200];
    ev_io acceptor;
    ev_timer accept_again; /* no descriptor was left: later */
    struct list connections;
    unsigned n_connections;
};

static void
connection_free(struct connection *k)
{
    list_remove(&k->node);
    k->control->n_connections--;
    buf_fini(&k->in);
    buf_fini(&k->out);
    mem_free(MEM_LOG, k);
}

/* No more of this peer; connection_settle() gives the memory back when it may. */
static void
connection_leave(struct connection *k)
{
    struct ev_loop *loop = k->control->c->loop;

    if (k->is_gone)
        return;
    k->is_gone = true;
    ev_io_stop(loop, &k->reader);
    ev_io_stop(loop, &k->writer);
    ev_timer_stop(loop, &k->idle);
    close(k->fd);
    k->fd = -1;
}

/* The last step of every callback: k may be freed memory afterwards. */
static void
connection_settle(struct connection *k)
{
    if (k->is_gone && !k->is_waiting && !k->is_busy)
        connection_free(k);
}

static void
connection_flush(struct connection *k)
{
    while (!k->is_gone && k->out.n > 0) {
        ssize_t n = send(k->fd, k->out.p, k->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            ev_io_start(k->control->c->loop, &k->writer);
            return;
        }
        if (n <= 0)
            connection_leave(k);
        else
            buf_drop_front(&k->out, (size_t)n);
    }
    if (!k->is_gone)
        ev_io_stop(k->control->c->loop, &k->writer);
}

static void
answer_text(struct connection *k, struct slice json)
{
    if (k->is_gone)
        return;
    if (buf_append_slice(&k->out, json) != 0 || buf_append_char(&k->out, '\n') != 0)
        connection_leave(k); /* half an answer is none */
    else
        connection_flush(k);
}

/* jansson's texts belong to its own allocator. */
static void
free_json_text(char *text)
{
    json_malloc_t alloc;
    json_free_t release;

    json_get_alloc_funcs(&alloc, &release);
    if (text != NULL)
        release(text);
}

/* STEALS the object. */
static void
answer(struct connection *k, json_t *object)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);

    json_decref(object);
    answer_text(k, text == NULL ? SLICE_LITERAL("{\"ok\":false,\"error\":\"out of memory\"}") : slice_str(text));
    free_json_text(text);
}

static void
answer_ok(struct connection *k)
{
    answer_text(k, SLICE_LITERAL("{\"ok\":true}"));
}

static void
answer_error(struct connection *k, const char *why)
{
    answer(k, json_pack("{s:b,s:s}", "ok", 0, "error", why));
}

/* ---- commands ------------------------------------------------------------------------------------------------------- */

static void
on_status(struct connection *k)
{
    struct buf text;

    buf_init(&text, MEM_LOG, 4 << 20);
    if (status_json(k->control->c, &text) == 0)
        answer_text(k, buf_slice(&text));
    else
        answer_error(k, "out of memory");
    buf_fini(&text);
}

static void
on_add(struct connection *k, json_t *request)
{
    json_t *urls = json_object_get(request, "urls"), *url, *refused = json_array();
    uint64_t n_added = 0, n_seen = 0;
    struct buf why;
    size_t i;

    if (!json_is_array(urls)) {
        json_decref(refused);
        answer_error(k, "\"urls\" is missing: an array of texts");
        return;
    }
    buf_init(&why, MEM_LOG, 4096);
    json_array_foreach(urls, i, url) {
        struct slice text = slice_of(json_string_value(url), json_string_length(url));
        enum front_verdict v = json_is_string(url) ? seed_offer(k->control->c, text, true, &why) : FRONT_NOT_CANONICAL;
        n_added += v == FRONT_NEW || v == FRONT_AGAIN;
        n_seen += v == FRONT_SEEN;
        if (v != FRONT_NEW && v != FRONT_SEEN && v != FRONT_AGAIN)
            json_array_append_new(refused, json_pack("{s:O,s:s}", "url", url, "why",
                                                     why.n > 0 ? why.p : "could not be taken"));
    }
    buf_fini(&why);
    answer(k, json_pack("{s:b,s:I,s:I,s:o}", "ok", 1, "added", (json_int_t)n_added, "seen", (json_int_t)n_seen,
                        "refused", refused));
    coordinator_lease_more(k->control->c);
}

static void serve_lines(struct connection *k);

static void
on_why_done(void *arg, int err, struct slice json)
{
    struct connection *k = arg;

    k->is_waiting = false;
    if (err == 0)
        answer_text(k, json);
    else if (err == ORB_ENOTFOUND)
        answer_error(k, "this crawl has never met that URL");
    else
        answer_error(k, orb_strerror(err));
    if (!k->is_busy) /* else it was answered at once, and serve_lines() goes on by itself */
        serve_lines(k);
}

static void
on_why(struct connection *k, json_t *request)
{
    const char *text = json_string_value(json_object_get(request, "url"));
    struct url u;

    if (text == NULL) {
        answer_error(k, "\"url\" is missing");
        return;
    }
    url_init(&u, MEM_LOG);
    if (url_parse(&u, slice_str(text), NULL) != 0) {
        answer_error(k, "that is no URL; give it with its scheme: https://example.org/page");
    } else {
        url_drop_fragment(&u);
        k->is_waiting = true;
        front_why(k->control->c->front, url_href(&u), on_why_done, k);
    }
    url_fini(&u);
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* The answer's bytes are a worker's word, and may be no text at all: they travel as base64, unread. */
static void
answer_heap(struct connection *k, struct slice bytes)
{
    const struct coordinator *c = k->control->c;
    const struct desk *d = k->heap_slot < 0 ? NULL : &c->desks[k->heap_slot];
    struct buf text;
    int pid = d == NULL ? (int)getpid() : (int)d->slot.pid, err;

    buf_init(&text, MEM_LOG, CONTROL_MAX_ANSWER_BYTES);
    err = buf_printf(&text, "{\"ok\":true,\"slot\":%d,\"pid\":%d,\"private_bytes\":%" PRIu64 ",\"base64\":\"", k->heap_slot, pid,
                     d == NULL ? stats_private_bytes(pid) : d->private_bytes);
    if (err == 0)
        err = base64_append(&text, bytes);
    if (err == 0)
        err = buf_append_str(&text, "\"}");
    if (err == 0)
        answer_text(k, buf_slice(&text));
    else
        answer_error(k, orb_strerror(err));
    buf_fini(&text);
}

static void
on_heap_done(void *arg, const char *why, struct slice bytes)
{
    struct connection *k = arg;

    k->is_waiting = false;
    if (why == NULL)
        answer_heap(k, bytes);
    else
        answer_error(k, why);
    if (!k->is_busy)
        serve_lines(k);
}

/* "slot": a worker's number, or "coordinator"; "question": an object, as heap.h has it. */
static void
on_heap(struct connection *k, json_t *request)
{
    const json_t *slot = json_object_get(request, "slot"), *question = json_object_get(request, "question");
    const char *name = json_string_value(slot);
    char *text;

    if (json_is_integer(slot) && json_integer_value(slot) >= 0 && json_integer_value(slot) < 65536) {
        k->heap_slot = (int)json_integer_value(slot);
    } else if (name != NULL && strcmp(name, "coordinator") == 0) {
        k->heap_slot = -1;
    } else {
        answer_error(k, "\"slot\" is a worker's number, or \"coordinator\"");
        return;
    }
    text = json_is_object(question) ? json_dumps(question, JSON_COMPACT) : NULL;
    if (text == NULL || strlen(text) > HEAP_MAX_QUESTION_BYTES) {
        answer_error(k, "\"question\" is missing, or too long: an object such as {\"what\":\"census\"}");
    } else {
        k->is_waiting = true;
        coordinator_heap_ask(k->control->c, k->heap_slot, slice_str(text), on_heap_done, k);
    }
    free_json_text(text);
}

static void
on_stop(struct connection *k, json_t *request)
{
    struct coordinator *c = k->control->c;

    coordinator_end(c, END_STOPPED, "stopping, as `orb stop` asks");
    if (json_is_true(json_object_get(request, "now")))
        slots_kill(c, clock_now_ms());
    answer_ok(k);
}

static void
on_request(struct connection *k, struct slice line)
{
    json_t *request = json_loadb(line.p, line.n, 0, NULL);
    const char *cmd = json_string_value(json_object_get(request, "cmd"));

    if (cmd == NULL) {
        answer_error(k, "not a JSON object with \"cmd\"");
    } else if (strcmp(cmd, "status") == 0) {
        on_status(k);
    } else if (strcmp(cmd, "pause") == 0 || strcmp(cmd, "resume") == 0) {
        coordinator_pause(k->control->c, true, cmd[0] == 'p');
        answer_ok(k);
    } else if (strcmp(cmd, "stop") == 0) {
        on_stop(k, request);
    } else if (strcmp(cmd, "add") == 0) {
        on_add(k, request);
    } else if (strcmp(cmd, "why") == 0) {
        on_why(k, request);
    } else if (strcmp(cmd, "heap") == 0) {
        on_heap(k, request);
    } else {
        answer_error(k, "no such command: status, pause, resume, stop, add, why, heap");
    }
    json_decref(request);
}

/* ---- connections ---------------------------------------------------------------------------------------------------- */

/* One line at a time: the next one is looked at when the answer to the one before is on its way. */
static void
serve_lines(struct connection *k)
{
    const char *end;
    struct buf line;

    k->is_busy = true;
    buf_init(&line, MEM_LOG, CONTROL_MAX_LINE_BYTES);
    while (!k->is_gone && !k->is_waiting && k->out.n == 0 && k->in.n > 0
           && (end = memchr(k->in.p, '\n', k->in.n)) != NULL) {
        size_t line_bytes = (size_t)(end - k->in.p);

        buf_clear(&line);
        if (buf_append(&line, k->in.p, line_bytes) != 0) {
            connection_leave(k);
            break;
        }
        buf_drop_front(&k->in, line_bytes + 1);
        ev_timer_again(k->control->c->loop, &k->idle);
        on_request(k, buf_slice(&line));
    }
    buf_fini(&line);
    if (!k->is_gone && k->in.n == 0)
        buf_fini(&k->in); /* most connections have one line, some a long one */
    k->is_busy = false;
    connection_settle(k);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct connection *k = w->data;
    char chunk[16384];
    ssize_t n = recv(k->fd, chunk, sizeof chunk, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || buf_append(&k->in, chunk, (size_t)n) != 0)
        connection_leave(k);
    serve_lines(k);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int events)
{
    connection_flush(w->data);
    serve_lines(w->data);
}

static void
on_idle(struct ev_loop *loop, ev_timer *t, int events)
{
    connection_leave(t->data);
    connection_settle(t->data);
}

/* Workers and other users are refused. */
static bool
may_talk(const struct coordinator *c, int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || (peer.uid != geteuid() && peer.uid != 0))
        return false;
    for (unsigned i = 0; c->desks != NULL && i < c->n_desks; i++)
        if (c->desks[i].slot.pid == peer.pid && peer.pid != 0)
            return false;
    return true;
}

static void
on_accept_again(struct ev_loop *loop, ev_timer *t, int events)
{
    struct control *control = t->data;

    ev_timer_stop(loop, t);
    ev_io_start(loop, &control->acceptor);
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int events)
{
    struct control *control = w->data;
    struct connection *k;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        ev_io_stop(loop, w); /* the peer stays in the queue; asking again at once would only turn in circles */
        ev_timer_again(loop, &control->accept_again);
    }
    if (fd < 0)
        return;
    k = control->n_connections < CONTROL_MAX_CONNECTIONS && may_talk(control->c, fd) ? mem_zalloc(MEM_LOG, sizeof *k)
                                                                                    : NULL;
    if (k == NULL) {
        close(fd);
        return;
    }
    k->control = control;
    k->fd = fd;
    buf_init(&k->in, MEM_LOG, CONTROL_MAX_LINE_BYTES);
    buf_init(&k->out, MEM_LOG, CONTROL_MAX_ANSWER_BYTES);
    ev_io_init(&k->reader, on_readable, fd, EV_READ);
    ev_io_init(&k->writer, on_writable, fd, EV_WRITE);
    ev_timer_init(&k->idle, on_idle, CONTROL_IDLE_S, CONTROL_IDLE_S);
    k->reader.data = k->writer.data = k->idle.data = k;
    ev_io_start(loop, &k->reader);
    ev_timer_again(loop, &k->idle);
    list_push_back(&control->connections, &k->node);
    control->n_connections++;
}

/* A path longer than sun_path is reached through the folder's descriptor. */
static int
listen_at(const char *dir, int *out)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1, err;

    if (dir_fd < 0)
        return orb_error_from_errno(errno);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/orb.sock", dir_fd);
    unlink(address.sun_path); /* the lock is ours: whoever made it is gone */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    err = 0;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0
        || chmod(address.sun_path, 0600) != 0 || listen(fd, 16) != 0)
        err = orb_error_from_errno(errno);
    close(dir_fd);
    if (err != 0 && fd >= 0)
        close(fd);
    *out = fd;
    return err;
}

int
control_open(struct control **out, struct coordinator *c, struct buf *error)
{
    struct control *control = mem_zalloc(MEM_DEFAULT, sizeof *control);
    int err = ORB_ENOMEM;

    if (control == NULL)
        return err;
    control->c = c;
    list_init(&control->connections);
    snprintf(control->socket_path, sizeof control->socket_path, "%s/orb.sock", c->dir.coordinator_path);
    err = listen_at(c->dir.coordinator_path, &control->fd);
    if (err != 0) {
        if (buf_printf(error, "cannot listen on %s: %s", control->socket_path, orb_strerror(err)) != 0)
            buf_clear(error);
        mem_free(MEM_DEFAULT, control);
        return err;
    }
    ev_io_init(&control->acceptor, on_accept, control->fd, EV_READ);
    ev_timer_init(&control->accept_again, on_accept_again, ACCEPT_AGAIN_S, ACCEPT_AGAIN_S);
    control->acceptor.data = control->accept_again.data = control;
    ev_io_start(c->loop, &control->acceptor);
    *out = control;
    return 0;
}

void
control_hush(struct control *control)
{
    if (control == NULL || control->fd < 0)
        return;
    ev_io_stop(control->c->loop, &control->acceptor);
    ev_timer_stop(control->c->loop, &control->accept_again);
    close(control->fd);
    control->fd = -1;
    unlink(control->socket_path);
    LIST_EACH_SAFE (node, &control->connections) {
        struct connection *k = LIST_ELEMENT(node, struct connection, node);
        connection_leave(k);
        connection_settle(k);
    }
}

void
control_close(struct control **pp)
{
    struct control *control = *pp;

    if (control == NULL)
        return;
    *pp = NULL;
    control_hush(control);
    LIST_EACH_SAFE (node, &control->connections) {
        struct connection *k = LIST_ELEMENT(node, struct connection, node);
        k->is_waiting = false; /* the front is closed: no answer comes any more */
        connection_settle(k);
    }
    mem_free(MEM_DEFAULT, control);
}
