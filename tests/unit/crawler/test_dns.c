#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crawler/dns.h"
#include "tests/support/dns_server.h"
#include "tests/support/support.h"

/* A resolver, its name server, and the last answer. */
struct fixture {
    struct ev_loop *loop;
    struct dns_server server;
    struct dns *dns;
    size_t blocks_before;
};

struct got {
    unsigned n_calls;
    struct dns_answer answer;
};

static void
on_done(void *arg, const struct dns_answer *answer)
{
    struct got *g = arg;

    g->n_calls++;
    g->answer = *answer;
}

static void
open_with(struct fixture *f, struct dns_conf conf)
{
    f->loop = ev_loop_new(EVFLAG_AUTO);
    dns_server_start(&f->server, f->loop);
    if (conf.servers == NULL)
        conf.servers = f->server.address;
    if (conf.timeout_ms == 0)
        conf.timeout_ms = 400;
    if (conf.tries == 0)
        conf.tries = 1;
    assert_int_equal(dns_library_init(), 0);
    f->blocks_before = mem_live_blocks();
    assert_int_equal(dns_new(&f->dns, f->loop, &conf), 0);
}

static void
open_plain(struct fixture *f)
{
    open_with(f, (struct dns_conf){ .timeout_ms = 0 });
}

static void
close_all(struct fixture *f)
{
    dns_free(&f->dns);
    assert_null(f->dns);
    assert_int_equal(mem_live_blocks(), f->blocks_before);
    dns_server_stop(&f->server);
    ev_loop_destroy(f->loop);
}

/* Looks up and runs the loop until there is nothing left to do. */
static struct dns_answer
ask(struct fixture *f, const char *name)
{
    struct got g = { 0 };

    ev_now_update(f->loop);
    dns_lookup(f->dns, slice_str(name), on_done, &g);
    ev_run(f->loop, 0);
    if (g.n_calls != 1)
        fail_msg("%s: called back %u times", name, g.n_calls);
    return g.answer;
}

static void
assert_outcome(const char *name, struct dns_answer a, enum outcome expected)
{
    if (a.outcome != expected)
        fail_msg("%s: %s is not %s", name, outcome_name(a.outcome), outcome_name(expected));
    assert_true((a.n_addresses > 0) == (expected == OUTCOME_OK));
}

static void
assert_address(const struct dns_answer *a, unsigned i, const char *expected)
{
    const struct sockaddr_storage *s = &a->addresses[i];
    char text[INET6_ADDRSTRLEN] = "?";

    assert_true(i < a->n_addresses);
    if (s->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)s)->sin_addr, text, sizeof text);
    else if (s->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)s)->sin6_addr, text, sizeof text);
    assert_string_equal(text, expected);
    assert_int_equal(((const struct sockaddr_in *)s)->sin_port, 0);
}

TEST(dns__both_families_are_asked_and_interleaved)
{
    struct fixture f;
    struct dns_answer a;

    open_plain(&f);
    a = ask(&f, "a-aaaa.example");
    assert_outcome("both", a, OUTCOME_OK);
    assert_int_equal(a.n_addresses, 2);
    assert_address(&a, 0, "192.0.2.1");
    assert_address(&a, 1, "2001:db8::1");
    assert_int_equal(a.ttl_s, 300);
    assert_int_equal(f.server.n_queries, 2);
    a = ask(&f, "a.example");
    assert_int_equal(a.n_addresses, 1);
    assert_address(&a, 0, "192.0.2.1");
    a = ask(&f, "aaaa.example");
    assert_int_equal(a.n_addresses, 1);
    assert_address(&a, 0, "2001:db8::1");
    close_all(&f);
}

TEST(dns__of_forty_addresses_sixteen_are_kept_of_both_families)
{
    struct fixture f;
    struct dns_answer a;

    open_plain(&f);
    a = ask(&f, "a20.example");
    assert_int_equal(a.n_addresses, DNS_MAX_ADDRESSES);
    for (unsigned i = 0; i < a.n_addresses; i++)
        assert_int_equal(a.addresses[i].ss_family, i % 2 == 0 ? AF_INET : AF_INET6);
    assert_address(&a, 14, "192.0.2.8");
    assert_address(&a, 15, "2001:db8::8");
    close_all(&f);
}

TEST(dns__cnames_are_followed_and_shorten_the_ttl)
{
    struct fixture f;
    struct dns_answer a;

    open_plain(&f);
    a = ask(&f, "cname-a-aaaa-ttl200.example");
    assert_outcome("cname", a, OUTCOME_OK);
    assert_int_equal(a.n_addresses, 2);
    assert_int_equal(a.ttl_s, 100);
    close_all(&f);
}

TEST(dns__ttls_are_clamped)
{
    struct fixture f;

    open_plain(&f);
    assert_int_equal(ask(&f, "a-ttl0.example").ttl_s, 30);
    assert_int_equal(ask(&f, "a-ttl29.example").ttl_s, 30);
    assert_int_equal(ask(&f, "a-ttl31.example").ttl_s, 31);
    assert_int_equal(ask(&f, "a-ttl900000.example").ttl_s, 86400);
    assert_int_equal(ask(&f, "a-ttl2147483648.example").ttl_s, 30); /* negative: RFC 2181 section 8 */
    close_all(&f);
}

TEST(dns__failures_have_names)
{
    struct fixture f;

    open_plain(&f);
    assert_outcome("nx", ask(&f, "nx.example"), OUTCOME_DNS_NO_SUCH_HOST);
    assert_outcome("empty", ask(&f, "empty.example"), OUTCOME_DNS_NO_SUCH_HOST);
    assert_outcome("cname to nothing", ask(&f, "cname.example"), OUTCOME_DNS_NO_SUCH_HOST);
    assert_outcome("fail", ask(&f, "fail.example"), OUTCOME_DNS_FAILED);
    assert_outcome("silent", ask(&f, "silent.example"), OUTCOME_DNS_TIMEOUT);
    assert_outcome("noise", ask(&f, "noise-a.example"), OUTCOME_DNS_TIMEOUT); /* thrown away, and then nothing comes */
    assert_outcome("cut", ask(&f, "cut-a-aaaa.example"), OUTCOME_DNS_FAILED);
    close_all(&f);
}

TEST(dns__a_server_without_edns_is_asked_without)
{
    struct fixture f;

    open_plain(&f);
    assert_outcome("formerr", ask(&f, "formerr-a.example"), OUTCOME_OK);
    close_all(&f);
}

TEST(dns__an_answer_too_long_for_udp_comes_by_tcp)
{
    struct fixture f;
    struct dns_answer a;

    open_with(&f, (struct dns_conf){ .timeout_ms = 3000 });
    a = ask(&f, "tc-a20.example");
    assert_outcome("tc", a, OUTCOME_OK);
    assert_int_equal(a.n_addresses, DNS_MAX_ADDRESSES);
    assert_int_equal(f.server.n_queries, 4);
    assert_int_equal(f.server.n_tcp, 2);
    close_all(&f);
}

TEST(dns__a_missing_ipv6_answer_is_not_waited_for)
{
    struct fixture f;
    struct got g = { 0 };
    ev_tstamp start;

    open_with(&f, (struct dns_conf){ .timeout_ms = 4000 });
    start = ev_time();
    dns_lookup(f.dns, slice_str("nosix-a-ttl60.example"), on_done, &g);
    while (g.n_calls == 0)
        ev_run(f.loop, EVRUN_ONCE);
    assert_true(ev_time() - start < 3); /* not its timeout */
    assert_outcome("nosix", g.answer, OUTCOME_OK);
    assert_int_equal(g.answer.n_addresses, 1);
    assert_int_equal(g.answer.ttl_s, 60);
    close_all(&f); /* with a question out whose asker has been answered */
    assert_int_equal(g.n_calls, 1);
}

TEST(dns__a_question_that_is_left_over_ends_in_its_own_time)
{
    struct fixture f;

    open_plain(&f);
    assert_outcome("nosix", ask(&f, "nosix-a.example"), OUTCOME_OK); /* runs until nothing is out */
    assert_outcome("nosix", ask(&f, "nosix-a.example"), OUTCOME_OK);
    assert_int_equal(f.server.n_queries, 2);
    close_all(&f);
}

TEST(dns__a_missing_ipv4_answer_is_waited_for)
{
    struct fixture f;
    struct dns_answer a;

    open_plain(&f);
    a = ask(&f, "nofour-aaaa.example");
    assert_outcome("nofour", a, OUTCOME_OK);
    assert_address(&a, 0, "2001:db8::1");
    close_all(&f);
}

TEST(dns__no_server_at_all_is_a_failure)
{
    struct fixture f;
    struct dns_server nobody;
    struct dns_conf conf;
    enum outcome outcome;
    char address[32];

    open_plain(&f);
    dns_server_start(&nobody, f.loop);
    strcpy(address, nobody.address);
    dns_server_stop(&nobody);
    dns_free(&f.dns);
    conf = (struct dns_conf){ .servers = address, .timeout_ms = 300 };
    assert_int_equal(dns_new(&f.dns, f.loop, &conf), 0);
    /* of two questions one learns that the port is closed; for the other the library waits */
    outcome = ask(&f, "a.example").outcome;
    assert_true(outcome == OUTCOME_DNS_FAILED || outcome == OUTCOME_DNS_TIMEOUT);
    close_all(&f);
}

TEST(dns__answers_are_remembered_until_their_time_is_over)
{
    struct fixture f;
    struct dns_stats stats;

    open_with(&f, (struct dns_conf){ .min_ttl_s = 1, .max_ttl_s = 1, .no_such_host_ttl_s = 1, .failure_ttl_s = 1 });
    ask(&f, "a.example");
    ask(&f, "nx.example");
    ask(&f, "fail.example");
    f.server.n_queries = 0;
    assert_outcome("a", ask(&f, "A.Example."), OUTCOME_OK); /* the same name */
    assert_outcome("nx", ask(&f, "nx.example"), OUTCOME_DNS_NO_SUCH_HOST);
    assert_outcome("fail", ask(&f, "fail.example"), OUTCOME_DNS_FAILED);
    assert_int_equal(f.server.n_queries, 0);
    dns_stats(f.dns, &stats);
    assert_int_equal(stats.n_hits, 3);
    assert_int_equal(stats.n_misses, 3);
    assert_int_equal(stats.n_cached, 3);
    usleep(1100 * 1000);
    assert_outcome("a", ask(&f, "a.example"), OUTCOME_OK);
    assert_outcome("nx", ask(&f, "nx.example"), OUTCOME_DNS_NO_SUCH_HOST);
    assert_int_equal(f.server.n_queries, 4);
    close_all(&f);
}

TEST(dns__a_cached_answers_ttl_is_what_is_left)
{
    struct fixture f;

    open_plain(&f);
    assert_int_equal(ask(&f, "a-ttl100.example").ttl_s, 100);
    usleep(1100 * 1000);
    assert_in_range(ask(&f, "a-ttl100.example").ttl_s, 90, 99);
    close_all(&f);
}

TEST(dns__literals_and_local_names_ask_nobody)
{
    static const struct { const char *host, *first; } known[] = {
        { "192.0.2.77", "192.0.2.77" }, { "192.0.2.77.", "192.0.2.77" },
        { "[2001:db8::77]", "2001:db8::77" }, { "localhost", "127.0.0.1" },
        { "LOCALHOST.", "127.0.0.1" }, { "www.localhost", "127.0.0.1" },
    };
    static const char *const none[] = { "", ".", "a..b", ".a", "[::1", "[1.2.3.4]", "x.invalid", "invalid",
                                        "x.onion", "a b", "a\\b", "a/b",
                                        "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd.example" };
    struct fixture f;
    struct got g = { 0 };
    char dots[255];

    open_plain(&f);
    for (size_t i = 0; i < ORB_N_ELEMENTS(known); i++) {
        dns_lookup(f.dns, slice_str(known[i].host), on_done, &g);
        assert_int_equal(g.n_calls, i + 1); /* at once */
        assert_outcome(known[i].host, g.answer, OUTCOME_OK);
        assert_address(&g.answer, 0, known[i].first);
    }
    for (size_t i = 0; i < ORB_N_ELEMENTS(none); i++)
        assert_outcome(none[i], ask(&f, none[i]), OUTCOME_DNS_NO_SUCH_HOST);
    for (size_t i = 0; i < sizeof dots; i++)
        dots[i] = i % 2 == 0 ? 'a' : '.';
    dns_lookup(f.dns, slice_of(dots, 255), on_done, &g);
    assert_int_equal(g.answer.outcome, OUTCOME_DNS_NO_SUCH_HOST);
    dns_lookup(f.dns, slice_of("a\0b", 3), on_done, &g);
    assert_int_equal(g.answer.outcome, OUTCOME_DNS_NO_SUCH_HOST);
    assert_int_equal(f.server.n_queries, 0);
    close_all(&f);
}

TEST(dns__names_are_absolute)
{
    struct fixture f;

    open_plain(&f);
    setenv("LOCALDOMAIN", "search.example", 1);
    assert_outcome("nx", ask(&f, "nx"), OUTCOME_DNS_NO_SUCH_HOST);
    assert_int_equal(f.server.n_queries, 2); /* nx, and not nx.search.example */
    unsetenv("LOCALDOMAIN");
    close_all(&f);
}

TEST(dns__the_hosts_file_comes_first_but_not_for_localhost)
{
    static const char hosts[] = "# comment\n10.9.8.7 intranet a.example\n2001:db8::99 intranet\n10.1.1.1 localhost\n";
    struct fixture f;
    struct dns_answer a;

    open_with(&f, (struct dns_conf){ .hosts = slice_of(hosts, sizeof hosts - 1) });
    a = ask(&f, "a.example");
    assert_int_equal(a.n_addresses, 1);
    assert_address(&a, 0, "10.9.8.7");
    a = ask(&f, "intranet");
    assert_int_equal(a.n_addresses, 2);
    a = ask(&f, "localhost");
    assert_address(&a, 0, "127.0.0.1");
    assert_int_equal(f.server.n_queries, 0);
    a = ask(&f, "a.other.example");
    assert_address(&a, 0, "192.0.2.1");
    close_all(&f);
}

TEST(dns__a_missing_or_hostile_hosts_file_is_no_obstacle)
{
    struct fixture f;
    struct buf b;

    open_plain(&f);
    assert_outcome("a", ask(&f, "a.one.example"), OUTCOME_OK);
    close_all(&f);
    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(buf_append(&b, "\xff\0zz 1.2.3 ::: a.two.example", 28), 0);
    for (int i = 0; i < 5000; i++) /* one name over and over */
        assert_int_equal(buf_append(&b, "\n192.0.2.7 many.example # x", 27), 0);
    open_with(&f, (struct dns_conf){ .hosts = buf_slice(&b) });
    assert_outcome("a", ask(&f, "a.two.example"), OUTCOME_OK);
    assert_int_equal(ask(&f, "many.example").n_addresses, 1);
    close_all(&f);
    buf_fini(&b);
}

TEST(dns__a_hosts_file_of_many_names_is_read_once)
{
    struct fixture f;
    struct dns_answer a;
    struct buf b;
    char name[64], address[32];

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(buf_printf(&b, "10.%u.%u.%u\tH%u.Example. alias%u\r\n", i >> 16, i >> 8 & 255, i & 255, i, i), 0);
    open_with(&f, (struct dns_conf){ .hosts = buf_slice(&b) });
    for (unsigned i = 0; i < 100000; i += 33) {
        snprintf(name, sizeof name, i % 2 == 0 ? "h%u.example" : "alias%u", i);
        snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        a = ask(&f, name);
        assert_int_equal(a.n_addresses, 1);
        assert_address(&a, 0, address);
    }
    assert_int_equal(f.server.n_queries, 0);
    close_all(&f);
    buf_fini(&b);
}

TEST(dns__equal_names_in_flight_are_asked_once)
{
    struct fixture f;
    struct got g[50] = { 0 };
    struct dns_stats stats;

    open_plain(&f);
    for (size_t i = 0; i < ORB_N_ELEMENTS(g); i++)
        dns_lookup(f.dns, slice_str(i % 2 == 0 ? "a-aaaa.example" : "A-AAAA.EXAMPLE."), on_done, &g[i]);
    dns_stats(f.dns, &stats);
    assert_int_equal(stats.n_merged, 49);
    assert_int_equal(stats.n_in_flight, 1);
    ev_run(f.loop, 0);
    for (size_t i = 0; i < ORB_N_ELEMENTS(g); i++) {
        assert_int_equal(g[i].n_calls, 1);
        assert_int_equal(g[i].answer.n_addresses, 2);
    }
    assert_int_equal(f.server.n_queries, 2);
    close_all(&f);
}

TEST(dns__at_most_256_are_in_flight_and_the_others_wait_their_turn)
{
    enum { N = 1000 };
    static struct got g[N];
    struct fixture f;
    struct dns_stats stats;
    char name[64];

    open_with(&f, (struct dns_conf){ .timeout_ms = 5000 });
    memset(g, 0, sizeof g);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "a.h%d.example", i);
        dns_lookup(f.dns, slice_str(name), on_done, &g[i]);
    }
    dns_stats(f.dns, &stats);
    assert_int_equal(stats.n_in_flight, 256);
    assert_int_equal(stats.n_waiting, N - 256);
    ev_run(f.loop, 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(g[i].n_calls, 1);
        assert_int_equal(g[i].answer.outcome, OUTCOME_OK);
    }
    assert_int_equal(f.server.n_queries, 2 * N);
    close_all(&f);
}

TEST(dns__a_cancelled_lookup_is_not_called_back)
{
    struct fixture f;
    struct got g[3] = { 0 };

    open_plain(&f);
    for (int i = 0; i < 3; i++)
        dns_lookup(f.dns, slice_str("a.example"), on_done, &g[i]);
    dns_cancel(f.dns, on_done, &g[1]);
    dns_cancel(f.dns, on_done, &f); /* nobody */
    ev_run(f.loop, 0);
    assert_int_equal(g[0].n_calls, 1);
    assert_int_equal(g[1].n_calls, 0);
    assert_int_equal(g[2].n_calls, 1);
    dns_lookup(f.dns, slice_str("a.two.example"), on_done, &g[1]);
    dns_cancel(f.dns, on_done, &g[1]);
    ev_run(f.loop, 0);
    assert_int_equal(g[1].n_calls, 0);
    f.server.n_queries = 0;
    ask(&f, "a.two.example"); /* its answer was kept */
    assert_int_equal(f.server.n_queries, 0);
    close_all(&f);
}

/* A callback that cancels the next waiter, looks up the same name, and looks up another. */
struct busy {
    struct fixture *f;
    struct got other, again, victim;
};

static void
on_busy(void *arg, const struct dns_answer *answer)
{
    struct busy *b = arg;

    dns_cancel(b->f->dns, on_done, &b->victim);
    dns_lookup(b->f->dns, slice_str("a.example"), on_done, &b->again);
    dns_lookup(b->f->dns, slice_str("a.further.example"), on_done, &b->other);
}

TEST(dns__callbacks_may_look_up_and_cancel)
{
    struct fixture f;
    struct busy b = { .f = &f };

    open_plain(&f);
    dns_lookup(f.dns, slice_str("a.example"), on_busy, &b);
    dns_lookup(f.dns, slice_str("a.example"), on_done, &b.victim);
    ev_run(f.loop, 0);
    assert_int_equal(b.victim.n_calls, 0);
    assert_int_equal(b.again.n_calls, 1);
    assert_int_equal(b.other.n_calls, 1);
    assert_int_equal(b.other.answer.outcome, OUTCOME_OK);
    close_all(&f);
}

TEST(dns__free_calls_back_all_that_are_outstanding)
{
    enum { N = 600 };
    static struct got g[N];
    struct fixture f;
    char name[64];

    for (int turns = 0; turns < 3; turns++) {
        open_plain(&f);
        memset(g, 0, sizeof g);
        f.server.is_holding = turns == 0;
        for (int i = 0; i < N; i++) {
            snprintf(name, sizeof name, "%s.h%d.example", i % 3 == 0 ? "nosix-a" : "a", i);
            dns_lookup(f.dns, slice_str(name), on_done, &g[i]);
        }
        for (int i = 0; i < turns * 2; i++)
            ev_run(f.loop, EVRUN_NOWAIT);
        dns_free(&f.dns);
        for (int i = 0; i < N; i++) {
            assert_int_equal(g[i].n_calls, 1);
            assert_true(g[i].answer.outcome == OUTCOME_NOT_STARTED || turns > 0);
        }
        close_all(&f);
    }
}

TEST(dns__known_answers_can_be_put)
{
    struct fixture f;
    struct dns_answer a = { .outcome = OUTCOME_OK, .n_addresses = 1, .ttl_s = 77 }, b;

    open_plain(&f);
    ((struct sockaddr_in *)&a.addresses[0])->sin_family = AF_INET;
    inet_pton(AF_INET, "203.0.113.9", &((struct sockaddr_in *)&a.addresses[0])->sin_addr);
    dns_put(f.dns, slice_str("Leased.Example"), &a);
    b = ask(&f, "leased.example");
    assert_outcome("leased", b, OUTCOME_OK);
    assert_address(&b, 0, "203.0.113.9");
    assert_int_equal(b.ttl_s, 77);
    dns_put(f.dns, slice_str("localhost"), &a); /* nobody overrides these */
    b = ask(&f, "localhost");
    assert_address(&b, 0, "127.0.0.1");
    a = (struct dns_answer){ .outcome = OUTCOME_OK };
    dns_put(f.dns, slice_str("empty.example"), &a); /* no answer at all */
    assert_int_equal(f.server.n_queries, 0);
    dns_flush(f.dns);
    ask(&f, "leased.example");
    assert_int_equal(f.server.n_queries, 2);
    close_all(&f);
}

TEST(dns__the_least_recently_used_name_makes_room)
{
    struct fixture f;
    struct dns_answer a = { .outcome = OUTCOME_OK, .n_addresses = 1, .ttl_s = 1000 };
    struct dns_stats stats;
    char name[64];

    open_plain(&f);
    ((struct sockaddr_in *)&a.addresses[0])->sin_family = AF_INET;
    for (int i = 0; i < DNS_MAX_CACHED; i++) {
        snprintf(name, sizeof name, "nx.h%d.example", i);
        dns_put(f.dns, slice_str(name), &a);
    }
    assert_outcome("h0", ask(&f, "nx.h0.example"), OUTCOME_OK); /* now h1 is the oldest */
    dns_put(f.dns, slice_str("one.more.example"), &a);
    dns_stats(f.dns, &stats);
    assert_int_equal(stats.n_cached, DNS_MAX_CACHED);
    assert_int_equal(stats.n_evicted, 1);
    assert_outcome("h0", ask(&f, "nx.h0.example"), OUTCOME_OK);
    assert_outcome("h2", ask(&f, "nx.h2.example"), OUTCOME_OK);
    assert_outcome("h1", ask(&f, "nx.h1.example"), OUTCOME_DNS_NO_SUCH_HOST);
    close_all(&f);
}

TEST(dns__malformed_servers_are_refused)
{
    static const char *const bad[] = { "nonsense", "127.0.0.1:", ":53" };
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    size_t before;

    assert_int_equal(dns_library_init(), 0);
    before = mem_live_blocks();
    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++) {
        struct dns *d = NULL;
        int err = dns_new(&d, loop, &(struct dns_conf){ .servers = bad[i] });
        if (err != ORB_EINVAL)
            fail_msg("\"%s\": %d", bad[i], err);
        assert_null(d);
        assert_int_equal(mem_live_blocks(), before);
    }
    ev_loop_destroy(loop);
}

TEST(dns__two_hundred_thousand_names_leave_memory_flat)
{
    struct fixture f;
    struct dns_answer a = { .outcome = OUTCOME_OK, .n_addresses = 2, .ttl_s = 1000 };
    size_t at_10_000 = 0;
    char name[64];

    open_plain(&f);
    for (int i = 0; i < 2; i++)
        a.addresses[i].ss_family = i == 0 ? AF_INET : AF_INET6;
    for (int i = 0; i < 200000; i++) {
        snprintf(name, sizeof name, "host-%06d.example", i);
        dns_put(f.dns, slice_str(name), &a);
        if (i == 10000)
            at_10_000 = mem_live_bytes();
    }
    assert_int_equal(mem_live_bytes(), at_10_000);
    close_all(&f);
}

TEST(dns__twenty_thousand_lookups_leave_memory_flat)
{
    struct fixture f;
    static struct got g[200];
    size_t at_half = 0;
    char name[64];

    open_with(&f, (struct dns_conf){ .timeout_ms = 5000 });
    for (int i = 0; i < 20000;) {
        for (int j = 0; j < 200; j++, i++) {
            snprintf(name, sizeof name, "%s.h%05d.example", i % 5 == 0 ? "nx" : "a", i);
            g[j].n_calls = 0;
            dns_lookup(f.dns, slice_str(name), on_done, &g[j]);
        }
        ev_run(f.loop, 0);
        for (int j = 0; j < 200; j++)
            assert_int_equal(g[j].n_calls, 1);
        if (i == 10000)
            at_half = mem_live_bytes();
    }
    assert_true(mem_live_bytes() <= at_half + 1024);
    close_all(&f);
}

TESTS(T(dns__both_families_are_asked_and_interleaved), T(dns__of_forty_addresses_sixteen_are_kept_of_both_families),
      T(dns__cnames_are_followed_and_shorten_the_ttl), T(dns__ttls_are_clamped), T(dns__failures_have_names),
      T(dns__a_server_without_edns_is_asked_without), T(dns__an_answer_too_long_for_udp_comes_by_tcp),
      T(dns__a_missing_ipv6_answer_is_not_waited_for), T(dns__a_question_that_is_left_over_ends_in_its_own_time),
      T(dns__a_missing_ipv4_answer_is_waited_for), T(dns__no_server_at_all_is_a_failure),
      T(dns__answers_are_remembered_until_their_time_is_over), T(dns__a_cached_answers_ttl_is_what_is_left),
      T(dns__literals_and_local_names_ask_nobody), T(dns__names_are_absolute),
      T(dns__the_hosts_file_comes_first_but_not_for_localhost), T(dns__a_missing_or_hostile_hosts_file_is_no_obstacle),
      T(dns__a_hosts_file_of_many_names_is_read_once),
      T(dns__equal_names_in_flight_are_asked_once), T(dns__at_most_256_are_in_flight_and_the_others_wait_their_turn),
      T(dns__a_cancelled_lookup_is_not_called_back), T(dns__callbacks_may_look_up_and_cancel),
      T(dns__free_calls_back_all_that_are_outstanding), T(dns__known_answers_can_be_put),
      T(dns__the_least_recently_used_name_makes_room), T(dns__malformed_servers_are_refused),
      T(dns__two_hundred_thousand_names_leave_memory_flat), T(dns__twenty_thousand_lookups_leave_memory_flat))
