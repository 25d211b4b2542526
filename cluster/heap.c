#include "cluster/heap_internal.h"

#include "cluster/clock.h"
#include "gc/collect.h"
#include "gc/trace.h"

#include <stdarg.h>
#include <stdio.h>

int
heap_open(struct heap *h, const struct heap_facts *facts)
{
    *h = (struct heap){ 0 };
    if (facts != NULL)
        h->facts = *facts;
    h->trace_mean_bytes = trace_mean_bytes();
    gc_set_clock(clock_now_ns);
    return census_history_new(&h->history);
}

void
heap_close(struct heap *h)
{
    census_history_free(&h->history);
}

/* ---- rhythm ----------------------------------------------------------------------------------------------------------- */

bool
heap_parse_rhythm(const char *text, uint64_t *n_pages, uint64_t *ms)
{
    static const struct { const char *unit; uint64_t ms; } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    uint64_t n = 0;
    const char *at = text;

    *n_pages = *ms = 0;
    for (; *at >= '0' && *at <= '9' && at - text < 10; at++)
        n = n * 10 + (uint64_t)(*at - '0');
    if (at == text || n == 0)
        return false;
    while (*at == ' ')
        at++;
    if (strcmp(at, "pages") == 0 || strcmp(at, "page") == 0) {
        *n_pages = n;
        return true;
    }
    for (size_t i = 0; i < ORB_N_ELEMENTS(units); i++)
        if (strcmp(at, units[i].unit) == 0) {
            *ms = n * units[i].ms;
            return true;
        }
    return false;
}

void
heap_set_rhythm(struct heap *h, uint64_t n_pages, uint64_t ms)
{
    h->collect_pages = h->next_collect_pages = n_pages;
    h->collect_ms = ms;
}

static bool
is_due(struct heap *h, uint64_t now_ms, uint64_t n_pages)
{
    if (h->collect_pages > 0 && n_pages >= h->next_collect_pages)
        return true;
    if (h->collect_ms > 0 && h->next_collect_ms == 0)
        h->next_collect_ms = now_ms + h->collect_ms;
    return h->collect_ms > 0 && now_ms >= h->next_collect_ms;
}

bool
heap_safe_point(struct heap *h, uint64_t now_ms, uint64_t n_pages, struct gc_result *result)
{
#ifdef ORB_PLAIN_MEMORY
    return false;
#endif
    if (!is_due(h, now_ms, n_pages)) {
        gc_safe_point();
        return false;
    }
    *result = gc_collect(GC_GENERATIONS - 1);
    h->next_collect_pages = n_pages + h->collect_pages;
    h->next_collect_ms = now_ms + h->collect_ms;
    h->n_periodic++;
    h->periodic_objects += result->n_collected;
    h->periodic_bytes += result->collected_bytes;
    return true;
}

void
heap_tick(struct heap *h, uint64_t now_ms)
{
#ifdef ORB_PLAIN_MEMORY
    return;
#endif
    gc_set_time(now_ms);
    if (h->history != NULL && census_history_tick(h->history, now_ms) != 0)
        return; /* no memory for the past: the next tick tries again */
    if (h->magnify_until_ms != 0 && now_ms >= h->magnify_until_ms) {
        h->magnify_until_ms = 0;
        trace_set_mean(h->trace_mean_bytes);
    }
}

/* ---- questions -------------------------------------------------------------------------------------------------------- */

int
heap_refuse(struct heap_question *q, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(q->trouble, sizeof q->trouble, fmt, ap);
    va_end(ap);
    return ORB_EINVAL;
}

int64_t
heap_number(const struct heap_question *q, const char *key, int64_t missing, int64_t min, int64_t max)
{
    const json_t *value = json_object_get(q->json, key);
    int64_t n = json_is_integer(value) ? (int64_t)json_integer_value(value) : missing;

    return n < min ? min : n > max ? max : n;
}

bool
heap_format_is(const struct heap_question *q, const char *format)
{
    return q->format != NULL && strcmp(q->format, format) == 0;
}

static const struct {
    const char *what;
    int (*answer)(struct heap_question *q, struct buf *to);
} questions[] = {
    { "census", answer_census },       { "types", answer_census },        { "sites", answer_census },
    { "diff", answer_diff },           { "errors", answer_errors },       { "gc", answer_gc },
    { "roots", answer_roots },         { "collect", answer_collect },     { "graph", answer_graph },
    { "referrers", answer_neighbours }, { "referents", answer_neighbours }, { "chain", answer_chain },
    { "retained", answer_retained },   { "domains", answer_domains },     { "pools", answer_pools },
    { "trace", answer_trace },         { "magnify", answer_magnify },
};

static int
dispatch(struct heap_question *q, struct buf *to)
{
    for (size_t i = 0; q->what != NULL && i < ORB_N_ELEMENTS(questions); i++)
        if (strcmp(q->what, questions[i].what) == 0)
            return questions[i].answer(q, to);
    return heap_refuse(q, "there is no question \"%.40s\"; `orb heap --help` lists them", q->what == NULL ? "" : q->what);
}

bool
heap_answer(struct heap *h, struct slice question, uint64_t now_ms, struct buf *to)
{
    struct heap_question q = { .heap = h, .now_ms = now_ms };
    size_t n_before = to->n;
    int err;

    gc_set_time(now_ms);
    q.json = json_loadb(question.p, question.n, 0, NULL);
    q.what = json_string_value(json_object_get(q.json, "what"));
    q.target = json_string_value(json_object_get(q.json, "target"));
    q.format = json_string_value(json_object_get(q.json, "format"));
    err = dispatch(&q, to);
    if (err != 0) {
        buf_truncate(to, n_before);
        if (err == ORB_ETOOBIG)
            heap_refuse(&q, "the answer is too large; ask for less (a type, a smaller depth), or of a smaller heap");
        else if (q.trouble[0] == '\0')
            heap_refuse(&q, "%s", orb_strerror(err));
        if (buf_append_str(to, q.trouble) != 0)
            buf_truncate(to, n_before);
    }
    json_decref(q.json);
    return err == 0;
}
