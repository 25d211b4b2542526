/* test_coordinator_lease.c - a lease as frames, whole or not at all, whatever memory says */
#include "cluster/clock.h"
#include "cluster/coordinator_internal.h"
#include "cluster/log.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct coordinator c;
static struct desk desk;
static struct conf conf;
static int peer;

static void
ignore_frame(void *arg, struct slice frame)
{
}

static void
ignore_end(void *arg)
{
}

/* A slot that believes in a process; its "pidfd" is none, so that no signal reaches anybody. */
static void
set_up(enum crawl_state state)
{
    int fds[2];

    desk = (struct desk){ .n_leased_now = 1 };
    c = (struct coordinator){ .conf = &conf, .loop = ev_loop_new(0), .desks = &desk, .n_desks = 1, .state = state };
    buf_init(&c.frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    buf_init(&c.returned, MEM_DEFAULT, BUF_NO_CEILING);
    slot_init(&desk.slot, 0, c.loop, -1);
    assert_int_equal(channel_pair(fds), 0);
    peer = fds[1];
    assert_int_equal(channel_open(&desk.slot.channel, c.loop, fds[0], 64 << 20, ignore_frame, ignore_end, NULL), 0);
    desk.slot.state = SLOT_RUNNING;
    desk.slot.pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
tear_down(void)
{
    close(desk.slot.pidfd);
    desk.slot.pidfd = -1;
    channel_close(&desk.slot.channel);
    slot_fini(&desk.slot);
    close(peer);
    buf_fini(&c.frame);
    buf_fini(&c.returned);
    ev_loop_destroy(c.loop);
}

static char text[600 * 1024];

static void
make_lease(struct front_lease *l, struct front_host hosts[2], struct front_url urls[40])
{
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 2; i++)
        hosts[i] = (struct front_host){ .host_id = (uint64_t)i + 1, .origin = SLICE_LITERAL("http://a.example"),
                                        .robots_body = slice_of(text, 500 * 1024), .cookies = slice_of(text, 32 * 1024),
                                        .addresses = SLICE_LITERAL("127.0.0.1") };
    for (int i = 0; i < 40; i++)
        urls[i] = (struct front_url){ .url_id = (uint64_t)i + 1, .host = (uint32_t)i % 2,
                                      .url = slice_of(text, i % 4 == 0 ? WIRE_MAX_URL_BYTES : 100) };
    *l = (struct front_lease){ .lease_id = 9, .epoch = 1, .hosts = hosts, .n_hosts = 2, .urls = urls, .n_urls = 40 };
}

/* How many URLs arrived between LEASE and LEASE_END; -1 when that is not what came. */
static int
receive(void)
{
    static char bytes[WIRE_MAX_FRAME_BYTES];
    unsigned type = 0, n_urls = 0, n_hosts = 0;
    bool is_begun = false;

    while (type != WIRE_LEASE_END) {
        struct wire_in in;
        ssize_t n = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n < 0) {
            ev_run(c.loop, EVRUN_ONCE);
            continue;
        }
        if (wire_open(&in, slice_of(bytes, (size_t)n), &type) != 0 || (type != WIRE_LEASE && !is_begun))
            return -1;
        is_begun = true;
        n_hosts += type == WIRE_HOST;
        for (unsigned k = type == WIRE_URLS ? wire_get_u16(&in) : 0; k > 0; k--) {
            if (wire_get_u64(&in) != ++n_urls)
                return -1;
            wire_get_u32(&in);
            wire_get_u16(&in);
            wire_get_u8(&in);
            wire_get_u8(&in);
            wire_get_u8(&in);
            wire_get_text(&in, WIRE_MAX_URL_BYTES);
            if (in.is_bad)
                return -1;
        }
    }
    return n_hosts == 2 ? (int)n_urls : -1;
}

TEST(coordinator_on_lease__the_largest_lease_fits_its_frames)
{
    struct front_lease l;
    struct front_host hosts[2];
    struct front_url urls[40];

    set_up(CRAWL_RUNNING);
    make_lease(&l, hosts, urls);
    coordinator_on_lease(&c, 0, &l);
    assert_int_equal(desk.slot.state, SLOT_RUNNING);
    assert_int_equal(desk.n_urls, 40);
    assert_int_equal(desk.n_leases, 1);
    assert_int_equal(desk.n_leased_now, 0);
    assert_int_equal(receive(), 40);
    coordinator_on_lease_end(&c, 0, 9);
    assert_int_equal(desk.n_leases, 0);
    tear_down();
}

TEST(coordinator_on_lease__without_memory_the_worker_goes_so_that_its_leases_return)
{
    struct front_lease l;
    struct front_host hosts[2];
    struct front_url urls[40];

    make_lease(&l, hosts, urls);
    log_set_stderr(false);
    set_up(CRAWL_RUNNING); /* before the sweep: only the sending is under test */
    FAULT_SWEEP (nth) {
        buf_fini(&c.frame);
        desk.slot.state = SLOT_RUNNING;
        desk.n_urls = 0;
        coordinator_on_lease(&c, 0, &l);
        if (desk.slot.state == SLOT_RUNNING)
            assert_int_equal(desk.n_urls, 40);
        else
            assert_true(desk.slot.state == SLOT_STOPPING && desk.n_urls == 0);
        for (char bytes[16]; recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) >= 0;)
            continue;
        ev_run(c.loop, EVRUN_NOWAIT);
    }
    tear_down();
}

TEST(coordinator_on_lease__in_a_pause_it_is_kept_to_be_handed_back)
{
    struct front_lease l;
    struct front_host hosts[2];
    struct front_url urls[40];

    make_lease(&l, hosts, urls);
    log_set_stderr(false);
    set_up(CRAWL_PAUSED);
    FAULT_SWEEP (nth) {
        buf_fini(&c.returned);
        desk.slot.state = SLOT_RUNNING;
        coordinator_on_lease(&c, 0, &l);
        if (desk.slot.state == SLOT_RUNNING)
            assert_true(c.returned.n >= 40 * sizeof(uint64_t));
        else
            assert_true(desk.slot.state == SLOT_STOPPING && c.returned.n == 0);
    }
    tear_down();
}

TESTS(T(coordinator_on_lease__the_largest_lease_fits_its_frames),
      T(coordinator_on_lease__without_memory_the_worker_goes_so_that_its_leases_return),
      T(coordinator_on_lease__in_a_pause_it_is_kept_to_be_handed_back))
