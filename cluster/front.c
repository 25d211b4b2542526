/* front.c - open, close, and what needs no file of its own; the map of the others is in front_internal.h */
#include "cluster/front_internal.h"

#include <stdio.h>
#include <time.h>

#define QUEUE_BYTES ((size_t)12 << 20) /* of records; above it leasing stops */

static void
on_done(void *arg, struct list *node)
{
    struct front *f = arg;
    struct front_answer *a = LIST_ELEMENT(node, struct front_answer, node);

    switch (a->kind) {
    case ANSWER_LOAD: front_on_load(f, LIST_ELEMENT(a, struct load, answer)); break;
    case ANSWER_RUN: front_seen_on_run(f, LIST_ELEMENT(a, struct delta, answer)); break;
    case ANSWER_MERGE: front_seen_on_merge(f, LIST_ELEMENT(a, struct merge, answer)); break;
    case ANSWER_WHY: front_on_why(f, LIST_ELEMENT(a, struct why, answer)); break;
    case ANSWER_AGAIN: front_on_again(f); break;
    }
}

/* What came too late: its memory, no more. Deltas are in front.deltas as well, seeds in front.again_sent. */
static void
drop_answer(void *arg, struct list *node)
{
    struct front *f = arg;
    struct front_answer *a = LIST_ELEMENT(node, struct front_answer, node);

    if (a->kind == ANSWER_LOAD) {
        front_load_free(LIST_ELEMENT(a, struct load, answer));
    } else if (a->kind == ANSWER_MERGE) {
        struct merge *m = LIST_ELEMENT(a, struct merge, answer);
        pthread_join(m->thread, NULL);
        seenrun_close(&m->run);
        mem_free(MEM_FRONTIER, m);
        f->is_merging = false;
    } else if (a->kind == ANSWER_WHY) {
        front_why_free(LIST_ELEMENT(a, struct why, answer));
    }
}

static void
on_committed(void *arg, uint64_t cookie)
{
    struct front *f = arg;

    if (f->conf.on_committed != NULL)
        f->conf.on_committed(f->conf.arg, cookie);
}

static void
on_trouble(void *arg, int err, const char *sentence)
{
    struct front *f = arg;

    if (f->conf.on_trouble != NULL)
        f->conf.on_trouble(f->conf.arg, err, sentence);
}

/* --- open ------------------------------------------------------------------------------------------------------------------------ */

static void
free_leases(struct front *f)
{
    struct list *node;

    MAP_EACH (at, &f->leases) {
        struct lease *l = at->value;
        mem_free(MEM_HOST, l->hosts);
        mem_free(MEM_HOST, l->urls);
        buf_fini(&l->pending);
        mem_free(MEM_HOST, l);
    }
    MAP_EACH (at, &f->suspects)
        mem_free(MEM_HOST, at->value);
    map_fini(&f->leases);
    map_fini(&f->leased);
    map_fini(&f->suspects);
    front_errands_free(f);
    while ((node = list_take_front(&f->failed_loads)) != NULL)
        front_load_free(LIST_ELEMENT(node, struct load, answer.node));
}

/* Half-built ones too. The journal is closed before. */
static void
front_free(struct front *f)
{
    struct list *node;

    if (f == NULL)
        return;
    while ((node = list_take_front(&f->db.whys)) != NULL)
        front_why_free(LIST_ELEMENT(node, struct why, answer.node));
    front_again_free(&f->again);
    front_again_free(&f->again_sent);
    free_leases(f);
    front_seen_close(f);
    frontier_free(&f->frontier);
    coldmem_close(&f->cold);
    urldb_close(&f->db.db);
    url_fini(&f->url);
    buf_fini(&f->url_key);
    buf_fini(&f->origin);
    buf_fini(&f->results);
    buf_fini(&f->news);
    buf_fini(&f->dead_chunks);
    f->magic = 0;
    mem_free(MEM_FRONTIER, f);
}

static struct front *
front_new(const struct front_conf *conf, uint64_t now_ms, uint64_t wall_ms)
{
    struct front *f = mem_zalloc(MEM_FRONTIER, sizeof *f);

    if (f == NULL)
        return NULL;
    f->magic = FRONT_MAGIC;
    f->conf = *conf;
    f->now_ms = now_ms;
    f->wall_ms = wall_ms;
    snprintf(f->dir, sizeof f->dir, "%s", conf->dir);
    f->conf.dir = f->dir;
    f->seen_limit_bytes = conf->ram_budget_bytes / 2;
    f->delta_max = ORB_MAX(ORB_MIN(f->seen_limit_bytes / 32, (size_t)512 * 1024), (size_t)1024);
    list_init(&f->deltas);
    list_init(&f->failed_loads);
    list_init(&f->db.runs);
    list_init(&f->db.whys);
    map_init(&f->leases, MEM_HOST);
    map_init(&f->leased, MEM_HOST);
    map_init(&f->suspects, MEM_HOST);
    map_init(&f->errands, MEM_HOST);
    url_init(&f->url, MEM_FRONTIER);
    buf_init(&f->url_key, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&f->origin, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&f->results, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&f->news, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&f->dead_chunks, MEM_FRONTIER, BUF_NO_CEILING);
    return f;
}

static int
open_journal(struct front *f, struct ev_loop *loop)
{
    struct journal_conf conf = {
        .loop = loop, .max_bytes = QUEUE_BYTES, .begin = front_db_begin, .apply = front_db_apply, .commit = front_db_commit,
        .rollback = front_db_rollback, .idle = front_db_idle, .sentence = front_db_sentence, .on_done = on_done,
        .on_committed = on_committed, .on_trouble = on_trouble, .db = &f->db, .arg = f,
    };

    return journal_open(&f->journal, &conf);
}

int
front_open(struct front **out, struct ev_loop *loop, const struct front_conf *conf, uint64_t now_ms, uint64_t wall_ms,
           struct front_recovery *recovery, struct buf *error)
{
    struct front *f = front_new(conf, now_ms, wall_ms);
    char path[4200];
    bool is_new;
    int err = ORB_ENOMEM;

    if (f == NULL) {
        (void)!buf_append_str(error, "out of memory");
        return err;
    }
    snprintf(path, sizeof path, "%s/frontier.db", f->dir);
    snprintf(f->db.seen_dir, sizeof f->db.seen_dir, "%.4000s/seen", f->dir);
    err = urldb_open(&f->db.db, path, &is_new, error);
    if (err != 0)
        goto fail;
    err = front_recover(f, recovery, error);
    if (err != 0)
        goto fail;
    err = open_journal(f, loop);
    if (err != 0) {
        (void)!buf_printf(error, "the journal thread does not start: %s", orb_strerror(err));
        goto fail;
    }
    f->db.journal = f->journal;
    *out = f;
    return 0;
fail:
    front_free(f);
    return err;
}

/* --- close ----------------------------------------------------------------------------------------------------------------------- */

static bool
has_loads(const struct front *f)
{
    MAP_EACH (at, &f->leases)
        if (((const struct lease *)at->value)->n_loads > 0)
            return true;
    return false;
}

static void
send_failed_loads(struct front *f)
{
    struct list *node;

    while (!list_is_empty(&f->failed_loads) && journal_reserve(f->journal, sizeof(void *), 1) == 0) {
        struct load *load;

        node = list_take_front(&f->failed_loads);
        load = LIST_ELEMENT(node, struct load, answer.node);
        memcpy(journal_put(f->journal, REC_LOAD, sizeof load), &load, sizeof load);
    }
    journal_publish(f->journal);
}

/* Windows on their way come home first: their ids are in no queue. */
static int
bring_home(struct front *f)
{
    int err = 0;

    f->conf.on_lease = NULL;
    f->conf.on_lease_end = NULL;
    for (int i = 0; i < 100 && err == 0 && has_loads(f); i++) {
        send_failed_loads(f);
        err = journal_sync(f->journal);
        journal_deliver(f->journal);
    }
    if (err == 0 && has_loads(f))
        err = ORB_ENOMEM;
    return err;
}

static void
checkpoint_fully(void *arg)
{
    struct front *f = arg;
    uint64_t left;

    /* a reader (orb sql) may hold the WAL open; then the next process checkpoints */
    (void)!urldb_checkpoint(f->db.db, true, &left);
}

static int
write_clean(struct front *f)
{
    int err = bring_home(f);

    if (err != 0)
        return err;
    front_leases_return_all(f);
    err = front_seen_flush(f);
    if (err == 0)
        err = front_put_mark(f, true);
    if (err == 0)
        err = journal_sync(f->journal);
    if (err == 0)
        err = journal_call(f->journal, checkpoint_fully, f);
    return err;
}

/* A merge still running uses the runs and posts to the journal. */
static void
wait_for_merge(struct front *f)
{
    struct timespec pause = { 0, 2000000 };

    while (f->is_merging) {
        nanosleep(&pause, NULL);
        journal_deliver(f->journal);
    }
}

int
front_close(struct front **fp, uint64_t now_ms, uint64_t wall_ms)
{
    struct front *f = *fp;
    int err, close_err;

    if (f == NULL)
        return 0;
    CHECK_IS(f, FRONT_MAGIC);
    if (f->in_report)
        front_report_abort(f);
    f->now_ms = ORB_MAX(f->now_ms, now_ms);
    f->wall_ms = wall_ms;
    err = write_clean(f);
    f->is_closing = true;
    wait_for_merge(f);
    close_err = journal_close(&f->journal, drop_answer, f);
    front_free(f);
    *fp = NULL;
    return err != 0 ? err : close_err;
}

/* --- the turning of the loop ------------------------------------------------------------------------------------------------------- */

bool
front_is_congested(const struct front *f)
{
    return journal_is_congested(f->journal) || f->is_derailed;
}

uint64_t
front_mark(struct front *f)
{
    uint64_t cookie = 0;

    CHECK_IS(f, FRONT_MAGIC);
    return journal_mark(f->journal, &cookie) == 0 ? cookie : 0;
}

int
front_sync(struct front *f)
{
    int err;

    CHECK_IS(f, FRONT_MAGIC);
    err = journal_sync(f->journal);
    journal_deliver(f->journal);
    return err;
}

void
front_tick(struct front *f, uint64_t now_ms, uint64_t wall_ms)
{
    uint32_t host_id;
    uint64_t url_id;

    CHECK_IS(f, FRONT_MAGIC);
    CHECK(!f->in_report);
    f->now_ms = ORB_MAX(f->now_ms, now_ms);
    f->wall_ms = wall_ms;
    send_failed_loads(f);
    front_drop_cold(f);
    for (int n = 0; n < 10000 && frontier_retry_take(f->frontier, f->now_ms, &host_id, &url_id); n++) {
        front_requeue(f, host_id, url_id, false);
        front_wake(f, host_id);
    }
    front_again_tick(f);
    if (f->last_url_id - f->marked_url_id > FRONT_MARK_ROWS && !journal_is_congested(f->journal) && !f->is_derailed)
        (void)!front_put_mark(f, false);
    journal_publish(f->journal);
}

void
front_set_idle_job(struct front *f, void (*fn)(void *arg), void *arg, uint32_t every_ms)
{
    struct idle_job job = { f, fn, arg, every_ms };

    CHECK_IS(f, FRONT_MAGIC);
    (void)!journal_call(f->journal, front_db_set_idle, &job);
}

void
front_note_durable(struct front *f, uint64_t wall_ms)
{
    CHECK_IS(f, FRONT_MAGIC);
    if (wall_ms <= f->checked_to_ms || journal_reserve(f->journal, sizeof wall_ms, 1) != 0)
        return;
    f->checked_to_ms = wall_ms;
    memcpy(journal_put(f->journal, REC_CHECKED, sizeof wall_ms), &wall_ms, sizeof wall_ms);
    journal_publish(f->journal);
}

/* --- invariant 7 ------------------------------------------------------------------------------------------------------------------- */

struct missing {
    uint64_t url_id, host_id;
    uint32_t outcome, flags;
};

struct recheck {
    struct front *f;
    front_verify_fn *verify;
    void *arg;
    struct buf missing;
    int err;
};

static int
check_row(void *arg, const struct urldb_url *u)
{
    struct recheck *r = arg;
    struct missing m = { u->url_id, u->host_id, u->outcome, u->flags };

    return r->verify(r->arg, u->url_id) ? 0 : buf_append(&r->missing, &m, sizeof m);
}

static void
check_rows(void *arg)
{
    struct recheck *r = arg;

    r->err = urldb_each_ended(r->f->db.db, URLDB_DONE, r->f->checked_to_ms, check_row, r);
}

static int
requeue_missing(struct front *f, const struct missing *m)
{
    struct urldb_end end = { .url_id = m->url_id, .state = URLDB_READY, .flags = m->flags & ~(uint32_t)URLDB_AGAIN };
    int err = journal_reserve(f->journal, sizeof end + FRONT_QUEUED_BYTES, 4);

    if (err != 0)
        return err;
    if (m->host_id == 0 || m->host_id > hosts_count(f->hosts) || m->outcome >= OUTCOME_N)
        return ORB_ECORRUPT;
    journal_put(f->journal, JOURNAL_BEGIN, 0);
    err = front_put_end(f, m->url_id, URLDB_DONE, m->outcome, &end);
    CHECK(err == 0); /* there is room */
    front_put_queued(f, (uint32_t)m->host_id, m->url_id);
    journal_put(f->journal, JOURNAL_END, 0);
    front_requeue(f, (uint32_t)m->host_id, m->url_id, false);
    front_wake(f, (uint32_t)m->host_id);
    return 0;
}

int
front_recheck(struct front *f, front_verify_fn *verify, void *arg, uint64_t *n_missing)
{
    struct recheck r = { .f = f, .verify = verify, .arg = arg };
    int err;

    CHECK_IS(f, FRONT_MAGIC);
    buf_init(&r.missing, MEM_FRONTIER, BUF_NO_CEILING);
    err = journal_call(f->journal, check_rows, &r);
    if (err == 0)
        err = r.err;
    for (size_t at = 0; at < r.missing.n && err == 0; at += sizeof(struct missing)) {
        struct missing m;

        memcpy(&m, r.missing.p + at, sizeof m);
        err = requeue_missing(f, &m);
    }
    *n_missing = r.missing.n / sizeof(struct missing);
    buf_fini(&r.missing);
    if (err == 0)
        err = front_sync(f);
    return err;
}

/* --- figures ----------------------------------------------------------------------------------------------------------------------- */

static void
read_books(const struct front *f, struct front_books *b)
{
    const struct front_counts *c = &f->counts;

    *b = (struct front_books){
        .queued = c->state[URLDB_READY] - f->n_leased[URLDB_READY],
        .leased = f->n_leased[URLDB_READY] + f->n_leased[URLDB_WAITING],
        .waiting = c->state[URLDB_WAITING] - f->n_leased[URLDB_WAITING],
        .done = c->state[URLDB_DONE],
        .failed = c->state[URLDB_FAILED],
        .excluded = c->state[URLDB_EXCLUDED] + c->n_dropped,
        .quarantined = c->state[URLDB_QUARANTINED],
    };
    b->discovered = f->last_url_id + c->n_dropped; /* counted apart: that the sum is the same is worth checking */
}

bool
front_is_finished(const struct front *f)
{
    struct front_books b;

    read_books(f, &b);
    return b.queued == 0 && b.leased == 0 && b.waiting == 0 && f->again == NULL && f->again_sent == NULL
           && b.discovered == b.done + b.failed + b.excluded + b.quarantined;
}

void
front_stats(const struct front *f, struct front_stats *out)
{
    struct journal_stats j;
    uint64_t due = frontier_next_due_ms(f->frontier);
    struct hostq_waiting waiting = hostq_waiting(f->hosts);

    CHECK_IS(f, FRONT_MAGIC);
    journal_stats(f->journal, &j);
    *out = (struct front_stats){
        .n_hosts = hosts_count(f->hosts),
        .n_hosts_active = frontier_n_scheduled(f->frontier),
        .n_groups = frontier_n_groups(f->frontier),
        .n_leases = f->leases.n,
        .n_hosts_backing_off = waiting.n_hosts,
        .links_offered = f->n_offered,
        .links_seen = f->n_seen,
        .seed_scans = f->n_again_scans,
        .seen_ram_bytes = seen_ram_bytes(f->seen),
        .queue_depth = j.queued_bytes,
        .commits = j.n_commits,
        .rows_written = j.n_records,
        .expected_collisions = seen_expected_collisions(f->n_fingerprints),
        .next_due_ms = due == UINT64_MAX ? INT64_MAX : (int64_t)ORB_MAX(due, ORB_MAX(f->now_ms, f->hold_until_ms)),
    };
    read_books(f, &out->books);
    out->n_queued_backing_off = ORB_MIN(waiting.n_urls, out->books.queued); /* a queue may hold ids that have ended since */
    memcpy(out->excluded_by_reason, f->counts.by_outcome[URLDB_EXCLUDED], sizeof out->excluded_by_reason);
    memcpy(out->failed_by_reason, f->counts.by_outcome[URLDB_FAILED], sizeof out->failed_by_reason);
    memcpy(out->done_by_outcome, f->counts.by_outcome[URLDB_DONE], sizeof out->done_by_outcome);
    for (unsigned i = 0; i < f->n_runs; i++) {
        out->seen_disk_bytes += seenrun_disk_bytes(f->runs[i]);
        out->seen_ram_bytes += seenrun_ram_bytes(f->runs[i]);
    }
    out->ram_bytes = out->seen_ram_bytes + frontier_ram_bytes(f->frontier) + (size_t)j.queued_bytes;
}
