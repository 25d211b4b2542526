/* worker_pace.c - may this request start now?
 *
 * Three clocks. The host's: a request starts `delay` after the one before it ended (with --per-host above 1: after it
 * started). The group's: hosts behind one address are asked `ip_delay` apart from each other, at most 8 at the same time: one
 * that hangs does not hold the others. The worker's: --concurrency, its share of --max-rate, and room for what the answers
 * will need (rows, frames, disk).
 */
#include "cluster/worker_internal.h"

#include "cluster/clock.h"
#include "crawler/fingerprint.h"

#define PACE_MAX_HOSTS 8     /* of one address at a time: a host that hangs must not hold its neighbours */
#define RATE_BURST_US 200000u /* time not used is not saved up for longer */

/* A site that names a Crawl-delay is asked one thing at a time, whatever --per-host says. */
static unsigned
most_in_flight(const struct whost *h)
{
    bool has_delay = h->robots != NULL && robots_crawl_delay_ms(h->robots) != ROBOTS_NO_DELAY
                     && robots_crawl_delay_ms(h->robots) > 0;

    return has_delay ? 1 : ORB_MAX(h->per_host, 1u);
}

void
pace_on_start(struct whost *h, uint64_t now_ms)
{
    struct wlease *l = h->lease;

    l->n_hosts_in_flight += h->n_in_flight == 0;
    h->n_in_flight++;
    l->n_in_flight++;
    h->next_at_ms = now_ms + h->delay_ms;
    l->last_host = h;
    l->ip_next_at_ms = now_ms + l->ip_delay_ms;
}

void
pace_on_end(struct whost *h, uint64_t now_ms)
{
    struct wlease *l = h->lease;

    CHECK(h->n_in_flight > 0 && l->n_in_flight > 0);
    l->is_dirty = true;
    h->n_in_flight--;
    l->n_in_flight--;
    l->n_hosts_in_flight -= h->n_in_flight == 0;
    if (most_in_flight(h) == 1)
        h->next_at_ms = ORB_MAX(h->next_at_ms, now_ms + h->delay_ms);
    l->ip_next_at_ms = now_ms + l->ip_delay_ms;
}

bool
pace_take_address(struct whost *h)
{
    struct worker *w = h->lease->worker;
    uint64_t now_ms = worker_now_ms(w), *next_ms;
    struct slice address = slice_of((const char *)&h->addresses.addresses[0], sizeof h->addresses.addresses[0]);
    static const unsigned char any_key[FINGERPRINT_KEY_BYTES];
    struct fingerprint_key key;

    if (h->lease->ip_delay_ms == 0 || h->addresses.n_addresses == 0)
        return true;
    fingerprint_key_init(&key, any_key);
    next_ms = &w->address_next_ms[fingerprint(&key, address) % WORKER_ADDRESS_CLOCKS];
    if (now_ms < *next_ms) {
        pace_not_before(h, *next_ms);
        return false;
    }
    *next_ms = now_ms + h->lease->ip_delay_ms;
    return true;
}

void
pace_not_before(struct whost *h, uint64_t at_ms)
{
    h->next_at_ms = ORB_MAX(h->next_at_ms, at_ms);
}

/* When may the host's next request start? UINT64_MAX: only after something else happens. */
uint64_t
pace_due_ms(const struct whost *h)
{
    const struct wlease *l = h->lease;
    uint64_t due = h->next_at_ms;

    if (h->n_in_flight >= most_in_flight(h) || h->is_resolving || h->fetch != NULL)
        return UINT64_MAX;
    if (l->last_host == h)
        return due;
    if (h->n_in_flight == 0 && l->n_hosts_in_flight >= PACE_MAX_HOSTS)
        return UINT64_MAX;
    return ORB_MAX(due, l->ip_next_at_ms);
}

static bool
wants_something(const struct whost *h)
{
    return !list_is_empty(&h->ready) || h->needs_robots;
}

/* Is it this worker's turn under --max-rate? */
bool
pace_rate_permits(struct worker *w, uint64_t now_us, uint64_t *next_ms)
{
    if (w->conf.max_rate == 0)
        return true;
    if (w->rate_next_us > now_us) {
        *next_ms = ORB_MIN(*next_ms, w->rate_next_us / 1000 + 1);
        return false;
    }
    w->rate_next_us = ORB_MAX(w->rate_next_us, now_us - ORB_MIN(now_us, RATE_BURST_US));
    return true;
}

void
pace_rate_spend(struct worker *w)
{
    if (w->conf.max_rate > 0)
        w->rate_next_us += 1000000 * w->conf.workers / w->conf.max_rate;
}

/* Starts one thing of the host when it is due; returns whether it did. */
static bool
start_one(struct whost *h)
{
    struct list *node;
    struct wurl *u;

    if (!host_is_open(h))
        return false;
    node = list_take_front(&h->ready);
    if (node == NULL)
        return false;
    u = LIST_ELEMENT(node, struct wurl, node);
    h->lease->n_ready--;
    if (job_start(h, u))
        return true;
    list_push_front(&h->ready, &u->node);
    h->lease->n_ready++;
    return false;
}

/* Everything of this lease that is due; l->next_ms becomes the earliest time at which more is. A lease that had to leave
 * something for want of room is looked at again at the next pump. */
static void
pump_lease(struct worker *w, struct wlease *l, uint64_t now_ms)
{
    uint64_t *next_ms = &l->next_ms;

    l->next_ms = UINT64_MAX;
    l->is_dirty = false;
    LIST_EACH_SAFE (node, &l->hosts) {
        struct whost *h = LIST_ELEMENT(node, struct whost, node);

        while (wants_something(h)) {
            uint64_t due = pace_due_ms(h);
            if (due > now_ms) {
                *next_ms = ORB_MIN(*next_ms, due);
                break;
            }
            if (!worker_has_room(w) || !pace_rate_permits(w, clock_now_us(), next_ms) || !start_one(h)) {
                l->is_dirty = true;
                break;
            }
            pace_rate_spend(w);
        }
    }
}

void
worker_pump(struct worker *w)
{
    uint64_t now_ms = worker_now_ms(w), next_ms = UINT64_MAX;
    struct list *first;

    w->needs_pump = false;
    if (w->is_draining)
        return;
    LIST_EACH_SAFE (node, &w->leases) {
        struct wlease *l = LIST_ELEMENT(node, struct wlease, node);
        if (l == w->arriving)
            continue;
        if (l->is_dirty || l->next_ms <= now_ms)
            pump_lease(w, l, now_ms);
        next_ms = ORB_MIN(next_ms, l->next_ms);
    }
    /* round robin: another lease begins next time, when the room does not reach for all */
    first = list_take_front(&w->leases);
    if (first != NULL)
        list_push_back(&w->leases, first);
    ev_timer_stop(w->loop, &w->pump_timer);
    if (next_ms != UINT64_MAX) {
        ev_timer_set(&w->pump_timer, (double)(next_ms - now_ms) / 1000 + 0.0005, 0);
        ev_timer_start(w->loop, &w->pump_timer);
    }
}

void
worker_pump_soon(struct worker *w)
{
    w->needs_pump = true;
}
