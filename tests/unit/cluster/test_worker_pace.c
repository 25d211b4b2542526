/* test_worker_pace.c - when a request may start: the host's clock, the address's clock, --max-rate */
#include "cluster/worker_internal.h"
#include "tests/support/support.h"

static struct worker w;
static struct wlease lease;
static struct whost a, b;

/* Two hosts of one address: 1 s between requests of a host, 250 ms between those of the address. */
static void
set_up(unsigned per_host)
{
    w = (struct worker){ 0 };
    lease = (struct wlease){ .worker = &w, .ip_delay_ms = 250 };
    a = (struct whost){ .lease = &lease, .delay_ms = 1000, .per_host = per_host };
    b = a;
}

TEST(pace__a_host_waits_its_delay_from_the_end_of_the_request_before)
{
    set_up(1);
    a.next_at_ms = 5000;
    assert_int_equal(pace_due_ms(&a), 5000); /* as the lease said */
    pace_on_start(&a, 5000);
    assert_true(pace_due_ms(&a) == UINT64_MAX); /* one connection */
    pace_on_end(&a, 7300);
    assert_int_equal(pace_due_ms(&a), 8300);
}

TEST(pace__hosts_of_one_address_take_turns_with_the_address_delay)
{
    set_up(1);
    pace_on_start(&a, 1000);
    assert_int_equal(pace_due_ms(&b), 1250); /* the other may hang: it holds nobody */
    pace_on_end(&a, 1400);
    assert_int_equal(pace_due_ms(&b), 1650);
    assert_int_equal(pace_due_ms(&a), 2400);
    pace_on_start(&b, 1650);
    pace_on_end(&b, 1700);
    assert_int_equal(pace_due_ms(&a), 2400); /* its own delay is the longer one */
    assert_int_equal(pace_due_ms(&b), 2700);
    assert_true(lease.n_in_flight == 0 && a.n_in_flight == 0 && b.n_in_flight == 0);
}

TEST(pace__few_hosts_of_one_address_are_asked_at_the_same_time)
{
    struct whost hung[8];

    set_up(1);
    for (unsigned i = 0; i < 8; i++) {
        hung[i] = b;
        assert_true(pace_due_ms(&hung[i]) != UINT64_MAX);
        pace_on_start(&hung[i], 1000 + 250 * i);
    }
    assert_true(pace_due_ms(&b) == UINT64_MAX);
    pace_on_end(&hung[3], 9000);
    assert_int_equal(pace_due_ms(&b), 9250);
    pace_not_before(&b, 20000); /* Retry-After */
    assert_int_equal(pace_due_ms(&b), 20000);
}

TEST(pace__a_new_lease_minds_when_the_address_was_asked_last)
{
    set_up(1);
    lease.ip_next_at_ms = 900;
    a.next_at_ms = 100;
    assert_int_equal(pace_due_ms(&a), 900);
}

TEST(pace__with_several_connections_requests_start_a_delay_apart)
{
    set_up(3);
    pace_on_start(&a, 1000);
    assert_int_equal(pace_due_ms(&a), 2000);
    pace_on_start(&a, 2000);
    pace_on_end(&a, 2900); /* an end moves no start */
    assert_int_equal(pace_due_ms(&a), 3000);
    pace_on_start(&a, 3000);
    pace_on_start(&a, 4000);
    assert_true(pace_due_ms(&a) == UINT64_MAX);
    pace_on_end(&a, 4100);
    assert_int_equal(pace_due_ms(&a), 5000);
}

TEST(pace__a_host_that_is_busy_with_names_or_robots_starts_nothing)
{
    set_up(1);
    a.is_resolving = true;
    assert_true(pace_due_ms(&a) == UINT64_MAX);
    a.is_resolving = false;
    assert_int_equal(pace_due_ms(&a), 0);
    a.per_host = 0; /* nonsense counts as one */
    pace_on_start(&a, 10);
    assert_true(pace_due_ms(&a) == UINT64_MAX);
}

static unsigned
count_starts(uint64_t from_us, uint64_t to_us)
{
    unsigned n = 0;

    for (uint64_t now_us = from_us; now_us < to_us; now_us += 1000) {
        uint64_t next_ms = UINT64_MAX;
        while (pace_rate_permits(&w, now_us, &next_ms)) {
            pace_rate_spend(&w);
            n++;
        }
        assert_true(next_ms > now_us / 1000 && next_ms <= now_us / 1000 + 1001);
    }
    return n;
}

TEST(pace__max_rate_is_shared_by_the_workers_and_saved_up_for_a_moment_only)
{
    unsigned n;

    set_up(1);
    w.conf.max_rate = 100;
    w.conf.workers = 4; /* 25 a second are this worker's */
    n = count_starts(1000000000, 1010000000);
    assert_in_range(n, 250, 256);
    n = count_starts(5000000000, 5001000000); /* after an hour of silence: a second's share and 0.2 s */
    assert_in_range(n, 25, 31);
}

TEST(pace__no_max_rate_is_no_limit)
{
    uint64_t next_ms = UINT64_MAX;

    set_up(1);
    for (int i = 0; i < 1000; i++) {
        assert_true(pace_rate_permits(&w, 1, &next_ms));
        pace_rate_spend(&w);
    }
    assert_true(next_ms == UINT64_MAX);
}

TESTS(T(pace__a_host_waits_its_delay_from_the_end_of_the_request_before),
      T(pace__hosts_of_one_address_take_turns_with_the_address_delay),
      T(pace__few_hosts_of_one_address_are_asked_at_the_same_time),
      T(pace__a_new_lease_minds_when_the_address_was_asked_last),
      T(pace__with_several_connections_requests_start_a_delay_apart),
      T(pace__a_host_that_is_busy_with_names_or_robots_starts_nothing),
      T(pace__max_rate_is_shared_by_the_workers_and_saved_up_for_a_moment_only), T(pace__no_max_rate_is_no_limit))
