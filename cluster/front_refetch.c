/* front_refetch.c - a new round: whatever is stored, or failed, is asked again
 *
 *   DONE   --> READY, URLDB_AGAIN: the worker asks conditionally
 *   FAILED --> READY
 *
 * A round begins only when the one before is over: as long as a row is READY or WAITING, `refetch` changes nothing. So the
 * rows themselves tell whether a round is under way, and a crawl that was killed goes on with or without it.
 */
#include "cluster/front_internal.h"

static void
move_all(struct front_counts *c, unsigned state)
{
    c->state[URLDB_READY] += c->state[state];
    c->state[state] = 0;
    memset(c->by_outcome[state], 0, sizeof c->by_outcome[state]);
}

/* Within the transaction of the recovery, which makes the queues from all rows then. */
int
front_refetch(struct front *f, uint64_t *n_again)
{
    struct front_counts counts = f->counts;
    struct buf json;
    int err;

    *n_again = 0;
    if (counts.state[URLDB_READY] + counts.state[URLDB_WAITING] > 0
        || counts.state[URLDB_DONE] + counts.state[URLDB_FAILED] == 0)
        return 0;
    move_all(&counts, URLDB_DONE);
    move_all(&counts, URLDB_FAILED);
    buf_init(&json, MEM_FRONTIER, BUF_NO_CEILING);
    err = front_counts_print(&counts, &json);
    if (err == 0)
        err = urldb_set_meta(f->db.db, "books", buf_slice(&json));
    if (err == 0)
        err = urldb_refetch(f->db.db);
    if (err == 0)
        err = front_forget_mark(f);
    buf_fini(&json);
    if (err == 0) {
        f->counts = counts;
        *n_again = counts.state[URLDB_READY];
    }
    return err;
}
