/* The front and its disk: killed at each commit in turn, a disk that is full for a while, a thread that does not come back */
#include "tests/support/front_sim.h"
#include "tests/support/support.h"

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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

static unsigned commits_left;

static void
die_at_zero(void *arg)
{
    if (commits_left-- == 0)
        kill(getpid(), SIGKILL);
}

/* The idle job runs after each commit: the process dies between two transactions, at every one of the first 60. */
TEST(front__comes_back_from_a_death_after_any_commit)
{
    for (unsigned n = 0; n < 60; n += 1 + n / 10) {
        struct front_books b;
        pid_t pid;
        int status;

        sim_init(&sim, scratch_dir(), n);
        sim.conf.ram_budget_bytes = n % 2 == 0 ? 64 << 10 : 8 << 20;
        pid = fork();
        if (pid == 0) {
            alarm(30);
            commits_left = n;
            if (sim_open(&sim) != 0)
                _exit(3);
            front_set_idle_job(sim.front, die_at_zero, NULL, 0);
            sim_seed(&sim, "http://h1.example/");
            sim_run(&sim, 10, 100000);
            _exit(4);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        sim.now_ms += 100000;
        sim.wall_ms += 100000;
        assert_int_equal(sim_open(&sim), 0);
        sim_books(&sim, &b);
        assert_int_equal(b.discovered, sim.recovery.n_urls);
        sim_seed(&sim, "http://h1.example/");
        sim_run(&sim, 2, 100);
        sim_run(&sim, 0, UINT64_MAX);
        sim_books(&sim, &b);
        assert_int_equal(b.done, b.discovered);
        end();
    }
}

static void
limit_files(rlim_t bytes)
{
    struct rlimit r;

    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &r);
}

/* In a child: no file may grow past 400 KiB, as on a full disk; later there is room again. */
static int
crawl_on_a_full_disk(void)
{
    struct front_books b;
    unsigned n = 0;
    char url[300];

    signal(SIGXFSZ, SIG_IGN);
    if (sim_open(&sim) != 0)
        return 10;
    limit_files(400 << 10);
    for (int i = 0; sim.trouble != ORB_EFULL; i++) {
        snprintf(url, sizeof url, "http://h%d.example/%0200d", i % 50, i);
        n += sim_seed(&sim, url) == FRONT_NEW;
        (void)!front_sync(sim.front);
        if (i > 20000)
            return 11;
    }
    if (!front_is_congested(sim.front) || front_lease(sim.front, 0, sim.now_ms))
        return 12;
    sim_books(&sim, &b); /* what could not be written yet counts all the same */
    if (b.discovered != n)
        return 13;
    limit_files(RLIM_INFINITY);
    for (int i = 0; front_is_congested(sim.front) || sim.trouble != 0; i++) {
        usleep(20000);
        (void)!front_sync(sim.front);
        if (i > 500)
            return 14;
    }
    sim_run(&sim, 1, 100);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    if (b.done != b.discovered || b.done < n)
        return 15;
    sim_close(&sim);
    return 0;
}

TEST(front__waits_for_room_on_a_full_disk_and_loses_nothing)
{
    pid_t pid;
    int status;

    sim_init(&sim, scratch_dir(), 3);
    pid = fork();
    if (pid == 0) {
        alarm(100);
        _exit(crawl_on_a_full_disk());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(sim_open(&sim), 0);
    assert_false(sim.recovery.was_unclean);
    assert_true(front_is_finished(sim.front));
    end();
}

static sem_t may_go_on;

static void
hang(void *arg)
{
    sem_wait(&may_go_on);
}

/* A disk that takes its time: the thread hangs, and every call still returns; only leasing stops. */
TEST(front__a_slow_disk_stops_leasing_and_nothing_else)
{
    char url[300];
    unsigned n = 0;
    struct front_books b;
    struct front_stats st;

    sem_init(&may_go_on, 0, 0);
    sim_init(&sim, scratch_dir(), 4);
    assert_int_equal(sim_open(&sim), 0);
    front_set_idle_job(sim.front, hang, NULL, 0);
    while (!front_is_congested(sim.front)) {
        snprintf(url, sizeof url, "http://h%u.example/%0200u", n % 50, n);
        assert_int_equal(sim_seed(&sim, url), FRONT_NEW);
        front_tick(sim.front, sim.now_ms, sim.wall_ms);
        assert_true(++n < 1000000);
    }
    assert_false(front_lease(sim.front, 0, sim.now_ms));
    for (unsigned i = 0; i < 1000; i++) { /* the door stays open: what workers hold may still be reported */
        snprintf(url, sizeof url, "http://h%u.example/more/%u", i % 50, i);
        assert_int_equal(sim_seed(&sim, url), FRONT_NEW);
    }
    front_stats(sim.front, &st);
    assert_true(st.queue_depth > (1 << 20));
    for (int i = 0; i < 100000; i++)
        sem_post(&may_go_on);
    front_set_idle_job(sim.front, NULL, NULL, 0);
    sim_deliver(&sim);
    assert_false(front_is_congested(sim.front));
    sim_books(&sim, &b);
    assert_int_equal(b.queued, n + 1000);
    sim_close(&sim);
    assert_int_equal(sim_open(&sim), 0);
    sim_books(&sim, &b);
    assert_int_equal(b.queued, n + 1000);
    end();
}

/* Each part of frontier.db and seen/ that is derived may be lost. */
TEST(front__makes_again_what_is_derived)
{
    char command[400];
    struct front_books b;

    sim_init(&sim, scratch_dir(), 5);
    sim.conf.ram_budget_bytes = 64 << 10;
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/");
    sim_run(&sim, 40, 3000);
    sim_close(&sim);
    snprintf(command, sizeof command, "rm -r %s/seen", sim.dir);
    assert_int_equal(system(command), 0);
    sim.now_ms += 5000;
    assert_int_equal(sim_open(&sim), 0);
    assert_int_equal(sim_seed(&sim, "http://h1.example/"), FRONT_SEEN);
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_int_equal(b.done, b.discovered);
    end();
}

TESTS(T(front__comes_back_from_a_death_after_any_commit), T(front__waits_for_room_on_a_full_disk_and_loses_nothing),
      T(front__a_slow_disk_stops_leasing_and_nothing_else), T(front__makes_again_what_is_derived))
