#include "gc/graph.h"
#include "tests/support/heap_sample.h"
#include "tests/support/support.h"

/* A worker's usual shape: a root holds a host, the host its pages, the pages their links. */
static struct sample *host, *pages[3], *links[3];
static struct object *host_reference;
static struct gc_root root;

static void
make(void)
{
    host = sample_new(SAMPLE_HOST, 0);
    for (uint32_t i = 0; i < 3; i++) {
        struct sample *page = pages[i] = sample_new(SAMPLE_PAGE, 10 + i), *link = links[i] = sample_new(SAMPLE_LINK, 20 + i);

        sample_link(host, page);
        sample_link(page, link);
        sample_unref(&page);
        sample_unref(&link);
    }
    host_reference = &host->object;
    root = (struct gc_root){ .name = "worker.hosts", .reference = &host_reference };
    gc_root_add(&root);
}

static void
end(void)
{
    gc_root_remove(&root);
    object_unref(&host_reference);
    for (uint32_t i = 0; i < 3; i++)
        assert_false(sample_is_alive[10 + i] || sample_is_alive[20 + i]);
}

TEST(graph__referents_are_what_it_refers_to_once_for_each_reference)
{
    struct object **found;
    size_t n;

    make();
    assert_int_equal(graph_referents(&host->object, &found, &n), 0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(found[i], &pages[i]->object);
    mem_free(MEM_OBJ, found);
    sample_link(links[0], links[1]);
    sample_link(links[0], links[1]);
    assert_int_equal(graph_referents(&links[0]->object, &found, &n), 0);
    assert_int_equal(n, 2);
    mem_free(MEM_OBJ, found);
    assert_int_equal(graph_referrers(&links[1]->object, &found, &n), 0);
    assert_int_equal(n, 2); /* its page and the other link, which is there once */
    mem_free(MEM_OBJ, found);
    assert_int_equal(graph_referents(&links[2]->object, &found, &n), 0);
    assert_int_equal(n, 0);
    mem_free(MEM_OBJ, found);
    end();
}

TEST(graph__a_chain_names_its_root)
{
    struct graph_chain c;

    make();
    assert_int_equal(graph_chain(&links[1]->object, &c), 0);
    assert_string_equal(c.root, "worker.hosts");
    assert_false(c.is_garbage);
    assert_int_equal(c.n, 3);
    assert_ptr_equal(c.objects[0], &host->object);
    assert_ptr_equal(c.objects[1], &pages[1]->object);
    assert_ptr_equal(c.objects[2], &links[1]->object);
    graph_chain_fini(&c);
    assert_int_equal(graph_chain(&host->object, &c), 0);
    assert_int_equal(c.n, 1);
    graph_chain_fini(&c);
    graph_chain_fini(&c);
    end();
}

TEST(graph__a_chain_without_a_root_starts_where_a_reference_is_unaccounted_for)
{
    struct object *missing_unref;
    struct graph_chain c;

    make();
    missing_unref = object_ref(&pages[0]->object);
    gc_root_remove(&root);
    object_unref(&host_reference);
    assert_int_equal(graph_chain(&links[0]->object, &c), 0);
    assert_null(c.root);
    assert_false(c.is_garbage);
    assert_int_equal(c.n, 2);
    assert_ptr_equal(c.objects[0], &pages[0]->object);
    graph_chain_fini(&c);
    object_unref(&missing_unref);
    end();
}

TEST(graph__a_root_is_preferred_to_a_shorter_chain_from_nowhere_known)
{
    struct object *missing_unref;
    struct graph_chain c;

    make();
    missing_unref = object_ref(&links[0]->object);
    assert_int_equal(graph_chain(&links[0]->object, &c), 0);
    assert_string_equal(c.root, "worker.hosts");
    assert_int_equal(c.n, 3);
    graph_chain_fini(&c);
    object_unref(&missing_unref);
    end();
}

TEST(graph__a_pin_is_a_root_by_that_name)
{
    struct graph_chain c;

    make();
    object_pin(&pages[2]->object);
    gc_root_remove(&root);
    object_unref(&host_reference);
    assert_int_equal(graph_chain(&links[2]->object, &c), 0);
    assert_string_equal(c.root, "(pinned)");
    assert_int_equal(c.n, 2);
    graph_chain_fini(&c);
    object_unpin(&pages[2]->object);
    end();
}

TEST(graph__garbage_that_waits_for_the_collector_is_called_so)
{
    struct graph_chain c;
    uint64_t bytes;

    make();
    sample_link(links[0], pages[0]);
    gc_root_remove(&root);
    object_unref(&host_reference); /* pages[0] and links[0] hold each other */
    assert_true(sample_is_alive[10] && !sample_is_alive[11]);
    assert_int_equal(graph_chain(&links[0]->object, &c), 0);
    assert_null(c.root);
    assert_true(c.is_garbage);
    assert_int_equal(c.n, 1);
    graph_chain_fini(&c);
    assert_int_equal(graph_retained_of(&links[0]->object, &bytes), 0);
    assert_int_equal(bytes, 2 * SAMPLE_BYTES);
    object_unref(&links[0]->to[0]);
    end();
}

TEST(graph__what_two_hold_together_neither_retains_but_their_type_does)
{
    struct graph_retained *rows;
    uint64_t bytes;
    size_t n;

    make();
    sample_link(pages[0], links[2]); /* held by pages 0 and 2 */
    links[2]->owned_bytes = 1000;
    assert_int_equal(graph_retained_of(&pages[0]->object, &bytes), 0);
    assert_int_equal(bytes, 2 * SAMPLE_BYTES);
    assert_int_equal(graph_retained_of(&pages[2]->object, &bytes), 0);
    assert_int_equal(bytes, SAMPLE_BYTES);
    assert_int_equal(graph_retained_of(&host->object, &bytes), 0);
    assert_int_equal(bytes, 7 * SAMPLE_BYTES + 1000);
    assert_int_equal(graph_retained_by_type(&rows, &n), 0);
    assert_int_equal(n, 3);
    assert_ptr_equal(rows[0].type, &sample_types[SAMPLE_HOST]);
    assert_int_equal(rows[0].bytes, SAMPLE_BYTES);
    assert_int_equal(rows[0].retained_bytes, 7 * SAMPLE_BYTES + 1000);
    assert_ptr_equal(rows[1].type, &sample_types[SAMPLE_PAGE]);
    assert_int_equal(rows[1].n, 3);
    assert_int_equal(rows[1].retained_bytes, 6 * SAMPLE_BYTES + 1000);
    assert_int_equal(rows[2].retained_bytes, 3 * SAMPLE_BYTES + 1000);
    mem_free(MEM_OBJ, rows);
    end();
}

TEST(graph__the_largest_retainers_come_first_with_what_they_hang_from)
{
    struct graph_retainer *rows;
    size_t n;

    make();
    links[1]->owned_bytes = 5000;
    assert_int_equal(graph_retained_top(3, &rows, &n), 0);
    assert_int_equal(n, 3);
    assert_ptr_equal(rows[0].object, &host->object);
    assert_null(rows[0].dominator);
    assert_int_equal(rows[0].n, 7);
    assert_int_equal(rows[0].bytes, 7 * SAMPLE_BYTES + 5000);
    assert_ptr_equal(rows[1].object, &pages[1]->object);
    assert_ptr_equal(rows[1].dominator, &host->object);
    assert_ptr_equal(rows[2].object, &links[1]->object);
    assert_ptr_equal(rows[2].dominator, &pages[1]->object);
    mem_free(MEM_OBJ, rows);
    assert_int_equal(graph_retained_top(0, &rows, &n), 0);
    assert_int_equal(n, 0);
    mem_free(MEM_OBJ, rows);
    end();
}

#define N_TYPES 200
static struct object_type many_types[N_TYPES];
static char names[N_TYPES][8];

TEST(graph__retained_by_type_knows_more_than_63_types)
{
    static struct object_site site = { "dir/file.c", "f", 1, 0 };
    struct object *head = NULL;
    struct graph_retained *rows;
    size_t n;

    for (unsigned i = 0; i < N_TYPES; i++) { /* a chain: the last made holds all others */
        struct sample *s;

        snprintf(names[i], sizeof names[i], "t%u", i);
        many_types[i] = sample_types[SAMPLE_LINK];
        many_types[i].id = 0;
        many_types[i].name = names[i];
        s = object_new(&many_types[i], &site);
        s->to[0] = head;
        head = &s->object;
    }
    assert_int_equal(graph_retained_by_type(&rows, &n), 0);
    assert_int_equal(n, N_TYPES);
    for (unsigned i = 0; i < N_TYPES; i++) {
        assert_string_equal(rows[i].type->name, names[N_TYPES - 1 - i]);
        assert_int_equal(rows[i].retained_bytes, (uint64_t)(N_TYPES - i) * SAMPLE_BYTES);
    }
    mem_free(MEM_OBJ, rows);
    object_unref(&head);
}

#define N_LONG 1000000

TEST(graph__a_chain_of_a_million_needs_no_stack)
{
    static struct object_site site = { "dir/file.c", "f", 2, 0 };
    static struct object *first;
    struct object *head = NULL;
    struct gc_root long_root = { .name = "long", .reference = &head };
    struct graph_retainer *rows;
    struct graph_chain c;
    uint64_t bytes;
    size_t n;

    for (unsigned i = 0; i < N_LONG; i++) {
        struct sample *s = object_new(&sample_types[SAMPLE_LINK], &site);

        assert_non_null(s);
        if (head == NULL)
            first = &s->object;
        else
            sample_of(head)->to[1] = object_ref(&s->object); /* and back: a list with both directions */
        s->to[0] = head;
        head = &s->object;
    }
    gc_root_add(&long_root);
    assert_int_equal(graph_chain(first, &c), 0);
    assert_int_equal(c.n, N_LONG);
    graph_chain_fini(&c);
    assert_int_equal(graph_retained_of(head, &bytes), 0);
    assert_int_equal(bytes, (uint64_t)N_LONG * SAMPLE_BYTES);
    assert_int_equal(graph_retained_top(2, &rows, &n), 0);
    assert_ptr_equal(rows[0].object, head);
    assert_int_equal(rows[1].n, N_LONG - 1);
    mem_free(MEM_OBJ, rows);
    gc_root_remove(&long_root);
    for (struct object *o = head; o != NULL; o = sample_of(o)->to[0])
        object_unref(&sample_of(o)->to[1]);
    object_unref(&head);
}

TEST(graph__refuses_a_heap_that_would_stop_a_worker_for_long)
{
    static struct object_site site = { "dir/file.c", "f", 3, 0 };
    static struct object_type small = { .name = "small", .object_bytes = sizeof(struct object) + 16, .flags = OBJECT_ACYCLIC };
    struct object **all = mem_array(MEM_DEFAULT, GRAPH_MAX_OBJECTS + 1, sizeof *all), **found;
    struct graph_picture p = { .max_depth = 1 };
    struct graph_retainer *top;
    struct graph_retained *rows;
    struct graph_chain c;
    struct buf b;
    uint64_t bytes;
    size_t n;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    for (uint32_t i = 0; i <= GRAPH_MAX_OBJECTS; i++) {
        all[i] = object_new(&small, &site);
        if (i == GRAPH_MAX_OBJECTS_OF_TOP) {
            assert_int_equal(graph_retained_top(1, &top, &n), ORB_ETOOBIG);
            assert_int_equal(graph_retained_of(all[i], &bytes), 0);
        }
    }
    assert_int_equal(graph_referrers(all[0], &found, &n), ORB_ETOOBIG);
    assert_int_equal(graph_chain(all[0], &c), ORB_ETOOBIG);
    assert_int_equal(graph_retained_of(all[0], &bytes), ORB_ETOOBIG);
    assert_int_equal(graph_retained_by_type(&rows, &n), ORB_ETOOBIG);
    assert_int_equal(graph_dot(&p, &b), ORB_ETOOBIG);
    assert_int_equal(b.n, 0);
    for (uint32_t i = 0; i <= GRAPH_MAX_OBJECTS; i++)
        object_unref(&all[i]);
    mem_free(MEM_DEFAULT, all);
}

TESTS(T(graph__referents_are_what_it_refers_to_once_for_each_reference), T(graph__a_chain_names_its_root),
      T(graph__a_chain_without_a_root_starts_where_a_reference_is_unaccounted_for),
      T(graph__a_root_is_preferred_to_a_shorter_chain_from_nowhere_known), T(graph__a_pin_is_a_root_by_that_name),
      T(graph__garbage_that_waits_for_the_collector_is_called_so),
      T(graph__what_two_hold_together_neither_retains_but_their_type_does),
      T(graph__the_largest_retainers_come_first_with_what_they_hang_from),
      T(graph__retained_by_type_knows_more_than_63_types), T(graph__a_chain_of_a_million_needs_no_stack),
      T(graph__refuses_a_heap_that_would_stop_a_worker_for_long))
