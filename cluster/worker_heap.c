/* worker_heap.c - the worker's safe point: collections, the past, and the coordinator's questions about memory
 *
 *   HEAP frame --> asked (the question waits) --> worker_safe_point(): heap_answer() --> HEAP_ANSWER parts
 *
 * The safe point is the loop's prepare step: it is called by libev with nothing of ours on the stack, so each reference
 * is where the roots say (worker_objects.c). One question waits at a time: the coordinator asks the next one after the answer.
 */
#include "cluster/worker_internal.h"

#include "cluster/log.h"
#include "gc/collect.h"

#include <stdio.h>

/* ---- what is known here ----------------------------------------------------------------------------------------------- */

static uint64_t
live_of(const struct object_type *type)
{
    struct object_type_stats all[64];
    unsigned n = object_census(all, ORB_N_ELEMENTS(all));

    return type->id == 0 || type->id > ORB_MIN(n, (unsigned)ORB_N_ELEMENTS(all)) ? 0 : all[type->id - 1].n_live;
}

static unsigned
count_hosts(const struct worker *w)
{
    unsigned n = 0;

    LIST_EACH (lease, &w->leases)
        LIST_EACH (node, &LIST_ELEMENT(lease, struct wlease, node)->hosts)
            n++;
    return n;
}

/* What the worker's own books say should be alive, beside what is: pages are of transfers, or wait to be stored; links are of
 * parsed pages, and those are the cache's, or of jobs that found them there. */
static void
put_balance(void *arg, struct text *t)
{
    struct worker *w = arg;
    struct mux_stats m;
    struct cache_stats cache;
    uint64_t n_jobs = (uint64_t)w->n_fetching + w->n_storing + w->n_committing;

    mux_stats(w->mux, &m);
    cache_stats(w->cache, &cache);
    const struct { const struct object_type *type; uint64_t expected; } rows[] = {
        { &fetch_type, m.n_in_flight }, { &page_type, m.n_in_flight + (uint64_t)w->n_storing }, { &host_type, count_hosts(w) },
        { &job_type, n_jobs }, { &parsed_page_type, cache.n_known }, { &link_type, cache_count_links(w->cache) },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(rows); i++) {
        text_put(t, i == 0 ? "{\"type\":" : ",{\"type\":");
        text_json(t, rows[i].type->name);
        text_printf(t, ",\"live\":%llu,\"expected\":%llu}", (unsigned long long)live_of(rows[i].type), (unsigned long long)rows[i].expected);
    }
}

static void
put_errors_of(struct text *t, const struct whost *h, bool is_first)
{
    unsigned n = ORB_MIN(h->n_errors, (unsigned)HOST_MAX_ERRORS);

    text_put(t, is_first ? "{\"host\":" : ",{\"host\":");
    text_json(t, url_href(&h->origin).p);
    text_printf(t, ",\"n\":%u,\"errors\":[", h->n_errors);
    for (unsigned i = 0; i < n; i++) { /* newest first */
        const struct error_record *e = h->errors[(h->n_errors - 1 - i) % HOST_MAX_ERRORS];

        text_printf(t, "%s{\"at_ms\":%llu,\"status\":%u,\"outcome\":", i == 0 ? "" : ",", (unsigned long long)e->at_ms, e->status);
        text_json(t, outcome_name(e->outcome));
        text_put(t, ",\"what\":");
        text_json(t, e->text);
        text_put(t, "}");
    }
    text_put(t, "]}");
}

static void
put_errors(void *arg, struct text *t)
{
    struct worker *w = arg;
    bool is_first = true;

    LIST_EACH (lease, &w->leases)
        LIST_EACH (node, &LIST_ELEMENT(lease, struct wlease, node)->hosts) {
            const struct whost *h = LIST_ELEMENT(node, struct whost, node);

            if (h->n_errors == 0)
                continue;
            put_errors_of(t, h, is_first);
            is_first = false;
        }
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

void
worker_heap_open(struct worker *w)
{
    const struct heap_facts facts = { .balance = put_balance, .errors = put_errors, .arg = w };
    uint64_t n_pages = 0, ms = 0;
    int err = heap_open(&w->heap, &facts);

    if (err != 0)
        worker_die(w, "no memory for the census", err);
    gc_set_time(worker_now_ms(w)); /* before the first object: it would be as old as the machine */
    if (w->conf.collect_every != NULL && heap_parse_rhythm(w->conf.collect_every, &n_pages, &ms))
        heap_set_rhythm(&w->heap, n_pages, ms);
    gc_set_check(w->conf.is_checking_heap);
}

void
worker_heap_close(struct worker *w)
{
    heap_close(&w->heap);
    buf_fini(&w->question);
    buf_fini(&w->answer);
}

/* ---- questions -------------------------------------------------------------------------------------------------------- */

void
worker_on_heap(struct worker *w, struct wire_in *in)
{
    w->question_id = wire_get_u32(in);
    buf_clear(&w->question);
    if (buf_append_slice(&w->question, wire_get_text(in, HEAP_MAX_QUESTION_BYTES)) != 0 || !wire_at_end(in))
        worker_die(w, "a damaged question", ORB_EPROTO);
    w->is_asked = true;
}

static void
send_part(struct worker *w, bool is_answer, struct slice part, bool is_last)
{
    struct wire_out out;

    wire_begin(&out, &w->frame, WIRE_HEAP_ANSWER);
    wire_u32(&out, w->question_id);
    wire_u8(&out, is_last);
    wire_u8(&out, is_answer);
    wire_text(&out, part);
    worker_send(w, &out);
}

static void
answer(struct worker *w)
{
    struct slice rest;
    bool is_answer;

    w->is_asked = false;
    buf_clear(&w->answer);
    is_answer = heap_answer(&w->heap, buf_slice(&w->question), worker_now_ms(w), &w->answer);
    rest = buf_slice(&w->answer);
    do {
        struct slice part = slice_sub(rest, 0, WIRE_MAX_TEXT_BYTES);

        rest = slice_sub(rest, part.n, SIZE_MAX);
        send_part(w, is_answer, part, rest.n == 0);
    } while (rest.n > 0);
    buf_fini(&w->answer);
}

void
worker_safe_point(struct worker *w)
{
    struct gc_result result;

    if (heap_safe_point(&w->heap, worker_now_ms(w), w->stats.n_pages, &result))
        log_debug("worker %u: --collect-every found %llu objects, %llu bytes, in %llu us", w->index,
                  (unsigned long long)result.n_collected, (unsigned long long)result.collected_bytes,
                  (unsigned long long)result.pause_ns / 1000);
    if (w->is_asked)
        answer(w);
}

void
worker_heap_tick(struct worker *w)
{
    heap_tick(&w->heap, worker_now_ms(w));
}

void
worker_heap_stats(struct worker *w, struct stats *s)
{
    struct cache_stats cache;
    struct gc_stats gc;

    cache_stats(w->cache, &cache);
    gc_stats(&gc);
    s->n_cache_hits = cache.n_hits;
    s->n_cache_misses = cache.n_misses;
    s->n_cache_url_hits = cache.n_url_hits;
    s->cache_saved_bytes = cache.saved_bytes;
    s->cache_bytes = cache.kept_bytes;
    s->n_cached = cache.n_kept;
    s->n_live_hosts = live_of(&host_type);
    s->n_live_pages = live_of(&page_type);
    s->n_live_fetches = live_of(&fetch_type);
    s->n_gc_collections = s->n_gc_collected = 0;
    for (unsigned g = 0; g < GC_GENERATIONS; g++) {
        s->n_gc_collections += gc.generations[g].n_collections;
        s->n_gc_collected += gc.generations[g].n_collected;
    }
    s->n_gc_periodic = w->heap.n_periodic;
    s->n_gc_periodic_yield = w->heap.periodic_objects;
}
