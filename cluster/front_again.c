/* front_again.c - a seed for a URL that the journal knows already: asked after all, if it never was or had failed
 *
 * Whoever adds a seed expects it to be asked, also when a link had led there before and it was out of scope. The row is not
 * at hand (the journal has no index), so such seeds are collected, and one scan of the rows that ended without a page looks
 * for all of them:
 *
 *   front_offer --> COLLECTED --front_tick--> ASKED --the thread, in slices--> FOUND --front_tick, in slices--> rows READY
 *                       ^                       `-- no memory: COLLECTED ---------- no memory: goes on at the next tick
 *                       `-- the next ones, while this batch is under way
 *
 * A seed that was looked for is remembered in the seen-set, by the fingerprint of its key with SEED_MARK behind it: a start
 * with the same hundred thousand seeds scans nothing. A remembered seed is looked for when link.is_wanted only. What the
 * set forgets (that fingerprint may be younger than the last run) costs one more scan, nothing else.
 */
#include "cluster/front_internal.h"

#define SEED_MARK " seed" /* no canonical URL has a space */
#define SCAN_ROWS 50000
#define APPLY_ROWS 5000

enum again_phase { AGAIN_COLLECTED, AGAIN_ASKED, AGAIN_FOUND };

struct again_seed {
    uint64_t key, mark;       /* fingerprints */
    size_t at, n;             /* of its text */
    bool is_sitemap, is_found;
};

struct again_row {
    uint64_t url_id;
    uint32_t state, outcome, flags, attempts;
    size_t at, n;             /* of its text: another spelling, perhaps */
};

struct again {
    struct front_answer answer;
    enum again_phase phase;
    struct map by_key;        /* fingerprint -> its number in seeds, from 1 */
    struct buf seeds, rows, text; /* struct again_seed, struct again_row */
    size_t at_row, at_seed;   /* applied so far */
    /* the thread's while ASKED */
    struct fingerprint_key key;
    const struct urlkey_rules *rules;
    bool all_rows;            /* some were only counted: those have no row at all, so which have one has to be known */
    uint64_t scanned_to;
    struct url url;
    struct buf url_key;
};

void
front_again_free(struct again **ap)
{
    struct again *a = *ap;

    if (a == NULL)
        return;
    map_fini(&a->by_key);
    buf_fini(&a->seeds);
    buf_fini(&a->rows);
    buf_fini(&a->text);
    buf_fini(&a->url_key);
    url_fini(&a->url);
    MEM_FREE(MEM_FRONTIER, ap);
}

static struct again *
again_new(const struct front *f)
{
    struct again *a = mem_zalloc(MEM_FRONTIER, sizeof *a);

    if (a == NULL)
        return NULL;
    a->answer.kind = ANSWER_AGAIN;
    a->key = f->key;
    a->rules = f->conf.key_rules;
    map_init(&a->by_key, MEM_FRONTIER);
    buf_init(&a->seeds, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&a->rows, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&a->text, MEM_FRONTIER, BUF_NO_CEILING);
    buf_init(&a->url_key, MEM_FRONTIER, BUF_NO_CEILING);
    url_init(&a->url, MEM_FRONTIER);
    return a;
}

/* --- the thread ---------------------------------------------------------------------------------------------------------------- */

static int
scan_row(void *arg, const struct urldb_url *u)
{
    struct again *a = arg;
    struct again_row row = { u->url_id, u->state, u->outcome, u->flags, u->attempts, a->text.n, u->url.n };
    struct again_seed *seed;
    uintptr_t nth;
    int err = url_parse_canonical(&a->url, u->url);

    if (err == 0)
        err = url_key(&a->url_key, &a->url, a->rules);
    if (err != 0)
        return err == ORB_ENOMEM ? err : 0; /* admitted by an orb that read URLs otherwise */
    nth = (uintptr_t)map_get(&a->by_key, fingerprint(&a->key, buf_slice(&a->url_key)));
    if (nth == 0)
        return 0;
    seed = (struct again_seed *)(void *)a->seeds.p + (nth - 1);
    if (seed->is_found) /* two rows of one page: the first is the page */
        return 0;
    if (u->state == URLDB_EXCLUDED || u->state == URLDB_FAILED) {
        err = buf_append_slice(&a->text, u->url);
        if (err == 0)
            err = buf_append(&a->rows, &row, sizeof row);
    }
    seed->is_found = err == 0;
    return err;
}

/* One slice a turn, so that commits go on in between. */
void
front_db_again(struct front_db *d)
{
    struct again *a = d->again;
    uint64_t from = a->scanned_to + 1;
    int err = a->all_rows ? urldb_each_url(d->db, from, SCAN_ROWS, scan_row, a)
                          : urldb_each_lost(d->db, from, SCAN_ROWS, scan_row, a);

    a->scanned_to += SCAN_ROWS;
    if (err == 0 && a->scanned_to < urldb_max_url(d->db))
        return;
    a->answer.err = err;
    d->again = NULL;
    journal_post(d->journal, &a->answer.node);
}

/* --- the loop: seeds come ---------------------------------------------------------------------------------------------------- */

/* f->url_key holds the key, and a longer text afterwards. */
int
front_seed_mark(struct front *f, uint64_t *out)
{
    int err = buf_append_str(&f->url_key, SEED_MARK);

    if (err == 0)
        *out = fingerprint(&f->key, buf_slice(&f->url_key));
    return err;
}

static int
collect(struct front *f, const struct front_link *link, uint64_t key, uint64_t mark)
{
    struct again *a = f->again == NULL ? again_new(f) : f->again;
    struct again_seed seed = { .key = key, .mark = mark, .n = link->url.n, .is_sitemap = link->is_sitemap };
    size_t n;
    int err;

    if (a == NULL)
        return ORB_ENOMEM;
    f->again = a;
    if (map_get(&a->by_key, key) != NULL)
        return 0;
    n = seed.at = a->text.n;
    err = buf_append_slice(&a->text, link->url);
    if (err == 0)
        err = buf_append(&a->seeds, &seed, sizeof seed);
    if (err == 0) {
        err = map_put(&a->by_key, key, (void *)(uintptr_t)(a->seeds.n / sizeof seed));
        if (err != 0)
            buf_truncate(&a->seeds, a->seeds.n - sizeof seed);
    }
    if (err != 0)
        buf_truncate(&a->text, n);
    return err;
}

static bool
has_lost_rows(const struct front *f)
{
    return f->counts.state[URLDB_EXCLUDED] + f->counts.state[URLDB_FAILED] + f->counts.n_dropped > 0;
}

/* Its host takes no more: an excluded row stays what it is, and one that failed waits for somebody who wants it. */
static bool
is_full(struct front *f, uint32_t host_id)
{
    const struct host *h = host_id == 0 ? NULL : hosts_get(f->hosts, host_id);

    return h != NULL && h->max_urls != 0 && h->n_admitted >= h->max_urls;
}

/* f->url is the link's, f->url_key its key. ORB_EEXIST: it need not be looked for. */
int
front_again_offer(struct front *f, const struct front_link *link)
{
    uint64_t key = fingerprint(&f->key, buf_slice(&f->url_key)), mark;
    uint32_t host_id;
    int err = front_seed_mark(f, &mark);

    if (err == 0)
        err = front_host_of(f, &f->url, false, &host_id);
    if (err != 0)
        return err;
    if (front_seen_has(f, mark) && !link->is_wanted)
        return ORB_EEXIST;
    if (!url_is_http(&f->url) || (f->conf.judge != NULL && f->conf.judge(f->conf.arg, &f->url, link) != OUTCOME_OK))
        return ORB_EEXIST; /* not remembered: other rules may come */
    if (!link->is_wanted && is_full(f, host_id))
        return ORB_EEXIST;
    if (has_lost_rows(f))
        return collect(f, link, key, mark);
    err = front_seen_reserve(f, &mark, 1);
    if (err != 0)
        return err;
    front_seen_add(f, mark);
    return ORB_EEXIST;
}

static void
ask(struct front *f, struct again *a)
{
    if (journal_reserve(f->journal, sizeof a, 1) != 0)
        return; /* at the next tick */
    a->phase = AGAIN_ASKED;
    a->all_rows = f->counts.n_dropped > 0;
    a->scanned_to = 0;
    buf_clear(&a->rows);
    for (size_t i = 0; i < a->seeds.n / sizeof(struct again_seed); i++)
        ((struct again_seed *)(void *)a->seeds.p)[i].is_found = false;
    f->n_again_scans++;
    memcpy(journal_put(f->journal, REC_AGAIN_SCAN, sizeof a), &a, sizeof a);
    journal_publish(f->journal);
}

/* A journal that cannot be read would be scanned for ever: that is final, as it is for one that cannot be written. */
void
front_on_again(struct front *f)
{
    struct again *a = f->again_sent;
    int err = a->answer.err;

    a->phase = err == 0 ? AGAIN_FOUND : AGAIN_COLLECTED;
    if (err == 0 || err == ORB_ENOMEM || err == ORB_EBUSY)
        return;
    front_again_free(&f->again_sent);
    if (f->conf.on_trouble != NULL)
        f->conf.on_trouble(f->conf.arg, err, "frontier.db cannot be read where a seed was looked for");
}

/* --- the loop: rows found ---------------------------------------------------------------------------------------------------- */

/* The row, and its place in the queue of the last mark, which a start after a kill reads: one transaction. */
static int
put_again(struct front *f, const struct again_row *row, uint32_t host_id)
{
    struct rec_again *r;
    int err = journal_reserve(f->journal, sizeof *r + FRONT_QUEUED_BYTES, 4);

    if (err == 0)
        err = hostq_reserve(f->hosts);
    if (err != 0)
        return err;
    journal_put(f->journal, JOURNAL_BEGIN, 0);
    r = journal_put(f->journal, REC_AGAIN, sizeof *r);
    *r = (struct rec_again){ .url_id = row->url_id, .host_id = host_id,
                             .flags = (row->flags & ~(uint32_t)(URLDB_SUSPECT | URLDB_DEATHS_MASK)) | URLDB_SEED };
    front_put_queued(f, host_id, row->url_id);
    journal_put(f->journal, JOURNAL_END, 0);
    return 0;
}

static int
ask_again(struct front *f, const struct again *a, const struct again_row *row)
{
    uint32_t host_id;
    bool is_new_there = row->state == URLDB_EXCLUDED && row->attempts == 0; /* not admitted before */
    int err = url_parse_canonical(&f->url, slice_of(a->text.p + row->at, row->n));

    if (err == 0)
        err = front_host_of(f, &f->url, true, &host_id);
    if (err != 0 || host_id == 0)
        return err == ORB_ENOMEM ? err : 0;
    if (is_new_there && is_full(f, host_id))
        return 0;
    err = put_again(f, row, host_id);
    if (err != 0)
        return err;
    front_count_move(&f->counts, row->state, row->outcome, URLDB_READY, OUTCOME_NONE);
    hosts_get(f->hosts, host_id)->n_admitted += is_new_there;
    front_requeue(f, host_id, row->url_id, false);
    front_wake(f, host_id);
    return 0;
}

/* A seed without a row was excluded beyond --keep-excluded: it gets one now, and counts as discovered a second time. */
static int
end_seed(struct front *f, const struct again *a, const struct again_seed *seed)
{
    struct front_link link = { .url = slice_of(a->text.p + seed->at, seed->n), .is_seed = true, .is_sitemap = seed->is_sitemap };
    int err = front_seen_reserve(f, &seed->mark, 1);

    if (err == 0 && a->all_rows && !seed->is_found)
        err = front_admit(f, &link);
    if (err == 0)
        front_seen_add(f, seed->mark);
    return err;
}

static void
apply(struct front *f, struct again *a)
{
    int err = 0;

    for (int n = 0; n < APPLY_ROWS && err == 0 && a->at_row < a->rows.n; n++) {
        err = ask_again(f, a, (const struct again_row *)(const void *)(a->rows.p + a->at_row));
        a->at_row += err == 0 ? sizeof(struct again_row) : 0;
    }
    for (int n = 0; n < APPLY_ROWS && err == 0 && a->at_row == a->rows.n && a->at_seed < a->seeds.n; n++) {
        err = end_seed(f, a, (const struct again_seed *)(const void *)(a->seeds.p + a->at_seed));
        a->at_seed += err == 0 ? sizeof(struct again_seed) : 0;
    }
    front_drop_cold(f);
    journal_publish(f->journal);
    if (a->at_row == a->rows.n && a->at_seed == a->seeds.n)
        front_again_free(&f->again_sent);
}

void
front_again_tick(struct front *f)
{
    if (journal_is_congested(f->journal) || f->is_derailed)
        return;
    if (f->again_sent == NULL) {
        f->again_sent = f->again;
        f->again = NULL;
    }
    if (f->again_sent == NULL)
        return;
    if (f->again_sent->phase == AGAIN_COLLECTED)
        ask(f, f->again_sent);
    else if (f->again_sent->phase == AGAIN_FOUND)
        apply(f, f->again_sent);
}
