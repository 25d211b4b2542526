/* front_report.c - what a worker reports: outcomes of URLs, news of hosts; one transaction with the links (3)
 *
 * Links are admitted as they come; results and news are kept until front_report_end(), so that an aborted report leaves
 * nothing but links that were found. Those are as good as any: the page is fetched again and they are seen then.
 */
#include "cluster/front_internal.h"

struct kept_news { /* its bytes follow: addresses, robots_body, cookies, robots_url */
    struct front_host_news news;
    size_t n_bytes;
};

int
front_report_begin(struct front *f, uint64_t lease_id, uint32_t epoch)
{
    struct lease *l = NULL;
    int err;

    CHECK_IS(f, FRONT_MAGIC);
    CHECK(!f->in_report);
    if (lease_id != 0) {
        l = map_get(&f->leases, lease_id);
        if (l == NULL || l->epoch != epoch || l->is_dead) /* (5) */
            return ORB_ENOTFOUND;
    }
    err = journal_reserve(f->journal, 0, 2);
    if (err != 0)
        return err;
    if (l != NULL) /* seeds may be millions: they need not be one transaction */
        journal_put(f->journal, JOURNAL_BEGIN, 0);
    f->in_report = true;
    f->report_lease = l;
    f->report_err = 0;
    buf_clear(&f->results);
    buf_clear(&f->news);
    return 0;
}

static int
end_bracket(struct front *f)
{
    int err = 0;

    if (f->report_lease != NULL) {
        err = journal_reserve(f->journal, 0, 1);
        if (err == 0) /* else the next report's end closes this one too: later, and still whole */
            journal_put(f->journal, JOURNAL_END, 0);
    }
    journal_publish(f->journal);
    f->in_report = false;
    return err;
}

static unsigned
find_url(const struct lease *l, uint64_t url_id)
{
    for (unsigned i = 0; i < l->n_urls; i++)
        if (l->urls[i].url_id == url_id)
            return i;
    return UINT32_MAX;
}

bool
front_report_holds(const struct front *f, uint64_t url_id, bool *is_seed)
{
    unsigned i = f->report_lease == NULL ? UINT32_MAX : find_url(f->report_lease, url_id);

    CHECK(f->in_report);
    *is_seed = i != UINT32_MAX && (f->report_lease->urls[i].flags & URLDB_SEED) != 0;
    return i != UINT32_MAX;
}

static bool
is_reported(const struct front *f, uint64_t url_id)
{
    for (size_t at = 0; at < f->results.n; at += sizeof(struct front_result)) {
        struct front_result r;

        memcpy(&r, f->results.p + at, sizeof r);
        if (r.url_id == url_id)
            return true;
    }
    return false;
}

int
front_result(struct front *f, const struct front_result *result)
{
    CHECK(f->in_report);
    if (f->report_lease == NULL || (unsigned)result->outcome >= OUTCOME_N || result->outcome == OUTCOME_NONE
        || find_url(f->report_lease, result->url_id) == UINT32_MAX || is_reported(f, result->url_id))
        return ORB_ENOTFOUND; /* (5) */
    return buf_append(&f->results, result, sizeof *result);
}

static unsigned
find_host(const struct lease *l, uint64_t host_id)
{
    for (unsigned i = 0; i < l->n_hosts; i++)
        if (l->hosts[i].host_id == host_id)
            return i;
    return UINT32_MAX;
}

/* A redirect of robots.txt is a request that we will make: an http URL, as written down by url_href(). */
static bool
is_good_redirect(struct front *f, const struct front_host_news *news)
{
    return news->robots_url.n <= FRONT_ROBOTS_URL_BYTES && news->robots_hops >= 1 && news->robots_hops <= FRONT_ROBOTS_HOPS
           && url_parse_canonical(&f->url, news->robots_url) == 0 && url_is_http(&f->url);
}

int
front_host_news(struct front *f, const struct front_host_news *news)
{
    struct kept_news kept = { *news, news->addresses.n + news->robots_body.n + news->cookies.n + news->robots_url.n };
    size_t n = f->news.n;
    int err;

    CHECK(f->in_report);
    if (f->report_lease == NULL || find_host(f->report_lease, news->host_id) == UINT32_MAX)
        return ORB_ENOTFOUND;
    if (news->robots_url.n > 0 && !is_good_redirect(f, news))
        return ORB_ENOTFOUND;
    err = buf_append(&f->news, &kept, sizeof kept);
    if (err == 0)
        err = buf_append_slice(&f->news, news->addresses);
    if (err == 0)
        err = buf_append_slice(&f->news, news->robots_body);
    if (err == 0)
        err = buf_append_slice(&f->news, news->cookies);
    if (err == 0)
        err = buf_append_slice(&f->news, news->robots_url);
    if (err != 0) {
        buf_truncate(&f->news, n);
        f->report_err = err;
    }
    return err;
}

/* --- results ---------------------------------------------------------------------------------------------------------------- */

int
front_put_end(struct front *f, uint64_t url_id, unsigned from_state, unsigned from_outcome, const struct urldb_end *end)
{
    int err = journal_reserve(f->journal, sizeof *end, 1);

    if (err != 0)
        return err;
    memcpy(journal_put(f->journal, REC_END, sizeof *end), end, sizeof *end);
    front_count_move(&f->counts, from_state, from_outcome, end->state, end->outcome);
    return 0;
}

uint64_t
front_backoff_ms(const struct front *f, unsigned n_fails)
{
    uint64_t wait = f->conf.retry_first_ms;

    while (n_fails-- > 1 && wait < f->conf.retry_max_ms)
        wait *= 2;
    return ORB_MIN(wait, (uint64_t)f->conf.retry_max_ms);
}

void
front_wake(struct front *f, uint32_t host_id)
{
    frontier_wake(f->frontier, host_id, f->now_ms);
}

/* Waits for its time in the heap; when that is full, at the end of its host's queue, where its row says so. */
void
front_pend_retry(struct front *f, uint32_t host_id, uint64_t url_id, uint64_t retry_at_ms)
{
    uint64_t wait = retry_at_ms > f->wall_ms ? retry_at_ms - f->wall_ms : 0;

    if (frontier_has_retry_room(f->frontier)
        && frontier_retry_at(f->frontier, host_id, url_id, f->now_ms + wait) == 0)
        return;
    front_requeue(f, host_id, url_id, false);
}

static bool
is_host_failure(enum outcome o)
{
    return o == OUTCOME_CONNECT_FAILED || o == OUTCOME_CONNECT_TIMEOUT || o == OUTCOME_DNS_TIMEOUT
           || o == OUTCOME_DNS_FAILED || o == OUTCOME_TLS_FAILED;
}

static void
host_clock(struct front *f, struct lease *l, struct lease_host *lh, const struct front_result *r)
{
    struct host *h = hosts_get(f->hosts, lh->host_id);
    uint64_t ended = f->now_ms - ORB_MIN((uint64_t)r->request_end_ago_ms, f->now_ms);

    if (r->outcome == OUTCOME_NOT_STARTED)
        return;
    lh->last_end_ms = ORB_MAX(lh->last_end_ms, ended);
    l->ip_last_end_ms = ORB_MAX(l->ip_last_end_ms, ended);
    if (is_host_failure(r->outcome)) {
        h->n_fails = (uint8_t)ORB_MIN(h->n_fails + 1, 255);
        lh->not_before_ms = ORB_MAX(lh->not_before_ms, f->now_ms + front_backoff_ms(f, h->n_fails));
    } else {
        h->n_fails = 0;
    }
    if (r->retry_after_ms != 0) /* 429, 503: it speaks for the whole host; an absurd one only for its URL */
        lh->not_before_ms = ORB_MAX(lh->not_before_ms, f->now_ms + (r->retry_after_ms < FRONT_RETRY_AFTER_MS
                                                                        ? r->retry_after_ms : front_backoff_ms(f, 1)));
}

static void
judge_result(const struct front *f, const struct leased_url *u, const struct front_result *r, struct urldb_end *end)
{
    uint64_t wait = r->retry_after_ms != 0 ? r->retry_after_ms : front_backoff_ms(f, u->attempts + 1);
    bool is_over = u->attempts + 1u >= f->conf.max_attempts || r->retry_after_ms >= FRONT_RETRY_AFTER_MS;

    *end = (struct urldb_end){
        .url_id = u->url_id, .outcome = r->outcome, .status = r->status, .attempts = u->attempts + 1,
        .flags = u->flags & ~(uint32_t)(URLDB_SUSPECT | URLDB_DEATHS_MASK),
    };
    switch (outcome_class(r->outcome)) {
    case OUTCOME_DONE: end->state = URLDB_DONE; break;
    case OUTCOME_FAILED: end->state = URLDB_FAILED; break;
    case OUTCOME_EXCLUDED: end->state = URLDB_EXCLUDED; break;
    case OUTCOME_PARKED: end->state = URLDB_QUARANTINED; break;
    case OUTCOME_RETRY:
        end->state = is_over ? URLDB_FAILED : URLDB_WAITING;
        end->retry_at_ms = end->state == URLDB_WAITING ? f->wall_ms + wait : 0;
        break;
    }
}

static int
apply_result(struct front *f, struct lease *l, const struct front_result *r)
{
    unsigned i = find_url(l, r->url_id);
    struct leased_url u = l->urls[i];
    uint32_t host_id = l->hosts[u.host].host_id;
    struct urldb_end end;
    struct suspect *s;
    int err;

    host_clock(f, l, &l->hosts[u.host], r);
    s = map_remove(&f->suspects, u.url_id); /* it came back alive */
    mem_free(MEM_HOST, s);
    if (r->outcome == OUTCOME_NOT_STARTED) {
        front_lease_remove_url(f, l, i);
        front_requeue(f, host_id, u.url_id, true);
        return 0;
    }
    judge_result(f, &u, r, &end);
    end.ended_at_ms = front_ended_ms(f);
    err = front_put_end(f, u.url_id, u.state, OUTCOME_NONE, &end);
    if (err != 0)
        return err; /* it stays leased: its worker's end gives it back */
    front_lease_remove_url(f, l, i);
    if (end.state == URLDB_WAITING)
        front_pend_retry(f, host_id, u.url_id, end.retry_at_ms);
    return 0;
}

/* --- news of hosts ---------------------------------------------------------------------------------------------------------- */

/* The least of its addresses: stable however the name server turns them. */
static uint64_t
address_key(const struct front *f, struct slice addresses)
{
    struct slice least = SLICE_NONE;

    for (size_t from = 0; from < addresses.n;) {
        const char *comma = memchr(addresses.p + from, ',', addresses.n - from);
        size_t to = comma == NULL ? addresses.n : (size_t)(comma - addresses.p);
        struct slice one = slice_trim(slice_sub(addresses, from, to - from));
        int order = least.n == 0 ? -1 : memcmp(one.p, least.p, ORB_MIN(one.n, least.n));

        if (one.n > 0 && (order < 0 || (order == 0 && one.n < least.n)))
            least = one;
        from = to + 1;
    }
    return least.n == 0 ? 0 : fingerprint(&f->key, least);
}

int
front_host_join(struct front *f, uint32_t host_id, struct slice addresses)
{
    return frontier_join(f->frontier, host_id, address_key(f, addresses));
}

static void
robots_failed(struct front *f, struct lease_host *lh, struct host *h, enum outcome why)
{
    enum outcome_class class = outcome_class(why);

    h->n_fails = (uint8_t)ORB_MIN(h->n_fails + 1, 255);
    if (class == OUTCOME_RETRY && h->n_fails < f->conf.max_attempts) {
        lh->not_before_ms = ORB_MAX(lh->not_before_ms, f->now_ms + front_backoff_ms(f, h->n_fails));
        return;
    }
    h->doom = (uint8_t)(why == OUTCOME_SERVER_ERROR || why == OUTCOME_RETRY_LATER ? OUTCOME_ROBOTS_UNREACHABLE : why);
    lh->not_before_ms = ORB_MAX(lh->not_before_ms, f->now_ms + FRONT_DOOM_MS);
}

void
front_host_delay(struct front *f, struct host *h, uint32_t crawl_delay_ms)
{
    uint32_t most = ORB_MAX(f->conf.max_delay_ms, h->delay_ms);

    if (crawl_delay_ms != UINT32_MAX)
        h->delay_ms = ORB_MAX(h->delay_ms, ORB_MIN(crawl_delay_ms, most));
}

/* What changes in RAM, and which columns. */
static unsigned
news_fields(struct front *f, struct lease_host *lh, const struct front_host_news *n, struct urldb_host *row)
{
    struct host *h = hosts_get(f->hosts, lh->host_id);
    unsigned fields = URLDB_HOST_FAILS;
    uint64_t wall_s = f->wall_ms / 1000;

    if (n->addresses.n > 0) {
        row->addresses_until_s = wall_s + ORB_MIN(n->addresses_ttl_s, FRONT_ROBOTS_TTL_S);
        fields |= URLDB_HOST_ADDRESSES;
    }
    if (n->has_cookies)
        fields |= URLDB_HOST_COOKIES;
    if (n->has_robots && n->robots_outcome != OUTCOME_NONE && n->robots_outcome != OUTCOME_OK) {
        robots_failed(f, lh, h, n->robots_outcome);
    } else if (n->has_robots) {
        row->robots_status = (uint32_t)n->robots_status;
        row->robots_until_s = wall_s + ORB_MAX(ORB_MIN(n->robots_ttl_s, FRONT_ROBOTS_TTL_S), 60u);
        row->crawl_delay_ms = n->crawl_delay_ms;
        h->robots_until_s = (uint32_t)ORB_MIN(row->robots_until_s, (uint64_t)UINT32_MAX);
        h->n_fails = 0;
        h->doom = 0;
        front_host_delay(f, h, n->crawl_delay_ms);
        fields |= URLDB_HOST_ROBOTS;
    } else if (n->robots_outcome != OUTCOME_NONE && n->robots_outcome != OUTCOME_OK
               && n->robots_outcome != OUTCOME_NOT_STARTED) {
        robots_failed(f, lh, h, n->robots_outcome);
    } else if (fields == URLDB_HOST_FAILS) {
        return 0;
    }
    row->fails = h->n_fails;
    row->retry_at_ms = lh->not_before_ms > f->now_ms ? f->wall_ms + (lh->not_before_ms - f->now_ms) : 0;
    return fields;
}

static char *
put_text(char *at, struct slice text)
{
    if (text.n > 0)
        memcpy(at, text.p, text.n);
    return at + text.n;
}

static int
put_news(struct front *f, struct lease_host *lh, const struct front_host_news *n)
{
    struct urldb_host row = { .host_id = lh->host_id };
    size_t n_bytes = n->addresses.n + n->robots_body.n + n->cookies.n;
    struct rec_news *r;
    unsigned fields;
    char *at;
    int err = journal_reserve(f->journal, sizeof *r + n_bytes, 1);

    if (err != 0)
        return err;
    fields = news_fields(f, lh, n, &row);
    if (fields == 0)
        return 0;
    r = journal_put(f->journal, REC_NEWS, sizeof *r + n_bytes);
    r->host = row;
    r->fields = fields;
    r->n_addresses = (uint32_t)n->addresses.n;
    r->n_robots = (uint32_t)n->robots_body.n;
    r->n_cookies = (uint32_t)n->cookies.n;
    at = put_text(r->bytes, n->addresses);
    at = put_text(at, n->robots_body);
    (void)put_text(at, n->cookies);
    return 0;
}

int
front_robots_news(struct front *f, const struct front_host_news *news)
{
    struct lease_host alone = { .host_id = (uint32_t)news->host_id };
    struct host *h = hosts_get(f->hosts, alone.host_id);
    int err = put_news(f, &alone, news);

    h->next_at_ms = ORB_MAX(h->next_at_ms, alone.not_before_ms);
    return err;
}

static void
forget_robots(struct front_host_news *n)
{
    n->has_robots = false;
    n->robots_outcome = OUTCOME_NONE;
    n->robots_body = SLICE_NONE;
}

/* robots.txt was a request too. */
static void
note_request(struct front *f, struct lease *l, struct lease_host *lh)
{
    lh->last_end_ms = l->ip_last_end_ms = f->now_ms;
}

/* What an errand's host says of robots.txt is not about itself, nor is a redirect any robots.txt yet. NOT_STARTED: it was
 * handed back between two redirects. */
static int
apply_news(struct front *f, struct lease *l, struct front_host_news *n)
{
    struct lease_host *lh = &l->hosts[find_host(l, n->host_id)];
    bool was_asked = lh->needs_robots && n->has_robots && n->robots_outcome == OUTCOME_NOT_STARTED;
    bool is_awaited = lh->needs_robots && n->robots_outcome != OUTCOME_NOT_STARTED
                      && (n->has_robots || n->robots_outcome != OUTCOME_NONE);
    int err = 0;

    if (n->addresses.n > 0)
        err = front_host_join(f, lh->host_id, n->addresses);
    if (err == 0 && (lh->is_apart || n->robots_url.n > 0)) {
        err = is_awaited ? front_errand_news(f, lh, n) : 0;
        lh->is_apart |= is_awaited;
        forget_robots(n);
    }
    if (was_asked) /* no failure either */
        forget_robots(n);
    if (err == 0)
        err = put_news(f, lh, n);
    if (err == 0 && is_awaited)
        lh->needs_robots = false;
    if (err == 0 && (is_awaited || was_asked))
        note_request(f, l, lh);
    return err;
}

/* Its texts, where they are kept. */
static void
find_texts(struct front_host_news *n, const char *bytes)
{
    n->addresses = slice_of(bytes, n->addresses.n);
    n->robots_body = slice_of(bytes + n->addresses.n, n->robots_body.n);
    n->cookies = slice_of(n->robots_body.p + n->robots_body.n, n->cookies.n);
    n->robots_url = slice_of(n->cookies.p + n->cookies.n, n->robots_url.n);
}

/* --- the end of a report ---------------------------------------------------------------------------------------------------- */

static int
apply_kept(struct front *f, struct lease *l)
{
    int err = 0;

    for (size_t at = 0; at < f->news.n && err == 0;) {
        struct kept_news kept;

        memcpy(&kept, f->news.p + at, sizeof kept);
        find_texts(&kept.news, f->news.p + at + sizeof kept);
        err = apply_news(f, l, &kept.news);
        at += sizeof kept + kept.n_bytes;
    }
    for (size_t at = 0; at < f->results.n && err == 0; at += sizeof(struct front_result)) {
        struct front_result r;

        memcpy(&r, f->results.p + at, sizeof r);
        err = apply_result(f, l, &r);
    }
    return err;
}

int
front_report_end(struct front *f, uint64_t now_ms, uint64_t wall_ms)
{
    struct lease *l = f->report_lease;
    int err = f->report_err, end_err;

    CHECK_IS(f, FRONT_MAGIC);
    CHECK(f->in_report);
    f->now_ms = ORB_MAX(f->now_ms, now_ms);
    f->wall_ms = wall_ms;
    if (l != NULL && err == 0)
        err = apply_kept(f, l);
    end_err = end_bracket(f);
    f->report_lease = NULL;
    if (l != NULL)
        front_lease_settle(f, l);
    return err != 0 ? err : end_err;
}

void
front_report_abort(struct front *f)
{
    CHECK_IS(f, FRONT_MAGIC);
    if (!f->in_report)
        return;
    (void)!end_bracket(f);
    f->report_lease = NULL;
}
