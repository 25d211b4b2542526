/* coordinator.c - the life of a crawl: opened, recovered, run, drained, closed
 *
 *            open, recover            limit, signal, finished           workers gone
 *   nothing ---------------> RUNNING ------------------------> DRAINING -------------> ENDED --front_close--> exit
 *                             |   ^                               | second signal: workers are killed, state is kept
 *              pause, disk full   resume, room again
 *                             v   |
 *                            PAUSED
 *
 * RUNNING   leases what is due; workers missing are started.
 * PAUSED    leases nothing; unstarted URLs came back; workers live.
 * DRAINING  leases nothing; workers finish what is in flight, commit, report, exit.
 * ENDED     no worker lives; frontier.db is written and marked clean.
 */
#include "cluster/coordinator.h"
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/cmd.h"
#include "cluster/libraries.h"
#include "cluster/log.h"
#include "cluster/worker.h"
#include "crawler/parse.h"
#include "gc/collect.h"
#include "pool/pool.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COORDINATOR_MAGIC 0x636f6f72u
#define TURN_GAP_MS 200u                  /* longer turns of the loop do not count against workers */
#define DISK_ROOM_BYTES (64ull << 20)     /* free before a full disk counts as having room again */
#define DISK_CHECK_MS 2000
#define HEAP_EVERY_MS 1000

/* ---- ends ----------------------------------------------------------------------------------------------------------- */

void
coordinator_end(struct coordinator *c, enum crawl_end end, const char *fmt, ...)
{
    va_list ap;

    if (c->state == CRAWL_DRAINING || c->state == CRAWL_ENDED) {
        if (end == END_FAILED)
            c->end = end;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(c->end_sentence, sizeof c->end_sentence, fmt, ap);
    va_end(ap);
    c->end = end;
    c->state = CRAWL_DRAINING;
    log_info("%s", c->end_sentence);
    slots_drain(c, clock_now_ms());
}

void
coordinator_pause(struct coordinator *c, bool by_user, bool is_paused)
{
    bool *why = by_user ? &c->is_paused_by_user : &c->is_paused_by_disk;

    if (*why == is_paused || c->state == CRAWL_DRAINING || c->state == CRAWL_ENDED)
        return;
    *why = is_paused;
    if (!by_user && is_paused)
        log_error("the disk of %s is full: paused, nothing is lost; the crawl goes on by itself when there is room",
                  c->dir.path);
    if (c->is_paused_by_user || c->is_paused_by_disk) {
        if (c->state == CRAWL_RUNNING)
            slots_take_back(c);
        c->state = CRAWL_PAUSED;
    } else {
        c->state = CRAWL_RUNNING;
        log_info("the crawl goes on");
        coordinator_lease_more(c);
    }
}

uint64_t
coordinator_n_pages(const struct coordinator *c)
{
    return c->stats.done_by_outcome[OUTCOME_OK] + c->stats.done_by_outcome[OUTCOME_HTTP_STATUS]
           + c->stats.done_by_outcome[OUTCOME_NOT_MODIFIED] + c->stats.done_by_outcome[OUTCOME_NOINDEX];
}

bool
coordinator_may_lease(const struct coordinator *c)
{
    return c->state == CRAWL_RUNNING && !c->is_held_by_wal;
}

/* ---- limits --------------------------------------------------------------------------------------------------------- */

static void
check_limits(struct coordinator *c, uint64_t now_ms)
{
    const struct conf *conf = c->conf;

    if (conf->max_pages > 0 && coordinator_n_pages(c) >= conf->max_pages)
        coordinator_end(c, END_LIMIT, "--max-pages %" PRIu64 " is reached", conf->max_pages);
    else if (conf->max_time_ms > 0 && now_ms - c->started_ms >= conf->max_time_ms)
        coordinator_end(c, END_LIMIT, "--max-time %" PRIu64 " s is over", conf->max_time_ms / 1000);
    else if (conf->max_bytes > 0 && c->n_wire_bytes >= conf->max_bytes)
        coordinator_end(c, END_LIMIT, "--max-bytes %" PRIu64 " are received", conf->max_bytes);
}

static void
check_disk(struct coordinator *c, uint64_t now_ms)
{
    bool has_trouble = c->has_front_trouble;

    if (now_ms - c->last_disk_check_ms < DISK_CHECK_MS)
        return;
    c->last_disk_check_ms = now_ms;
    if (c->conf->max_disk_bytes > 0 && crawldir_used_bytes(&c->dir) >= c->conf->max_disk_bytes)
        coordinator_end(c, END_LIMIT, "--max-disk %" PRIu64 " bytes are used", c->conf->max_disk_bytes);
    if (!c->is_paused_by_disk)
        return;
    for (unsigned i = 0; i < c->n_desks; i++)
        has_trouble |= c->desks[i].has_trouble;
    if (!has_trouble && crawldir_free_bytes(&c->dir) >= DISK_ROOM_BYTES)
        coordinator_pause(c, false, false);
}

static void
check_finished(struct coordinator *c)
{
    if (c->state == CRAWL_RUNNING && front_is_finished(c->front)) /* (6) */
        coordinator_end(c, END_FINISHED, "finished: nothing is queued, leased or waiting");
    if (c->state == CRAWL_DRAINING && slots_are_empty(c)) {
        c->state = CRAWL_ENDED;
        ev_break(c->loop, EVBREAK_ALL);
    }
}

/* ---- the clock ------------------------------------------------------------------------------------------------------ */

static void
sample(struct coordinator *c, uint64_t now_ms)
{
    uint64_t pages = coordinator_n_pages(c);
    double seconds = (double)(now_ms - c->last_sample_ms) / 1000;
    double rate = c->last_sample_ms == 0 || pages < c->pages_at_sample ? 0 : (double)(pages - c->pages_at_sample) / seconds;

    if (c->last_sample_ms != 0 && seconds < 1)
        return;
    c->pages_per_s = c->pages_per_s == 0 ? rate : c->pages_per_s * 0.7 + rate * 0.3;
    c->pages_at_sample = pages;
    c->last_sample_ms = now_ms;
    slots_sample(c);
    pool_tick_all(now_ms);
    mem_tick(now_ms);
}

/* The tick comes from the loop itself: a safe point. */
static void
tend_heap(struct coordinator *c, uint64_t now_ms)
{
    struct gc_result result;

    heap_safe_point(&c->heap, now_ms, coordinator_n_pages(c), &result);
    if (now_ms - c->last_heap_ms < HEAP_EVERY_MS)
        return;
    c->last_heap_ms = now_ms;
    heap_tick(&c->heap, now_ms);
}

static void
on_tick(struct ev_loop *loop, ev_timer *t, int events)
{
    struct coordinator *c = t->data;
    uint64_t now_ms = clock_now_ms(), gap_ms = now_ms - c->last_tick_ms;

    c->last_tick_ms = now_ms;
    front_tick(c->front, now_ms, clock_wall_ms());
    front_stats(c->front, &c->stats);
    coordinator_give_back(c);
    disk_tick(c);
    slots_tick(c, now_ms, (uint32_t)ORB_MIN(gap_ms, TURN_GAP_MS));
    sample(c, now_ms);
    tend_heap(c, now_ms);
    coordinator_lease_more(c);
    check_limits(c, now_ms);
    check_disk(c, now_ms);
    check_finished(c);
    progress_tick(c, now_ms);
}

static void
on_interrupt(struct ev_loop *loop, ev_signal *s, int events)
{
    struct coordinator *c = s->data;

    if (++c->n_interrupts == 1) {
        if (c->state == CRAWL_DRAINING)
            log_info("workers finish what is in flight (again: stop at once)");
        coordinator_end(c, END_STOPPED, "stopping: workers finish what is in flight (again: stop at once)");
        return;
    }
    log_info("stopping at once; what was in flight is asked again next time");
    slots_kill(c, clock_now_ms());
}

static void
on_front_trouble(void *arg, int err, const char *sentence)
{
    struct coordinator *c = arg;

    c->has_front_trouble = err != 0;
    if (err == 0) {
        log_info("the frontier is written again");
        return;
    }
    if (err == ORB_EFULL) {
        coordinator_pause(c, false, true);
        return;
    }
    log_error("the frontier cannot be written: %s", sentence);
    if (err != ORB_EBUSY && err != ORB_ENOMEM)
        coordinator_end(c, END_FAILED, "failed: %s", sentence);
}

/* ---- settings ------------------------------------------------------------------------------------------------------- */

static enum outcome
judge(void *arg, const struct url *u, const struct front_link *link)
{
    struct coordinator *c = arg;
    enum outcome verdict;

    if (!url_is_http(u))
        return OUTCOME_SCHEME_BLOCKED;
    if (url_href(u).n > WIRE_MAX_URL_BYTES) /* whatever --max-url-bytes says: it would fit no frame */
        return OUTCOME_URL_TOO_LONG;
    if (link->kind == LINK_REDIRECT && link->redirect_hops > c->conf->max_redirects)
        return OUTCOME_TOO_MANY_REDIRECTS;
    verdict = scope_judge(c->scope, u, link->depth);
    /* a chain of redirects is no trap of links: --max-redirects ends it, under its own name */
    return link->kind == LINK_REDIRECT && (verdict == OUTCOME_REPEATED_SEGMENTS || verdict == OUTCOME_PATH_TOO_DEEP)
               ? OUTCOME_OK : verdict;
}

static void
host_settings(void *arg, struct slice host, uint16_t port, uint32_t *delay_ms, uint64_t *max_per_host)
{
    struct coordinator *c = arg;
    struct conf_host_settings s;

    conf_host_settings(c->conf, host, port, &s);
    *delay_ms = (uint32_t)s.delay_ms;
    *max_per_host = s.max_per_host;
}

static int
read_rules_file(const char *path, struct buf *text, struct buf *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), err = fd < 0 ? orb_error_from_errno(errno) : 0;
    char chunk[4096];
    ssize_t n;

    while (err == 0 && (n = read(fd, chunk, sizeof chunk)) != 0)
        err = n < 0 ? orb_error_from_errno(errno) : buf_append(text, chunk, (size_t)n);
    if (fd >= 0)
        close(fd);
    if (err != 0 && buf_printf(error, "cannot read --key-rules %s: %s", path, orb_strerror(err)) != 0)
        buf_clear(error);
    return err;
}

/* What makes two URLs one page is settled when a crawl starts, and kept with it: the journal was made by it. */
static int
read_key_rules(struct coordinator *c, struct buf *error)
{
    const char *file = c->conf->key_rules_file;
    struct buf text, kept;
    bool is_kept;
    int err;

    buf_init(&text, MEM_DEFAULT, 1 << 20);
    buf_init(&kept, MEM_DEFAULT, 1 << 20);
    err = file == NULL ? 0 : read_rules_file(file, &text, error);
    is_kept = crawldir_read_note(&c->dir, CRAWLDIR_KEY_RULES, &kept) == 0;
    if (err == 0 && is_kept && file != NULL && !slice_eq(buf_slice(&text), buf_slice(&kept)))
        log_warning("--key-rules: the rules that this crawl started with stay");
    if (err == 0)
        err = urlkey_rules_new(&c->key_rules, buf_slice(is_kept ? &kept : &text), error);
    if (err == 0 && !is_kept)
        err = crawldir_write_note(&c->dir, CRAWLDIR_KEY_RULES, buf_slice(&text));
    buf_fini(&text);
    buf_fini(&kept);
    return err;
}

static int
open_scope(struct coordinator *c, struct buf *error)
{
    const struct conf *conf = c->conf;
    struct scope_conf scope = {
        .kind = (enum scope_kind)conf->scope,
        .includes = conf->includes.n > 0 ? (const char *const *)conf->includes.items : NULL,
        .excludes = conf->excludes.n > 0 ? (const char *const *)conf->excludes.items : NULL,
        .max_depth = (unsigned)ORB_MIN(conf->max_depth, (uint64_t)UINT32_MAX),
        .max_url_bytes = (unsigned)conf->max_url_bytes,
        .max_path_depth = (unsigned)conf->max_path_depth,
        .max_repeated_segments = (unsigned)conf->max_repeated_segments,
        .max_parameters = (unsigned)conf->max_parameters,
    };
    int err = scope_new(&c->scope, &scope, error);

    return err != 0 ? err : scope_restore(c, error);
}

/* ---- opening -------------------------------------------------------------------------------------------------------- */

static int
open_front(struct coordinator *c, struct buf *error)
{
    const struct conf *conf = c->conf;
    struct front_recovery recovery;
    struct front_conf f = {
        .dir = c->dir.coordinator_path,
        .ram_budget_bytes = conf->frontier_memory_bytes,
        .max_per_host = conf->max_per_host,
        .max_pages = conf->max_pages,
        .keep_excluded = conf->keep_excluded,
        .refetch = conf->is_refetch,
        .delay_ms = (uint32_t)conf->delay_ms,
        .ip_delay_ms = (uint32_t)conf->ip_delay_ms,
        .max_delay_ms = (uint32_t)conf->max_delay_ms,
        .max_attempts = (unsigned)conf->max_attempts,
        .retry_first_ms = (uint32_t)conf->retry_delay_ms,
        .retry_max_ms = (uint32_t)conf->retry_max_ms,
        .host_settings = host_settings,
        .judge = judge,
        .on_lease = coordinator_on_lease,
        .on_lease_end = coordinator_on_lease_end,
        .on_trouble = on_front_trouble,
        .arg = c,
        .key_rules = c->key_rules,
    };
    int err = front_open(&c->front, c->loop, &f, clock_now_ms(), clock_wall_ms(), &recovery, error);

    if (err == 0 && !recovery.is_new)
        log_info("going on with %s: %" PRIu64 " URLs on %" PRIu64 " hosts%s (%.1f s)", c->dir.path, recovery.n_urls,
                 recovery.n_hosts, recovery.was_unclean ? ", after an unclean end" : "", recovery.seconds);
    if (err == 0 && recovery.n_again > 0)
        log_info("asking again for %" PRIu64 " URLs", recovery.n_again);
    else if (err == 0 && conf->is_refetch && !recovery.is_new)
        log_info("the round under way is finished first: --refetch begins the next one when nothing is left to ask");
    if (err == 0 && (recovery.was_unclean || recovery.is_new)) { /* new: all of frontier.db may have gone with the power */
        err = disk_recheck(c, recovery.n_urls);
        c->is_unchecked = err != 0;
    }
    if (err == 0)
        disk_start(c);
    return err;
}

static int
copy_bytes(int from, int to)
{
    char bytes[65536];
    ssize_t n;

    while ((n = read(from, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || write(to, bytes, (size_t)n) != n)
            return orb_error_from_errno(errno);
    }
    return 0;
}

/* Each worker reads the hosts file when it starts. A pipe (--hosts-file <(...), /dev/stdin) is read once, here, into
 * memory that they inherit. */
static int
keep_hosts_file(struct coordinator *c, struct buf *error)
{
    const char *path = c->conf->hosts_file;
    struct stat st;
    int fd, err;

    if (path == NULL || (stat(path, &st) == 0 && S_ISREG(st.st_mode)))
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    c->hosts_fd = fd < 0 ? -1 : memfd_create("hosts", MFD_CLOEXEC);
    err = c->hosts_fd < 0 ? orb_error_from_errno(errno) : copy_bytes(fd, c->hosts_fd);
    if (fd >= 0)
        close(fd);
    if (err == 0)
        return conf_set(c->conf, "hosts-file", WORKER_HOSTS_PATH, error);
    return buf_printf(error, "--hosts-file: %s cannot be read: %s", path, orb_strerror(err)) != 0 ? ORB_ENOMEM : ORB_EINVAL;
}

static void
watch(struct coordinator *c)
{
    ev_signal_init(&c->interrupt, on_interrupt, SIGINT);
    ev_signal_init(&c->terminate, on_interrupt, SIGTERM);
    c->interrupt.data = c->terminate.data = c;
    ev_signal_start(c->loop, &c->interrupt);
    ev_signal_start(c->loop, &c->terminate);
    ev_timer_init(&c->tick, on_tick, 0, COORDINATOR_TICK_MS / 1000.0);
    c->tick.data = c;
}

static int
coordinator_open(struct coordinator *c, struct buf *error)
{
    char log_dir[4200];
    int err;

    signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away is no reason to lose state */
    slot_raise_file_limit();
    mem_start_background();
    storage_init();
    c->loop = libraries_loop();
    if (c->loop == NULL)
        return ORB_ENOMEM;
    libraries_report();
    err = crawldir_open(&c->dir, c->conf->output_dir, error);
    if (err != 0)
        return err;
    snprintf(log_dir, sizeof log_dir, "%s/log", c->dir.coordinator_path);
    if (log_open_file(log_dir) != 0)
        log_warning("no log file in %s", log_dir);
    err = read_key_rules(c, error);
    if (err == 0)
        err = open_scope(c, error);
    if (err == 0)
        err = disk_open(c, error);
    if (err == 0)
        err = open_front(c, error);
    if (err == 0)
        err = heap_open(&c->heap, NULL);
    if (err == 0)
        err = control_open(&c->control, c, error);
    if (err == 0)
        err = keep_hosts_file(c, error);
    if (err == 0)
        err = conf_to_json(c->conf, true, &c->conf_json);
    if (err == 0)
        err = slots_open(c);
    return err;
}

static int
close_front(struct coordinator *c)
{
    int err = c->front == NULL ? 0 : front_close(&c->front, clock_now_ms(), clock_wall_ms());

    if (err != 0)
        log_error("the frontier could not be written at the end: %s; the next start recovers it", orb_strerror(err));
    return err;
}

static void
unwatch(struct coordinator *c)
{
    if (c->loop == NULL)
        return;
    ev_timer_stop(c->loop, &c->tick);
    ev_signal_stop(c->loop, &c->interrupt);
    ev_signal_stop(c->loop, &c->terminate);
}

static void
close_dir(struct coordinator *c, bool has_begun)
{
    if (c->dir.seeds_fd >= 0 && has_begun && crawldir_sync(&c->dir, 0) != 0)
        log_warning("the seeds in %s could not be brought to the disk", c->dir.coordinator_path);
    if (!has_begun)
        crawldir_undo(&c->dir);
    crawldir_close(&c->dir);
}

/* Takes a half-opened one. Whoever calls back goes before what he calls: workers report to the front, the front answers
 * to slots and control connections. */
static int
coordinator_close(struct coordinator *c, bool has_begun)
{
    int err;

    if (c->is_unchecked) /* like a kill: the next start finds an unclean end, and checks again */
        _exit(EXIT_FAILED);
    c->state = CRAWL_ENDED;
    unwatch(c);
    slots_close(c);
    control_hush(c->control);
    err = close_front(c);
    control_close(&c->control);
    slots_free(c);
    disk_close(c);
    scope_free(&c->scope);
    urlkey_rules_free(&c->key_rules);
    buf_fini(&c->frame);
    buf_fini(&c->conf_json);
    buf_fini(&c->returned);
    heap_close(&c->heap);
    close_dir(c, has_begun);
    if (c->hosts_fd >= 0)
        close(c->hosts_fd);
    log_close_file();
    if (c->loop != NULL)
        ev_loop_destroy(c->loop);
    return err;
}

static int
exit_code(const struct coordinator *c)
{
    switch (c->end) {
    case END_FINISHED:
    case END_LIMIT:
        return EXIT_DONE;
    case END_STOPPED:
        return EXIT_STOPPED;
    default:
        return EXIT_FAILED;
    }
}

/* Seeds go to the door before the first worker starts, so that bad ones are named at once. */
static int
begin(struct coordinator *c, struct buf *error)
{
    int err = seed_files_read(c, error);

    if (err != 0)
        return err;
    front_stats(c->front, &c->stats);
    if (c->stats.books.discovered == c->stats.books.excluded) {
        if (buf_printf(error, "nothing to crawl: %s", c->seeds_refused > 0 ? "no seed could be taken (see above)"
                                                                            : "give seeds as arguments or with -s FILE") != 0)
            buf_clear(error);
        return ORB_EINVAL;
    }
    c->pages_at_start = coordinator_n_pages(c);
    disk_sync_soon(c);
    return 0;
}

int
coordinator_run(struct conf *conf)
{
    struct coordinator c = {
        .magic = COORDINATOR_MAGIC, .conf = conf, .dir.lock_fd = -1, .dir.seeds_fd = -1, .hosts_fd = -1, .started_ms = clock_now_ms(),
    };
    struct buf error;
    int code = EXIT_FAILED, err;
    bool has_begun;

    buf_init(&error, MEM_DEFAULT, 16384);
    buf_init(&c.frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    buf_init(&c.conf_json, MEM_DEFAULT, 64u << 20);
    buf_init(&c.returned, MEM_DEFAULT, BUF_NO_CEILING);
    log_set_process("coordinator");
    err = coordinator_open(&c, &error);
    if (err == 0)
        err = begin(&c, &error);
    has_begun = err == 0;
    if (has_begun) {
        watch(&c);
        c.last_tick_ms = clock_now_ms();
        ev_timer_start(c.loop, &c.tick);
        ev_run(c.loop, 0);
        front_stats(c.front, &c.stats);
        progress_end(&c);
        code = exit_code(&c);
    } else {
        log_error("%s", error.n > 0 ? error.p : orb_strerror(err));
        code = err == ORB_EINVAL ? EXIT_USAGE : EXIT_FAILED;
    }
    if (coordinator_close(&c, has_begun) != 0)
        code = EXIT_FAILED;
    buf_fini(&error);
    return code;
}
