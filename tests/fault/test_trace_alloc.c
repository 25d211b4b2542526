/* Every allocation of the sampler's and of the exports' fails once: samples are dropped and counted, exports say so, nothing leaks. */
#include "gc/trace.h"

#include "tests/support/support.h"

#define N_BLOCKS 40

static __attribute__((noinline)) void
take(void **blocks, unsigned n, unsigned depth)
{
    if (depth > 0)
        take(blocks, n, depth - 1);
    else
        for (unsigned i = 0; i < n; i++)
            blocks[i] = mem_alloc(MEM_XML, 500);
    __asm__ volatile("" ::: "memory"); /* no tail call: each depth is a stack of its own */
}

static void
start(void)
{
    if (trace_start(1) != 0)
        skip();
}

TEST(trace__drops_a_sample_that_finds_no_memory)
{
    size_t before = mem_live_blocks();
    uint64_t nth = 1, n_counted, n_dropped = 0;

    for (;; nth++) {
        void *blocks[N_BLOCKS];
        struct trace_stats s;

        start();
        mem_fail_nth(nth, false, false);
        for (unsigned i = 0; i < N_BLOCKS; i += 4)
            take(blocks + i, 4, i / 4);
        n_counted = mem_fail_nth(0, false, false);
        trace_stats(&s);
        assert_int_equal(s.n_samples, N_BLOCKS);
        assert_int_equal(s.n_live + s.n_dropped, N_BLOCKS);
        n_dropped += s.n_dropped;
        for (unsigned i = 0; i < N_BLOCKS; i++)
            mem_free(MEM_XML, blocks[i]);
        trace_stats(&s);
        assert_int_equal(s.n_live, 0);
        trace_stop();
        assert_int_equal(mem_live_blocks(), before);
        if (n_counted < nth)
            break;
    }
    print_message("%llu allocations failed in turn, %llu samples dropped\n", (unsigned long long)nth - 1, (unsigned long long)n_dropped);
    assert_true(nth > N_BLOCKS);
    assert_true(n_dropped > N_BLOCKS);
}

static int
as_json(struct buf *to)
{
    return trace_json(to, 100);
}

static void
sweep(int (*export)(struct buf *to))
{
    size_t before = mem_live_blocks();
    uint64_t nth = 1, n_counted;
    void *blocks[N_BLOCKS];

    for (;; nth++) {
        struct buf b;
        int err;

        start();
        trace_set_operation("parse", SLICE_LITERAL("http://example.org/"));
        for (unsigned i = 0; i < N_BLOCKS; i += 4)
            take(blocks + i, 4, i / 4);
        buf_init(&b, MEM_LOG, BUF_NO_CEILING);
        assert_int_equal(buf_append_str(&b, "before"), 0);
        mem_fail_nth(nth, false, false);
        err = export(&b);
        n_counted = mem_fail_nth(0, false, false);
        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_true(err == 0 ? b.n > 500 : b.n == 6);
        assert_memory_equal(b.p, "before", 6);
        buf_fini(&b);
        for (unsigned i = 0; i < N_BLOCKS; i++)
            mem_free(MEM_XML, blocks[i]);
        trace_stop();
        assert_int_equal(mem_live_blocks(), before);
        if (n_counted < nth) {
            assert_int_equal(err, 0);
            break;
        }
    }
    print_message("%llu allocations failed in turn\n", (unsigned long long)nth - 1);
    assert_true(nth > 20);
}

TEST(trace_pprof__survives_any_failed_allocation)
{
    sweep(trace_pprof);
}

TEST(trace_folded__survives_any_failed_allocation)
{
    sweep(trace_folded);
}

TEST(trace_json__survives_any_failed_allocation)
{
    sweep(as_json);
}

TEST(trace__exports_stop_at_a_ceiling)
{
    struct buf b;
    void *blocks[4];

    start();
    take(blocks, 4, 0);
    buf_init(&b, MEM_LOG, 100);
    assert_int_equal(trace_pprof(&b), ORB_ETOOBIG);
    assert_int_equal(trace_json(&b, 10), ORB_ETOOBIG);
    assert_int_equal(trace_folded(&b), ORB_ETOOBIG);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    for (unsigned i = 0; i < 4; i++)
        mem_free(MEM_XML, blocks[i]);
    trace_stop();
}

TESTS(T(trace__drops_a_sample_that_finds_no_memory), T(trace_pprof__survives_any_failed_allocation),
      T(trace_folded__survives_any_failed_allocation), T(trace_json__survives_any_failed_allocation),
      T(trace__exports_stop_at_a_ceiling))
