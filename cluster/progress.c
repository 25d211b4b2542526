/* progress.c - the live line of a crawl: drawn once a second on a terminal, a plain line every ten seconds elsewhere */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TERMINAL_EVERY_MS 500
#define PLAIN_EVERY_MS 10000

static uint64_t last_ms;

/* "12.3 MiB" */
static void
put_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)bytes;
    size_t u = 0;

    while (v >= 1024 && u + 1 < ORB_N_ELEMENTS(units))
        v /= 1024, u++;
    if (buf_printf(out, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]) != 0)
        buf_clear(out);
}

static void
put_time(struct buf *out, uint64_t seconds)
{
    int err;

    if (seconds >= 86400)
        err = buf_printf(out, "%" PRIu64 "d%02" PRIu64 "h", seconds / 86400, seconds / 3600 % 24);
    else if (seconds >= 3600)
        err = buf_printf(out, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600, seconds / 60 % 60);
    else
        err = buf_printf(out, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60, seconds % 60);
    if (err != 0)
        buf_clear(out);
}

/* The two most frequent kinds of trouble. */
static void
put_errors(const struct coordinator *c, struct buf *out)
{
    uint64_t sum = 0;
    int first = -1, second = -1;

    for (int o = 0; o < OUTCOME_N; o++) {
        uint64_t n = c->stats.failed_by_reason[o];
        sum += n;
        if (n > 0 && (first < 0 || n > c->stats.failed_by_reason[first])) {
            second = first;
            first = o;
        } else if (n > 0 && (second < 0 || n > c->stats.failed_by_reason[second])) {
            second = o;
        }
    }
    if (sum == 0)
        return;
    if (buf_printf(out, " | %" PRIu64 " failed (%s %" PRIu64, sum, outcome_name((enum outcome)first),
                   c->stats.failed_by_reason[first]) != 0
        || (second >= 0
            && buf_printf(out, ", %s %" PRIu64, outcome_name((enum outcome)second),
                          c->stats.failed_by_reason[second]) != 0)
        || buf_append_char(out, ')') != 0)
        buf_clear(out);
}

static void
put_memory(const struct coordinator *c, struct buf *out)
{
    if (buf_append_str(out, " | mem") != 0)
        return;
    for (unsigned i = 0; i < c->n_desks && i < 8; i++) {
        if (buf_append_char(out, ' ') != 0)
            return;
        put_bytes(out, c->desks[i].private_bytes);
    }
}

/* Only where a limit makes an end foreseeable. */
static void
put_eta(const struct coordinator *c, uint64_t now_ms, struct buf *out)
{
    const struct conf *conf = c->conf;
    uint64_t pages = coordinator_n_pages(c), best = UINT64_MAX;

    if (conf->max_pages > pages && c->pages_per_s > 0.01)
        best = (uint64_t)((double)(conf->max_pages - pages) / c->pages_per_s);
    if (conf->max_time_ms > 0 && conf->max_time_ms > now_ms - c->started_ms)
        best = ORB_MIN(best, (conf->max_time_ms - (now_ms - c->started_ms)) / 1000);
    if (best == UINT64_MAX || buf_append_str(out, " | ends in ") != 0)
        return;
    put_time(out, best);
}

static void
make_line(const struct coordinator *c, uint64_t now_ms, struct buf *out)
{
    const struct front_books *b = &c->stats.books;
    uint64_t in_flight = 0;

    for (unsigned i = 0; i < c->n_desks; i++)
        in_flight += c->desks[i].stats.n_in_flight;
    put_time(out, (now_ms - c->started_ms) / 1000);
    if (buf_printf(out, "%s | %" PRIu64 " pages, %.0f/s | %" PRIu64 " queued, %" PRIu64 " in flight, %" PRIu64 " waiting",
                   c->state == CRAWL_PAUSED ? (c->is_paused_by_disk ? " PAUSED (disk full)" : " PAUSED") : "",
                   coordinator_n_pages(c), c->pages_per_s, b->queued, in_flight, b->waiting) != 0)
        return;
    put_errors(c, out);
    put_memory(c, out);
    put_eta(c, now_ms, out);
}

void
progress_tick(struct coordinator *c, uint64_t now_ms)
{
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    struct buf line;

    if (c->conf->is_quiet || now_ms - last_ms < (is_terminal && !c->conf->is_json ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS))
        return;
    if (last_ms == 0 && !is_terminal) { /* the first plain line comes after ten seconds */
        last_ms = now_ms;
        return;
    }
    last_ms = now_ms;
    buf_init(&line, MEM_LOG, 64 * 1024);
    if (c->conf->is_json) {
        if (status_json(c, &line) == 0)
            printf("%s\n", line.p);
        fflush(stdout);
    } else {
        make_line(c, now_ms, &line);
        if (is_terminal)
            log_progress(line.p == NULL ? "" : line.p);
        else
            log_info("%s", line.p == NULL ? "" : line.p);
    }
    buf_fini(&line);
}

static void
print_cache(const struct coordinator *c)
{
    struct stats s;

    slots_sum(c, &s);
    if (s.n_cache_hits > 0)
        log_info("page cache: %" PRIu64 " of %" PRIu64 " bodies were known and not parsed again (%.1f %%)", s.n_cache_hits,
                 s.n_cache_hits + s.n_cache_misses, 100.0 * (double)s.n_cache_hits / (double)(s.n_cache_hits + s.n_cache_misses));
    if (s.n_gc_periodic > 0)
        log_info("--collect-every: %" PRIu64 " collections found %" PRIu64 " objects", s.n_gc_periodic, s.n_gc_periodic_yield);
}

/* What is left to be told at the end, and what to do next. */
static void
print_end(const struct coordinator *c, uint64_t now_ms)
{
    const struct front_books *b = &c->stats.books;
    struct buf took;

    buf_init(&took, MEM_LOG, 4096);
    put_time(&took, (now_ms - c->started_ms) / 1000);
    log_info("%" PRIu64 " pages in %s; books: %" PRIu64 " discovered = %" PRIu64 " queued + %" PRIu64 " leased + %" PRIu64
             " waiting + %" PRIu64 " done + %" PRIu64 " failed + %" PRIu64 " excluded + %" PRIu64 " quarantined",
             coordinator_n_pages(c) - c->pages_at_start, took.p, b->discovered, b->queued, b->leased, b->waiting, b->done,
             b->failed, b->excluded, b->quarantined);
    buf_fini(&took);
    print_cache(c);
    if (c->end == END_STOPPED || c->end == END_LIMIT)
        log_info("the same command goes on where this one ended; `orb sql %s` queries what is there", c->dir.path);
    else if (c->end == END_FINISHED)
        log_info("`orb sql %s` queries it, `orb export %s --format jsonl` writes it out", c->dir.path, c->dir.path);
}

void
progress_end(struct coordinator *c)
{
    struct buf line;

    log_progress("");
    if (c->conf->is_json) {
        buf_init(&line, MEM_LOG, 4 << 20);
        if (status_json(c, &line) == 0)
            printf("%s\n", line.p);
        fflush(stdout);
        buf_fini(&line);
        return;
    }
    print_end(c, clock_now_ms());
}
