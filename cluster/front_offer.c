/* front_offer.c - the door: bytes first, and only the unseen are parsed, judged, journalled and queued
 *
 *   bytes --hash--> seen? --no--> parse --> key --hash--> seen? --no--> judge --> budget --> row, fingerprints, host's queue
 *                     `--yes, and a seed: front_again.c          `--yes
 *
 * Everything that may fail comes before the first change: reserve, then act.
 */
#include "cluster/front_internal.h"

#include "crawler/parse.h"


/* Its text's fingerprint, and its key's when that is another. */
int
front_fingerprints(struct front *f, const struct url *u, struct slice url, uint64_t out[2], unsigned *n)
{
    int err = url_key(&f->url_key, u, f->conf.key_rules);

    if (err != 0)
        return err;
    out[0] = fingerprint(&f->key, url);
    *n = 1;
    if (!slice_eq(buf_slice(&f->url_key), url))
        out[(*n)++] = fingerprint(&f->key, buf_slice(&f->url_key));
    return 0;
}

void
front_host_configure(struct front *f, uint32_t host_id, struct slice origin)
{
    struct host *h = hosts_get(f->hosts, host_id);
    uint64_t max_urls = f->conf.max_per_host;
    struct slice name = origin;
    uint32_t delay = f->conf.delay_ms;
    uint16_t port = slice_starts_with(origin, SLICE_LITERAL("https:")) ? 443 : 80;
    const char *p = memmem(name.p, name.n, "://", 3);

    if (f->conf.host_settings != NULL && p != NULL) {
        name = slice_sub(name, (size_t)(p + 3 - name.p), name.n);
        for (size_t i = name.n; i > 0 && name.p[i - 1] != ']'; i--)
            if (name.p[i - 1] == ':') {
                port = 0;
                for (size_t k = i; k < name.n; k++)
                    port = (uint16_t)(port * 10 + (name.p[k] - '0'));
                name.n = i - 1;
                break;
            }
        f->conf.host_settings(f->conf.arg, name, port, &delay, &max_urls);
    }
    h->delay_ms = delay;
    h->max_urls = (uint32_t)ORB_MIN(max_urls, (uint64_t)UINT32_MAX);
}

static int
host_make(struct front *f, uint64_t fp, struct slice origin, uint32_t *host_id)
{
    struct rec_host *r;
    int err = journal_reserve(f->journal, sizeof *r + origin.n, 1);

    if (err == 0)
        err = frontier_add_host(f->frontier, fp, host_id);
    if (err != 0)
        return err;
    r = journal_put(f->journal, REC_HOST, sizeof *r + origin.n);
    r->host_id = *host_id;
    r->n_bytes = (uint32_t)origin.n;
    memcpy(r->origin, origin.p, origin.n);
    front_host_configure(f, *host_id, origin);
    return 0;
}

/* 0 in *host_id: not known, and not to be made. */
int
front_host_of(struct front *f, const struct url *u, bool make, uint32_t *host_id)
{
    struct slice origin;
    uint64_t fp;

    *host_id = 0;
    if (!u->has_host)
        return 0;
    origin = url_origin(u, &f->origin);
    if (origin.n == 0)
        return ORB_ENOMEM;
    fp = fingerprint(&f->key, origin);
    *host_id = hosts_find(f->hosts, fp);
    return *host_id != 0 || !make ? 0 : host_make(f, fp, origin, host_id);
}

static void
put_chunk(struct front *f, const struct hostq_spill *spill)
{
    struct rec_chunk *r = journal_put(f->journal, REC_CHUNK, sizeof *r + spill->n * 5);

    *r = (struct rec_chunk){ spill->chunk_id, spill->next, spill->link_from, spill->n };
    for (unsigned i = 0; i < spill->n; i++)
        for (unsigned k = 0; k < 5; k++)
            r->ids[i * 5 + k] = (uint8_t)(spill->url_ids[i] >> (8 * k));
}

/* Windows that are full become chunks; room in the journal first, for what leaves RAM has to arrive somewhere. */
void
front_spill(struct front *f, uint32_t host_id)
{
    struct hostq_spill spill;

    if (f->journal == NULL) {
        front_spill_directly(f, host_id);
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (journal_reserve(f->journal, sizeof(struct rec_chunk) + HOSTQ_WINDOW * 5, 1) != 0)
            return;
        if (!hostq_spill(f->hosts, host_id, f->last_chunk_id + 1, &spill))
            return;
        f->last_chunk_id++;
        put_chunk(f, &spill);
    }
}

/* Back into its host's queue; when even that has no memory the id lives on in the journal only, until the next start. */
void
front_requeue(struct front *f, uint32_t host_id, uint64_t url_id, bool at_front)
{
    struct host *h = hosts_get(f->hosts, host_id);
    int err = at_front ? hostq_push_front(f->hosts, h, url_id) : hostq_push(f->hosts, h, url_id);

    if (err != 0) {
        f->is_derailed = true;
        if (f->conf.on_trouble != NULL)
            f->conf.on_trouble(f->conf.arg, ORB_ENOMEM, "no memory for a queue: stop and start again, nothing is lost");
        return;
    }
    front_spill(f, host_id);
}

/* --- admission -------------------------------------------------------------------------------------------------------------- */

struct admission {
    const struct front_link *link;
    uint64_t fingerprints[3]; /* text, key, seed */
    unsigned n_fingerprints;
    uint32_t host_id;
    enum outcome outcome; /* OUTCOME_OK or why it is excluded */
};

static int
decide(struct front *f, struct admission *a)
{
    int err;

    a->outcome = a->link->refused != OUTCOME_NONE ? a->link->refused
               : f->conf.judge != NULL            ? f->conf.judge(f->conf.arg, &f->url, a->link)
                                                  : OUTCOME_OK;
    if (a->outcome == OUTCOME_OK && !url_is_http(&f->url))
        a->outcome = OUTCOME_SCHEME_BLOCKED;
    err = front_host_of(f, &f->url, a->outcome == OUTCOME_OK, &a->host_id);
    if (err == 0 && a->outcome == OUTCOME_OK) {
        const struct host *h = hosts_get(f->hosts, a->host_id);
        /* a redirect takes the place of its source, and --max-redirects bounds the chain */
        if (h->max_urls != 0 && h->n_admitted >= h->max_urls && a->link->kind != LINK_REDIRECT)
            a->outcome = OUTCOME_HOST_FULL;
    }
    if (err == 0 && a->outcome == OUTCOME_OK && a->link->is_seed) /* it is known as one from now on */
        err = front_seed_mark(f, &a->fingerprints[a->n_fingerprints++]);
    return err;
}

static int
reserve(struct front *f, const struct admission *a)
{
    int err = journal_reserve(f->journal, sizeof(struct rec_url) + a->link->url.n, 1);

    if (err == 0 && a->outcome == OUTCOME_OK)
        err = hostq_reserve(f->hosts);
    return err == 0 ? front_seen_reserve(f, a->fingerprints, a->n_fingerprints) : err;
}

static void
put_url(struct front *f, const struct admission *a)
{
    const struct front_link *link = a->link;
    struct rec_url *r = journal_put(f->journal, REC_URL, sizeof *r + link->url.n);
    bool is_in = a->outcome == OUTCOME_OK;

    *r = (struct rec_url){
        .url_id = ++f->last_url_id,
        .via = link->via_url_id,
        .ended_at_ms = is_in ? 0 : front_ended_ms(f),
        .host_id = a->host_id,
        .n_bytes = (uint32_t)link->url.n,
        .depth = link->depth,
        .hops = link->redirect_hops,
        .kind = link->kind,
        .flags = (uint8_t)((link->is_sitemap ? URLDB_SITEMAP : 0) | (link->is_seed ? URLDB_SEED : 0)),
        .state = is_in ? URLDB_READY : URLDB_EXCLUDED,
        .outcome = is_in ? OUTCOME_NONE : (uint8_t)a->outcome,
    };
    memcpy(r->url, link->url.p, link->url.n);
    front_count_add(&f->counts, r->state, r->outcome);
}

static void
put_dropped(struct front *f, enum outcome outcome)
{
    *(uint32_t *)journal_put(f->journal, REC_DROPPED, sizeof(uint32_t)) = outcome;
    f->counts.dropped[outcome]++;
    f->counts.n_dropped++;
    f->counts.by_outcome[URLDB_EXCLUDED][outcome]++;
}

/* Nothing here can fail. */
static enum front_verdict
admit(struct front *f, const struct admission *a)
{
    for (unsigned i = 0; i < a->n_fingerprints; i++)
        front_seen_add(f, a->fingerprints[i]);
    if (a->outcome != OUTCOME_OK) {
        if (f->counts.state[URLDB_EXCLUDED] >= f->conf.keep_excluded)
            put_dropped(f, a->outcome);
        else
            put_url(f, a);
        return FRONT_EXCLUDED;
    }
    put_url(f, a);
    hosts_get(f->hosts, a->host_id)->n_admitted++;
    front_requeue(f, a->host_id, f->last_url_id, false);
    frontier_wake(f->frontier, a->host_id, f->now_ms);
    return FRONT_NEW;
}

static enum front_verdict
failed(struct front *f, int err)
{
    f->report_err = err;
    return FRONT_ERROR;
}

/* Links are many, seeds are few: only those are looked at more closely. */
static enum front_verdict
seen(struct front *f, const struct front_link *link)
{
    int err = ORB_EEXIST;

    f->n_seen++;
    if (link->is_seed && link->refused == OUTCOME_NONE) {
        err = url_parse_canonical(&f->url, link->url);
        if (err == 0)
            err = url_key(&f->url_key, &f->url, f->conf.key_rules);
        if (err == 0)
            err = front_again_offer(f, link);
    }
    return err == 0 ? FRONT_AGAIN : err == ORB_ENOMEM ? failed(f, err) : FRONT_SEEN;
}

int
front_admit(struct front *f, const struct front_link *link)
{
    struct admission a = { .link = link };
    int err = url_parse_canonical(&f->url, link->url);

    if (err == 0)
        err = front_fingerprints(f, &f->url, link->url, a.fingerprints, &a.n_fingerprints);
    if (err == 0)
        err = decide(f, &a);
    if (err == 0)
        err = reserve(f, &a);
    if (err != 0)
        return err == ORB_ENOMEM ? err : 0;
    if (a.outcome == OUTCOME_OK)
        (void)admit(f, &a);
    return 0;
}

void
front_foresee(const struct front *f, struct front_link *link)
{
    CHECK_IS(f, FRONT_MAGIC);
    link->fingerprint = fingerprint(&f->key, link->url);
    seen_prefetch(f->seen, link->fingerprint);
}

enum front_verdict
front_offer(struct front *f, const struct front_link *link)
{
    struct admission a = { .link = link };
    enum front_verdict verdict;
    uint64_t first;
    int err;

    CHECK_IS(f, FRONT_MAGIC);
    CHECK(f->in_report);
    f->n_offered++;
    first = link->fingerprint != 0 ? link->fingerprint : fingerprint(&f->key, link->url);
    if (front_seen_has(f, first))
        return seen(f, link);
    err = url_parse_canonical(&f->url, link->url);
    if (err == 0)
        err = front_fingerprints(f, &f->url, link->url, a.fingerprints, &a.n_fingerprints);
    if (err != 0)
        return err == ORB_ENOMEM ? failed(f, err) : FRONT_NOT_CANONICAL;
    if (a.n_fingerprints == 2 && front_seen_has(f, a.fingerprints[1])) { /* another spelling of a page that we know */
        if (front_seen_reserve(f, a.fingerprints, 1) == 0)
            front_seen_add(f, a.fingerprints[0]);
        return seen(f, link);
    }
    err = decide(f, &a);
    if (err == 0)
        err = reserve(f, &a);
    if (err != 0)
        return failed(f, err);
    verdict = admit(f, &a);
    front_drop_cold(f);
    if (f->delta->n >= f->delta_max)
        (void)!front_seen_flush(f); /* no memory: at the next one */
    return verdict;
}
