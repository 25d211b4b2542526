/* The front against a shadow of it: random offers, leases, reports, deaths, stops and kills; after each step the books
 * balance, nothing is leased twice, no host is asked sooner than its clock allows (front_sim.c asserts those), and at the
 * end every URL that was ever admitted has ended. */
#include "tests/support/front_sim.h"
#include "tests/support/support.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sim sim;

static void
end(void)
{
    if (sim.front != NULL)
        sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

static enum outcome
random_outcome(void)
{
    static const enum outcome some[] = { OUTCOME_OK, OUTCOME_OK, OUTCOME_OK, OUTCOME_HTTP_STATUS, OUTCOME_SERVER_ERROR,
                                         OUTCOME_TIMEOUT, OUTCOME_CONNECT_FAILED, OUTCOME_NOT_STARTED, OUTCOME_PROTOCOL,
                                         OUTCOME_ROBOTS_DENIED };

    return some[sim_random(&sim, ORB_N_ELEMENTS(some))];
}

static void
slot_dies(void)
{
    unsigned slot = (unsigned)sim_random(&sim, 4), n = 0;
    uint64_t suspects[4];

    for (int i = 0; i < SIM_MAX_LEASES; i++) {
        struct sim_lease *l = &sim.leases[i];

        if (!l->is_open || l->slot != slot)
            continue;
        for (unsigned u = 0; u < l->n_urls; u++) {
            if (n < 2 && sim_random(&sim, 8) == 0)
                suspects[n++] = l->urls[u].url_id;
            map_remove(&sim.leased, l->urls[u].url_id);
        }
        for (unsigned h = 0; h < l->n_hosts; h++) /* a full delay from the confirmed death */
            assert_int_equal(map_put(&sim.last_end, l->hosts[h].host_id, (void *)(uintptr_t)(sim.now_ms + 1)), 0);
        l->is_open = false;
    }
    front_slot_died(sim.front, slot, suspects, n, sim.now_ms);
}

static void
give_back(struct sim_lease *l)
{
    uint64_t ids[64];
    unsigned n = (unsigned)sim_random(&sim, l->n_urls + 1);

    for (unsigned i = 0; i < n; i++) {
        ids[i] = l->urls[--l->n_urls].url_id;
        map_remove(&sim.leased, ids[i]);
    }
    if (l->n_urls == 0)
        for (unsigned h = 0; h < l->n_hosts; h++)
            l->hosts[h].needs_robots = false;
    assert_int_equal(front_return(sim.front, l->lease_id, l->epoch, ids, n, l->n_urls == 0, sim.now_ms), 0);
}

static void
restart(void)
{
    struct front_books before, after;

    sim_books(&sim, &before);
    sim_close(&sim);
    sim.now_ms += sim_random(&sim, 3000);
    sim.wall_ms += sim_random(&sim, 3000);
    assert_int_equal(sim_open(&sim), 0);
    for (uint64_t h = 1; h <= sim.recovery.n_hosts; h++) /* (8) */
        if (map_get(&sim.last_end, h) != NULL)
            assert_int_equal(map_put(&sim.last_end, h, (void *)(uintptr_t)(sim.now_ms + 1)), 0);
    sim_books(&sim, &after);
    assert_int_equal(after.discovered, before.discovered);
    assert_int_equal(after.queued + after.waiting, before.queued + before.waiting + before.leased);
    assert_int_equal(after.done, before.done);
    assert_int_equal(after.failed, before.failed);
    assert_int_equal(after.excluded, before.excluded);
    assert_int_equal(after.quarantined, before.quarantined);
}

static void
seed_some(void)
{
    char url[128];
    struct front_link link = { .is_seed = true, .is_wanted = sim_random(&sim, 2) == 0 };

    for (unsigned n = 0; n < 5; n++) { /* many of them known, and some of those lost */
        snprintf(url, sizeof url, "http://h%u.example/p/%u", (unsigned)sim_random(&sim, 40), (unsigned)sim_random(&sim, 1000));
        link.url = slice_str(url);
        assert_int_equal(front_report_begin(sim.front, 0, 0), 0);
        assert_int_not_equal(front_offer(sim.front, &link), FRONT_ERROR);
        assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    }
}

static void
step(bool may_restart)
{
    struct front_books b;
    struct sim_lease *l = sim_any_lease(&sim);
    unsigned what = (unsigned)sim_random(&sim, 100);

    if (what < 30)
        front_lease(sim.front, (unsigned)sim_random(&sim, 4), sim.now_ms);
    else if (what < 40)
        seed_some();
    else if (what < 80 && l != NULL)
        sim_report(&sim, l, (unsigned)sim_random(&sim, 6), (unsigned)sim_random(&sim, 4), random_outcome());
    else if (what < 84 && l != NULL)
        give_back(l);
    else if (what < 86 && l != NULL)
        front_stop_topup(sim.front, l->lease_id);
    else if (what < 88)
        slot_dies();
    else if (what == 88 && may_restart && sim_random(&sim, 4) == 0)
        restart();
    if (sim_random(&sim, 3) == 0)
        sim_deliver(&sim);
    sim.now_ms += sim_random(&sim, 400);
    sim.wall_ms += sim_random(&sim, 400);
    front_tick(sim.front, sim.now_ms, sim.wall_ms);
    sim_books(&sim, &b);
}

/* What workers hold is reported, waiting URLs come due, until nothing is left. */
static void
run_to_the_end(void)
{
    struct front_books b;
    struct sim_lease *l;

    for (int i = 0; !front_is_finished(sim.front); i++) {
        assert_true(i < 200000);
        while (front_lease(sim.front, 0, sim.now_ms))
            ;
        sim_deliver(&sim);
        while ((l = sim_any_lease(&sim)) != NULL) {
            sim_report(&sim, l, 64, 0, OUTCOME_OK);
            sim_deliver(&sim);
        }
        sim.now_ms += 500;
        sim.wall_ms += 500;
        front_tick(sim.front, sim.now_ms, sim.wall_ms);
    }
    sim_books(&sim, &b);
    assert_int_equal(b.discovered, b.done + b.failed + b.excluded + b.quarantined);
}

static void
model(uint64_t seed, int steps, size_t budget)
{
    sim_init(&sim, scratch_dir(), seed);
    sim.conf.ram_budget_bytes = budget;
    sim.conf.max_per_host = seed % 3 == 0 ? 50 : 0;
    sim.conf.keep_excluded = seed % 2 == 0 ? 20 : 1000000;
    sim.excluded_of_16 = 1;
    sim.redirected_of_16 = seed % 2 == 0 ? 8 : 0;
    assert_int_equal(sim_open(&sim), 0);
    for (int i = 0; i < steps; i++)
        step(true);
    run_to_the_end();
    assert_true((sim.n_errands > 0) == (sim.redirected_of_16 > 0));
    restart();
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(front__agrees_with_its_shadow)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        model(seed, 3000, 8 << 20);
}

TEST(front__agrees_with_its_shadow_when_memory_is_tight)
{
    for (uint64_t seed = 11; seed <= 13; seed++)
        model(seed, 3000, 64 << 10);
}

/* --- kills: the folder is copied between two commits, as a kill -9 (or a copy of a running crawl) leaves it -------------- */

static char copy_from[256], copy_to[256];

static int
copy_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    struct buf bytes;
    char to[600];

    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (flag == FTW_D)
        return mkdir(to, 0755) != 0 && ftw->level > 0;
    buf_init(&bytes, MEM_DEFAULT, BUF_NO_CEILING);
    read_file(&bytes, path);
    if (strstr(path, "-shm") == NULL)
        write_file(to, bytes.p == NULL ? "" : bytes.p, bytes.n);
    buf_fini(&bytes);
    return 0;
}

/* A child crawls and is killed at a random moment; what it leaves is opened, checked, crawled on. */
TEST(front__loses_nothing_when_it_is_killed)
{
    for (uint64_t seed = 21; seed <= 26; seed++) {
        const char *dir = scratch_dir();
        struct front_books b;
        pid_t pid;

        snprintf(copy_from, sizeof copy_from, "%s", dir);
        pid = fork();
        if (pid == 0) {
            sim_init(&sim, copy_from, seed);
            sim.conf.ram_budget_bytes = seed % 2 == 0 ? 64 << 10 : 8 << 20;
            sim.redirected_of_16 = seed % 3 == 0 ? 0 : 8;
            if (sim_open(&sim) != 0)
                _exit(3);
            alarm(60);
            for (int i = 0;; i++) {
                step(i % 3 == 0 && seed % 3 == 0);
                if (i == 1500)
                    kill(getpid(), SIGKILL);
            }
        }
        assert_true(pid > 0);
        if (seed % 2 == 0) { /* at any instant, in the middle of whatever the thread does */
            usleep(20000 + (useconds_t)(seed * 7919 % 100) * 1500);
            kill(pid, SIGKILL);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        snprintf(copy_to, sizeof copy_to, "%s", scratch_dir());
        assert_int_equal(nftw(copy_from, copy_entry, 16, FTW_PHYS), 0);
        sim_init(&sim, copy_to, seed + 1000);
        sim.wall_ms += 3600000;
        assert_int_equal(sim_open(&sim), 0);
        sim_books(&sim, &b);
        assert_int_equal(b.discovered, sim.recovery.n_urls);
        for (int i = 0; i < 200; i++)
            step(false);
        run_to_the_end();
        restart();
        assert_true(front_is_finished(sim.front));
        end();
    }
}

static bool
verify(void *arg, uint64_t url_id)
{
    ++*(uint64_t *)arg;
    return url_id % 5 != 0;
}

TEST(front__asks_again_for_what_pages_db_lost)
{
    struct front_books b, after;
    uint64_t n_asked = 0, n_missing = 0;
    const char *dir = scratch_dir();
    pid_t pid = fork();

    sim_init(&sim, dir, 31);
    if (pid == 0) {
        if (sim_open(&sim) != 0 || sim_seed(&sim, "http://h1.example/p/1") != FRONT_NEW)
            _exit(3);
        sim_run(&sim, 10, 200);
        sim_deliver(&sim);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(sim_open(&sim), 0);
    assert_true(sim.recovery.was_unclean);
    sim_books(&sim, &b);
    assert_true(b.done >= 200);
    assert_int_equal(front_recheck(sim.front, verify, &n_asked, &n_missing), 0);
    assert_int_equal(n_asked, b.done);
    assert_true(n_missing > 20);
    sim_books(&sim, &after);
    assert_int_equal(after.done, b.done - n_missing);
    assert_int_equal(after.queued, b.queued + n_missing);
    run_to_the_end();
    restart();
    n_asked = 0;
    assert_int_equal(front_recheck(sim.front, verify, &n_asked, &n_missing), 0);
    assert_int_equal(n_asked, 0); /* after a clean stop */
    end();
}

TESTS(T(front__agrees_with_its_shadow), T(front__agrees_with_its_shadow_when_memory_is_tight),
      T(front__loses_nothing_when_it_is_killed), T(front__asks_again_for_what_pages_db_lost))
