/* bench_frontier.c - the door under load: N distinct URLs on H hosts in random order, 4 of 5 offers a duplicate
 *
 * usage: bench_frontier [-n MILLIONS] [-h HOSTS] [-m BUDGET_MIB] [-d DIR] [-k]
 *   -o  only opens what DIR holds, and closes it
 *   -k  ends with kill -9 instead of a clean stop, then measures front_open() of what is left
 *
 * Every URL is offered once as new; the other four offers repeat one of those before it (half of them one of the latest
 * 100,000, as links on neighbouring pages do). Waits when the front is congested, as the coordinator does: that time counts.
 */
#include "cluster/clock.h"
#include "cluster/front.h"
#include "pool/mem.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t n_urls = 10000000, n_hosts = 1000000;
static size_t budget_mib = 256;

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static size_t
rss_kib(const char *field)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0;

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoull(line + strlen(field), NULL, 10);
    if (f != NULL)
        fclose(f);
    return kib;
}

static size_t
url_text(char *to, size_t cap, uint64_t i)
{
    return (size_t)snprintf(to, cap, "https://www.host-%llu.example.org/articles/%llu/page-%llu.html",
                            (unsigned long long)(mix(i) % n_hosts), (unsigned long long)(mix(i + 7) % 5000),
                            (unsigned long long)i);
}

static enum outcome
judge(void *arg, const struct url *u, const struct front_link *link)
{
    return OUTCOME_OK;
}

static double
cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct front *
open_front(const char *dir, struct ev_loop *loop)
{
    struct front_conf conf = {
        .dir = dir, .ram_budget_bytes = budget_mib << 20, .keep_excluded = 1000000, .delay_ms = 1000, .ip_delay_ms = 250,
        .max_delay_ms = 60000, .max_attempts = 3, .retry_first_ms = 1000, .retry_max_ms = 60000, .judge = judge,
    };
    struct front_recovery r;
    struct buf error;
    struct front *f = NULL;

    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    if (front_open(&f, loop, &conf, clock_now_ms(), clock_wall_ms(), &r, &error) != 0) {
        fprintf(stderr, "front_open: %s\n", error.p);
        exit(1);
    }
    printf("open: %.2f s, %llu URLs, %llu hosts%s, RSS %zu MiB\n", r.seconds, (unsigned long long)r.n_urls,
           (unsigned long long)r.n_hosts, r.was_unclean ? ", unclean" : "", rss_kib("Rss:") / 1024);
    buf_fini(&error);
    return f;
}

static void
offer(struct front *f, uint64_t i, uint64_t *counts)
{
    char text[160];
    struct front_link link = { .url = { text, url_text(text, sizeof text, i) }, .via_url_id = 1, .depth = 1 };
    enum front_verdict v = front_offer(f, &link);

    if (v == FRONT_ERROR) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    counts[v]++;
}

/* Links that are known, their texts made beforehand: what a page of navigation costs. */
static void
seen_alone(struct front *f, uint64_t *counts)
{
    enum { N = 1 << 20 };
    char *texts = mem_must(mem_alloc(MEM_DEFAULT, (size_t)N * 80));
    uint32_t *at = mem_must(mem_alloc(MEM_DEFAULT, (N + 1) * sizeof *at));
    double began;

    at[0] = 0;
    for (uint64_t i = 0; i < N; i++)
        at[i + 1] = at[i] + (uint32_t)url_text(texts + at[i], 80, mix(i) % n_urls);
    if (front_report_begin(f, 0, 0) != 0)
        exit(1);
    began = (double)clock_now_us() / 1e6;
    for (int i = 0; i < N; i++) {
        struct front_link link = { .url = { texts + at[i], at[i + 1] - at[i] }, .depth = 1 };
        counts[front_offer(f, &link)]++;
    }
    printf("seen links alone, of all: %.0f offers/s\n", N / ((double)clock_now_us() / 1e6 - began));
    (void)!front_report_end(f, clock_now_ms(), clock_wall_ms());
    mem_free(MEM_DEFAULT, texts);
    mem_free(MEM_DEFAULT, at);
}

static void
feed(struct front *f, struct ev_loop *loop)
{
    uint64_t counts[8] = { 0 }, seed = 42, max_rss = 0;
    double began = (double)clock_now_us() / 1e6, last = began, last_cpu = cpu_s();

    for (uint64_t i = 0; i < n_urls; i++) {
        if (i % 64 == 0) {
            struct timespec pause = { 0, 1000000 };
            if (i > 0)
                (void)!front_report_end(f, clock_now_ms(), clock_wall_ms());
            ev_run(loop, EVRUN_NOWAIT);
            front_tick(f, clock_now_ms(), clock_wall_ms());
            while (front_is_congested(f)) {
                nanosleep(&pause, NULL);
                ev_run(loop, EVRUN_NOWAIT);
            }
            if (front_report_begin(f, 0, 0) != 0)
                exit(1);
        }
        offer(f, i, counts);
        for (int k = 0; k < 4; k++) {
            uint64_t window = k < 2 && i > 100000 ? 100000 : i + 1;
            seed = mix(seed);
            offer(f, i - seed % window, counts);
        }
        if ((i + 1) % (n_urls / 10) == 0) {
            double now = (double)clock_now_us() / 1e6, cpu = cpu_s();
            struct front_stats st;
            size_t rss = rss_kib("Rss:") / 1024;

            front_stats(f, &st);
            max_rss = ORB_MAX(max_rss, rss);
            printf("%5.1f M new  %8.0f offers/s  (CPU of the loop: %.2f us an offer)  RSS %zu MiB  seen %zu MiB RAM %zu MiB disk  queue %llu KiB  commits %llu\n",
                   (double)(i + 1) / 1e6, (double)(n_urls / 10 * 5) / (now - last), (cpu - last_cpu) * 1e6 / (double)(n_urls / 10 * 5),
                   rss, st.seen_ram_bytes >> 20, st.seen_disk_bytes >> 20, (unsigned long long)st.queue_depth >> 10,
                   (unsigned long long)st.commits);
            fflush(stdout);
            last = now;
            last_cpu = cpu;
        }
    }
    (void)!front_report_end(f, clock_now_ms(), clock_wall_ms());
    printf("%llu new, %llu seen: %.0f offers/s; most RSS %llu MiB (budget %zu)\n", (unsigned long long)counts[FRONT_NEW],
           (unsigned long long)counts[FRONT_SEEN], (double)(n_urls * 5) / ((double)clock_now_us() / 1e6 - began),
           (unsigned long long)max_rss, budget_mib);
    seen_alone(f, counts);
}

static void
part(const char *dir, bool is_first, bool is_killed)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct ev_loop *loop = ev_loop_new(0);
        struct front *f = open_front(dir, loop);
        double began;

        if (is_first)
            feed(f, loop);
        fflush(stdout);
        if (is_killed) {
            front_sync(f);
            raise(SIGKILL);
        }
        began = (double)clock_now_us() / 1e6;
        if (front_close(&f, clock_now_ms(), clock_wall_ms()) != 0)
            printf("front_close failed\n");
        printf("close: %.2f s\n", (double)clock_now_us() / 1e6 - began);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
    const char *dir = "bench-frontier.tmp";
    bool is_killed = false;
    int c;

    while ((c = getopt(argc, argv, "n:h:m:d:ko")) != -1)
        switch (c) {
        case 'n': n_urls = (uint64_t)(atof(optarg) * 1e6); break;
        case 'h': n_hosts = strtoull(optarg, NULL, 10); break;
        case 'm': budget_mib = strtoull(optarg, NULL, 10); break;
        case 'd': dir = optarg; break;
        case 'k': is_killed = true; break;
        case 'o': n_urls = 0; break;
        default: return 2;
        }
    mkdir(dir, 0755);
    if (n_urls > 0)
        part(dir, true, is_killed);
    part(dir, false, false);
    return 0;
}
