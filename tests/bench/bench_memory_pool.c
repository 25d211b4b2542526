/* bench_memory_pool - what an allocation costs in a domain, and what the C library takes for the same
 *
 *   pair     malloc + free of 16-512 bytes, 4,096 live slots at random: a domain's slabs
 *   large    the same of 2-24 KiB: a domain's arena
 *   xml      libxml2 builds and frees the tree of a page with 3,000 elements and more, through its domain with exact accounting
 *   drain    a window of pages comes and goes beside long-lived strings: private bytes after mem_purge() against live ones
 *   ...      and once nine strings of ten are gone: what the tenth pins, page by page
 *
 * Built a second time as glibc_memory_pool, with malloc in the place of the domains and without jemalloc (BENCH_GLIBC); this program
 * runs that one, so that both are measured in one run. CPU time, fastest of ROUNDS.
 */
#include <libxml/HTMLparser.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef BENCH_GLIBC
enum domain { MEM_PLUGIN, MEM_PAGE, MEM_FRONTIER };
#define GET(domain, n) malloc(n)
#define PUT(domain, p) free(p)
#define PURGE() malloc_trim(0)
#else
#include "crawler/xml.h"
#include "pool/mem.h"
#define GET(domain, n) mem_alloc(domain, n)
#define PUT(domain, p) mem_free(domain, p)
#define PURGE() mem_purge()
#endif

#define ROUNDS 12
#define N_LIVE 4096
#define N_STEPS 65536

static uint16_t sizes[N_STEPS], places[N_STEPS];
static void *live[N_LIVE];
static uint32_t seed = 1;

static uint32_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

static double
cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
pairs_ns(unsigned least, unsigned most)
{
    double best = 1e9;

    for (unsigned i = 0; i < N_STEPS; i++) {
        sizes[i] = (uint16_t)(least + next_random() % (most - least + 1));
        places[i] = (uint16_t)(next_random() % N_LIVE);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        double t = cpu_s();

        for (unsigned again = 0; again < 20; again++)
            for (unsigned i = 0; i < N_STEPS; i++) {
                char *p;

                PUT(MEM_PLUGIN, live[places[i]]);
                p = GET(MEM_PLUGIN, sizes[i]);
                p[0] = 1;
                live[places[i]] = p;
            }
        t = cpu_s() - t;
        best = t < best ? t : best;
    }
    for (unsigned i = 0; i < N_LIVE; i++) {
        PUT(MEM_PLUGIN, live[i]);
        live[i] = NULL;
    }
    return best / 20 / N_STEPS * 1e9;
}

static double
xml_mb_per_s(void)
{
    static char page[1 << 20];
    size_t n = 0;
    double best = 1e9;

    for (int i = 0; i < 1500; i++)
        n += (size_t)snprintf(page + n, sizeof page - n,
                              "<div class=c%d><a href='/p/%d'>link %d</a><p>text text text %d</div>\n", i % 7, i, i, i);
    for (int round = 0; round < ROUNDS; round++) {
        double t = cpu_s();

        for (int i = 0; i < 20; i++)
            xmlFreeDoc(htmlReadMemory(page, (int)n, "http://x/", NULL, HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING));
        t = cpu_s() - t;
        best = t < best ? t : best;
    }
    return 20.0 * (double)n / best / 1e6;
}

static double
private_mb(void)
{
    char line[256];
    long kib = 0, one;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Private_Clean: %ld", &one) == 1 || sscanf(line, "Private_Dirty: %ld", &one) == 1)
            kib += one;
    if (f != NULL)
        fclose(f);
    return (double)kib / 1024;
}

/* 128 pages in flight of 200-2500 blocks and a body each, 1,000 of them in all; one block in fifty is a string that stays. */
static void *strings[40000];

static void
pages_come_and_go(void)
{
    enum { N_PAGES = 128, N_BLOCKS = 2500, N_KEPT = sizeof strings / sizeof strings[0] };
    static void *blocks[N_PAGES][N_BLOCKS + 1];
    unsigned n_kept = 0;

    for (unsigned i = 0; i < 1000 + N_PAGES; i++) {
        void **page = blocks[i % N_PAGES];
        unsigned n = 200 + next_random() % (N_BLOCKS - 200);

        for (unsigned k = 0; k <= N_BLOCKS; k++) {
            PUT(MEM_PAGE, page[k]);
            page[k] = NULL;
        }
        for (unsigned k = 0; i < 1000 && k < n; k++) {
            unsigned size = 16 + next_random() % 497;

            page[k] = memset(GET(MEM_PAGE, size), 1, size);
            if (k % 50 == 0) {
                PUT(MEM_FRONTIER, strings[n_kept % N_KEPT]);
                strings[n_kept++ % N_KEPT] = memset(GET(MEM_FRONTIER, size), 1, size);
            }
        }
        if (i < 1000)
            page[n] = memset(GET(MEM_PAGE, 1000 + next_random() % 200000), 1, 1000);
    }
}

static void
nine_strings_of_ten_go(void)
{
    for (unsigned i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (i % 10 != 0) {
            PUT(MEM_FRONTIER, strings[i]);
            strings[i] = NULL;
        }
}

struct figures {
    double pair_ns, large_ns, xml_mb_per_s, peak_mb, drained_mb, thinned_mb;
};

static void
measure(struct figures *f)
{
    double before = private_mb();

    pages_come_and_go();
    f->peak_mb = private_mb() - before;
    PURGE();
    f->drained_mb = private_mb() - before;
    f->pair_ns = pairs_ns(16, 512);
    f->large_ns = pairs_ns(2048, 24576);
    f->xml_mb_per_s = xml_mb_per_s();
    xmlCleanupParser();
}

#ifdef BENCH_GLIBC

int
main(void)
{
    struct figures f;

    measure(&f);
    nine_strings_of_ten_go();
    PURGE();
    printf("%f %f %f %f %f %f\n", f.pair_ns, f.large_ns, f.xml_mb_per_s, f.peak_mb, f.drained_mb, private_mb());
    return 0;
}

#else

static bool
twin(const char *self, struct figures *f)
{
    char path[4200];
    FILE *in;
    bool is_read;

    snprintf(path, sizeof path, "%.*sglibc_memory_pool", (int)(strrchr(self, '/') == NULL ? 0 : strrchr(self, '/') + 1 - self), self);
    in = popen(path, "r");
    if (in == NULL)
        return false;
    is_read = fscanf(in, "%lf %lf %lf %lf %lf %lf", &f->pair_ns, &f->large_ns, &f->xml_mb_per_s, &f->peak_mb, &f->drained_mb,
                     &f->thinned_mb) == 6;
    pclose(in);
    return is_read;
}

static void
row(const char *name, double ours, double theirs, double ratio, const char *target, bool is_met)
{
    char other[40] = "";

    if (theirs > 0)
        snprintf(other, sizeof other, "%.4g, %.2fx", theirs, ratio);
    printf("%-44s %12.4g %-22s %-11s %s\n", name, ours, other, target, target[0] == '\0' ? "" : is_met ? "pass" : "MISS");
}

int
main(int argc, char **argv)
{
    const char *names[MEM_N_DOMAINS];
    struct figures f, g = { 0 };
    struct mem_stats xml;
    double live_mb, start = private_mb();
    unsigned n_wrong;

    if (!xml_init())
        return 1;
    if (!twin(argv[0], &g))
        printf("glibc_memory_pool is not beside this program: no comparison\n");
    measure(&f);
    mem_purge();
    live_mb = (double)mem_live_bytes() / 1048576;
    f.drained_mb = private_mb() - start;
    n_wrong = mem_verify(names, MEM_N_DOMAINS);
    mem_stats(MEM_XML, &xml);
    printf("%-44s %12s %-22s %-11s\n", "", "orb", "glibc malloc, ratio", "target");
    row("malloc+free pair, 16-512 B (ns)", f.pair_ns, g.pair_ns, g.pair_ns / f.pair_ns, "<= 12 ns", f.pair_ns <= 12);
    row("malloc+free pair, 2-24 KiB (ns)", f.large_ns, g.large_ns, g.large_ns / f.large_ns, "", true);
    row("libxml2 tree, accounted (MB/s)", f.xml_mb_per_s, g.xml_mb_per_s, f.xml_mb_per_s / g.xml_mb_per_s, ">= 1.3x",
        f.xml_mb_per_s >= 1.3 * g.xml_mb_per_s);
    row("bytes left by libxml2 after its cleanup", (double)xml.live_bytes, 0, 0, "0", xml.live_bytes == 0);
    row("domains with an accounting error", n_wrong, 0, 0, "0", n_wrong == 0);
    row("live after drain (MiB)", live_mb, 0, 0, "", true);
    row("private after drain and purge (MiB)", f.drained_mb, g.drained_mb, g.drained_mb / f.drained_mb, "live*1.25+6",
        f.drained_mb <= live_mb * 1.25 + 6);
    nine_strings_of_ten_go();
    mem_purge();
    row("... live once 9 strings of 10 are gone", (double)mem_live_bytes() / 1048576, 0, 0, "", true);
    row("... private then", private_mb() - start, g.thinned_mb, g.thinned_mb / (private_mb() - start), "", true);
    return n_wrong != 0;
}

#endif
