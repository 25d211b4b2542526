/* journal.h - the thread that writes, and the bounded queue that leads to it
 *
 * The loop puts records into segments of memory; the thread applies them in order, many to a transaction (group commit:
 * at most JOURNAL_TX_ROWS records or JOURNAL_TX_MS), and never cuts a transaction between JOURNAL_BEGIN and JOURNAL_END
 * (durability, 3 and 4). Records stay in memory until they are committed: after a full disk the transaction is begun
 * again from its first record, as often as it takes.
 *
 *     loop: put, publish --> [segments] --> thread: begin, apply ..., commit, idle --> done list --> ev_async --> on_done
 *
 * What a record means is its owner's business (front_apply.c); journal.c knows only brackets and marks.
 *
 * Threads    begin/apply/commit/rollback/idle run on the thread, everything else on the loop's.
 * Errors     thread: EFULL, EBUSY, ENOMEM are tried again every JOURNAL_RETRY_MS; any other is final: journal_error().
 */
#ifndef ORB_CLUSTER_JOURNAL_H
#define ORB_CLUSTER_JOURNAL_H

#include "pool/error.h"
#include "pool/list.h"
#include "pool/mem.h"

struct ev_loop;
struct journal;

#define JOURNAL_TX_ROWS 20000
#define JOURNAL_TX_MS 50
#define JOURNAL_LINGER_MS 10 /* a transaction with nothing behind it waits so long for company */
#define JOURNAL_RETRY_MS 500

enum { JOURNAL_BEGIN = 1, JOURNAL_END, JOURNAL_MARK, JOURNAL_CALL, JOURNAL_FIRST_TYPE };

struct journal_conf {
    struct ev_loop *loop;   /* NULL: completions wait for journal_deliver() */
    size_t max_bytes;       /* above it journal_is_congested() */
    int (*begin)(void *arg);
    /* is_again: applied before in a transaction that failed; what it told the loop must not be told twice */
    int (*apply)(void *arg, unsigned type, const void *payload, size_t n_bytes, bool is_again);
    int (*commit)(void *arg);
    void (*rollback)(void *arg);
    void (*idle)(void *arg);                        /* no transaction is open; after each commit, at least 10 times a second */
    const char *(*sentence)(void *arg);             /* of the last error; on the thread */
    void (*on_done)(void *arg, struct list *node);  /* loop: what journal_post() was given, in order */
    void (*on_committed)(void *arg, uint64_t cookie);
    void (*on_trouble)(void *arg, int err, const char *sentence); /* err 0: writing goes on again */
    void *arg;              /* of the loop's callbacks */
    void *db;               /* of the thread's: begin ... sentence */
};

int journal_open(struct journal **out, const struct journal_conf *conf) ORB_MUST_USE; /* starts the thread */
/* Writes what is queued, joins the thread. 0, or why something was not written. No callback is called any more; what was
 * posted and not delivered is handed to drop(). */
int journal_close(struct journal **j, void (*drop)(void *arg, struct list *node), void *arg);

/* Room for records of n_bytes in all, n_records of them: then journal_put() cannot fail. */
int journal_reserve(struct journal *j, size_t n_bytes, unsigned n_records) ORB_MUST_USE;
void *journal_put(struct journal *j, unsigned type, size_t n_bytes); /* 8-byte aligned; to fill before publishing */
void journal_publish(struct journal *j);
int journal_mark(struct journal *j, uint64_t *cookie) ORB_MUST_USE;  /* publishes; on_committed follows */
int journal_sync(struct journal *j) ORB_MUST_USE;      /* blocks until all is committed, or cannot be just now */
int journal_call(struct journal *j, void (*fn)(void *arg), void *arg) ORB_MUST_USE; /* blocks; fn runs on the thread */
void journal_deliver(struct journal *j);               /* completions, without the loop */

void journal_post(struct journal *j, struct list *node); /* any thread: on_done(node) on the loop */
bool journal_is_congested(const struct journal *j);
int journal_error(const struct journal *j);            /* 0, or what stopped the thread */
struct journal_stats {
    uint64_t queued_bytes, n_commits, n_records;
    bool is_paused;
};
void journal_stats(const struct journal *j, struct journal_stats *out);

#endif
