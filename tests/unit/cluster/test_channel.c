#include "cluster/channel.h"
#include "tests/support/support.h"

#include <sys/socket.h>
#include <unistd.h>

static unsigned n_frames, n_broken;
static size_t n_bytes;

static void
on_frame(void *arg, struct slice frame)
{
    n_frames++;
    n_bytes += frame.n;
}

static void
on_broken(void *arg)
{
    n_broken++;
}

static void
turn(struct ev_loop *loop, int times)
{
    while (times-- > 0)
        ev_run(loop, EVRUN_NOWAIT);
}

TEST(channel__frames_arrive_whole_and_in_number)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct channel a, b;
    int fds[2];

    n_frames = n_broken = 0;
    n_bytes = 0;
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(channel_open(&a, loop, fds[0], 64 << 20, on_frame, on_broken, NULL), 0);
    assert_int_equal(channel_open(&b, loop, fds[1], 64 << 20, on_frame, on_broken, NULL), 0);
    for (int i = 0; i < 500; i++) {
        static char bytes[WIRE_MAX_FRAME_BYTES];
        assert_int_equal(channel_send(&a, slice_of(bytes, sizeof bytes)), 0);
    }
    assert_true(channel_is_congested(&a));
    turn(loop, 200);
    assert_int_equal(n_frames, 500);
    assert_int_equal(n_bytes, 500 * WIRE_MAX_FRAME_BYTES);
    assert_true(channel_is_flushed(&a));
    channel_close(&a);
    turn(loop, 2);
    assert_int_equal(n_broken, 1);
    assert_int_equal(channel_send(&b, SLICE_LITERAL("x")), ORB_ECLOSED);
    channel_close(&b);
    ev_loop_destroy(loop);
}

TEST(channel__the_queue_of_unsent_frames_has_a_ceiling)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct channel a;
    int fds[2], err = 0, n = 0;

    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(channel_open(&a, loop, fds[0], 1 << 20, on_frame, on_broken, NULL), 0);
    while (err == 0 && n++ < 1000) {
        static char bytes[16384];
        err = channel_send(&a, slice_of(bytes, sizeof bytes));
    }
    assert_int_equal(err, ORB_ETOOBIG);
    channel_close(&a);
    close(fds[1]);
    ev_loop_destroy(loop);
}

TEST(channel__survives_any_failed_allocation)
{
    struct ev_loop *loop = ev_loop_new(0);
    static char bytes[WIRE_MAX_FRAME_BYTES];
    uint64_t live;

    {
        struct mem_stats s;
        mem_stats(MEM_LOG, &s);
        live = s.live_bytes;
    }
    FAULT_SWEEP (nth) {
        struct mem_stats s;
        struct channel a;
        int fds[2], err;

        assert_int_equal(channel_pair(fds), 0);
        err = channel_open(&a, loop, fds[0], 4 << 20, on_frame, on_broken, NULL);
        assert_true(err == 0 || err == ORB_ENOMEM);
        if (err != 0)
            close(fds[0]); /* not stolen */
        for (int i = 0; err == 0 && i < 40; i++) { /* more than the socket holds: the rest queues */
            size_t queued = a.unsent_bytes;
            int e = channel_send(&a, slice_of(bytes, sizeof bytes));
            assert_true(e == 0 || (e == ORB_ENOMEM && a.unsent_bytes == queued));
        }
        if (err == 0)
            channel_close(&a);
        close(fds[1]);
        mem_stats(MEM_LOG, &s);
        assert_int_equal(s.live_bytes, live);
    }
    ev_loop_destroy(loop);
}

TESTS(T(channel__frames_arrive_whole_and_in_number), T(channel__the_queue_of_unsent_frames_has_a_ceiling),
      T(channel__survives_any_failed_allocation))
