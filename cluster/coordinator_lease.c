/* coordinator_lease.c - what front leases goes to a worker as frames; who gets how much */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/log.h"

/* A worker holds enough for its connections to be busy while reports travel, and not much more: what it holds at its
 * death is what has to be asked again. Polite hosts give one URL a second each, so leases are many and windows short. */
#define URLS_PER_CONNECTION 8
#define LEASES_PER_CONNECTION 8
#define LEASE_TOGETHER_MS 3000

struct returned { /* in coordinator.returned, url_ids behind it */
    uint64_t lease_id;
    uint32_t epoch, n_urls;
};

struct sender {
    struct slot *slot;
    struct wire_out out;
    int err;
};

static void
send_frame(struct sender *s)
{
    if (s->err == 0)
        s->err = wire_finish(&s->out);
    if (s->err == 0)
        s->err = slot_send(s->slot, s->out.frame);
}

static void
send_host(struct sender *s, struct buf *frame, const struct front_host *h)
{
    wire_begin(&s->out, frame, WIRE_HOST);
    wire_u64(&s->out, h->host_id);
    wire_text(&s->out, h->origin);
    wire_u8(&s->out, h->needs_robots);
    wire_text(&s->out, h->robots_url);
    wire_u8(&s->out, h->robots_hops);
    wire_u16(&s->out, (uint16_t)h->robots_status);
    wire_text(&s->out, h->addresses);
    wire_u32(&s->out, h->addresses_ttl_s);
    wire_text(&s->out, h->cookies);
    wire_u32(&s->out, h->delay_ms);
    wire_u32(&s->out, h->wait_ms);
    send_frame(s);
    for (size_t from = 0; from < h->robots_body.n; from += WIRE_MAX_TEXT_BYTES) {
        wire_begin(&s->out, frame, WIRE_ROBOTS);
        wire_text(&s->out, slice_sub(h->robots_body, from, WIRE_MAX_TEXT_BYTES));
        send_frame(s);
    }
}

static void
put_url(struct wire_out *out, const struct front_url *u)
{
    wire_u64(out, u->url_id);
    wire_u32(out, u->host);
    wire_u16(out, u->depth);
    wire_u8(out, u->attempts);
    wire_u8(out, u->redirect_hops);
    wire_u8(out, (uint8_t)(u->is_sitemap | u->is_seed << 1 | u->is_again << 2 | u->is_suspect << 3));
    wire_text(out, u->url);
}

/* As many URLs as fit one frame; returns how many. */
static unsigned
send_urls(struct sender *s, struct buf *frame, const struct front_url *urls, unsigned n)
{
    unsigned i = 0;

    wire_begin(&s->out, frame, WIRE_URLS);
    wire_u16(&s->out, 0);
    while (i < n && i < UINT16_MAX && (i == 0 || wire_has_room(&s->out, urls[i].url.n + 32)))
        put_url(&s->out, &urls[i++]);
    if (s->out.err == 0) {
        frame->p[2] = (char)(i & 0xff);
        frame->p[3] = (char)(i >> 8);
    }
    send_frame(s);
    return i;
}

static int
send_lease(struct coordinator *c, struct desk *d, const struct front_lease *l)
{
    struct sender s = { .slot = &d->slot };

    wire_begin(&s.out, &c->frame, WIRE_LEASE);
    wire_u64(&s.out, l->lease_id);
    wire_u32(&s.out, l->epoch);
    wire_u64(&s.out, l->group_id);
    wire_u32(&s.out, l->ip_delay_ms);
    wire_u32(&s.out, l->ip_wait_ms);
    wire_u8(&s.out, l->is_topup);
    send_frame(&s);
    for (unsigned i = 0; i < l->n_hosts; i++)
        send_host(&s, &c->frame, &l->hosts[i]);
    for (unsigned i = 0; s.err == 0 && i < l->n_urls;)
        i += send_urls(&s, &c->frame, l->urls + i, l->n_urls - i);
    wire_begin(&s.out, &c->frame, WIRE_LEASE_END);
    send_frame(&s);
    return s.err;
}

/* The slot's process may have died while the window was loaded, or the crawl pauses: then the lease goes back, in a later
 * turn, since front is in the middle of something here. */
static void
give_back_later(struct coordinator *c, struct desk *d, const struct front_lease *l)
{
    struct returned r = { .lease_id = l->lease_id, .epoch = l->epoch, .n_urls = l->n_urls };
    size_t before = c->returned.n;
    int err = buf_append(&c->returned, &r, sizeof r);

    for (unsigned i = 0; err == 0 && i < l->n_urls; i++)
        err = buf_append(&c->returned, &l->urls[i].url_id, sizeof l->urls[i].url_id);
    if (err != 0) {
        buf_truncate(&c->returned, before);
        log_error("no memory to hand a lease back: worker %u is replaced, its leases return with that", d->slot.index);
        slot_stop(&d->slot, clock_now_ms());
    }
}

void
coordinator_give_back(struct coordinator *c)
{
    struct slice rest = buf_slice(&c->returned);

    while (rest.n >= sizeof(struct returned)) {
        struct returned r;
        uint64_t id;

        memcpy(&r, rest.p, sizeof r);
        rest = slice_sub(rest, sizeof r, SIZE_MAX);
        if (r.n_urls == 0)
            front_return(c->front, r.lease_id, r.epoch, NULL, 0, true, clock_now_ms());
        for (; r.n_urls > 0; r.n_urls--) {
            memcpy(&id, rest.p, sizeof id);
            rest = slice_sub(rest, sizeof id, SIZE_MAX);
            front_return(c->front, r.lease_id, r.epoch, &id, 1, false, clock_now_ms()); /* robots.txt comes alone */
        }
    }
    buf_clear(&c->returned);
}

void
coordinator_on_lease(void *arg, unsigned slot, const struct front_lease *l)
{
    struct coordinator *c = arg;
    struct desk *d = &c->desks[slot];
    int err;

    if (!l->is_topup) {
        d->n_leases++;
        d->n_leased_now -= d->n_leased_now > 0;
    }
    if (!slot_is_running(&d->slot) || !coordinator_may_lease(c)) {
        give_back_later(c, d, l);
        return;
    }
    err = send_lease(c, d, l);
    if (err != 0) {
        log_error("worker %u cannot be given a lease (%s); it is replaced", slot, orb_strerror(err));
        slot_stop(&d->slot, clock_now_ms()); /* its leases return at its death */
        return;
    }
    d->n_urls += l->n_urls;
}

/* The worker may forget the lease: clocks and robots.txt of its hosts are with front again. */
void
coordinator_on_lease_end(void *arg, unsigned slot, uint64_t lease_id)
{
    struct coordinator *c = arg;
    struct desk *d = &c->desks[slot];
    struct sender s = { .slot = &d->slot };

    d->n_leases -= d->n_leases > 0;
    if (!slot_is_running(s.slot))
        return;
    wire_begin(&s.out, &c->frame, WIRE_LEASE_OVER);
    wire_u64(&s.out, lease_id);
    send_frame(&s);
    if (s.err != 0)
        slot_stop(s.slot, clock_now_ms());
}

static struct desk *
desk_with_room(struct coordinator *c)
{
    struct desk *best = NULL;
    unsigned most_urls = (unsigned)c->conf->concurrency * URLS_PER_CONNECTION;

    for (unsigned i = 0; i < c->n_desks; i++) {
        struct desk *d = &c->desks[i];
        if (!slot_is_running(&d->slot) || d->has_trouble || d->n_urls >= most_urls
            || d->n_leases + d->n_leased_now >= c->conf->concurrency * LEASES_PER_CONNECTION
            || channel_is_congested(&d->slot.channel))
            continue;
        if (best == NULL || d->n_leased_now + d->n_leases < best->n_leased_now + best->n_leases)
            best = d;
    }
    return best;
}

/* At the start the first worker that is ready would take all there is: the others come within a moment. */
static bool
waits_for_others(const struct coordinator *c, uint64_t now_ms)
{
    if (now_ms - c->started_ms > LEASE_TOGETHER_MS)
        return false;
    for (unsigned i = 0; i < c->n_desks; i++)
        if (c->desks[i].slot.state == SLOT_STARTING || c->desks[i].slot.state == SLOT_EMPTY)
            return true;
    return false;
}

void
coordinator_lease_more(struct coordinator *c)
{
    uint64_t now_ms = clock_now_ms();
    struct desk *d;

    if (!coordinator_may_lease(c) || waits_for_others(c, now_ms))
        return;
    for (unsigned n = 0; n < 256 && (d = desk_with_room(c)) != NULL && !front_is_congested(c->front); n++) {
        if (!front_lease(c->front, d->slot.index, now_ms))
            return;
        d->n_leased_now++;
    }
}
