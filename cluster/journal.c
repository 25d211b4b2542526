/* journal.c - see journal.h
 *
 *           journal_put                    published                      committed
 *   FREE ---------------> being written --------------> being applied --------------> FREE
 */
#include "cluster/journal_internal.h"

#include <signal.h>

#define SEGMENT_BYTES ((size_t)256 * 1024)

static struct segment *
segment_new(size_t cap)
{
    struct segment *s = mem_alloc(MEM_FRONTIER, sizeof *s + cap);

    if (s == NULL)
        return NULL;
    *s = (struct segment){ .cap = cap };
    return s;
}

/* --- the loop's side ----------------------------------------------------------------------------------------------------- */

int
journal_reserve(struct journal *j, size_t n_bytes, unsigned n_records)
{
    size_t need = n_bytes + (size_t)n_records * (sizeof(struct record) + 8);
    struct segment *s;

    CHECK_IS(j, JOURNAL_MAGIC);
    if (j->last->cap - j->last->n >= need)
        return 0;
    s = segment_new(ORB_MAX(need, SEGMENT_BYTES));
    if (s == NULL)
        return ORB_ENOMEM;
    pthread_mutex_lock(&j->lock);
    j->last->n_published = j->last->n; /* whole reports or not: the thread commits between reports only */
    j->last->next = s;
    if (j->is_sleeping)
        pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->lock);
    j->last = s;
    return 0;
}

void *
journal_put(struct journal *j, unsigned type, size_t n_bytes)
{
    struct segment *s = j->last;
    struct record *r = (struct record *)(void *)(s->bytes + s->n);
    size_t n = record_bytes(n_bytes);

    CHECK(s->cap - s->n >= n);
    *r = (struct record){ (uint32_t)n_bytes, type };
    s->n += n;
    j->bytes_in += n;
    return r + 1;
}

static void
publish(struct journal *j, bool hurry)
{
    pthread_mutex_lock(&j->lock);
    j->last->n_published = j->last->n;
    j->is_hurried |= hurry;
    if (j->is_sleeping || hurry)
        pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->lock);
}

void
journal_publish(struct journal *j)
{
    publish(j, false);
}

int
journal_mark(struct journal *j, uint64_t *cookie)
{
    int err = journal_reserve(j, sizeof *cookie, 1);

    if (err != 0)
        return err;
    *cookie = ++j->last_cookie;
    memcpy(journal_put(j, JOURNAL_MARK, sizeof *cookie), cookie, sizeof *cookie);
    publish(j, true);
    return 0;
}

/* Blocks until a counter of the thread reaches `goal`, or the thread is in trouble. */
static int
wait_for(struct journal *j, const uint64_t *counter, uint64_t goal)
{
    uint64_t troubles;
    int err = 0;

    pthread_mutex_lock(&j->lock);
    troubles = j->n_troubles;
    while (*counter < goal && err == 0) {
        err = atomic_load(&j->error);
        if (err == 0 && j->n_troubles != troubles)
            err = j->trouble < 0 ? j->trouble : ORB_EFULL;
        if (err == 0)
            pthread_cond_wait(&j->settled, &j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return err;
}

int
journal_sync(struct journal *j)
{
    uint64_t cookie;
    int err = journal_mark(j, &cookie);

    return err != 0 ? err : wait_for(j, &j->committed_cookie, cookie);
}

int
journal_call(struct journal *j, void (*fn)(void *arg), void *arg)
{
    int err = journal_reserve(j, sizeof(struct call), 1);

    if (err != 0)
        return err;
    *(struct call *)journal_put(j, JOURNAL_CALL, sizeof(struct call)) = (struct call){ fn, arg };
    publish(j, true);
    return wait_for(j, &j->calls_done, ++j->calls_made);
}

void
journal_deliver(struct journal *j)
{
    struct list ready, *node;
    uint64_t cookie;
    char sentence[sizeof j->sentence];
    int trouble;

    CHECK_IS(j, JOURNAL_MAGIC);
    list_init(&ready);
    pthread_mutex_lock(&j->lock);
    while ((node = list_take_front(&j->done)) != NULL)
        list_push_back(&ready, node);
    cookie = j->committed_cookie;
    trouble = j->trouble;
    j->trouble = 1;
    memcpy(sentence, j->sentence, sizeof sentence);
    pthread_mutex_unlock(&j->lock);
    while ((node = list_take_front(&ready)) != NULL)
        j->conf.on_done(j->conf.arg, node);
    while (j->told_cookie < cookie)
        if (j->conf.on_committed != NULL)
            j->conf.on_committed(j->conf.arg, ++j->told_cookie);
        else
            j->told_cookie = cookie;
    if (trouble <= 0 && j->conf.on_trouble != NULL)
        j->conf.on_trouble(j->conf.arg, trouble, sentence);
}

static void
on_async(struct ev_loop *loop, ev_async *watcher, int events)
{
    journal_deliver(watcher->data);
}

bool
journal_is_congested(const struct journal *j)
{
    return j->bytes_in - atomic_load(&j->bytes_out) > j->conf.max_bytes || atomic_load(&j->error) != 0
           || atomic_load(&j->is_paused);
}

int
journal_error(const struct journal *j)
{
    return atomic_load(&j->error);
}

void
journal_stats(const struct journal *j, struct journal_stats *out)
{
    *out = (struct journal_stats){ j->bytes_in - atomic_load(&j->bytes_out), atomic_load(&j->n_commits),
                                   atomic_load(&j->n_records), atomic_load(&j->is_paused) };
}

/* --- open and close -------------------------------------------------------------------------------------------------------- */

int
journal_open(struct journal **out, const struct journal_conf *conf)
{
    struct journal *j = mem_zalloc(MEM_FRONTIER, sizeof *j);
    pthread_condattr_t attr;
    sigset_t all, old;
    int err = ORB_ENOMEM;

    if (j == NULL)
        return err;
    j->magic = JOURNAL_MAGIC;
    j->conf = *conf;
    j->trouble = 1;
    list_init(&j->done);
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->wake, &attr);
    pthread_cond_init(&j->settled, &attr);
    pthread_condattr_destroy(&attr);
    j->last = segment_new(SEGMENT_BYTES);
    if (j->last == NULL)
        goto fail;
    j->tx = j->read = (struct place){ j->last, 0 };
    ev_async_init(&j->async, on_async);
    j->async.data = j;
    if (conf->loop != NULL) {
        ev_async_start(conf->loop, &j->async);
        ev_unref(conf->loop); /* does not keep the loop alive */
    }
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    j->is_started = pthread_create(&j->thread, NULL, journal_thread, j) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    err = ORB_ENOMEM;
    if (!j->is_started)
        goto fail;
    *out = j;
    return 0;
fail:
    journal_close(&j, NULL, NULL);
    return err;
}

int
journal_close(struct journal **jp, void (*drop)(void *arg, struct list *node), void *arg)
{
    struct journal *j = *jp;
    struct list *node;
    int err;

    if (j == NULL)
        return 0;
    CHECK_IS(j, JOURNAL_MAGIC);
    if (j->is_started) {
        pthread_mutex_lock(&j->lock);
        j->last->n_published = j->last->n;
        j->is_stopping = true;
        pthread_cond_broadcast(&j->wake);
        pthread_mutex_unlock(&j->lock);
        pthread_join(j->thread, NULL);
    }
    err = atomic_load(&j->error);
    if (j->conf.loop != NULL && ev_is_active(&j->async)) {
        ev_ref(j->conf.loop);
        ev_async_stop(j->conf.loop, &j->async);
    }
    while ((node = list_take_front(&j->done)) != NULL)
        if (drop != NULL)
            drop(arg, node);
    while (j->tx.segment != NULL) {
        struct segment *next = j->tx.segment->next;
        mem_free(MEM_FRONTIER, j->tx.segment);
        j->tx.segment = next;
    }
    pthread_cond_destroy(&j->wake);
    pthread_cond_destroy(&j->settled);
    pthread_mutex_destroy(&j->lock);
    j->magic = 0;
    MEM_FREE(MEM_FRONTIER, jp);
    return err;
}
