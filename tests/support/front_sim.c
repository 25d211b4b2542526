#include "tests/support/front_sim.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t
sim_random(struct sim *s, uint64_t below)
{
    s->seed ^= s->seed << 13;
    s->seed ^= s->seed >> 7;
    s->seed ^= s->seed << 17;
    return s->seed % below;
}

static struct sim_lease *
find(struct sim *s, uint64_t lease_id)
{
    for (int i = 0; i < SIM_MAX_LEASES; i++)
        if (s->leases[i].is_open && s->leases[i].lease_id == lease_id)
            return &s->leases[i];
    return NULL;
}

static struct sim_lease *
new_lease(struct sim *s)
{
    for (int i = 0; i < SIM_MAX_LEASES; i++)
        if (!s->leases[i].is_open) {
            memset(&s->leases[i], 0, sizeof s->leases[i]);
            s->leases[i].is_open = true;
            return &s->leases[i];
        }
    fail_msg("more leases than the test can hold");
    return NULL;
}

static void
on_lease(void *arg, unsigned slot, const struct front_lease *in)
{
    struct sim *s = arg;
    struct sim_lease *l = find(s, in->lease_id);

    assert_int_equal(in->is_topup, l != NULL);
    if (l == NULL) {
        l = new_lease(s);
        l->lease_id = in->lease_id;
        l->epoch = in->epoch;
        l->slot = slot;
        s->n_leases++;
    } else {
        assert_int_equal(l->slot, slot);
        s->n_topups++;
    }
    l->ip_delay_ms = in->ip_delay_ms;
    for (unsigned i = 0; i < in->n_hosts; i++) {
        const struct front_host *h = &in->hosts[i];
        unsigned at = l->n_hosts++;
        uint64_t last = (uint64_t)(uintptr_t)map_get(&s->last_end, h->host_id);

        assert_true(at < 300);
        assert_true(h->origin.n > 7 && h->origin.n < 64);
        for (unsigned k = 0; k < at; k++)
            assert_true(l->hosts[k].host_id != h->host_id);
        l->hosts[at].host_id = h->host_id;
        l->hosts[at].needs_robots = h->needs_robots;
        l->hosts[at].delay_ms = h->delay_ms;
        l->hosts[at].next_at_ms = s->now_ms + h->wait_ms;
        snprintf(l->hosts[at].origin, sizeof l->hosts[at].origin, SLICE_FMT, SLICE_ARG(h->origin));
        snprintf(l->hosts[at].robots_url, 128, SLICE_FMT, SLICE_ARG(h->robots_url));
        snprintf(l->hosts[at].robots_body, 128, SLICE_FMT, SLICE_ARG(h->robots_body));
        l->hosts[at].robots_status = h->robots_status;
        l->hosts[at].robots_hops = h->robots_hops;
        assert_true((h->robots_hops > 0) == (h->robots_url.n > 0) && h->robots_hops <= FRONT_ROBOTS_HOPS);
        if (h->robots_hops > 0) { /* for another host, in the lease of the one that is asked */
            assert_true(h->needs_robots && slice_starts_with(h->robots_url, h->origin));
            s->n_errands++;
        }
        if (last != 0) /* politeness: nobody is asked sooner than delay after the last request's end */
            assert_true(l->hosts[at].next_at_ms >= last - 1 + h->delay_ms);
        if (h->needs_robots) {
            assert_int_equal(in->n_urls, 0);
            s->n_robots++;
        }
    }
    for (unsigned i = 0; i < in->n_urls; i++) {
        const struct front_url *u = &in->urls[i];

        assert_true(u->host < l->n_hosts);
        assert_false(l->hosts[u->host].needs_robots || l->hosts[u->host].is_apart);
        assert_true(l->n_urls < 64);
        assert_null(map_get(&s->leased, u->url_id)); /* never twice at a time */
        assert_int_equal(map_put(&s->leased, u->url_id, s), 0);
        assert_true(u->url.n < 300);
        assert_true(slice_starts_with(u->url, slice_str(l->hosts[u->host].origin)));
        l->urls[l->n_urls].url_id = u->url_id;
        l->urls[l->n_urls].host = u->host;
        l->urls[l->n_urls].is_suspect = u->is_suspect;
        l->urls[l->n_urls].is_again = u->is_again;
        l->urls[l->n_urls].depth = u->depth;
        snprintf(l->urls[l->n_urls].url, 300, SLICE_FMT, SLICE_ARG(u->url));
        l->n_urls++;
        s->n_urls_leased++;
    }
    assert_true(l->n_urls <= FRONT_WINDOW_URLS);
}

static void
on_lease_end(void *arg, unsigned slot, uint64_t lease_id)
{
    struct sim_lease *l = find(arg, lease_id);

    assert_non_null(l);
    assert_int_equal(l->n_urls, 0);
    l->is_open = false;
}

static void
on_committed(void *arg, uint64_t cookie)
{
    struct sim *s = arg;

    assert_int_equal(cookie, s->committed + 1);
    s->committed = cookie;
}

static void
on_trouble(void *arg, int err, const char *sentence)
{
    struct sim *s = arg;

    s->trouble = err;
}

static enum outcome
judge(void *arg, const struct url *u, const struct front_link *link)
{
    return memmem(u->href.p, u->href.n, "/out/", 5) != NULL ? OUTCOME_OUT_OF_SCOPE : OUTCOME_OK;
}

void
sim_init(struct sim *s, const char *dir, uint64_t seed)
{
    *s = (struct sim){ .now_ms = 1000000, .wall_ms = 1700000000000, .seed = seed * 2654435761u + 1 };
    snprintf(s->dir, sizeof s->dir, "%s", dir);
    map_init(&s->leased, MEM_DEFAULT);
    map_init(&s->last_end, MEM_DEFAULT);
    s->conf = (struct front_conf){
        .dir = s->dir, .ram_budget_bytes = 8 << 20, .keep_excluded = 1000000, .delay_ms = 1000, .ip_delay_ms = 250,
        .max_delay_ms = 30000, .max_attempts = 3, .retry_first_ms = 10000, .retry_max_ms = 600000, .judge = judge,
        .on_lease = on_lease, .on_lease_end = on_lease_end, .on_committed = on_committed, .on_trouble = on_trouble, .arg = s,
    };
}

int
sim_open(struct sim *s)
{
    struct buf error;
    int err;

    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    s->committed = 0;
    err = front_open(&s->front, NULL, &s->conf, s->now_ms, s->wall_ms, &s->recovery, &error);
    if (err != 0)
        print_message("front_open: " SLICE_FMT "\n", SLICE_ARG(buf_slice(&error)));
    buf_fini(&error);
    return err;
}

void
sim_forget(struct sim *s)
{
    for (int i = 0; i < SIM_MAX_LEASES; i++)
        s->leases[i].is_open = false;
    map_fini(&s->leased);
    map_init(&s->leased, MEM_DEFAULT);
}

void
sim_close(struct sim *s)
{
    assert_int_equal(front_close(&s->front, s->now_ms, s->wall_ms), 0);
    assert_null(s->front);
    sim_forget(s);
}

void
sim_books(struct sim *s, struct front_books *b)
{
    struct front_stats st;

    front_stats(s->front, &st);
    *b = st.books;
    assert_int_equal(b->discovered,
                     b->queued + b->leased + b->waiting + b->done + b->failed + b->excluded + b->quarantined);
    assert_int_equal(b->leased, s->leased.n);
}

void
sim_deliver(struct sim *s)
{
    assert_int_equal(front_sync(s->front), 0);
}

enum front_verdict
sim_seed(struct sim *s, const char *url)
{
    struct front_link link = { .url = slice_str(url), .is_seed = true };
    enum front_verdict v;

    assert_int_equal(front_report_begin(s->front, 0, 0), 0);
    v = front_offer(s->front, &link);
    assert_int_equal(front_report_end(s->front, s->now_ms, s->wall_ms), 0);
    return v;
}

struct sim_lease *
sim_any_lease(struct sim *s)
{
    unsigned from = (unsigned)sim_random(s, SIM_MAX_LEASES);

    for (unsigned i = 0; i < SIM_MAX_LEASES; i++)
        if (s->leases[(from + i) % SIM_MAX_LEASES].is_open)
            return &s->leases[(from + i) % SIM_MAX_LEASES];
    return NULL;
}

static void
offer_links(struct sim *s, const char *origin, uint64_t via, unsigned n)
{
    char url[160];

    for (unsigned i = 0; i < n; i++) {
        struct front_link link = { .via_url_id = via, .depth = 1 };
        uint64_t page = sim_random(s, 1000);
        const char *folder = sim_random(s, 16) < s->excluded_of_16 ? "/out/" : "/p/";

        if (sim_random(s, 3) == 0)
            snprintf(url, sizeof url, "http://h%u.example%s%u", (unsigned)sim_random(s, 40), folder, (unsigned)page);
        else
            snprintf(url, sizeof url, "%s%s%u", origin, folder, (unsigned)page);
        link.url = slice_str(url);
        assert_int_not_equal(front_offer(s->front, &link), FRONT_ERROR);
    }
}

/* Robots of host hN.example; seven hosts to an address. */
static void
report_robots(struct sim *s, struct sim_lease *l, unsigned i)
{
    char address[32], elsewhere[64];
    unsigned n = 0, m = s->redirected_of_16 > 0 ? (unsigned)sim_random(s, 40) : 0;
    struct front_host_news news = {
        .host_id = l->hosts[i].host_id, .addresses_ttl_s = 3600, .has_robots = true, .robots_status = 200,
        .robots_body = SLICE_LITERAL("User-agent: *\nDisallow:\n"), .robots_ttl_s = 86400, .crawl_delay_ms = UINT32_MAX,
        .robots_outcome = OUTCOME_OK,
    };

    sscanf(l->hosts[i].origin, "http://h%u.", &n);
    snprintf(address, sizeof address, "10.0.0.%u", n / 7);
    news.addresses = slice_str(address);
    if (s->redirected_of_16 > 0 && m != n && sim_random(s, 16) < s->redirected_of_16 && l->hosts[i].robots_hops < FRONT_ROBOTS_HOPS) {
        snprintf(elsewhere, sizeof elsewhere, "http://h%u.example/robots.txt", m);
        news.robots_url = slice_str(elsewhere);
        news.robots_hops = (uint8_t)(l->hosts[i].robots_hops + 1);
        news.robots_outcome = OUTCOME_REDIRECT;
        news.robots_body = SLICE_NONE;
    }
    l->hosts[i].is_apart = l->hosts[i].robots_hops > 0 || news.robots_url.n > 0;
    assert_int_equal(front_host_news(s->front, &news), 0);
    l->hosts[i].needs_robots = false;
    assert_int_equal(map_put(&s->last_end, l->hosts[i].host_id, (void *)(uintptr_t)(s->now_ms + 1)), 0);
}

void
sim_report(struct sim *s, struct sim_lease *l, unsigned n, unsigned links, enum outcome outcome)
{
    assert_int_equal(front_report_begin(s->front, l->lease_id, l->epoch), 0);
    for (unsigned i = 0; i < l->n_hosts; i++)
        if (l->hosts[i].needs_robots)
            report_robots(s, l, i);
    for (; n > 0 && l->n_urls > 0; n--) {
        unsigned i = (unsigned)sim_random(s, l->n_urls), host = l->urls[i].host;
        struct front_result r = { .url_id = l->urls[i].url_id, .outcome = outcome, .status = 200, .request_end_ago_ms = 0 };

        offer_links(s, l->hosts[host].origin, r.url_id, links);
        assert_int_equal(front_result(s->front, &r), 0);
        assert_int_equal(front_result(s->front, &r), ORB_ENOTFOUND); /* (5) */
        if (outcome != OUTCOME_NOT_STARTED)
            assert_int_equal(map_put(&s->last_end, l->hosts[host].host_id, (void *)(uintptr_t)(s->now_ms + 1)), 0);
        assert_non_null(map_remove(&s->leased, r.url_id));
        l->urls[i] = l->urls[--l->n_urls];
    }
    assert_int_equal(front_report_end(s->front, s->now_ms, s->wall_ms), 0);
}

uint64_t
sim_run(struct sim *s, unsigned links, uint64_t max_urls)
{
    struct front_books b, before;
    struct sim_lease *l;

    sim_books(s, &before);
    for (unsigned idle = 0;;) {
        uint64_t ended;

        while (s->n_leases < UINT64_MAX && front_lease(s->front, (unsigned)sim_random(s, 4), s->now_ms))
            ;
        sim_deliver(s);
        l = sim_any_lease(s);
        sim_books(s, &b);
        ended = b.done + b.failed - before.done - before.failed;
        if (ended >= max_urls || front_is_finished(s->front))
            return ended;
        if (l != NULL) {
            sim_report(s, l, 1 + (unsigned)sim_random(s, 8), b.discovered < max_urls ? links : 0, OUTCOME_OK);
            idle = 0;
        } else if (++idle > 10000) {
            fail_msg("nothing to lease, and not finished: queued %lu waiting %lu", (unsigned long)b.queued,
                     (unsigned long)b.waiting);
        }
        s->now_ms += 200;
        s->wall_ms += 200;
        front_tick(s->front, s->now_ms, s->wall_ms);
    }
}
