/* crawldir.h - the crawl directory: made, recognised, locked
 *
 *   DIR/coordinator/   frontier.db, seen/, orb.sock, lock, seeds, key-rules, log/   never visible to a worker
 *   DIR/pages/         pages.db                                          workers write
 *   DIR/warc/          *.warc.gz                                         workers write
 *
 * One living generation (8): the lock is flock'ed by the coordinator and inherited by its workers, so that it lasts until
 * the last of them is gone. A new coordinator waits 10 s for it before it reads, cuts or writes anything.
 *
 * A process that is killed leaves whole seeds; the half of one that a power cut leaves is dropped before the next is added.
 * crawldir_sync() brings seeds to the disk: when the lists are read, when one was added, at the end, and now and then.
 *
 * A start that fails before anything was asked leaves no trace: crawldir_undo().
 *
 * Errors     a negative code, and one sentence in `error`: what, where, what to do.
 */
#ifndef ORB_CLUSTER_CRAWLDIR_H
#define ORB_CLUSTER_CRAWLDIR_H

#include "pool/buf.h"

#define CRAWLDIR_MAX_PATH_BYTES 460 /* SQLite has room for 512, names of files below it included */
#define CRAWLDIR_LOCK_WAIT_MS 10000
#define CRAWLDIR_KEY_RULES "key-rules" /* a note: --key-rules as the crawl started with */

struct crawldir {
    char *path;             /* as given */
    char *coordinator_path; /* DIR/coordinator */
    int lock_fd;
    int seeds_fd;           /* of the first crawldir_add_seed() on; -1 = not open */
    bool is_new, has_lock;  /* is_new: nothing was there */
    unsigned made;          /* folders that crawldir_open() made, by bit */
};

/* Makes or opens DIR and takes its lock. */
int crawldir_open(struct crawldir *d, const char *path, struct buf *error) ORB_MUST_USE;
void crawldir_close(struct crawldir *d);
/* Before crawldir_close(), databases and sockets closed: when the crawl is new, the folders that this open made go, with the
 * files that have come into coordinator/, pages/ and warc/ since; a DIR that was there stays, and so does one that holds
 * anything else. */
void crawldir_undo(struct crawldir *d);

/* The seeds that the crawl knows, one a line (with what their redirects added to the scope); empty when new. */
int crawldir_read_seeds(const struct crawldir *d, struct buf *out) ORB_MUST_USE;
int crawldir_add_seed(struct crawldir *d, struct slice url) ORB_MUST_USE;

/* Seeds that were added at since_s (Unix time) or later; 0: all, and the names of all folders. Waits for the disk: a thread may
 * call it that may wait. */
int crawldir_sync(const struct crawldir *d, uint64_t since_s) ORB_MUST_USE;
bool crawldir_has_seeds(const struct crawldir *d);        /* the file is there */

/* What a crawl keeps of its settings, in DIR/coordinator/NAME: read whole (ORB_ENOTFOUND), written whole or not at all. */
int crawldir_read_note(const struct crawldir *d, const char *name, struct buf *out) ORB_MUST_USE;
int crawldir_write_note(const struct crawldir *d, const char *name, struct slice text) ORB_MUST_USE;

/* Bytes used below DIR, and bytes free on its disk. */
uint64_t crawldir_used_bytes(const struct crawldir *d);
uint64_t crawldir_free_bytes(const struct crawldir *d);

#endif
