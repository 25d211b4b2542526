/* bench_frontier.c - the door under load: N distinct URLs on H hosts in random order, 4 of 5 offers a duplicate
 *
 * usage: bench_frontier [-n MILLIONS] [-h HOSTS] [-m BUDGET_MIB] [-d DIR] [-k]
 *   -r  the first tenth only, its rate and CPU an offer on one line
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
static bool is_first; /* -r */

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
    fprintf(is_first ? stderr : stdout, "open: %.2f s, %llu URLs, %llu hosts%s, RSS %zu MiB\n", r.seconds, (unsigned long long)r.n_urls,
           (unsigned long long)r.n_hosts, r.was_unclean ? ", unclean" : "", rss_kib("Rss:") / 1024);
    buf_fini(&error);
    return f;
}

/* Links come to the door as the coordinator brings a page's: a window at a time, all of it foreseen first. */
enum { WINDOW = 16 };
static struct front_link window[WINDOW];
static char window_texts[WINDOW][160];
static unsigned n_window;

static void
offer_window(struct front *f, uint64_t *counts)
{
    for (unsigned i = 0; i < n_window; i++) {
        enum front_verdict v = front_offer(f, &window[i]);

        if (v == FRONT_ERROR) {
            fprintf(stderr, "out of memory\n");
            exit(1);
        }
        counts[v]++;
    }
    n_window = 0;
}

static void
offer_text(struct front *f, struct slice url, uint64_t *counts)
{
    window[n_window] = (struct front_link){ .url = url, .via_url_id = 1, .depth = 1 };
    front_foresee(f, &window[n_window]);
    if (++n_window == WINDOW)
        offer_window(f, counts);
}

static void
offer(struct front *f, uint64_t i, uint64_t *counts)
{
    char *text = window_texts[n_window];

    offer_text(f, slice_of(text, url_text(text, sizeof window_texts[0], i)), counts);
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
    for (int i = 0; i < N; i++)
        offer_text(f, slice_of(texts + at[i], at[i + 1] - at[i]), counts);
    offer_window(f, counts);
    printf("seen links alone, of all: %.0f offers/s\n", N / ((double)clock_now_us() / 1e6 - began));
    (void)!front_report_end(f, clock_now_ms(), clock_wall_ms());
    mem_free(MEM_DEFAULT, texts);
    mem_free(MEM_DEFAULT, at);
}

static void
wait_for_room(struct front *f, struct ev_loop *loop)
{
    static uint64_t n_reports;
    struct timespec pause = { 0, 1000000 };

    if (n_reports++ > 0)
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

struct pace {
    double wall, cpu;
};

static struct pace
feed_range(struct front *f, struct ev_loop *loop, uint64_t from, uint64_t to, uint64_t *counts)
{
    static uint64_t seed = 42;
    struct pace began = { (double)clock_now_us() / 1e6, cpu_s() };

    for (uint64_t i = from; i < to; i++) {
        if (i % 64 == 0) {
            offer_window(f, counts);
            wait_for_room(f, loop);
        }
        offer(f, i, counts);
        for (int k = 0; k < 4; k++) {
            uint64_t back = k < 2 && i > 100000 ? 100000 : i + 1;
            seed = mix(seed);
            offer(f, i - seed % back, counts);
        }
    }
    offer_window(f, counts);
    return (struct pace){ (double)(to - from) * 5 / ((double)clock_now_us() / 1e6 - began.wall),
                          (cpu_s() - began.cpu) * 1e6 / (double)(to - from) / 5 };
}

static struct pace
tenth(struct front *f, struct ev_loop *loop, unsigned k, uint64_t *counts, size_t *max_rss)
{
    struct pace pace = feed_range(f, loop, n_urls / 10 * k, n_urls / 10 * (k + 1), counts);
    size_t rss = rss_kib("Rss:") / 1024;
    struct front_stats st;

    front_stats(f, &st);
    *max_rss = ORB_MAX(*max_rss, rss);
    printf("%5.1f M new  %8.0f offers/s  (CPU of the loop: %.2f us an offer)  RSS %zu MiB  seen %zu MiB RAM %zu MiB disk  queue %llu KiB  commits %llu\n",
           (double)(n_urls / 10 * (k + 1)) / 1e6, pace.wall, pace.cpu, rss, st.seen_ram_bytes >> 20, st.seen_disk_bytes >> 20,
           (unsigned long long)st.queue_depth >> 10, (unsigned long long)st.commits);
    fflush(stdout);
    return pace;
}

/* The first tenth once more, in a process and a folder of its own: machines are shared and their speed drifts, so that the
 * last tenth is held against first ones right before and after it. */
static struct pace
first_again(const char *dir)
{
    struct pace pace = { 0 };
    char command[512];
    FILE *p;

    snprintf(command, sizeof command, "exec /proc/%d/exe -r -n %f -h %llu -m %zu -d %s.first 2> /dev/null", (int)getpid(), (double)n_urls / 1e6,
             (unsigned long long)n_hosts, budget_mib, dir);
    p = popen(command, "r");
    if (p == NULL || fscanf(p, "%lf %lf", &pace.wall, &pace.cpu) != 2)
        printf("the first tenth again: failed\n");
    if (p != NULL)
        pclose(p);
    snprintf(command, sizeof command, "rm -rf %s.first", dir);
    (void)!system(command);
    return pace;
}

static void
feed(struct front *f, struct ev_loop *loop, const char *dir)
{
    uint64_t counts[8] = { 0 };
    size_t max_rss = 0;
    double began = (double)clock_now_us() / 1e6;
    struct pace before, last, after;

    for (unsigned k = 0; k < 9; k++)
        tenth(f, loop, k, counts, &max_rss);
    before = first_again(dir);
    last = tenth(f, loop, 9, counts, &max_rss);
    after = first_again(dir);
    (void)!front_report_end(f, clock_now_ms(), clock_wall_ms());
    printf("%llu new, %llu seen: %.0f offers/s with two more first tenths; most RSS %zu MiB (budget %zu)\n",
           (unsigned long long)counts[FRONT_NEW], (unsigned long long)counts[FRONT_SEEN],
           (double)(n_urls * 5) / ((double)clock_now_us() / 1e6 - began), max_rss, budget_mib);
    printf("last tenth against the first, run again right before and after it: rate %.0f %% (%.0f, %.0f, %.0f offers/s), CPU of the loop %.0f %%\n",
           200 * last.wall / (before.wall + after.wall), before.wall, last.wall, after.wall,
           200 * last.cpu / (before.cpu + after.cpu));
    seen_alone(f, counts);
}

static void
part(const char *dir, bool is_fed, bool is_killed)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct ev_loop *loop = ev_loop_new(0);
        struct front *f = open_front(dir, loop);
        double began;

        if (is_fed)
            feed(f, loop, dir);
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

static void
first_tenth_only(const char *dir)
{
    struct ev_loop *loop = ev_loop_new(0);
    uint64_t counts[8] = { 0 };
    struct front *f = open_front(dir, loop);
    struct pace pace = feed_range(f, loop, 0, n_urls / 10, counts);

    printf("%f %f\n", pace.wall, pace.cpu);
    fflush(stdout);
    _exit(0);
}

int
main(int argc, char **argv)
{
    const char *dir = "bench-frontier.tmp";
    bool is_killed = false;
    int c;

    while ((c = getopt(argc, argv, "n:h:m:d:kor")) != -1)
        switch (c) {
        case 'n': n_urls = (uint64_t)(atof(optarg) * 1e6); break;
        case 'h': n_hosts = strtoull(optarg, NULL, 10); break;
        case 'm': budget_mib = strtoull(optarg, NULL, 10); break;
        case 'd': dir = optarg; break;
        case 'k': is_killed = true; break;
        case 'o': n_urls = 0; break;
        case 'r': is_first = true; break;
        default: return 2;
        }
    mkdir(dir, 0755);
    if (is_first)
        first_tenth_only(dir);
    if (n_urls > 0)
        part(dir, true, is_killed);
    part(dir, false, false);
    return 0;
}
