/* pagedb.h - pages.db: one row for each URL that was answered, and how far each WARC file is known to be whole
 *
 * Schema (user_version 2, application_id "orbp"; WAL, 8 KiB pages). Any SQLite tool opens it.
 *
 *   page(url_id INTEGER PRIMARY KEY, url TEXT, redirect_to TEXT, status INTEGER,
 *        fetched_at INTEGER,   -- Unix ms
 *        fetch_ms INTEGER, content_type TEXT, charset TEXT, title TEXT, description TEXT, language TEXT,
 *        body_bytes INTEGER,   -- decoded
 *        digest BLOB,          -- XXH3-128 of the decoded body
 *        payload_digest TEXT,  -- "sha1:..." of the payload, as in the WARC record
 *        simhash INTEGER, etag TEXT, last_modified TEXT,
 *        outcome TEXT,         -- its name; error TEXT: a sentence or NULL
 *        error TEXT,
 *        warc_file TEXT, warc_offset INTEGER, warc_bytes INTEGER, -- the response, revisit or metadata record
 *        links BLOB,           -- linkblob.h; in SQL: SELECT * FROM links((SELECT links FROM page WHERE url_id = 1))
 *        withheld TEXT)        -- 'noarchive', 'noindex': what the page asked not to be kept (record.h); NULL = all is kept
 *   warc(file TEXT PRIMARY KEY, last_offset INTEGER, bytes INTEGER) -- the last record with a committed row, and its end
 *
 * Text is valid UTF-8 without NUL: bytes that are not become U+FFFD.
 *
 * Ownership  rows are BORROWED for the call. Errors as in db.h. Threads: one per struct pagedb.
 */
#ifndef ORB_STORAGE_PAGEDB_H
#define ORB_STORAGE_PAGEDB_H

#include "storage/db.h"
#include "storage/warc.h"

#define PAGEDB_FILE "pages.db"
#define PAGEDB_ETAG_BYTES 256
#define PAGEDB_DATE_BYTES 64

struct pagedb;

struct pagedb_row {
    uint64_t url_id;
    bool is_not_modified;          /* the row that is there stays, but for fetched_at, fetch_ms and outcome - and what the
                                    * 304 asks to withhold from now on */
    struct slice url, redirect_to;
    int status;
    uint64_t fetched_at_ms;
    uint32_t fetch_ms;
    struct slice content_type, charset, title, description, language;
    uint64_t body_bytes;
    struct slice digest, payload_digest;
    uint64_t simhash;
    struct slice etag, last_modified, outcome, error;
    struct slice warc_file;
    uint64_t warc_offset, warc_bytes;
    struct slice links;
    enum record_withheld withheld;
};

/* For a conditional request; "" = none. A page that was withheld has none: nothing is here that a 304 could confirm. */
struct pagedb_validators {
    char etag[PAGEDB_ETAG_BYTES];
    char last_modified[PAGEDB_DATE_BYTES];
    uint64_t fetched_at_ms;
};

/* dir: the folder of pages.db. flags: enum db_flags. error (may be NULL) says what, where and what to do. */
int pagedb_open(struct pagedb **out, const char *dir, unsigned flags, struct buf *error) ORB_MUST_USE;
void pagedb_close(struct pagedb **p);

/* begin, put ..., warc_known ..., commit: one transaction. Any error: call pagedb_rollback, nothing of it stays. */
int pagedb_begin(struct pagedb *p) ORB_MUST_USE; /* ORB_EBUSY: another writer is at it */
int pagedb_put(struct pagedb *p, const struct pagedb_row *row) ORB_MUST_USE;
int pagedb_warc_known(struct pagedb *p, struct slice file, uint64_t last_offset, uint64_t end) ORB_MUST_USE;
int pagedb_commit(struct pagedb *p) ORB_MUST_USE;
void pagedb_rollback(struct pagedb *p);

int pagedb_validators(struct pagedb *p, uint64_t url_id, struct pagedb_validators *out) ORB_MUST_USE; /* ORB_ENOTFOUND */
/* A warc_good_fn: arg is the pagedb. */
int pagedb_warc_good(void *pagedb, const char *file, uint64_t *begin, uint64_t *end);
int pagedb_checkpoint(struct pagedb *p, struct db_checkpoint *out) ORB_MUST_USE; /* passive: for the journal thread */

/* Invariant 7: is the row there, and its WARC record, with the right URL and digests (a revisit's original too)?
 * 0, ORB_ENOTFOUND (no row), ORB_ECORRUPT (no such record), or what reading failed with. */
int pagedb_verify(struct pagedb *p, const char *warc_dir, uint64_t url_id) ORB_MUST_USE;

/* After a power cut frontier.db may have lost its youngest rows while pages.db kept theirs: url_ids above what the journal
 * still knows will be given to other URLs. Their rows go. No worker may live. *n_gone: how many. */
int pagedb_forget_above(struct pagedb *p, uint64_t last_url_id, uint64_t *n_gone) ORB_MUST_USE;

struct sqlite3 *pagedb_sqlite(struct pagedb *p); /* for storage/ only; BORROWED */

#endif
