/* test_liar.c - workers that lie: whatever a worker process says or does, the coordinator lives, says so, and the crawl ends
 * whole
 *
 * The coordinator starts /proc/self/exe, which is this program: its first LIES workers do what LIAR_KIND says, the later
 * ones are honest. Each test is one complete crawl of a small site, audited afterwards.
 */
#include "cluster/cmd.h"
#include "cluster/stats.h"
#include "cluster/wire.h"
#include "cluster/worker.h"
#include "crawler/parse.h"
#include "tests/support/server.h"
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#define PAGES 6
#define LIES 2

/* ---- the liar ----------------------------------------------------------------------------------------------------- */

struct held { /* of the lease that it was given last */
    uint64_t lease_id, host_id, url_ids[64];
    uint32_t epoch, ask_id;
    unsigned n_urls, robots_hops;
    char origin[80], home[80]; /* of its host; of the last one that was not an errand's */
};

static struct held held;
static struct buf frame;
static struct wire_out out;

static void
say_bytes(const void *bytes, size_t n)
{
    while (send(WORKER_CHANNEL_FD, bytes, n, MSG_NOSIGNAL) < 0) {
        struct pollfd p = { .fd = WORKER_CHANNEL_FD, .events = POLLOUT };
        if (errno != EAGAIN || poll(&p, 1, 10000) <= 0)
            _exit(1); /* the coordinator has had enough */
    }
}

static void
say(void)
{
    if (wire_finish(&out) != 0)
        _exit(90);
    say_bytes(frame.p, frame.n);
}

static void
begin(unsigned type)
{
    wire_begin(&out, &frame, (enum wire_type)type);
}

/* The next frame, read into what is held; its type. */
static unsigned
hear(void)
{
    static char bytes[WIRE_MAX_FRAME_BYTES];
    struct pollfd p = { .fd = WORKER_CHANNEL_FD, .events = POLLIN };
    struct wire_in in;
    unsigned type;
    ssize_t n;

    while ((n = recv(WORKER_CHANNEL_FD, bytes, sizeof bytes, 0)) < 0)
        if (errno != EAGAIN || poll(&p, 1, 30000) <= 0)
            _exit(91);
    if (n == 0 || wire_open(&in, slice_of(bytes, (size_t)n), &type) != 0)
        _exit(92);
    if (type == WIRE_CONF)
        type = wire_get_bool(&in) ? WIRE_CONF : WIRE_PING;
    if (type == WIRE_LEASE) {
        held.lease_id = wire_get_u64(&in);
        held.epoch = wire_get_u32(&in);
        held.n_urls = 0;
    } else if (type == WIRE_HEAP) {
        held.ask_id = wire_get_u32(&in);
    } else if (type == WIRE_HOST) {
        struct slice origin;

        held.host_id = wire_get_u64(&in);
        origin = wire_get_text(&in, 64);
        snprintf(held.origin, sizeof held.origin, SLICE_FMT "/", SLICE_ARG(origin));
        wire_get_bool(&in);
        wire_get_text(&in, WIRE_MAX_TEXT_BYTES);
        held.robots_hops = wire_get_u8(&in);
        if (held.robots_hops == 0)
            snprintf(held.home, sizeof held.home, "%s", held.origin);
    } else if (type == WIRE_URLS) {
        for (unsigned k = wire_get_u16(&in); k > 0 && held.n_urls < 64; k--) {
            held.url_ids[held.n_urls++] = wire_get_u64(&in);
            wire_get_u32(&in);
            wire_get_u16(&in);
            for (int i = 0; i < 3; i++)
                wire_get_u8(&in);
            wire_get_text(&in, WIRE_MAX_TEXT_BYTES);
        }
    }
    return type;
}

static void
hear_until(unsigned type)
{
    while (hear() != type)
        continue;
}

static void
say_report(uint64_t lease_id, uint32_t epoch)
{
    begin(WIRE_REPORT);
    wire_u64(&out, lease_id);
    wire_u32(&out, epoch);
    say();
}

static void
say_report_end(void)
{
    begin(WIRE_REPORT_END);
    say();
}

/* robots_url: where robots.txt redirects to, after so many hops; "" = it was answered. */
static void
say_host_news_of(uint64_t host_id, size_t cookie_bytes, const char *robots_url, unsigned hops)
{
    static char cookies[WIRE_MAX_FRAME_BYTES];

    memset(cookies, 'c', sizeof cookies);
    begin(WIRE_HOST_NEWS);
    wire_u64(&out, host_id);
    wire_text(&out, SLICE_LITERAL("127.0.0.1"));
    wire_u32(&out, 60);
    wire_u8(&out, 1);
    wire_u16(&out, 404);
    wire_u32(&out, 60);
    wire_u32(&out, UINT32_MAX);
    wire_u8(&out, cookie_bytes > 0);
    wire_text(&out, slice_of(cookies, cookie_bytes));
    wire_u8(&out, robots_url[0] == '\0' ? OUTCOME_OK : OUTCOME_REDIRECT);
    wire_text(&out, slice_str(robots_url));
    wire_u8(&out, (uint8_t)hops);
    say();
}

static void
say_host_news(uint64_t host_id, size_t cookie_bytes)
{
    say_host_news_of(host_id, cookie_bytes, "", 0);
}

static void
say_result(uint64_t url_id)
{
    begin(WIRE_RESULT);
    wire_u64(&out, url_id);
    wire_u8(&out, OUTCOME_OK);
    wire_u16(&out, 200);
    wire_u32(&out, 0);
    wire_u32(&out, 0);
    wire_u64(&out, UINT64_MAX);
    say();
}

static void
begin_links(uint64_t via, unsigned n)
{
    begin(WIRE_LINKS);
    wire_u64(&out, via);
    wire_u16(&out, 0);
    wire_u8(&out, 1);
    wire_u16(&out, (uint16_t)n);
}

static void
put_link(unsigned kind, const char *url)
{
    wire_u8(&out, (uint8_t)kind);
    wire_u8(&out, 0);
    wire_text(&out, slice_str(url));
}

/* READY, and the first lease: that of robots.txt, without URLs. */
static void
take_lease(void)
{
    hear_until(WIRE_CONF);
    begin(WIRE_READY);
    wire_u32(&out, 1);
    say();
    hear_until(WIRE_LEASE_END);
}

static void
take_urls(void)
{
    take_lease();
    while (held.n_urls == 0) {
        say_report(held.lease_id, held.epoch);
        say_host_news(held.host_id, 0);
        say_report_end();
        hear_until(WIRE_LEASE_END);
    }
}

/* Listens on without a word; the coordinator ends it. */
static noreturn void
wait_for_end(void)
{
    for (;;)
        hear();
}

static void
lie_garbage(void)
{
    uint64_t x = 88172645463325252u;

    take_lease();
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[64];
        for (size_t k = 0; k < sizeof bytes; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            bytes[k] = (uint8_t)x;
        }
        if (i % 2 == 0)
            bytes[0] = WIRE_VERSION; /* every other one gets further */
        if (i % 4 == 0)
            bytes[1] = (uint8_t)(WIRE_READY + i / 4 % 11);
        say_bytes(bytes, 1 + (size_t)i % sizeof bytes);
    }
    wait_for_end();
}

static void
lie_truncated(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    begin(WIRE_RESULT);
    wire_u64(&out, held.url_ids[0]);
    say();
    say_report_end();
    wait_for_end();
}

static void
lie_unknown_type(void)
{
    take_lease();
    begin(200);
    say();
    wait_for_end();
}

static void
lie_frame_of_the_coordinator(void)
{
    take_lease();
    begin(WIRE_LEASE);
    say();
    wait_for_end();
}

static void
lie_version(void)
{
    take_lease();
    say_bytes("\x09\x41", 2);
    wait_for_end();
}

static void
lie_out_of_order(void)
{
    take_urls();
    say_result(held.url_ids[0]);
    wait_for_end();
}

static void
lie_two_beginnings(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    say_report(held.lease_id, held.epoch);
    wait_for_end();
}

static void
lie_foreign_result(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    say_result(999999);
    say_report_end();
    wait_for_end();
}

static void
lie_result_twice(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    say_result(held.url_ids[0]); /* an aborted report: none of it counts */
    say_result(held.url_ids[0]);
    say_report_end();
    wait_for_end();
}

static void
lie_stale_epoch(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch - 1);
    for (unsigned i = 0; i < held.n_urls; i++)
        say_result(held.url_ids[i]);
    say_report_end();
    say_report(held.lease_id + 1000, held.epoch);
    say_report_end();
    _exit(0);
}

static void
lie_no_lease(void)
{
    take_urls();
    say_report(0, 0);
    begin_links(0, 1);
    put_link(LINK_A, "http://127.0.0.1/never");
    say();
    say_report_end();
    wait_for_end();
}

static void
lie_foreign_links(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    begin_links(4711, 1);
    put_link(LINK_A, "http://127.0.0.1/never");
    say();
    say_report_end();
    wait_for_end();
}

static void
lie_endless_links(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    for (;;) {
        begin_links(held.url_ids[0], 2000);
        for (int i = 0; i < 2000; i++)
            put_link(LINK_A, "http://127.0.0.1:1/x");
        say();
    }
}

static void
lie_links_not_canonical(void)
{
    take_urls();
    say_report(held.lease_id, held.epoch);
    begin_links(held.url_ids[0], 6);
    put_link(LINK_A, "HTTP://A.example/../x y");
    put_link(LINK_A, "");
    put_link(LINK_A, "javascript:1");
    put_link(LINK_A, "http://[::1");
    put_link(LINK_REDIRECT, "http://a.example/\n");
    put_link(LINK_FORM, "\xff\xfe");
    say();
    say_report_end();
    _exit(0);
}

/* Distinct ones, outside of the scope. */
static void
lie_a_million_links(void)
{
    unsigned n = 0;

    take_urls();
    say_report(held.lease_id, held.epoch);
    while (n < 1000000) {
        begin_links(held.url_ids[0], 1000);
        for (int i = 0; i < 1000; i++) {
            char url[64];
            snprintf(url, sizeof url, "http://h.invalid/%x", n++);
            put_link(LINK_A, url);
        }
        say();
    }
    say_report_end();
    _exit(0);
}

static void
lie_huge_cookies(void)
{
    take_lease();
    say_report(held.lease_id, held.epoch);
    say_host_news(held.host_id, 60000);
    say_report_end();
    wait_for_end();
}

static void
lie_huge_robots(void)
{
    static char body[60000];

    take_lease();
    say_report(held.lease_id, held.epoch);
    say_host_news(held.host_id, 0);
    memset(body, '#', sizeof body);
    for (int i = 0; i < 9; i++) {
        begin(WIRE_ROBOTS_NEWS);
        wire_text(&out, slice_of(body, sizeof body));
        say();
    }
    say_report_end();
    wait_for_end();
}

static void
lie_foreign_host(void)
{
    take_lease();
    say_report(held.lease_id, held.epoch);
    say_host_news(4711, 0);
    say_report_end();
    wait_for_end();
}

static void
lie_about_robots(uint64_t host_id, const char *url, unsigned hops)
{
    take_lease();
    say_report(held.lease_id, held.epoch);
    say_host_news_of(host_id == 0 ? held.host_id : host_id, 0, url, hops);
    say_report_end();
    wait_for_end();
}

static void
lie_foreign_robots(void)
{
    lie_about_robots(4711, "http://127.0.0.2:1/robots.txt", 1);
}

static void
lie_robots_nowhere(void)
{
    lie_about_robots(0, "javascript:1", 1);
}

static void
lie_robots_too_far(void)
{
    lie_about_robots(0, "http://127.0.0.2:1/robots.txt", 6);
}

/* A loop, were it not counted: from the host to itself, each time as if it were the first time. */
static void
lie_robots_loop(void)
{
    take_lease();
    for (int i = 0; i < 10 && held.n_urls == 0; i++) {
        say_report(held.lease_id, held.epoch);
        say_host_news_of(held.host_id, 0, held.robots_hops % 2 == 0 ? "http://127.0.0.1:1/" : held.home, 1);
        say_report_end();
        hear_until(WIRE_LEASE_END);
    }
    _exit(held.n_urls > 0 ? 11 : 12);
}

static void
lie_foreign_returns(void)
{
    take_urls();
    begin(WIRE_RETURNED);
    wire_u64(&out, held.lease_id);
    wire_u32(&out, held.epoch);
    wire_u8(&out, 0);
    for (uint64_t i = 0; i < 5000; i++)
        wire_u64(&out, 1000 + i);
    say();
    begin(WIRE_RETURNED);
    wire_u64(&out, held.lease_id);
    wire_u32(&out, held.epoch);
    wire_u8(&out, 1);
    wire_u32(&out, 1); /* half an id */
    say();
    wait_for_end();
}

/* What is no bool made the reader bad; "while there is more" then never ended. */
static void
lie_returned_bad_bool(void)
{
    take_urls();
    begin(WIRE_RETURNED);
    wire_u64(&out, held.lease_id);
    wire_u32(&out, held.epoch);
    wire_u8(&out, 2);
    for (int i = 0; i < 3; i++)
        wire_u64(&out, held.url_ids[0]);
    say();
    wait_for_end();
}

static void
lie_in_the_stats(void)
{
    uint8_t *page = mmap(NULL, STATS_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, WORKER_STATS_FD, 0);

    take_urls();
    if (page == MAP_FAILED || ftruncate(WORKER_STATS_FD, 0) == 0) /* it is sealed */
        _exit(93);
    for (int i = 0; i < 150; i++) {
        memset(page, i, STATS_PAGE_BYTES);
        usleep(10000);
    }
    for (uint32_t i = 0; i < 16; i++) /* a page that would pass, but for its values */
        ((uint32_t *)(void *)page)[i] = i % 2 == 0 ? STATS_MAGIC : STATS_VERSION;
    raise(SIGABRT); /* its last words are read: the URL that it "was at" is none that it holds */
}

static void
lie_closed_channel(void)
{
    signal(SIGTERM, SIG_IGN);
    take_urls();
    close(WORKER_CHANNEL_FD);
    for (;;)
        pause();
}

static void
lie_empty_packet(void)
{
    take_urls();
    say_bytes("", 0);
    wait_for_end();
}

static void
lie_large_packet(void)
{
    static char bytes[WIRE_MAX_FRAME_BYTES + 1] = { WIRE_VERSION, WIRE_PONG };

    take_urls();
    say_bytes(bytes, sizeof bytes);
    wait_for_end();
}

static void
lie_flood(void)
{
    take_urls();
    for (int i = 0; i < 20000; i++) {
        begin(WIRE_PONG);
        say();
        begin(WIRE_READY);
        wire_u32(&out, 1);
        say();
        begin(WIRE_LOG);
        wire_u8(&out, 1);
        wire_text(&out, SLICE_LITERAL("flood\n\x1b[2J"));
        say();
    }
    _exit(0);
}

/* Asks the coordinator about this very worker, as somebody at a terminal would. */
static void
be_asked(void)
{
    char dir[600];

    snprintf(dir, sizeof dir, "%s", getenv("LIAR_FILE"));
    dir[strlen(dir) - strlen(".starts")] = '\0';
    if (fork() == 0) {
        for (int fd = WORKER_CHANNEL_FD; fd <= WORKER_LOCK_FD; fd++)
            close(fd);
        _exit(cmd_heap(4, (char *[]){ "heap", dir, "0", "census", NULL }));
    }
    hear_until(WIRE_HEAP);
}

static void
say_heap_answer(uint32_t id, bool is_last, size_t n_bytes)
{
    static char bytes[WIRE_MAX_TEXT_BYTES];

    memset(bytes, '\n', sizeof bytes);
    begin(WIRE_HEAP_ANSWER);
    wire_u32(&out, id);
    wire_u8(&out, is_last);
    wire_u8(&out, 1);
    wire_text(&out, slice_of(bytes, n_bytes));
    say();
}

static void
lie_unasked_answer(void)
{
    take_lease();
    say_heap_answer(1, true, 10);
    wait_for_end();
}

static void
lie_huge_answer(void)
{
    take_lease();
    be_asked();
    for (;;)
        say_heap_answer(held.ask_id, false, WIRE_MAX_TEXT_BYTES);
}

/* Ended, and yet it goes on: such parts belong to nobody. */
static void
lie_endless_answers(void)
{
    take_lease();
    be_asked();
    for (;;)
        say_heap_answer(held.ask_id, true, 0);
}

static void
lie_damaged_answer(void)
{
    take_lease();
    be_asked();
    begin(WIRE_HEAP_ANSWER);
    wire_u32(&out, held.ask_id);
    wire_u8(&out, 2);
    say();
    wait_for_end();
}

/* No JSON, no text, and a line's end in the midst of a line: whoever asked is told so, and nobody is harmed. */
static void
lie_nonsense_answer(void)
{
    take_lease();
    be_asked();
    say_heap_answer(held.ask_id, true, 1000);
    _exit(0);
}

static void
lie_by_leaving(void)
{
    _exit(7);
}

static const struct lie {
    const char *name;
    void (*tell)(void);
    const char *log; /* what the coordinator's log says of it */
} lies[] = {
    { "garbage", lie_garbage, "is replaced" },
    { "truncated", lie_truncated, "a damaged report; it is replaced" },
    { "unknown-type", lie_unknown_type, "a frame of an unknown type; it is replaced" },
    { "coordinators-frame", lie_frame_of_the_coordinator, "a frame of an unknown type; it is replaced" },
    { "version", lie_version, "a frame of another version; it is replaced" },
    { "out-of-order", lie_out_of_order, "a report out of order; it is replaced" },
    { "two-beginnings", lie_two_beginnings, "a report out of order; it is replaced" },
    { "foreign-result", lie_foreign_result, "a damaged report; it is replaced" },
    { "result-twice", lie_result_twice, "a damaged report; it is replaced" },
    { "stale-epoch", lie_stale_epoch, "ended with exit code 0" },
    { "no-lease", lie_no_lease, "a report of no lease; it is replaced" },
    { "foreign-links", lie_foreign_links, "a damaged report; it is replaced" },
    { "endless-links", lie_endless_links, "a report that is too large; it is replaced" },
    { "not-canonical", lie_links_not_canonical, "a link that is not canonical" },
    { "million-links", lie_a_million_links, "ended with exit code 0" },
    { "huge-cookies", lie_huge_cookies, "a damaged report; it is replaced" },
    { "huge-robots", lie_huge_robots, "a damaged report; it is replaced" },
    { "foreign-host", lie_foreign_host, "a damaged report; it is replaced" },
    { "foreign-robots", lie_foreign_robots, "a damaged report; it is replaced" },
    { "robots-nowhere", lie_robots_nowhere, "a damaged report; it is replaced" },
    { "robots-too-far", lie_robots_too_far, "a damaged report; it is replaced" },
    { "robots-loop", lie_robots_loop, "ended with exit code 11" },
    { "foreign-returns", lie_foreign_returns, "a damaged frame; it is replaced" },
    { "returned-bad-bool", lie_returned_bad_bool, "a damaged frame; it is replaced" },
    { "stats", lie_in_the_stats, "died of signal 6" },
    { "closed-channel", lie_closed_channel, "has closed its channel; it is stopped" },
    { "empty-packet", lie_empty_packet, "has closed its channel; it is stopped" },
    { "large-packet", lie_large_packet, "has closed its channel; it is stopped" },
    { "flood", lie_flood, "warning worker 0: flood\\x0a\\x1b[2J" },
    { "chatter", lie_flood, "had more to say than 20 lines a second" },
    { "unasked-answer", lie_unasked_answer, "an answer to a question that nobody asked; it is replaced" },
    { "huge-answer", lie_huge_answer, "an answer about memory that is too large; it is replaced" },
    { "endless-answers", lie_endless_answers, "an answer about memory that is too large; it is replaced" },
    { "damaged-answer", lie_damaged_answer, "a damaged frame; it is replaced" },
    { "nonsense-answer", lie_nonsense_answer, "ended with exit code 0" },
    { "leaves", lie_by_leaving, "ended with exit code 7" },
};

/* How many workers were started before this one. */
static long
count_start(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0 || write(fd, "x", 1) != 1)
        _exit(94);
    close(fd);
    return (long)st.st_size;
}

static int
be_worker(int argc, char **argv)
{
    const char *kind = getenv("LIAR_KIND");

    if (count_start(getenv("LIAR_FILE")) >= LIES)
        return cmd_worker(argc, argv);
    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    for (size_t i = 0; i < ORB_N_ELEMENTS(lies); i++)
        if (strcmp(kind, lies[i].name) == 0)
            lies[i].tell();
    return 95;
}

/* ---- the crawl ---------------------------------------------------------------------------------------------------- */

static struct server server;

static bool
serve(struct peer *p, const char *path, const char *request)
{
    char body[512];
    int n = 0;

    if (strcmp(path, "/robots.txt") == 0)
        return peer_say(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    n = snprintf(body, sizeof body, "<!doctype html><title>%s</title>", path);
    for (int i = 1; i < PAGES; i++)
        n += snprintf(body + n, sizeof body - (size_t)n, "<a href=/%d>%d</a>", i, i);
    return peer_printf(p, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", n, body);
}

static int
run(int (*command)(int, char **), char **argv, const char *said_path, struct rusage *used)
{
    int argc = 0, status;
    pid_t child;

    while (argv[argc] != NULL)
        argc++;
    child = fork();
    if (child == 0) {
        if (freopen(said_path, "a", stdout) == NULL || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
            _exit(99);
        status = command(argc, argv);
        fflush(stdout);
#if defined(__SANITIZE_ADDRESS__)
        if (__lsan_do_recoverable_leak_check() != 0)
            _exit(98);
#endif
        _exit(status);
    }
    assert_int_equal(wait4(child, &status, 0, used), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
assert_logged(const char *path, const char *part, bool is_there)
{
    struct buf text;

    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    read_file(&text, path);
    assert_int_equal(buf_append(&text, "", 0), 0);
    if ((strstr(text.p, part) != NULL) != is_there)
        fail_msg("the log %s \"%s\":\n%.6000s", is_there ? "does not say" : "says", part, text.p);
    buf_fini(&text);
}

static void
crawl_with(const struct lie *lie)
{
    char dir[512], said[600], file[600], log[600], seed[64];
    char *crawl[] = { "crawl", "-o", dir, "--workers", "1", "--delay", "0", "--ip-delay", "0", "--contact", "t@example.invalid",
                      "--allow-private", "127.0.0.0/8", "--keep-excluded", "1000", "--dashboard", "off", seed, NULL };
    char *audit[] = { "audit", dir, NULL };
    struct rusage used;
    int code;

    snprintf(dir, sizeof dir, "%s/%s", scratch_dir(), lie->name);
    snprintf(said, sizeof said, "%s.said", dir);
    snprintf(file, sizeof file, "%s.starts", dir);
    snprintf(log, sizeof log, "%s/coordinator/log/orb.log", dir);
    snprintf(seed, sizeof seed, "http://127.0.0.1:%u/", server.port);
    setenv("LIAR_KIND", lie->name, 1);
    setenv("LIAR_FILE", file, 1);
    code = run(cmd_crawl, crawl, said, &used);
    if (code != EXIT_DONE)
        assert_logged(said, "(the crawl ended otherwise)", true);
    assert_logged(log, lie->log, true);
    code = run(cmd_audit, audit, said, &used);
    if (code != EXIT_DONE)
        assert_logged(said, "(the audit found something)", true);
    snprintf(said + strlen(said), sizeof said - strlen(said), ".%s", "sql");
    assert_int_equal(run(cmd_sql, (char *[]){ "sql", dir, "select count(*) || ' pages' from page where status = 200", NULL },
                         said, &used), EXIT_DONE);
    assert_logged(said, "6 pages", true);
}

static void
one_lie(void **state)
{
    crawl_with(*state);
}

/* 0.1 + 0.2 + ... s of backoff: no spinning. */
TEST(crawl__a_worker_that_always_dies_costs_next_to_nothing)
{
    char dir[512], said[600], seed[64];
    char *crawl[] = { "crawl", "-o", dir, "--workers", "4", "--max-time", "4s", "--contact", "t@example.invalid",
                      "--allow-private", "127.0.0.0/8", "--dashboard", "off", seed, NULL };
    struct rusage used;
    struct buf starts;
    char file[600];

    snprintf(dir, sizeof dir, "%s/dies", scratch_dir());
    snprintf(said, sizeof said, "%s.said", dir);
    snprintf(file, sizeof file, "/dev/full"); /* every start is one too many */
    snprintf(seed, sizeof seed, "http://127.0.0.1:%u/", server.port);
    setenv("LIAR_KIND", "leaves", 1);
    setenv("LIAR_FILE", file, 1);
    assert_int_equal(run(cmd_crawl, crawl, said, &used), EXIT_DONE);
    buf_init(&starts, MEM_DEFAULT, BUF_NO_CEILING);
    read_file(&starts, said);
    unsigned n = 0;
    for (const char *at = starts.p; (at = strstr(at, "ended with exit code 94")) != NULL; at++)
        n++;
    assert_in_range(n, 8, 4 * 7); /* 0.1 doubling reaches 4 s in 6 starts */
    buf_fini(&starts);
}

int
main(int argc, char **argv)
{
    struct CMUnitTest tests[ORB_N_ELEMENTS(lies) + 1];
    size_t n = 0;
    int failed;

    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return be_worker(argc - 1, argv + 1);
    for (size_t i = 0; i < ORB_N_ELEMENTS(lies); i++)
        if (argc < 2 || strcmp(argv[1], lies[i].name) == 0)
            tests[n++] = (struct CMUnitTest){ lies[i].name, one_lie, NULL, NULL, (void *)(uintptr_t)&lies[i] };
    if (argc < 2)
        tests[n++] = (struct CMUnitTest)T(crawl__a_worker_that_always_dies_costs_next_to_nothing);
    server_start(&server, "127.0.0.1", serve);
    failed = _cmocka_run_group_tests("liar", tests, n, NULL, NULL);
    server_stop(&server);
    return failed;
}
