/* front.h - the frontier as the coordinator sees it: one door in, leases out, verdicts back; all of it durable
 *
 * Embedded implementation: crawler/frontier (decisions, RAM), crawler/seen (seen-set), storage/urldb (frontier.db),
 * and the journal thread, which alone touches DIR/coordinator/frontier.db. Nothing here blocks: transactions reach the
 * thread through a bounded queue, completions come back by ev_async on the coordinator's loop. A full queue stops leasing
 * (front_is_congested), never the loop. A cluster of machines would put Redis behind the same calls.
 *
 *   front_offer  --unseen-->  READY --front_lease--> LEASED --front_report--> DONE | WAITING | FAILED | EXCLUDED
 *       |                       ^                      |                                |
 *       `--judge says no--> EXCLUDED                   +---- front_end_lease (rest) ----+-- retry time comes --> READY
 *                              `-- offered as a seed, and the judge says yes --> READY (FAILED too)
 *
 * Invariants (ARCHITECTURE.md, durability): (3) one transaction per report; (4) one writing thread; (5) a report counts
 * once, under its lease's current epoch; (6) finished = books balance with nothing queued, leased or waiting; (9) the
 * seen-set never holds a fingerprint whose row is not committed.
 *
 * Time       now_ms is a monotonic clock, wall_ms the Unix time; both are arguments.
 * Ownership  slices given are copied; what events hand out is BORROWED for the call.
 */
#ifndef ORB_CLUSTER_FRONT_H
#define ORB_CLUSTER_FRONT_H

#include "crawler/outcome.h"
#include "crawler/url.h"

struct ev_loop;
struct front;

#define FRONT_WINDOW_URLS 32      /* outstanding URLs of one lease */
#define FRONT_WINDOW_MS 20000     /* ... and no more than fit this long at the host's delay (at least one) */
#define FRONT_GROUP_HOSTS 256     /* hosts per group; more: sub-groups, each spaced by k x ip-delay */
#define FRONT_ROBOTS_HOPS 5       /* redirects of robots.txt that are followed (RFC 9309 section 2.3.1.2) */
#define FRONT_ROBOTS_URL_BYTES 8192 /* ... to another authority: no longer URL */

struct front_books { /* discovered == the sum of the others, always */
    uint64_t discovered, queued, leased, waiting, done, failed, excluded, quarantined;
};

struct front_link { /* what comes to the door */
    struct slice url;         /* canonical (WHATWG, no fragment); anything else is NOT_A_URL */
    uint64_t via_url_id;      /* 0 = a seed */
    uint16_t depth;           /* link hops from a seed; a redirect keeps the depth of its source */
    uint8_t redirect_hops;
    uint8_t kind;             /* enum link_kind */
    bool is_sitemap;          /* fetch it as a sitemap */
    bool is_seed;
    bool is_wanted;           /* a seed somebody asks for just now: looked for even if it was known as a seed before */
    enum outcome refused;     /* OUTCOME_NONE, or a reason the worker gives: journalled as excluded (nofollow policy...) */
    uint64_t fingerprint;     /* of url, as front_foresee() found it; 0 = not foreseen */
};

/* AGAIN: a seed that is known, not as a seed until now, or is_wanted, and that the rules admit. From the next front_tick()
 * on its row is looked for, all such seeds in one scan: if it was EXCLUDED or FAILED, it is READY again, at depth 0 and with
 * no attempts made. A stop before the scan is through forgets it, and whoever offers it again is answered the same. */
enum front_verdict { FRONT_NEW, FRONT_SEEN, FRONT_EXCLUDED, FRONT_NOT_CANONICAL, FRONT_ERROR, FRONT_AGAIN };

struct front_url { /* one URL of a lease */
    uint64_t url_id;
    uint32_t host;            /* index into front_lease.hosts */
    struct slice url;
    uint16_t depth;
    uint8_t attempts;         /* answers and timeouts so far */
    uint8_t redirect_hops;
    bool is_sitemap, is_seed;
    bool is_again;            /* stored before: ask conditionally, pages.db knows etag and last_modified */
    bool is_suspect;          /* in probation: leased alone */
};

struct front_host { /* one host of a lease; name and port and scheme make it */
    uint64_t host_id;
    struct slice origin;      /* "https://example.org:8443" */
    bool needs_robots;        /* first lease, or robots expired: DNS and robots.txt come first, no URL is in the lease */
    struct slice robots_url;  /* needs_robots: an errand. Not its own robots.txt is asked for but this URL, to which another
                               * host's redirects; what news say of robots counts for that one. Empty = its own */
    uint8_t robots_hops;      /* ... after so many redirects */
    struct slice robots_body; /* as fetched; valid when !needs_robots */
    int robots_status;        /* 200, 404 (all allowed), 500 (nothing allowed until robots_retry) */
    struct slice addresses;   /* comma-separated literals; may be empty: the worker resolves */
    uint32_t addresses_ttl_s;
    struct slice cookies;     /* cookies_save() text */
    uint32_t delay_ms;        /* the larger of --delay (or the [host] section's) and Crawl-delay, capped by --max-delay */
    uint32_t wait_ms;         /* from now until its first request may start */
};

struct front_lease {
    uint64_t lease_id;
    uint32_t epoch;
    uint64_t group_id;
    uint32_t ip_delay_ms;     /* between two requests of this group, whatever the host */
    uint32_t ip_wait_ms;      /* from now until the group's first request may start */
    const struct front_host *hosts;
    unsigned n_hosts;
    const struct front_url *urls;
    unsigned n_urls;
    bool is_topup;            /* adds URLs (and hosts: index continues) to a lease held already */
};

struct front_host_news { /* what a report says of a host */
    uint64_t host_id;
    struct slice addresses;   /* empty = nothing new */
    uint32_t addresses_ttl_s;
    bool has_robots;          /* robots_* are new */
    struct slice robots_body;
    int robots_status;
    uint32_t robots_ttl_s;    /* 24 h at most */
    uint32_t crawl_delay_ms;  /* UINT32_MAX = none */
    bool has_cookies;
    struct slice cookies;
    struct slice robots_url;  /* canonical: robots.txt redirects to this URL of another authority, and is to be asked for there, in a
                               * lease of that one; the other robots_* mean nothing then. Empty = no such redirect */
    uint8_t robots_hops;      /* ... with this redirect, 1 .. FRONT_ROBOTS_HOPS */
    enum outcome robots_outcome; /* OK, or why there is none (DNS_..., CONNECT_..., SERVER_ERROR): the host waits and tries again;
                                  * NOT_STARTED: asked, but handed back between two redirects */
};

struct front_result { /* the outcome of one URL */
    uint64_t url_id;
    enum outcome outcome;
    uint16_t status;
    uint32_t retry_after_ms;  /* 0 = by the backoff */
    uint32_t request_end_ago_ms; /* how long ago its last request ended: the clocks start there */
    uint64_t wire_bytes;
};

struct front_conf {
    const char *dir;              /* DIR/coordinator, exists */
    size_t ram_budget_bytes;      /* --frontier-memory */
    uint64_t max_per_host;        /* 0 = no limit */
    uint64_t max_pages;           /* 0 = no limit; leases never hold more URLs than are left until then */
    bool refetch;                 /* --refetch: when nothing is left to ask, all that is stored or failed is asked again */
    uint64_t keep_excluded;       /* rows of excluded URLs; beyond it only counted by reason */
    uint32_t delay_ms, ip_delay_ms, max_delay_ms;
    unsigned max_attempts;        /* tries of one URL before FAILED */
    uint32_t retry_first_ms, retry_max_ms; /* exponential backoff between them */
    /* settings that a [host "pattern"] section may change; NULL = none. Fills *delay_ms, *max_per_host. */
    void (*host_settings)(void *arg, struct slice host, uint16_t port, uint32_t *delay_ms, uint64_t *max_per_host);
    /* is this unseen URL part of the crawl? OUTCOME_OK or the reason of exclusion */
    enum outcome (*judge)(void *arg, const struct url *u, const struct front_link *link);
    /* a lease or a top-up of lease_id for slot is loaded: send it. May call front_end_lease(). */
    void (*on_lease)(void *arg, unsigned slot, const struct front_lease *lease);
    /* the lease is over: nothing of it is outstanding, and no top-up will come. May be NULL. */
    void (*on_lease_end)(void *arg, unsigned slot, uint64_t lease_id);
    /* everything queued before the front_mark() that gave this cookie is committed */
    void (*on_committed)(void *arg, uint64_t cookie);
    /* a write failed: err is ORB_EFULL, ORB_EBUSY or ORB_ENOMEM (tried again until it works; then comes err 0), anything
     * else is final: nothing more is written. sentence BORROWED. While there is trouble, front_is_congested(). */
    void (*on_trouble)(void *arg, int err, const char *sentence);
    void *arg;
    const struct urlkey_rules *key_rules; /* for the crawl key; NULL = built-in; BORROWED as long as the front lives */
};

struct front_recovery { /* what front_open() found */
    bool is_new, was_unclean;
    uint64_t n_urls, n_hosts;      /* n_urls is the last url_id: the journal is dense from 1 */
    uint64_t first_unchecked_url; /* was_unclean: 1, for any row may be concerned; front_recheck() finds which */
    uint64_t n_again;              /* conf.refetch: a round began over so many rows; 0 = the last one is not over */
    double seconds;
};

struct front_stats {
    struct front_books books;
    uint64_t n_hosts, n_hosts_active, n_groups, n_leases;
    uint64_t n_hosts_backing_off, n_queued_backing_off; /* hosts that could not be reached; URLs, queued, that wait for them */
    uint64_t excluded_by_reason[OUTCOME_N];
    uint64_t failed_by_reason[OUTCOME_N], done_by_outcome[OUTCOME_N];
    uint64_t links_offered, links_seen, seed_scans;
    size_t ram_bytes, seen_ram_bytes, seen_disk_bytes;
    uint64_t queue_depth, commits, rows_written;
    double expected_collisions;   /* URLs that share a fingerprint with another, expected */
    int64_t next_due_ms;          /* monotonic time of the next thing to lease or retry; INT64_MAX = none */
};

/* Opens or makes the frontier in conf->dir; recovers. On error `error` says what, where, and what to do. */
int front_open(struct front **out, struct ev_loop *loop, const struct front_conf *conf, uint64_t now_ms, uint64_t wall_ms,
               struct front_recovery *recovery, struct buf *error) ORB_MUST_USE;
/* Writes all state (windows, clocks, clean mark), joins the journal thread. Waits for the disk: only when leaving. */
int front_close(struct front **front, uint64_t now_ms, uint64_t wall_ms);

/* The door. Links of one report: between front_report_begin and _end, one transaction (3). Seeds: the same, lease 0. */
int front_report_begin(struct front *f, uint64_t lease_id, uint32_t epoch); /* ORB_ENOTFOUND: a stale lease or epoch (5): drop the report */
enum front_verdict front_offer(struct front *f, const struct front_link *link);
/* Optional: link will be offered soon. Of links that come together all are foreseen before the first is offered. */
void front_foresee(const struct front *f, struct front_link *link);
bool front_report_holds(const struct front *f, uint64_t url_id, bool *is_seed); /* is it of this report's lease? */
int front_result(struct front *f, const struct front_result *result);       /* ORB_ENOTFOUND: not of this lease */
int front_host_news(struct front *f, const struct front_host_news *news);   /* ORB_ENOTFOUND: not of this lease, or a redirect to no URL */
int front_report_end(struct front *f, uint64_t now_ms, uint64_t wall_ms);   /* tops the lease up, or ends it when empty */
/* The report is dropped: no result and no news count. Links offered so far stay: they were found, and the page comes again. */
void front_report_abort(struct front *f);

/* Leases one group's window to a slot: on_lease follows (possibly at once). Returns whether one was found. */
bool front_lease(struct front *f, unsigned slot, uint64_t now_ms);
bool front_is_congested(const struct front *f);
/* The worker hands back what it has not started; the lease ends when nothing is outstanding. is_all: nor is a robots.txt; the
 * worker has nothing of this lease under way. */
int front_return(struct front *f, uint64_t lease_id, uint32_t epoch, const uint64_t *url_ids, unsigned n, bool is_all,
                 uint64_t now_ms);
/* No more top-ups for this lease (drain, pause): it ends when its reports are in. */
void front_stop_topup(struct front *f, uint64_t lease_id);
/* The slot's process is confirmed dead: all its leases return; each of their hosts waits a full delay from now. suspects:
 * URLs that may have killed it (retried alone; two deaths in probation quarantine them). Not an attempt. */
void front_slot_died(struct front *f, unsigned slot, const uint64_t *suspects, unsigned n_suspects, uint64_t now_ms);

/* After an unclean start, before anything else (7): asks verify() on the journal thread, while the loop's waits, about every
 * URL that became DONE since the last clean stop or front_note_durable(); false queues it again. */
typedef bool front_verify_fn(void *arg, uint64_t url_id);
int front_recheck(struct front *f, front_verify_fn *verify, void *arg, uint64_t *n_missing) ORB_MUST_USE;
/* Whatever was reported up to this Unix time is on the disk (pages.db checkpointed, WARC files synced). */
void front_note_durable(struct front *f, uint64_t wall_ms);
/* fn(arg) on the journal thread, between transactions, about every_ms: what may wait for the disk. Waits for the thread. */
void front_set_idle_job(struct front *f, void (*fn)(void *arg), void *arg, uint32_t every_ms);
/* Waits until everything so far is committed and delivers what came back (on_lease ...): starts, ends, tests. */
int front_sync(struct front *f);

uint64_t front_mark(struct front *f);            /* a cookie for on_committed: everything queued so far */
bool front_is_finished(const struct front *f);   /* (6) */
void front_stats(const struct front *f, struct front_stats *out);
void front_tick(struct front *f, uint64_t now_ms, uint64_t wall_ms); /* about 10 times a second: retries come due, checkpoints */

/* The life of one URL for `orb why`, as JSON appended to out; ORB_ENOTFOUND. Answers through a callback, from the loop. */
typedef void front_why_fn(void *arg, int err, struct slice json);
void front_why(struct front *f, struct slice url, front_why_fn *done, void *arg);

#endif
