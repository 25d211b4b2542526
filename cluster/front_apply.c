/* front_apply.c - the journal thread's half: records become rows, and the counters go into the same transaction */
#include "cluster/clock.h"
#include "cluster/front_internal.h"

#include <stdio.h>

#define CHECKPOINT_BYTES ((uint64_t)16 << 20) /* a slice: what one passive checkpoint copies at most, about */
#define RUN_RETRY_MS 5000

int
front_db_begin(void *arg)
{
    struct front_db *d = arg;

    d->counts_before = d->counts;
    d->is_dirty = false;
    return urldb_begin(d->db);
}

void
front_db_rollback(void *arg)
{
    struct front_db *d = arg;

    urldb_rollback(d->db);
    d->counts = d->counts_before;
    d->saved_ended_ms = 0;
}

const char *
front_db_sentence(void *arg)
{
    struct front_db *d = arg;

    return urldb_error(d->db);
}

static int
set_number(struct front_db *d, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return urldb_set_meta(d->db, key, slice_str(text));
}

static int
save_counts(struct front_db *d)
{
    struct buf json;
    int err;

    buf_init(&json, MEM_FRONTIER, BUF_NO_CEILING);
    err = front_counts_print(&d->counts, &json);
    if (err == 0)
        err = urldb_set_meta(d->db, "books", buf_slice(&json));
    if (err == 0 && d->counts.n_dropped != d->counts_before.n_dropped) {
        buf_clear(&json);
        err = front_dropped_print(&d->counts, &json);
        if (err == 0)
            err = urldb_set_meta(d->db, "excluded_dropped", buf_slice(&json));
    }
    if (err == 0 && d->last_ended_ms != d->saved_ended_ms) {
        err = set_number(d, "last_ended", d->last_ended_ms);
        d->saved_ended_ms = d->last_ended_ms;
    }
    buf_fini(&json);
    return err;
}

int
front_db_commit(void *arg)
{
    struct front_db *d = arg;
    int err = d->is_dirty ? save_counts(d) : 0;

    return err != 0 ? err : urldb_commit(d->db);
}

static int
apply_url(struct front_db *d, const struct rec_url *r)
{
    struct urldb_url u = {
        .url_id = r->url_id, .url = slice_of(r->url, r->n_bytes), .host_id = r->host_id, .via = r->via, .depth = r->depth,
        .hops = r->hops, .kind = r->kind, .flags = r->flags, .state = r->state, .outcome = r->outcome,
        .ended_at_ms = r->ended_at_ms,
    };

    front_count_add(&d->counts, r->state, r->outcome);
    d->last_ended_ms = ORB_MAX(d->last_ended_ms, r->ended_at_ms);
    d->is_dirty = true;
    return urldb_add_url(d->db, &u);
}

static int
apply_end(struct front_db *d, const struct urldb_end *e)
{
    uint32_t state, outcome;
    int err = urldb_end_url(d->db, e, &state, &outcome);

    if (err != 0)
        return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
    if (state >= URLDB_STATES || outcome >= OUTCOME_N || d->counts.state[state] == 0)
        return ORB_ECORRUPT;
    front_count_move(&d->counts, state, outcome, e->state, e->outcome);
    d->last_ended_ms = ORB_MAX(d->last_ended_ms, e->ended_at_ms);
    d->is_dirty = true;
    return 0;
}

static int
apply_again(struct front_db *d, const struct rec_again *r)
{
    uint32_t state, outcome;
    int err = urldb_queue_url(d->db, r->url_id, r->host_id, r->flags, &state, &outcome);

    if (err != 0)
        return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
    if (state >= URLDB_STATES || outcome >= OUTCOME_N || d->counts.state[state] == 0)
        return ORB_ECORRUPT;
    front_count_move(&d->counts, state, outcome, URLDB_READY, OUTCOME_NONE);
    d->is_dirty = true;
    return 0;
}

static int
apply_news(struct front_db *d, const struct rec_news *r)
{
    struct urldb_host h = r->host;

    h.addresses = slice_of(r->bytes, r->n_addresses);
    h.robots = slice_of(r->bytes + r->n_addresses, r->n_robots);
    h.cookies = slice_of(r->bytes + r->n_addresses + r->n_robots, r->n_cookies);
    return urldb_set_host(d->db, &h, r->fields);
}

static int
apply_chunk(struct front_db *d, const struct rec_chunk *r)
{
    int err = urldb_add_chunk(d->db, r->id, r->next, slice_of(r->ids, (size_t)r->n * 5));

    return err != 0 || r->link_from == 0 ? err : urldb_link_chunk(d->db, r->link_from, r->id);
}

static int
apply_drop_chunks(struct front_db *d, const uint32_t *ids, size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = urldb_drop_chunk(d->db, ids[i]);
    return err;
}

static int
apply_mark(struct front_db *d, const struct rec_mark *m)
{
    int err = set_number(d, "mark_url_id", m->url_id);

    if (err == 0)
        err = set_number(d, "mark_chunk_id", m->chunk_id);
    if (err == 0)
        err = set_number(d, "epoch", m->epoch);
    if (err == 0 && m->checked_to_ms != 0)
        err = set_number(d, "checked_to", m->checked_to_ms);
    return err == 0 ? set_number(d, "clean", m->is_clean) : err;
}

static void
keep_answer(struct list *list, struct front_answer *answer, bool is_again)
{
    if (!is_again)
        list_push_back(list, &answer->node);
}

int
front_db_apply(void *arg, unsigned type, const void *payload, size_t n_bytes, bool is_again)
{
    struct front_db *d = arg;
    const struct rec_host *host = payload;
    const struct rec_flags *flags = payload;
    void *work = NULL;

    if (type == REC_LOAD || type == REC_RUN || type == REC_WHY || type == REC_AGAIN_SCAN)
        memcpy(&work, payload, sizeof work);
    switch ((enum front_record)type) {
    case REC_URL: return apply_url(d, payload);
    case REC_HOST: return urldb_add_host(d->db, host->host_id, slice_of(host->origin, host->n_bytes));
    case REC_END: return apply_end(d, payload);
    case REC_FLAGS: return urldb_flag_url(d->db, flags->url_id, flags->flags);
    case REC_DROPPED:
        d->counts.dropped[*(const uint32_t *)payload]++;
        d->counts.n_dropped++;
        d->counts.by_outcome[URLDB_EXCLUDED][*(const uint32_t *)payload]++;
        d->is_dirty = true;
        return 0;
    case REC_NEWS: return apply_news(d, payload);
    case REC_CHUNK: return apply_chunk(d, payload);
    case REC_LOAD:
        if (!is_again)
            front_db_load(d, work);
        return 0;
    case REC_RUN: keep_answer(&d->runs, work, is_again); return 0;
    case REC_WHY: keep_answer(&d->whys, work, is_again); return 0;
    case REC_AGAIN_SCAN:
        if (!is_again)
            d->again = work;
        return 0;
    case REC_AGAIN: return apply_again(d, payload);
    case REC_QUEUE_CLEAR: return urldb_clear_queue(d->db);
    case REC_QUEUE: return urldb_add_queue(d->db, slice_of(payload, n_bytes));
    case REC_DROP_CHUNKS: return apply_drop_chunks(d, payload, n_bytes / sizeof(uint32_t));
    case REC_MARK: return apply_mark(d, payload);
    case REC_CHECKED: return set_number(d, "checked_to", *(const uint64_t *)payload);
    }
    CHECK_NEVER("no such record");
}

/* --- between transactions ----------------------------------------------------------------------------------------------- */

/* Everything committed so far is on the disk: a commit that is synced carries all before it (WAL). */
static int
sync_commits(struct front_db *d)
{
    int err = urldb_set_synced(d->db, true);

    if (err == 0)
        err = urldb_begin(d->db);
    if (err == 0)
        err = set_number(d, "synced_at", clock_wall_ms());
    if (err == 0)
        err = urldb_commit(d->db);
    if (err != 0)
        urldb_rollback(d->db);
    if (urldb_set_synced(d->db, false) != 0 && err == 0)
        err = ORB_EIO;
    return err;
}

/* (9): the rows of these runs are committed; now they are synced, and only then a run file names them. The loop still
 * reads the delta, so a copy is sorted. */
static int
write_run(struct front_db *d, struct delta *delta)
{
    uint64_t *copy = mem_dup(MEM_FRONTIER, delta->fingerprints, ORB_MAX(delta->n, 1u) * sizeof *copy);
    int err = ORB_ENOMEM;

    if (copy != NULL)
        err = seenrun_write(d->seen_dir, delta->from, delta->to, copy, delta->n);
    mem_free(MEM_FRONTIER, copy);
    return err != 0 ? err : seenrun_open(&delta->run, d->seen_dir, delta->from, delta->to);
}

static void
write_runs(struct front_db *d, uint64_t now_ms)
{
    struct list *node;

    if (list_is_empty(&d->runs) || now_ms < d->runs_again_ms)
        return;
    if (sync_commits(d) != 0) {
        d->runs_again_ms = now_ms + RUN_RETRY_MS;
        return;
    }
    while ((node = list_take_front(&d->runs)) != NULL) {
        struct delta *delta = LIST_ELEMENT(node, struct delta, answer.node);

        if (write_run(d, delta) != 0) { /* they stay in RAM, which costs memory and nothing else */
            list_push_front(&d->runs, node);
            d->runs_again_ms = now_ms + RUN_RETRY_MS;
            return;
        }
        journal_post(d->journal, node);
    }
}

void
front_db_idle(void *arg)
{
    struct front_db *d = arg;
    uint64_t now_ms = clock_now_ms(), left;

    write_runs(d, now_ms);
    if (urldb_wal_bytes(d->db) > CHECKPOINT_BYTES)
        (void)!urldb_checkpoint(d->db, false, &left); /* what fails here fails again at the next commit, and is told there */
    if (!list_is_empty(&d->whys))
        front_db_why(d);
    if (d->again != NULL)
        front_db_again(d);
    if (d->idle_fn != NULL && now_ms - d->idle_last_ms >= d->idle_every_ms) {
        d->idle_last_ms = now_ms;
        d->idle_fn(d->idle_arg);
    }
}

void
front_db_set_idle(void *arg)
{
    const struct idle_job *job = arg;
    struct front_db *d = &job->f->db;

    d->idle_fn = job->fn;
    d->idle_arg = job->arg;
    d->idle_every_ms = job->every_ms;
}
