#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "gc/graph.h"
#include "gc/graph_picture.h"
#include "tests/support/heap_sample.h"
#include "tests/support/support.h"

#define N_PAGES 1284

/* A root's host leads to 1284 pages through a tree of links; each page refers back to the host. */
static struct sample *host, *pages[N_PAGES];
static struct object *host_reference;
static struct gc_root root;
static struct buf text;

/* An inner node of the tree: SAMPLE_LINKS below each. */
static struct sample *
add_below(struct sample *up, unsigned type, uint32_t id)
{
    struct sample *s = sample_new(type, id), *mine = s;

    assert_true(sample_link(up, s));
    sample_unref(&mine);
    return s;
}

static void
make(void)
{
    static struct sample *level[2][512];
    unsigned n = 1, at = 0;
    uint32_t id = 1;

    host = level[0][0] = sample_new(SAMPLE_HOST, 0);
    while (n < 256) {
        unsigned n_next = 0;

        for (unsigned i = 0; i < n; i++)
            for (unsigned j = 0; j < SAMPLE_LINKS; j++)
                level[!at][n_next++] = add_below(level[at][i], SAMPLE_LINK, id++);
        at = !at;
        n = n_next;
    }
    for (unsigned i = 0; i < N_PAGES; i++) {
        unsigned under = i % 256;

        if (i < 256 * 3)
            pages[i] = add_below(level[at][under], SAMPLE_PAGE, id++);
        else
            pages[i] = add_below(pages[i - 256 * 3], SAMPLE_PAGE, id++);
        sample_link(pages[i], host);
    }
    host_reference = &host->object;
    root = (struct gc_root){ .name = "worker.hosts", .reference = &host_reference };
    gc_root_add(&root);
    if (text.ceiling_bytes == 0)
        buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    buf_clear(&text);
}

static void
drop_back(struct sample *s)
{
    for (unsigned i = 0; i < SAMPLE_LINKS; i++)
        if (s->to[i] == &host->object)
            object_unref(&s->to[i]);
}

static void
end(void)
{
    gc_root_remove(&root);
    for (unsigned i = 0; i < N_PAGES; i++)
        drop_back(pages[i]);
    object_unref(&host_reference);
    for (unsigned i = 0; i < SAMPLE_MAX; i++)
        assert_false(sample_is_alive[i]);
}

static void
draw(const struct graph_picture *p)
{
    buf_clear(&text);
    assert_int_equal(graph_dot(p, &text), 0);
}

static json_t *
drawn(const struct graph_picture *p)
{
    json_error_t error;
    json_t *json;

    buf_clear(&text);
    assert_int_equal(graph_json(p, &text), 0);
    json = json_loadb(text.p, text.n, 0, &error);
    if (json == NULL)
        fail_msg("%s at %d: %s", error.text, error.position, text.p);
    return json;
}

static int
number(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

static bool
is_kind(const json_t *node, const char *kind)
{
    return strcmp(json_string_value(json_object_get(node, "kind")), kind) == 0;
}

static const char *
type_of(const json_t *json, size_t node)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(json, "nodes"), node), "type"));
}

/* The node of a named root, or of the unknown holder. */
static json_t *
holder(const json_t *json, const char *name)
{
    size_t i;
    json_t *node;

    json_array_foreach(json_object_get(json, "nodes"), i, node)
        if (name == NULL ? is_kind(node, "unknown")
                         : is_kind(node, "root") && strcmp(json_string_value(json_object_get(node, "name")), name) == 0)
            return node;
    return NULL;
}

static int
edge(const json_t *json, int from, int to)
{
    size_t i;
    json_t *e;

    json_array_foreach(json_object_get(json, "edges"), i, e)
        if (number(e, "from") == from && number(e, "to") == to)
            return number(e, "n");
    return 0;
}

TEST(graph_picture__equal_siblings_are_one_node)
{
    struct graph_picture p = { .around = NULL, .max_depth = 7 };
    json_t *json, *nodes, *node;
    unsigned n_pages = 0;
    size_t i;

    make();
    p.around = &host->object;
    json = drawn(&p);
    nodes = json_object_get(json, "nodes");
    assert_int_equal(json_array_size(nodes), 1 + 4 + 2); /* the host, four levels of links, pages and their pages */
    assert_int_equal(number(json_array_get(nodes, 1), "n"), 4);
    assert_int_equal(number(json_array_get(nodes, 4), "n"), 256);
    assert_int_equal(number(json_array_get(nodes, 4), "bytes"), 256 * SAMPLE_BYTES);
    json_array_foreach(nodes, i, node)
        if (strcmp(json_string_value(json_object_get(node, "type")), "page") == 0)
            n_pages += (unsigned)number(node, "n");
    assert_int_equal(n_pages, N_PAGES);
    assert_int_equal(edge(json, 0, 1), 4);
    assert_int_equal(edge(json, 3, 4), 256);
    assert_int_equal(edge(json, 5, 0), 768);
    assert_true(json_is_false(json_object_get(json, "is_cut")));
    json_decref(json);
    draw(&p);
    assert_non_null(strstr(text.p, "label=\"link x 256\\ne.g. #"));
    assert_non_null(strstr(text.p, "[label=\"x 768\"]"));
    end();
}

TEST(graph_picture__ends_at_its_depth_and_says_what_is_beyond)
{
    struct graph_picture p = { .around = NULL, .max_depth = 2 };
    json_t *json, *nodes;

    make();
    p.around = &host->object;
    json = drawn(&p);
    nodes = json_object_get(json, "nodes");
    assert_int_equal(json_array_size(nodes), 3);
    assert_int_equal(number(json_array_get(nodes, 2), "n"), 16);
    assert_int_equal(number(json_array_get(nodes, 2), "n_more"), 64);
    assert_int_equal(number(json_array_get(nodes, 1), "n_more"), 0);
    json_decref(json);
    draw(&p);
    assert_non_null(strstr(text.p, "\\n+ 64 more references\""));
    end();
}

TEST(graph_picture__has_no_more_nodes_than_asked_for)
{
    struct graph_picture p = { .around = NULL, .max_depth = 20, .max_nodes = 4 };
    json_t *json;

    make();
    p.around = &host->object;
    json = drawn(&p);
    assert_int_equal(json_array_size(json_object_get(json, "nodes")), 4);
    assert_true(json_is_true(json_object_get(json, "is_cut")));
    assert_int_equal(number(json_array_get(json_object_get(json, "nodes"), 3), "n_more"), 256);
    json_decref(json);
    draw(&p);
    assert_non_null(strstr(text.p, "cut: there is more than is shown"));
    end();
}

TEST(graph_picture__says_that_there_are_more_roots_than_it_shows)
{
    enum { N = 100 };
    static struct gc_root more[N];
    static struct object *references[N];
    static char names[N][16];
    struct graph_picture p = { .around = NULL, .is_referrers = true };
    unsigned n_roots = 0;
    size_t i;
    json_t *json, *node;

    make();
    for (i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "root %zu", i);
        references[i] = object_ref(&host->object);
        more[i] = (struct gc_root){ .name = names[i], .reference = &references[i] };
        gc_root_add(&more[i]);
    }
    p.around = &host->object;
    json = drawn(&p);
    json_array_foreach(json_object_get(json, "nodes"), i, node)
        n_roots += is_kind(node, "root");
    assert_in_range(n_roots, 10, N - 1);
    assert_true(json_is_true(json_object_get(json, "is_cut")));
    json_decref(json);
    for (i = 0; i < N; i++) {
        gc_root_remove(&more[i]);
        object_unref(&references[i]);
    }
    end();
}

TEST(graph_picture__of_referrers_ends_at_named_roots)
{
    struct graph_picture p = { .is_referrers = true, .max_depth = 6 };
    json_t *json, *r;

    make();
    p.around = &pages[0]->object;
    json = drawn(&p);
    r = holder(json, "worker.hosts");
    assert_non_null(r);
    assert_null(holder(json, NULL));
    for (int i = 0; i < (int)json_array_size(json_object_get(json, "nodes")); i++)
        if (edge(json, number(r, "id"), i) > 0)
            assert_string_equal(type_of(json, (size_t)i), "host");
    json_decref(json);
    end();
}

TEST(graph_picture__shows_whom_nobody_knows_to_hold)
{
    struct graph_picture p = { .is_referrers = true, .max_depth = 1 };
    struct object *lost[2];
    json_t *json, *r;

    make();
    p.around = &pages[5]->object;
    lost[0] = object_ref(p.around);
    lost[1] = object_ref(p.around);
    json = drawn(&p);
    r = holder(json, NULL);
    assert_non_null(r);
    assert_int_equal(edge(json, number(r, "id"), 0), 2);
    json_decref(json);
    object_unref(&lost[0]);
    object_unref(&lost[1]);
    end();
}

TEST(graph_picture__without_a_place_begins_at_the_roots)
{
    struct graph_picture p = { .max_depth = 2 };
    struct object *lost;
    json_t *json, *r, *u;

    make();
    lost = object_ref(&pages[0]->object);
    json = drawn(&p);
    r = holder(json, "worker.hosts");
    u = holder(json, NULL);
    assert_non_null(r);
    assert_non_null(u);
    assert_int_equal(number(r, "id"), 0);
    assert_int_equal(edge(json, 0, 1), 1);
    assert_string_equal(type_of(json, 1), "host");
    assert_int_equal(edge(json, number(u, "id"), number(u, "id") + 1), 1);
    json_decref(json);
    object_unref(&lost);
    end();
}

TEST(graph_picture__of_a_type_shows_all_of_it_and_what_holds_it)
{
    struct graph_picture p = { .type = &sample_types[SAMPLE_PAGE], .max_depth = 1 };
    json_t *json;

    make();
    json = drawn(&p);
    assert_int_equal(number(json_array_get(json_object_get(json, "nodes"), 0), "n"), N_PAGES);
    assert_string_equal(type_of(json, 1), "link");
    assert_int_equal(edge(json, 1, 0), 768);
    assert_int_equal(edge(json, 0, 0), N_PAGES - 768);
    json_decref(json);
    end();
}

/* Whatever the limits: every reference of (to) a shown object is in an edge or in its node's n_more. */
static void
check_all_references_are_there(const struct graph_picture *what)
{
    struct picture p;
    uint64_t n_drawn = 0, n_real = 0;

    assert_int_equal(picture_make(&p, what), 0);
    for (uint32_t i = 0; i < p.n_edges; i++)
        if (p.nodes[p.edges[i].from].kind == PICTURE_OBJECTS)
            n_drawn += p.edges[i].n;
    for (uint32_t i = 0; i < p.n_nodes; i++)
        if (p.nodes[i].kind == PICTURE_OBJECTS)
            n_drawn += p.nodes[i].n_more;
    for (size_t i = 0; i < heap_index_end(); i++) {
        struct object *o = heap_at_index(i);

        for (unsigned j = 0; o != NULL && j < SAMPLE_LINKS; j++)
            if (sample_of(o)->to[j] != NULL)
                n_real += p.node_of[heap_index(p.is_referrers ? sample_of(o)->to[j] : o)] != 0;
    }
    assert_int_equal(n_drawn, n_real);
    assert_true(p.n_object_nodes <= p.max_nodes);
    picture_fini(&p);
}

TEST(graph_picture__loses_no_reference_of_what_it_shows)
{
    make();
    for (unsigned depth = 1; depth < 8; depth++)
        for (unsigned nodes = 1; nodes < 9; nodes++) {
            struct graph_picture p = { .around = &host->object, .max_depth = depth, .max_nodes = nodes };

            check_all_references_are_there(&p);
            p.is_referrers = true;
            check_all_references_are_there(&p);
            p.around = &pages[7]->object;
            check_all_references_are_there(&p);
            p = (struct graph_picture){ .type = &sample_types[SAMPLE_LINK], .max_depth = depth, .max_nodes = nodes };
            check_all_references_are_there(&p);
            p.type = NULL;
            check_all_references_are_there(&p);
        }
    end();
}

/* DOT through Graphviz, when it is installed. */
static void
assert_graphviz_takes(const char *name)
{
    char path[512], command[2200];

    snprintf(path, sizeof path, "%s/%s.dot", scratch_dir(), name);
    write_file(path, text.p, text.n);
    snprintf(command, sizeof command, "dot -Tsvg -o %s.svg %s 2> %s.err && test ! -s %s.err", path, path, path, path);
    assert_int_equal(system(command), 0);
}

TEST(graph_picture__graphviz_takes_it_whatever_a_description_holds)
{
    static const char *const descriptions[] = { NULL, "\"]; n0 -> n1 [label=\"", "back\\slash\\", "?a=1&copy=2&#64;",
                                                "\xff\xfe\x01\n\r", "<b>x</b>", "https://example.org/a?b={c}|<d>", "\xe2\x80\xae\xf0\x9f\x95\xb7" };
    struct graph_picture p = { .max_depth = 6 };

    if (system("command -v dot > /dev/null 2>&1") != 0)
        skip();
    make();
    for (size_t i = 0; i < ORB_N_ELEMENTS(descriptions); i++) {
        char name[8];

        sample_description = descriptions[i];
        snprintf(name, sizeof name, "p%zu", i);
        draw(&p);
        assert_graphviz_takes(name);
        json_decref(drawn(&p));
    }
    sample_description = NULL;
    end();
}

TEST(graph_picture__of_an_empty_heap_is_an_empty_picture)
{
    struct graph_picture p = { .max_depth = 1 };

    json_decref(drawn(&p));
    draw(&p);
    assert_int_equal(strncmp(text.p, "digraph heap {", 14), 0);
    buf_fini(&text);
}

TESTS(T(graph_picture__says_that_there_are_more_roots_than_it_shows), T(graph_picture__equal_siblings_are_one_node), T(graph_picture__ends_at_its_depth_and_says_what_is_beyond),
      T(graph_picture__has_no_more_nodes_than_asked_for), T(graph_picture__of_referrers_ends_at_named_roots),
      T(graph_picture__shows_whom_nobody_knows_to_hold), T(graph_picture__without_a_place_begins_at_the_roots),
      T(graph_picture__of_a_type_shows_all_of_it_and_what_holds_it), T(graph_picture__loses_no_reference_of_what_it_shows),
      T(graph_picture__graphviz_takes_it_whatever_a_description_holds), T(graph_picture__of_an_empty_heap_is_an_empty_picture))
