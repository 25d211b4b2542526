/* worker_log.c - a worker's log lines go over the channel, so that they reach the crawl's log file
 *
 * A worker may not write in coordinator/ and its standard error is nowhere when nobody looks. So a line is a LOG frame like
 * any other; the coordinator writes it under this worker's name, to its file and its standard error. Lines are the least
 * of what the channel carries: they never wait for room, never end the process, and when much is waiting they are dropped
 * and counted. Before the channel is open, once it is broken, and from other threads they go to standard error.
 */
#include "cluster/worker_internal.h"

#include "cluster/log.h"

#include <stdio.h>

#define UNSENT_MAX_BYTES (4u << 20) /* of all frames that wait; lines are dropped beyond it */

static int
send_line(struct worker *w, enum log_level level, struct slice message)
{
    struct wire_out out;
    int err;

    wire_begin(&out, &w->log_frame, WIRE_LOG);
    wire_u8(&out, (uint8_t)level);
    wire_text(&out, slice_sub(message, 0, LOG_LONGEST_BYTES));
    err = wire_finish(&out);
    return err != 0 ? err : channel_send(&w->channel, buf_slice(&w->log_frame));
}

static int
on_line(void *arg, enum log_level level, struct slice message)
{
    struct worker *w = arg;
    char lost[64];
    int err, n;

    if (w->is_last_words && !channel_is_flushed(&w->channel))
        return ORB_ECLOSED;
    if (w->channel.unsent_bytes > UNSENT_MAX_BYTES) {
        w->n_log_lost++;
        return ORB_ETOOBIG;
    }
    if (w->n_log_lost > 0) {
        n = snprintf(lost, sizeof lost, "%u lines are lost: too much was waiting", w->n_log_lost);
        if (send_line(w, LOG_LEVEL_WARNING, slice_of(lost, (size_t)n)) == 0)
            w->n_log_lost = 0;
    }
    err = send_line(w, level, message);
    if (err == 0 && w->is_last_words && !channel_is_flushed(&w->channel))
        return ORB_ECLOSED;
    w->n_log_lost += err != 0 && err != ORB_ECLOSED;
    return err;
}

void
worker_log_open(struct worker *w)
{
    buf_init(&w->log_frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    if (buf_reserve(&w->log_frame, LOG_LONGEST_BYTES + 64) != 0) /* now: a line may be about memory that is gone */
        return;
    log_divert(on_line, w);
}

void
worker_log_close(struct worker *w)
{
    log_divert(NULL, NULL);
    buf_fini(&w->log_frame);
}

void
worker_log_last_words(struct worker *w)
{
    w->is_last_words = true;
}
