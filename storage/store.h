/* store.h - one answer on disk: its WARC records, then its row in pages.db
 *
 *              store_put (WARC bytes are in the file)          store_flush (one transaction)
 *   nothing ----------------------------------------> PENDING --------------------------------> COMMITTED: may be reported
 *                                                        |  ^ ORB_EBUSY, ORB_EFULL ...: kept
 *                                                        `--+
 *
 * Invariants (ARCHITECTURE.md, durability): (1) WARC bytes precede their row: store_put() returns 0 only after write();
 * (2) the row is committed before the report is sent: report what store_n_pending() no longer counts. A row replaces the
 * one of its url_id; the record that it pointed to is superseded.
 * (record.h, withheld) What a page asked not to be kept is in no file when store_put() returns - but for superseded records.
 *
 * Works with DIR/pages and DIR/warc as the only folders that the process may write (everything is opened relative to
 * them; temporary tables are in memory). One store per process, one thread.
 *
 * Errors     store_put(): ORB_EAGAIN the batch is full, or there is no memory beside it (flush first, and put again), ORB_EFULL,
 *            ORB_EIO, ORB_ENOMEM (with nothing pending): nothing was stored, nothing is torn. store_flush(): ORB_EBUSY another writer is at it (come back at the next turn), ORB_EFULL,
 *            ORB_EIO, ORB_ENOMEM, ORB_ECORRUPT: the batch is kept.
 * Limits     batch_rows rows or 16 MiB pending; links beyond 4 MiB of blob are left out.
 */
#ifndef ORB_STORAGE_STORE_H
#define ORB_STORAGE_STORE_H

#include "storage/pagedb.h"
#include "storage/record.h"
#include "storage/warc.h"

#define STORE_DEFAULT_BATCH_ROWS 200
/* Most of MEM_BUF that a store has of its own, whatever it stores: compressors, the first part of a batch, buffers that stay. */
#define STORE_KEPT_BYTES (2u << 20)

struct store;

struct store_conf {              /* strings are copied */
    const char *pages_dir;       /* DIR/pages, exists */
    const char *warc_dir;        /* DIR/warc, exists */
    unsigned slot;
    const char *crawl;           /* short name, part of WARC file names; NULL = "crawl" */
    const char *software;        /* for warcinfo: "orbweaver/0.1.0" */
    const char *contact;         /* for warcinfo: the operator */
    const char *user_agent;      /* for warcinfo */
    uint64_t max_warc_bytes;     /* 0 = WARC_DEFAULT_MAX_BYTES */
    unsigned batch_rows;         /* 0 = STORE_DEFAULT_BATCH_ROWS */
};

int store_open(struct store **out, const struct store_conf *conf, struct buf *error) ORB_MUST_USE; /* error may be NULL */
/* Flushes (trying for a second while another process writes), syncs the WARC file. Returns what the flush returned: then
 * store_n_pending() rows were lost, and must not have been reported. */
int store_close(struct store **s);

int store_put(struct store *s, const struct record *r, uint64_t now_ms) ORB_MUST_USE; /* now_ms: Unix time */
int store_flush(struct store *s) ORB_MUST_USE;
unsigned store_n_pending(const struct store *s);
bool store_is_full(const struct store *s);  /* the next store_put() is ORB_EAGAIN */
/* etag and last_modified of the committed row; ORB_ENOTFOUND. */
int store_lookup(struct store *s, uint64_t url_id, struct pagedb_validators *out) ORB_MUST_USE;

struct store_stats {
    uint64_t n_puts, n_commits, n_busy, n_revisits, warc_bytes;
};
void store_stats(const struct store *s, struct store_stats *out);

/* At start, before any worker lives: makes pages.db or brings it up to date, cuts torn WARC tails. */
int store_prepare(const char *pages_dir, const char *warc_dir, struct warc_recovered *out, struct buf *error) ORB_MUST_USE;

#endif
