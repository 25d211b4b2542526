/* robots.txt that redirects to another authority: who is asked for it, when, and for whom the answer counts */
#include "tests/support/front_sim.h"
#include "tests/support/support.h"

#include <stdio.h>

static struct sim sim;

static void
begin(uint64_t seed)
{
    sim_init(&sim, scratch_dir(), seed);
    assert_int_equal(sim_open(&sim), 0);
}

static void
end(void)
{
    sim_close(&sim);
    map_fini(&sim.leased);
    map_fini(&sim.last_end);
}

/* The open lease that begins with this host; NULL when there is none. */
static struct sim_lease *
lease_of(const char *origin)
{
    while (front_lease(sim.front, 0, sim.now_ms))
        sim_deliver(&sim);
    sim_deliver(&sim); /* the doomed fail without a worker */
    for (int i = 0; i < SIM_MAX_LEASES; i++)
        if (sim.leases[i].is_open && strcmp(sim.leases[i].hosts[0].origin, origin) == 0)
            return &sim.leases[i];
    return NULL;
}

static void
pass(uint64_t ms)
{
    sim.now_ms += ms;
    sim.wall_ms += ms;
    front_tick(sim.front, sim.now_ms, sim.wall_ms);
}

static void
report(struct sim_lease *l, struct front_host_news *news)
{
    assert_non_null(l);
    assert_true(l->hosts[0].needs_robots);
    news->host_id = l->hosts[0].host_id;
    news->has_robots = true;
    news->crawl_delay_ms = UINT32_MAX;
    news->robots_ttl_s = 86400;
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    assert_int_equal(front_host_news(sim.front, news), 0);
    l->hosts[0].needs_robots = false;
    assert_int_equal(map_put(&sim.last_end, news->host_id, (void *)(uintptr_t)(sim.now_ms + 1)), 0);
    assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    sim_deliver(&sim);
}

static void
redirects(struct sim_lease *l, const char *url, unsigned hops)
{
    struct front_host_news news = { .robots_outcome = OUTCOME_REDIRECT, .robots_url = slice_str(url), .robots_hops = (uint8_t)hops };

    report(l, &news);
}

static void
answers(struct sim_lease *l, int status, const char *body)
{
    struct front_host_news news = { .robots_outcome = OUTCOME_OK, .robots_status = status, .robots_body = slice_str(body) };

    report(l, &news);
}

static void
fails(struct sim_lease *l, enum outcome why)
{
    struct front_host_news news = { .robots_outcome = why };

    report(l, &news);
}

TEST(errand__robots_elsewhere_is_asked_for_in_a_lease_of_that_host)
{
    struct front_books b;
    struct front_stats st;
    struct sim_lease *l;

    begin(1);
    sim_seed(&sim, "http://h1.example/p/1");
    redirects(lease_of("http://h1.example"), "http://h2.example/all.txt", 1);
    pass(5000);
    assert_null(lease_of("http://h1.example")); /* it awaits its robots.txt */
    l = lease_of("http://h2.example");
    assert_non_null(l);
    assert_string_equal(l->hosts[0].robots_url, "http://h2.example/all.txt");
    assert_int_equal(l->hosts[0].robots_hops, 1);
    answers(l, 200, "User-agent: *\nDisallow: /private\n");
    assert_false(l->is_open);
    l = lease_of("http://h1.example");
    assert_non_null(l);
    assert_int_equal(l->n_urls, 1);
    assert_int_equal(l->hosts[0].robots_status, 200);
    assert_string_equal(l->hosts[0].robots_body, "User-agent: *\nDisallow: /private\n");
    sim_report(&sim, l, 1, 0, OUTCOME_OK);
    sim_books(&sim, &b);
    assert_int_equal(b.discovered, 1); /* the errand is no URL of the crawl */
    assert_int_equal(b.done, 1);
    assert_true(front_is_finished(sim.front));
    front_stats(sim.front, &st);
    assert_int_equal(st.n_hosts_active, 0);
    sim_seed(&sim, "http://h2.example/p/1"); /* the errand's answer is not its own robots.txt */
    pass(1000);
    l = lease_of("http://h2.example");
    assert_non_null(l);
    assert_true(l->hosts[0].needs_robots && l->hosts[0].robots_hops == 0);
    end();
}

/* The target's lease ends for it, its clock holds, and its own URLs come next. */
TEST(errand__takes_turns_with_the_urls_of_its_host)
{
    struct sim_lease *l;
    unsigned n_windows = 0;

    begin(2);
    for (int i = 0; i < 100; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://h2.example/p/%d", i);
        sim_seed(&sim, url);
    }
    answers(lease_of("http://h2.example"), 404, "");
    pass(1000);
    l = lease_of("http://h2.example");
    assert_int_equal(l->n_urls, 20); /* a window: 20 s at 1 s */
    sim_report(&sim, l, 15, 0, OUTCOME_OK);
    sim_deliver(&sim);
    assert_int_equal(l->n_urls, 20); /* topped up */
    for (int i = 10; i < 13; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://h%d.example/p/1", i);
        sim_seed(&sim, url);
        snprintf(url, sizeof url, "http://h%d.example", i);
        l = lease_of(url);
        snprintf(url, sizeof url, "http://h2.example/robots-%d.txt", i);
        redirects(l, url, 1);
    }
    for (int i = 10; i < 13; i++) {
        char url[64];
        pass(1000);
        l = lease_of("http://h2.example");
        assert_int_equal(l->hosts[0].robots_hops, 0);
        n_windows++;
        while (l->is_open) {
            sim_report(&sim, l, 5, 0, OUTCOME_OK);
            sim_deliver(&sim);
        }
        assert_null(lease_of("http://h2.example"));
        pass(999);
        assert_null(lease_of("http://h2.example")); /* its delay */
        pass(1);
        l = lease_of("http://h2.example");
        snprintf(url, sizeof url, "http://h2.example/robots-%d.txt", i);
        assert_string_equal(l->hosts[0].robots_url, url);
        answers(l, 404, "");
    }
    assert_int_equal(n_windows, 3);
    sim_run(&sim, 0, UINT64_MAX);
    assert_true(front_is_finished(sim.front));
    end();
}

/* a -> b -> a -> b ... : whatever the workers count. */
TEST(errand__a_loop_ends_after_five_hops)
{
    struct sim_lease *l;

    begin(3);
    sim_seed(&sim, "http://h1.example/p/1");
    redirects(lease_of("http://h1.example"), "http://h2.example/r", 1);
    for (unsigned hop = 1; hop <= 5; hop++) {
        pass(1000);
        l = lease_of(hop % 2 == 1 ? "http://h2.example" : "http://h1.example");
        assert_non_null(l);
        assert_int_equal(l->hosts[0].robots_hops, hop);
        redirects(l, hop % 2 == 1 ? "http://h1.example/r" : "http://h2.example/r", 1);
    }
    pass(1000);
    l = lease_of("http://h1.example");
    assert_non_null(l);
    assert_int_equal(l->n_urls, 1);
    assert_int_equal(l->hosts[0].robots_status, 404); /* too many: as if there were none */
    assert_string_equal(l->hosts[0].robots_body, "");
    sim_report(&sim, l, 1, 0, OUTCOME_OK);
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(errand__a_failure_there_is_no_failure_of_that_host)
{
    struct front_stats st;
    struct sim_lease *l;

    begin(4);
    sim_seed(&sim, "http://h1.example/p/1");
    for (int i = 1; i <= 3; i++) { /* h1 tries three times, with its backoff */
        redirects(lease_of("http://h1.example"), "http://h2.example/r", 1);
        pass(1000);
        fails(lease_of("http://h2.example"), OUTCOME_ADDRESS_BLOCKED);
        assert_null(lease_of("http://h1.example"));
        pass(9999);
        assert_null(lease_of("http://h1.example"));
        pass(20001);
    }
    sim_deliver(&sim);
    front_stats(sim.front, &st);
    assert_int_equal(st.failed_by_reason[OUTCOME_ROBOTS_UNREACHABLE], 1);
    assert_true(front_is_finished(sim.front));
    sim_seed(&sim, "http://h2.example/p/1");
    answers(lease_of("http://h2.example"), 404, "");
    pass(1000);
    l = lease_of("http://h2.example");
    assert_non_null(l);
    sim_report(&sim, l, 1, 0, OUTCOME_OK);
    assert_true(front_is_finished(sim.front));
    end();
}

TEST(errand__fails_at_once_where_nothing_may_be_asked)
{
    begin(5);
    sim_seed(&sim, "http://h2.example/p/1");
    fails(lease_of("http://h2.example"), OUTCOME_DNS_NO_SUCH_HOST);
    sim_seed(&sim, "http://h1.example/p/1");
    redirects(lease_of("http://h1.example"), "http://h2.example/r", 1);
    pass(1000);
    assert_null(lease_of("http://h2.example")); /* doomed for an hour */
    assert_null(lease_of("http://h1.example"));
    pass(9999);
    assert_null(lease_of("http://h1.example"));
    pass(1);
    assert_non_null(lease_of("http://h1.example")); /* its first backoff is over */
    end();
}

TEST(errand__waits_on_when_its_worker_dies_or_hands_it_back)
{
    struct sim_lease *l;

    begin(6);
    sim_seed(&sim, "http://h1.example/p/1");
    redirects(lease_of("http://h1.example"), "http://h2.example/r", 1);
    pass(1000);
    assert_non_null(lease_of("http://h2.example"));
    front_slot_died(sim.front, 0, NULL, 0, sim.now_ms);
    sim_forget(&sim);
    assert_null(lease_of("http://h1.example"));
    pass(999);
    assert_null(lease_of("http://h2.example")); /* a full delay from the death */
    pass(100);
    l = lease_of("http://h2.example");
    assert_non_null(l);
    assert_int_equal(l->hosts[0].robots_hops, 1);
    l->hosts[0].needs_robots = false;
    assert_int_equal(front_return(sim.front, l->lease_id, l->epoch, NULL, 0, true, sim.now_ms), 0);
    l = lease_of("http://h2.example");
    assert_non_null(l);
    answers(l, 404, "");
    assert_non_null(lease_of("http://h1.example"));
    end();
}

/* A pause in the middle of a robots.txt that redirects within its own authority. */
TEST(robots__handed_back_between_two_redirects_waits_its_delay)
{
    struct front_host_news news = { .has_robots = true, .robots_outcome = OUTCOME_NOT_STARTED, .crawl_delay_ms = UINT32_MAX };
    struct sim_lease *l;

    begin(11);
    sim_seed(&sim, "http://h1.example/p/1");
    l = lease_of("http://h1.example");
    assert_true(l->hosts[0].needs_robots);
    news.host_id = l->hosts[0].host_id;
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    assert_int_equal(front_host_news(sim.front, &news), 0);
    assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    sim_deliver(&sim);
    assert_true(l->is_open);
    l->hosts[0].needs_robots = false;
    assert_int_equal(front_return(sim.front, l->lease_id, l->epoch, NULL, 0, true, sim.now_ms), 0);
    assert_null(lease_of("http://h1.example"));
    pass(999);
    assert_null(lease_of("http://h1.example"));
    pass(100);
    l = lease_of("http://h1.example");
    assert_non_null(l);
    assert_true(l->hosts[0].needs_robots);
    end();
}

TEST(errand__a_restart_begins_with_the_first_host_again)
{
    struct sim_lease *l;

    begin(7);
    sim_seed(&sim, "http://h1.example/p/1");
    redirects(lease_of("http://h1.example"), "http://h2.example/r", 1);
    sim_close(&sim);
    assert_int_equal(sim_open(&sim), 0);
    pass(5000);
    assert_null(lease_of("http://h2.example"));
    l = lease_of("http://h1.example");
    assert_non_null(l);
    assert_true(l->hosts[0].needs_robots && l->hosts[0].robots_hops == 0);
    end();
}

TEST(errand__hosts_that_want_the_same_url_share_the_request)
{
    struct sim_lease *l;
    char origin[64];

    begin(8);
    for (int i = 10; i < 14; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://h%d.example/p/1", i);
        sim_seed(&sim, url);
        snprintf(origin, sizeof origin, "http://h%d.example", i);
        redirects(lease_of(origin), "http://h2.example/r", i == 13 ? 2 : 1); /* the last one after a hop of its own */
    }
    pass(1000);
    answers(lease_of("http://h2.example"), 200, "User-agent: *\n");
    for (int i = 10; i < 13; i++) {
        snprintf(origin, sizeof origin, "http://h%d.example", i);
        l = lease_of(origin);
        assert_non_null(l);
        assert_string_equal(l->hosts[0].robots_body, "User-agent: *\n");
    }
    assert_null(lease_of("http://h13.example"));
    pass(1000);
    l = lease_of("http://h2.example");
    assert_int_equal(l->hosts[0].robots_hops, 2);
    answers(l, 404, "");
    assert_non_null(lease_of("http://h13.example"));
    end();
}

TEST(errand__a_redirect_to_no_url_is_refused)
{
    static const char *const bad[] = { "", "x", "HTTP://h2.example/r", "ftp://h2.example/r", "http://h2.example/r#x", "data:,x" };
    static char long_url[FRONT_ROBOTS_URL_BYTES + 2];
    struct front_host_news news = { .has_robots = true, .robots_outcome = OUTCOME_REDIRECT, .robots_hops = 1 };
    struct sim_lease *l;

    begin(9);
    sim_seed(&sim, "http://h1.example/p/1");
    l = lease_of("http://h1.example");
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    news.host_id = l->hosts[0].host_id;
    for (size_t i = 1; i < ORB_N_ELEMENTS(bad); i++) {
        news.robots_url = slice_str(bad[i]);
        assert_int_equal(front_host_news(sim.front, &news), ORB_ENOTFOUND);
    }
    memset(long_url, 'x', sizeof long_url - 1);
    memcpy(long_url, "http://h2.example/", 18);
    news.robots_url = slice_str(long_url);
    assert_int_equal(front_host_news(sim.front, &news), ORB_ENOTFOUND);
    news.robots_url = SLICE_LITERAL("http://h2.example/r");
    news.robots_hops = 0;
    assert_int_equal(front_host_news(sim.front, &news), ORB_ENOTFOUND);
    news.robots_hops = 6;
    assert_int_equal(front_host_news(sim.front, &news), ORB_ENOTFOUND);
    news.robots_hops = 1;
    news.host_id++;
    assert_int_equal(front_host_news(sim.front, &news), ORB_ENOTFOUND);
    front_report_abort(sim.front);
    end();
}

/* A worker's second word on a robots.txt that it was not asked for, or not any more, changes nothing. */
TEST(errand__only_the_first_answer_counts)
{
    struct front_host_news news = { .has_robots = true, .robots_status = 404, .robots_outcome = OUTCOME_OK, .robots_ttl_s = 86400,
                                    .crawl_delay_ms = UINT32_MAX };
    struct sim_lease *l;

    begin(10);
    sim_seed(&sim, "http://h1.example/p/1");
    l = lease_of("http://h1.example");
    news.host_id = l->hosts[0].host_id;
    assert_int_equal(front_report_begin(sim.front, l->lease_id, l->epoch), 0);
    news.robots_url = SLICE_LITERAL("http://h2.example/r");
    news.robots_hops = 1;
    assert_int_equal(front_host_news(sim.front, &news), 0);
    news.robots_url = SLICE_LITERAL("http://h3.example/r");
    assert_int_equal(front_host_news(sim.front, &news), 0);
    news.robots_url = SLICE_NONE;
    assert_int_equal(front_host_news(sim.front, &news), 0);
    l->hosts[0].needs_robots = false;
    assert_int_equal(front_report_end(sim.front, sim.now_ms, sim.wall_ms), 0);
    sim_deliver(&sim);
    pass(1000);
    assert_null(lease_of("http://h3.example"));
    assert_null(lease_of("http://h1.example"));
    assert_non_null(lease_of("http://h2.example"));
    end();
}

TESTS(T(errand__robots_elsewhere_is_asked_for_in_a_lease_of_that_host), T(errand__takes_turns_with_the_urls_of_its_host),
      T(errand__a_loop_ends_after_five_hops), T(errand__a_failure_there_is_no_failure_of_that_host),
      T(errand__fails_at_once_where_nothing_may_be_asked), T(errand__waits_on_when_its_worker_dies_or_hands_it_back),
      T(robots__handed_back_between_two_redirects_waits_its_delay),
      T(errand__a_restart_begins_with_the_first_host_again), T(errand__hosts_that_want_the_same_url_share_the_request),
      T(errand__a_redirect_to_no_url_is_refused), T(errand__only_the_first_answer_counts))
