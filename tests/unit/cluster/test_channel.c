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

TESTS(T(channel__frames_arrive_whole_and_in_number), T(channel__the_queue_of_unsent_frames_has_a_ceiling))
