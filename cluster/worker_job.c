/* worker_job.c - one URL from its request to its committed row
 *
 *   job_start              fetch done           store_put            store_flush (200 rows or 50 ms)
 *   --------> FETCHING ----------------> STORING --------> COMMITTING -------------------------------> reported, freed
 *                                          |  ^ rows full, disk full: later
 *                                          +--+
 *   FETCHING    the mux owns the transfer.
 *   STORING     the page is here; its links are parsed and its record is being handed over. Usually passed at once.
 *   COMMITTING  WARC bytes are written, the row waits in a batch (1); nothing is reported before its commit (2).
 */
#include "cluster/worker_internal.h"

#include "cluster/log.h"
#include "crawler/sitemap.h"
#include "gc/trace.h"

#include <stdio.h>

#define SITEMAP_MAX_NESTING 2 /* index -> index -> sitemap */

void
job_free(struct job *j)
{
    struct object *o = &j->object;

    CHECK(j->fetch == NULL);
    list_remove(&j->node);
    object_unref(&o);
}

static struct job *
job_new(struct whost *h, struct wurl *u)
{
    struct job *j = OBJECT_NEW(&job_type);

    if (j == NULL)
        return NULL;
    j->worker = h->lease->worker;
    j->lease = h->lease;
    j->host = h;
    object_ref(&h->object);
    j->url = u;
    list_init(&j->node);
    url_init(&j->parsed_url, MEM_PAGE);
    buf_init(&j->frames, MEM_LOG, WIRE_MAX_REPORT_BYTES); /* a message: no limit of pages may lose it */
    return j;
}

/* The job's answer is in, or will never come: it waits for the next commit with the others. */
static void
job_await_commit(struct job *j)
{
    struct worker *w = j->worker;

    list_remove(&j->node);
    list_push_back(&w->committing, &j->node);
    if (w->n_committing++ == 0)
        w->committing_since_ms = worker_now_ms(w);
    w->stats.outcomes[j->outcome]++;
    host_note_error(j->host, j->url->url, j->outcome, j->status, j->error, worker_wall_ms(w));
}

void
job_finish_unasked(struct whost *h, struct wurl *u, enum outcome outcome)
{
    struct worker *w = h->lease->worker;
    struct job *j = job_new(h, u);

    if (j == NULL)
        worker_die(w, "no memory for a job", ORB_ENOMEM);
    j->outcome = outcome;
    j->lease->n_unreported++;
    job_await_commit(j);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static void on_page(void *arg, struct page *page);

static void
request_make(struct job *j, struct fetch_request *r, struct pagedb_validators *known, struct buf *cookie)
{
    struct worker *w = j->worker;
    struct whost *h = j->host;

    *r = (struct fetch_request){
        .id = j->url->url_id,
        .url = &j->parsed_url,
        .addresses = &h->addresses,
        .accept_types = slice_str(w->conf.accept_types),
        .authorization = slice_str(h->authorization),
        .owner = &j->object,
    };
    if (h->cookies != NULL && cookies_header(h->cookies, &j->parsed_url, worker_wall_ms(w) / 1000, cookie) == 0)
        r->cookie = buf_slice(cookie);
    if (j->url->is_again && store_lookup(w->store, j->url->url_id, known) == 0) {
        r->etag = slice_str(known->etag);
        r->last_modified = slice_str(known->last_modified);
    }
}

/* Starts the transfer of a job whose URL parsed and is allowed. */
static int
job_ask(struct job *j)
{
    struct worker *w = j->worker;
    struct fetch_request request;
    struct pagedb_validators known;
    struct buf cookie;
    int err;

    buf_init(&cookie, MEM_PAGE, 64 * 1024);
    request_make(j, &request, &known, &cookie);
    err = fetch_start(w->mux, &request, on_page, j, &j->fetch);
    buf_fini(&cookie);
    return err;
}

/* May it be asked at all? robots.txt of the host is known by now. */
static bool
is_allowed(const struct job *j)
{
    return robots_allows(j->host->robots, url_path_query(&j->parsed_url));
}

bool
job_start(struct whost *h, struct wurl *u)
{
    struct worker *w = h->lease->worker;
    struct job *j = job_new(h, u);
    int err;

    if (j == NULL)
        return false;
    err = url_parse(&j->parsed_url, slice_str(u->url), NULL);
    if (err == ORB_ENOMEM)
        goto later;
    if (err != 0) { /* the door took it: it cannot be; waiting with it for ever would be worse than saying so */
        j->outcome = OUTCOME_NOT_A_URL;
        j->lease->n_unreported++;
        job_await_commit(j);
        return true;
    }
    if (!is_allowed(j)) {
        j->outcome = OUTCOME_ROBOTS_DENIED;
        j->lease->n_unreported++;
        job_await_commit(j);
        return true;
    }
    if (job_ask(j) != 0)
        goto later;
    j->started_ms = worker_now_ms(w);
    pace_on_start(h, j->started_ms);
    list_push_back(&w->fetching, &j->node);
    w->n_fetching++;
    w->stats.n_requests++;
    j->lease->n_unreported++;
    return true;
later:
    j->url = NULL; /* stays with the lease: another try later */
    job_free(j);
    return false;
}

/* ---- the answer ------------------------------------------------------------------------------------------------- */

/* A link without its user:password@, if it has any: no credentials are asked with, stored or logged. */
static struct slice
without_userinfo(struct arena *arena, struct slice href)
{
    struct slice bare = href;
    struct url u;

    if (memchr(href.p, '@', href.n) == NULL)
        return href;
    url_init(&u, MEM_PAGE);
    if (url_parse(&u, href, NULL) == 0 && url_is_http(&u)) {
        char *copy;
        url_drop_userinfo(&u);
        copy = arena_dup(arena, url_href(&u));
        bare = copy == NULL ? SLICE_NONE : slice_of(copy, url_href(&u).n);
    }
    url_fini(&u);
    return bare;
}

static int
links_of_parsed(struct job *j, struct record *r)
{
    struct worker *w = j->worker;
    struct parsed *p = &w->parsed;
    struct record_link *links = arena_alloc(&p->arena, (p->n_links + 1) * sizeof *links);
    unsigned obeyed = policy_obeyed(j);
    uint8_t all_flags = (policy_said(j) & PARSE_NOFOLLOW) != 0 ? LINK_NOFOLLOW : 0;

    if (links == NULL)
        return ORB_ENOMEM;
    for (size_t i = 0; i < p->n_links; i++)
        links[i] = (struct record_link){
            .url = without_userinfo(&p->arena, p->links[i].url),
            .kind = p->links[i].kind,
            .flags = p->links[i].flags | all_flags,
            .not_followed = policy_not_followed(j, &p->links[i], obeyed),
        };
    r->links = links;
    r->n_links = p->n_links;
    return 0;
}

/* Into w->parsed. */
static int
parse_body(struct job *j)
{
    struct worker *w = j->worker;
    struct page *page = j->page;
    struct parse_input in = {
        .url = &j->parsed_url,
        .content_type = page->content_type,
        .x_robots_tag = page->x_robots_tag,
        .content_language = page->content_language,
        .link_header = page->link,
        .user_agent = slice_str(w->conf.user_agent),
        .body = page->body,
        .want_assets = w->conf.follow_assets,
    };

    if (j->known != NULL)
        return parse_again(&w->parsed, &in, j->known);
    return cache_parse(w->cache, &w->parsed, &in, &j->known);
}

static int
parse_html(struct job *j, struct record *r)
{
    struct worker *w = j->worker;
    int err = parse_body(j);

    if (err != 0)
        return err;
    r->title = w->parsed.title;
    r->description = w->parsed.description;
    r->language = w->parsed.language;
    r->charset = slice_str(w->parsed.charset);
    r->simhash = w->parsed.simhash;
    return links_of_parsed(j, r);
}

static int
parse_sitemap(struct job *j, struct record *r)
{
    struct parsed *p = &j->worker->parsed;
    struct record_link *links;
    struct sitemap s;
    /* sitemaps.org: an index lists sitemaps, no indexes; one level more is found in the wild, an endless one is a trap */
    bool is_nested_too_deep = j->url->redirect_hops >= SITEMAP_MAX_NESTING;
    int err;

    sitemap_init(&s);
    err = sitemap_parse(&s, &j->parsed_url, j->page->content_type, j->page->body);
    if (err != 0)
        goto done;
    if (s.is_cut && s.n_entries == 0)
        j->outcome = OUTCOME_DECODED_TOO_LARGE;
    err = ORB_ENOMEM;
    links = arena_alloc(&p->arena, (s.n_entries + 1) * sizeof *links);
    if (links == NULL)
        goto done;
    for (size_t i = 0; i < s.n_entries; i++) {
        char *copy = arena_dup(&p->arena, s.entries[i].loc);
        if (copy == NULL)
            goto done;
        links[i] = (struct record_link){
            .url = slice_of(copy, s.entries[i].loc.n),
            .kind = s.entries[i].is_sitemap ? LINK_SITEMAP : LINK_SITEMAP_URL,
            .not_followed = s.entries[i].is_sitemap && is_nested_too_deep ? RECORD_LINK_POLICY : 0,
        };
    }
    r->links = links;
    r->n_links = s.n_entries;
    err = 0;
done:
    sitemap_fini(&s);
    return err;
}

/* Where the redirect leads, or OUTCOME_REDIRECT_LOOP and the like. */
static enum outcome
redirect_target(struct job *j, struct url *target)
{
    if (url_parse(target, j->page->location, &j->parsed_url) != 0 || !url_is_http(target))
        return OUTCOME_BAD_REDIRECT;
    url_drop_fragment(target);
    url_drop_userinfo(target); /* nobody's password is asked with, stored, logged */
    if (slice_eq(url_href(target), slice_str(j->url->url)))
        return OUTCOME_REDIRECT_LOOP;
    if (j->url->redirect_hops >= j->worker->conf.max_redirects)
        return OUTCOME_TOO_MANY_REDIRECTS;
    return OUTCOME_REDIRECT;
}

/* A redirect carries one link, with its hop count. */
static void
read_redirect(struct job *j, struct record *r)
{
    struct arena *arena = &j->worker->parsed.arena;
    struct url target;

    url_init(&target, MEM_PAGE);
    j->outcome = redirect_target(j, &target);
    if (j->outcome == OUTCOME_REDIRECT) {
        struct record_link *link = arena_zalloc(arena, sizeof *link);
        char *copy = arena_dup(arena, url_href(&target));

        if (link != NULL && copy != NULL) {
            link->url = slice_of(copy, url_href(&target).n);
            link->kind = LINK_REDIRECT;
            r->redirect_to = link->url;
            r->links = link;
            r->n_links = 1;
        } else {
            j->outcome = OUTCOME_TOO_MUCH_MEMORY;
        }
    }
    url_fini(&target);
}

/* A sitemap is a URL that robots.txt or another sitemap named, or a seed that looks like one. */
static bool
is_sitemap(const struct job *j)
{
    struct slice body = j->page->body, path = url_path(&j->parsed_url);

    if (j->url->is_sitemap || !j->url->is_seed)
        return j->url->is_sitemap;
    return sitemap_sniff(body)
           || (slice_ends_with(path, SLICE_LITERAL(".xml.gz")) && slice_starts_with(body, SLICE_LITERAL("\x1f\x8b")));
}

/* What the worker is at, for those who look at its stats page or its memory. */
static void
job_at(const struct job *j, enum worker_op op)
{
    bool is_idle = op == OP_IDLE;

    stats_set_op(j->worker->stats_page, op, is_idle ? 0 : j->url->url_id);
    trace_set_operation(is_idle ? NULL : stats_op_name(op), is_idle ? SLICE_NONE : slice_str(j->url->url));
}

static void
read_body(struct job *j, struct record *r)
{
    int err = 0;

    job_at(j, OP_PARSE);
    if (j->outcome == OUTCOME_REDIRECT)
        read_redirect(j, r);
    else if (j->outcome == OUTCOME_OK)
        err = is_sitemap(j) ? parse_sitemap(j, r) : parse_html(j, r);
    else if (j->page->status / 100 == 2 && j->page->body.n > 0 && parse_body(j) != 0) /* broke off: may what came be kept? */
        parsed_reset(&j->worker->parsed);
    else if (j->outcome == OUTCOME_NOT_MODIFIED && cache_is_on(j->worker->cache) && j->known == NULL)
        j->known = cache_find_url(j->worker->cache, url_href(&j->parsed_url)); /* it stays: its page is still of use */
    if (err != 0) {
        j->outcome = OUTCOME_TOO_MUCH_MEMORY;
        r->n_links = 0;
    }
    job_at(j, OP_IDLE);
}

static void
record_make(struct job *j, struct record *r)
{
    const struct page *p = j->page;

    *r = (struct record){
        .url_id = j->url->url_id,
        .url = slice_str(j->url->url),
        .status = p->status,
        .http_version = p->http_version,
        .fetched_at_ms = p->fetched_at_ms,
        .fetch_ms = p->fetch_ms,
        .content_type = p->content_type,
        .etag = p->etag,
        .last_modified = p->last_modified,
        .error = slice_str(p->error),
        .truncated = p->truncated,
        .remote_address = slice_str(p->remote_address),
        .request = buf_slice(&p->request),
        .head = buf_slice(&p->head),
        .wire_body = buf_slice(&p->wire_body),
        .payload = p->payload,
        .body = p->body,
        .content_encoding = p->content_encoding,
    };
}

static void
leave_body_out(struct job *j, struct record *r)
{
    buf_fini(&j->page->body_buf);
    buf_fini(&j->page->payload_buf);
    buf_fini(&j->page->wire_body);
    r->wire_body = r->payload = r->body = SLICE_NONE;
    r->links = NULL;
    r->n_links = 0;
    r->truncated = "unspecified";
    r->outcome = slice_str(outcome_name(j->outcome));
}

/* 0, or why it has to wait: ORB_EAGAIN (rows full), ORB_EFULL (disk). Other errors become the URL's outcome. */
static int
job_store(struct job *j)
{
    struct worker *w = j->worker;
    struct record r;
    int err;

    parsed_reset(&w->parsed);
    buf_clear(&j->frames);
    j->outcome = j->page->outcome; /* a second try reads the page anew, so it must not know what the first one found */
    record_make(j, &r);
    read_body(j, &r);
    policy_withhold(j, &r);
    r.outcome = slice_str(outcome_name(j->outcome));
    job_at(j, OP_STORE);
    err = store_put(w->store, &r, worker_wall_ms(w));
    if (err == ORB_ENOMEM && r.wire_body.n > 0) { /* its record has no room beside its body: kept without it */
        j->outcome = OUTCOME_TOO_MUCH_MEMORY;
        leave_body_out(j, &r);
        err = store_put(w->store, &r, worker_wall_ms(w));
    }
    job_at(j, OP_IDLE);
    if (err == ORB_EAGAIN || err == ORB_EBUSY || err == ORB_EFULL || err == ORB_EMFILE)
        return err;
    if (err != 0) {
        log_error("a page could not be stored: %s: " SLICE_FMT, orb_strerror(err), SLICE_ARG(r.url));
        j->outcome = OUTCOME_STORE_FAILED;
    } else {
        report_links(j, r.links, r.n_links);
    }
    w->stats.n_pages++;
    snprintf(j->error, sizeof j->error, "%s", j->page->error);
    page_unref(&j->page);
    parsed_page_unref(&j->known);
    w->n_storing--;
    job_await_commit(j);
    return 0;
}

static void
take_cookies(struct job *j)
{
    struct worker *w = j->worker;
    struct whost *h = j->host;
    struct slice rest = j->page->set_cookie;

    if (w->conf.cookies != CONF_COOKIES_HOST || rest.n == 0)
        return;
    if (h->cookies == NULL && cookies_new(&h->cookies) != 0)
        return;
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p);
        h->cookies_changed |= cookies_set(h->cookies, &j->parsed_url, slice_sub(rest, 0, n), worker_wall_ms(w) / 1000);
        rest = slice_sub(rest, n + 1, SIZE_MAX);
    }
}

/* 429 and 503: the host's other URLs wait as well, those that are here already too. They go back with the report, so that
 * the lease does not wait with them. A day or more is no pause but an answer, for this URL alone. */
static void
heed_retry_after(struct job *j)
{
    if (j->outcome != OUTCOME_RETRY_LATER || j->retry_after_ms == 0 || j->retry_after_ms >= RETRY_AFTER_MAX_MS)
        return;
    pace_not_before(j->host, j->ended_ms + j->retry_after_ms);
    j->wants_pause = true;
}

static void
on_page(void *arg, struct page *page)
{
    struct job *j = arg;
    struct worker *w = j->worker;

    j->fetch = NULL;
    j->page = page;
    j->outcome = page->outcome;
    j->status = (uint16_t)page->status;
    j->wire_bytes = page->wire_bytes;
    j->ended_ms = worker_now_ms(w);
    j->retry_after_ms = retry_after_ms(page->retry_after, worker_wall_ms(w));
    w->stats.n_wire_bytes += page->wire_bytes;
    pace_on_end(j->host, j->ended_ms);
    heed_retry_after(j);
    take_cookies(j);
    list_remove(&j->node);
    w->n_fetching--;
    worker_pump_soon(w);
    if (j->outcome == OUTCOME_NOT_STARTED) { /* cancelled: nothing came, nothing is stored */
        page_unref(&j->page);
        job_await_commit(j);
        return;
    }
    list_push_back(&w->storing, &j->node);
    w->n_storing++;
    worker_store_more(w);
}

/* ---- to disk ---------------------------------------------------------------------------------------------------- */

static void
set_disk_full(struct worker *w, bool is_full)
{
    struct wire_out out;

    if (w->disk_is_full == is_full)
        return;
    w->disk_is_full = is_full;
    wire_begin(&out, &w->frame, WIRE_TROUBLE);
    wire_u8(&out, is_full);
    wire_text(&out, slice_str(orb_strerror(ORB_EFULL)));
    worker_send(w, &out);
}

void
worker_store_more(struct worker *w)
{
    struct list *node;

    while (!list_is_empty(&w->storing)) {
        int err;
        node = w->storing.next;
        err = job_store(LIST_ELEMENT(node, struct job, node));
        if (err == ORB_EFULL)
            set_disk_full(w, true);
        if (err == ORB_EFULL || err == ORB_EMFILE) /* the tick tries again; nothing starts meanwhile */
            return;
        if (err != 0) {
            if (store_flush(w->store) != 0)
                return;
            worker_report_committed(w);
        }
    }
    if (w->n_committing >= WORKER_FLUSH_ROWS || w->n_fetching == 0)
        worker_flush(w);
}

void
worker_flush(struct worker *w)
{
    int err;

    if (w->n_committing == 0)
        return;
    trace_set_operation("commit", SLICE_NONE);
    err = store_flush(w->store);
    trace_set_operation(NULL, SLICE_NONE);
    if (err == ORB_EBUSY)
        return; /* another writer: the next turn tries again */
    if (err == ORB_EFULL) {
        set_disk_full(w, true);
        return;
    }
    if (err != 0)
        worker_die(w, "pages.db could not be written", err);
    set_disk_full(w, false);
    worker_report_committed(w);
    if (w->n_storing > 0)
        worker_store_more(w);
}
