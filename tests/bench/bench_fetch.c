/* bench_fetch.c - CPU per transfer, and what 200,000 host names leave behind in libcurl
 *
 *    bench_fetch URL CONCURRENCY COUNT             http://127.0.0.1:8080/page-%u.html: %u runs from 0 to 999
 *    bench_fetch --names N URL CONCURRENCY COUNT   the same to N host names in turn, all at URL's address
 * The host of URL is a literal IPv4 address of loopback.
 */
#include <arpa/inet.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "crawler/curl_init.h"
#include "crawler/fetch.h"

struct bench {
    struct ev_loop *loop;
    struct mux *mux;
    const char *pattern;
    unsigned n_names;
    unsigned n_started, n_done, n_wanted, n_failed;
    uint64_t n_bytes;
    struct dns_answer answer;
};

static double
cpu_us(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 + (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

static size_t
live_bytes(enum mem_domain domain)
{
    struct mem_stats stats;

    mem_stats(domain, &stats);
    return stats.live_bytes;
}

static void on_done(void *arg, struct page *page);

static void
start_one(struct bench *b)
{
    struct fetch_request request = { 0 };
    struct url url, base;
    const char *number = strstr(b->pattern, "%u");
    char text[1024], named[1200];
    int err;

    if (number == NULL)
        snprintf(text, sizeof text, "%s", b->pattern);
    else
        snprintf(text, sizeof text, "%.*s%u%s", (int)(number - b->pattern), b->pattern, b->n_started % 1000, number + 2);
    url_init(&url, MEM_DEFAULT);
    url_init(&base, MEM_DEFAULT);
    err = url_parse(&base, slice_str(text), NULL);
    if (err == 0 && b->n_names > 0) {
        snprintf(named, sizeof named, SLICE_FMT "://host-%u.example:%u" SLICE_FMT, SLICE_ARG(url_scheme(&base)), b->n_started % b->n_names, url_effective_port(&base),
                 SLICE_ARG(url_path_query(&base)));
        err = url_parse(&url, slice_str(named), NULL);
    } else if (err == 0) {
        err = url_copy(&url, &base);
    }
    request.url = &url;
    request.addresses = &b->answer;
    if (err != 0 || fetch_start(b->mux, &request, on_done, b, NULL) != 0)
        CHECK_NEVER("cannot start");
    b->n_started++;
    url_fini(&url);
    url_fini(&base);
}

static void
on_done(void *arg, struct page *page)
{
    struct bench *b = arg;

    b->n_done++;
    b->n_failed += page->outcome != OUTCOME_OK;
    b->n_bytes += page->body.n;
    page_unref(&page);
    if (b->n_names > 0 && (b->n_done == 1000 || b->n_done % (b->n_wanted / 10) == 0))
        printf("%8u names: curl %zu bytes, ssl %zu, cache %zu\n", b->n_done, live_bytes(MEM_CURL),
               live_bytes(MEM_SSL), live_bytes(MEM_CACHE));
    if (b->n_started < b->n_wanted)
        start_one(b);
    else if (b->n_done == b->n_wanted)
        ev_break(b->loop, EVBREAK_ALL);
}

int
main(int argc, char **argv)
{
    struct bench b = { 0 };
    struct curl_init_report report;
    struct guard guard;
    struct mux_conf conf = { .limits = { 64 << 10, 16 << 20, 32 << 20, 5000, 60000, 100, 30 },
                             .guard = &guard, .user_agent = "bench", .max_connections = 256, .is_insecure = true };
    struct mux_stats stats;
    struct timespec t0, t1;
    double cpu0, wall;
    unsigned concurrency;

    if (argc == 6 && strcmp(argv[1], "--names") == 0) {
        b.n_names = (unsigned)atoi(argv[2]);
        argv += 2;
        argc -= 2;
    }
    if (argc != 4 || curl_init_libraries(&report) != 0)
        return 2;
    b.pattern = argv[1];
    concurrency = (unsigned)atoi(argv[2]);
    b.n_wanted = (unsigned)atoi(argv[3]);
    guard_init(&guard);
    guard.allow_all = true;
    struct sockaddr_in *to = (struct sockaddr_in *)&b.answer.addresses[0];
    to->sin_family = AF_INET;
    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    b.answer.n_addresses = 1;
    b.loop = ev_loop_new(EVFLAG_AUTO);
    if (mux_new(&b.mux, b.loop, &conf) != 0)
        return 1;
    cpu0 = cpu_us();
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (unsigned i = 0; i < concurrency; i++)
        start_one(&b);
    ev_run(b.loop, 0);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    wall = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    mux_stats(b.mux, &stats);
    printf("%u pages, %u failed, %.1f MB, %.2f s, %.0f/s, cpu/page %.1f us, connections %llu opened, %.2f %% reused, "
           "curl %zu bytes\n", b.n_done, b.n_failed, (double)b.n_bytes / 1e6, wall, b.n_done / wall,
           (cpu_us() - cpu0) / b.n_done, (unsigned long long)stats.n_connections_opened,
           100.0 * (double)stats.n_connections_reused / b.n_done, live_bytes(MEM_CURL));
    mux_free(&b.mux);
    ev_loop_destroy(b.loop);
    return b.n_failed == 0 ? 0 : 1;
}
