/* coordinator_report.c - what a worker says: bounds-checked, kept until it is whole, then brought to front at once
 *
 *   nothing --REPORT--> collecting --HOST_NEWS, ROBOTS_NEWS, RESULT, LINKS--> ... --REPORT_END--> front_report_begin .. _end
 *                           `-- the worker dies, or lies: dropped, nothing of it counts
 *
 * A worker is not trusted: a frame that does not parse, a value out of range, a frame out of order ends the process. What
 * it says of URLs that it does not hold is refused by front (5).
 */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/log.h"
#include "crawler/parse.h"
#include "crawler/robots.h"

#define MAX_ADDRESSES_BYTES 4096
#define MAX_COOKIES_BYTES (64 * 1024)
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
    drop_report(d);
    slot_kill(&d->slot, clock_now_ms());
}

/* ---- a whole report ----------------------------------------------------------------------------------------------- */

static void
apply_link(struct coordinator *c, struct wire_in *in, uint64_t via, uint16_t depth, bool via_is_seed)
{
    struct front_link link = { .via_url_id = via };
    struct url target;

    link.kind = wire_get_enum(in, LINK_N);
    link.redirect_hops = wire_get_u8(in);
    link.url = wire_get_text(in, URL_MAX_BYTES);
    if (in->is_bad)
        return;
    link.depth = link.kind == LINK_REDIRECT ? depth : (uint16_t)ORB_MIN(depth + 1u, (unsigned)UINT16_MAX);
    link.is_sitemap = link.kind == LINK_SITEMAP;
    if (link.is_sitemap || link.kind == LINK_SITEMAP_URL)
        link.depth = 0; /* the site itself names them: as far from the start as a seed */
    if (link.kind == LINK_REDIRECT && via_is_seed) {
        url_init(&target, MEM_DEFAULT);
        if (url_parse_canonical(&target, link.url) == 0)
            scope_widen(c, &target);
        url_fini(&target);
        link.is_seed = true;
    }
    front_offer(c->front, &link);
}

static bool
apply_links(struct coordinator *c, struct wire_in *in)
{
    uint64_t via = wire_get_u64(in);
    uint16_t depth = wire_get_u16(in);
    bool via_is_seed = wire_get_bool(in);

    for (unsigned n = wire_get_u16(in); n > 0 && !in->is_bad; n--)
        apply_link(c, in, via, depth, via_is_seed);
    return wire_at_end(in);
}

static bool
apply_result(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    struct front_result r;

    r.url_id = wire_get_u64(in);
    r.outcome = (enum outcome)wire_get_enum(in, OUTCOME_N);
    r.status = wire_get_u16(in);
    r.retry_after_ms = wire_get_u32(in);
    r.request_end_ago_ms = wire_get_u32(in);
    r.wire_bytes = wire_get_u64(in);
    if (!wire_at_end(in))
        return false;
    if (front_result(c->front, &r) == 0) {
        c->n_results++;
        c->n_wire_bytes += ORB_MIN(r.wire_bytes, UINT32_MAX);
        d->slot.was_useful = true;
        if (d->n_urls > 0)
            d->n_urls--;
    }
    return true;
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

    buf_init(&body, MEM_HOST, ROBOTS_MAX_BYTES + WIRE_MAX_FRAME_BYTES);
    while (is_good) {
        struct report_reader ahead = *r;
        if (!next_frame(&ahead) || ahead.type != WIRE_ROBOTS_NEWS)
            break;
        *r = ahead;
        is_good = buf_append_slice(&body, wire_get_text(&r->in, WIRE_MAX_TEXT_BYTES)) == 0 && wire_at_end(&r->in);
    }
    news.robots_body = buf_slice(&body);
    if (is_good)
        front_host_news(c->front, &news);
    buf_fini(&body);
    return is_good;
}

static bool
apply_frames(struct coordinator *c, struct desk *d, struct report_reader *r)
{
    bool is_good = true;

    while (is_good && next_frame(r)) {
        switch (r->type) {
        case WIRE_LINKS:
            is_good = apply_links(c, &r->in);
            break;
        case WIRE_RESULT:
            is_good = apply_result(c, d, &r->in);
            break;
        case WIRE_HOST_NEWS:
            is_good = apply_host_news(c, r);
            break;
        default:
            is_good = false;
        }
    }
    if (!is_good)
        log_error("worker %u: a %s frame makes no sense", d->slot.index, wire_type_name(r->type));
    return is_good && r->rest.n == 0;
}

static void
apply_report(struct coordinator *c, struct desk *d)
{
    struct report_reader r = { .rest = buf_slice(&d->report) };
    uint64_t lease_id;
    uint32_t epoch;

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
    if (front_report_begin(c->front, lease_id, epoch) != 0) { /* (5) of a lease that returned meanwhile */
        log_debug("worker %u reports on lease %llu, which is over", d->slot.index,
                  (unsigned long long)lease_id);
        drop_report(d);
        return;
    }
    if (!apply_frames(c, d, &r)) {
        front_report_abort(c->front);
        distrust(c, d, "a damaged report");
        return;
    }
    drop_report(d);
    front_report_end(c->front, clock_now_ms(), clock_wall_ms());
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
    if (type == WIRE_REPORT_END) {
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
    unsigned n = 0, sum = 0;

    do {
        for (n = 0; n < ORB_N_ELEMENTS(ids) && in->rest.n >= 8; n++)
            ids[n] = wire_get_u64(in);
        front_return(c->front, lease_id, epoch, ids, n, clock_now_ms());
        sum += n;
    } while (in->rest.n >= 8);
    if (!wire_at_end(in)) {
        distrust(c, d, "a damaged frame");
        return;
    }
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
on_log(struct desk *d, struct wire_in *in)
{
    uint8_t level = wire_get_enum(in, 4);
    struct slice text = wire_get_text(in, 2048);

    if (wire_at_end(in))
        (level <= LOG_LEVEL_WARNING ? log_warning : log_info)("worker %u: " SLICE_FMT, d->slot.index, SLICE_ARG(text));
}

void
coordinator_on_frame(void *arg, struct slot *s, struct slice frame)
{
    struct coordinator *c = arg;
    struct desk *d = &c->desks[s->index];
    struct wire_in in;
    unsigned type;

    if (wire_open(&in, frame, &type) != 0) {
        distrust(c, d, "a frame of another version");
        return;
    }
    slot_sign_of_life(s);
    switch (type) {
    case WIRE_READY:
        slot_set_ready(s, clock_now_ms());
        coordinator_lease_more(c);
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
        on_log(d, &in);
        break;
    default:
        distrust(c, d, "a frame of an unknown type");
    }
}
