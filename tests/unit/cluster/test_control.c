/* test_control.c - orb.sock as a server, asked by hostile clients in the same process; the crawl behind it is the real one */
#include "cluster/clock.h"
#include "cluster/control.h"
#include "cluster/coordinator_internal.h"
#include "cluster/log.h"
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct coordinator c;
static struct conf conf;

static enum outcome
judge(void *arg, const struct url *u, const struct front_link *link)
{
    return OUTCOME_OK;
}

static void
open_all(const char *name)
{
    struct front_conf f = { .ram_budget_bytes = 1 << 20, .keep_excluded = 100, .max_attempts = 3, .judge = judge, .arg = &c };
    struct scope_conf scope = { .kind = SCOPE_ANY };
    struct front_recovery recovery;
    struct buf error;
    char dir[700];

    /* a path that is longer than a socket's name may be */
    snprintf(dir, sizeof dir, "%s/%s-%0150d", scratch_dir(), name, 0);
    buf_init(&error, MEM_DEFAULT, 4096);
    c = (struct coordinator){ .conf = &conf, .loop = ev_loop_new(0), .started_ms = clock_now_ms() };
    conf.workers = 2;
    assert_int_equal(crawldir_open(&c.dir, dir, &error), 0);
    f.dir = c.dir.coordinator_path;
    assert_int_equal(front_open(&c.front, c.loop, &f, clock_now_ms(), clock_wall_ms(), &recovery, &error), 0);
    assert_int_equal(scope_new(&c.scope, &scope, &error), 0);
    assert_int_equal(slots_open(&c), 0);
    buf_init(&c.frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    assert_int_equal(control_open(&c.control, &c, &error), 0);
    buf_fini(&error);
}

static void
close_all(void)
{
    assert_int_equal(front_close(&c.front, clock_now_ms(), clock_wall_ms()), 0);
    control_close(&c.control);
    slots_free(&c);
    scope_free(&c.scope);
    buf_fini(&c.frame);
    crawldir_close(&c.dir);
    ev_loop_destroy(c.loop);
}

static int
dial(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int dir = open(c.dir.coordinator_path, O_PATH | O_DIRECTORY), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/orb.sock", dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(dir);
    return fd;
}

static void
nudge(struct ev_loop *l, ev_timer *t, int events)
{
}

static void
turn_ms(unsigned ms)
{
    uint64_t until_ms = clock_now_ms() + ms;
    ev_timer timer;

    ev_timer_init(&timer, nudge, 0.002, 0.002);
    ev_timer_start(c.loop, &timer);
    do {
        ev_run(c.loop, EVRUN_ONCE);
        front_tick(c.front, clock_now_ms(), clock_wall_ms());
    } while (clock_now_ms() < until_ms);
    ev_timer_stop(c.loop, &timer);
}

static void
tell(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line, as JSON: NEW. NULL when the server hung up. */
static json_t *
listen_to(int fd)
{
    struct buf line;
    json_t *got = NULL;
    uint64_t until_ms = clock_now_ms() + 5000;
    char byte;
    ssize_t n;

    buf_init(&line, MEM_DEFAULT, BUF_NO_CEILING);
    for (;;) {
        n = recv(fd, &byte, 1, 0);
        if (n < 0 && errno == EAGAIN && clock_now_ms() < until_ms) {
            turn_ms(2);
            continue;
        }
        if (n <= 0)
            break;
        if (byte == '\n') {
            got = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(got);
            break;
        }
        assert_int_equal(buf_append_char(&line, byte), 0);
    }
    buf_fini(&line);
    return got;
}

static void
assert_answer(int fd, const char *question, bool is_ok)
{
    json_t *answer;

    if (question != NULL)
        tell(fd, question);
    answer = listen_to(fd);
    assert_non_null(answer);
    assert_int_equal(json_is_true(json_object_get(answer, "ok")), is_ok);
    json_decref(answer);
}

TEST(control__each_command_is_answered_by_one_json_line)
{
    int fd;

    open_all("each");
    fd = dial();
    assert_answer(fd, "{\"cmd\":\"status\"}\n", true);
    assert_answer(fd, "{\"cmd\":\"pause\"}\n", true);
    assert_int_equal(c.state, CRAWL_PAUSED);
    assert_answer(fd, "{\"cmd\":\"resume\"}\n", true);
    assert_int_equal(c.state, CRAWL_RUNNING);
    assert_answer(fd, "{\"cmd\":\"add\",\"urls\":[\"http://a.example/\",\"x\",7,null,\"\"]}\n", true);
    assert_answer(fd, "{\"cmd\":\"add\"}\n", false);
    assert_answer(fd, "{\"cmd\":\"why\",\"url\":\"http://a.example/never\"}\n", false);
    assert_answer(fd, "{\"cmd\":\"why\"}\n", false);
    assert_answer(fd, "{\"cmd\":\"fly\"}\n", false);
    assert_answer(fd, "nonsense\n", false);
    assert_answer(fd, "[]\n", false);
    assert_answer(fd, "\n", false);
    assert_answer(fd, "{\"cmd\":\"stop\",\"now\":true}\n", true);
    assert_int_equal(c.state, CRAWL_DRAINING);
    close(fd);
    close_all();
}

TEST(control__lines_behind_one_that_waits_are_answered_too)
{
    json_t *answer;
    int fd;

    open_all("pipelined");
    fd = dial();
    tell(fd, "{\"cmd\":\"add\",\"urls\":[\"http://a.example/\"]}\n{\"cmd\":\"why\",\"url\":\"http://a.example/\"}\n{\"cmd\":\"pause\"}\n");
    assert_answer(fd, NULL, true);
    answer = listen_to(fd);
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "queued");
    json_decref(answer);
    assert_answer(fd, NULL, true);
    assert_int_equal(c.state, CRAWL_PAUSED);
    close(fd);
    close_all();
}

TEST(control__a_client_that_leaves_before_its_answer_takes_nothing_with_it)
{
    open_all("leaves");
    for (int i = 0; i < 40; i++) {
        int fd = dial();
        tell(fd, "{\"cmd\":\"add\",\"urls\":[\"http://a.example/\"]}\n{\"cmd\":\"why\",\"url\":\"http://a.example/\"}\n");
        if (i % 3 == 1)
            turn_ms(1);
        close(fd);
        if (i % 3 != 2)
            turn_ms(5);
        else
            turn_ms(1);
    }
    turn_ms(50);
    for (int i = 0; i < CONTROL_MAX_CONNECTIONS; i++) { /* all places are free again */
        int fd = dial();
        assert_answer(fd, "{\"cmd\":\"status\"}\n", true);
        close(fd);
        turn_ms(5);
    }
    close_all();
}

TEST(control__a_question_that_is_open_at_the_end_is_dropped)
{
    int fd;

    open_all("open-at-end");
    fd = dial();
    tell(fd, "{\"cmd\":\"add\",\"urls\":[\"http://a.example/\"]}\n{\"cmd\":\"why\",\"url\":\"http://a.example/\"}\n");
    ev_run(c.loop, EVRUN_ONCE); /* accepted */
    ev_run(c.loop, EVRUN_ONCE); /* read; the answer is the journal thread's now */
    close_all();
    close(fd);
}

/* Questions without end, and nobody reads the answers: the server keeps one answer, not all. */
TEST(control__a_client_that_never_reads_costs_one_answer)
{
    struct mem_stats before, now;
    char line[] = "{\"cmd\":\"status\"}\n";
    int fd, n = 0;

    open_all("never-reads");
    fd = dial();
    turn_ms(10);
    mem_stats(MEM_LOG, &before);
    for (uint64_t until_ms = clock_now_ms() + 1000; clock_now_ms() < until_ms; turn_ms(1))
        while (n < 200000 && send(fd, line, strlen(line), MSG_NOSIGNAL) > 0)
            n++;
    mem_stats(MEM_LOG, &now);
    assert_true(now.live_bytes < before.live_bytes + (4 << 20));
    close(fd);
    turn_ms(20);
    close_all();
}

TEST(control__a_line_without_end_is_cut_off)
{
    static char bytes[16384];
    int fd;

    open_all("endless");
    fd = dial();
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EPIPE)
            break;
        turn_ms(1);
    }
    assert_null(listen_to(fd));
    close(fd);
    close_all();
}

TEST(control__without_descriptors_it_waits_and_does_not_spin)
{
    struct rlimit old, limit;
    struct rusage before, after;
    int fd, filler[256], n = 0;

    open_all("no-fds");
    fd = dial();
    getrlimit(RLIMIT_NOFILE, &old);
    limit = old;
    limit.rlim_cur = ORB_N_ELEMENTS(filler);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((filler[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    getrusage(RUSAGE_SELF, &before);
    turn_ms(400);
    getrusage(RUSAGE_SELF, &after);
    while (n > 0)
        close(filler[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_in_range((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec,
                    0, 200000);
    assert_answer(fd, "{\"cmd\":\"status\"}\n", true); /* a second later it is taken */
    close(fd);
    close_all();
}

TEST(control__survives_any_failed_allocation)
{
    log_set_stderr(false);
    open_all("fault");
    FAULT_SWEEP (nth) {
        int fd = dial();
        tell(fd, "{\"cmd\":\"status\"}\n{\"cmd\":\"add\",\"urls\":[\"http://b.example/\"]}\n{\"cmd\":\"why\",\"url\":\"http://b.example/\"}\n");
        turn_ms(5);
        close(fd);
        turn_ms(2);
    }
    turn_ms(20);
    close_all();
}

static void
assert_status_is_json(void)
{
    struct buf text;
    json_t *o;

    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(status_json(&c, &text), 0);
    o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (o == NULL)
        fail_msg("no JSON: %s", text.p);
    assert_int_equal(json_array_size(json_object_get(o, "workers")), 2);
    assert_true(json_is_integer(json_object_get(json_object_get(o, "books"), "discovered")));
    assert_true(json_is_number(json_object_get(o, "pages_per_s")));
    json_decref(o);
    buf_fini(&text);
}

TEST(status__is_valid_json_whatever_the_numbers_are)
{
    struct stats_page *page, *writable;
    struct stats big = { .magic = STATS_MAGIC, .version = STATS_VERSION };
    uint64_t *each[] = { &big.n_pages, &big.n_requests, &big.n_wire_bytes, &big.n_connections_opened,
                         &big.n_connections_reused, &big.live_bytes[0], &big.live_bytes[MEM_N_DOMAINS - 1] };
    int fd;

    open_all("status");
    assert_status_is_json();
    assert_int_equal(stats_page_make(&fd, &page), 0);
    assert_int_equal(stats_page_attach(fd, &writable), 0);
    for (size_t i = 0; i < ORB_N_ELEMENTS(each); i++) { /* JSON readers know no more than 63 bits: such a page is a lie */
        *each[i] = STATS_MAX + 1;
        stats_write(writable, &big);
        assert_int_equal(stats_read(page, &c.desks[0].stats), ORB_EPROTO);
        *each[i] = STATS_MAX;
    }
    stats_write(writable, &big);
    for (int o = 0; o < OUTCOME_N; o++)
        c.stats.done_by_outcome[o] = c.stats.failed_by_reason[o] = c.stats.excluded_by_reason[o] = 1ull << 53;
    assert_int_equal(stats_read(page, &c.desks[0].stats), 0); /* the largest that passes */
    c.stats.expected_collisions = 1e300;
    c.pages_per_s = 1e9;
    c.state = CRAWL_PAUSED;
    c.is_paused_by_disk = true;
    assert_status_is_json();
    stats_page_unmap(&writable);
    stats_page_unmap(&page);
    close(fd);
    close_all();
}

TESTS(T(control__each_command_is_answered_by_one_json_line), T(control__lines_behind_one_that_waits_are_answered_too),
      T(control__a_client_that_leaves_before_its_answer_takes_nothing_with_it),
      T(control__a_question_that_is_open_at_the_end_is_dropped), T(control__a_client_that_never_reads_costs_one_answer),
      T(control__a_line_without_end_is_cut_off), T(control__without_descriptors_it_waits_and_does_not_spin),
      T(control__survives_any_failed_allocation), T(status__is_valid_json_whatever_the_numbers_are))
