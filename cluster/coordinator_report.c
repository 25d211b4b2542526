/* coordinator_report.c - what a worker says: bounds-checked, kept until it is whole, then brought to front at once
 *
 *   nothing --REPORT--> collecting --HOST_NEWS, ROBOTS_NEWS, RESULT, LINKS--> ... --REPORT_END--> front_report_begin .. _end
 *                           `-- the worker dies, or lies: dropped, nothing of it counts
 *
 * A worker is not trusted: a frame that does not parse, a value out of range, a frame out of order, a word on a URL or a
 * host that it does not hold (5) ends the process, and nothing that it still sends counts. What this file lets through is
 * what another worker can take: a text that does not fit a lease would end one worker after the other.
 * A link that is not canonical is only refused: it is a page's doing, perhaps, and the page would come again.
 */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/log.h"
#include "crawler/cookies.h"
#include "crawler/parse.h"
#include "crawler/robots.h"

#include <stdio.h>

#define MAX_ADDRESSES_BYTES 4096
#define MAX_COOKIES_BYTES (COOKIES_MAX_BYTES * 4) /* as text; what worker_lease.c takes */
#define LINK_WINDOW 16 /* links looked up together: what a core can wait for at a time */
#define MAX_ROBOTS_TTL_S (24u * 3600)

static void
drop_report(struct desk *d)
{
    buf_clear(&d->report);
    buf_trim(&d->report, 256 * 1024);
    d->has_report = false;
}

static void
distrust(struct coordinator *c, struct desk *d, const char *what)
{
    log_error("worker %u (pid %d) sent %s; it is replaced", d->slot.index, (int)d->slot.pid, what);
    d->is_distrusted = true;
    drop_report(d);
    slot_kill(&d->slot, clock_now_ms());
}

/* ---- a whole report ----------------------------------------------------------------------------------------------- */

static void
warn_of_link(struct desk *d, struct slice url)
{
    if (!d->has_warned_links)
        log_warning("worker %u sent a link that is not canonical, the first of this process: \"" SLICE_FMT "\"",
                    d->slot.index, SLICE_ARG(slice_sub(url, 0, 200)));
    d->has_warned_links = true;
}

/* Where the page and its links come from: the head of a LINKS frame. */
struct link_source {
    uint64_t via;
    uint16_t depth;
    bool is_seed; /* only a seed may widen the scope */
};

static bool
read_link(struct wire_in *in, const struct link_source *from, struct front_link *link)
{
    *link = (struct front_link){ .via_url_id = from->via };
    link->kind = wire_get_enum(in, LINK_N);
    link->redirect_hops = wire_get_u8(in);
    link->url = wire_get_text(in, URL_MAX_BYTES);
    link->depth = link->kind == LINK_REDIRECT ? from->depth : (uint16_t)ORB_MIN(from->depth + 1u, (unsigned)UINT16_MAX);
    link->is_sitemap = link->kind == LINK_SITEMAP;
    if (link->is_sitemap || link->kind == LINK_SITEMAP_URL)
        link->depth = 0; /* the site itself names them: as far from the start as a seed */
    return !in->is_bad;
}

static void
apply_link(struct coordinator *c, struct desk *d, struct front_link *link, const struct link_source *from)
{
    struct url target;

    if (link->kind == LINK_REDIRECT && from->is_seed) {
        url_init(&target, MEM_DEFAULT);
        if (url_parse_canonical(&target, link->url) == 0)
            scope_widen(c, &target);
        url_fini(&target);
        link->is_seed = true;
    }
    if (front_offer(c->front, link) == FRONT_NOT_CANONICAL)
        warn_of_link(d, link->url); /* FRONT_ERROR: front_report_end() says so */
}

/* A window at a time: while one link is looked up, the seen-set's memory for the others is on its way. */
static bool
apply_links(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    struct link_source from;
    bool via_is_seed, is_seed = false;
    unsigned n;

    from.via = wire_get_u64(in);
    from.depth = wire_get_u16(in);
    via_is_seed = wire_get_bool(in);
    n = wire_get_u16(in);
    if (from.via != 0 && !front_report_holds(c->front, from.via, &is_seed)) /* 0: robots.txt names sitemaps */
        return false;
    from.is_seed = via_is_seed && is_seed;
    while (n > 0 && !in->is_bad) {
        struct front_link window[LINK_WINDOW];
        unsigned n_window = 0;

        for (; n > 0 && n_window < LINK_WINDOW && read_link(in, &from, &window[n_window]); n--)
            front_foresee(c->front, &window[n_window++]);
        for (unsigned i = 0; i < n_window; i++)
            apply_link(c, d, &window[i], &from);
    }
    return wire_at_end(in);
}

struct gain { /* of a report; counted once it has been taken */
    unsigned n_results;
    uint64_t wire_bytes;
};

static bool
apply_result(struct coordinator *c, struct gain *gain, struct wire_in *in)
{
    struct front_result r;
    int err;

    r.url_id = wire_get_u64(in);
    r.outcome = (enum outcome)wire_get_enum(in, OUTCOME_N);
    r.status = wire_get_u16(in);
    r.retry_after_ms = wire_get_u32(in);
    r.request_end_ago_ms = wire_get_u32(in);
    r.wire_bytes = wire_get_u64(in);
    if (!wire_at_end(in))
        return false;
    err = front_result(c->front, &r);
    if (err == 0) {
        gain->n_results++;
        gain->wire_bytes += ORB_MIN(r.wire_bytes, UINT32_MAX);
    }
    return err != ORB_ENOTFOUND; /* (5) not its URL. No memory: front_report_end() says so, the URL stays leased */
}

/* The frames that follow bring the body. */
static bool
read_host_news(struct wire_in *in, struct front_host_news *news)
{
    *news = (struct front_host_news){ .host_id = wire_get_u64(in) };
    news->addresses = wire_get_text(in, MAX_ADDRESSES_BYTES);
    news->addresses_ttl_s = wire_get_u32(in);
    news->has_robots = wire_get_bool(in);
    news->robots_status = wire_get_u16(in);
    news->robots_ttl_s = wire_get_u32(in);
    news->crawl_delay_ms = wire_get_u32(in);
    news->has_cookies = wire_get_bool(in);
    news->cookies = wire_get_text(in, MAX_COOKIES_BYTES);
    news->robots_outcome = (enum outcome)wire_get_enum(in, OUTCOME_N);
    news->robots_url = wire_get_text(in, FRONT_ROBOTS_URL_BYTES);
    news->robots_hops = wire_get_u8(in);
    news->robots_ttl_s = ORB_MIN(news->robots_ttl_s, MAX_ROBOTS_TTL_S);
    return wire_at_end(in);
}

struct report_reader {
    struct slice rest;
    struct wire_in in;
    unsigned type;
};

static bool
next_frame(struct report_reader *r)
{
    uint32_t n;

    if (r->rest.n < sizeof n)
        return false;
    memcpy(&n, r->rest.p, sizeof n);
    if (wire_open(&r->in, slice_sub(r->rest, sizeof n, n), &r->type) != 0)
        return false;
    r->rest = slice_sub(r->rest, sizeof n + n, SIZE_MAX);
    return true;
}

static bool
apply_host_news(struct coordinator *c, struct report_reader *r)
{
    struct front_host_news news;
    struct buf body;
    bool is_good = read_host_news(&r->in, &news);

    buf_init(&body, MEM_HOST, ROBOTS_MAX_BYTES);
    while (is_good) {
        struct report_reader ahead = *r;
        if (!next_frame(&ahead) || ahead.type != WIRE_ROBOTS_NEWS)
            break;
        *r = ahead;
        is_good = buf_append_slice(&body, wire_get_text(&r->in, WIRE_MAX_TEXT_BYTES)) == 0 && wire_at_end(&r->in);
    }
    news.robots_body = buf_slice(&body);
    if (is_good)
        is_good = front_host_news(c->front, &news) != ORB_ENOTFOUND;
    buf_fini(&body);
    return is_good;
}

static bool
apply_frames(struct coordinator *c, struct desk *d, struct report_reader *r, struct gain *gain)
{
    bool is_good = true;

    while (is_good && next_frame(r)) {
        switch (r->type) {
        case WIRE_LINKS:
            is_good = apply_links(c, d, &r->in);
            break;
        case WIRE_RESULT:
            is_good = apply_result(c, gain, &r->in);
            break;
        case WIRE_HOST_NEWS:
            is_good = apply_host_news(c, r);
            break;
        default:
            is_good = false;
        }
    }
    if (!is_good)
        log_error("worker %u: a %s frame makes no sense, or is about what it does not hold", d->slot.index,
                  wire_type_name(r->type));
    return is_good && r->rest.n == 0;
}

/* No memory, most likely: what the report was about stays leased until its worker is gone, so it goes. */
static void
give_up_report(struct coordinator *c, struct desk *d, int err)
{
    if (c->state == CRAWL_DRAINING || c->state == CRAWL_ENDED)
        return; /* the crawl ends anyway */
    log_error("a report of worker %u could not be taken (%s); it is replaced, its URLs are asked again", d->slot.index,
              orb_strerror(err));
    slot_stop(&d->slot, clock_now_ms());
}

static void
count_gain(struct coordinator *c, struct desk *d, const struct gain *gain)
{
    c->n_results += gain->n_results;
    c->n_wire_bytes += gain->wire_bytes;
    d->slot.was_useful |= gain->n_results > 0;
    d->n_urls -= ORB_MIN(d->n_urls, gain->n_results);
}

static void
apply_report(struct coordinator *c, struct desk *d)
{
    struct report_reader r = { .rest = buf_slice(&d->report) };
    struct gain gain = { 0 };
    uint64_t lease_id;
    uint32_t epoch;
    int err;

    if (!next_frame(&r)) {
        distrust(c, d, "a damaged report");
        return;
    }
    lease_id = wire_get_u64(&r.in);
    epoch = wire_get_u32(&r.in);
    if (!wire_at_end(&r.in)) {
        distrust(c, d, "a damaged report");
        return;
    }
    if (lease_id == 0) { /* that is how seeds come to the door, not workers */
        distrust(c, d, "a report of no lease");
        return;
    }
    err = front_report_begin(c->front, lease_id, epoch);
    if (err == ORB_ENOTFOUND) /* (5) of a lease that returned meanwhile */
        log_debug("worker %u reports on lease %llu, which is over", d->slot.index, (unsigned long long)lease_id);
    else if (err != 0)
        give_up_report(c, d, err);
    if (err != 0) {
        drop_report(d);
        return;
    }
    if (!apply_frames(c, d, &r, &gain)) {
        front_report_abort(c->front);
        distrust(c, d, "a damaged report");
        return;
    }
    drop_report(d);
    err = front_report_end(c->front, clock_now_ms(), clock_wall_ms());
    if (err == 0)
        count_gain(c, d, &gain);
    else
        give_up_report(c, d, err);
}

/* ---- frames ------------------------------------------------------------------------------------------------------- */

static int
keep(struct desk *d, struct slice frame)
{
    uint32_t n = (uint32_t)frame.n;
    int err = buf_reserve(&d->report, sizeof n + frame.n);

    if (err != 0)
        return err;
    err = buf_append(&d->report, &n, sizeof n);
    return err != 0 ? err : buf_append_slice(&d->report, frame);
}

static void
on_report_frame(struct coordinator *c, struct desk *d, unsigned type, struct slice frame)
{
    if ((type == WIRE_REPORT) == d->has_report) {
        distrust(c, d, "a report out of order");
        return;
    }
    d->has_report = true;
    if (type == WIRE_REPORT_END && frame.n != 2) {
        distrust(c, d, "a damaged frame");
    } else if (type == WIRE_REPORT_END) {
        apply_report(c, d);
        coordinator_lease_more(c);
    } else if (keep(d, frame) != 0) {
        distrust(c, d, "a report that is too large");
    }
}

static void
on_returned(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    uint64_t lease_id = wire_get_u64(in), ids[512];
    uint32_t epoch = wire_get_u32(in);
    bool is_all = wire_get_bool(in);
    unsigned n = 0, sum = 0;

    if (in->is_bad || in->rest.n % sizeof *ids != 0) {
        distrust(c, d, "a damaged frame");
        return;
    }
    do {
        for (n = 0; n < ORB_N_ELEMENTS(ids) && in->rest.n > 0; n++)
            ids[n] = wire_get_u64(in);
        front_return(c->front, lease_id, epoch, ids, n, is_all && in->rest.n == 0, clock_now_ms());
        sum += n;
    } while (in->rest.n > 0);
    d->n_urls -= ORB_MIN(d->n_urls, sum);
}

static void
on_trouble(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    d->has_trouble = wire_get_bool(in);
    wire_get_text(in, 1024);
    if (!wire_at_end(in))
        distrust(c, d, "a damaged frame");
    else if (d->has_trouble)
        coordinator_pause(c, false, true);
}

static void
on_log(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    enum log_level level = (enum log_level)wire_get_enum(in, LOG_LEVEL_DEBUG + 1);
    struct slice text = wire_get_text(in, LOG_LONGEST_BYTES);
    char name[24];

    if (!wire_at_end(in)) {
        distrust(c, d, "a damaged frame");
        return;
    }
    if (d->n_log_lines++ >= MAX_LOG_LINES)
        return; /* slots_sample() says how many */
    snprintf(name, sizeof name, "worker %u", d->slot.index);
    log_relay(name, level, text);
}

static void
on_ready(struct coordinator *c, struct desk *d)
{
    c->has_had_worker = true;
    slot_set_ready(&d->slot, clock_now_ms());
    coordinator_lease_more(c);
}

static void
on_heap_answer(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    const char *lie = coordinator_heap_on_answer(c, d, in);

    if (lie != NULL)
        distrust(c, d, lie);
}

void
coordinator_on_frame(void *arg, struct slot *s, struct slice frame)
{
    struct coordinator *c = arg;
    struct desk *d = &c->desks[s->index];
    struct wire_in in;
    unsigned type;
    int err;

    if (d->is_distrusted)
        return;
    err = wire_open(&in, frame, &type);
    if (err != 0) {
        distrust(c, d, err == ORB_EVERSION ? "a frame of another version" : "a damaged frame");
        return;
    }
    slot_sign_of_life(s);
    switch (type) {
    case WIRE_READY:
        on_ready(c, d);
        break;
    case WIRE_PONG:
        break;
    case WIRE_REPORT:
    case WIRE_HOST_NEWS:
    case WIRE_ROBOTS_NEWS:
    case WIRE_RESULT:
    case WIRE_LINKS:
    case WIRE_REPORT_END:
        on_report_frame(c, d, type, frame);
        break;
    case WIRE_RETURNED:
        on_returned(c, d, &in);
        break;
    case WIRE_TROUBLE:
        on_trouble(c, d, &in);
        break;
    case WIRE_LOG:
        on_log(c, d, &in);
        break;
    case WIRE_HEAP_ANSWER:
        on_heap_answer(c, d, &in);
        break;
    default:
        distrust(c, d, "a frame of an unknown type");
    }
}
