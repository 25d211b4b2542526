/* channel.h - one end of the packet socket between coordinator and worker, on libev
 *
 *          channel_open                     peer closed, error            channel_close
 *   fd ------------------> OPEN -------------------------> BROKEN ------------------------> fd closed, memory freed
 *                            | frames out: straight to the socket, else into the queue (ev_io on write)
 *
 * Ownership  channel_open() STEALS the fd. on_frame's slice is BORROWED for the call; on_broken is called once, from the
 *            loop, and the owner calls channel_close() then or later - never from inside on_frame.
 * Limits     the queue of unsent frames has a ceiling: channel_send() gives ORB_ETOOBIG beyond it, and
 *            channel_is_congested() tells from a quarter of it on, so that producers stop in time.
 *            At most CHANNEL_FRAMES_PER_TURN frames are read in one turn of the loop.
 */
#ifndef ORB_CLUSTER_CHANNEL_H
#define ORB_CLUSTER_CHANNEL_H

#include "cluster/wire.h"
#include "pool/ring.h"

#include <ev.h>

#define CHANNEL_FRAMES_PER_TURN 64

struct channel {
    uint32_t magic;
    int fd;
    bool is_broken;
    struct ev_loop *loop;
    ev_io reader, writer;
    struct ring unsent;     /* of struct channel_frame */
    size_t unsent_bytes, unsent_ceiling_bytes;
    char *frame;            /* where the frame being read stands */
    void (*on_frame)(void *arg, struct slice frame);
    void (*on_broken)(void *arg);
    void *arg;
};

/* A pair of connected SOCK_SEQPACKET sockets, non-blocking, close-on-exec, SO_SNDBUF 1 MiB. */
int channel_pair(int fds[2]) ORB_MUST_USE;

int channel_open(struct channel *c, struct ev_loop *loop, int fd, size_t unsent_ceiling_bytes,
                 void (*on_frame)(void *, struct slice), void (*on_broken)(void *), void *arg) ORB_MUST_USE;
void channel_close(struct channel *c);
/* The frame is copied when it must wait. ORB_ENOMEM, ORB_ETOOBIG, ORB_ECLOSED. */
int channel_send(struct channel *c, struct slice frame) ORB_MUST_USE;
bool channel_is_congested(const struct channel *c);
bool channel_is_flushed(const struct channel *c);

#endif
