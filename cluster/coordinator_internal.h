/* coordinator_internal.h - the parts of the coordinator, shared by coordinator*.c, control.c and progress.c only
 *
 *   cmd_crawl.c --> coordinator.c (life of the crawl, clock)
 *                     |- coordinator_seed.c    seeds to the door
 *                     |- coordinator_lease.c   what front leases goes to a slot as frames
 *                     |- coordinator_report.c  what a worker says: checked, kept whole, brought to front
 *                     |- coordinator_slot.c    workers: started, drained, dead
 *                     |- coordinator_heap.c    questions about memory: asked of a worker, or answered here
 *                     |- coordinator_disk.c    pages.db and WARC files: rechecked, checkpointed, synced
 *                     |- control.c             people: orb status, pause, ...
 *                     `- progress.c            the line on the terminal
 */
#ifndef ORB_CLUSTER_COORDINATOR_INTERNAL_H
#define ORB_CLUSTER_COORDINATOR_INTERNAL_H

#include <ev.h>

#include "cluster/conf.h"
#include "cluster/crawldir.h"
#include "cluster/front.h"
#include "cluster/heap.h"
#include "cluster/slot.h"
#include "crawler/scope.h"
#include "crawler/urlkey.h"

struct control;
struct disk;

enum crawl_state { CRAWL_RUNNING, CRAWL_PAUSED, CRAWL_DRAINING, CRAWL_ENDED };
enum crawl_end { END_NONE, END_FINISHED, END_LIMIT, END_STOPPED, END_FAILED };

#define COORDINATOR_TICK_MS 100
#define COORDINATOR_DRAIN_MS 20000
#define MAX_LOG_LINES 20 /* of one worker, a second */

struct desk { /* what the coordinator keeps of one slot's worker beside the slot */
    struct slot slot;
    struct buf report;       /* frames of the unfinished report: u32 length + frame */
    bool has_report;
    bool is_distrusted;      /* it lied: nothing more of this process counts, its end is on the way */
    unsigned n_urls;         /* leased and not reported */
    unsigned n_leases;       /* sent and not over: counted here, a worker's word is not needed */
    unsigned n_leased_now;   /* asked of front and not here yet; forgotten at each sample */
    unsigned n_log_lines;    /* since the last sample; those over MAX_LOG_LINES are left out */
    bool has_warned_links;   /* of links that are not canonical */
    struct stats stats;      /* last read, range-checked */
    uint64_t private_bytes;
    bool has_trouble;        /* its disk is full */
    struct heap_ask *ask;    /* a question about its memory that waits for the answer; NULL = none */
    uint32_t last_ask_id;    /* of this process; 0 = it was never asked */
    uint64_t answer_bytes;   /* came since then */
};

struct coordinator {
    uint32_t magic;
    struct ev_loop *loop;
    struct conf *conf;
    struct crawldir dir;
    struct front *front;
    struct scope *scope;
    struct urlkey_rules *key_rules;
    struct control *control;
    struct disk *disk;
    struct desk *desks;
    unsigned n_desks, n_workers_wanted;
    struct buf frame, conf_json;
    int hosts_fd;            /* what --hosts-file held, when that can be read only once; -1 = workers open the file */
    struct buf returned;     /* leases that could not be given: see coordinator_lease.c */
    enum crawl_state state;
    enum crawl_end end;
    char end_sentence[256];
    bool is_paused_by_user, is_paused_by_disk;
    bool is_held_by_wal;     /* pages.db-wal is too large: no new leases until it is checkpointed */
    bool has_front_trouble;  /* frontier.db cannot be written for now */
    bool is_unchecked;       /* (7) failed half way: the front must not be closed as if all were well */
    ev_timer tick;
    ev_signal interrupt, terminate;
    unsigned n_interrupts;
    uint64_t started_ms, last_tick_ms, last_sample_ms, last_disk_check_ms;
    uint64_t n_wire_bytes, n_results, pages_at_start;
    uint64_t pages_at_sample;
    double pages_per_s;
    uint64_t seeds_refused;
    bool has_had_worker;     /* one was ready, once */
    unsigned n_failed_starts; /* deaths, as long as none was ready */
    bool has_first_seed;
    unsigned n_seed_lines;
    struct front_stats stats; /* as of the last tick */
    struct heap heap;        /* the coordinator's own */
    struct stats gone;       /* of workers that have ended: the counts of parsed pages and collections alone */
    uint64_t last_heap_ms;
    uint32_t next_ask_id;
};

/* coordinator.c */
void coordinator_end(struct coordinator *c, enum crawl_end end, const char *fmt, ...) ORB_PRINTF(3, 4);
void coordinator_pause(struct coordinator *c, bool by_user, bool is_paused);
uint64_t coordinator_n_pages(const struct coordinator *c); /* stored in this crawl, all runs */
bool coordinator_may_lease(const struct coordinator *c);

/* coordinator_seed.c */
int seed_files_read(struct coordinator *c, struct buf *error) ORB_MUST_USE;
/* One seed, in its own transaction. is_wanted: not from the list that every start reads, but asked for now. */
enum front_verdict seed_offer(struct coordinator *c, struct slice text, bool is_wanted, struct buf *why);
int scope_restore(struct coordinator *c, struct buf *error) ORB_MUST_USE;
bool scope_widen(struct coordinator *c, const struct url *target);

/* coordinator_lease.c */
void coordinator_on_lease(void *arg, unsigned slot, const struct front_lease *lease);
void coordinator_on_lease_end(void *arg, unsigned slot, uint64_t lease_id);
void coordinator_lease_more(struct coordinator *c);
void coordinator_give_back(struct coordinator *c);

/* coordinator_report.c */
void coordinator_on_frame(void *arg, struct slot *s, struct slice frame);

/* coordinator_heap.c: done(arg, why, answer): why NULL = here is the answer, as the worker's bytes are; else a sentence. */
typedef void heap_done_fn(void *arg, const char *why, struct slice answer);
/* slot >= 0: a worker's; -1: the coordinator's. done may be called at once. */
void coordinator_heap_ask(struct coordinator *c, int slot, struct slice question, heap_done_fn *done, void *arg);
/* NULL, or what is wrong with the frame: a liar. */
const char *coordinator_heap_on_answer(struct coordinator *c, struct desk *d, struct wire_in *in);
void coordinator_heap_gone(struct coordinator *c, struct desk *d, const char *why); /* no answer will come */
void coordinator_heap_tick(struct coordinator *c, uint64_t now_ms);

/* coordinator_disk.c */
int disk_open(struct coordinator *c, struct buf *error) ORB_MUST_USE;
int disk_recheck(struct coordinator *c, uint64_t last_url_id) ORB_MUST_USE; /* after an unclean end */
void disk_start(struct coordinator *c);
void disk_sync_soon(struct coordinator *c); /* the seeds have grown: within a second */
void disk_tick(struct coordinator *c);
void disk_close(struct coordinator *c);

/* coordinator_slot.c */
int slots_open(struct coordinator *c);
void slots_tick(struct coordinator *c, uint64_t now_ms, uint32_t turned_ms);
void slots_drain(struct coordinator *c, uint64_t now_ms);
void slots_kill(struct coordinator *c, uint64_t now_ms);
bool slots_are_empty(const struct coordinator *c);
void slots_close(struct coordinator *c); /* kills and reaps what lives: the front must still be open */
void slots_free(struct coordinator *c);
void slots_take_back(struct coordinator *c);
void slots_sample(struct coordinator *c);
void slots_sum(const struct coordinator *c, struct stats *out); /* what `gone` counts, of the living too */

/* control.c */
int control_open(struct control **out, struct coordinator *c, struct buf *error) ORB_MUST_USE;
void control_hush(struct control *control); /* nobody is listened to any more: the loop is about to wait for the disk */
void control_close(struct control **control);
/* What `orb status` shows, one JSON object. */
int status_json(const struct coordinator *c, struct buf *out) ORB_MUST_USE;

/* progress.c */
void progress_tick(struct coordinator *c, uint64_t now_ms);
void progress_end(struct coordinator *c);

#endif
