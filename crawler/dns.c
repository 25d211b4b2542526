/* dns.c - who waits for which name, and what is remembered
 *
 *               the cache knows it            its turn                reply               delivered
 *   dns_lookup ---------------------> done()      |                     |                     |
 *             \--> flight WAITING ----------------+-> ASKED ------------+-> ANSWERED ---------+-> freed
 *              \-> one more waiter of a flight of that name
 *
 *   WAITING   256 others are out.   ASKED   the channel has it.   ANSWERED   its waiters are called in this turn of the
 *   loop, but not from inside c-ares, so that they may ask again.
 */
#include "crawler/dns.h"

#include <ev.h>
#include <xxhash.h>

#include "crawler/dns_cache.h"
#include "crawler/dns_channel.h"

#define DNS_MAGIC 0x646e7300u
#define MAX_IN_FLIGHT 256
#define MIN_TTL_S 30
#define MAX_TTL_S 86400
#define FAILURE_TTL_S 60
#define NO_SUCH_HOST_TTL_S 300

struct waiter {
    struct list link;
    dns_done_fn *done;
    void *arg;
};

struct flight {
    struct list link;       /* dns->waiting, ->asked or ->answered */
    struct dns *dns;
    struct list waiters;
    uint64_t key;
    bool is_findable;       /* in dns->flights; not when another name with that key is out, or for want of memory */
    struct dns_found found; /* once ANSWERED */
    size_t n_name;
    char name[DNS_NAME_MAX_BYTES + 1];
};

struct dns {
    uint32_t magic;
    struct ev_loop *loop;
    struct dns_channel *channel;
    struct dns_conf conf;   /* its strings are not kept */
    struct dns_cache cache;
    struct map flights;     /* by key: WAITING or ASKED */
    struct list waiting, asked, answered;
    unsigned n_waiting, n_asked;
    struct ev_timer deliver; /* never started, only fed: runs when c-ares has returned */
    struct dns_stats stats;
    bool is_closing;
};

static unsigned
or_default(unsigned value, unsigned if_zero)
{
    return value == 0 ? if_zero : value;
}

/* How long an answer may be believed. */
static unsigned
ttl_of(const struct dns_conf *conf, const struct dns_found *found)
{
    unsigned min_s = or_default(conf->min_ttl_s, MIN_TTL_S), max_s = or_default(conf->max_ttl_s, MAX_TTL_S);

    if (found->outcome == OUTCOME_DNS_NO_SUCH_HOST)
        return or_default(conf->no_such_host_ttl_s, NO_SUCH_HOST_TTL_S);
    if (found->outcome != OUTCOME_OK)
        return or_default(conf->failure_ttl_s, FAILURE_TTL_S);
    return ORB_MIN(ORB_MAX(found->ttl_s, min_s), max_s);
}

static void
call(dns_done_fn *done, void *arg, const struct dns_found *found)
{
    struct dns_answer answer;

    dns_answer_of(&answer, found);
    done(arg, &answer);
}

/* ---- flights ---- */

static void
flight_free(struct flight *f)
{
    list_remove(&f->link);
    mem_free(MEM_CURL, f);
}

static void
flight_on_reply(void *arg, const struct dns_found *found)
{
    struct flight *f = arg;
    struct dns *d = f->dns;

    f->found = *found;
    f->found.ttl_s = ttl_of(&d->conf, found);
    if (found->outcome != OUTCOME_NOT_STARTED)
        dns_cache_put(&d->cache, f->key, slice_of(f->name, f->n_name), ev_now(d->loop), &f->found);
    if (f->is_findable)
        map_remove(&d->flights, f->key);
    list_remove(&f->link);
    d->n_asked--;
    list_push_back(&d->answered, &f->link);
    if (!d->is_closing)
        ev_feed_event(d->loop, &d->deliver, EV_CUSTOM);
}

/* Asks for those whose turn has come. A reply out of the hosts file comes before dns_channel_ask() returns. */
static void
start_waiting(struct dns *d)
{
    while (d->n_asked < MAX_IN_FLIGHT && !list_is_empty(&d->waiting)) {
        struct flight *f = LIST_ELEMENT(list_take_front(&d->waiting), struct flight, link);
        d->n_waiting--;
        d->n_asked++;
        list_push_back(&d->asked, &f->link);
        dns_channel_ask(d->channel, f->name, flight_on_reply, f);
    }
}

/* The flight stays in its list until its last waiter was called: dns_cancel() may come from any of them. */
static void
deliver_all(struct dns *d)
{
    while (!list_is_empty(&d->answered)) {
        struct flight *f = LIST_ELEMENT(d->answered.next, struct flight, link);
        struct list *node;
        while ((node = list_take_front(&f->waiters)) != NULL) {
            struct waiter w = *LIST_ELEMENT(node, struct waiter, link);
            mem_free(MEM_CURL, LIST_ELEMENT(node, struct waiter, link));
            call(w.done, w.arg, &f->found);
        }
        flight_free(f);
    }
}

static void
on_deliver(struct ev_loop *loop, struct ev_timer *w, int revents)
{
    struct dns *d = w->data;

    deliver_all(d);
    start_waiting(d);
}

static struct flight *
flight_new(struct dns *d, uint64_t key, struct slice name)
{
    struct flight *f = mem_zalloc(MEM_CURL, sizeof *f);

    if (f == NULL)
        return NULL;
    f->dns = d;
    f->key = key;
    f->n_name = name.n;
    memcpy(f->name, name.p, name.n);
    list_init(&f->waiters);
    list_init(&f->link);
    f->is_findable = map_get(&d->flights, key) == NULL && map_put(&d->flights, key, f) == 0;
    return f;
}

static struct flight *
flight_find(struct dns *d, uint64_t key, struct slice name)
{
    struct flight *f = map_get(&d->flights, key);

    return f != NULL && slice_eq(slice_of(f->name, f->n_name), name) ? f : NULL;
}

/* ---- the contract ---- */

/* False: no memory. */
static bool
join_flight(struct dns *d, uint64_t key, struct slice name, dns_done_fn *done, void *arg)
{
    struct waiter *w = mem_alloc(MEM_CURL, sizeof *w);
    struct flight *f = w == NULL ? NULL : flight_find(d, key, name);

    if (w == NULL)
        return false;
    *w = (struct waiter){ .done = done, .arg = arg };
    if (f != NULL) {
        d->stats.n_merged++;
        list_push_back(&f->waiters, &w->link);
        return true;
    }
    f = flight_new(d, key, name);
    if (f == NULL) {
        mem_free(MEM_CURL, w);
        return false;
    }
    d->stats.n_misses++;
    list_push_back(&f->waiters, &w->link);
    list_push_back(&d->waiting, &f->link);
    d->n_waiting++;
    start_waiting(d);
    return true;
}

void
dns_lookup(struct dns *d, struct slice host, dns_done_fn *done, void *arg)
{
    char text[DNS_NAME_MAX_BYTES + 1];
    struct dns_found found;
    struct slice name;
    uint64_t key;

    CHECK_IS(d, DNS_MAGIC);
    if (dns_name_read(host, text, &found) == DNS_NAME_KNOWN) {
        call(done, arg, &found);
        return;
    }
    name = slice_str(text);
    key = XXH3_64bits(name.p, name.n);
    if (dns_cache_get(&d->cache, key, name, ev_now(d->loop), &found)) {
        d->stats.n_hits++;
        call(done, arg, &found);
        return;
    }
    if (!d->is_closing && join_flight(d, key, name, done, arg))
        return;
    found = (struct dns_found){ .outcome = OUTCOME_NOT_STARTED };
    call(done, arg, &found);
}

static bool
cancel_in(struct list *flights, dns_done_fn *done, void *arg)
{
    LIST_EACH (node, flights) {
        struct flight *f = LIST_ELEMENT(node, struct flight, link);
        LIST_EACH (at, &f->waiters) {
            struct waiter *w = LIST_ELEMENT(at, struct waiter, link);
            if (w->done != done || w->arg != arg)
                continue;
            list_remove(&w->link);
            mem_free(MEM_CURL, w);
            return true;
        }
    }
    return false;
}

/* The question itself goes on: its answer is for the cache. */
void
dns_cancel(struct dns *d, dns_done_fn *done, void *arg)
{
    CHECK_IS(d, DNS_MAGIC);
    if (!cancel_in(&d->asked, done, arg) && !cancel_in(&d->answered, done, arg))
        cancel_in(&d->waiting, done, arg);
}

void
dns_put(struct dns *d, struct slice host, const struct dns_answer *answer)
{
    char text[DNS_NAME_MAX_BYTES + 1];
    struct dns_found found;
    struct slice name;

    CHECK_IS(d, DNS_MAGIC);
    if (dns_name_read(host, text, &found) == DNS_NAME_KNOWN)
        return;
    dns_found_of(&found, answer);
    if (found.outcome == OUTCOME_NOT_STARTED || (found.outcome == OUTCOME_OK && found.n == 0))
        return;
    found.ttl_s = ttl_of(&d->conf, &found);
    name = slice_str(text);
    dns_cache_put(&d->cache, XXH3_64bits(name.p, name.n), name, ev_now(d->loop), &found);
}

void
dns_flush(struct dns *d)
{
    CHECK_IS(d, DNS_MAGIC);
    dns_cache_clear(&d->cache);
}

void
dns_stats(const struct dns *d, struct dns_stats *out)
{
    CHECK_IS(d, DNS_MAGIC);
    *out = d->stats;
    out->n_cached = d->cache.n;
    out->n_evicted = d->cache.n_evicted;
    out->n_in_flight = d->n_asked;
    out->n_waiting = d->n_waiting;
}

int
dns_new(struct dns **out, struct ev_loop *loop, const struct dns_conf *conf)
{
    struct dns *d = mem_zalloc(MEM_CACHE, sizeof *d);
    int err;

    if (d == NULL)
        return ORB_ENOMEM;
    d->magic = DNS_MAGIC;
    d->loop = loop;
    d->conf = *conf;
    d->conf.servers = NULL;
    d->conf.hosts = SLICE_NONE;
    dns_cache_init(&d->cache, DNS_MAX_CACHED);
    map_init(&d->flights, MEM_CACHE);
    list_init(&d->waiting);
    list_init(&d->asked);
    list_init(&d->answered);
    ev_timer_init(&d->deliver, on_deliver, 0., 0.);
    d->deliver.data = d;
    err = dns_channel_open(&d->channel, loop, conf);
    if (err != 0) {
        dns_free(&d);
        return err;
    }
    *out = d;
    return 0;
}

void
dns_free(struct dns **dns)
{
    struct dns *d = *dns;
    struct list *node;

    if (d == NULL)
        return;
    CHECK_IS(d, DNS_MAGIC);
    d->is_closing = true;
    ev_clear_pending(d->loop, &d->deliver);
    dns_channel_close(&d->channel); /* those asked become answered */
    while ((node = list_take_front(&d->waiting)) != NULL)
        list_push_back(&d->answered, node);
    LIST_EACH (at, &d->answered)
        LIST_ELEMENT(at, struct flight, link)->found = (struct dns_found){ .outcome = OUTCOME_NOT_STARTED };
    deliver_all(d);
    dns_cache_fini(&d->cache);
    map_fini(&d->flights);
    d->magic = 0;
    MEM_FREE(MEM_CACHE, dns);
}
