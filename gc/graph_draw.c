#include <stdio.h>

#include "gc/graph_picture.h"
#include "gc/text.h"

#define DESCRIPTION_BYTES 72

static bool
describe(const struct picture_node *node, char to[DESCRIPTION_BYTES])
{
    const struct object_type *type = object_type_of(node->first);

    to[0] = '\0';
    if (type->describe != NULL)
        type->describe(node->first, to, DESCRIPTION_BYTES);
    to[DESCRIPTION_BYTES - 1] = '\0';
    return to[0] != '\0';
}

/* ---- DOT ---- */

static const char *
colour_of(const struct object_type *type)
{
    static const char *const colours[] = { "#dbeafe", "#dcfce7", "#fef3c7", "#fce7f3", "#ede9fe", "#cffafe", "#ffe4d6", "#ecfccb" };

    return colours[type->id % ORB_N_ELEMENTS(colours)];
}

static void
dot_objects(struct text *t, const struct picture_node *node)
{
    const struct object_type *type = object_type_of(node->first);
    char described[DESCRIPTION_BYTES], where[TEXT_SITE_BYTES], number[TEXT_SIZE_BYTES];

    text_put(t, "label=\"");
    text_dot(t, type->name);
    if (node->n > 1)
        text_printf(t, " x %s", text_number(number, node->n));
    if (describe(node, described)) {
        text_put(t, node->n > 1 ? "\\ne.g. " : "\\n");
        text_dot(t, described);
    }
    text_put(t, "\\n");
    text_dot(t, text_site(where, object_site_of(node->first)));
    text_printf(t, "\\n%s", text_bytes(number, node->bytes));
    if (node->n == 1 && (node->first->flags & OBJECT_PINNED) != 0)
        text_put(t, ", pinned");
    if (node->n == 1 && node->first->refs == OBJECT_IMMORTAL_REFS)
        text_put(t, ", immortal");
}

static void
dot_node(struct text *t, const struct picture *p, uint32_t at)
{
    const struct picture_node *node = &p->nodes[at];
    char number[TEXT_SIZE_BYTES];

    text_printf(t, "  n%u [", (unsigned)at);
    if (node->kind == PICTURE_OBJECTS) {
        dot_objects(t, node);
    } else if (node->kind == PICTURE_ROOT) {
        text_put(t, "label=\"root ");
        text_dot(t, node->root);
    } else {
        text_put(t, "label=\"held from outside,\\nby no named root");
    }
    if (node->n_more > 0)
        text_printf(t, p->is_referrers ? "\\n+ %s more references to it" : "\\n+ %s more references",
                    text_number(number, node->n_more));
    if (node->kind == PICTURE_OBJECTS)
        text_printf(t, "\", fillcolor=\"%s\"%s];\n", colour_of(object_type_of(node->first)),
                    node->depth == 0 ? ", penwidth=2.5" : "");
    else
        text_printf(t, "\", shape=ellipse, fillcolor=\"%s\"];\n", node->kind == PICTURE_ROOT ? "#e5e7eb" : "#fecaca");
}

int
graph_dot(const struct graph_picture *what, struct buf *to)
{
    struct picture p;
    struct text t;
    char number[TEXT_SIZE_BYTES];
    int err = picture_make(&p, what);

    if (err != 0)
        return err;
    text_start(&t, to);
    text_put(&t, "digraph heap {\n  rankdir=LR;\n  fontname=\"sans-serif\"; fontsize=10;\n"
                 "  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=10];\n"
                 "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#6b7280\"];\n");
    for (uint32_t i = 0; i < p.n_nodes; i++)
        dot_node(&t, &p, i);
    for (uint32_t i = 0; i < p.n_edges; i++) {
        text_printf(&t, "  n%u -> n%u", (unsigned)p.edges[i].from, (unsigned)p.edges[i].to);
        if (p.edges[i].n > 1)
            text_printf(&t, " [label=\"x %s\"]", text_number(number, p.edges[i].n));
        text_put(&t, ";\n");
    }
    if (p.is_cut)
        text_put(&t, "  label=\"cut: there is more than is shown\";\n");
    text_put(&t, "}\n");
    picture_fini(&p);
    return text_end(&t);
}

/* ---- JSON ---- */

static void
json_objects(struct text *t, const struct picture_node *node)
{
    const struct object_type *type = object_type_of(node->first);
    const struct object_site *site = object_site_of(node->first);
    char described[DESCRIPTION_BYTES], where[TEXT_SITE_BYTES];

    text_put(t, "\"type\":");
    text_json(t, type->name);
    text_put(t, ",\"site\":");
    text_json(t, text_site(where, site));
    text_put(t, ",\"function\":");
    text_json(t, site == NULL ? NULL : site->function);
    text_put(t, ",\"describe\":");
    text_json(t, describe(node, described) ? described : NULL);
    text_printf(t, ",\"n\":%llu,\"bytes\":%llu,\"address\":\"0x%llx\",\"refs\":%u", (unsigned long long)node->n,
                (unsigned long long)node->bytes, (unsigned long long)(uintptr_t)node->first, (unsigned)node->first->refs);
}

static void
json_node(struct text *t, const struct picture *p, uint32_t at)
{
    static const char *const kinds[] = { "objects", "root", "unknown" };
    const struct picture_node *node = &p->nodes[at];

    text_printf(t, "%s{\"id\":%u,\"kind\":\"%s\",\"n_more\":%llu,", at == 0 ? "" : ",", (unsigned)at, kinds[node->kind],
                (unsigned long long)node->n_more);
    if (node->kind == PICTURE_OBJECTS) {
        text_printf(t, "\"depth\":%u,", node->depth);
        json_objects(t, node);
    } else {
        text_put(t, "\"name\":");
        text_json(t, node->root);
    }
    text_put(t, "}");
}

int
graph_json(const struct graph_picture *what, struct buf *to)
{
    struct picture p;
    struct text t;
    int err = picture_make(&p, what);

    if (err != 0)
        return err;
    text_start(&t, to);
    text_printf(&t, "{\"is_referrers\":%s,\"is_cut\":%s,\"nodes\":[", p.is_referrers ? "true" : "false",
                p.is_cut ? "true" : "false");
    for (uint32_t i = 0; i < p.n_nodes; i++)
        json_node(&t, &p, i);
    text_put(&t, "],\"edges\":[");
    for (uint32_t i = 0; i < p.n_edges; i++)
        text_printf(&t, "%s{\"from\":%u,\"to\":%u,\"n\":%llu}", i == 0 ? "" : ",", (unsigned)p.edges[i].from,
                    (unsigned)p.edges[i].to, (unsigned long long)p.edges[i].n);
    text_put(&t, "]}");
    picture_fini(&p);
    return text_end(&t);
}
