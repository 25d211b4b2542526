#include "gc/trace.h"

#include "crawler/html.h"
#include "crawler/xml.h"
#include "tests/support/support.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>

#define BLOCK_BYTES 4096
#define N_BLOCKS 16384

static void *blocks[N_BLOCKS];
static struct buf text;

/* Two places that allocate; what they return is used, so that neither is a jump into mem_alloc(). */
static __attribute__((noinline)) void
allocate_often(void **to)
{
    *to = mem_alloc(MEM_SQLITE, BLOCK_BYTES);
    assert_non_null(*to);
}

static __attribute__((noinline)) void
allocate_seldom(void **to)
{
    *to = mem_alloc(MEM_SQLITE, BLOCK_BYTES);
    assert_non_null(*to);
}

static void
allocate_all(void)
{
    for (unsigned i = 0; i < N_BLOCKS; i++)
        (i % 4 == 3 ? allocate_seldom : allocate_often)(&blocks[i]);
}

static void
free_all(void)
{
    for (unsigned i = 0; i < N_BLOCKS; i++)
        MEM_FREE(MEM_SQLITE, &blocks[i]);
}

static void
start(size_t mean_bytes)
{
    int err = trace_start(mean_bytes);

    if (err == ORB_ENOTSUP)
        skip();
    assert_int_equal(err, 0);
    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
}

static void
stop(void)
{
    trace_stop();
    trace_set_operation(NULL, SLICE_NONE);
    buf_fini(&text);
}

static struct trace_stats
stats(void)
{
    struct trace_stats s;

    trace_stats(&s);
    return s;
}

static json_t *
as_json(unsigned max_stacks)
{
    json_t *j;

    buf_clear(&text);
    assert_int_equal(trace_json(&text, max_stacks), 0);
    j = json_loads(text.p, 0, NULL);
    assert_non_null(j);
    return j;
}

static double
number(const json_t *j, const char *key)
{
    assert_true(json_is_number(json_object_get(j, key)));
    return json_number_value(json_object_get(j, key));
}

static const char *
string(const json_t *j, const char *key)
{
    assert_true(json_is_string(json_object_get(j, key)));
    return json_string_value(json_object_get(j, key));
}

static bool
has_frame(const json_t *stack, const char *function)
{
    size_t i;
    json_t *frame;

    json_array_foreach (json_object_get(stack, "frames"), i, frame)
        if (strcmp(json_string_value(frame), function) == 0)
            return true;
    return false;
}

/* Estimated bytes of all stacks with this function. */
static double
bytes_of(const json_t *all, const char *function)
{
    double sum = 0;
    size_t i;
    json_t *stack;

    json_array_foreach (json_object_get(all, "stacks"), i, stack)
        if (has_frame(stack, function))
            sum += number(stack, "bytes");
    return sum;
}

/* By how much an estimate of so many bytes may be off once in a million runs. */
static double
noise(double bytes, double mean_bytes)
{
    return 5 * sqrt(bytes * mean_bytes);
}

TEST(trace__estimates_what_two_places_hold)
{
    const double all = (double)N_BLOCKS * BLOCK_BYTES, mean = 64 * 1024;
    json_t *j;
    double often, seldom;

    start((size_t)mean);
    allocate_all();
    j = as_json(1000);
    often = bytes_of(j, "allocate_often");
    seldom = bytes_of(j, "allocate_seldom");
    print_message("%.1f and %.1f MiB of 48 and 16\n", often / 1048576, seldom / 1048576);
    assert_float_equal(often, all * 3 / 4, noise(all * 3 / 4, mean));
    assert_float_equal(seldom, all / 4, noise(all / 4, mean));
    assert_float_equal(number(j, "bytes"), often + seldom, 2);
    assert_float_equal(number(j, "count"), number(j, "bytes") / (double)mem_usable_bytes(blocks[0]), 1);
    assert_int_equal(number(j, "mean_bytes"), 65536);
    assert_int_equal(number(j, "n_dropped"), 0);
    json_decref(j);
    free_all();
    stop();
}

/* The mean of many estimates is the truth: sizes far below, below, at and above the mean. */
TEST(trace__is_unbiased_for_every_size)
{
    static const struct { size_t size, mean; } cases[] = { { 16, 4096 }, { 200, 4096 }, { 4096, 4096 }, { 4096, 65536 }, { 300000, 65536 } };

    for (unsigned i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        size_t size = cases[i].size, n = ORB_MIN((size_t)N_BLOCKS, (16u << 20) / size), rounds = 40;
        double sum = 0, truth = 0, tolerance;

        start(cases[i].mean);
        for (unsigned round = 0; round < rounds; round++) {
            json_t *j;

            for (size_t k = 0; k < n; k++)
                blocks[k] = mem_alloc(MEM_HTTP, size);
            truth += (double)(n * mem_usable_bytes(blocks[0]));
            j = as_json(0);
            sum += number(j, "bytes");
            json_decref(j);
            for (size_t k = 0; k < n; k++)
                MEM_FREE(MEM_HTTP, &blocks[k]);
        }
        tolerance = noise(truth, (double)cases[i].mean);
        print_message("%zu bytes, mean %zu: %+.2f %% of the truth, %.2f %% allowed\n", size, cases[i].mean,
                      100 * (sum / truth - 1), 100 * tolerance / truth);
        assert_float_equal(sum, truth, tolerance);
        stop();
    }
}

TEST(trace__with_a_mean_of_one_byte_is_exact)
{
    struct mem_stats before, now;
    json_t *j;

    mem_stats(MEM_JSON, &before);
    start(1);
    for (unsigned i = 0; i < 500; i++)
        blocks[i] = mem_alloc(MEM_HTTP, 50 + i * 37);
    for (unsigned i = 0; i < 500; i += 2)
        blocks[i] = mem_realloc(MEM_HTTP, blocks[i], 60000 - i * 100);
    for (unsigned i = 0; i < 500; i += 5)
        MEM_FREE(MEM_HTTP, &blocks[i]);
    j = as_json(0);
    mem_stats(MEM_HTTP, &now);
    assert_float_equal(number(j, "bytes"), (double)now.live_bytes, 1);
    assert_int_equal(number(j, "count"), now.n_allocs - now.n_frees);
    assert_int_equal(number(j, "n_live"), 400);
    assert_int_equal(json_array_size(json_object_get(j, "stacks")), 0);
    json_decref(j);
    for (unsigned i = 0; i < 500; i++)
        MEM_FREE(MEM_HTTP, &blocks[i]);
    stop();
    mem_stats(MEM_JSON, &now);
    assert_int_equal(now.live_bytes, before.live_bytes);
}

TEST(trace__forgets_what_is_freed_and_everything_at_its_end)
{
    size_t before = mem_live_blocks();
    void *p;

    start(65536);
    allocate_all();
    assert_true(stats().n_live > 500);
    assert_true(stats().ram_bytes > 500 * TRACE_OP_BYTES);
    free_all();
    assert_int_equal(stats().n_live, 0);
    assert_true(stats().n_samples > 500);
    trace_set_mean(1);
    allocate_seldom(&p);
    assert_int_equal(stats().n_live, 1);
    stop();
    assert_int_equal(stats().n_samples, 0);
    assert_int_equal(stats().ram_bytes, 0);
    assert_int_equal(trace_mean_bytes(), 0);
    mem_free(MEM_SQLITE, p); /* after its sample */
    assert_int_equal(mem_live_blocks(), before);
}

TEST(trace__keeps_what_the_process_was_doing)
{
    char url[300] = "https://example.org/\xc3\xa9\"\\\n";
    void *p[4];
    json_t *j, *stacks;

    start(1);
    allocate_seldom(&p[0]);
    trace_set_operation("parse", slice_str(url));
    allocate_seldom(&p[1]);
    memset(url + 20, 'x', 279);
    trace_set_operation("parse", slice_str(url));
    p[2] = mem_alloc(MEM_SQLITE, 100000);
    url[0] = 'H'; /* it was a copy */
    trace_set_operation("store", SLICE_NONE);
    p[3] = mem_alloc(MEM_SQLITE, 200000);
    j = as_json(10);
    stacks = json_object_get(j, "stacks");
    assert_true(json_array_size(stacks) >= 3);
    assert_string_equal(string(json_array_get(stacks, 0), "operation"), "store"); /* the largest first */
    assert_int_equal(strlen(string(json_array_get(stacks, 1), "operation")), TRACE_OP_BYTES - 1);
    assert_memory_equal(string(json_array_get(stacks, 1), "operation"), "parse https://example.org/xxx", 29);
    json_decref(j);
    mem_free(MEM_SQLITE, p[3]);
    mem_free(MEM_SQLITE, p[2]);
    mem_free(MEM_SQLITE, p[0]);
    j = as_json(10);
    stacks = json_object_get(j, "stacks");
    assert_int_equal(json_array_size(stacks), 1);
    assert_string_equal(string(json_array_get(stacks, 0), "operation"), "parse https://example.org/\?\?\"\\?");
    assert_string_equal(string(json_array_get(stacks, 0), "domain"), "sqlite");
    json_decref(j);
    mem_free(MEM_SQLITE, p[1]);
    stop();
}

TEST(trace__folds_stacks_from_the_outermost_function_to_the_innermost)
{
    void *p;
    const char *here;
    char line[160];

    start(1);
    allocate_often(&p);
    assert_int_equal(trace_folded(&text), 0);
    assert_memory_equal(text.p, "sqlite;", 7);
    assert_int_equal(text.p[text.n - 1], '\n');
    snprintf(line, sizeof line, "trace__folds_stacks_from_the_outermost_function_to_the_innermost;allocate_often %zu\n", mem_usable_bytes(p));
    here = strstr(text.p, line);
    assert_non_null(here);
    assert_true(strstr(text.p, ";main;") != NULL && strstr(text.p, ";main;") < here);
    mem_free(MEM_SQLITE, p);
    stop();
}

/* In the middle of a document, when libxml2 holds what it needs for it. */
static void
look(void *arg, struct slice piece, bool is_apart)
{
    json_t **j = arg;

    if (*j == NULL)
        *j = as_json(1000);
}

/* libxml2 has no symbols of its own inside: its exported functions have names, the others places, none a wrong name. */
TEST(trace__names_a_librarys_functions)
{
    static const char page[] = "<html><body><p class=a id=b>text<a href=/x>link</a></html>";
    struct html_events events = { .text = look };
    json_t *j = NULL, *stack;
    size_t i;

    events.arg = &j;
    start(1);
    assert_int_equal(html_parse(slice_str(page), &events), 0);
    assert_non_null(j);
    assert_true(json_array_size(json_object_get(j, "stacks")) >= 1);
    assert_true(bytes_of(j, "html_parse") > 0);
    assert_true(bytes_of(j, "htmlNewParserCtxt") > 0);
    assert_true(bytes_of(j, "xmlDictCreate") > 0);
    assert_true(bytes_of(j, "mem_xml_malloc") == 0); /* how a library comes to mem.c is left out */
    json_array_foreach (json_object_get(j, "stacks"), i, stack) {
        const char *innermost = json_string_value(json_array_get(json_object_get(stack, "frames"), 0));

        if (strncmp(innermost, "xml", 3) != 0 && strncmp(innermost, "html", 4) != 0
            && strncmp(innermost, "libxml2.so.2+0x", 15) != 0)
            fail_msg("%s of %s", innermost, string(stack, "domain"));
    }
    json_decref(j);
    html_fini();
    xml_fini();
    stop();
}

TEST(trace__changes_its_mean_while_it_runs)
{
    uint64_t n;

    start(0);
    assert_int_equal(trace_mean_bytes(), TRACE_MEAN_BYTES);
    allocate_all();
    n = stats().n_samples;
    assert_true(n > 80 && n < 190); /* 64 MiB / 512 KiB = 128, 5 sigma */
    free_all();
    trace_set_mean(TRACE_MAGNIFIED_MEAN_BYTES);
    allocate_all();
    n = stats().n_samples - n;
    assert_true(n > 864 && n < 1184);
    free_all();
    assert_int_equal(trace_start(0), 0); /* again: only the mean */
    assert_int_equal(trace_mean_bytes(), TRACE_MEAN_BYTES);
    stop();
    trace_set_mean(1);
    assert_int_equal(trace_mean_bytes(), 0);
}

TEST(trace__holds_no_more_than_its_limit)
{
    size_t n = TRACE_MAX_SAMPLES + 1000, live = mem_live_bytes();
    void **many = mem_array(MEM_DEFAULT, n, sizeof *many);
    json_t *j;

    live = mem_live_bytes() - live;
    start(1);
    for (size_t i = 0; i < n; i++)
        many[i] = mem_alloc(MEM_EV, 16);
    assert_int_equal(stats().n_samples, n);
    assert_int_equal(stats().n_live, TRACE_MAX_SAMPLES);
    assert_int_equal(stats().n_dropped, 1000);
    assert_true(stats().ram_bytes < 6u << 20);
    j = as_json(10);
    assert_int_equal(number(j, "n_samples"), n);
    assert_int_equal(number(j, "n_dropped"), 1000);
    json_decref(j);
    for (size_t i = 0; i < n; i++)
        mem_free(MEM_EV, many[i]);
    assert_int_equal(stats().n_live, 0);
    mem_free(MEM_DEFAULT, many);
    stop();
}

static void *
work(void *arg)
{
    void *mine[100] = { NULL };
    unsigned seed = (unsigned)(uintptr_t)arg;

    trace_set_operation("thread", SLICE_LITERAL("of its own"));
    for (unsigned i = 0; i < 100000; i++) {
        void **b = &mine[(seed = seed * 1103515245 + 12345) >> 16 & 63];

        mem_free(MEM_SSL, *b);
        *b = mem_alloc(MEM_SSL, 1 + (seed >> 8 & 2047));
    }
    for (unsigned i = 0; i < 100; i++)
        mem_free(MEM_SSL, mine[i]);
    return NULL;
}

TEST(trace__any_thread_may_allocate_and_free_while_others_read)
{
    pthread_t threads[4];

    start(4096);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < 30; i++) {
        buf_clear(&text);
        assert_int_equal(i % 3 == 0 ? trace_pprof(&text) : i % 3 == 1 ? trace_folded(&text) : trace_json(&text, 5), 0);
        trace_set_mean(i % 2 == 0 ? 1024 : 4096);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(stats().n_live, 0);
    assert_true(stats().n_samples > 50000);
    stop();
}

TESTS(T(trace__estimates_what_two_places_hold), T(trace__is_unbiased_for_every_size), T(trace__with_a_mean_of_one_byte_is_exact),
      T(trace__forgets_what_is_freed_and_everything_at_its_end), T(trace__keeps_what_the_process_was_doing),
      T(trace__folds_stacks_from_the_outermost_function_to_the_innermost), T(trace__names_a_librarys_functions),
      T(trace__changes_its_mean_while_it_runs), T(trace__holds_no_more_than_its_limit),
      T(trace__any_thread_may_allocate_and_free_while_others_read))
