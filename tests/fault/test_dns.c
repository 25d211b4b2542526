#include <stdio.h>

#include "crawler/dns.h"
#include "tests/support/dns_server.h"
#include "tests/support/support.h"

static unsigned n_calls;
static enum outcome last;

static void
on_done(void *arg, const struct dns_answer *answer)
{
    n_calls++;
    last = answer->outcome;
}

/* A resolver's whole life with one allocation failing: every lookup ends once, nothing is left. */
static void
live(struct ev_loop *loop, const struct dns_conf *conf)
{
    static const char *const names[] = { "a-aaaa.example", "a-aaaa.example", "nx.example",
                                         "cname-a.example", "192.0.2.1", "a-aaaa.example" };
    size_t before = mem_live_blocks();
    struct dns *d = NULL;
    int err = dns_new(&d, loop, conf);

    assert_true((d == NULL) == (err != 0));
    if (err != 0) {
        assert_int_equal(err, ORB_ENOMEM);
        assert_int_equal(mem_live_blocks(), before);
        return;
    }
    n_calls = 0;
    for (size_t i = 0; i < ORB_N_ELEMENTS(names); i++)
        dns_lookup(d, slice_str(names[i]), on_done, NULL);
    ev_run(loop, 0);
    assert_int_equal(n_calls, ORB_N_ELEMENTS(names));
    dns_free(&d);
    assert_int_equal(mem_live_blocks(), before);
}

TEST(dns__survives_any_failed_allocation_of_ours)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct dns_server server;
    struct slice hosts = SLICE_LITERAL("10.0.0.1 other.example\n");

    dns_server_start(&server, loop);
    assert_int_equal(dns_library_init(), 0);
    live(loop, &(struct dns_conf){ .servers = server.address, .hosts = hosts, .timeout_ms = 200, .tries = 1 });
    FAULT_SWEEP (nth)
        live(loop, &(struct dns_conf){ .servers = server.address, .hosts = hosts, .timeout_ms = 200, .tries = 1 });
    dns_server_stop(&server);
    ev_loop_destroy(loop);
}

/* The same for c-ares' own allocations: what it makes of them is its affair, but it must end and leave nothing. */
TEST(dns__survives_any_failed_allocation_of_the_librarys)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct dns_server server;
    struct slice hosts = SLICE_LITERAL("10.0.0.1 other.example\n");
    uint64_t nth = 0;

    dns_server_start(&server, loop);
    assert_int_equal(dns_library_init(), 0);
    do {
        mem_fail_nth(++nth, false, true);
        live(loop, &(struct dns_conf){ .servers = server.address, .hosts = hosts, .timeout_ms = 100, .tries = 1 });
    } while (mem_fail_nth(0, false, false) >= nth);
    assert_true(nth > 30);
    dns_server_stop(&server);
    ev_loop_destroy(loop);
}

TESTS(T(dns__survives_any_failed_allocation_of_ours), T(dns__survives_any_failed_allocation_of_the_librarys))
