/* bench_memory_trace - what sampled allocation stacks cost: libxml2 builds and frees the tree of a page, sampling off and on
 *
 * The ways take turns, so that a busy machine is busy for all; the figure is the median over the rounds of one way's CPU time in a
 * round against "off" in the same round. "off again" is the measure of the noise: nothing differs from "off".
 */
#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crawler/xml.h"
#include "gc/trace.h"

#define ROUNDS 30
#define PAGES_PER_ROUND 10
#define N_LIVE 64 /* documents that live on: what frees have to be told apart from */

static const struct way {
    const char *name;
    size_t mean_bytes; /* 0 = off */
} ways[] = { { "off", 0 }, { "off again", 0 }, { "512 KiB", 512 * 1024 }, { "64 KiB", 64 * 1024 }, { "16 KiB", 16 * 1024 } };

#define N_WAYS ORB_N_ELEMENTS(ways)

static struct buf page;
static htmlDocPtr kept[N_LIVE];
static double took_s[N_WAYS][ROUNDS];

static double
cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
make_page(void)
{
    buf_init(&page, MEM_BUF, BUF_NO_CEILING);
    for (int i = 0; i < 1500; i++)
        if (buf_printf(&page, "<div class=c%d><a href='/p/%d'>link %d</a><p>text text text %d</div>\n", i % 7, i, i, i) != 0)
            exit(1);
}

static htmlDocPtr
parse(void)
{
    htmlDocPtr doc = htmlReadMemory(page.p, (int)page.n, "http://bench.test/", NULL, HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);

    if (doc == NULL)
        exit(1);
    return doc;
}

static double
work_s(unsigned round)
{
    double start = cpu_s();

    for (unsigned i = 0; i < PAGES_PER_ROUND; i++) {
        htmlDocPtr *place = &kept[(round + i) % N_LIVE], doc = parse();

        if (i == 0) { /* one in so many stays for a while */
            xmlFreeDoc(*place);
            *place = doc;
        } else {
            xmlFreeDoc(doc);
        }
    }
    return cpu_s() - start;
}

static void
prepare(const struct way *w)
{
    trace_stop();
    if (w->mean_bytes != 0 && trace_start(w->mean_bytes) != 0) {
        printf("skipped: built without libunwind\n");
        exit(0);
    }
    for (unsigned i = 0; i < N_LIVE; i += 8) { /* samples that live */
        xmlFreeDoc(kept[i]);
        kept[i] = parse();
    }
}

static int
compare(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void
report(unsigned w, const struct trace_stats *s)
{
    double ratios[ROUNDS], best = took_s[w][0];

    for (unsigned r = 0; r < ROUNDS; r++) {
        ratios[r] = took_s[w][r] / took_s[0][r];
        best = took_s[w][r] < best ? took_s[w][r] : best;
    }
    qsort(ratios, ROUNDS, sizeof ratios[0], compare);
    printf("%-10s %7.3f ms/page  %6.1f MB/s  ratio to off %.3f (quartiles %.3f %.3f)  samples %llu, alive %llu\n", ways[w].name,
           best * 1e3 / PAGES_PER_ROUND, (double)page.n * PAGES_PER_ROUND / 1e6 / best, ratios[ROUNDS / 2], ratios[ROUNDS / 4],
           ratios[ROUNDS * 3 / 4], (unsigned long long)s->n_samples, (unsigned long long)s->n_live);
}

/* What a worker cannot do meanwhile: the first export looks every name up in the files, later ones remember. */
static void
time_exports(void)
{
    struct buf to;
    double first, again;

    buf_init(&to, MEM_DEFAULT, BUF_NO_CEILING);
    first = cpu_s();
    if (trace_json(&to, 100) != 0)
        exit(1);
    first = cpu_s() - first;
    again = cpu_s();
    if (trace_pprof(&to) != 0)
        exit(1);
    again = cpu_s() - again;
    printf("export     first %.1f ms, again %.1f ms\n", first * 1e3, again * 1e3);
    buf_fini(&to);
}

int
main(void)
{
    struct trace_stats stats[N_WAYS];

    xml_init();
    make_page();
    for (unsigned r = 0; r < ROUNDS; r++)
        for (unsigned w = 0; w < N_WAYS; w++) {
            prepare(&ways[w]);
            work_s(r); /* warm up: the change itself is not the question */
            took_s[w][r] = work_s(r);
            trace_stats(&stats[w]);
        }
    for (unsigned w = 0; w < N_WAYS; w++)
        report(w, &stats[w]);
    time_exports();
    trace_stop();
    for (unsigned i = 0; i < N_LIVE; i++)
        xmlFreeDoc(kept[i]);
    xml_fini();
    buf_fini(&page);
    return 0;
}
