/* heap_memory.c - what is no object: domains, pools, sampled stacks */
#include "cluster/heap_internal.h"

#include "gc/trace.h"
#include "pool/mem_hooks.h"
#include "pool/pool.h"

#define MAX_STACKS 200
#define MAX_OVERDUE 20

static const char *
hook_text(enum mem_domain d)
{
    switch (mem_hook_state(d)) {
    case MEM_HOOK_WORKS: return "works";
    case MEM_HOOK_FAILED: return "failed";
    default: return d >= MEM_XML && d <= MEM_JSON ? "untried" : NULL;
    }
}

static void
put_domain(struct text *t, enum mem_domain d, const struct mem_stats *s)
{
    text_put(t, "{\"domain\":");
    text_json(t, mem_domain_name(d));
    text_printf(t,
                ",\"live_bytes\":%zu,\"peak_bytes\":%zu,\"large_bytes\":%zu,\"slab_bytes\":%zu,\"slack_bytes\":%zu,"
                "\"baseline_bytes\":%zu,\"allocs\":%llu,\"frees\":%llu,\"failed\":%llu,\"soft_limit_bytes\":%zu,"
                "\"hard_limit_bytes\":%zu,\"hook\":",
                s->live_bytes, s->peak_bytes, s->large_bytes, s->slab_bytes, s->slack_bytes, s->baseline_bytes,
                (unsigned long long)s->n_allocs, (unsigned long long)s->n_frees, (unsigned long long)s->n_failed,
                s->soft_limit_bytes, s->hard_limit_bytes);
    text_json(t, hook_text(d));
    text_put(t, "}");
}

int
answer_domains(struct heap_question *q, struct buf *to)
{
    struct mem_stats stats[MEM_N_DOMAINS]; /* of one moment: the answer itself takes memory */
    size_t live_bytes = 0;
    struct text t;

    mem_look();
    for (int d = 0; d < MEM_N_DOMAINS; d++) {
        mem_stats((enum mem_domain)d, &stats[d]);
        live_bytes += stats[d].live_bytes;
    }
    text_start(&t, to);
    text_printf(&t, "{\"live_bytes\":%zu,\"start_bytes\":%zu,\"allocator_bytes\":%zu,\"outside_bytes\":%zu,\"domains\":[", live_bytes,
                mem_start_bytes(), mem_cache_bytes(), mem_outside_bytes());
    for (int d = 0; d < MEM_N_DOMAINS; d++) {
        text_put(&t, d == 0 ? "" : ",");
        put_domain(&t, (enum mem_domain)d, &stats[d]);
    }
    text_put(&t, "]}");
    return text_end(&t);
}

/* ---- pools ------------------------------------------------------------------------------------------------------------ */

struct pool_list {
    struct text *t;
    bool is_first;
    unsigned n_overdue;
};

static void
put_stats(struct pool_list *l, const char *name, const struct pool_stats *s)
{
    text_put(l->t, l->is_first ? "{\"pool\":" : ",{\"pool\":");
    l->is_first = false;
    text_json(l->t, name);
    text_printf(l->t, ",\"in_use\":%u,\"idle\":%u,\"high_water\":%u,\"n_overdue\":%u,\"hits\":%llu,\"misses\":%llu,\"trims\":%llu,"
                      "\"refused\":%llu,\"overdue\":[",
                s->n_in_use, s->n_idle, s->high_water, s->n_overdue, (unsigned long long)s->n_hits, (unsigned long long)s->n_misses,
                (unsigned long long)s->n_trims, (unsigned long long)s->n_refused);
}

static void
put_overdue(const char *site, uint64_t lent_ms, void *arg)
{
    struct pool_list *l = arg;

    if (l->n_overdue++ >= MAX_OVERDUE)
        return;
    text_put(l->t, l->n_overdue == 1 ? "{\"borrower\":" : ",{\"borrower\":");
    text_json(l->t, site);
    text_printf(l->t, ",\"lent_ms\":%llu}", (unsigned long long)lent_ms);
}

static void
put_pool(struct pool *pool, void *arg)
{
    struct pool_list *l = arg;
    struct pool_stats s;

    pool_stats(pool, &s);
    put_stats(l, pool_name(pool), &s);
    l->n_overdue = 0;
    pool_overdue(pool, put_overdue, l);
    text_put(l->t, "]}");
}

int
answer_pools(struct heap_question *q, struct buf *to)
{
    struct pool_list list = { .is_first = true };
    struct text t;

    list.t = &t;
    text_start(&t, to);
    text_put(&t, "{\"pools\":[");
    pool_each(put_pool, &list);
    text_put(&t, "]}");
    return text_end(&t);
}

/* ---- stacks ----------------------------------------------------------------------------------------------------------- */

static int
refuse_untraced(struct heap_question *q)
{
    return heap_refuse(q, "no stacks are sampled here: the coordinator has no libraries worth it, --trace-mean is none, or this orb was "
                          "built without libunwind");
}

int
answer_trace(struct heap_question *q, struct buf *to)
{
    if (trace_mean_bytes() == 0)
        return refuse_untraced(q);
    if (heap_format_is(q, "pprof"))
        return trace_pprof(to);
    if (heap_format_is(q, "folded"))
        return trace_folded(to);
    return trace_json(to, MAX_STACKS);
}

int
answer_magnify(struct heap_question *q, struct buf *to)
{
    uint64_t minutes = (uint64_t)heap_number(q, "minutes", 5, 0, HEAP_MAX_MAGNIFY_MINUTES);
    struct text t;

    if (trace_mean_bytes() == 0)
        return refuse_untraced(q);
    q->heap->magnify_until_ms = minutes == 0 ? 0 : q->now_ms + minutes * 60000;
    trace_set_mean(minutes == 0 ? q->heap->trace_mean_bytes : TRACE_MAGNIFIED_MEAN_BYTES);
    text_start(&t, to);
    text_printf(&t, "{\"mean_bytes\":%zu,\"minutes\":%llu}", trace_mean_bytes(), (unsigned long long)minutes);
    return text_end(&t);
}
