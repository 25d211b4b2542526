#include "cluster/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNEL_MAGIC 0x6368616eu

struct channel_frame {
    size_t n;
    char bytes[];
};

int
channel_pair(int fds[2])
{
    int send_bytes = 1 << 20;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
        return orb_error_from_errno(errno);
    for (int i = 0; i < 2; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    return 0;
}

static void
channel_break(struct channel *c)
{
    if (c->is_broken)
        return;
    c->is_broken = true;
    ev_io_stop(c->loop, &c->reader);
    ev_io_stop(c->loop, &c->writer);
    c->on_broken(c->arg);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct channel *c = w->data;

    for (int i = 0; i < CHANNEL_FRAMES_PER_TURN && !c->is_broken; i++) {
        ssize_t n = recv(c->fd, c->frame, WIRE_MAX_FRAME_BYTES + 1, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || n > WIRE_MAX_FRAME_BYTES) {
            channel_break(c);
            return;
        }
        c->on_frame(c->arg, slice_of(c->frame, (size_t)n));
    }
}

/* 0 = went out, ORB_EAGAIN, or ORB_ECLOSED. */
static int
send_now(struct channel *c, const void *bytes, size_t n)
{
    ssize_t sent = send(c->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent == (ssize_t)n)
        return 0;
    if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
        return ORB_EAGAIN;
    return ORB_ECLOSED;
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int events)
{
    struct channel *c = w->data;
    struct channel_frame *f;

    while ((f = ring_peek(&c->unsent)) != NULL) {
        int err = send_now(c, f->bytes, f->n);

        if (err == ORB_EAGAIN)
            return;
        if (err != 0) {
            channel_break(c);
            return;
        }
        ring_take(&c->unsent);
        c->unsent_bytes -= f->n;
        mem_free(MEM_LOG, f);
    }
    ev_io_stop(c->loop, &c->writer);
}

int
channel_open(struct channel *c, struct ev_loop *loop, int fd, size_t unsent_ceiling_bytes,
             void (*on_frame)(void *, struct slice), void (*on_broken)(void *), void *arg)
{
    char *frame = mem_alloc(MEM_LOG, WIRE_MAX_FRAME_BYTES + 1);

    if (frame == NULL)
        return ORB_ENOMEM;
    *c = (struct channel){
        .magic = CHANNEL_MAGIC,
        .fd = fd,
        .loop = loop,
        .frame = frame,
        .unsent_ceiling_bytes = unsent_ceiling_bytes,
        .on_frame = on_frame,
        .on_broken = on_broken,
        .arg = arg,
    };
    ring_init(&c->unsent, MEM_LOG, 0);
    ev_io_init(&c->reader, on_readable, fd, EV_READ);
    ev_io_init(&c->writer, on_writable, fd, EV_WRITE);
    c->reader.data = c->writer.data = c;
    ev_io_start(loop, &c->reader);
    return 0;
}

void
channel_close(struct channel *c)
{
    struct channel_frame *f;

    if (c->magic == 0)
        return;
    CHECK_IS(c, CHANNEL_MAGIC);
    ev_io_stop(c->loop, &c->reader);
    ev_io_stop(c->loop, &c->writer);
    while ((f = ring_take(&c->unsent)) != NULL)
        mem_free(MEM_LOG, f);
    ring_fini(&c->unsent);
    MEM_FREE(MEM_LOG, &c->frame);
    close(c->fd);
    c->fd = -1;
    c->magic = 0;
}

static int
queue(struct channel *c, struct slice frame)
{
    struct channel_frame *f;
    int err;

    if (c->unsent_bytes + frame.n > c->unsent_ceiling_bytes)
        return ORB_ETOOBIG;
    f = mem_alloc(MEM_LOG, sizeof *f + frame.n);
    if (f == NULL)
        return ORB_ENOMEM;
    f->n = frame.n;
    memcpy(f->bytes, frame.p, frame.n);
    err = ring_push(&c->unsent, f);
    if (err != 0) {
        mem_free(MEM_LOG, f);
        return err;
    }
    c->unsent_bytes += frame.n;
    ev_io_start(c->loop, &c->writer);
    return 0;
}

int
channel_send(struct channel *c, struct slice frame)
{
    int err;

    CHECK_IS(c, CHANNEL_MAGIC);
    CHECK(frame.n > 0 && frame.n <= WIRE_MAX_FRAME_BYTES);
    if (c->is_broken)
        return ORB_ECLOSED;
    if (c->unsent.n > 0)
        return queue(c, frame);
    err = send_now(c, frame.p, frame.n);
    return err == ORB_EAGAIN ? queue(c, frame) : err;
}

bool
channel_is_congested(const struct channel *c)
{
    return c->unsent_bytes > c->unsent_ceiling_bytes / 4;
}

bool
channel_is_flushed(const struct channel *c)
{
    return c->unsent.n == 0;
}
