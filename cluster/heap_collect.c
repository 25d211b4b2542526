/* heap_collect.c - the collector, the roots, and what nobody accounts for */
#include "cluster/heap_internal.h"

#include "gc/collect.h"
#include "gc/roots.h"
#include "gc/weak.h"

#define MAX_SHOWN 20

static void
put_generation(struct text *t, const struct gc_generation_stats *g)
{
    text_printf(t,
                "{\"collections\":%llu,\"skipped\":%llu,\"collected\":%llu,\"collected_bytes\":%llu,\"uncollectable\":%llu,"
                "\"resurrected\":%llu,\"scanned\":%llu,\"candidates\":%llu,\"objects\":%llu,\"live_bytes\":%llu,"
                "\"pause_total_us\":%llu,\"pause_max_us\":%llu,\"pauses\":[",
                (unsigned long long)g->n_collections, (unsigned long long)g->n_skipped, (unsigned long long)g->n_collected,
                (unsigned long long)g->collected_bytes, (unsigned long long)g->n_uncollectable,
                (unsigned long long)g->n_resurrected, (unsigned long long)g->n_scanned, (unsigned long long)g->n_candidates,
                (unsigned long long)g->n_objects, (unsigned long long)g->live_bytes,
                (unsigned long long)g->pause_total_ns / 1000, (unsigned long long)g->pause_max_ns / 1000);
    for (unsigned i = 0; i < GC_PAUSE_BUCKETS; i++)
        text_printf(t, "%s%llu", i == 0 ? "" : ",", (unsigned long long)g->pauses[i]);
    text_put(t, "]}");
}

/* Types of which something was made: how many were, how many live, how many only the collector could free. */
static void
put_types(struct text *t)
{
    unsigned n = object_census(NULL, 0);
    struct object_type_stats *types = mem_array(MEM_DEFAULT, n == 0 ? 1 : n, sizeof *types);

    if (types == NULL) {
        t->err = ORB_ENOMEM;
        return;
    }
    n = ORB_MIN(object_census(types, n), n);
    text_put(t, "\"types\":[");
    for (unsigned i = 0; i < n; i++) {
        text_put(t, i == 0 ? "{\"type\":" : ",{\"type\":");
        text_json(t, types[i].name);
        text_printf(t, ",\"made\":%llu,\"live\":%llu,\"live_bytes\":%llu,\"collected\":%llu}", (unsigned long long)types[i].n_made,
                    (unsigned long long)types[i].n_live, (unsigned long long)types[i].live_bytes,
                    (unsigned long long)gc_collected_of_type(i + 1));
    }
    text_put(t, "]");
    mem_free(MEM_DEFAULT, types);
}

static void
put_uncollectable(struct text *t)
{
    struct object *objects[MAX_SHOWN];
    size_t n = gc_uncollectable(objects, MAX_SHOWN);

    text_printf(t, "\"n_uncollectable\":%zu,\"uncollectable\":[", n);
    for (size_t i = 0; i < ORB_MIN(n, (size_t)MAX_SHOWN); i++) {
        text_put(t, i == 0 ? "" : ",");
        heap_put_object(t, objects[i]);
    }
    text_put(t, "]");
}

int
answer_gc(struct heap_question *q, struct buf *to)
{
    const struct heap *h = q->heap;
    struct weak_stats weak;
    struct gc_stats s;
    unsigned thresholds[GC_GENERATIONS];
    struct text t;

    gc_stats(&s);
    weak_stats(&weak);
    gc_thresholds(thresholds);
    text_start(&t, to);
    text_put(&t, "{\"generations\":[");
    for (unsigned g = 0; g < GC_GENERATIONS; g++) {
        text_put(&t, g == 0 ? "" : ",");
        put_generation(&t, &s.generations[g]);
    }
    text_printf(&t, "],\"thresholds\":[%u,%u,%u],\"frozen\":%llu,\"untracked\":%llu,\"heap_bytes\":%llu,\"slack_bytes\":%llu,",
                thresholds[0], thresholds[1], thresholds[2], (unsigned long long)s.n_frozen, (unsigned long long)s.n_untracked,
                (unsigned long long)s.heap_bytes, (unsigned long long)s.slack_bytes);
    text_printf(&t, "\"slabs\":%llu,\"floating_bytes_last\":%llu,\"floating_bytes_max\":%llu,\"last_yield\":%llu,",
                (unsigned long long)s.n_slabs, (unsigned long long)s.floating_bytes_last,
                (unsigned long long)s.floating_bytes_max, (unsigned long long)s.last_yield);
    text_printf(&t, "\"collect_every\":{\"pages\":%llu,\"ms\":%llu,\"collections\":%llu,\"collected\":%llu,\"collected_bytes\":%llu},",
                (unsigned long long)h->collect_pages, (unsigned long long)h->collect_ms, (unsigned long long)h->n_periodic,
                (unsigned long long)h->periodic_objects, (unsigned long long)h->periodic_bytes);
    text_printf(&t, "\"weak\":{\"cells\":%llu,\"dead\":%llu,\"watchers\":%llu,\"callbacks_run\":%llu,\"cell_bytes\":%llu},",
                (unsigned long long)weak.n_cells, (unsigned long long)weak.n_cells_dead, (unsigned long long)weak.n_watchers,
                (unsigned long long)weak.n_callbacks_run, (unsigned long long)weak.cell_bytes);
    put_types(&t);
    text_put(&t, ",");
    put_uncollectable(&t);
    text_put(&t, "}");
    return text_end(&t);
}

/* ---- roots ------------------------------------------------------------------------------------------------------------ */

struct root_count {
    struct text *t;
    const struct gc_root *root;
    uint64_t n;
    bool is_first;
};

static void
end_root(struct root_count *c)
{
    if (c->root == NULL)
        return;
    text_put(c->t, c->is_first ? "{\"root\":" : ",{\"root\":");
    text_json(c->t, c->root->name);
    text_printf(c->t, ",\"references\":%llu}", (unsigned long long)c->n);
    c->is_first = false;
}

static void
count_reference(void *arg, const struct gc_root *root, struct object **reference)
{
    struct root_count *c = arg;

    if (root != c->root) {
        end_root(c);
        c->root = root;
        c->n = 0;
    }
    c->n++;
}

int
answer_roots(struct heap_question *q, struct buf *to)
{
    struct gc_unexplained found[MAX_SHOWN];
    int64_t n = gc_unexplained(found, MAX_SHOWN);
    struct root_count c = { .is_first = true };
    struct text t;

    if (n < 0)
        return (int)n;
    c.t = &t;
    text_start(&t, to);
    text_put(&t, "{\"roots\":[");
    gc_roots_each(count_reference, &c);
    end_root(&c);
    text_printf(&t, "],\"n_unexplained\":%lld,\"unexplained\":[", (long long)n);
    for (int64_t i = 0; i < ORB_MIN(n, (int64_t)MAX_SHOWN); i++) {
        text_printf(&t, "%s{\"surplus\":%lld,\"object\":", i == 0 ? "" : ",", (long long)found[i].surplus);
        heap_put_object(&t, found[i].object);
        text_put(&t, "}");
    }
    text_put(&t, "]}");
    return text_end(&t);
}

int
answer_collect(struct heap_question *q, struct buf *to)
{
    struct gc_result r = gc_collect(GC_GENERATIONS - 1);
    struct text t;

    text_start(&t, to);
    text_printf(&t, "{\"collected\":%llu,\"collected_bytes\":%llu,\"uncollectable\":%llu,\"resurrected\":%llu,\"pause_us\":%llu,"
                    "\"was_skipped\":%s}",
                (unsigned long long)r.n_collected, (unsigned long long)r.collected_bytes, (unsigned long long)r.n_uncollectable,
                (unsigned long long)r.n_resurrected, (unsigned long long)r.pause_ns / 1000, r.was_skipped ? "true" : "false");
    return text_end(&t);
}
