/* worker_report.c - what the coordinator is told, and when: only after the commit (2)
 *
 * A report is for one lease: REPORT, then per URL its LINKS frames and its RESULT, news of its hosts, REPORT_END. The
 * coordinator keeps a report until it is whole, up to WIRE_MAX_REPORT_BYTES, and takes it in one turn of its loop: so a
 * report ends once it is large, and the next one goes on. A page's links and its result are never parted (3).
 */
#include "cluster/worker_internal.h"

#include "cluster/log.h"

#define REPORT_ENOUGH_BYTES (2u << 20)
#define PAGE_MAX_BYTES (32u << 20) /* of LINKS frames; what a page names beyond that is left out */
_Static_assert(REPORT_ENOUGH_BYTES + PAGE_MAX_BYTES < WIRE_MAX_REPORT_BYTES, "a report that ends in a large page is taken");

/* ---- links of one page, made into frames while the page is at hand ------------------------------------------------ */

static void
keep_frame(struct job *j, struct wire_out *out, unsigned n_links)
{
    struct worker *w = j->worker;
    uint32_t n;

    w->frame.p[2 + 8 + 2 + 1] = (char)(n_links & 0xff); /* the count was not known when the frame began */
    w->frame.p[2 + 8 + 2 + 2] = (char)(n_links >> 8);
    if (wire_finish(out) != 0)
        worker_die(w, "a frame is too large", out->err);
    n = (uint32_t)w->frame.n;
    if (buf_append(&j->frames, &n, sizeof n) != 0 || buf_append_slice(&j->frames, buf_slice(&w->frame)) != 0)
        worker_die(w, "no memory for a report", ORB_ENOMEM);
}

static void
begin_links(struct job *j, struct wire_out *out)
{
    wire_begin(out, &j->worker->frame, WIRE_LINKS);
    wire_u64(out, j->url->url_id);
    wire_u16(out, j->url->depth);
    wire_u8(out, j->url->is_seed);
    wire_u16(out, 0);
}

void
report_links(struct job *j, const struct record_link *links, size_t n)
{
    struct wire_out out;
    unsigned in_frame = 0;

    for (size_t i = 0; i < n; i++) {
        const struct record_link *l = &links[i];

        if (l->not_followed != 0 || l->url.n > WIRE_MAX_URL_BYTES)
            continue;
        if (j->frames.n > PAGE_MAX_BYTES) {
            log_warning("a page names more links than a report holds; %zu are left out: %s", n - i, j->url->url);
            break;
        }
        if (in_frame > 0 && (!wire_has_room(&out, l->url.n) || in_frame == UINT16_MAX)) {
            keep_frame(j, &out, in_frame);
            in_frame = 0;
        }
        if (in_frame == 0)
            begin_links(j, &out);
        wire_u8(&out, l->kind);
        wire_u8(&out, l->kind == LINK_REDIRECT || l->kind == LINK_SITEMAP ? (uint8_t)(j->url->redirect_hops + 1) : 0);
        wire_text(&out, l->url);
        in_frame++;
    }
    if (in_frame > 0)
        keep_frame(j, &out, in_frame);
}

static void
send_kept_frames(struct job *j)
{
    struct worker *w = j->worker;
    struct slice rest = buf_slice(&j->frames);

    while (rest.n > 0) {
        uint32_t n;
        memcpy(&n, rest.p, sizeof n);
        if (channel_send(&w->channel, slice_sub(rest, sizeof n, n)) != 0)
            worker_die(w, "the coordinator cannot be told", ORB_ECLOSED);
        rest = slice_sub(rest, sizeof n + n, SIZE_MAX);
    }
}

/* ---- reports ------------------------------------------------------------------------------------------------------ */

static void
begin_report(struct wlease *l)
{
    struct wire_out out;

    wire_begin(&out, &l->worker->frame, WIRE_REPORT);
    wire_u64(&out, l->lease_id);
    wire_u32(&out, l->epoch);
    worker_send(l->worker, &out);
}

static void
end_report(struct wlease *l)
{
    struct wire_out out;

    wire_begin(&out, &l->worker->frame, WIRE_REPORT_END);
    worker_send(l->worker, &out);
}

static void
send_result(struct job *j)
{
    struct worker *w = j->worker;
    struct wire_out out;

    send_kept_frames(j);
    wire_begin(&out, &w->frame, WIRE_RESULT);
    wire_u64(&out, j->url->url_id);
    wire_u8(&out, (uint8_t)j->outcome);
    wire_u16(&out, j->status);
    wire_u32(&out, j->retry_after_ms);
    wire_u32(&out, j->ended_ms == 0 ? UINT32_MAX : (uint32_t)ORB_MIN(worker_now_ms(w) - j->ended_ms, 3600000u));
    wire_u64(&out, j->wire_bytes);
    worker_send(w, &out);
}

static void
send_host_news(struct whost *h, bool has_robots, enum outcome robots_outcome, uint32_t robots_ttl_s)
{
    struct worker *w = h->lease->worker;
    struct wire_out out;
    struct buf text, jar;

    buf_init(&text, MEM_HOST, 4096);
    buf_init(&jar, MEM_HOST, 64 * 1024);
    if (address_list_to_text(&h->addresses, &text) != 0)
        buf_clear(&text);
    if (h->cookies_changed && cookies_save(h->cookies, &jar) != 0)
        h->cookies_changed = false;
    wire_begin(&out, &w->frame, WIRE_HOST_NEWS);
    wire_u64(&out, h->host_id);
    wire_text(&out, buf_slice(&text));
    wire_u32(&out, h->addresses.ttl_s);
    wire_u8(&out, has_robots);
    wire_u16(&out, (uint16_t)h->robots_status);
    wire_u32(&out, robots_ttl_s);
    wire_u32(&out, h->robots != NULL ? robots_crawl_delay_ms(h->robots) : ROBOTS_NO_DELAY);
    wire_u8(&out, h->cookies_changed);
    wire_text(&out, buf_slice(&jar));
    wire_u8(&out, (uint8_t)robots_outcome);
    wire_text(&out, robots_outcome == OUTCOME_REDIRECT ? url_href(&h->robots_url) : SLICE_NONE);
    wire_u8(&out, (uint8_t)h->robots_hops);
    worker_send(w, &out);
    h->cookies_changed = h->has_news = false;
    buf_fini(&text);
    buf_fini(&jar);
}

static void
send_robots_body(struct whost *h)
{
    struct worker *w = h->lease->worker;

    for (size_t from = 0; from < h->robots_body.n; from += WIRE_MAX_TEXT_BYTES) {
        struct wire_out out;
        wire_begin(&out, &w->frame, WIRE_ROBOTS_NEWS);
        wire_text(&out, slice_sub(buf_slice(&h->robots_body), from, WIRE_MAX_TEXT_BYTES));
        worker_send(w, &out);
    }
}

/* The sitemaps that robots.txt names come to the door with it. */
static void
send_sitemaps(struct whost *h)
{
    struct worker *w = h->lease->worker;
    struct wire_out out;
    struct url u;

    if (!w->conf.use_sitemaps || h->robots == NULL)
        return;
    url_init(&u, MEM_HOST);
    for (size_t i = 0; i < robots_n_sitemaps(h->robots); i++) {
        if (url_parse(&u, robots_sitemap(h->robots, i), &h->origin) != 0 || !url_is_http(&u))
            continue;
        url_drop_fragment(&u);
        wire_begin(&out, &w->frame, WIRE_LINKS);
        wire_u64(&out, 0);
        wire_u16(&out, 0);
        wire_u8(&out, 0);
        wire_u16(&out, 1);
        wire_u8(&out, LINK_SITEMAP);
        wire_u8(&out, 0);
        wire_text(&out, url_href(&u));
        worker_send(w, &out);
    }
    url_fini(&u);
}

void
worker_report_host(struct whost *h, enum outcome robots_outcome, uint32_t robots_ttl_s)
{
    begin_report(h->lease);
    send_host_news(h, true, robots_outcome, robots_ttl_s);
    if (robots_outcome == OUTCOME_OK) {
        send_robots_body(h);
        send_sitemaps(h);
    }
    end_report(h->lease);
}

static void
job_release(struct job *j)
{
    j->worker->n_committing--;
    j->lease->n_unreported--;
    job_free(j);
}

/* All committed jobs of one lease in one report; the others stay. */
static void
report_lease(struct worker *w, struct wlease *l)
{
    size_t n_bytes = 0;
    bool wants_pause = false;

    begin_report(l);
    LIST_EACH (node, &l->hosts) {
        struct whost *h = LIST_ELEMENT(node, struct whost, node);
        if (h->cookies_changed || h->has_news)
            send_host_news(h, false, OUTCOME_NONE, 0); /* its robots.txt may be under way */
    }
    LIST_EACH_SAFE (node, &w->committing) {
        struct job *j = LIST_ELEMENT(node, struct job, node);
        if (j->lease != l)
            continue;
        if (n_bytes > REPORT_ENOUGH_BYTES) {
            end_report(l);
            begin_report(l);
            n_bytes = 0;
        }
        n_bytes += j->frames.n;
        wants_pause |= j->wants_pause;
        send_result(j);
        job_release(j);
    }
    end_report(l);
    if (wants_pause && !lease_has_busy_host(l))
        worker_take_back(w, l->lease_id);
}

void
worker_report_committed(struct worker *w)
{
    while (!list_is_empty(&w->committing))
        report_lease(w, LIST_ELEMENT(w->committing.next, struct job, node)->lease);
    worker_pump_soon(w);
}
