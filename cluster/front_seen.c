/* front_seen.c - the seen-set: a table in RAM in front of sorted runs on disk
 *
 *   seen_add --> table (RAM) and delta --full--> run (disk, after its rows) --8 alike--> merged into one
 *
 * The delta is the list of what no run holds yet. As long as everything ever added fits the table, it alone answers
 * (is_seen_complete) and the runs are only there for the next start. When the budget is full the table is emptied, gets
 * the deltas back, and from then on is a cache of the runs.
 */
#include "cluster/front_internal.h"

#include <pthread.h>
#include <stdio.h>

#define DELTA_FIRST ((size_t)4096)
#define MERGE_RUNS 8

static void
delta_free(struct delta *d)
{
    if (d != NULL)
        seenrun_close(&d->run);
    mem_free(MEM_FRONTIER, d);
}

static int
delta_reserve(struct front *f, unsigned n)
{
    struct delta *d = f->delta;
    size_t cap = d == NULL ? DELTA_FIRST : d->cap * 2;

    if (d != NULL && d->n + n <= d->cap)
        return 0;
    d = mem_realloc(MEM_FRONTIER, d, sizeof *d + cap * sizeof(uint64_t));
    if (d == NULL)
        return ORB_ENOMEM;
    if (f->delta == NULL)
        *d = (struct delta){ .answer.kind = ANSWER_RUN, .from = front_seen_covered(f) };
    d->cap = cap;
    f->delta = d;
    return 0;
}

/* Rows up to this one are in runs, or on their way there. */
uint64_t
front_seen_covered(const struct front *f)
{
    if (!list_is_empty(&f->deltas))
        return LIST_ELEMENT(f->deltas.prev, struct delta, node)->to;
    return f->n_runs > 0 ? seenrun_to(f->runs[f->n_runs - 1]) : 0;
}

static int
add_back(struct front *f, const struct delta *d)
{
    int err = 0;

    for (size_t i = 0; d != NULL && i < d->n && err >= 0; i++)
        err = seen_add(f->seen, d->fingerprints[i]);
    return ORB_MIN(err, 0);
}

/* The table is full: it forgets what the runs know. When the deltas alone fill it (the disk is slow), it has to grow. */
static int
evict(struct front *f)
{
    int err;

    seen_clear(f->seen);
    f->is_seen_complete = f->n_runs == 0;
    for (;;) {
        err = add_back(f, f->delta);
        LIST_EACH (node, &f->deltas)
            if (err == 0)
                err = add_back(f, LIST_ELEMENT(node, struct delta, node));
        if (err != ORB_EFULL)
            return err;
        seen_set_limit(f->seen, seen_limit(f->seen) * 5 / 4);
    }
}

int
front_seen_reserve(struct front *f, const uint64_t *fingerprints, unsigned n)
{
    int err = delta_reserve(f, n);

    if (err == 0)
        err = seen_reserve(f->seen, fingerprints, n);
    if (err != ORB_EFULL)
        return err;
    if (f->n_runs > 0)
        err = evict(f);
    while (err == 0 || err == ORB_EFULL) {
        err = seen_reserve(f->seen, fingerprints, n);
        if (err != ORB_EFULL)
            return err;
        seen_set_limit(f->seen, seen_limit(f->seen) * 5 / 4); /* nothing is on disk yet that could be forgotten */
    }
    return err;
}

void
front_seen_add(struct front *f, uint64_t fingerprint)
{
    int err = seen_add(f->seen, fingerprint);

    CHECK(err >= 0); /* front_seen_reserve() */
    if (err == 1) {
        f->delta->fingerprints[f->delta->n++] = fingerprint;
        f->n_fingerprints++;
    }
}

void
front_seen_cache(struct front *f, uint64_t fingerprint)
{
    int err = seen_add(f->seen, fingerprint);

    if (err == ORB_EFULL && evict(f) == 0)
        (void)!seen_add(f->seen, fingerprint);
}

bool
front_seen_has(struct front *f, uint64_t fingerprint)
{
    if (seen_has(f->seen, fingerprint))
        return true;
    if (f->is_seen_complete)
        return false;
    for (unsigned i = f->n_runs; i > 0; i--)
        if (seenrun_has(f->runs[i - 1], fingerprint) == 1) {
            front_seen_cache(f, fingerprint);
            return true;
        }
    return false;
}

/* (9): queued behind the rows it names, and written only after their commit. */
int
front_seen_flush(struct front *f)
{
    struct delta *d = f->delta;
    int err;

    if (d == NULL || d->n == 0 || d->from == f->last_url_id)
        return 0;
    err = journal_reserve(f->journal, sizeof d, 1);
    if (err != 0)
        return err;
    d->to = f->last_url_id;
    f->delta = NULL;
    list_push_back(&f->deltas, &d->node);
    memcpy(journal_put(f->journal, REC_RUN, sizeof d), &d, sizeof d);
    return 0;
}

/* --- merging, on a thread of its own: sequential reads and writes of many megabytes ------------------------------------- */

static void *
merge_main(void *arg)
{
    struct merge *m = arg;

    m->answer.err = seenrun_merge(m->dir, m->runs, m->n);
    if (m->answer.err == 0)
        m->answer.err = seenrun_open(&m->run, m->dir, seenrun_from(m->runs[0]), seenrun_to(m->runs[m->n - 1]));
    journal_post(m->journal, &m->answer.node);
    return NULL;
}

/* The newest run that begins a row of MERGE_RUNS neighbours of about one size; n_runs = none. */
static unsigned
find_mergeable(const struct front *f)
{
    for (unsigned first = 0; first + MERGE_RUNS <= f->n_runs; first++) {
        uint64_t least = UINT64_MAX, most = 0;

        for (unsigned i = first; i < first + MERGE_RUNS; i++) {
            least = ORB_MIN(least, seenrun_count(f->runs[i]));
            most = ORB_MAX(most, seenrun_count(f->runs[i]));
        }
        if (most <= 4 * least + 1000000 || f->n_runs > FRONT_MAX_RUNS - 8)
            return first;
    }
    return f->n_runs;
}

static void
merge_start(struct front *f)
{
    unsigned first = find_mergeable(f);
    struct merge *m;

    if (f->is_merging || f->is_closing || first == f->n_runs || (m = mem_zalloc(MEM_FRONTIER, sizeof *m)) == NULL)
        return;
    m->answer.kind = ANSWER_MERGE;
    m->journal = f->journal;
    m->dir = f->db.seen_dir;
    m->first = first;
    m->n = MERGE_RUNS;
    memcpy(m->runs, f->runs + first, MERGE_RUNS * sizeof *m->runs);
    f->is_merging = pthread_create(&m->thread, NULL, merge_main, m) == 0;
    if (!f->is_merging)
        mem_free(MEM_FRONTIER, m);
}

void
front_seen_on_merge(struct front *f, struct merge *m)
{
    pthread_join(m->thread, NULL); /* it posts to the journal until it ends */
    f->is_merging = false;
    if (m->answer.err == 0) {
        for (unsigned i = 0; i < m->n; i++)
            (void)!seenrun_remove(&f->runs[m->first + i]); /* one left behind is removed at the next start */
        f->runs[m->first] = m->run;
        memmove(f->runs + m->first + 1, f->runs + m->first + m->n,
                (f->n_runs - m->first - m->n) * sizeof f->runs[0]);
        f->n_runs -= m->n - 1;
    }
    mem_free(MEM_FRONTIER, m);
    merge_start(f);
}

void
front_seen_on_run(struct front *f, struct delta *d)
{
    list_remove(&d->node);
    CHECK(f->n_runs < FRONT_MAX_RUNS);
    f->runs[f->n_runs++] = d->run;
    d->run = NULL;
    delta_free(d);
    merge_start(f);
}

/* --- open and close -------------------------------------------------------------------------------------------------------- */

static int
load_block(void *arg, const uint64_t *fingerprints, size_t n)
{
    struct front *f = arg;

    for (size_t i = 0; i < n; i++) {
        int err = seen_add(f->seen, fingerprints[i]);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Everything into the table when it fits; else the runs are asked. A run that turns out damaged ends the row: it and
 * what lies behind go, and their rows are read again from the journal. */
int
front_seen_open(struct front *f)
{
    uint64_t n = 0;
    int err = seen_new(&f->seen, f->seen_limit_bytes);

    if (err == 0)
        err = seenrun_scan(f->db.seen_dir, f->last_url_id, f->runs, FRONT_MAX_RUNS - 8, &f->n_runs);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < f->n_runs; i++)
        n += seenrun_count(f->runs[i]);
    f->n_fingerprints = n;
    err = seen_expect(f->seen, n);
    f->is_seen_complete = err == 0;
    if (err == ORB_EFULL)
        seen_clear(f->seen); /* a cache from now on */
    else if (err != 0)
        return err;
    for (unsigned i = 0; i < f->n_runs && f->is_seen_complete; i++) {
        err = seenrun_each(f->runs[i], load_block, f);
        if (err == ORB_EFULL) {
            seen_clear(f->seen);
            f->is_seen_complete = false;
        } else if (err == ORB_ECORRUPT) {
            while (f->n_runs > i) {
                f->n_fingerprints -= seenrun_count(f->runs[f->n_runs - 1]);
                (void)!seenrun_remove(&f->runs[--f->n_runs]);
            }
        } else if (err != 0) {
            return err;
        }
    }
    return 0;
}

void
front_seen_close(struct front *f)
{
    struct list *node;

    delta_free(f->delta);
    f->delta = NULL;
    while ((node = list_take_front(&f->deltas)) != NULL)
        delta_free(LIST_ELEMENT(node, struct delta, node));
    while (f->n_runs > 0)
        seenrun_close(&f->runs[--f->n_runs]);
    seen_free(&f->seen);
}
