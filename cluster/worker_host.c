/* worker_host.c - before the first page of a host: its addresses, its robots.txt
 *
 *   NEEDS_NAME --dns_lookup--> RESOLVING --answer--> NEEDS_ROBOTS --has it from the coordinator--> OPEN
 *        |                         |                      |
 *        |                         v                      +--fetch--> ROBOTS --answer, <= 5 redirects--> OPEN (or FAILED)
 *        +-- addresses known ---> NEEDS_ROBOTS             FAILED: no name, or no robots.txt: nothing may be asked
 *
 * A redirect to another authority is not followed here: the coordinator is told, and leases that authority for it. So the
 * robots.txt of a lease may be another host's that redirects to this one (front_errand.c); then nothing else is asked.
 * RFC 9309: 4xx = everything allowed; 5xx or unreachable = nothing allowed until it can be read; the first 500 KiB count.
 */
#include "cluster/worker_internal.h"

#include "cluster/front.h"
#include "cluster/log.h"

#include <stdio.h>

#define HOST_ERROR_OFFSET(i) (offsetof(struct whost, errors) + (i) * sizeof(struct error_record *))
#define ROBOTS_TTL_S (24 * 3600u)

void
host_learn_robots(struct whost *h, int status, struct slice body)
{
    struct worker *w = h->lease->worker;

    robots_unref(&h->robots);
    h->robots_status = status;
    if (w->conf.robots == CONF_IGNORE || (status >= 400 && status < 500))
        h->robots = robots_all(true);
    else if (status >= 200 && status < 300)
        h->robots = robots_parse(body, slice_str(w->conf.user_agent));
    else
        h->robots = robots_all(false);
    if (h->robots == NULL)
        worker_die(w, "no memory for robots.txt", ORB_ENOMEM);
}

/* The coordinator says the delay with the next lease, but URLs may join this one. */
static void
learn_delay(struct whost *h)
{
    struct worker *w = h->lease->worker;
    uint32_t delay_ms = h->robots == NULL ? ROBOTS_NO_DELAY : robots_crawl_delay_ms(h->robots);

    if (delay_ms == ROBOTS_NO_DELAY)
        return;
    delay_ms = whole_ms((uint32_t)ORB_MIN((uint64_t)delay_ms, w->conf.max_delay_ms));
    h->delay_ms = ORB_MAX(h->delay_ms, delay_ms);
    pace_not_before(h, worker_now_ms(w) + h->delay_ms);
}

/* The robots question is settled, one way or the other: tell the coordinator. */
static void
host_settle(struct whost *h, enum outcome outcome)
{
    struct wlease *l = h->lease;
    struct worker *w = l->worker;

    h->state = outcome == OUTCOME_OK ? WHOST_OPEN : WHOST_FAILED;
    h->robots_hops = 0;
    h->failure = outcome;
    learn_delay(h);
    if (h->needs_robots) {
        h->needs_robots = false;
        worker_report_host(h, outcome, ROBOTS_TTL_S);
    }
    buf_fini(&h->robots_body);
    l->is_dirty = true;
    worker_pump_soon(w);
}

static void
on_addresses(void *arg, const struct dns_answer *answer)
{
    struct whost *h = arg;
    struct worker *w = h->lease->worker;

    h->is_resolving = false;
    if (answer->outcome != OUTCOME_OK) {
        h->addresses_until_ms = worker_now_ms(w) + 60000;
        h->addresses.n_addresses = 0;
        host_settle(h, answer->outcome);
        return;
    }
    h->addresses = *answer;
    h->addresses_until_ms = worker_now_ms(w) + (uint64_t)ORB_MAX(answer->ttl_s, 30u) * 1000;
    h->has_news = true;
    h->state = WHOST_NEEDS_ROBOTS;
    h->lease->is_dirty = true;
    worker_pump_soon(w);
}

static void
host_resolve(struct whost *h)
{
    struct worker *w = h->lease->worker;

    h->state = WHOST_RESOLVING;
    h->is_resolving = true;
    if (w->conf.proxy != NULL) { /* the proxy resolves; fetch.c shows the guard what is an address */
        struct dns_answer none = { .outcome = OUTCOME_OK, .ttl_s = 3600 };
        on_addresses(h, &none);
        return;
    }
    observe_name(h, url_host(&h->origin), on_addresses);
}

static bool
is_same_authority(const struct url *a, const struct url *b)
{
    return slice_eq(url_scheme(a), url_scheme(b)) && slice_eq(url_host(a), url_host(b))
           && url_effective_port(a) == url_effective_port(b);
}

/* Asked for there in a lease of that authority: this one's politeness is not ours to know. */
static void
host_send_elsewhere(struct whost *h)
{
    h->state = WHOST_FAILED;
    h->failure = OUTCOME_NOT_STARTED;
    h->needs_robots = false;
    worker_report_host(h, OUTCOME_REDIRECT, 0);
    h->robots_hops = 0;
}

/* RFC 9309 section 2.3.1.2: at least five redirects, also to other authorities. False: this one is not followed. */
static bool
follow_robots(struct whost *h, const struct page *p)
{
    struct worker *w = h->lease->worker;
    struct url next;
    bool goes_on = false;

    url_init(&next, MEM_HOST);
    if (h->robots_hops < FRONT_ROBOTS_HOPS && url_parse(&next, p->location, &h->robots_url) == 0 && url_is_http(&next)) {
        url_drop_fragment(&next);
        goes_on = url_href(&next).n <= FRONT_ROBOTS_URL_BYTES && url_copy(&h->robots_url, &next) == 0;
    }
    url_fini(&next);
    if (!goes_on)
        return false;
    h->robots_hops++;
    if (is_same_authority(&h->robots_url, &h->origin)) {
        h->state = WHOST_NEEDS_ROBOTS; /* after the host's delay, as any request */
        h->lease->is_dirty = true;
    } else {
        host_send_elsewhere(h);
    }
    worker_pump_soon(w);
    return true;
}

static void
on_robots(void *arg, struct page *page)
{
    struct whost *h = arg;
    struct worker *w = h->lease->worker;
    enum outcome outcome = page->outcome;

    h->fetch = NULL;
    pace_on_end(h, worker_now_ms(w));
    if (outcome == OUTCOME_REDIRECT && follow_robots(h, page)) {
        page_unref(&page);
        return;
    }
    if (outcome == OUTCOME_REDIRECT || outcome == OUTCOME_BAD_REDIRECT) { /* too many: as if there were none */
        host_learn_robots(h, 404, SLICE_NONE);
        outcome = OUTCOME_OK;
    } else if (outcome == OUTCOME_OK || outcome == OUTCOME_HTTP_STATUS || outcome == OUTCOME_TYPE_NOT_ACCEPTED) {
        struct slice body = slice_sub(page->body, 0, ROBOTS_MAX_BYTES);
        buf_clear(&h->robots_body);
        if (page->status < 300 && buf_append_slice(&h->robots_body, body) != 0)
            worker_die(w, "no memory for robots.txt", ORB_ENOMEM);
        host_learn_robots(h, page->status, buf_slice(&h->robots_body));
        outcome = OUTCOME_OK;
    } else if (outcome == OUTCOME_DECODE_FAILED || outcome == OUTCOME_UNSUPPORTED_ENCODING
               || outcome == OUTCOME_PROTOCOL || outcome == OUTCOME_HEADER_TOO_LARGE
               || outcome == OUTCOME_DECODED_TOO_LARGE || outcome == OUTCOME_BODY_TOO_LARGE
               || outcome == OUTCOME_TOO_MUCH_MEMORY) {
        outcome = OUTCOME_ROBOTS_UNREACHABLE; /* an answer that cannot be read is no permission: later, perhaps */
    }
    page_unref(&page);
    host_settle(h, outcome);
}

static void
host_ask_robots(struct whost *h)
{
    struct worker *w = h->lease->worker;
    struct fetch_request request = {
        .id = h->host_id,
        .url = &h->robots_url,
        .addresses = &h->addresses,
        .max_body_bytes = ROBOTS_MAX_BYTES,
        .cut_long_body = true,
        .owner = &h->object,
    };

    h->state = WHOST_ROBOTS;
    h->has_asked_robots = true;
    pace_on_start(h, worker_now_ms(w));
    if (fetch_start(w->mux, &request, on_robots, h, &h->fetch) != 0) {
        pace_on_end(h, worker_now_ms(w));
        h->fetch = NULL;
        host_settle(h, OUTCOME_CONNECT_FAILED);
    }
}

static void
host_begin_robots(struct whost *h)
{
    struct worker *w = h->lease->worker;

    if (w->conf.robots == CONF_IGNORE) {
        host_learn_robots(h, 404, SLICE_NONE);
        host_settle(h, OUTCOME_OK);
        return;
    }
    if (h->robots_hops == 0 && url_parse(&h->robots_url, SLICE_LITERAL("/robots.txt"), &h->origin) != 0)
        worker_die(w, "no memory for robots.txt", ORB_ENOMEM);
    host_ask_robots(h);
}

/* A URL cannot be asked because its host cannot: every one of them gets that outcome. */
static void
fail_ready(struct whost *h)
{
    struct list *node;

    while ((node = list_take_front(&h->ready)) != NULL) {
        h->lease->n_ready--;
        job_finish_unasked(h, LIST_ELEMENT(node, struct wurl, node), h->failure);
    }
}

bool
host_is_open(struct whost *h)
{
    struct worker *w = h->lease->worker;

    if (h->state == WHOST_OPEN && w->conf.proxy == NULL && worker_now_ms(w) >= h->addresses_until_ms
        && h->n_in_flight == 0)
        h->state = WHOST_NEEDS_NAME; /* the answer's time to live is over */
    if (h->state == WHOST_NEEDS_NAME)
        host_resolve(h);
    if (h->state == WHOST_NEEDS_ROBOTS) {
        if (!h->needs_robots && h->robots != NULL) {
            h->state = WHOST_OPEN;
        } else if (w->conf.robots == CONF_IGNORE || pace_take_address(h)) {
            host_begin_robots(h);
        } else {
            h->lease->is_dirty = true; /* for the timer */
            worker_pump_soon(w);
        }
    }
    if (h->state == WHOST_FAILED)
        fail_ready(h);
    return h->state == WHOST_OPEN;
}

/* The lease is over: what is under way for the host alone ends, and the lease's reference goes. */
void
host_leave(struct whost *h)
{
    struct object *reference = &h->object;
    struct list *node;

    if (h->is_resolving)
        observe_no_more(h, on_addresses);
    CHECK(h->fetch == NULL && h->n_in_flight == 0);
    while ((node = list_take_front(&h->ready)) != NULL)
        mem_free(MEM_HOST, LIST_ELEMENT(node, struct wurl, node));
    list_remove(&h->node);
    if (h->lease->last_host == h)
        h->lease->last_host = NULL;
    h->lease = NULL;
    object_unref(&reference);
}

static void
host_release(struct object *o)
{
    struct whost *h = (struct whost *)(void *)o;

    cookies_free(&h->cookies);
    buf_fini(&h->robots_body);
    url_fini(&h->origin);
    url_fini(&h->robots_url);
}

static size_t
host_owned_bytes(const struct object *o)
{
    const struct whost *h = (const struct whost *)(const void *)o;
    const void *blocks[] = { h->robots_body.p, h->origin.href.p, h->robots_url.href.p };
    size_t n = 0;

    for (size_t i = 0; i < ORB_N_ELEMENTS(blocks); i++)
        n += blocks[i] == NULL ? 0 : mem_usable_bytes(blocks[i]);
    LIST_EACH (node, &h->ready)
        n += mem_usable_bytes(LIST_ELEMENT(node, struct wurl, node));
    return n;
}

static void
host_describe(const struct object *o, char *to, size_t cap)
{
    const struct whost *h = (const struct whost *)(const void *)o;

    snprintf(to, cap, SLICE_FMT, SLICE_ARG(url_href(&h->origin)));
}

static const uint16_t host_pointers[] = {
    offsetof(struct whost, robots),
    HOST_ERROR_OFFSET(0), HOST_ERROR_OFFSET(1), HOST_ERROR_OFFSET(2), HOST_ERROR_OFFSET(3),
    HOST_ERROR_OFFSET(4), HOST_ERROR_OFFSET(5), HOST_ERROR_OFFSET(6), HOST_ERROR_OFFSET(7),
};
_Static_assert(ORB_N_ELEMENTS(host_pointers) == 1 + HOST_MAX_ERRORS, "all of them");

struct object_type host_type = {
    .name = "Host",
    .object_bytes = sizeof(struct whost),
    .flags = OBJECT_WEAKABLE,
    .pointer_offsets = host_pointers,
    .n_pointers = ORB_N_ELEMENTS(host_pointers),
    .release = host_release,
    .owned_bytes = host_owned_bytes,
    .describe = host_describe,
};
