/* bench_memory_census - what looking inside costs: the census and the graph of a million objects. CPU time, best of several rounds.
 * usage: bench_memory_census [N objects]
 * Two thirds are nodes with two references (32 bytes), the rest pages of 112 bytes; eight sites, ages over two hours; linked at
 * random, a tenth held from outside. Prints a line "name value unit" for each figure. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gc/census.h"
#include "gc/collect.h"
#include "gc/graph.h"

#define ROUNDS 7
#define N_SITES 8
#define HOUR_MS 3600000u

struct node {
    struct object object;
    struct object *a, *b;
};
struct page {
    struct object object;
    struct object *a, *b;
    char rest[80];
};

static const uint16_t pointers[] = { offsetof(struct node, a), offsetof(struct node, b) };
static struct object_type types[] = {
    { .name = "node", .object_bytes = sizeof(struct node), .pointer_offsets = pointers, .n_pointers = 2, .lifetime_ms = 60000 },
    { .name = "page", .object_bytes = sizeof(struct page), .pointer_offsets = pointers, .n_pointers = 2, .lifetime_ms = 90000 },
};
static struct object_site sites[N_SITES];
static struct object **all;
static size_t n_all = 1000000;
static uint64_t random_state = 1;

static uint64_t
random_below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

static double
cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
make(void)
{
    for (unsigned i = 0; i < N_SITES; i++)
        sites[i] = (struct object_site){ __FILE__, "make", (int)i + 1, 0 };
    all = mem_must(mem_array(MEM_DEFAULT, n_all, sizeof *all));
    for (size_t i = 0; i < n_all; i++) {
        gc_set_time(i * (2 * HOUR_MS / 1000) / n_all * 1000);
        all[i] = mem_must(object_new(&types[i % 3 == 2], &sites[random_below(N_SITES)]));
    }
    for (size_t i = 0; i < n_all; i++) {
        struct node *n = (struct node *)(void *)all[i];

        n->a = object_ref(all[random_below(n_all)]);
        n->b = object_ref(all[random_below(n_all)]);
    }
    for (size_t i = 0; i < n_all; i++) {
        struct object *o = all[i];

        if (o->refs > 1 && i % 10 != 0)
            object_unref(&o); /* held by others; those whose ways from outside are cut are garbage that waits */
    }
}

static void
census(bool with_owned_bytes)
{
    struct census *c = mem_must(census_take(2 * HOUR_MS, with_owned_bytes));

    if (c->n_objects != n_all)
        abort();
    census_free(&c);
}

static void
run_census(void)
{
    census(false);
}

static void
run_census_owned(void)
{
    census(true);
}

static void
run_chain(void)
{
    struct graph_chain c;

    if (graph_chain(all[n_all / 2], &c) != 0)
        abort();
    graph_chain_fini(&c);
}

static void
run_retained_of(void)
{
    uint64_t bytes;

    if (graph_retained_of(all[n_all / 2], &bytes) != 0)
        abort();
}

static void
run_retained_by_type(void)
{
    struct graph_retained *rows;
    size_t n;

    if (graph_retained_by_type(&rows, &n) != 0)
        abort();
    mem_free(MEM_OBJ, rows);
}

static void
run_retained_top(void)
{
    struct graph_retainer *rows;
    size_t n;

    if (graph_retained_top(20, &rows, &n) != 0)
        abort();
    mem_free(MEM_OBJ, rows);
}

static void
run_picture(void)
{
    struct graph_picture p = { .around = all[n_all / 2], .is_referrers = true };
    struct buf b;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    if (graph_dot(&p, &b) != 0)
        abort();
    buf_fini(&b);
}

static void
measure(const char *name, void (*run)(void))
{
    double best = 1e9;

    for (unsigned i = 0; i < ROUNDS; i++) {
        double before = cpu_ms(), took;

        run();
        took = cpu_ms() - before;
        if (took < best)
            best = took;
    }
    printf("%s %.2f ms\n", name, best);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        n_all = strtoul(argv[1], NULL, 10);
    make();
    measure("census_1e6", run_census);
    measure("census_owned_1e6", run_census_owned);
    measure("graph_chain_1e6", run_chain);
    measure("graph_retained_of_1e6", run_retained_of);
    measure("graph_retained_by_type_1e6", run_retained_by_type);
    measure("graph_retained_top_1e6", run_retained_top);
    measure("graph_picture_1e6", run_picture);
    return 0;
}
