/* URLs that are asked again: seeds for what had been excluded or had failed, and the rounds of --refetch. */
#include "tests/support/front_sim.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sim sim;
static bool is_wide; /* the scope: /out/ belongs to it */

static enum outcome
judge(void *arg, const struct url *u, const struct front_link *link)
{
    return !is_wide && memmem(u->href.p, u->href.n, "/out/", 5) != NULL ? OUTCOME_OUT_OF_SCOPE : OUTCOME_OK;
}

static void
begin(uint64_t seed)
{
    sim_init(&sim, scratch_dir(), seed);
    sim.conf.judge = judge;
    is_wide = false;
    assert_int_equal(sim_open(&sim), 0);
}

static void
end(void)
{
    if (sim.front != NULL)
        sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

static void
pass(uint64_t ms)
{
    sim.now_ms += ms;
    sim.wall_ms += ms;
    front_tick(sim.front, sim.now_ms, sim.wall_ms);
    sim_deliver(&sim);
}

static void
reopen(void)
{
    sim_close(&sim);
    sim_forget(&sim);
    sim.now_ms += 5000;
    assert_int_equal(sim_open(&sim), 0);
}

static enum front_verdict
offer(const char *url, bool is_seed, bool is_wanted)
{
    struct front_link link = { .url = slice_str(url), .is_seed = is_seed, .is_wanted = is_wanted, .depth = is_seed ? 0 : 7 };
    enum front_verdict v;

    assert_int_equal(front_report_begin(sim.front, 0, 0), 0);
    v = front_offer(sim.front, &link);
    assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    return v;
}

/* Until the scan is through: something is queued, or nothing is looked for any more. */
static void
settle(uint64_t n_queued)
{
    struct front_books b;

    for (int i = 0; i < 500; i++) {
        pass(10);
        usleep(1000); /* the thread's turn */
        sim_books(&sim, &b);
        if (n_queued > 0 ? b.queued >= n_queued : front_is_finished(sim.front))
            break;
    }
    assert_int_equal(b.queued, n_queued);
    for (int i = 0; i < 5; i++)
        pass(10);
}

static uint64_t
n_scans(void)
{
    struct front_stats st;

    front_stats(sim.front, &st);
    return st.seed_scans;
}

/* Leases everything there is; the last URL is in `url`. */
static unsigned
lease_all(char url[300], uint16_t *depth, bool *is_again)
{
    unsigned n = 0;

    for (int i = 0; i < 50; i++) {
        struct sim_lease *l;

        pass(2000);
        if (front_lease(sim.front, 0, sim.now_ms))
            sim_deliver(&sim);
        l = sim_any_lease(&sim);
        if (l == NULL)
            continue;
        if (l->n_urls > 0) {
            snprintf(url, 300, "%s", l->urls[0].url);
            *depth = l->urls[0].depth;
            *is_again = l->urls[0].is_again;
            n += l->n_urls;
        }
        sim_report(&sim, l, 64, 0, OUTCOME_OK);
    }
    return n;
}

TEST(front_again__an_excluded_url_offered_as_a_seed_is_asked)
{
    char url[300] = "";
    uint16_t depth = 9;
    bool is_again = true;
    struct front_books b;

    begin(1);
    assert_int_equal(offer("http://h1.example/out/x", false, false), FRONT_EXCLUDED);
    assert_int_equal(offer("http://h1.example/out/x", true, false), FRONT_SEEN); /* the rules still say no */
    assert_true(front_is_finished(sim.front));
    is_wide = true;
    assert_int_equal(offer("http://h1.example/out/x", false, false), FRONT_SEEN); /* a link is no seed */
    assert_int_equal(offer("http://h1.example/out/x?utm_source=y", true, false), FRONT_AGAIN); /* the same page */
    assert_false(front_is_finished(sim.front));
    settle(1);
    sim_books(&sim, &b);
    assert_int_equal(b.excluded, 0);
    assert_int_equal(b.discovered, 1);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    assert_string_equal(url, "http://h1.example/out/x");
    assert_int_equal(depth, 0);
    assert_false(is_again);
    assert_true(front_is_finished(sim.front));
    assert_int_equal(offer("http://h1.example/out/x", true, false), FRONT_SEEN);
    assert_int_equal(n_scans(), 1);
    end();
}

TEST(front_again__a_restart_in_between_changes_nothing)
{
    char url[300] = "";
    uint16_t depth;
    bool is_again;

    begin(2);
    assert_int_equal(offer("http://h1.example/p/1", false, false), FRONT_NEW);
    assert_int_equal(offer("http://h2.example/out/x", false, false), FRONT_EXCLUDED);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    is_wide = true;
    reopen();
    assert_int_equal(offer("http://h2.example/out/x", true, false), FRONT_AGAIN);
    settle(1);
    reopen();
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    assert_string_equal(url, "http://h2.example/out/x");
    reopen();
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(front_again__a_kill_behind_it_loses_nothing)
{
    char url[300] = "";
    uint16_t depth;
    bool is_again;
    pid_t child;
    int how;

    begin(3);
    assert_int_equal(offer("http://h2.example/out/x", false, false), FRONT_EXCLUDED);
    assert_int_equal(offer("http://h2.example/p/1", false, false), FRONT_NEW);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    sim_close(&sim); /* the mark is behind both rows */
    is_wide = true;
    child = fork();
    if (child == 0) {
        if (sim_open(&sim) == 0 && offer("http://h2.example/out/x", true, false) == FRONT_AGAIN) {
            settle(1);
            _exit(front_sync(sim.front) == 0 ? 0 : 1);
        }
        _exit(2);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    sim_forget(&sim);
    sim.now_ms += 60000;
    sim.wall_ms += 60000;
    assert_int_equal(sim_open(&sim), 0);
    assert_true(sim.recovery.was_unclean);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    assert_string_equal(url, "http://h2.example/out/x");
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(front_again__ten_thousand_seeds_cost_one_scan)
{
    char url[100];
    struct front_books b;

    begin(4);
    for (int i = 0; i < 10000; i++) {
        snprintf(url, sizeof url, "http://h%d.example/out/%d", i % 100, i);
        assert_int_equal(offer(url, false, false), FRONT_EXCLUDED);
    }
    assert_int_equal(offer("http://h1.example/p/1", false, false), FRONT_NEW);
    is_wide = true;
    for (int round = 0; round < 3; round++) { /* the same list, at each start */
        for (int i = 0; i < 10000; i++) {
            snprintf(url, sizeof url, "http://h%d.example/out/%d", i % 100, i);
            assert_int_equal(offer(url, true, false), round == 0 ? FRONT_AGAIN : FRONT_SEEN);
        }
        settle(10001);
        assert_int_equal(n_scans(), round == 0);
        reopen();
        sim_books(&sim, &b);
        assert_int_equal(b.excluded, 0);
    }
    end();
}

TEST(front_again__a_failed_seed_is_asked_when_somebody_wants_it)
{
    char url[300] = "";
    uint16_t depth;
    bool is_again;
    struct front_books b;

    begin(5);
    assert_int_equal(offer("http://h1.example/p/1", true, false), FRONT_NEW);
    for (int i = 0; i < 20; i++) {
        struct sim_lease *l;

        pass(700000);
        if (front_lease(sim.front, 0, sim.now_ms))
            sim_deliver(&sim);
        l = sim_any_lease(&sim);
        if (l != NULL)
            sim_report(&sim, l, l->n_urls, 0, OUTCOME_TIMEOUT);
    }
    sim_books(&sim, &b);
    assert_int_equal(b.failed, 1);
    assert_int_equal(offer("http://h1.example/p/1", true, false), FRONT_SEEN); /* the list of every start */
    assert_int_equal(offer("http://h1.example/p/1", true, true), FRONT_AGAIN);
    settle(1);
    sim_books(&sim, &b);
    assert_int_equal(b.failed, 0);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    assert_int_equal(offer("http://h1.example/p/1", true, true), FRONT_SEEN); /* nothing failed: nothing to look for */
    end();
}

TEST(front_again__one_that_was_only_counted_gets_a_row)
{
    char url[300] = "";
    uint16_t depth;
    bool is_again;

    begin(6);
    sim.conf.keep_excluded = 0;
    reopen();
    assert_int_equal(offer("http://h1.example/p/1", false, false), FRONT_NEW);
    assert_int_equal(offer("http://h1.example/out/x", false, false), FRONT_EXCLUDED);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    is_wide = true;
    assert_int_equal(offer("http://h1.example/p/1", true, false), FRONT_AGAIN); /* done: it is found, and left alone */
    assert_int_equal(offer("http://h1.example/out/x", true, false), FRONT_AGAIN);
    settle(1);
    assert_int_equal(lease_all(url, &depth, &is_again), 1);
    assert_string_equal(url, "http://h1.example/out/x");
    end();
}

/* --- rounds ------------------------------------------------------------------------------------------------------------------ */

TEST(front_refetch__asks_for_everything_once_more)
{
    struct front_books before, b;
    char url[300] = "";
    uint16_t depth;
    bool is_again = false;

    begin(7);
    sim.conf.refetch = true; /* a new crawl: nothing to refetch */
    reopen();
    assert_int_equal(sim.recovery.n_again, 0);
    assert_int_equal(sim_seed(&sim, "http://h1.example/"), FRONT_NEW);
    sim.excluded_of_16 = 2;
    sim_run(&sim, 10, 1000);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &before);
    assert_true(before.done > 500 && before.excluded > 0);
    reopen();
    assert_int_equal(sim.recovery.n_again, before.done + before.failed);
    sim_books(&sim, &b);
    assert_int_equal(b.queued, before.done);
    assert_int_equal(b.excluded, before.excluded);
    sim_run(&sim, 0, 300); /* a part of the round; then stops, with --refetch and without */
    sim_deliver(&sim);
    sim_books(&sim, &b);
    for (int i = 0; i < 2; i++) {
        struct front_books again;

        reopen();
        assert_int_equal(sim.recovery.n_again, 0);
        sim_books(&sim, &again);
        assert_int_equal(again.done, b.done);
        sim.conf.refetch = false;
    }
    assert_true(lease_all(url, &depth, &is_again) > 0);
    assert_true(is_again);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_int_equal(b.done, before.done);
    reopen();
    assert_true(front_is_finished(sim.front));
    sim.conf.refetch = true;
    reopen();
    assert_int_equal(sim.recovery.n_again, before.done);
    end();
}

TEST(front_refetch__goes_on_after_a_kill)
{
    struct front_books b;
    uint64_t n_done;
    pid_t child;
    int how;

    begin(8);
    assert_int_equal(sim_seed(&sim, "http://h1.example/"), FRONT_NEW);
    sim_run(&sim, 10, 1000);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    n_done = b.done;
    sim_close(&sim);
    sim_forget(&sim);
    child = fork();
    if (child == 0) {
        sim.conf.refetch = true;
        if (sim_open(&sim) != 0 || sim.recovery.n_again != n_done)
            _exit(1);
        sim_run(&sim, 0, 300);
        _exit(front_sync(sim.front) == 0 ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    sim.now_ms += 600000;
    sim.wall_ms += 600000;
    assert_int_equal(sim_open(&sim), 0);
    assert_true(sim.recovery.was_unclean);
    sim_books(&sim, &b);
    assert_true(b.queued > 0 && b.done >= 300 && b.queued + b.done == n_done);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_int_equal(b.done, n_done);
    end();
}

TESTS(T(front_again__an_excluded_url_offered_as_a_seed_is_asked), T(front_again__a_restart_in_between_changes_nothing),
      T(front_again__a_kill_behind_it_loses_nothing), T(front_again__ten_thousand_seeds_cost_one_scan),
      T(front_again__a_failed_seed_is_asked_when_somebody_wants_it), T(front_again__one_that_was_only_counted_gets_a_row),
      T(front_refetch__asks_for_everything_once_more), T(front_refetch__goes_on_after_a_kill))
