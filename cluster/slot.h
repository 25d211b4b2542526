/* slot.h - one place for a worker process: started, watched, drained, reaped, started again
 *
 *            slot_start           READY frame          slot_drain             pidfd: gone
 *   EMPTY ------------> STARTING ------------> RUNNING ----------> DRAINING ---------------> EMPTY
 *     ^                     |                     |                    | drain deadline
 *     |                     | pidfd: gone, start  | pidfd: gone,       v
 *     |                     | deadline (KILL)     | hung (KILL)     STOPPING (TERM, then KILL) --pidfd: gone--> EMPTY
 *     |   backoff is over   v                     v
 *     +------------------ BACKOFF <---------------+
 *
 * EMPTY      no process.
 * STARTING   fork+exec done, settings sent, no READY yet; nothing but READY stops the clock of the start deadline.
 * RUNNING    takes leases.
 * DRAINING   finishes what is in flight, takes nothing, then exits by itself.
 * STOPPING   was told to end; KILL follows.
 * BACKOFF    a process died that should not have; 0.1 s doubling to 10 s, back to 0.1 s once a worker was of use.
 *
 * The process is started by fork and exec of /proc/self/exe, dies with its parent (PR_SET_PDEATHSIG), and inherits the
 * crawl directory's lock. It is waited for through its pidfd and nowhere else; only slot_on_exit says that it is gone.
 *
 * Ownership  the slot owns process, channel and stats page. Callbacks come from the loop.
 */
#ifndef ORB_CLUSTER_SLOT_H
#define ORB_CLUSTER_SLOT_H

#include "cluster/channel.h"
#include "cluster/stats.h"

#include <sys/types.h>

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_RUNNING, SLOT_DRAINING, SLOT_STOPPING, SLOT_BACKOFF, SLOT_N_STATES };
const char *slot_state_name(enum slot_state s);

#define SLOT_HUNG_MS 30000       /* no sign of life, counted in time in which the coordinator's own loop turned */
#define SLOT_START_MS 30000
#define SLOT_STOP_MS 2000        /* from TERM to KILL */

struct slot_death {
    int status;                  /* of waitid: exit code or signal */
    bool was_signal, was_ours;   /* we sent the signal */
    bool was_expected;           /* drained or stopped */
    bool has_stats;
    struct stats stats;          /* its last words */
};

struct slot {
    uint32_t magic;
    unsigned index;
    enum slot_state state;
    struct ev_loop *loop;
    pid_t pid;
    int pidfd;
    ev_io exit_watcher;
    struct channel channel;
    struct stats_page *stats_page;
    uint64_t entered_at_ms;      /* when the state began */
    uint64_t silent_ms;          /* loop time since the last sign of life */
    uint64_t ping_age_ms;        /* loop time since the last PING */
    uint64_t deadline_ms;        /* of DRAINING, STOPPING, BACKOFF; monotonic */
    uint32_t backoff_ms;
    bool was_useful;             /* this process finished a report */
    bool is_killed_by_us;
    unsigned n_starts, n_deaths;
    /* callbacks */
    int lock_fd;
    int hosts_fd;                /* WORKER_HOSTS_FD of its processes; -1 = none. The owner's, who sets it */
    int (*on_started)(void *arg, struct slot *s);                 /* send the settings */
    void (*on_frame)(void *arg, struct slot *s, struct slice frame);
    void (*on_exit)(void *arg, struct slot *s, const struct slot_death *death);
    void *arg;
};

void slot_init(struct slot *s, unsigned index, struct ev_loop *loop, int lock_fd);
int slot_start(struct slot *s, uint64_t now_ms) ORB_MUST_USE;    /* ORB_EMFILE, ORB_ENOMEM, ...: goes to BACKOFF */
void slot_set_ready(struct slot *s, uint64_t now_ms);
void slot_drain(struct slot *s, uint64_t now_ms, uint32_t deadline_ms);
void slot_stop(struct slot *s, uint64_t now_ms);                 /* TERM, then KILL */
void slot_kill(struct slot *s, uint64_t now_ms);                 /* KILL at once */
void slot_tick(struct slot *s, uint64_t now_ms, uint32_t turned_ms); /* deadlines; turned_ms: time in which the loop turned */
void slot_sign_of_life(struct slot *s);
int slot_send(struct slot *s, struct buf *frame) ORB_MUST_USE;
bool slot_has_process(const struct slot *s);
bool slot_is_running(const struct slot *s);                      /* RUNNING, and not known to be dead: takes leases */
void slot_fini(struct slot *s);                                  /* no process may be left */

/* Of the calling process, to its hard limit: a coordinator at its start, and each worker. */
void slot_raise_file_limit(void);

#endif
