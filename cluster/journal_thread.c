/* journal_thread.c - the side that writes
 *
 *           tx_begin           records                 between reports: full, late, or nothing behind it
 *   IDLE ------------> OPEN ------------> OPEN ... ---------------------------------------------------> IDLE
 *     ^                 |  tx_failed                                                       tx_commit
 *     +--- read = tx ---+  (rolled back; the same records again after a while)
 *
 * The read position moves ahead of the commit; segments behind `tx` (the first record not committed) are freed.
 */
#include "cluster/journal_internal.h"

#include "cluster/clock.h"

#include <stdio.h>
#include <time.h>

#define IDLE_MS 100

void
journal_post(struct journal *j, struct list *node)
{
    pthread_mutex_lock(&j->lock);
    list_push_back(&j->done, node);
    pthread_mutex_unlock(&j->lock);
    if (j->conf.loop != NULL)
        ev_async_send(j->conf.loop, &j->async);
}

static void
tell(struct journal *j)
{
    pthread_cond_broadcast(&j->settled);
    if (j->conf.loop != NULL)
        ev_async_send(j->conf.loop, &j->async);
}

static void
say_trouble(struct journal *j, int err)
{
    pthread_mutex_lock(&j->lock);
    j->trouble = err;
    if (err != 0) {
        j->n_troubles++;
        snprintf(j->sentence, sizeof j->sentence, "%s (%s)", orb_strerror(err), j->conf.sentence(j->conf.db));
    } else {
        snprintf(j->sentence, sizeof j->sentence, "writing goes on");
    }
    tell(j);
    pthread_mutex_unlock(&j->lock);
    j->was_trouble = err != 0;
}

static void
sleep_ms(struct journal *j, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    j->is_sleeping = true;
    pthread_cond_timedwait(&j->wake, &j->lock, &until);
    j->is_sleeping = false;
}

/* The transaction is gone: from its first record again, later. A stop ends the patience. */
static void
tx_failed(struct journal *j, int err)
{
    bool may_retry = err == ORB_EFULL || err == ORB_EBUSY || err == ORB_ENOMEM;

    j->conf.rollback(j->conf.db);
    j->is_tx = j->in_report = false;
    j->read = j->tx;
    j->tx_again = ORB_MAX(j->tx_again, j->tx_records);
    pthread_mutex_lock(&j->lock);
    may_retry = may_retry && !j->is_stopping;
    pthread_mutex_unlock(&j->lock);
    if (!may_retry)
        atomic_store(&j->error, err);
    atomic_store(&j->is_paused, true);
    say_trouble(j, err);
    if (!may_retry)
        return;
    pthread_mutex_lock(&j->lock);
    sleep_ms(j, JOURNAL_RETRY_MS);
    pthread_mutex_unlock(&j->lock);
}

static void
free_read_segments(struct journal *j)
{
    while (j->tx.segment != j->read.segment) {
        struct segment *s = j->tx.segment;

        j->tx.segment = s->next;
        mem_free(MEM_FRONTIER, s);
    }
    j->tx = j->read;
}

static void
tx_commit(struct journal *j)
{
    int err = j->conf.commit(j->conf.db);

    if (err != 0) {
        tx_failed(j, err);
        return;
    }
    j->is_tx = false;
    free_read_segments(j);
    atomic_fetch_add(&j->bytes_out, j->tx_bytes);
    atomic_fetch_add(&j->n_commits, 1);
    atomic_fetch_add(&j->n_records, j->tx_records);
    atomic_store(&j->is_paused, false);
    if (j->was_trouble)
        say_trouble(j, 0);
    if (j->tx_cookie != 0) {
        pthread_mutex_lock(&j->lock);
        j->committed_cookie = j->tx_cookie;
        j->is_hurried = false;
        tell(j);
        pthread_mutex_unlock(&j->lock);
    }
    j->tx_again -= ORB_MIN(j->tx_again, j->tx_records);
    j->tx_cookie = j->tx_records = j->tx_bytes = 0;
}

static bool
tx_begin(struct journal *j)
{
    int err = j->conf.begin(j->conf.db);

    if (err != 0) {
        tx_failed(j, err);
        return false;
    }
    j->is_tx = true;
    j->tx = j->read;
    j->tx_began_ms = clock_now_ms();
    j->tx_records = j->tx_bytes = j->tx_cookie = 0;
    return true;
}

/* What is not to be written but done, once all before it is committed. */
static void
run_call(struct journal *j, const struct call *call)
{
    call->fn(call->arg);
    pthread_mutex_lock(&j->lock);
    j->calls_done++;
    j->is_hurried = false;
    pthread_cond_broadcast(&j->settled);
    pthread_mutex_unlock(&j->lock);
}

static void
apply_one(struct journal *j, const struct record *r)
{
    size_t n = record_bytes(r->n_bytes);
    int err = 0;

    if (r->type == JOURNAL_CALL) {
        if (j->is_tx) {
            tx_commit(j); /* read stands before the call, so it comes again */
            return;
        }
        run_call(j, (const struct call *)(const void *)(r + 1));
        j->read.at += n;
        free_read_segments(j);
        atomic_fetch_add(&j->bytes_out, n);
        return;
    }
    if (!j->is_tx && !tx_begin(j))
        return;
    if (r->type == JOURNAL_BEGIN)
        j->in_report = true;
    else if (r->type == JOURNAL_END)
        j->in_report = false;
    else if (r->type == JOURNAL_MARK)
        memcpy(&j->tx_cookie, r + 1, sizeof j->tx_cookie);
    else
        err = j->conf.apply(j->conf.db, r->type, r + 1, r->n_bytes, j->tx_records < j->tx_again);
    if (err != 0) {
        tx_failed(j, err);
        return;
    }
    j->read.at += n;
    j->tx_bytes += n;
    j->tx_records++;
    if (!j->in_report
        && (j->tx_records >= JOURNAL_TX_ROWS
            || (j->tx_records % 64 == 0 && clock_now_ms() - j->tx_began_ms >= JOURNAL_TX_MS)))
        tx_commit(j);
}

/* Under the lock. The bytes that may be read at the read position; moves on to the next segment at an end. */
static size_t
published(struct journal *j)
{
    if (j->read.at == j->read.segment->n_published && j->read.segment->next != NULL) {
        j->read = (struct place){ j->read.segment->next, 0 };
        if (!j->is_tx)
            free_read_segments(j);
    }
    return j->read.segment->n_published;
}

static void
apply_until(struct journal *j, size_t limit)
{
    struct segment *segment = j->read.segment;

    /* a failed transaction moves the read position back, perhaps to another segment */
    while (j->read.segment == segment && j->read.at < limit && atomic_load(&j->error) == 0)
        apply_one(j, (const struct record *)(const void *)(segment->bytes + j->read.at));
}

/* Nothing to read. Under the lock; true = it is time to leave. */
static bool
rest(struct journal *j)
{
    bool is_late = j->is_tx && (j->is_hurried || j->is_stopping || clock_now_ms() - j->tx_began_ms >= JOURNAL_LINGER_MS);

    if (j->is_tx && is_late && !j->in_report) {
        pthread_mutex_unlock(&j->lock);
        tx_commit(j);
        if (!j->is_tx)
            j->conf.idle(j->conf.db);
        pthread_mutex_lock(&j->lock);
        return false;
    }
    if (j->is_stopping)
        return true;
    if (!j->is_tx) {
        pthread_mutex_unlock(&j->lock);
        j->conf.idle(j->conf.db);
        pthread_mutex_lock(&j->lock);
        if (j->read.at < published(j) || j->is_stopping)
            return false;
    }
    sleep_ms(j, j->is_tx ? JOURNAL_LINGER_MS : IDLE_MS);
    return false;
}

void *
journal_thread(void *arg)
{
    struct journal *j = arg;
    uint64_t idle_commits = 0;

    pthread_mutex_lock(&j->lock);
    while (atomic_load(&j->error) == 0) {
        size_t limit = published(j);

        if (j->read.at < limit) {
            pthread_mutex_unlock(&j->lock);
            apply_until(j, limit);
            if (!j->is_tx && atomic_load(&j->n_commits) != idle_commits) {
                idle_commits = atomic_load(&j->n_commits);
                j->conf.idle(j->conf.db);
            }
            pthread_mutex_lock(&j->lock);
        } else if (rest(j)) {
            break;
        }
    }
    pthread_cond_broadcast(&j->settled);
    pthread_mutex_unlock(&j->lock);
    return NULL;
}
