/* front_internal.h - what the front_*.c files share; nobody else includes it
 *
 *   front.c         open, close, the small questions          front_seen.c    RAM table + runs on disk
 *   front_offer.c   the door                                  front_apply.c   the journal thread: records -> urldb
 *   front_report.c  verdicts on leased URLs and hosts         front_load.c    the journal thread: windows -> texts
 *   front_lease.c   picking, topping up, giving back          front_mark.c    queues into frontier.db and back
 *   front_window.c  a window that was read: sending it        front_return.c  what comes back unfinished
 *   front_recover.c what a new process makes of the files     front_why.c     the life of one URL
 *   front_again.c   seeds that the journal knows already      front_refetch.c a new round over what is stored
 *   front_errand.c  robots.txt at another authority
 */
#ifndef ORB_CLUSTER_FRONT_INTERNAL_H
#define ORB_CLUSTER_FRONT_INTERNAL_H

#include "cluster/front.h"
#include "cluster/journal.h"
#include "crawler/fingerprint.h"
#include "crawler/frontier.h"
#include "crawler/seen.h"
#include "pool/buf.h"
#include "pool/map.h"
#include "storage/coldmem.h"
#include "storage/seenrun.h"
#include "storage/urldb.h"

#include <pthread.h>

#define FRONT_MAGIC 0xf407d007
#define LEASE_MAGIC 0x1ea5e
#define FRONT_MAX_RUNS 64
#define FRONT_DOOM_MS 3600000u          /* a host that does not exist is asked for again after an hour */
#define FRONT_FAIR_URLS 256             /* a lease gives way after so many URLs, or ... */
#define FRONT_FAIR_MS 60000u            /* ... so long, when others wait */
#define FRONT_ROBOTS_TTL_S 86400u
#define FRONT_RETRY_AFTER_MS 86400000u  /* a Retry-After of a day or more says: not in this crawl */
#define FRONT_MARK_ROWS 4000000u        /* rows that a restart after a kill may have to read again */

/* --- records: what the loop tells the journal thread ------------------------------------------------------------------ */

enum front_record {
    REC_URL = JOURNAL_FIRST_TYPE, REC_HOST, REC_END, REC_FLAGS, REC_DROPPED, REC_NEWS, REC_CHUNK, REC_LOAD, REC_RUN,
    REC_QUEUE_CLEAR, REC_QUEUE, REC_DROP_CHUNKS, REC_MARK, REC_CHECKED, REC_WHY, REC_AGAIN_SCAN, REC_AGAIN
};

struct rec_url {
    uint64_t url_id, via, ended_at_ms;
    uint32_t host_id, n_bytes;
    uint16_t depth;
    uint8_t hops, kind, flags, state, outcome;
    char url[];
};

struct rec_host {
    uint32_t host_id, n_bytes;
    char origin[];
};

struct rec_flags {
    uint64_t url_id;
    uint32_t flags;
};

struct rec_again {
    uint64_t url_id;
    uint32_t host_id, flags;
};

struct rec_news { /* addresses, robots, cookies follow */
    struct urldb_host host;
    uint32_t fields, n_addresses, n_robots, n_cookies;
    char bytes[];
};

struct rec_chunk {
    uint32_t id, next, link_from, n;
    uint8_t ids[];
};

struct rec_mark {
    uint64_t url_id, chunk_id, checked_to_ms;
    uint32_t epoch;
    bool is_clean;
};

/* --- what rows add up to ------------------------------------------------------------------------------------------------- */

struct front_counts { /* kept twice: by the loop as it goes, by the thread with its transactions */
    uint64_t state[URLDB_STATES];      /* rows; EXCLUDED: without the dropped */
    uint64_t by_outcome[URLDB_STATES][OUTCOME_N]; /* of DONE, FAILED, EXCLUDED (with the dropped) */
    uint64_t dropped[OUTCOME_N];       /* excluded, only counted */
    uint64_t n_dropped;
};

void front_count_move(struct front_counts *c, unsigned from_state, unsigned from_outcome, unsigned to_state, unsigned to_outcome);
void front_count_add(struct front_counts *c, unsigned state, unsigned outcome);
int front_counts_print(const struct front_counts *c, struct buf *json) ORB_MUST_USE; /* meta "books" */
int front_counts_parse(struct front_counts *c, struct slice json) ORB_MUST_USE;
int front_dropped_print(const struct front_counts *c, struct buf *json) ORB_MUST_USE; /* meta "excluded_dropped" */
int front_dropped_parse(struct front_counts *c, struct slice json) ORB_MUST_USE;

/* --- work for the thread that is answered ---------------------------------------------------------------------------------- */

enum front_answer_kind { ANSWER_LOAD, ANSWER_RUN, ANSWER_MERGE, ANSWER_WHY, ANSWER_AGAIN };

struct front_answer { /* begins every such work; comes back on the loop */
    struct list node;
    enum front_answer_kind kind;
    int err;
};

struct load_url {
    uint64_t url_id, retry_at_ms;
    uint32_t host;       /* index into load.hosts */
    uint32_t state, flags, outcome;
    uint32_t text_at, text_n;
    uint32_t depth, hops, attempts;
};

struct load_host {
    uint32_t host_id;
    uint32_t index;      /* in the lease */
    bool is_described;   /* origin, robots ... are wanted */
    uint32_t chunk;      /* to read; 0 = none */
    uint32_t want;       /* of its ids with their rows */
    uint64_t next;
    unsigned n_ids;      /* that the chunk held */
    unsigned n_left;     /* of them, those that were not wanted */
    uint64_t *left;
    struct urldb_host row;
    uint32_t origin_at, origin_n, addresses_at, addresses_n, robots_at, robots_n, cookies_at, cookies_n;
};

struct load {
    struct front_answer answer;
    uint64_t lease_id, asked_ms;
    bool is_topup;
    unsigned n_hosts, n_urls, cap_urls;
    struct load_host *hosts;
    struct load_url *urls;
    struct buf text;
};

struct delta { /* fingerprints that are in no run yet */
    struct front_answer answer;
    struct list node;    /* in front.deltas */
    uint64_t from, to;   /* rows (from, to] */
    size_t n, cap;
    struct seenrun *run; /* the answer */
    uint64_t fingerprints[];
};

struct merge {
    struct front_answer answer;
    struct journal *journal;
    pthread_t thread;    /* joined by who gets the answer */
    const char *dir;
    unsigned first, n;   /* in front.runs */
    struct seenrun *runs[FRONT_MAX_RUNS];
    struct seenrun *run; /* the answer */
};

struct why {
    struct front_answer answer;
    struct list node;
    front_why_fn *done;
    void *arg;
    uint64_t scanned_to;
    struct urldb_url row;
    struct urldb_host host;
    struct buf url, text, via; /* via: a JSON list */
};

/* --- the thread's state ------------------------------------------------------------------------------------------------------ */

struct again;

struct front_db {
    struct urldb *db;
    struct journal *journal;
    struct front_counts counts, counts_before; /* of this transaction; as it began */
    bool is_dirty;
    uint64_t last_ended_ms, saved_ended_ms;
    struct list runs;       /* struct delta by answer.node: to write once their rows are committed and synced */
    struct list whys;
    struct again *again;    /* being looked for; the front's */
    uint64_t runs_again_ms;
    char seen_dir[4096];
    void (*idle_fn)(void *arg);
    void *idle_arg;
    uint32_t idle_every_ms;
    uint64_t idle_last_ms;
};

struct idle_job {
    struct front *f;
    void (*fn)(void *arg);
    void *arg;
    uint32_t every_ms;
};

void front_db_set_idle(void *arg); /* struct idle_job */
int front_db_begin(void *arg);
int front_db_apply(void *arg, unsigned type, const void *payload, size_t n_bytes, bool is_again);
int front_db_commit(void *arg);
void front_db_rollback(void *arg);
void front_db_idle(void *arg);
const char *front_db_sentence(void *arg);
void front_db_load(struct front_db *d, struct load *load);
void front_db_why(struct front_db *d);
void front_db_again(struct front_db *d); /* d->again is not NULL */

/* --- leases -------------------------------------------------------------------------------------------------------------------- */

/* What a dead process had sent may still be on its way to a server that is slow to read it. */
#define FRONT_ON_ITS_WAY_MS 25

struct leased_url {
    uint64_t url_id;
    uint32_t host;       /* index into lease.hosts */
    uint32_t attempts;
    uint8_t state;       /* as stored: READY or WAITING */
    uint8_t flags;
};

struct lease_host {
    uint32_t host_id;
    bool needs_robots;    /* its own, or an errand's */
    bool is_apart;        /* here for an errand, or its robots.txt became one: of this lease it gets no URL */
    uint64_t last_end_ms; /* of its latest request; 0 = none */
    uint64_t not_before_ms;
};

/*   front_lease                loaded                     nothing outstanding, no top-up
 *  ------------> LOADING ----------------> HELD <--> (top-up loading) ------------> over
 *                   |  front_slot_died      |
 *                   +---------> DEAD <------+   gives everything back; over when no load is on its way
 */
struct lease {
    uint32_t magic;
    uint64_t id;
    uint32_t epoch;
    unsigned slot;
    enum frontier_pick_kind kind;
    uint32_t unit;
    uint64_t group_id;
    uint32_t ip_delay_ms;
    uint64_t ip_next_at_ms, ip_last_end_ms;
    bool is_dead, no_topup, is_sent;
    unsigned n_loads;
    uint64_t began_ms;
    unsigned n_given;
    struct lease_host *hosts;
    unsigned n_hosts, cap_hosts;
    struct leased_url *urls;
    unsigned n_urls, cap_urls;
    struct buf pending;  /* struct pending_url: out of their queues, their texts are being read */
};

struct pending_url {
    uint64_t url_id;
    uint32_t host_id;
};

struct suspect {
    uint64_t url_id;
    uint32_t host_id;
    uint8_t deaths, flags;
    bool is_leased;
};

/* --- the front ------------------------------------------------------------------------------------------------------------------- */

struct front {
    uint32_t magic;
    struct front_conf conf;
    char dir[4096];
    struct fingerprint_key key;
    struct journal *journal;
    struct front_db db;           /* the thread's */
    struct front_counts counts;
    uint64_t n_leased[URLDB_STATES]; /* of READY and WAITING rows: how many are leased */
    uint64_t last_url_id;
    uint32_t last_chunk_id;
    uint64_t last_ended_ms;       /* Unix; never goes back */
    uint64_t now_ms, wall_ms;     /* as last told */

    struct seen *seen;
    size_t seen_limit_bytes;
    bool is_seen_complete;        /* nothing is on disk only */
    struct seenrun *runs[FRONT_MAX_RUNS];
    unsigned n_runs;
    struct delta *delta;          /* being filled */
    struct list deltas;           /* on their way to disk */
    size_t delta_max;
    bool is_merging;
    uint64_t n_fingerprints;

    struct frontier *frontier;
    struct hosts *hosts;
    struct coldmem *cold;         /* hosts that do not fit the budget */
    uint64_t hold_until_ms;       /* (8): after a restart nobody is asked for a full delay */
    uint32_t epoch;
    uint64_t last_lease_id;
    struct map leases, leased, suspects; /* by lease id; url_id -> lease; url_id -> suspect */
    struct map errands;  /* host_id -> struct errand_queue: other hosts' robots.txt that redirect to it; front_errand.c */
    size_t errand_bytes;
    struct buf dead_chunks;       /* uint32_t ids, read and to delete with the next mark */
    struct list failed_loads;     /* to send again */
    uint64_t marked_url_id, marked_chunk_id;
    bool is_derailed;             /* an id was lost for want of memory: no mark, the next start reads the journal */

    bool in_report;
    int report_err;
    struct lease *report_lease;
    struct buf results, news;     /* struct front_result; struct front_host_news with their bytes behind */

    struct url url;
    struct buf url_key, origin;
    uint64_t n_offered, n_seen;
    uint64_t checked_to_ms;
    bool is_closing;              /* no new merge */
    struct again *again, *again_sent; /* seeds to look for; being looked for, or found */
    uint64_t n_again_scans;
};

/* front_seen.c */
int front_seen_open(struct front *f) ORB_MUST_USE;
void front_seen_close(struct front *f);
bool front_seen_has(struct front *f, uint64_t fingerprint);
int front_seen_reserve(struct front *f, const uint64_t *fingerprints, unsigned n) ORB_MUST_USE;
void front_seen_add(struct front *f, uint64_t fingerprint);  /* after the reserve */
void front_seen_cache(struct front *f, uint64_t fingerprint); /* on disk already; may fail quietly */
int front_seen_flush(struct front *f) ORB_MUST_USE;          /* the delta goes on its way to disk */
void front_seen_on_run(struct front *f, struct delta *d);
void front_seen_on_merge(struct front *f, struct merge *m);
uint64_t front_seen_covered(const struct front *f);          /* rows up to this url_id are in runs */

/* Hosts behind the budget that were looked at go back to their file. The kernel maps up to 16 pages around each fault, so
 * 64 KiB a host that is new to us; some looks are at the same host. */
#define FRONT_COLD_TOUCHES 2048u

static inline void
front_drop_cold(struct front *f)
{
    if (hosts_cold_touches(f->hosts, false) > FRONT_COLD_TOUCHES) {
        coldmem_drop(f->cold);
        hosts_cold_touches(f->hosts, true);
    }
}

/* front_offer.c */
int front_host_of(struct front *f, const struct url *u, bool make, uint32_t *host_id) ORB_MUST_USE;
int front_fingerprints(struct front *f, const struct url *u, struct slice url, uint64_t out[2], unsigned *n) ORB_MUST_USE;
void front_host_configure(struct front *f, uint32_t host_id, struct slice origin);
void front_spill(struct front *f, uint32_t host_id);
void front_spill_directly(struct front *f, uint32_t host_id); /* while there is no thread yet */
void front_requeue(struct front *f, uint32_t host_id, uint64_t url_id, bool at_front);

/* Admits what the seen-set knows but the journal does not; what the rules exclude stays as it is. */
int front_admit(struct front *f, const struct front_link *link) ORB_MUST_USE;

/* front_again.c */
int front_seed_mark(struct front *f, uint64_t *out) ORB_MUST_USE; /* by f->url_key, which it spoils */
int front_again_offer(struct front *f, const struct front_link *link) ORB_MUST_USE; /* ORB_EEXIST: no need */
void front_on_again(struct front *f); /* f->again_sent has its answer */
void front_again_tick(struct front *f);
void front_again_free(struct again **a);

/* front_report.c */
int front_put_end(struct front *f, uint64_t url_id, unsigned from_state, unsigned from_outcome,
                  const struct urldb_end *end) ORB_MUST_USE;
uint64_t front_backoff_ms(const struct front *f, unsigned n_fails);
void front_pend_retry(struct front *f, uint32_t host_id, uint64_t url_id, uint64_t retry_at_ms);
void front_wake(struct front *f, uint32_t host_id);
int front_host_join(struct front *f, uint32_t host_id, struct slice addresses) ORB_MUST_USE;
void front_host_delay(struct front *f, struct host *h, uint32_t crawl_delay_ms);

int front_robots_news(struct front *f, const struct front_host_news *news) ORB_MUST_USE; /* of a host that is in no lease for it */

/* front_errand.c */
struct errand_queue;
struct errand { /* one robots.txt that waits for its turn at another authority, or is being asked for there */
    struct list node;    /* errand_queue.errands */
    uint32_t source_id;  /* the host whose robots.txt it is: HOST_AWAITS_ROBOTS */
    uint8_t hops;        /* redirects so far, at least 1 */
    uint32_t n_url;
    char url[];
};
/* News of robots.txt, awaited of a host of a lease, that is about another's or leads to another. ORB_ENOMEM: part of it may count. */
int front_errand_news(struct front *f, const struct lease_host *lh, const struct front_host_news *news) ORB_MUST_USE;
const struct errand *front_errand_of(const struct front *f, uint32_t host_id); /* BORROWED: the next one at this host; NULL */
void front_errands_fail(struct front *f, uint32_t host_id); /* the host cannot be asked */
void front_errands_free(struct front *f);

/* front_lease.c */
void front_on_load(struct front *f, struct load *load);
void front_lease_settle(struct front *f, struct lease *l); /* tops up, or ends it when nothing is outstanding */
void front_lease_over(struct front *f, struct lease *l);      /* nothing outstanding, nothing being loaded */
bool front_lease_has_robots(const struct lease *l);          /* hosts whose robots.txt is awaited */
void front_give_back(struct front *f, struct lease *l, unsigned i); /* URL i, back where it came from */
void front_lease_remove_url(struct front *f, struct lease *l, unsigned i);
void front_leases_return_all(struct front *f);
void front_load_free(struct load *load);
void front_add_suspect(struct front *f, uint32_t host_id, uint64_t url_id, unsigned flags);

/* front_mark.c */
int front_put_mark(struct front *f, bool is_clean) ORB_MUST_USE;
#define FRONT_QUEUED_BYTES 40
/* One more id for the queue of the last mark, when its row is not behind it; FRONT_QUEUED_BYTES and a record are reserved. */
void front_put_queued(struct front *f, uint32_t host_id, uint64_t url_id);
int front_forget_mark(struct front *f) ORB_MUST_USE; /* before the thread starts: all queues are made from the journal */
int front_read_mark(struct front *f) ORB_MUST_USE; /* ORB_ECORRUPT: the caller reads the journal instead */

/* front_recover.c */
int front_recover(struct front *f, struct front_recovery *out, struct buf *error) ORB_MUST_USE; /* before the thread starts */

/* front_refetch.c */
int front_refetch(struct front *f, uint64_t *n_again) ORB_MUST_USE;

/* front_why.c */
void front_on_why(struct front *f, struct why *w);
void front_why_free(struct why *w);

static inline uint64_t
front_ended_ms(struct front *f)
{
    return f->last_ended_ms = ORB_MAX(f->last_ended_ms, f->wall_ms);
}

#endif
