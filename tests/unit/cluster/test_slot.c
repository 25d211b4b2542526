/* test_slot.c - a slot and its process: this program is also the worker (SLOT_WORKER says how it behaves) */
#include "cluster/clock.h"
#include "cluster/log.h"
#include "cluster/slot.h"
#include "cluster/worker.h"
#include "tests/support/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the worker --------------------------------------------------------------------------------------------------- */

static void
say(unsigned type)
{
    char bytes[2] = { WIRE_VERSION, (char)type };

    (void)!send(WORKER_CHANNEL_FD, bytes, sizeof bytes, MSG_NOSIGNAL);
}

static int
be_worker(void)
{
    const char *how = getenv("SLOT_WORKER");

    if (strcmp(how, "leaves") == 0)
        return 7;
    if (strcmp(how, "ignores-term") == 0)
        signal(SIGTERM, SIG_IGN);
    if (strcmp(how, "silent") != 0)
        say(strcmp(how, "pong-only") == 0 ? WIRE_PONG : WIRE_READY);
    if (strcmp(how, "closes") == 0) {
        signal(SIGTERM, SIG_IGN);
        shutdown(WORKER_CHANNEL_FD, SHUT_RDWR);
    }
    if (strcmp(how, "drains") == 0) {
        char bytes[16];
        fcntl(WORKER_CHANNEL_FD, F_SETFL, 0);
        while (recv(WORKER_CHANNEL_FD, bytes, sizeof bytes, 0) > 0 && bytes[1] != WIRE_DRAIN)
            continue;
        say(WIRE_PONG);
        return 0;
    }
    if (strcmp(how, "checks-fds") == 0) { /* what is inherited: 0-5, and the folder that is being read */
        int n = 0;
        DIR *d = opendir("/proc/self/fd");
        while (readdir(d) != NULL)
            n++;
        closedir(d);
        return n - 2 - 1 == 6 ? 0 : 8;
    }
    for (;;)
        pause();
}

/* ---- the coordinator's side --------------------------------------------------------------------------------------- */

static struct ev_loop *loop;
static struct slot slot;
static struct slot_death last_death;
static unsigned n_deaths, n_frames;
static int lock_fd = -1;

static int
on_started(void *arg, struct slot *s)
{
    return 0;
}

static void
on_frame(void *arg, struct slot *s, struct slice frame)
{
    n_frames++;
    slot_sign_of_life(s);
    if (frame.p[1] == WIRE_READY)
        slot_set_ready(s, clock_now_ms());
}

static void
on_exit_of(void *arg, struct slot *s, const struct slot_death *death)
{
    last_death = *death;
    n_deaths++;
}

static void
start(const char *how)
{
    setenv("SLOT_WORKER", how, 1);
    loop = ev_loop_new(0);
    lock_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    n_deaths = n_frames = 0;
    slot_init(&slot, 3, loop, lock_fd);
    slot.on_started = on_started;
    slot.on_frame = on_frame;
    slot.on_exit = on_exit_of;
    assert_int_equal(slot_start(&slot, clock_now_ms()), 0);
    assert_int_equal(slot.state, SLOT_STARTING);
}

static void
nudge(struct ev_loop *l, ev_timer *t, int events)
{
}

static void
run_until(enum slot_state state)
{
    uint64_t until_ms = clock_now_ms() + 20000;
    ev_timer timer;

    ev_timer_init(&timer, nudge, 0.01, 0.01);
    ev_timer_start(loop, &timer);
    while (slot.state != state && clock_now_ms() < until_ms)
        ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &timer);
    assert_string_equal(slot_state_name(slot.state), slot_state_name(state));
}

static void
finish(void)
{
    slot_kill(&slot, clock_now_ms());
    while (slot_has_process(&slot))
        ev_run(loop, EVRUN_ONCE);
    slot_fini(&slot);
    ev_loop_destroy(loop);
    close(lock_fd);
}

TEST(slot__starts_runs_drains_and_is_empty_again)
{
    start("drains");
    run_until(SLOT_RUNNING);
    assert_true(slot_is_running(&slot));
    slot_drain(&slot, clock_now_ms(), 10000);
    run_until(SLOT_EMPTY);
    assert_int_equal(n_deaths, 1);
    assert_true(last_death.was_expected && !last_death.was_ours && !last_death.was_signal);
    assert_int_equal(n_frames, 2); /* what it said before it left is heard */
    finish();
}

TEST(slot__the_child_inherits_three_descriptors_and_nothing_else)
{
    int extra = open("/dev/null", O_RDONLY); /* without close-on-exec, on purpose */

    start("checks-fds");
    run_until(SLOT_BACKOFF);
    assert_int_equal(last_death.status, 0);
    close(extra);
    finish();
}

TEST(slot__a_worker_that_never_says_ready_is_killed)
{
    start("silent");
    slot_tick(&slot, clock_now_ms(), SLOT_START_MS);
    assert_int_equal(slot.state, SLOT_STARTING);
    slot_tick(&slot, clock_now_ms(), 1);
    assert_int_equal(slot.state, SLOT_STOPPING);
    run_until(SLOT_BACKOFF);
    assert_true(last_death.was_ours && last_death.was_signal && last_death.status == SIGKILL);
    finish();
}

TEST(slot__talking_is_not_being_ready)
{
    start("pong-only");
    slot_tick(&slot, clock_now_ms(), SLOT_START_MS);
    while (n_frames == 0)
        ev_run(loop, EVRUN_ONCE);
    slot_tick(&slot, clock_now_ms(), 1);
    assert_int_equal(slot.state, SLOT_STOPPING);
    finish();
}

TEST(slot__a_worker_that_answers_no_ping_is_killed)
{
    start("mute");
    run_until(SLOT_RUNNING);
    slot_tick(&slot, clock_now_ms(), SLOT_HUNG_MS);
    assert_int_equal(slot.state, SLOT_RUNNING);
    slot_sign_of_life(&slot);
    slot_tick(&slot, clock_now_ms(), SLOT_HUNG_MS);
    assert_int_equal(slot.state, SLOT_RUNNING);
    slot_tick(&slot, clock_now_ms(), 1);
    assert_int_equal(slot.state, SLOT_STOPPING);
    run_until(SLOT_BACKOFF);
    finish();
}

TEST(slot__a_worker_that_ignores_term_is_killed)
{
    uint64_t now_ms;

    start("ignores-term");
    run_until(SLOT_RUNNING);
    now_ms = clock_now_ms();
    slot_drain(&slot, now_ms, 1000);
    slot_tick(&slot, now_ms + 999, 100);
    assert_int_equal(slot.state, SLOT_DRAINING);
    slot_tick(&slot, now_ms + 1000, 100); /* TERM, which it ignores */
    assert_int_equal(slot.state, SLOT_STOPPING);
    usleep(100000);
    ev_run(loop, EVRUN_NOWAIT);
    assert_true(slot_has_process(&slot));
    slot_tick(&slot, now_ms + 1000 + SLOT_STOP_MS, 100);
    run_until(SLOT_BACKOFF);
    assert_int_equal(last_death.status, SIGKILL);
    finish();
}

TEST(slot__a_worker_that_closes_its_channel_and_lives_on_is_stopped)
{
    start("closes");
    run_until(SLOT_STOPPING);
    slot_tick(&slot, clock_now_ms() + SLOT_STOP_MS, 100);
    run_until(SLOT_BACKOFF);
    assert_int_equal(last_death.status, SIGKILL);
    finish();
}

TEST(slot__backoff_doubles_to_ten_seconds_and_starts_anew_after_use)
{
    uint32_t waits[] = { 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000 };

    start("leaves");
    for (size_t i = 0; i < ORB_N_ELEMENTS(waits); i++) {
        run_until(SLOT_BACKOFF);
        assert_int_equal(last_death.status, 7);
        assert_int_equal(slot.deadline_ms - slot.entered_at_ms, waits[i]);
        assert_int_equal(slot_start(&slot, clock_now_ms()), 0);
        slot.was_useful = i + 1 == ORB_N_ELEMENTS(waits);
    }
    run_until(SLOT_BACKOFF);
    assert_int_equal(slot.deadline_ms - slot.entered_at_ms, 100);
    finish();
}

TEST(slot__without_descriptors_it_backs_off_and_leaks_none)
{
    int filler[256], n_filler = 0, room;
    struct rlimit old, limit;
    int err = 0;

    loop = ev_loop_new(0);
    lock_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    setenv("SLOT_WORKER", "drains", 1);
    slot_init(&slot, 0, loop, lock_fd);
    slot.on_started = on_started;
    slot.on_frame = on_frame;
    slot.on_exit = on_exit_of;
    getrlimit(RLIMIT_NOFILE, &old);
    limit = old;
    limit.rlim_cur = ORB_N_ELEMENTS(filler);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((filler[n_filler] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n_filler++;
    for (room = 0; room < 8; room++) { /* what a failed start takes and does not give back is missing the next time */
        err = slot_start(&slot, clock_now_ms());
        if (err == 0)
            break;
        assert_int_equal(err, ORB_EMFILE);
        assert_int_equal(slot.state, SLOT_BACKOFF);
        close(filler[--n_filler]);
    }
    while (n_filler > 0)
        close(filler[--n_filler]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(err, 0);
    assert_int_equal(room, 4); /* the pair, the stats page, the pidfd */
    finish();
}

TEST(slot__a_start_survives_any_failed_allocation)
{
    loop = ev_loop_new(0);
    lock_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    setenv("SLOT_WORKER", "drains", 1);
    FAULT_SWEEP (nth) {
        int err;
        slot_init(&slot, 0, loop, lock_fd);
        slot.on_started = on_started;
        slot.on_frame = on_frame;
        slot.on_exit = on_exit_of;
        err = slot_start(&slot, clock_now_ms());
        assert_true(err == 0 || err == ORB_ENOMEM);
        if (err == 0)
            slot_drain(&slot, clock_now_ms(), 10000);
        slot_kill(&slot, clock_now_ms());
        while (slot_has_process(&slot))
            ev_run(loop, EVRUN_ONCE);
        slot_fini(&slot);
    }
    ev_loop_destroy(loop);
    close(lock_fd);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(slot__starts_runs_drains_and_is_empty_again),
        T(slot__the_child_inherits_three_descriptors_and_nothing_else),
        T(slot__a_worker_that_never_says_ready_is_killed),
        T(slot__talking_is_not_being_ready),
        T(slot__a_worker_that_answers_no_ping_is_killed),
        T(slot__a_worker_that_ignores_term_is_killed),
        T(slot__a_worker_that_closes_its_channel_and_lives_on_is_stopped),
        T(slot__backoff_doubles_to_ten_seconds_and_starts_anew_after_use),
        T(slot__without_descriptors_it_backs_off_and_leaks_none),
        T(slot__a_start_survives_any_failed_allocation),
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return be_worker();
    log_set_stderr(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
