/* worker_internal.h - the parts of a worker process, shared by worker*.c only
 *
 *   channel --> worker_lease.c (leases, hosts, URLs held) --> worker_pace.c (may it start now?)
 *                                                                  |
 *                     +--------------------------------------------+
 *                     v
 *   worker_host.c (DNS, robots.txt of a host)      worker_job.c: FETCHING -> PARSED -> STORED -> COMMITTED -> reported
 *                                                                  |            |           |
 *                                                               mux, parse   store_put   store_flush, worker_report.c
 *
 * Beside them: worker_objects.c (which of these are objects, and their roots), worker_heap.c (safe points, questions about memory).
 *
 * Ownership  a lease owns its hosts and URLs; a job owns the URL it took from the lease and the frames of its report.
 */
#ifndef ORB_CLUSTER_WORKER_INTERNAL_H
#define ORB_CLUSTER_WORKER_INTERNAL_H

#include <ev.h>

#include "cluster/channel.h"
#include "cluster/conf.h"
#include "cluster/heap.h"
#include "cluster/stats.h"
#include "cluster/worker.h"
#include "crawler/address.h"
#include "crawler/cache.h"
#include "crawler/cookies.h"
#include "crawler/fetch.h"
#include "crawler/parse.h"
#include "crawler/robots.h"
#include "gc/object.h"
#include "gc/roots.h"
#include "gc/weak.h"
#include "pool/list.h"
#include "pool/map.h"
#include "storage/store.h"

struct wlease;
struct whost;

struct wurl { /* one URL of a lease, not started */
    struct list node;          /* whost.ready */
    struct whost *host;
    uint64_t url_id;
    uint16_t depth;
    uint8_t attempts, redirect_hops;
    bool is_sitemap, is_seed, is_again, is_suspect;
    char url[];                /* NUL-terminated */
};

enum whost_state { WHOST_NEEDS_NAME, WHOST_RESOLVING, WHOST_NEEDS_ROBOTS, WHOST_ROBOTS, WHOST_OPEN, WHOST_FAILED };

#define HOST_MAX_ERRORS 8
#define ERROR_TEXT_BYTES 1024
#define OBSERVER_LIFETIME_MS 120000u
#define JOB_LIFETIME_MS 180000u /* beyond the total time of its transfer: until it is committed */
#define WORKER_N_ROOTS 3

struct error_record { /* one of the last errors of a host, for people */
    struct object object;
    uint64_t at_ms;            /* Unix time */
    enum outcome outcome;
    uint16_t status;
    char *text;                /* URL and sentence; NULL = no memory for it */
};

struct observer { /* waits for addresses, for a host */
    struct object object;
    struct list node;          /* worker.observers, with its reference */
    struct weak host;
    dns_done_fn *done;
};

struct whost { /* one host of a lease: a reference from there, one from each of its jobs */
    struct object object;
    struct list node;          /* wlease.hosts */
    struct wlease *lease;
    uint64_t host_id;
    struct url origin;
    enum whost_state state;
    bool needs_robots;         /* this lease is for robots.txt: the host's own, or another's that redirects here */
    int robots_status;
    struct buf robots_body;    /* arriving from the coordinator, or fetched */
    struct robots *robots;
    unsigned robots_hops;
    bool has_asked_robots;     /* in this lease; with needs_robots and no fetch: it redirects, and the delay runs */
    struct url robots_url;     /* where the next robots request goes: changes with redirects */
    struct dns_answer addresses;
    uint64_t addresses_until_ms;
    bool has_news;             /* addresses that the coordinator does not know */
    struct cookies *cookies;
    bool cookies_changed;
    uint32_t delay_ms;
    unsigned per_host;
    const char *authorization; /* BORROWED from the conf; NULL = none */
    int meta_robots;           /* enum conf_meta_robots */
    uint64_t next_at_ms;       /* no request starts before */
    unsigned n_in_flight;
    struct list ready;         /* of struct wurl */
    enum outcome failure;      /* WHOST_FAILED */
    struct fetch *fetch;       /* of robots.txt */
    bool is_resolving;
    struct error_record *errors[HOST_MAX_ERRORS]; /* a ring */
    unsigned n_errors;         /* ever */
};

struct wlease {
    struct list node;          /* worker.leases */
    struct worker *worker;
    uint64_t lease_id, group_id;
    uint32_t epoch;
    uint32_t ip_delay_ms;
    uint64_t ip_next_at_ms;    /* for another host than last_host */
    struct whost *last_host;
    struct list hosts;
    struct whost **by_index;   /* as the coordinator counts them */
    unsigned n_hosts, hosts_cap;
    unsigned n_ready, n_in_flight, n_unreported;
    unsigned n_hosts_in_flight; /* hosts with a request on the wire */
    bool is_over;              /* the coordinator has ended it */
    bool owes_return;          /* it was handed back while something was under way: once that is over, say that nothing is left */
    bool is_dirty;             /* something changed since it was pumped */
    uint64_t next_ms;          /* nothing of it may start before; UINT64_MAX: only after something else happens */
};

enum job_state { JOB_FETCHING, JOB_STORING, JOB_COMMITTING };

struct job {
    struct object object;
    struct list node;          /* worker.fetching, .storing or .committing, with its reference */
    struct worker *worker;
    struct wlease *lease;
    struct whost *host;        /* KEEPS */
    struct wurl *url;          /* taken from the lease */
    struct url parsed_url;
    struct fetch *fetch;
    struct page *page;         /* until its row is queued */
    struct parsed_page *known; /* what the cache has of it: a page that must wait for room is not parsed again */
    enum outcome outcome;
    char error[160];           /* the page's sentence; "" = none */
    struct buf frames;         /* LINKS frames for the report: u32 length + frame, again and again */
    struct record_link *links; /* until stored; in the worker's arena */
    size_t n_links;
    struct slice redirect_to;
    uint64_t started_ms, ended_ms;
    uint32_t retry_after_ms;
    bool wants_pause;          /* 429, 503: once this is reported, the host's other URLs go back */
    uint16_t status;
    uint64_t wire_bytes;
};

#define WORKER_ADDRESS_CLOCKS 1024

struct worker {
    struct ev_loop *loop;
    unsigned index;
    struct conf conf;
    bool has_conf;
    struct buf conf_json;
    struct channel channel;
    struct stats_page *stats_page;
    struct stats stats;
    struct guard guard;
    struct mux_conf mux_conf;
    struct mux *mux;
    struct buf hosts_text;     /* the hosts file; borrowed by dns */
    struct dns_conf dns_conf;
    struct dns *dns;
    struct store *store;
    struct parsed parsed;      /* of the page at hand */
    struct cache *cache;       /* of parsed pages */
    struct list observers;     /* of struct observer */
    struct gc_root roots[WORKER_N_ROOTS];
    struct heap heap;
    struct buf question, answer; /* about memory */
    uint32_t question_id;
    bool is_asked;
    struct buf scratch, frame;
    struct buf log_frame;      /* a line may come up while `frame` is being written */
    unsigned n_log_lost;       /* since the last line that went */
    bool is_last_words;
    struct list leases;        /* of struct wlease, round robin */
    struct map lease_by_id;
    struct wlease *arriving;   /* between LEASE and LEASE_END */
    struct whost *arriving_host;
    struct list fetching, storing, committing; /* of struct job */
    unsigned n_fetching, n_storing, n_committing;
    uint64_t committing_since_ms;
    ev_timer pump_timer, flush_timer, tick_timer;
    ev_prepare pump_soon;
    bool needs_pump, is_draining, is_told_to_end, disk_is_full;
    /* When an address may be asked for the robots.txt of another name: such hosts are not in a group yet. By hash; that
     * two addresses share a place costs a pause. */
    uint64_t address_next_ms[WORKER_ADDRESS_CLOCKS];
    uint64_t rate_next_us;     /* --max-rate: this worker's share; no request starts before */
};

uint64_t worker_now_ms(const struct worker *w);
uint64_t worker_wall_ms(const struct worker *w);
noreturn void worker_die(struct worker *w, const char *why, int err);
void worker_send(struct worker *w, struct wire_out *out);   /* finishes the frame; the coordinator gone ends the process */
bool worker_has_room(const struct worker *w);

/* worker_lease.c */
void worker_on_lease_frame(struct worker *w, unsigned type, struct wire_in *in);
void worker_take_back(struct worker *w, uint64_t lease_id); /* 0 = all */
void worker_on_lease_over(struct worker *w, struct wire_in *in);
void worker_sweep_leases(struct worker *w); /* about once a second: those that are over go */
void worker_free_leases(struct worker *w);
bool lease_has_busy_host(const struct wlease *l);

/* Clocks are cut to whole milliseconds; a delay in them is kept only with one more. */
static inline uint32_t
whole_ms(uint32_t ms)
{
    return ms == 0 || ms == UINT32_MAX ? ms : ms + 1;
}

/* worker_pace.c */
void worker_pump(struct worker *w);      /* starts what may start now, sets the timer for the rest */
void worker_pump_soon(struct worker *w); /* before the loop sleeps */
void pace_on_start(struct whost *h, uint64_t now_ms);
void pace_on_end(struct whost *h, uint64_t now_ms);
/* When the host's next request may start; UINT64_MAX: only after something else happens. */
uint64_t pace_due_ms(const struct whost *h);
/* Is it this worker's turn under --max-rate? If not, *next_ms becomes the time of its turn, if that is earlier. */
bool pace_rate_permits(struct worker *w, uint64_t now_us, uint64_t *next_ms);
void pace_rate_spend(struct worker *w);
bool pace_take_address(struct whost *h);      /* false: its turn is later, and h->next_at_ms says when */
void pace_not_before(struct whost *h, uint64_t at_ms); /* the server asked for it */

/* worker_host.c */
bool host_is_open(struct whost *h);      /* starts DNS and robots where they are missing */
extern struct object_type host_type;
void host_leave(struct whost *h);        /* drops the lease's reference */
void host_learn_robots(struct whost *h, int status, struct slice body);

/* worker_objects.c */
void worker_add_roots(struct worker *w);
void worker_remove_roots(struct worker *w);
/* Keeps it among the host's last errors, if it is one. */
void host_note_error(struct whost *h, const char *url, enum outcome outcome, int status, const char *sentence, uint64_t wall_ms);
/* dns_lookup() for a host that may leave meanwhile: done(h, answer), possibly at once. */
void observe_name(struct whost *h, struct slice name, dns_done_fn *done);
void observe_no_more(struct whost *h, dns_done_fn *done);

/* worker_heap.c */
void worker_heap_open(struct worker *w);  /* with the settings */
void worker_heap_close(struct worker *w);
void worker_on_heap(struct worker *w, struct wire_in *in);
void worker_safe_point(struct worker *w); /* nothing of ours is on the stack but the loop */
void worker_heap_tick(struct worker *w);  /* about once a second, at a safe point */
void worker_heap_stats(struct worker *w, struct stats *s);

/* worker_job.c */
bool job_start(struct whost *h, struct wurl *u); /* STEALS u on true */
void job_finish_unasked(struct whost *h, struct wurl *u, enum outcome outcome); /* STEALS u */
extern struct object_type job_type;
void job_free(struct job *j);
void worker_store_more(struct worker *w);
void worker_flush(struct worker *w);

/* worker_policy.c: of the answer in j->page, once it is parsed. Bits of enum parse_policy. */
unsigned policy_said(const struct job *j);
unsigned policy_obeyed(const struct job *j);
uint8_t policy_not_followed(const struct job *j, const struct link *l, unsigned obeyed); /* 0 = it is; else RECORD_LINK_* */
void policy_withhold(struct job *j, struct record *r); /* may turn the outcome OK into NOINDEX */

/* worker_log.c */
void worker_log_open(struct worker *w);  /* from here on lines go over the channel */
void worker_log_close(struct worker *w);
void worker_log_last_words(struct worker *w); /* _exit() follows: a line that would wait goes to standard error */

/* worker_report.c */
void report_links(struct job *j, const struct record_link *links, size_t n);
void worker_report_committed(struct worker *w);
void worker_report_host(struct whost *h, enum outcome robots_outcome, uint32_t robots_ttl_s);

#endif
