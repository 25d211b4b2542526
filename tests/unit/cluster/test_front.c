#include "tests/support/front_sim.h"
#include "tests/support/support.h"

#include <stdio.h>

static struct sim sim;

static void
begin(uint64_t seed)
{
    sim_init(&sim, scratch_dir(), seed);
}

static void
end(void)
{
    if (sim.front != NULL)
        sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

TEST(front__a_small_crawl_ends_with_balanced_books)
{
    struct front_books b;

    begin(1);
    assert_int_equal(sim_open(&sim), 0);
    assert_true(sim.recovery.is_new);
    assert_true(front_is_finished(sim.front));
    assert_int_equal(sim_seed(&sim, "http://h1.example/"), FRONT_NEW);
    assert_int_equal(sim_seed(&sim, "http://h1.example/"), FRONT_SEEN);
    assert_int_equal(sim_seed(&sim, "http://h1.example/out/x"), FRONT_EXCLUDED);
    assert_int_equal(sim_seed(&sim, "HTTP://h1.example/Y"), FRONT_NOT_CANONICAL);
    assert_false(front_is_finished(sim.front));
    sim.excluded_of_16 = 2;
    sim_run(&sim, 10, 1000);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_true(front_is_finished(sim.front));
    assert_true(b.done > 500 && b.excluded > 10);
    assert_int_equal(b.queued + b.leased + b.waiting, 0);
    assert_true(sim.n_topups > 0 && sim.n_robots >= 40);
    end();
}

TEST(front__goes_on_after_a_clean_stop)
{
    struct front_books before, after;

    begin(2);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/");
    sim_run(&sim, 20, 300);
    sim_deliver(&sim);
    sim_books(&sim, &before);
    assert_true(before.queued > 0);
    sim_close(&sim);
    sim.now_ms += 5000;
    assert_int_equal(sim_open(&sim), 0);
    assert_false(sim.recovery.was_unclean);
    sim_books(&sim, &after);
    assert_int_equal(after.discovered, before.discovered);
    assert_int_equal(after.queued, before.queued + before.leased);
    assert_int_equal(after.done, before.done);
    assert_int_equal(sim_seed(&sim, "http://h1.example/"), FRONT_SEEN);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &after);
    assert_int_equal(after.done, after.discovered);
    end();
}

TESTS(T(front__a_small_crawl_ends_with_balanced_books), T(front__goes_on_after_a_clean_stop))
