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

/* A lease for anybody, delivered; NULL when nothing is due. */
static struct sim_lease *
lease(void)
{
    if (front_lease(sim.front, 0, sim.now_ms))
        sim_deliver(&sim);
    return sim_any_lease(&sim);
}

static void
pass(uint64_t ms)
{
    sim.now_ms += ms;
    sim.wall_ms += ms;
    front_tick(sim.front, sim.now_ms, sim.wall_ms);
}

static void
report_robots_failure(struct sim_lease *l, enum outcome why)
{
    struct front_host_news news = { .host_id = l->hosts[0].host_id, .has_robots = true, .robots_outcome = why,
                                    .crawl_delay_ms = UINT32_MAX };

    assert_true(l->hosts[0].needs_robots);
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    assert_int_equal(front_host_news(sim.front, &news), 0);
    l->hosts[0].needs_robots = false;
    assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    assert_false(l->is_open);
}

TEST(front__a_host_whose_robots_fails_waits_then_gives_up)
{
    struct front_books b;
    struct front_stats st;

    begin(3);
    assert_int_equal(sim_open(&sim), 0);
    for (int i = 0; i < 300; i++) { /* more than a window: chunks fail as well */
        char url[64];
        snprintf(url, sizeof url, "http://h1.example/p/%d", i);
        sim_seed(&sim, url);
    }
    report_robots_failure(lease(), OUTCOME_SERVER_ERROR);
    assert_null(lease());
    pass(9999);
    assert_null(lease()); /* the first backoff: 10 s */
    pass(1);
    report_robots_failure(lease(), OUTCOME_SERVER_ERROR);
    pass(10000);
    assert_null(lease()); /* the second: 20 s */
    pass(10000);
    report_robots_failure(lease(), OUTCOME_SERVER_ERROR); /* the third try of three */
    for (int i = 0; i < 10; i++) {
        assert_null(lease());
        sim_deliver(&sim);
    }
    sim_books(&sim, &b);
    front_stats(sim.front, &st);
    assert_int_equal(b.failed, 300);
    assert_int_equal(st.failed_by_reason[OUTCOME_ROBOTS_UNREACHABLE], 300);
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(front__a_host_that_does_not_exist_fails_at_once)
{
    struct front_stats st;

    begin(4);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    report_robots_failure(lease(), OUTCOME_DNS_NO_SUCH_HOST);
    assert_null(lease());
    sim_deliver(&sim);
    front_stats(sim.front, &st);
    assert_int_equal(st.failed_by_reason[OUTCOME_DNS_NO_SUCH_HOST], 1);
    sim_seed(&sim, "http://h1.example/p/2"); /* still doomed: no worker hears of it */
    assert_null(lease());
    sim_deliver(&sim);
    assert_true(front_is_finished(sim.front));
    sim_seed(&sim, "http://h1.example/p/3");
    pass(3600001); /* an hour later it is asked for again */
    assert_non_null(lease());
    end();
}

TEST(front__retries_back_off_and_then_fail)
{
    struct front_books b;
    struct sim_lease *l;
    struct front_stats st;

    begin(5);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    sim_report(&sim, lease(), 0, 0, OUTCOME_OK); /* robots */
    pass(1000);
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        l = lease();
        assert_non_null(l);
        assert_int_equal(l->n_urls, 1);
        sim_report(&sim, l, 1, 0, OUTCOME_TIMEOUT);
        sim_books(&sim, &b);
        assert_int_equal(b.waiting, attempt < 3);
        if (attempt < 3) {
            pass((uint64_t)10000 * attempt - 1);
            assert_null(lease());
            pass(1);
        }
    }
    front_stats(sim.front, &st);
    assert_int_equal(st.failed_by_reason[OUTCOME_TIMEOUT], 1);
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(front__obeys_retry_after)
{
    struct front_result r = { .outcome = OUTCOME_RETRY_LATER, .status = 429, .retry_after_ms = 123000 };
    struct sim_lease *l;

    begin(6);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    sim_report(&sim, lease(), 0, 0, OUTCOME_OK);
    pass(1000);
    l = lease();
    r.url_id = l->urls[0].url_id;
    map_remove(&sim.leased, r.url_id);
    l->n_urls = 0;
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    assert_int_equal(front_result(sim.front, &r), 0);
    assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    sim_seed(&sim, "http://h1.example/p/2"); /* it speaks for the whole host */
    pass(122999);
    assert_null(lease());
    pass(1);
    l = lease();
    assert_non_null(l);
    end();
}

TEST(front__two_deaths_in_probation_quarantine_a_url)
{
    struct front_books b;
    struct sim_lease *l;
    uint64_t suspect;

    begin(7);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    sim_seed(&sim, "http://h1.example/p/2");
    sim_report(&sim, lease(), 0, 0, OUTCOME_OK);
    pass(1000);
    l = lease();
    assert_int_equal(l->n_urls, 2);
    suspect = l->urls[0].url_id;
    for (int deaths = 0; deaths < 3; deaths++) {
        for (unsigned i = 0; i < l->n_urls; i++)
            map_remove(&sim.leased, l->urls[i].url_id);
        l->is_open = false;
        front_slot_died(sim.front, 0, &suspect, 1, sim.now_ms);
        sim_books(&sim, &b);
        assert_int_equal(b.quarantined, deaths == 2);
        if (deaths == 2)
            break;
        if (deaths == 1) { /* the coordinator's restart does not clear anybody */
            sim_close(&sim);
            assert_int_equal(sim_open(&sim), 0);
        }
        pass(999);
        assert_null(lease()); /* a full delay from the confirmed death */
        pass(1);
        for (int i = 0; i < 3 && ((l = lease()) == NULL); i++)
            pass(1000); /* a suspect that the restart found is put aside first */
        assert_non_null(l);
        if (deaths == 1 && !l->urls[0].is_suspect) {
            sim_report(&sim, l, 2, 0, OUTCOME_OK);
            for (int i = 0; i < 3 && ((l = lease()) == NULL); i++)
                pass(1000);
        }
        assert_int_equal(l->n_urls, 1);
        assert_true(l->urls[0].is_suspect); /* leased alone */
        assert_int_equal(l->urls[0].url_id, suspect);
    }
    sim_run(&sim, 0, UINT64_MAX);
    sim_books(&sim, &b);
    assert_int_equal(b.quarantined, 1);
    assert_int_equal(b.done, 1);
    end();
}

TEST(front__a_stale_report_counts_for_nothing)
{
    struct sim_lease *l;

    begin(8);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    l = lease();
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch + 1), ORB_ENOTFOUND);
    assert_int_equal(front_report_begin(sim.front, l->lease_id + 1, l->epoch), ORB_ENOTFOUND);
    l->is_open = false;
    front_slot_died(sim.front, 0, NULL, 0, sim.now_ms);
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), ORB_ENOTFOUND);
    assert_int_equal(front_return(sim.front, l->lease_id, l->epoch, NULL, 0, true, sim.now_ms), ORB_ENOTFOUND);
    end();
}

TEST(front__an_aborted_report_leaves_its_urls_leased)
{
    struct front_link link = { .url = SLICE_LITERAL("http://h1.example/p/9"), .via_url_id = 1 };
    struct sim_lease *l;
    struct front_books b;
    struct front_result r = { .outcome = OUTCOME_OK, .status = 200 };

    begin(9);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    sim_report(&sim, lease(), 0, 0, OUTCOME_OK);
    pass(1000);
    l = lease();
    r.url_id = l->urls[0].url_id;
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    assert_int_equal(front_offer(sim.front, &link), FRONT_NEW);
    assert_int_equal(front_result(sim.front, &r), 0);
    front_report_abort(sim.front);
    sim_books(&sim, &b);
    assert_int_equal(b.leased, 1);
    assert_int_equal(b.done, 0);
    assert_int_equal(b.discovered, 2);
    sim_report(&sim, l, 1, 0, OUTCOME_OK);
    sim_books(&sim, &b);
    assert_int_equal(b.done, 1);
    end();
}

TEST(front__limits_per_host_and_kept_exclusions)
{
    struct front_stats st;
    struct front_books b;

    begin(10);
    sim.conf.max_per_host = 5;
    sim.conf.keep_excluded = 3;
    assert_int_equal(sim_open(&sim), 0);
    for (int i = 0; i < 12; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://h1.example/p/%d", i);
        assert_int_equal(sim_seed(&sim, url), i < 5 ? FRONT_NEW : FRONT_EXCLUDED);
        assert_int_equal(sim_seed(&sim, url), FRONT_SEEN);
    }
    for (int round = 0; round < 2; round++) {
        front_stats(sim.front, &st);
        sim_books(&sim, &b);
        assert_int_equal(b.excluded, 7);
        assert_int_equal(b.discovered, 12);
        assert_int_equal(st.excluded_by_reason[OUTCOME_HOST_FULL], 7);
        sim_close(&sim); /* and a new process knows as much */
        assert_int_equal(sim_open(&sim), 0);
        assert_int_equal(sim_seed(&sim, "http://h1.example/p/3"), FRONT_SEEN);
        assert_int_equal(sim_seed(&sim, "http://h1.example/p/11"), FRONT_SEEN);
    }
    assert_int_equal(sim.recovery.n_urls, 8);
    assert_int_equal(sim_seed(&sim, "http://h1.example/p/99"), FRONT_EXCLUDED);
    end();
}

TEST(front__counts_what_is_queued_for_a_host_that_backs_off_also_after_a_restart)
{
    struct front_stats st;

    begin(43);
    assert_int_equal(sim_open(&sim), 0);
    for (int i = 0; i < 700; i++) { /* chunks too */
        char url[64];
        snprintf(url, sizeof url, "http://h1.example/p/%d", i);
        sim_seed(&sim, url);
    }
    front_stats(sim.front, &st);
    assert_int_equal(st.n_queued_backing_off, 0);
    report_robots_failure(lease(), OUTCOME_SERVER_ERROR);
    front_stats(sim.front, &st);
    assert_int_equal(st.n_hosts_backing_off, 1);
    assert_int_equal(st.n_queued_backing_off, 700);
    sim_close(&sim);
    assert_int_equal(sim_open(&sim), 0);
    front_stats(sim.front, &st);
    assert_int_equal(st.n_hosts_backing_off, 1);
    assert_int_equal(st.n_queued_backing_off, 700);
    assert_int_equal(st.books.queued, 700);
    pass(12000);
    assert_non_null(lease()); /* its next try */
    front_stats(sim.front, &st);
    assert_int_equal(st.n_queued_backing_off, 0);
    end();
}

TEST(front__another_spelling_of_a_known_page_is_seen)
{
    struct front_books b;

    begin(11);
    assert_int_equal(sim_open(&sim), 0);
    assert_int_equal(sim_seed(&sim, "http://h1.example/p/1?utm_source=x"), FRONT_NEW);
    assert_int_equal(sim_seed(&sim, "http://h1.example/p/1?utm_source=y"), FRONT_SEEN);
    assert_int_equal(sim_seed(&sim, "http://h1.example/p/1"), FRONT_SEEN);
    sim_books(&sim, &b);
    assert_int_equal(b.discovered, 1);
    end();
}

static char why_text[2000];

static void
on_why(void *arg, int err, struct slice json)
{
    *(int *)arg = err;
    snprintf(why_text, sizeof why_text, SLICE_FMT, SLICE_ARG(json));
}

TEST(front__tells_the_life_of_a_url)
{
    int err = 1;

    begin(12);
    assert_int_equal(sim_open(&sim), 0);
    sim_seed(&sim, "http://h1.example/p/1");
    front_why(sim.front, SLICE_LITERAL("http://h1.example/p/2"), on_why, &err);
    assert_int_equal(err, ORB_ENOTFOUND);
    err = 1;
    front_why(sim.front, SLICE_LITERAL("http://h1.example/p/1"), on_why, &err);
    for (int i = 0; i < 1000 && err == 1; i++)
        sim_deliver(&sim);
    assert_int_equal(err, 0);
    assert_non_null(strstr(why_text, "\"state\":\"queued\""));
    assert_non_null(strstr(why_text, "\"url\":\"http://h1.example/p/1\""));
    end();
}

TEST(front__says_what_is_wrong_with_the_folder)
{
    char path[400];
    struct front_conf conf;
    struct front *f = NULL;
    struct buf error;

    begin(13);
    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    snprintf(path, sizeof path, "%s/none", sim.dir);
    conf = sim.conf;
    conf.dir = path;
    assert_true(front_open(&f, NULL, &conf, 0, 0, &sim.recovery, &error) < 0);
    assert_null(f);
    assert_true(error.n > 0);
    end();
    buf_fini(&error);
}

TESTS(T(front__a_small_crawl_ends_with_balanced_books), T(front__goes_on_after_a_clean_stop),
      T(front__a_host_whose_robots_fails_waits_then_gives_up), T(front__a_host_that_does_not_exist_fails_at_once),
      T(front__retries_back_off_and_then_fail), T(front__obeys_retry_after),
      T(front__two_deaths_in_probation_quarantine_a_url), T(front__a_stale_report_counts_for_nothing),
      T(front__an_aborted_report_leaves_its_urls_leased), T(front__limits_per_host_and_kept_exclusions),
      T(front__counts_what_is_queued_for_a_host_that_backs_off_also_after_a_restart),
      T(front__another_spelling_of_a_known_page_is_seen), T(front__tells_the_life_of_a_url),
      T(front__says_what_is_wrong_with_the_folder))
