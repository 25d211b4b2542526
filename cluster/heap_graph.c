/* heap_graph.c - who holds what: pictures, referrers, referents, the chain to a root, what would go with it */
#include "cluster/heap_internal.h"

#include "gc/collect.h"
#include "gc/graph.h"
#include "gc/heap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_LISTED 200
#define MAX_RETAINERS 20

void
heap_put_object(struct text *t, struct object *o)
{
    const struct object_type *type = object_type_of(o);
    char where[TEXT_SITE_BYTES], what[256] = "";

    if (type->describe != NULL)
        type->describe(o, what, sizeof what);
    text_printf(t, "{\"address\":\"0x%llx\",\"type\":", (unsigned long long)(uintptr_t)o);
    text_json(t, type->name);
    text_put(t, ",\"site\":");
    text_json(t, text_site(where, object_site_of(o)));
    text_printf(t, ",\"age_s\":%u,\"refs\":%u,\"what\":", gc_age_s(o), o->refs);
    text_json(t, what);
    text_put(t, "}");
}

/* ---- what is meant ---------------------------------------------------------------------------------------------------- */

static const struct object_type *
type_named(const char *name)
{
    const struct object_type *t;

    for (unsigned id = 1; (t = object_type_by_id(id)) != NULL; id++)
        if (strcasecmp(t->name, name) == 0)
            return t;
    return NULL;
}

struct oldest {
    const struct object_type *type;
    struct object *object;
    uint32_t age_s;
};

static void
look(void *arg, struct object *o)
{
    struct oldest *best = arg;

    if (!object_is(o, best->type) || (best->object != NULL && gc_age_s(o) <= best->age_s))
        return;
    best->object = o;
    best->age_s = gc_age_s(o);
}

static int
refuse_type(struct heap_question *q)
{
    const struct object_type *t;
    char names[240] = "";
    size_t n = 0;

    for (unsigned id = 1; (t = object_type_by_id(id)) != NULL && n + 40 < sizeof names; id++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%.30s", n == 0 ? "" : ", ", t->name);
    return heap_refuse(q, "\"%.60s\" is neither an address (0x...) nor a type; types here: %s", q->target, names);
}

/* The object of an address, or the oldest one of a type (then *type is that, too). */
static int
find_target(struct heap_question *q, struct object **object, const struct object_type **type)
{
    struct oldest best = { 0 };
    char *end;

    *type = NULL;
    if (q->target == NULL)
        return heap_refuse(q, "say of what: an address (0x..., from another answer) or a type (`orb heap SLOT types` lists them)");
    if (strncmp(q->target, "0x", 2) == 0) {
        uintptr_t address;

        errno = 0;
        address = (uintptr_t)strtoull(q->target, &end, 16);
        *object = errno != 0 || *end != '\0' ? NULL : heap_find(address);
        return *object != NULL ? 0 : heap_refuse(q, "no object lives at %.40s (any more): take an address from a newer answer", q->target);
    }
    best.type = type_named(q->target);
    if (best.type == NULL)
        return refuse_type(q);
    heap_each(look, &best);
    *object = best.object;
    *type = best.type;
    return best.object != NULL ? 0 : heap_refuse(q, "no %s lives at the moment", best.type->name);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

int
answer_graph(struct heap_question *q, struct buf *to)
{
    struct graph_picture p = {
        .max_depth = (unsigned)heap_number(q, "depth", 0, 0, GRAPH_MAX_DEPTH),
        .max_nodes = (unsigned)heap_number(q, "nodes", 0, 0, GRAPH_MAX_NODES),
        .is_referrers = json_is_true(json_object_get(q->json, "referrers")),
    };
    int err = q->target == NULL ? 0 : find_target(q, &p.around, &p.type);

    if (err != 0)
        return err;
    if (p.type != NULL)
        p.around = NULL; /* all of the type */
    return heap_format_is(q, "dot") ? graph_dot(&p, to) : graph_json(&p, to);
}

static void
put_objects(struct text *t, struct object *const *objects, size_t n)
{
    text_put(t, "[");
    for (size_t i = 0; i < n; i++) {
        text_put(t, i == 0 ? "" : ",");
        heap_put_object(t, objects[i]);
    }
    text_put(t, "]");
}

int
answer_neighbours(struct heap_question *q, struct buf *to)
{
    const struct object_type *type;
    struct object *o, **found;
    struct text t;
    size_t n;
    int err = find_target(q, &o, &type);

    if (err == 0)
        err = strcmp(q->what, "referrers") == 0 ? graph_referrers(o, &found, &n) : graph_referents(o, &found, &n);
    if (err != 0)
        return err;
    text_start(&t, to);
    text_put(&t, "{\"object\":");
    heap_put_object(&t, o);
    text_printf(&t, ",\"n\":%zu,\"%s\":", n, q->what);
    put_objects(&t, found, ORB_MIN(n, (size_t)MAX_LISTED));
    text_put(&t, "}");
    mem_free(MEM_OBJ, found);
    return text_end(&t);
}

int
answer_chain(struct heap_question *q, struct buf *to)
{
    const struct object_type *type;
    struct graph_chain chain;
    struct object *o;
    struct text t;
    int err = find_target(q, &o, &type);

    if (err == 0)
        err = graph_chain(o, &chain);
    if (err != 0)
        return err;
    text_start(&t, to);
    text_put(&t, "{\"root\":");
    text_json(&t, chain.root);
    text_printf(&t, ",\"is_garbage\":%s,\"chain\":", chain.is_garbage ? "true" : "false");
    put_objects(&t, chain.objects, chain.n);
    text_put(&t, "}");
    graph_chain_fini(&chain);
    return text_end(&t);
}

static int
put_retained_types(struct text *t)
{
    struct graph_retained *types;
    size_t n;
    int err = graph_retained_by_type(&types, &n);

    if (err != 0)
        return err;
    text_put(t, "\"types\":[");
    for (size_t i = 0; i < n; i++) {
        text_put(t, i == 0 ? "{\"type\":" : ",{\"type\":");
        text_json(t, types[i].type->name);
        text_printf(t, ",\"n\":%llu,\"bytes\":%llu,\"retained_bytes\":%llu}", (unsigned long long)types[i].n,
                    (unsigned long long)types[i].bytes, (unsigned long long)types[i].retained_bytes);
    }
    text_put(t, "]");
    mem_free(MEM_OBJ, types);
    return 0;
}

static int
put_retainers(struct text *t)
{
    struct graph_retainer *top;
    size_t n;
    int err = graph_retained_top(MAX_RETAINERS, &top, &n);

    if (err != 0)
        return err;
    text_put(t, ",\"top\":[");
    for (size_t i = 0; i < n; i++) {
        text_printf(t, "%s{\"retained\":%llu,\"retained_bytes\":%llu,\"object\":", i == 0 ? "" : ",",
                    (unsigned long long)top[i].n, (unsigned long long)top[i].bytes);
        heap_put_object(t, top[i].object);
        text_put(t, "}");
    }
    text_put(t, "]");
    mem_free(MEM_OBJ, top);
    return 0;
}

int
answer_retained(struct heap_question *q, struct buf *to)
{
    const struct object_type *type;
    uint64_t bytes;
    struct object *o;
    struct text t;
    int err;

    text_start(&t, to);
    text_put(&t, "{");
    if (q->target == NULL) {
        err = put_retained_types(&t);
        if (err == 0)
            err = put_retainers(&t);
    } else {
        err = find_target(q, &o, &type);
        if (err == 0)
            err = graph_retained_of(o, &bytes);
        if (err == 0) {
            text_printf(&t, "\"retained_bytes\":%llu,\"object\":", (unsigned long long)bytes);
            heap_put_object(&t, o);
        }
    }
    if (err != 0)
        return err;
    text_put(&t, "}");
    return text_end(&t);
}
