/* cmd_heap_gc.c - answers as tables: the collector, roots, chains, who retains what */
#include "cluster/cmd_heap.h"

#include "cluster/control_client.h"
#include "cluster/table.h"

#include <stdio.h>
#include <string.h>

static void
put_object(struct table *t, const json_t *o)
{
    table_text(t, heap_text(o, "address"));
    table_text(t, heap_text(o, "type"));
    table_seconds(t, heap_int(o, "age_s"));
    table_number(t, heap_int(o, "refs"));
    table_text(t, heap_text(o, "site"));
    table_text(t, heap_text(o, "what"));
}

static const struct table_column object_columns[] = {
    { "address", false }, { "type", false }, { "age", true }, { "refs", true }, { "made at", false }, { "what", false },
};

static void
show_objects(const json_t *objects)
{
    struct table t;
    size_t i;
    json_t *o;

    table_begin(&t, object_columns, ORB_N_ELEMENTS(object_columns));
    json_array_foreach(objects, i, o)
        put_object(&t, o);
    table_end(&t);
}

static void
show_generations(const json_t *generations)
{
    static const struct table_column columns[] = {
        { "generation", false }, { "objects", true }, { "slots", true }, { "runs", true }, { "skipped", true },
        { "collected", true }, { "bytes", true }, { "resurrected", true }, { "longest", true },
    };
    static const char *const names[] = { "young", "middle", "old" };
    struct table t;
    size_t i;
    json_t *g;

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(generations, i, g) {
        char longest[32];

        table_text(&t, i < ORB_N_ELEMENTS(names) ? names[i] : "?");
        table_number(&t, heap_int(g, "objects"));
        table_bytes(&t, heap_int(g, "live_bytes"));
        table_number(&t, heap_int(g, "collections"));
        table_number(&t, heap_int(g, "skipped"));
        table_number(&t, heap_int(g, "collected"));
        table_bytes(&t, heap_int(g, "collected_bytes"));
        table_number(&t, heap_int(g, "resurrected"));
        snprintf(longest, sizeof longest, "%.2f ms", (double)heap_int(g, "pause_max_us") / 1000);
        table_text(&t, longest);
    }
    table_end(&t);
}

static void
show_made(const json_t *types)
{
    static const struct table_column columns[] = {
        { "type", false }, { "made", true }, { "alive", true }, { "freed by counting", true }, { "by the collector", true },
    };
    struct table t;
    size_t i;
    json_t *row;

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(types, i, row) {
        int64_t made = heap_int(row, "made"), live = heap_int(row, "live"), collected = heap_int(row, "collected");

        table_text(&t, heap_text(row, "type"));
        table_number(&t, made);
        table_number(&t, live);
        table_number(&t, made - live - collected);
        table_number(&t, collected);
        if (collected > 0)
            table_alarm(&t); /* nobody meant to make rings */
    }
    heap_hide_zeros(&t);
    table_end(&t);
}

void
show_gc(const json_t *answer)
{
    const json_t *weak = json_object_get(answer, "weak"), *every = json_object_get(answer, "collect_every");
    char bytes[32], more[32];

    show_generations(json_object_get(answer, "generations"));
    printf("\n");
    show_made(json_object_get(answer, "types"));
    printf("\nheap        %s in %lld slabs, %s of it free\n", table_size(bytes, (double)heap_int(answer, "heap_bytes")),
           (long long)heap_int(answer, "slabs"), table_size(more, (double)heap_int(answer, "slack_bytes")));
    printf("acyclic     %s objects of types that can be in no ring: in no generation, freed by counting alone\n",
           table_group(bytes, heap_int(answer, "untracked")));
    printf("floating    %s found by the last full collection, %s at most\n",
           table_size(bytes, (double)heap_int(answer, "floating_bytes_last")),
           table_size(more, (double)heap_int(answer, "floating_bytes_max")));
    printf("weak        %s cells, %s of them of the dead\n", table_group(bytes, heap_int(weak, "cells")),
           table_group(more, heap_int(weak, "dead")));
    if (heap_int(every, "pages") > 0 || heap_int(every, "ms") > 0)
        printf("on request  --collect-every ran %s times and found %s objects\n", table_group(bytes, heap_int(every, "collections")),
               table_group(more, heap_int(every, "collected")));
    if (heap_int(answer, "n_uncollectable") > 0) {
        printf("\n%lld objects cannot be collected: their finalizers need each other\n\n", (long long)heap_int(answer, "n_uncollectable"));
        show_objects(json_object_get(answer, "uncollectable"));
    }
}

void
show_collect(const json_t *answer)
{
    char n[32], bytes[32];

    if (json_is_true(json_object_get(answer, "was_skipped"))) {
        printf("the collector was at work already: nothing was done\n");
        return;
    }
    printf("%s objects collected, %s, in %.2f ms\n", table_group(n, heap_int(answer, "collected")),
           table_size(bytes, (double)heap_int(answer, "collected_bytes")), (double)heap_int(answer, "pause_us") / 1000);
}

void
show_roots(const json_t *answer)
{
    static const struct table_column columns[] = { { "root", false }, { "references", true } };
    static const struct table_column unexplained[] = {
        { "surplus", true }, { "address", false }, { "type", false }, { "age", true }, { "refs", true }, { "made at", false },
        { "what", false },
    };
    int64_t n = heap_int(answer, "n_unexplained");
    struct table t;
    size_t i;
    json_t *row;

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(json_object_get(answer, "roots"), i, row) {
        table_text(&t, heap_text(row, "root"));
        table_number(&t, heap_int(row, "references"));
    }
    heap_hide_zeros(&t);
    table_end(&t);
    if (n == 0) {
        printf("\nevery reference is accounted for: by another object, or by a root\n");
        return;
    }
    printf("\n%lld objects have references that nobody accounts for (a missing unref, or a holder that is no root):\n\n", (long long)n);
    table_begin(&t, unexplained, ORB_N_ELEMENTS(unexplained));
    json_array_foreach(json_object_get(answer, "unexplained"), i, row) {
        table_signed(&t, heap_int(row, "surplus"));
        table_alarm(&t);
        put_object(&t, json_object_get(row, "object"));
    }
    table_end(&t);
}

void
show_neighbours(const json_t *answer)
{
    bool is_up = json_object_get(answer, "referrers") != NULL;
    const json_t *objects = json_object_get(answer, is_up ? "referrers" : "referents");
    const json_t *o = json_object_get(answer, "object");

    control_print_text(heap_text(o, "type") == NULL ? "?" : heap_text(o, "type"));
    printf(" ");
    control_print_text(heap_text(o, "address") == NULL ? "?" : heap_text(o, "address"));
    printf(" (");
    control_print_text(heap_text(o, "what") == NULL ? "" : heap_text(o, "what"));
    printf(is_up ? ") is held by %lld objects (roots are in `chain`)\n" : ") holds %lld objects\n", (long long)heap_int(answer, "n"));
    if (json_array_size(objects) == 0)
        return;
    printf("\n");
    show_objects(objects);
}

void
show_chain(const json_t *answer)
{
    const char *root = heap_text(answer, "root");

    if (json_is_true(json_object_get(answer, "is_garbage")))
        printf("garbage: nothing outside holds it; it waits for the collector\n\n");
    else if (root == NULL)
        printf("no root leads here: the first object is held from nowhere known (a missing unref, or a holder that is no root)\n\n");
    else {
        printf("root ");
        control_print_text(root);
        printf(" holds the first object, and each one the next\n\n");
    }
    show_objects(json_object_get(answer, "chain"));
}

void
show_retained(const json_t *answer)
{
    static const struct table_column types[] = { { "type", false }, { "alive", true }, { "bytes", true }, { "retained", true } };
    static const struct table_column top[] = {
        { "retained", true }, { "objects", true }, { "address", false }, { "type", false }, { "age", true }, { "refs", true },
        { "made at", false }, { "what", false },
    };
    const json_t *one = json_object_get(answer, "object");
    struct table t;
    char bytes[32];
    size_t i;
    json_t *row;

    if (one != NULL) {
        printf("%s would go with it\n\n", table_size(bytes, (double)heap_int(answer, "retained_bytes")));
        table_begin(&t, object_columns, ORB_N_ELEMENTS(object_columns));
        put_object(&t, one);
        table_end(&t);
        return;
    }
    table_begin(&t, types, ORB_N_ELEMENTS(types));
    json_array_foreach(json_object_get(answer, "types"), i, row) {
        table_text(&t, heap_text(row, "type"));
        table_number(&t, heap_int(row, "n"));
        table_bytes(&t, heap_int(row, "bytes"));
        table_bytes(&t, heap_int(row, "retained_bytes"));
    }
    heap_hide_zeros(&t);
    table_end(&t);
    printf("\nthe objects that retain most\n\n");
    table_begin(&t, top, ORB_N_ELEMENTS(top));
    json_array_foreach(json_object_get(answer, "top"), i, row) {
        table_bytes(&t, heap_int(row, "retained_bytes"));
        table_number(&t, heap_int(row, "retained"));
        put_object(&t, json_object_get(row, "object"));
    }
    table_end(&t);
}
