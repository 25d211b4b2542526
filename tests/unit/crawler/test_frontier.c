#include "crawler/frontier.h"

#include "tests/support/support.h"

#define WINDOW 20000

static struct frontier *
make(uint32_t ip_delay_ms)
{
    struct frontier *f = NULL;

    assert_int_equal(frontier_new(&f, ip_delay_ms, (size_t)1 << 20, 1000), 0);
    return f;
}

/* A host with one URL, its robots.txt known. */
static uint32_t
add(struct frontier *f, uint64_t fingerprint, uint64_t url_id, uint64_t now_ms)
{
    uint32_t id;

    assert_int_equal(frontier_add_host(f, fingerprint, &id), 0);
    hosts_get(frontier_hosts(f), id)->robots_until_s = 1000000;
    hosts_get(frontier_hosts(f), id)->delay_ms = 1000;
    assert_int_equal(hostq_push(frontier_hosts(f), hosts_get(frontier_hosts(f), id), url_id), 0);
    frontier_wake(f, id, now_ms);
    return id;
}

static void
take_all(struct frontier *f, const struct frontier_pick *p)
{
    uint64_t url_id;

    for (unsigned i = 0; i < p->n_hosts; i++) {
        frontier_take_host(f, p->host_ids[i]);
        while (hostq_pop(frontier_hosts(f), hosts_get(frontier_hosts(f), p->host_ids[i]), &url_id))
            ;
    }
}

static void
end_lease(struct frontier *f, const struct frontier_pick *p, uint64_t host_next_ms, uint64_t ip_next_ms, uint64_t now_ms)
{
    for (unsigned i = 0; i < p->n_hosts; i++) {
        hosts_get(frontier_hosts(f), p->host_ids[i])->next_at_ms = host_next_ms;
        frontier_drop_host(f, p->host_ids[i], now_ms);
    }
    frontier_release(f, p->unit, ip_next_ms, now_ms);
}

TEST(frontier__leases_each_host_once_in_order_of_arrival)
{
    struct frontier *f = make(250);
    struct frontier_pick p;

    for (uint32_t i = 1; i <= 5; i++)
        add(f, i * 77, i, 100);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
        assert_int_equal(p.kind, PICK_URLS);
        assert_int_equal(p.n_hosts, 1);
        assert_int_equal(p.host_ids[0], i);
        take_all(f, &p);
    }
    assert_false(frontier_pick(f, 100, 1, WINDOW, &p));
    assert_int_equal(frontier_next_due_ms(f), UINT64_MAX);
    frontier_free(&f);
    assert_null(f);
}

TEST(frontier__waits_for_a_hosts_clock)
{
    struct frontier *f = make(0);
    struct frontier_pick p;
    uint32_t id = add(f, 1, 1, 100);

    assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
    take_all(f, &p);
    assert_int_equal(hostq_push(frontier_hosts(f), hosts_get(frontier_hosts(f), id), 2), 0);
    frontier_wake(f, id, 110); /* while it is leased: nothing happens */
    assert_false(frontier_pick(f, 110, 1, WINDOW, &p));
    p = (struct frontier_pick){ .unit = id, .n_hosts = 1, .host_ids = { id } };
    end_lease(f, &p, 1500, 0, 500);
    assert_int_equal(frontier_next_due_ms(f), 1500);
    assert_false(frontier_pick(f, 1499, 1, WINDOW, &p));
    assert_true(frontier_pick(f, 1500, 1, WINDOW, &p));
    frontier_free(&f);
}

TEST(frontier__the_first_lease_of_a_host_is_for_robots)
{
    struct frontier *f = make(0);
    struct frontier_pick p;
    uint32_t id = add(f, 1, 1, 100);

    hosts_get(frontier_hosts(f), id)->robots_until_s = 0;
    assert_true(frontier_pick(f, 100, 50, WINDOW, &p));
    assert_int_equal(p.kind, PICK_ROBOTS);
    assert_false(hostq_is_empty(hosts_get(frontier_hosts(f), id)));
    frontier_free(&f);
}

TEST(frontier__hosts_of_one_address_are_leased_as_one)
{
    struct frontier *f = make(250);
    struct frontier_pick p, more;
    uint32_t a = add(f, 1, 1, 100), b = add(f, 2, 2, 100), c = add(f, 3, 3, 100);

    assert_int_equal(frontier_join(f, a, 4711), 0);
    assert_int_equal(frontier_join(f, b, 4711), 0);
    frontier_wake(f, a, 100);
    frontier_wake(f, b, 100);
    assert_true(frontier_pick(f, 100, 1, WINDOW, &p)); /* c kept its place; what a and b left in the ring is stale */
    assert_int_equal(p.host_ids[0], c);
    take_all(f, &p);
    assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
    assert_int_equal(p.n_hosts, 2);
    assert_int_equal(p.ip_delay_ms, 250);
    take_all(f, &p);
    assert_false(frontier_pick(f, 100, 1, WINDOW, &more));
    /* one of them gets more: a top-up for who holds the group, nothing for others */
    assert_int_equal(hostq_push(frontier_hosts(f), hosts_get(frontier_hosts(f), a), 9), 0);
    frontier_wake(f, a, 120);
    assert_false(frontier_pick(f, 120, 1, WINDOW, &more));
    assert_true(frontier_more(f, p.unit, 120, 1, &more));
    assert_int_equal(more.n_hosts, 1);
    assert_int_equal(more.host_ids[0], a);
    /* and when the lease ends, the address has a clock of its own */
    end_lease(f, &p, 0, 5000, 200);
    assert_int_equal(frontier_next_due_ms(f), 5000);
    assert_false(frontier_pick(f, 4999, 1, WINDOW, &p));
    assert_true(frontier_pick(f, 5000, 1, WINDOW, &p));
    frontier_free(&f);
}

TEST(frontier__splits_an_address_with_many_hosts)
{
    struct frontier *f = make(100);
    struct frontier_pick p;
    unsigned n_leases = 0;

    for (uint32_t i = 1; i <= 600; i++) {
        uint32_t id = add(f, i, i, 100);
        assert_int_equal(frontier_join(f, id, 99), 0);
        frontier_wake(f, id, 100);
    }
    assert_int_equal(frontier_n_groups(f), 3);
    while (frontier_pick(f, 100, 1, WINDOW, &p)) {
        assert_int_equal(p.ip_delay_ms, 300); /* 3 x ip-delay: together as if they were one */
        assert_int_equal(p.n_hosts, FRONTIER_PICK_HOSTS);
        take_all(f, &p);
        n_leases++;
    }
    assert_int_equal(n_leases, 3);
    frontier_free(&f);
}

TEST(frontier__a_host_that_moves_leaves_its_group)
{
    struct frontier *f = make(100);
    uint32_t a = add(f, 1, 1, 100), b = add(f, 2, 2, 100);
    struct frontier_pick p;

    assert_int_equal(frontier_join(f, a, 5), 0);
    assert_int_equal(frontier_join(f, b, 5), 0);
    assert_int_equal(frontier_join(f, a, 6), 0);
    assert_int_equal(frontier_join(f, a, 6), 0);
    frontier_wake(f, a, 100);
    frontier_wake(f, b, 100);
    assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
    assert_int_equal(p.n_hosts, 1);
    take_all(f, &p);
    assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
    assert_int_equal(p.n_hosts, 1);
    frontier_free(&f);
}

TEST(frontier__a_doomed_host_comes_alone_and_at_once)
{
    struct frontier *f = make(100);
    uint32_t a = add(f, 1, 1, 100), b = add(f, 2, 2, 100);
    struct host *h = hosts_get(frontier_hosts(f), a);
    struct frontier_pick p;

    assert_int_equal(frontier_join(f, a, 5), 0);
    assert_int_equal(frontier_join(f, b, 5), 0);
    h->doom = 1;
    h->next_at_ms = 100000;
    frontier_wake(f, a, 100);
    frontier_wake(f, b, 100);
    assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
    assert_int_equal(p.kind, PICK_DOOMED);
    assert_int_equal(p.n_hosts, 1);
    assert_int_equal(p.host_ids[0], a);
    end_lease(f, &p, 100000, 0, 100);
    assert_true(frontier_pick(f, 200000, 1, WINDOW, &p)); /* the doom has run out: a host like any other */
    assert_int_equal(p.kind, PICK_URLS);
    assert_int_equal(h->doom, 0);
    frontier_free(&f);
}

/* One window of its own between two errands; both by its clock. */
TEST(frontier__an_errand_and_the_hosts_own_urls_take_turns)
{
    struct frontier *f = make(100);
    uint32_t a = add(f, 1, 1, 100);
    struct host *h = hosts_get(frontier_hosts(f), a);
    struct frontier_pick p;

    h->flags |= HOST_HAS_ERRAND;
    for (uint64_t now = 1000, turn = 0; turn < 6; now += 1000, turn++) {
        assert_true(frontier_pick(f, now, 1, WINDOW, &p));
        assert_int_equal(p.kind, turn % 2 == 0 ? PICK_ERRAND : PICK_URLS);
        frontier_take_host(f, a);
        host_note_turn(h, p.kind == PICK_ERRAND);
        assert_false(frontier_pick(f, now + 999, 1, WINDOW, &p)); /* it is leased */
        end_lease(f, &(struct frontier_pick){ .unit = a, .n_hosts = 1, .host_ids = { a } }, now + 1000, 0, now);
        assert_false(frontier_pick(f, now + 999, 1, WINDOW, &p));
    }
    frontier_free(&f);
}

TEST(frontier__a_host_that_awaits_its_robots_elsewhere_wants_nothing_but_errands)
{
    struct frontier *f = make(100);
    uint32_t a = add(f, 1, 1, 100), b = add(f, 2, 2, 100);
    struct host *h = hosts_get(frontier_hosts(f), a);
    struct frontier_pick p;

    assert_int_equal(frontier_join(f, a, 5), 0);
    assert_int_equal(frontier_join(f, b, 5), 0);
    h->flags |= HOST_AWAITS_ROBOTS;
    frontier_wake(f, b, 100);
    assert_true(frontier_pick(f, 100, 1, WINDOW, &p));
    assert_int_equal(p.n_hosts, 1);
    assert_int_equal(p.host_ids[0], b);
    take_all(f, &p);
    assert_false(frontier_more(f, p.unit, 100, 1, &(struct frontier_pick){ 0 }));
    assert_false(frontier_has_errand(f, p.unit, 100));
    h->flags |= HOST_HAS_ERRAND;
    assert_true(frontier_has_errand(f, p.unit, 100));
    h->next_at_ms = 500;
    assert_false(frontier_has_errand(f, p.unit, 499)); /* not due */
    end_lease(f, &p, 1000, 0, 200);
    assert_false(frontier_pick(f, 499, 1, WINDOW, &p));
    assert_true(frontier_pick(f, 500, 1, WINDOW, &p));
    assert_int_equal(p.kind, PICK_ERRAND);
    assert_int_equal(p.n_hosts, 1);
    assert_int_equal(p.host_ids[0], a);
    frontier_free(&f);
}

TEST(frontier__retries_come_due_in_order)
{
    struct frontier *f = make(100);
    uint32_t host;
    uint64_t url, last = 0, n = 0;

    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(frontier_retry_at(f, 1, i, (i * 7919) % 1000), 0);
    while (frontier_retry_take(f, 600, &host, &url)) {
        uint64_t due = (url * 7919) % 1000;
        assert_true(due >= last && due <= 600);
        last = due;
        n++;
    }
    assert_true(n > 250);
    assert_true(frontier_next_due_ms(f) > 600);
    assert_true(frontier_has_retry_room(f));
    frontier_free(&f);
}

/* --- queues ------------------------------------------------------------------------------------------------------------------ */

struct disk { /* the chunks as frontier.db would hold them */
    struct hostq_spill chunks[4000];
    uint32_t n;
};

static void
spill(struct hosts *hosts, uint32_t host_id, struct disk *d)
{
    struct hostq_spill s;

    while (hostq_spill(hosts, host_id, d->n + 1, &s)) {
        assert_true(d->n + 1 < 4000);
        assert_true(s.n > 0 && s.n <= HOSTQ_WINDOW);
        d->chunks[++d->n] = s;
        if (s.link_from != 0)
            d->chunks[s.link_from].next = s.chunk_id;
    }
}

static void
load(struct hosts *hosts, struct host *h, struct disk *d)
{
    uint32_t chunk = hostq_take_chunk(h);

    assert_int_not_equal(chunk, 0);
    hostq_loaded(hosts, h, d->chunks[chunk].next, d->chunks[chunk].n);
    for (unsigned i = d->chunks[chunk].n; i > 0; i--)
        assert_int_equal(hostq_push_front(hosts, h, d->chunks[chunk].url_ids[i - 1]), 0);
}

TEST(hostq__a_long_queue_is_first_in_first_out_across_chunks)
{
    static struct disk d;
    struct hosts *hosts = NULL;
    uint32_t id;
    struct host *h;
    uint64_t in = 0, out = 0, url;

    d.n = 0;
    assert_int_equal(hosts_new(&hosts, (size_t)64 << 20), 0);
    assert_int_equal(hosts_add(hosts, 5, &id), 0);
    h = hosts_get(hosts, id);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(hostq_push(hosts, h, ++in), 0);
            spill(hosts, id, &d);
        }
        assert_true(h->n_head + h->n_tail <= 2 * HOSTQ_WINDOW); /* whatever its length */
        for (int i = 0; i < 700; i++) {
            while (!hostq_pop(hosts, h, &url))
                load(hosts, h, &d);
            assert_int_equal(url, ++out);
        }
        assert_int_equal(h->n_queued, in - out);
    }
    hostq_set_backs_off(hosts, h, true);
    while (out < in) {
        assert_int_equal(hostq_waiting(hosts).n_urls, in - out);
        while (!hostq_pop(hosts, h, &url))
            load(hosts, h, &d);
        assert_int_equal(url, ++out);
    }
    assert_int_equal(hostq_waiting(hosts).n_hosts, 0);
    assert_true(hostq_is_empty(h));
    assert_false(hostq_pop(hosts, h, &url));
    hosts_free(&hosts);
}

/* A chunk that is on its way while others are written behind it. */
TEST(hostq__keeps_its_order_while_a_chunk_is_being_loaded)
{
    static struct disk d;
    struct hosts *hosts = NULL;
    uint32_t id, chunk;
    struct host *h;
    uint64_t in = 0, out = 0, url;

    d.n = 0;
    assert_int_equal(hosts_new(&hosts, (size_t)64 << 20), 0);
    assert_int_equal(hosts_add(hosts, 5, &id), 0);
    h = hosts_get(hosts, id);
    for (; in < 200; spill(hosts, id, &d))
        assert_int_equal(hostq_push(hosts, h, ++in), 0);
    while (hostq_pop(hosts, h, &url))
        assert_int_equal(url, ++out);
    chunk = hostq_take_chunk(h); /* the only one: what follows begins a chain of its own */
    assert_int_not_equal(chunk, 0);
    assert_int_equal(hostq_take_chunk(h), 0);
    for (; in < 700; spill(hosts, id, &d))
        assert_int_equal(hostq_push(hosts, h, ++in), 0);
    assert_false(hostq_pop(hosts, h, &url));
    hostq_loaded(hosts, h, 0, d.chunks[chunk].n); /* as it was read: before the link was written */
    for (unsigned i = d.chunks[chunk].n; i > 0; i--)
        assert_int_equal(hostq_push_front(hosts, h, d.chunks[chunk].url_ids[i - 1]), 0);
    while (out < in) {
        while (!hostq_pop(hosts, h, &url))
            load(hosts, h, &d);
        assert_int_equal(url, ++out);
    }
    hosts_free(&hosts);
}

/* A million ids on many hosts in a small pool: all of them come out again, each host's in order. */
TEST(hostq__spills_when_the_pool_is_full)
{
    static struct disk d;
    static uint64_t last[2001];
    struct hosts *hosts = NULL;
    uint64_t in = 0, n = 0, url, seed = 1;
    uint32_t id;

    d.n = 0;
    memset(last, 0, sizeof last);
    assert_int_equal(hosts_new(&hosts, (size_t)256 << 10), 0); /* 40,960 ids */
    for (int i = 0; i < 2000; i++)
        assert_int_equal(hosts_add(hosts, (uint64_t)i + 9, &id), 0);
    for (; in < 100000; spill(hosts, id, &d)) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        id = (uint32_t)(seed >> 33) % 2000 + 1;
        assert_int_equal(hostq_push(hosts, hosts_get(hosts, id), ++in), 0);
    }
    assert_true(hosts_ram_bytes(hosts) < ((size_t)1 << 20) + 2 * 16384 * sizeof(struct host));
    for (id = 1; id <= 2000; id++) {
        struct host *h = hosts_get(hosts, id);

        while (!hostq_is_empty(h)) {
            while (!hostq_pop(hosts, h, &url))
                load(hosts, h, &d);
            assert_true(url > last[id]);
            last[id] = url;
            n++;
        }
    }
    assert_int_equal(n, in);
    hosts_free(&hosts);
}

TEST(frontier__survives_any_failed_allocation)
{
    size_t before = mem_live_blocks();

    FAULT_SWEEP(nth) {
        struct frontier *f = NULL;
        int err = frontier_new(&f, 100, 1 << 20, 100);
        struct frontier_pick p;
        unsigned n_made = 0, n_picked = 0;

        assert_true(err == 0 || err == ORB_ENOMEM);
        for (uint64_t i = 1; f != NULL && i <= 50; i++) {
            uint32_t id;

            if (frontier_add_host(f, i, &id) != 0)
                continue;
            assert_int_equal(id, ++n_made);
            hosts_get(frontier_hosts(f), id)->robots_until_s = 1000;
            if (hostq_push(frontier_hosts(f), hosts_get(frontier_hosts(f), id), i) != 0)
                assert_int_equal(hostq_push(frontier_hosts(f), hosts_get(frontier_hosts(f), id), i), 0);
            (void)!frontier_join(f, id, i % 40 + 1);
            hosts_get(frontier_hosts(f), id)->next_at_ms = i;
            frontier_wake(f, id, 0);
        }
        while (f != NULL && frontier_pick(f, 1000, 1, WINDOW, &p))
            n_picked += p.n_hosts;
        assert_int_equal(n_picked, n_made);
        frontier_free(&f);
        assert_int_equal(mem_live_blocks(), before);
    }
}

TESTS(T(frontier__leases_each_host_once_in_order_of_arrival), T(frontier__waits_for_a_hosts_clock),
      T(frontier__the_first_lease_of_a_host_is_for_robots), T(frontier__hosts_of_one_address_are_leased_as_one),
      T(frontier__splits_an_address_with_many_hosts), T(frontier__a_host_that_moves_leaves_its_group),
      T(frontier__a_doomed_host_comes_alone_and_at_once), T(frontier__an_errand_and_the_hosts_own_urls_take_turns),
      T(frontier__a_host_that_awaits_its_robots_elsewhere_wants_nothing_but_errands), T(frontier__retries_come_due_in_order),
      T(hostq__a_long_queue_is_first_in_first_out_across_chunks),
      T(hostq__keeps_its_order_while_a_chunk_is_being_loaded), T(hostq__spills_when_the_pool_is_full),
      T(frontier__survives_any_failed_allocation))
