/* urldb.h - frontier.db: the append-only journal of URLs, hosts, and the derived queues
 *
 * Schema (user_version 1; WAL). The journal has no secondary index on purpose (measured: 470,000 rows/s flat without,
 * 26,000 and falling with one).
 *
 *   url(url_id INTEGER PRIMARY KEY, url TEXT NOT NULL, host_id INTEGER, via INTEGER, depth INTEGER, hops INTEGER,
 *       kind INTEGER, flags INTEGER,     -- enum urldb_flags
 *       state INTEGER NOT NULL,          -- enum urldb_state; LEASED is never stored: after a crash it is READY
 *       outcome INTEGER, status INTEGER, -- enum outcome; HTTP status
 *       attempts INTEGER, retry_at INTEGER, -- Unix ms, of WAITING
 *       ended_at INTEGER)                -- Unix ms of the last outcome; never goes back from row to row reported
 *   host(host_id INTEGER PRIMARY KEY, origin TEXT, addresses TEXT, addresses_until INTEGER, robots_status INTEGER,
 *        robots_until INTEGER, crawl_delay INTEGER, fails INTEGER, retry_at INTEGER, robots BLOB, cookies BLOB)
 *   chunk(id INTEGER PRIMARY KEY, next INTEGER, urls BLOB)   -- a piece of a host's queue, <= 128 ids of 5 bytes
 *   queue(id INTEGER PRIMARY KEY, bytes BLOB)                -- the RAM part of all queues at the last mark
 *   meta(key TEXT PRIMARY KEY, value)
 *
 * chunk and queue are derived: behind the mark they are rebuilt from the journal. State NULL columns mean 0.
 *
 * Threads    one at a time (durability, 4: the journal thread).
 * Errors     ORB_EFULL, ORB_EIO, ORB_ECORRUPT, ORB_EVERSION, ORB_ENOMEM, ORB_EBUSY; urldb_error() has the sentence.
 * Ownership  slices handed out are BORROWED until the next call with the same urldb.
 */
#ifndef ORB_STORAGE_URLDB_H
#define ORB_STORAGE_URLDB_H

#include "pool/buf.h"

enum urldb_state { URLDB_READY = 0, URLDB_DONE = 1, URLDB_WAITING = 2, URLDB_FAILED = 3, URLDB_EXCLUDED = 4, URLDB_QUARANTINED = 5, URLDB_STATES };

enum urldb_flags {
    URLDB_SITEMAP = 1, URLDB_SEED = 2, URLDB_AGAIN = 4, /* asked before: ask conditionally */
    URLDB_SUSPECT = 8, URLDB_DEATHS_SHIFT = 4, URLDB_DEATHS_MASK = 0x30 /* deaths in probation */
};

struct urldb_url {
    uint64_t url_id;
    struct slice url;
    uint64_t host_id, via;
    uint32_t depth, hops, kind, flags;
    uint32_t state;           /* enum urldb_state */
    uint32_t outcome, status, attempts;
    uint64_t retry_at_ms, ended_at_ms; /* Unix */
};

struct urldb_end { /* an update by url_id */
    uint64_t url_id;
    uint64_t retry_at_ms, ended_at_ms;
    uint32_t state, outcome, status, attempts, flags;
};

struct urldb_host {
    uint64_t host_id;
    struct slice origin, addresses;
    uint64_t addresses_until_s;
    uint32_t robots_status;
    uint64_t robots_until_s;
    uint32_t crawl_delay_ms;  /* UINT32_MAX = none */
    uint32_t fails;
    uint64_t retry_at_ms;     /* Unix */
    struct slice robots, cookies; /* read by urldb_get_host() only */
};

enum urldb_host_fields { URLDB_HOST_ADDRESSES = 1, URLDB_HOST_ROBOTS = 2, URLDB_HOST_COOKIES = 4, URLDB_HOST_FAILS = 8 };

struct urldb;

int urldb_open(struct urldb **out, const char *path, bool *is_new, struct buf *error) ORB_MUST_USE;
void urldb_close(struct urldb **db);
/* How many URLs the books of a journal have as done, without opening it to write. */
int urldb_count_done(const char *path, uint64_t *n_done) ORB_MUST_USE;
struct sqlite3;
/* As db_check_attached(): a frontier.db that is read beside pages.db. */
int urldb_check_attached(struct sqlite3 *db, const char *name, const char *path, struct buf *error) ORB_MUST_USE;
const char *urldb_error(struct urldb *db); /* BORROWED */

int urldb_begin(struct urldb *db) ORB_MUST_USE;
int urldb_commit(struct urldb *db) ORB_MUST_USE;
void urldb_rollback(struct urldb *db);
int urldb_set_synced(struct urldb *db, bool every_commit) ORB_MUST_USE; /* between transactions */
int urldb_checkpoint(struct urldb *db, bool full, uint64_t *wal_bytes_left) ORB_MUST_USE;
uint64_t urldb_wal_bytes(struct urldb *db); /* grown since the last complete checkpoint */

int urldb_add_url(struct urldb *db, const struct urldb_url *u) ORB_MUST_USE;
int urldb_end_url(struct urldb *db, const struct urldb_end *e, uint32_t *old_state, uint32_t *old_outcome) ORB_MUST_USE; /* ORB_ENOTFOUND */
/* Ready, as if found just now: no outcome, no attempts, depth 0. ORB_ENOTFOUND. */
int urldb_queue_url(struct urldb *db, uint64_t url_id, uint64_t host_id, uint32_t flags, uint32_t *old_state,
                    uint32_t *old_outcome) ORB_MUST_USE;
int urldb_refetch(struct urldb *db) ORB_MUST_USE; /* all that is DONE or FAILED is READY; what was DONE gets URLDB_AGAIN */
int urldb_flag_url(struct urldb *db, uint64_t url_id, uint32_t flags) ORB_MUST_USE;
int urldb_get_url(struct urldb *db, uint64_t url_id, struct urldb_url *out) ORB_MUST_USE; /* ORB_ENOTFOUND */
uint64_t urldb_max_url(struct urldb *db);
uint64_t urldb_max_host(struct urldb *db);

int urldb_add_host(struct urldb *db, uint64_t host_id, struct slice origin) ORB_MUST_USE;
int urldb_set_host(struct urldb *db, const struct urldb_host *h, unsigned fields) ORB_MUST_USE;
int urldb_get_host(struct urldb *db, uint64_t host_id, struct urldb_host *out) ORB_MUST_USE;

int urldb_add_chunk(struct urldb *db, uint64_t id, uint64_t next, struct slice urls) ORB_MUST_USE;
int urldb_link_chunk(struct urldb *db, uint64_t id, uint64_t next) ORB_MUST_USE;
int urldb_get_chunk(struct urldb *db, uint64_t id, uint64_t *next, struct slice *urls) ORB_MUST_USE;
int urldb_drop_chunk(struct urldb *db, uint64_t id) ORB_MUST_USE;
int urldb_drop_chunks_above(struct urldb *db, uint64_t id) ORB_MUST_USE;

int urldb_clear_queue(struct urldb *db) ORB_MUST_USE;
int urldb_add_queue(struct urldb *db, struct slice bytes) ORB_MUST_USE;
int urldb_each_queue(struct urldb *db, int (*each)(void *arg, struct slice bytes), void *arg) ORB_MUST_USE;

int urldb_set_meta(struct urldb *db, const char *key, struct slice value) ORB_MUST_USE;
int urldb_get_meta(struct urldb *db, const char *key, struct buf *value) ORB_MUST_USE; /* appends; ORB_ENOTFOUND */

/* Rows in order of id, from `from` on, at most max (0 = all); each() != 0 stops with that value. each() may not use db. */
typedef int urldb_url_fn(void *arg, const struct urldb_url *u);
typedef int urldb_host_fn(void *arg, const struct urldb_host *h);
int urldb_each_url(struct urldb *db, uint64_t from, uint64_t max, urldb_url_fn *each, void *arg) ORB_MUST_USE;
int urldb_each_host(struct urldb *db, uint64_t from, urldb_host_fn *each, void *arg) ORB_MUST_USE;
/* As urldb_each_url(), of one state and ended at or after ended_from_ms. */
int urldb_each_ended(struct urldb *db, uint32_t state, uint64_t ended_from_ms, urldb_url_fn *each, void *arg) ORB_MUST_USE;
/* As urldb_each_url(), of [from, from + n_rows), and only what is FAILED or EXCLUDED. */
int urldb_each_lost(struct urldb *db, uint64_t from, uint64_t n_rows, urldb_url_fn *each, void *arg) ORB_MUST_USE;
/* The url_id of a text within [from, from + n_rows), by scanning; ORB_ENOTFOUND. */
int urldb_find_url(struct urldb *db, struct slice url, uint64_t from, uint64_t n_rows, uint64_t *url_id) ORB_MUST_USE;

#endif
