/* n-th allocation failure over opening, offering, leasing and closing: clean errors, nothing left behind, nothing lost */
#include "tests/support/front_sim.h"
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sim sim;

static int
open_only(struct front **front, struct buf *error)
{
    return front_open(front, NULL, &sim.conf, sim.now_ms, sim.wall_ms, &sim.recovery, error);
}

TEST(front_open__survives_any_failed_allocation)
{
    size_t before;
    bool was_good = false;

    sim_init(&sim, scratch_dir(), 1);
    assert_int_equal(sim_open(&sim), 0); /* once, so that there is something to read back */
    sim_seed(&sim, "http://h1.example/");
    sim_run(&sim, 10, 60);
    sim_close(&sim);
    before = mem_live_blocks();
    FAULT_SWEEP(nth) {
        struct front *f = NULL;
        struct buf error;
        int err;

        buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
        err = open_only(&f, &error);
        was_good = err == 0;
        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_int_equal(f == NULL, err != 0);
        if (f != NULL)
            (void)!front_close(&f, sim.now_ms, sim.wall_ms); /* a failure on the thread, or in the mark */
        assert_null(f);
        buf_fini(&error);
    }
    assert_true(was_good);
    assert_int_equal(mem_live_blocks(), before);
    assert_int_equal(sim_open(&sim), 0);
    sim_run(&sim, 0, UINT64_MAX);
    assert_true(front_is_finished(sim.front));
    sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

/* An offer that fails changes nothing: offered again it is new, and the books balance all along. */
TEST(front_offer__survives_any_failed_allocation)
{
    unsigned n = 0;
    struct front_books b;

    sim_init(&sim, scratch_dir(), 2);
    assert_int_equal(sim_open(&sim), 0);
    sim_deliver(&sim);
    FAULT_SWEEP(nth) {
        for (unsigned i = 0; i < 40; i++) {
            char url[64];
            struct front_link link = { .is_seed = true };
            enum front_verdict v;

            link.url = slice_of(url, (size_t)snprintf(url, sizeof url, "http://h%u.example/%u", (unsigned)nth % 40 + i, (unsigned)nth));
            if (front_report_begin(sim.front, 0, 0) != 0)
                continue;
            v = front_offer(sim.front, &link);
            n += v == FRONT_NEW;
            if (v == FRONT_ERROR) {
                v = front_offer(sim.front, &link); /* the failure was a single one */
                assert_int_equal(v, FRONT_NEW);
                n++;
            }
            (void)!front_report_end(sim.front, sim.now_ms, sim.wall_ms);
            sim_books(&sim, &b);
            assert_int_equal(b.discovered, n);
        }
    }
    sim_deliver(&sim);
    sim_books(&sim, &b);
    assert_int_equal(b.queued, n);
    sim_close(&sim);
    assert_int_equal(sim_open(&sim), 0);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_int_equal(b.done, n);
    sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

static bool is_wide;

static enum outcome
judge(void *arg, const struct url *u, const struct front_link *link)
{
    return is_wide ? OUTCOME_OK : OUTCOME_OUT_OF_SCOPE;
}

static enum front_verdict
offer_numbered(uint64_t nth, bool is_seed)
{
    char url[64];
    struct front_link link = { .is_seed = is_seed };
    enum front_verdict v;

    link.url = slice_of(url, (size_t)snprintf(url, sizeof url, "http://h%u.example/%u", (unsigned)nth % 40, (unsigned)nth));
    if (front_report_begin(sim.front, 0, 0) != 0)
        return FRONT_ERROR;
    v = front_offer(sim.front, &link);
    (void)!front_report_end(sim.front, sim.now_ms, sim.wall_ms);
    return v;
}

/* A seed that was excluded: whatever fails on its way, it is queued in the end. */
TEST(front_again__survives_any_failed_allocation)
{
    struct front_books b;
    uint64_t n = 0, n_last = 0;

    sim_init(&sim, scratch_dir(), 3);
    sim.conf.judge = judge;
    is_wide = false;
    assert_int_equal(sim_open(&sim), 0);
    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(offer_numbered(i, false), FRONT_EXCLUDED);
    sim_deliver(&sim);
    is_wide = true;
    FAULT_SWEEP(nth) {
        enum front_verdict v = offer_numbered(n, true);

        if (v == FRONT_ERROR)
            v = offer_numbered(n, true);
        assert_int_equal(v, FRONT_AGAIN);
        n++;
        for (int i = 0; i < 500 && (i == 0 || b.queued < n); i++) {
            front_tick(sim.front, ++sim.now_ms, ++sim.wall_ms);
            (void)!front_sync(sim.front);
            usleep(200);
            sim_books(&sim, &b);
        }
        assert_int_equal(b.queued, n);
        for (int i = 0; i < 3; i++)
            front_tick(sim.front, ++sim.now_ms, ++sim.wall_ms);
        n_last = nth;
    }
    assert_true(n_last > 5 && n < 500);
    sim_close(&sim);
    assert_int_equal(sim_open(&sim), 0);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_int_equal(b.done, n);
    sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

/* The first host that has something, as its worker would: 0, or the failure with which the worker is replaced. */
static int
redirect_or_answer(struct sim_lease *l, const char *url)
{
    struct front_host_news news = { .host_id = l->hosts[0].host_id, .has_robots = true, .crawl_delay_ms = UINT32_MAX, .robots_ttl_s = 86400,
                                    .robots_status = 404, .robots_outcome = OUTCOME_OK, .robots_url = slice_str(url), .robots_hops = 1 };
    int err = front_report_begin(sim.front, l->lease_id, l->epoch), end_err;

    if (err != 0)
        return err;
    err = front_host_news(sim.front, &news);
    end_err = front_report_end(sim.front, sim.now_ms, sim.wall_ms);
    return err != 0 ? err : end_err;
}

static struct sim_lease *
lease_after_a_second(void)
{
    sim.now_ms += 1100;
    sim.wall_ms += 1100;
    front_tick(sim.front, sim.now_ms, sim.wall_ms);
    while (front_lease(sim.front, 0, sim.now_ms))
        continue;
    (void)!front_sync(sim.front);
    return sim_any_lease(&sim);
}

/* A robots.txt elsewhere: whatever fails on its way, the host that waits for it is asked in the end. */
TEST(front_errand__survives_any_failed_allocation)
{
    uint64_t nth = 1;
    bool has_failed = true;

    sim_init(&sim, scratch_dir(), 4);
    assert_int_equal(sim_open(&sim), 0);
    for (; has_failed; nth++) {
        char url[64], elsewhere[64];
        struct front_books b;
        bool is_done = false;

        snprintf(url, sizeof url, "http://h%u.example/p/1", (unsigned)nth);
        sim_seed(&sim, url);
        snprintf(elsewhere, sizeof elsewhere, "http://other%u.example/r", (unsigned)nth);
        mem_fail_nth(nth, false, false);
        for (int i = 0; i < 50 && !is_done; i++) {
            struct sim_lease *l = lease_after_a_second();

            if (l == NULL)
                continue;
            if (l->n_urls > 0) {
                has_failed = mem_fail_nth(0, false, false) >= nth;
                sim_report(&sim, l, 64, 0, OUTCOME_OK);
                is_done = true;
            } else if (redirect_or_answer(l, l->hosts[0].robots_hops == 0 ? elsewhere : "") != 0) {
                front_slot_died(sim.front, 0, NULL, 0, sim.now_ms);
                sim_forget(&sim);
            }
        }
        sim_books(&sim, &b);
        assert_true(is_done && b.done == nth);
    }
    assert_true(nth > 10);
    sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

/* A whole small crawl in a child, every allocation failing in turn; what it leaves is taken up and finished. */
TEST(front__crawls_on_whatever_allocation_failed)
{
    for (uint64_t nth = 1; nth < 4000; nth += nth / 6 + 1) {
        const char *dir = scratch_dir();
        pid_t pid;

        sim_init(&sim, dir, nth);
        pid = fork();
        if (pid == 0) {
            if (sim_open(&sim) != 0 || sim_seed(&sim, "http://h1.example/") != FRONT_NEW)
                _exit(3);
            alarm(20); /* a load that failed comes again with a tick: none may hang */
            mem_fail_nth(nth, false, false);
            for (int i = 0; i < 60; i++) {
                struct sim_lease *l = sim_any_lease(&sim);
                struct front_books b;

                front_lease(sim.front, 0, sim.now_ms);
                (void)!front_sync(sim.front);
                if (l != NULL) {
                    if (front_report_begin(sim.front, l->lease_id, l->epoch) == 0)
                        front_report_abort(sim.front);
                }
                sim_books(&sim, &b);
                sim.now_ms += 500;
                sim.wall_ms += 500;
                front_tick(sim.front, sim.now_ms, sim.wall_ms);
            }
            kill(getpid(), SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        sim.now_ms += 60000;
        sim.wall_ms += 60000;
        assert_int_equal(sim_open(&sim), 0);
        sim_run(&sim, 5, 100);
        sim_run(&sim, 0, UINT64_MAX);
        assert_true(front_is_finished(sim.front));
        sim_close(&sim);
        map_fini(&sim.leased);
        map_fini(&sim.last_end);
    }
}

TESTS(T(front_open__survives_any_failed_allocation), T(front_offer__survives_any_failed_allocation),
      T(front_again__survives_any_failed_allocation), T(front_errand__survives_any_failed_allocation),
      T(front__crawls_on_whatever_allocation_failed))
