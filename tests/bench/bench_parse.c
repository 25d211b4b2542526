/* bench_parse - CPU time from a body to its links, per page, beside what the parser alone costs
 *
 *   find -L WEB -name '*.html' | shuf -n 2000 | bench_parse
 *
 * All files are read first; then each way goes over the same bytes, ROUNDS times, and the fastest round counts:
 *   sax      html_parse() without events: libxml2 and nothing of ours
 *   links    parse_page(): charset, links, title, policy, simhash
 *   assets   the same with want_assets
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crawler/html.h"
#include "crawler/parse.h"

#define ROUNDS 3
#define MAX_FILES 20000

static struct buf bodies[MAX_FILES];
static struct url urls[MAX_FILES];
static size_t n_bodies, n_bytes, n_links;
static struct parsed parsed;

static double
cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
read_body(const char *path)
{
    struct buf *b = &bodies[n_bodies];
    FILE *f = fopen(path, "rb");
    char href[4200];
    size_t n;

    if (f == NULL)
        return;
    buf_init(b, MEM_BUF, BUF_NO_CEILING);
    do {
        if (buf_reserve(b, 65536) != 0)
            exit(1);
        n = fread(b->p + b->n, 1, 65536, f);
        b->n += n;
        b->p[b->n] = '\0';
    } while (n > 0);
    fclose(f);
    url_init(&urls[n_bodies], MEM_DEFAULT);
    snprintf(href, sizeof href, "http://bench.test/%s", path);
    if (url_parse(&urls[n_bodies], slice_str(href), NULL) != 0)
        exit(1);
    n_bytes += b->n;
    n_bodies++;
}

static void
sax(size_t i)
{
    static const struct html_events none;

    if (html_parse(buf_slice(&bodies[i]), &none) != 0)
        exit(1);
}

static void
page(size_t i, bool want_assets)
{
    struct parse_input in = { .url = &urls[i], .content_type = SLICE_LITERAL("text/html"), .want_assets = want_assets,
                              .body = buf_slice(&bodies[i]), .user_agent = SLICE_LITERAL("orb") };

    if (parse_page(&parsed, &in) != 0)
        exit(1);
    n_links += parsed.n_links;
}

static void
links(size_t i)
{
    page(i, false);
}

static void
assets(size_t i)
{
    page(i, true);
}

static void
time_way(const char *name, void (*way)(size_t), unsigned round, double *best)
{
    double start = cpu_s(), took;

    n_links = 0;
    for (size_t i = 0; i < n_bodies; i++)
        way(i);
    took = cpu_s() - start;
    if (round == 0 || took < *best)
        *best = took;
    if (round == ROUNDS - 1)
        printf("%-7s %.3f ms/page  %6.1f MB/s  %.1f links/page\n", name, *best * 1e3 / (double)n_bodies,
               (double)n_bytes / 1e6 / *best, (double)n_links / (double)n_bodies);
}

int
main(void)
{
    char path[4096];
    double best[3] = { 0, 0, 0 };

    while (n_bodies < MAX_FILES && fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        read_body(path);
    }
    if (n_bodies == 0) {
        fprintf(stderr, "bench_parse: no files named on standard input\n");
        return 2;
    }
    printf("%zu pages, %.1f KB each\n", n_bodies, (double)n_bytes / 1e3 / (double)n_bodies);
    parsed_init(&parsed);
    for (unsigned round = 0; round < ROUNDS; round++) { /* the ways take turns: a busy machine is busy for all */
        time_way("sax", sax, round, &best[0]);
        time_way("links", links, round, &best[1]);
        time_way("assets", assets, round, &best[2]);
    }
    return 0;
}
