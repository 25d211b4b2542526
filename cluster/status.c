/* status.c - what `orb status` shows, as one JSON object: books, speed, workers, outcomes */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/libraries.h"

#include <inttypes.h>
#include <jansson.h>
#include <unistd.h>

static const char *
state_name(const struct coordinator *c)
{
    if (c->is_paused_by_disk && c->state == CRAWL_PAUSED)
        return "paused: disk full";
    switch (c->state) {
    case CRAWL_RUNNING: return "running";
    case CRAWL_PAUSED: return "paused";
    case CRAWL_DRAINING: return "draining";
    default: return "ended";
    }
}

static int
put_books(const struct front_books *b, struct buf *out)
{
    return buf_printf(out,
                      "\"books\":{\"discovered\":%" PRIu64 ",\"queued\":%" PRIu64 ",\"leased\":%" PRIu64
                      ",\"waiting\":%" PRIu64 ",\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"excluded\":%" PRIu64
                      ",\"quarantined\":%" PRIu64 "}",
                      b->discovered, b->queued, b->leased, b->waiting, b->done, b->failed, b->excluded, b->quarantined);
}

static int
put_counts(const char *name, const uint64_t *counts, struct buf *out)
{
    bool is_first = true;
    int err = buf_printf(out, ",\"%s\":{", name);

    for (int o = 0; err == 0 && o < OUTCOME_N; o++) {
        if (counts[o] == 0)
            continue;
        err = buf_printf(out, "%s\"%s\":%" PRIu64, is_first ? "" : ",", outcome_name((enum outcome)o), counts[o]);
        is_first = false;
    }
    return err != 0 ? err : buf_append_char(out, '}');
}

/* Objects alive, collections, the cache of parsed pages. */
static int
put_memory(const struct stats *s, struct buf *out)
{
    return buf_printf(out,
                      "\"objects\":{\"hosts\":%" PRIu64 ",\"pages\":%" PRIu64 ",\"fetches\":%" PRIu64
                      "},\"gc\":{\"collections\":%" PRIu64 ",\"collected\":%" PRIu64 ",\"on_request\":%" PRIu64
                      ",\"collected_on_request\":%" PRIu64 "},\"page_cache\":{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
                      ",\"not_modified\":%" PRIu64 ",\"saved_bytes\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"pages\":%" PRIu64 "}",
                      s->n_live_hosts, s->n_live_pages, s->n_live_fetches, s->n_gc_collections, s->n_gc_collected,
                      s->n_gc_periodic, s->n_gc_periodic_yield, s->n_cache_hits, s->n_cache_misses, s->n_cache_url_hits,
                      s->cache_saved_bytes, s->cache_bytes, s->n_cached);
}

static int
put_cache(const struct coordinator *c, struct buf *out)
{
    struct stats s;

    slots_sum(c, &s);
    return buf_printf(out, ",\"page_cache\":{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"not_modified\":%" PRIu64
                           ",\"saved_bytes\":%" PRIu64 "},\"gc\":{\"collections\":%" PRIu64 ",\"collected\":%" PRIu64
                           ",\"on_request\":%" PRIu64 ",\"collected_on_request\":%" PRIu64 "}",
                      s.n_cache_hits, s.n_cache_misses, s.n_cache_url_hits, s.cache_saved_bytes, s.n_gc_collections,
                      s.n_gc_collected, s.n_gc_periodic, s.n_gc_periodic_yield);
}

static int
put_worker(const struct desk *d, struct buf *out)
{
    const struct stats *s = &d->stats;
    int err = buf_printf(out,
                         "{\"slot\":%u,\"state\":\"%s\",\"pid\":%d,\"private_bytes\":%" PRIu64
                         ",\"in_flight\":%u,\"leases\":%u,\"urls_held\":%u,\"pages\":%" PRIu64 ",\"requests\":%" PRIu64
                         ",\"connections_opened\":%" PRIu64 ",\"connections_reused\":%" PRIu64
                         ",\"starts\":%u,\"deaths\":%u,",
                         d->slot.index, slot_state_name(d->slot.state), (int)d->slot.pid, d->private_bytes,
                         s->n_in_flight, s->n_leases, s->n_urls_held, s->n_pages, s->n_requests,
                         s->n_connections_opened, s->n_connections_reused, d->slot.n_starts, d->slot.n_deaths);

    if (err == 0)
        err = put_memory(s, out);
    if (err == 0)
        err = buf_append_str(out, ",\"domains\":{");
    for (int i = 0; err == 0 && i < MEM_N_DOMAINS; i++)
        err = buf_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", mem_domain_name((enum mem_domain)i),
                         s->live_bytes[i]);
    if (err == 0)
        err = buf_append_char(out, '}');
    if (err == 0)
        err = libraries_put_failed((uint32_t)s->hooks_failed, out);
    return err != 0 ? err : buf_append_char(out, '}');
}

static int
put_frontier(const struct coordinator *c, struct buf *out)
{
    const struct front_stats *s = &c->stats;

    return buf_printf(out,
                      ",\"hosts\":%" PRIu64 ",\"hosts_active\":%" PRIu64 ",\"groups\":%" PRIu64 ",\"leases\":%" PRIu64
                      ",\"hosts_backing_off\":%" PRIu64 ",\"queued_backing_off\":%" PRIu64
                      ",\"links_offered\":%" PRIu64 ",\"links_seen\":%" PRIu64
                      ",\"frontier_bytes\":%zu,\"seen_bytes\":%zu,\"seen_disk_bytes\":%zu,\"journal_queue\":%" PRIu64
                      ",\"expected_collisions\":%g",
                      s->n_hosts, s->n_hosts_active, s->n_groups, s->n_leases, s->n_hosts_backing_off, s->n_queued_backing_off, s->links_offered, s->links_seen,
                      s->ram_bytes, s->seen_ram_bytes, s->seen_disk_bytes, s->queue_depth, s->expected_collisions);
}

int
status_json(const struct coordinator *c, struct buf *out)
{
    uint64_t now_ms = clock_now_ms();
    int err = buf_printf(out,
                         "{\"ok\":true,\"state\":\"%s\",\"pid\":%d,\"seconds\":%.1f,\"pages\":%" PRIu64
                         ",\"pages_per_s\":%.1f,\"wire_bytes\":%" PRIu64 ",\"private_bytes\":%" PRIu64 ",",
                         state_name(c), (int)getpid(), (double)(now_ms - c->started_ms) / 1000, coordinator_n_pages(c),
                         c->pages_per_s, c->n_wire_bytes, stats_private_bytes((int)getpid()));

    if (err == 0)
        err = put_books(&c->stats.books, out);
    if (err == 0)
        err = put_counts("done_by_outcome", c->stats.done_by_outcome, out);
    if (err == 0)
        err = put_counts("failed_by_reason", c->stats.failed_by_reason, out);
    if (err == 0)
        err = put_counts("excluded_by_reason", c->stats.excluded_by_reason, out);
    if (err == 0)
        err = put_frontier(c, out);
    if (err == 0)
        err = put_cache(c, out);
    if (err == 0)
        err = libraries_put_failed(libraries_failed(), out);
    if (err == 0)
        err = buf_append_str(out, ",\"workers\":[");
    for (unsigned i = 0; err == 0 && i < c->n_desks; i++) {
        err = i > 0 ? buf_append_char(out, ',') : 0;
        if (err == 0)
            err = put_worker(&c->desks[i], out);
    }
    return err != 0 ? err : buf_append_str(out, "]}");
}
