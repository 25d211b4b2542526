#include "cluster/slot.h"

#include "cluster/clock.h"
#include "cluster/log.h"
#include "cluster/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOT_MAGIC 0x736c6f74u
#define CHANNEL_UNSENT_BYTES (64u << 20)
#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MAX_MS 10000u
#define PING_EVERY_MS 1000u

static const uint8_t slot_may[SLOT_N_STATES] = {
    [SLOT_EMPTY] = ORB_BIT(SLOT_STARTING) | ORB_BIT(SLOT_BACKOFF),
    [SLOT_STARTING] = ORB_BIT(SLOT_RUNNING) | ORB_BIT(SLOT_STOPPING) | ORB_BIT(SLOT_BACKOFF) | ORB_BIT(SLOT_EMPTY),
    [SLOT_RUNNING] = ORB_BIT(SLOT_DRAINING) | ORB_BIT(SLOT_STOPPING) | ORB_BIT(SLOT_BACKOFF),
    [SLOT_DRAINING] = ORB_BIT(SLOT_STOPPING) | ORB_BIT(SLOT_EMPTY),
    [SLOT_STOPPING] = ORB_BIT(SLOT_EMPTY) | ORB_BIT(SLOT_BACKOFF),
    [SLOT_BACKOFF] = ORB_BIT(SLOT_EMPTY) | ORB_BIT(SLOT_STARTING),
};

const char *
slot_state_name(enum slot_state s)
{
    static const char *const names[] = { "empty", "starting", "running", "draining", "stopping", "backoff" };

    return (unsigned)s < SLOT_N_STATES ? names[s] : "?";
}

static void
slot_enter(struct slot *s, enum slot_state to, uint64_t now_ms) /* the only writer of s->state */
{
    CHECK_IS(s, SLOT_MAGIC);
    CHECK(slot_may[s->state] & ORB_BIT(to));
    log_debug("worker %u: %s -> %s", s->index, slot_state_name(s->state), slot_state_name(to));
    s->state = to;
    s->entered_at_ms = now_ms;
    s->silent_ms = 0;
}

void
slot_init(struct slot *s, unsigned index, struct ev_loop *loop, int lock_fd)
{
    *s = (struct slot){
        .magic = SLOT_MAGIC,
        .index = index,
        .loop = loop,
        .pidfd = -1,
        .lock_fd = lock_fd,
        .hosts_fd = -1,
        .backoff_ms = BACKOFF_FIRST_MS,
    };
}

bool
slot_has_process(const struct slot *s)
{
    return s->pidfd >= 0;
}

bool
slot_is_running(const struct slot *s)
{
    return s->state == SLOT_RUNNING && slot_has_process(s);
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

/* Between fork and exec: async-signal-safe calls only. All signals are blocked: a handler of the coordinator's would write
 * to a pipe that both share. SIGINT stays ignored over exec: Ctrl-C reaches the whole group, the coordinator decides. */
static void
child_exec(const struct slot *s, int channel_fd, int stats_fd, pid_t parent, char *const argv[])
{
    int lock_fd = s->lock_fd, hosts_fd = s->hosts_fd, last_fd = hosts_fd < 0 ? WORKER_LOCK_FD : WORKER_HOSTS_FD;
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before we asked */
        _exit(1);
    /* moved out of the way first, so that no dup2 overwrites a source */
    channel_fd = fcntl(channel_fd, F_DUPFD, 32);
    stats_fd = fcntl(stats_fd, F_DUPFD, 32);
    lock_fd = fcntl(lock_fd, F_DUPFD, 32);
    hosts_fd = hosts_fd < 0 ? -1 : fcntl(hosts_fd, F_DUPFD, 32);
    if (channel_fd < 0 || stats_fd < 0 || lock_fd < 0 || dup2(channel_fd, WORKER_CHANNEL_FD) < 0
        || dup2(stats_fd, WORKER_STATS_FD) < 0 || dup2(lock_fd, WORKER_LOCK_FD) < 0)
        _exit(1);
    if (last_fd == WORKER_HOSTS_FD && (hosts_fd < 0 || dup2(hosts_fd, WORKER_HOSTS_FD) < 0))
        _exit(1);
    if (syscall(SYS_close_range, last_fd + 1, ~0u, 0) != 0)
        _exit(1);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", argv);
    _exit(127);
}

static void on_exit_readable(struct ev_loop *loop, ev_io *w, int events);

static int
spawn(struct slot *s, int channel_fd, int stats_fd)
{
    char index[16];
    char *argv[] = { "orb", "worker", index, NULL };
    pid_t parent = getpid(), pid;
    sigset_t all, before;
    int pidfd, err;

    snprintf(index, sizeof index, "%u", s->index);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        child_exec(s, channel_fd, stats_fd, parent, argv);
    err = pid < 0 ? orb_error_from_errno(errno) : 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (err != 0)
        return err;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) { /* no fd left: without a pidfd the child may not live */
        err = orb_error_from_errno(errno);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return err;
    }
    fcntl(pidfd, F_SETFD, FD_CLOEXEC);
    s->pid = pid;
    s->pidfd = pidfd;
    ev_io_init(&s->exit_watcher, on_exit_readable, pidfd, EV_READ);
    s->exit_watcher.data = s;
    ev_io_start(s->loop, &s->exit_watcher);
    return 0;
}

static void
on_channel_frame(void *arg, struct slice frame)
{
    struct slot *s = arg;

    s->on_frame(s->arg, s, frame);
}

/* EOF or an error on the channel: whatever the process still does, it cannot tell us. Its end follows by the pidfd. */
static void
on_channel_broken(void *arg)
{
    struct slot *s = arg;

    if (!slot_has_process(s) || (s->state != SLOT_RUNNING && s->state != SLOT_STARTING))
        return; /* dead already, or leaving as it was told */
    log_warning("worker %u (pid %d) has closed its channel; it is stopped", s->index, (int)s->pid);
    slot_stop(s, clock_now_ms());
}

static void
backoff(struct slot *s, uint64_t now_ms)
{
    slot_enter(s, SLOT_BACKOFF, now_ms);
    s->deadline_ms = now_ms + s->backoff_ms;
    s->backoff_ms = ORB_MIN(s->backoff_ms * 2, BACKOFF_MAX_MS);
}

int
slot_start(struct slot *s, uint64_t now_ms)
{
    int fds[2] = { -1, -1 }, stats_fd = -1, err;

    CHECK_IS(s, SLOT_MAGIC);
    CHECK(s->state == SLOT_EMPTY || s->state == SLOT_BACKOFF);
    err = channel_pair(fds);
    if (err != 0)
        goto fail;
    err = stats_page_make(&stats_fd, &s->stats_page);
    if (err != 0)
        goto fail;
    err = channel_open(&s->channel, s->loop, fds[0], CHANNEL_UNSENT_BYTES, on_channel_frame, on_channel_broken, s);
    if (err != 0)
        goto fail;
    fds[0] = -1; /* the channel's now */
    err = spawn(s, fds[1], stats_fd);
    if (err != 0)
        goto fail;
    close(fds[1]);
    close(stats_fd);
    s->n_starts++;
    s->was_useful = s->is_killed_by_us = false;
    s->ping_age_ms = 0;
    slot_enter(s, SLOT_STARTING, now_ms);
    err = s->on_started(s->arg, s);
    if (err != 0)
        slot_kill(s, now_ms);
    return 0;
fail:
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (stats_fd >= 0)
        close(stats_fd);
    channel_close(&s->channel);
    stats_page_unmap(&s->stats_page);
    if (s->state == SLOT_BACKOFF)
        slot_enter(s, SLOT_EMPTY, now_ms);
    backoff(s, now_ms);
    return err;
}

/* ---- its end ---------------------------------------------------------------------------------------------------- */

static void
read_death(struct slot *s, struct slot_death *death)
{
    siginfo_t info = { 0 };

    *death = (struct slot_death){ .was_ours = s->is_killed_by_us };
    while (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED) != 0 && errno == EINTR)
        continue;
    death->status = info.si_status;
    death->was_signal = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    death->was_expected = s->state == SLOT_DRAINING || s->state == SLOT_STOPPING;
    death->has_stats = stats_read(s->stats_page, &death->stats) == 0;
}

static void
on_exit_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct slot *s = w->data;
    struct slot_death death;
    uint64_t now_ms = clock_now_ms();

    CHECK_IS(s, SLOT_MAGIC);
    read_death(s, &death);
    ev_io_stop(loop, &s->exit_watcher);
    close(s->pidfd);
    s->pidfd = -1;
    if (!death.was_expected)
        s->n_deaths++;
    /* frames that it sent before it died still count: they are committed in pages.db */
    for (int turns = 0; !s->channel.is_broken && turns < 4096; turns++)
        ev_invoke(loop, &s->channel.reader, EV_READ);
    s->on_exit(s->arg, s, &death);
    channel_close(&s->channel);
    stats_page_unmap(&s->stats_page);
    s->pid = 0;
    if (death.was_expected && !death.was_ours) {
        slot_enter(s, SLOT_EMPTY, now_ms);
        return;
    }
    if (s->was_useful)
        s->backoff_ms = BACKOFF_FIRST_MS;
    backoff(s, now_ms);
}

void
slot_set_ready(struct slot *s, uint64_t now_ms)
{
    if (s->state == SLOT_STARTING && slot_has_process(s))
        slot_enter(s, SLOT_RUNNING, now_ms);
}

void
slot_drain(struct slot *s, uint64_t now_ms, uint32_t drain_ms)
{
    struct wire_out w;
    struct buf frame;

    if (s->state == SLOT_STARTING) {
        slot_stop(s, now_ms);
        return;
    }
    if (s->state != SLOT_RUNNING)
        return;
    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&w, &frame, WIRE_DRAIN);
    slot_enter(s, SLOT_DRAINING, now_ms);
    s->deadline_ms = now_ms + drain_ms;
    if (wire_finish(&w) != 0 || slot_send(s, &frame) != 0)
        slot_stop(s, now_ms);
    buf_fini(&frame);
}

static void
send_signal(struct slot *s, int signal_number)
{
    if (s->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, s->pidfd, signal_number, NULL, 0);
}

void
slot_stop(struct slot *s, uint64_t now_ms)
{
    if (!slot_has_process(s) || s->state == SLOT_STOPPING)
        return;
    slot_enter(s, SLOT_STOPPING, now_ms);
    s->deadline_ms = now_ms + SLOT_STOP_MS;
    s->is_killed_by_us = true;
    send_signal(s, SIGTERM);
}

void
slot_kill(struct slot *s, uint64_t now_ms)
{
    if (!slot_has_process(s))
        return;
    if (s->state != SLOT_STOPPING)
        slot_enter(s, SLOT_STOPPING, now_ms);
    s->is_killed_by_us = true;
    s->deadline_ms = UINT64_MAX;
    send_signal(s, SIGKILL);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static void
ping(struct slot *s)
{
    struct wire_out w;
    struct buf frame;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&w, &frame, WIRE_PING);
    if (wire_finish(&w) == 0 && slot_send(s, &frame) == 0)
        s->ping_age_ms = 0;
    buf_fini(&frame);
}

void
slot_tick(struct slot *s, uint64_t now_ms, uint32_t turned_ms)
{
    CHECK_IS(s, SLOT_MAGIC);
    s->silent_ms += turned_ms;
    s->ping_age_ms += turned_ms;
    switch (s->state) {
    case SLOT_STARTING:
        if (s->silent_ms > SLOT_START_MS) {
            log_error("worker %u (pid %d): not ready after %u s; killed", s->index, (int)s->pid,
                      SLOT_START_MS / 1000);
            slot_kill(s, now_ms);
        }
        break;
    case SLOT_RUNNING:
    case SLOT_DRAINING:
        if (s->ping_age_ms >= PING_EVERY_MS)
            ping(s);
        if (s->silent_ms > SLOT_HUNG_MS) {
            log_error("worker %u (pid %d): no sign of life for %u s; killed", s->index, (int)s->pid,
                      SLOT_HUNG_MS / 1000);
            slot_kill(s, now_ms);
        } else if (s->state == SLOT_DRAINING && now_ms >= s->deadline_ms) {
            slot_stop(s, now_ms);
        }
        break;
    case SLOT_STOPPING:
        if (now_ms >= s->deadline_ms)
            slot_kill(s, now_ms);
        break;
    case SLOT_EMPTY:
    case SLOT_BACKOFF:
    case SLOT_N_STATES:
        break;
    }
}

void
slot_sign_of_life(struct slot *s)
{
    if (s->state != SLOT_STARTING)
        s->silent_ms = 0;
}

int
slot_send(struct slot *s, struct buf *frame)
{
    return channel_send(&s->channel, buf_slice(frame));
}

void
slot_fini(struct slot *s)
{
    CHECK(!slot_has_process(s));
    s->magic = 0;
}

void
slot_raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}
