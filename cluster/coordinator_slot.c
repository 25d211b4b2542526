/* coordinator_slot.c - a reconciler: as many workers as wanted, whatever happens to them
 *
 * "What should run now and does not?" is asked at each tick; deaths only change states. An obituary says why a process
 * ended and whose URLs are suspects: those that it was parsing or storing when it crashed - never when the signal was ours
 * or came from outside (a kill -9 says nothing about a page).
 */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/cmd.h"
#include "cluster/log.h"

#include <signal.h>
#include <string.h>

#define HOPELESS_STARTS 10
#define HOPELESS_MS 60000

/* Settings go down in parts; the worker answers READY. */
static int
on_started(void *arg, struct slot *s)
{
    struct coordinator *c = arg;
    struct slice rest = buf_slice(&c->conf_json);

    do {
        struct slice part = slice_sub(rest, 0, WIRE_MAX_TEXT_BYTES);
        struct wire_out out;
        int err;

        rest = slice_sub(rest, part.n, SIZE_MAX);
        wire_begin(&out, &c->frame, WIRE_CONF);
        wire_u8(&out, rest.n == 0);
        wire_text(&out, part);
        err = wire_finish(&out);
        if (err == 0)
            err = slot_send(s, &c->frame);
        if (err != 0)
            return err;
    } while (rest.n > 0);
    return 0;
}

/* Crashes of the process's own making; a KILL or TERM from outside is not. */
static bool
is_crash(const struct slot_death *death)
{
    if (!death->was_signal || death->was_ours)
        return false;
    return death->status == SIGSEGV || death->status == SIGABRT || death->status == SIGBUS || death->status == SIGILL
           || death->status == SIGFPE || death->status == SIGSYS;
}

static unsigned
find_suspects(const struct slot_death *death, uint64_t *suspects)
{
    if (!is_crash(death) || !death->has_stats || death->stats.op == OP_IDLE || death->stats.op_url_id == 0)
        return 0;
    suspects[0] = death->stats.op_url_id;
    return 1;
}

static void
write_obituary(const struct coordinator *c, const struct slot *s, const struct slot_death *death, unsigned n_suspects)
{
    bool is_end = c->state != CRAWL_RUNNING && c->state != CRAWL_PAUSED;

    if (is_end && (death->was_ours || (!death->was_signal && death->status == EXIT_STOPPED))) {
        log_debug("worker %u (pid %d) was stopped", s->index, (int)s->pid); /* what it held returns; no news at the end */
        return;
    }
    if (death->was_expected && !death->was_ours && !death->was_signal && death->status == EXIT_DONE) {
        log_debug("worker %u (pid %d) has finished", s->index, (int)s->pid);
        return;
    }
    if (death->was_signal)
        log_warning("worker %u (pid %d) died of signal %d (%s)%s%s", s->index, (int)s->pid, death->status,
                  strsignal(death->status), death->was_ours ? ", sent by the coordinator" : "",
                  n_suspects > 0 ? "; the page it was at is retried alone" : "; its URLs return to the queue");
    else
        log_warning("worker %u (pid %d) ended with exit code %d; its URLs return to the queue", s->index,
                  (int)s->pid, death->status);
}

/* All that is a worker's word: counts only, range-checked when they were read. */
static void
add_counts(struct stats *sum, const struct stats *s)
{
    sum->n_cache_hits += s->n_cache_hits;
    sum->n_cache_misses += s->n_cache_misses;
    sum->n_cache_url_hits += s->n_cache_url_hits;
    sum->cache_saved_bytes += s->cache_saved_bytes;
    sum->n_gc_collections += s->n_gc_collections;
    sum->n_gc_collected += s->n_gc_collected;
    sum->n_gc_periodic += s->n_gc_periodic;
    sum->n_gc_periodic_yield += s->n_gc_periodic_yield;
}

void
slots_sum(const struct coordinator *c, struct stats *out)
{
    *out = c->gone;
    for (unsigned i = 0; i < c->n_desks; i++)
        add_counts(out, &c->desks[i].stats);
}

static void
forget_log_lines(struct desk *d)
{
    if (d->n_log_lines > MAX_LOG_LINES)
        log_warning("worker %u had more to say than %u lines a second; %u are left out", d->slot.index, MAX_LOG_LINES,
                    d->n_log_lines - MAX_LOG_LINES);
    d->n_log_lines = 0;
}

static void
on_exit(void *arg, struct slot *s, const struct slot_death *death)
{
    struct coordinator *c = arg;
    struct desk *d = &c->desks[s->index];
    uint64_t suspects[1];
    unsigned n_suspects = find_suspects(death, suspects);

    write_obituary(c, s, death, n_suspects);
    c->n_failed_starts++;
    buf_clear(&d->report);
    d->has_report = d->is_distrusted = d->has_warned_links = false;
    d->n_urls = d->n_leases = d->n_leased_now = 0;
    forget_log_lines(d);
    d->has_trouble = false;
    coordinator_heap_gone(c, d, "the worker ended before it had answered; ask its successor");
    d->last_ask_id = 0;
    d->private_bytes = 0;
    if (death->has_stats)
        add_counts(&c->gone, &death->stats);
    memset(&d->stats, 0, sizeof d->stats);
    front_slot_died(c->front, s->index, suspects, n_suspects, clock_now_ms());
}

int
slots_open(struct coordinator *c)
{
    c->desks = mem_array(MEM_DEFAULT, c->conf->workers, sizeof *c->desks);
    if (c->desks == NULL)
        return ORB_ENOMEM;
    c->n_desks = c->n_workers_wanted = (unsigned)c->conf->workers;
    for (unsigned i = 0; i < c->n_desks; i++) {
        struct slot *s = &c->desks[i].slot;
        slot_init(s, i, c->loop, c->dir.lock_fd);
        s->hosts_fd = c->hosts_fd;
        s->on_started = on_started;
        s->on_frame = coordinator_on_frame;
        s->on_exit = on_exit;
        s->arg = c;
        buf_init(&c->desks[i].report, MEM_LOG, WIRE_MAX_REPORT_BYTES);
    }
    return 0;
}

/* Not one worker came up, for a minute, however often it was tried: the cause will not go away by itself. */
static void
give_up_if_hopeless(struct coordinator *c, uint64_t now_ms)
{
    if (!c->has_had_worker && c->n_failed_starts >= HOPELESS_STARTS && now_ms - c->started_ms > HOPELESS_MS)
        coordinator_end(c, END_FAILED, "no worker can be started; the lines above say why");
}

static void
start_missing(struct coordinator *c, uint64_t now_ms)
{
    if (c->state != CRAWL_RUNNING && c->state != CRAWL_PAUSED)
        return;
    for (unsigned i = 0; i < c->n_workers_wanted; i++) {
        struct slot *s = &c->desks[i].slot;
        int err;

        if (s->state != SLOT_EMPTY && !(s->state == SLOT_BACKOFF && now_ms >= s->deadline_ms))
            continue;
        err = slot_start(s, now_ms);
        if (err != 0)
            log_error("worker %u could not be started: %s; tried again in %u ms", i, orb_strerror(err),
                      s->backoff_ms);
    }
}

void
slots_tick(struct coordinator *c, uint64_t now_ms, uint32_t turned_ms)
{
    for (unsigned i = 0; i < c->n_desks; i++)
        slot_tick(&c->desks[i].slot, now_ms, turned_ms);
    coordinator_heap_tick(c, now_ms);
    start_missing(c, now_ms);
    give_up_if_hopeless(c, now_ms);
}

void
slots_drain(struct coordinator *c, uint64_t now_ms)
{
    for (unsigned i = 0; i < c->n_desks; i++)
        slot_drain(&c->desks[i].slot, now_ms, COORDINATOR_DRAIN_MS);
}

void
slots_kill(struct coordinator *c, uint64_t now_ms)
{
    for (unsigned i = 0; i < c->n_desks; i++)
        slot_kill(&c->desks[i].slot, now_ms);
}

/* Only for an end that did not come by DRAINING: then nobody lives any more. */
void
slots_close(struct coordinator *c)
{
    slots_kill(c, clock_now_ms());
    while (!slots_are_empty(c))
        ev_run(c->loop, EVRUN_ONCE);
}

void
slots_free(struct coordinator *c)
{
    for (unsigned i = 0; i < c->n_desks; i++) {
        slot_fini(&c->desks[i].slot);
        buf_fini(&c->desks[i].report);
    }
    c->n_desks = c->n_workers_wanted = 0;
    MEM_FREE(MEM_DEFAULT, &c->desks);
}

bool
slots_are_empty(const struct coordinator *c)
{
    for (unsigned i = 0; i < c->n_desks; i++)
        if (slot_has_process(&c->desks[i].slot))
            return false;
    return true;
}

/* Unstarted URLs come back at once: pause. */
void
slots_take_back(struct coordinator *c)
{
    for (unsigned i = 0; i < c->n_desks; i++) {
        struct slot *s = &c->desks[i].slot;
        struct wire_out out;

        if (s->state != SLOT_RUNNING)
            continue;
        wire_begin(&out, &c->frame, WIRE_TAKE_BACK);
        wire_u64(&out, 0);
        if (wire_finish(&out) != 0 || slot_send(s, &c->frame) != 0)
            slot_stop(s, clock_now_ms());
    }
}

void
slots_sample(struct coordinator *c)
{
    for (unsigned i = 0; i < c->n_desks; i++) {
        struct desk *d = &c->desks[i];
        struct stats stats;

        if (!slot_has_process(&d->slot))
            continue;
        if (stats_read(d->slot.stats_page, &stats) == 0)
            d->stats = stats;
        d->n_leased_now = 0;
        forget_log_lines(d);
        d->private_bytes = stats_private_bytes(d->slot.pid);
    }
}
