/* worker.c - one worker process: settings in, leases in, pages to disk, reports out
 *
 *   start --CONF--> open store, mux, dns --READY--> working --DRAIN--> draining --nothing in flight--> exit 0
 *                                                     |  ^
 *                                     disk full: starts nothing, tries to store again each second
 *
 * Its end is never waited for by itself: the parent's death kills it (PR_SET_PDEATHSIG), the end of the channel makes it
 * leave, SIGTERM makes it leave at once. What is not committed then is asked again by another worker.
 */
#include "cluster/worker_internal.h"

#include "cluster/batch.h"
#include "cluster/clock.h"
#include "cluster/cmd.h"
#include "cluster/libraries.h"
#include "cluster/log.h"
#include "cluster/sandbox.h"
#include "cluster/slot.h"
#include "crawler/curl_init.h"
#include "crawler/decode.h"
#include "crawler/html.h"
#include "crawler/xml.h"
#include "gc/trace.h"
#include "pool/pool.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#define HOSTS_MAX_BYTES (1u << 30)
#define CONF_MAX_BYTES (16u << 20)
#define UNSENT_MAX_BYTES (256u << 20)

uint64_t
worker_now_ms(const struct worker *w)
{
    return clock_now_ms();
}

uint64_t
worker_wall_ms(const struct worker *w)
{
    return clock_wall_ms();
}

noreturn void
worker_die(struct worker *w, const char *why, int err)
{
    worker_log_last_words(w);
    log_error("it ends: %s%s%s", why, err != 0 ? ": " : "", err != 0 ? orb_strerror(err) : "");
    _exit(EXIT_FAILED);
}

void
worker_send(struct worker *w, struct wire_out *out)
{
    int err = wire_finish(out);

    if (err == 0)
        err = channel_send(&w->channel, buf_slice(out->frame));
    if (err == ORB_ECLOSED)
        _exit(EXIT_FAILED); /* the coordinator is gone: nobody is there to read a message */
    if (err != 0)
        worker_die(w, "the coordinator cannot be told", err);
}

/* Room for one more request, and for what its answer will need. */
bool
worker_has_room(const struct worker *w)
{
    return w->n_fetching < w->conf.concurrency && w->n_storing == 0 && !w->disk_is_full
           && w->n_committing < WORKER_MAX_ROWS_PENDING && !channel_is_congested(&w->channel);
}

/* ---- set up ------------------------------------------------------------------------------------------------------- */

/* Once: names are looked up in memory. One that cannot be read is an empty one. */
static void
read_hosts(struct worker *w)
{
    const char *path = w->conf.hosts_file != NULL ? w->conf.hosts_file : "/etc/hosts";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    buf_init(&w->hosts_text, MEM_CACHE, HOSTS_MAX_BYTES);
    if (fd < 0 || batch_read_all(&w->hosts_text, fd) != 0) {
        if (w->conf.hosts_file != NULL)
            log_warning("%s cannot be read: names are asked of the name servers only", path);
        buf_clear(&w->hosts_text);
    }
    if (fd >= 0)
        close(fd);
}

static void
open_network(struct worker *w)
{
    const struct conf *c = &w->conf;

    read_hosts(w);
    w->dns_conf = (struct dns_conf){
        .servers = c->dns_servers, .hosts = buf_slice(&w->hosts_text), .timeout_ms = 5000, .tries = 3,
    };
    guard_init(&w->guard);
    for (size_t i = 0; i < c->allow_private.n; i++)
        if (guard_allow(&w->guard, slice_str(c->allow_private.items[i])) != 0)
            worker_die(w, "--allow-private is no address block", ORB_EINVAL);
    w->mux_conf = (struct mux_conf){
        .limits = {
            .max_header_bytes = c->max_header_bytes,
            .max_body_bytes = c->max_body_bytes,
            .max_decoded_bytes = c->max_decoded_bytes,
            .connect_timeout_ms = (unsigned)c->connect_timeout_ms,
            .timeout_ms = (unsigned)c->timeout_ms,
            .low_speed_bytes_per_s = (unsigned)c->low_speed_bytes,
            .low_speed_s = (unsigned)((c->low_speed_time_ms + 999) / 1000),
        },
        .guard = &w->guard,
        .user_agent = c->user_agent,
        .headers = c->headers.n > 0 ? (const char *const *)c->headers.items : NULL,
        .proxy = c->proxy,
        .dns = &w->dns_conf,
        .ca_file = c->ca_file,
        .max_connections = (unsigned)c->concurrency * 2,
        .max_per_host = (unsigned)c->per_host,
        .is_insecure = c->is_insecure,
        .is_http2 = c->use_http2,
    };
    if (dns_new(&w->dns, w->loop, &w->dns_conf) != 0)
        worker_die(w, "the resolver could not be set up", ORB_ENOMEM);
    job_type.lifetime_ms = (uint32_t)ORB_MIN(c->timeout_ms + JOB_LIFETIME_MS, (uint64_t)UINT32_MAX);
    if (mux_new(&w->mux, w->loop, &w->mux_conf) != 0)
        worker_die(w, c->proxy != NULL ? "the proxy could not be found, or no memory" : "no memory for the network",
                   ORB_ENOMEM);
}

static void
open_cache(struct worker *w)
{
    uint8_t secret[CACHE_SECRET_BYTES];

    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        worker_die(w, "no random bytes", ORB_EIO);
    if (cache_new(&w->cache, w->conf.page_cache_bytes, secret) != 0)
        worker_die(w, "no memory for the cache of parsed pages", ORB_ENOMEM);
}

static void
open_store(struct worker *w)
{
    char pages[4200], warc[4200];
    struct store_conf conf = {
        .pages_dir = pages,
        .warc_dir = warc,
        .slot = w->index,
        .software = "orbweaver/" ORB_VERSION,
        .contact = w->conf.contact,
        .user_agent = w->conf.user_agent,
        .max_warc_bytes = w->conf.warc_file_bytes,
    };
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 4096);
    snprintf(pages, sizeof pages, "%s/pages", w->conf.output_dir);
    snprintf(warc, sizeof warc, "%s/warc", w->conf.output_dir);
    if (store_open(&w->store, &conf, &error) != 0)
        worker_die(w, error.n > 0 ? error.p : "the crawl directory could not be opened", 0);
    buf_fini(&error);
}

/* Before the sandbox: libunwind looks around when it starts. */
static void
start_tracing(const struct worker *w)
{
    if (w->conf.trace_mean_bytes != 0 && trace_start(w->conf.trace_mean_bytes) == ORB_ENOTSUP)
        log_debug("built without libunwind: where libraries allocate is not traced");
}

/* What a page takes is in these domains; what the store has of its own in one of them is not the pages' fault. */
static void
limit_page_memory(const struct worker *w)
{
    static const enum mem_domain domains[] = { MEM_BUF, MEM_PAGE, MEM_XML };

    for (size_t i = 0; w->conf.page_memory_bytes != 0 && i < ORB_N_ELEMENTS(domains); i++)
        mem_set_limits(domains[i], 0, w->conf.page_memory_bytes + (domains[i] == MEM_BUF ? STORE_KEPT_BYTES : 0));
}

static void
on_conf(struct worker *w, struct wire_in *in)
{
    struct buf error;
    struct wire_out out;
    bool is_last = wire_get_bool(in);

    if (w->has_conf || buf_append_slice(&w->conf_json, wire_get_text(in, WIRE_MAX_TEXT_BYTES)) != 0 || in->is_bad)
        worker_die(w, "damaged settings", ORB_EPROTO);
    if (!is_last)
        return;
    buf_init(&error, MEM_DEFAULT, 4096);
    if (conf_init(&w->conf) != 0 || conf_from_json(&w->conf, buf_slice(&w->conf_json), &error) != 0)
        worker_die(w, error.p != NULL ? error.p : "damaged settings", ORB_EPROTO);
    buf_fini(&error);
    buf_fini(&w->conf_json);
    w->has_conf = true;
    log_set_level((enum log_level)w->conf.log_level);
    start_tracing(w);
    limit_page_memory(w);
    open_store(w);
    open_network(w);
    open_cache(w);
    worker_heap_open(w);
    sandbox_enter_worker(w->conf.output_dir, w->conf.hosts_file, w->conf.ca_file);
    libraries_report(); /* the resolver was the last of them */
    mem_start_background();
    wire_begin(&out, &w->frame, WIRE_READY);
    wire_u32(&out, (uint32_t)getpid());
    worker_send(w, &out);
}

/* ---- the channel -------------------------------------------------------------------------------------------------- */

static void
on_ping(struct worker *w)
{
    struct wire_out out;

    wire_begin(&out, &w->frame, WIRE_PONG);
    worker_send(w, &out);
}

static void
on_drain(struct worker *w)
{
    w->is_draining = true;
    worker_take_back(w, 0);
    worker_flush(w);
}

static void
on_frame(void *arg, struct slice frame)
{
    struct worker *w = arg;
    struct wire_in in;
    unsigned type;

    if (wire_open(&in, frame, &type) != 0)
        worker_die(w, "the coordinator speaks another version", ORB_EVERSION);
    if (!w->has_conf && type != WIRE_CONF)
        worker_die(w, "no settings", ORB_EPROTO);
    switch (type) {
    case WIRE_CONF:
        on_conf(w, &in);
        break;
    case WIRE_LEASE:
    case WIRE_HOST:
    case WIRE_ROBOTS:
    case WIRE_URLS:
    case WIRE_LEASE_END:
        worker_on_lease_frame(w, type, &in);
        break;
    case WIRE_LEASE_OVER:
        worker_on_lease_over(w, &in);
        break;
    case WIRE_TAKE_BACK:
        worker_take_back(w, wire_get_u64(&in));
        break;
    case WIRE_DRAIN:
        on_drain(w);
        break;
    case WIRE_PING:
        on_ping(w);
        break;
    case WIRE_HEAP:
        worker_on_heap(w, &in);
        break;
    default:
        worker_die(w, "a frame of an unknown type", ORB_EPROTO);
    }
}

static void
on_channel_broken(void *arg)
{
    _exit(EXIT_FAILED); /* the coordinator is gone (8) */
}

/* ---- time --------------------------------------------------------------------------------------------------------- */

static bool
is_drained(const struct worker *w)
{
    if (!w->is_draining || w->n_fetching + w->n_storing + w->n_committing > 0 || !channel_is_flushed(&w->channel))
        return false;
    LIST_EACH (node, &w->leases) {
        struct wlease *l = LIST_ELEMENT(node, struct wlease, node);
        if (l->n_in_flight > 0)
            return false;
    }
    return true;
}

static void
before_sleep(struct ev_loop *loop, ev_prepare *p, int events)
{
    struct worker *w = p->data;

    if (w->needs_pump)
        worker_pump(w);
    if (w->n_committing > 0 && !ev_is_active(&w->flush_timer)) {
        ev_timer_set(&w->flush_timer, WORKER_FLUSH_MS / 1000.0, 0);
        ev_timer_start(loop, &w->flush_timer);
    }
    if (w->has_conf)
        worker_safe_point(w);
    if (is_drained(w))
        ev_break(loop, EVBREAK_ALL);
}

static void
on_pump_timer(struct ev_loop *loop, ev_timer *t, int events)
{
    worker_pump_soon(t->data);
}

static void
on_flush_timer(struct ev_loop *loop, ev_timer *t, int events)
{
    struct worker *w = t->data;

    worker_flush(w);
    if (w->n_committing > 0 && !ev_is_active(t)) { /* busy: soon again */
        ev_timer_set(t, 0.005, 0);
        ev_timer_start(loop, t);
    }
}

static void
write_stats(struct worker *w)
{
    struct stats *s = &w->stats;
    struct mux_stats m;

    mux_stats(w->mux, &m);
    s->magic = STATS_MAGIC;
    s->version = STATS_VERSION;
    s->pid = (uint32_t)getpid();
    s->updated_ms = worker_now_ms(w);
    s->n_connections_opened = m.n_connections_opened;
    s->n_connections_reused = m.n_connections_reused;
    s->n_in_flight = w->n_fetching;
    s->n_leases = (uint32_t)w->lease_by_id.n;
    s->n_rows_pending = w->n_committing;
    s->n_urls_held = 0;
    LIST_EACH (node, &w->leases)
        s->n_urls_held += LIST_ELEMENT(node, struct wlease, node)->n_ready;
    for (int d = 0; d < MEM_N_DOMAINS; d++) {
        struct mem_stats domain;
        mem_stats((enum mem_domain)d, &domain);
        s->live_bytes[d] = domain.live_bytes;
    }
    worker_heap_stats(w, s);
    s->hooks_failed = libraries_failed();
    stats_write(w->stats_page, s);
}

static void
on_tick(struct ev_loop *loop, ev_timer *t, int events)
{
    struct worker *w = t->data;

    if (!w->has_conf)
        return;
    pool_tick_all(worker_now_ms(w));
    mem_tick(worker_now_ms(w));
    worker_sweep_leases(w);
    worker_heap_tick(w);
    write_stats(w);
    if (w->n_storing > 0)
        worker_store_more(w);
    else if (w->disk_is_full)
        worker_flush(w);
    worker_pump_soon(w); /* what could not start for want of memory or descriptors has no other timer */
}

static void
on_term(struct ev_loop *loop, ev_signal *s, int events)
{
    _exit(EXIT_STOPPED); /* batches that are not committed are asked again */
}

/* ---- the process -------------------------------------------------------------------------------------------------- */

static void
watch(struct worker *w, ev_signal *term)
{
    ev_prepare_init(&w->pump_soon, before_sleep);
    w->pump_soon.data = w;
    ev_prepare_start(w->loop, &w->pump_soon);
    ev_timer_init(&w->pump_timer, on_pump_timer, 0, 0);
    ev_timer_init(&w->flush_timer, on_flush_timer, 0, 0);
    ev_timer_init(&w->tick_timer, on_tick, 0.2, 1.0);
    w->pump_timer.data = w->flush_timer.data = w->tick_timer.data = w;
    ev_timer_start(w->loop, &w->tick_timer);
    ev_signal_init(term, on_term, SIGTERM);
    ev_signal_start(w->loop, term);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole foreground group: the coordinator decides */
    signal(SIGPIPE, SIG_IGN);
}

static void
worker_close(struct worker *w)
{
    store_close(&w->store);
    mux_free(&w->mux);
    worker_free_leases(w);
    dns_free(&w->dns);
    worker_remove_roots(w);
    cache_free(&w->cache);
    buf_fini(&w->hosts_text);
    parsed_fini(&w->parsed);
    parse_fini();
    decode_release();
    conf_fini(&w->conf);
    worker_log_close(w);
    channel_close(&w->channel);
    worker_heap_close(w);
    trace_stop();
}

int
cmd_worker(int argc, char **argv)
{
    static struct worker w; /* large, and there is one */
    ev_signal term;

    if (argc != 2 || fcntl(WORKER_CHANNEL_FD, F_GETFD) < 0) {
        fprintf(stderr, "orb worker: started by the coordinator only; use `orb crawl`\n");
        return EXIT_USAGE;
    }
    w.index = (unsigned)atoi(argv[1]);
    log_set_process("worker %u", w.index);
    prctl(PR_SET_NAME, "orb-worker");
    slot_raise_file_limit();
    if (curl_init_libraries(NULL) != 0)
        worker_die(&w, "libcurl could not be set up", ORB_ENOMEM);
    storage_init();
    xml_init();
    w.loop = libraries_loop();
    if (w.loop == NULL || stats_page_attach(WORKER_STATS_FD, &w.stats_page) != 0)
        worker_die(&w, "no event loop or no stats page", ORB_ENOMEM);
    list_init(&w.leases);
    list_init(&w.fetching);
    list_init(&w.storing);
    list_init(&w.committing);
    list_init(&w.observers);
    worker_add_roots(&w);
    map_init(&w.lease_by_id, MEM_HOST);
    buf_init(&w.frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    buf_init(&w.question, MEM_LOG, HEAP_MAX_QUESTION_BYTES);
    buf_init(&w.answer, MEM_LOG, HEAP_MAX_ANSWER_BYTES);
    buf_init(&w.conf_json, MEM_DEFAULT, CONF_MAX_BYTES);
    parsed_init(&w.parsed);
    watch(&w, &term);
    if (channel_open(&w.channel, w.loop, WORKER_CHANNEL_FD, UNSENT_MAX_BYTES, on_frame, on_channel_broken, &w) != 0)
        worker_die(&w, "no memory for the channel", ORB_ENOMEM);
    worker_log_open(&w);
    ev_run(w.loop, 0);
    write_stats(&w); /* its last words */
    worker_close(&w);
    return EXIT_DONE;
}
