/* Looking at the heap when memory is short: every answer is whole or is ORB_ENOMEM, and nothing stays behind. */
#include "gc/census.h"
#include "gc/graph.h"
#include "gc/graph_dominators.h"
#include "tests/support/heap_sample.h"
#include "tests/support/support.h"

#define N_SITES 200

static struct object_site sites[N_SITES];
static struct object *objects[N_SITES];
static struct gc_root root;
static struct census *before;

static void
walk(void *owner, object_visit_fn *visit, void *arg)
{
    for (unsigned i = 0; i < N_SITES; i += 10)
        visit(&objects[i], arg);
}

static int
setup(void **state)
{
    before = census_take(0, true);
    for (unsigned i = 0; i < N_SITES; i++) {
        sites[i] = (struct object_site){ "dir/file.c", "f", (int)i, 0 };
        objects[i] = object_new(&sample_types[i % SAMPLE_N_TYPES], &sites[i]);
        if (i > 0)
            sample_link(sample_of(objects[i / 3]), sample_of(objects[i]));
        if (i > 3)
            sample_link(sample_of(objects[i]), sample_of(objects[i - 3]));
    }
    root = (struct gc_root){ .name = "all", .walk = walk };
    gc_root_add(&root);
    return before == NULL;
}

static int
teardown(void **state)
{
    gc_root_remove(&root);
    for (unsigned i = 0; i < N_SITES; i++)
        for (unsigned j = 0; j < SAMPLE_LINKS; j++)
            object_unref(&sample_of(objects[i])->to[j]);
    for (unsigned i = 0; i < N_SITES; i++)
        object_unref(&objects[i]);
    census_free(&before);
    gc_fini();
    return mem_live_blocks() != 0;
}

/* look() is run once per allocation that it makes; it returns an error, and frees what it got. */
static void
sweep(int (*look)(void))
{
    size_t n_before = mem_live_blocks();
    uint64_t n_failed = 0;

    FAULT_SWEEP(nth) {
        int err = look();

        if (err != 0 && err != ORB_ENOMEM)
            fail_msg("allocation %d: %d", (int)nth, err);
        n_failed += err != 0;
        assert_int_equal(mem_live_blocks(), n_before);
    }
    assert_true(n_failed > 0);
    assert_int_equal(look(), 0);
}

static int
look_census(void)
{
    struct census *c = census_take(0, true);

    if (c == NULL)
        return ORB_ENOMEM;
    assert_int_equal(c->n_rows, N_SITES);
    census_free(&c);
    return 0;
}

static int
look_diff(void)
{
    struct census *c = census_take(0, true);
    struct census_growth *g = NULL;
    size_t n;
    int err;

    if (c == NULL)
        return ORB_ENOMEM;
    err = census_diff(before, c, &g, &n);
    assert_int_equal(g == NULL, err != 0);
    mem_free(MEM_OBJ, g);
    census_free(&c);
    return err;
}

static int
written(int (*write)(struct buf *))
{
    struct buf b;
    int err;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    err = write(&b);
    assert_int_equal(b.n == 0, err != 0);
    buf_fini(&b);
    return err;
}

static int
write_census(struct buf *b)
{
    struct census *c = census_take(0, false);
    int err = c == NULL ? ORB_ENOMEM : census_json(c, b);

    census_free(&c);
    return err;
}

static int
write_diff(struct buf *b)
{
    struct census *c = census_take(0, false);
    int err = c == NULL ? ORB_ENOMEM : census_diff_json(before, c, b);

    census_free(&c);
    return err;
}

static int
look_json(void)
{
    return written(write_census);
}

static int
look_diff_json(void)
{
    return written(write_diff);
}

static int
look_history(void)
{
    struct census_history *h = NULL;
    int err = census_history_new(&h);

    assert_int_equal(h == NULL, err != 0);
    for (uint64_t minute = 1; minute < 4 && err == 0; minute++) {
        size_t n = census_history_count(h);

        err = census_history_tick(h, minute * 60000);
        assert_int_equal(census_history_count(h), n + (err == 0));
    }
    census_history_free(&h);
    return err;
}

static int
look_referents(void)
{
    struct object **found = NULL;
    size_t n;
    int err = graph_referents(objects[1], &found, &n);

    assert_int_equal(found == NULL, err != 0);
    mem_free(MEM_OBJ, found);
    return err;
}

static int
look_referrers(void)
{
    struct object **found = NULL;
    size_t n;
    int err = graph_referrers(objects[50], &found, &n);

    assert_int_equal(found == NULL, err != 0);
    mem_free(MEM_OBJ, found);
    return err;
}

static int
look_chain_to(struct object *o)
{
    struct graph_chain c = { .objects = NULL };
    int err = graph_chain(o, &c);

    assert_int_equal(c.objects == NULL, err != 0);
    graph_chain_fini(&c);
    return err;
}

static int
look_chain(void)
{
    return look_chain_to(objects[N_SITES - 1]);
}

static int
look_chain_without_root(void)
{
    int err;

    gc_root_remove(&root);
    err = look_chain_to(objects[N_SITES - 1]);
    gc_root_add(&root);
    return err;
}

static int
look_retained_by_type(void)
{
    struct graph_retained *rows = NULL;
    size_t n;
    int err = graph_retained_by_type(&rows, &n);

    assert_int_equal(rows == NULL, err != 0);
    mem_free(MEM_OBJ, rows);
    return err;
}

static int
look_retained_of(void)
{
    uint64_t bytes = 0;
    int err = graph_retained_of(objects[0], &bytes);

    assert_int_equal(bytes == 0, err != 0);
    return err;
}

static int
look_retained_top(void)
{
    struct graph_retainer *rows = NULL;
    size_t n;
    int err = graph_retained_top(10, &rows, &n);

    assert_int_equal(rows == NULL, err != 0);
    mem_free(MEM_OBJ, rows);
    return err;
}

static int
write_away(struct buf *b)
{
    return graph_dot(&(struct graph_picture){ .max_nodes = 100, .max_depth = 10 }, b);
}

static int
write_towards(struct buf *b)
{
    return graph_json(&(struct graph_picture){ .around = objects[100], .is_referrers = true, .max_nodes = 100 }, b);
}

static int
write_type(struct buf *b)
{
    return graph_dot(&(struct graph_picture){ .type = &sample_types[0], .max_nodes = 100 }, b);
}

static int
look_dot(void)
{
    return written(write_away);
}

static int
look_referrers_json(void)
{
    return written(write_towards);
}

static int
look_type_dot(void)
{
    return written(write_type);
}

TEST(census__survives_any_failed_allocation)
{
    sweep(look_census);
    sweep(look_diff);
    sweep(look_json);
    sweep(look_diff_json);
    sweep(look_history);
}

TEST(graph__survives_any_failed_allocation)
{
    sweep(look_referents);
    sweep(look_referrers);
    sweep(look_chain);
    sweep(look_chain_without_root);
    sweep(look_retained_by_type);
    sweep(look_retained_of);
    sweep(look_retained_top);
}

TEST(graph_picture__survives_any_failed_allocation)
{
    sweep(look_dot);
    sweep(look_referrers_json);
    sweep(look_type_dot);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { T(census__survives_any_failed_allocation), T(graph__survives_any_failed_allocation),
                                        T(graph_picture__survives_any_failed_allocation) };

    return cmocka_run_group_tests(tests, setup, teardown);
}
