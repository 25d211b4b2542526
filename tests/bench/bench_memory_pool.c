/* bench_memory_pool - what an allocation costs in a domain, and what the C library takes for the same
 *
 *   pair     malloc + free of 16-512 bytes, 4,096 live slots at random: a domain's slabs
 *   large    the same of 2-24 KiB: a domain's arena
 *   xml      libxml2 builds and frees the tree of a page with 3,000 elements and more, through its domain with exact accounting
 *   private  a window of pages comes and goes beside long-lived strings: private bytes after mem_purge() against live ones
 *
 * The last line of each part is "NAME value unit". Built a second time as bench_memory_pool_glibc, with malloc in the place of the
 * domains and without jemalloc (BENCH_GLIBC); this program runs that one first, so that both are measured side by side. CPU time,
 * fastest of ROUNDS.
 */
#include <libxml/HTMLparser.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_GLIBC
enum domain { MEM_PLUGIN, MEM_PAGE, MEM_FRONTIER };
#define GET(domain, n) malloc(n)
#define PUT(domain, p) free(p)
#define SUFFIX "_glibc"
#else
#include "crawler/xml.h"
#include "pool/mem.h"
#define GET(domain, n) mem_alloc(domain, n)
#define PUT(domain, p) mem_free(domain, p)
#define SUFFIX ""
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

/* 128 pages in flight of 200-2500 blocks and a body each, 1,000 of them in all; one block in fifty is a string that stays.
 * Then the pages go, and nine of ten strings. */
static void
pages_come_and_go(void)
{
    enum { N_PAGES = 128, N_BLOCKS = 2500, N_KEPT = 40000 };
    static void *blocks[N_PAGES][N_BLOCKS + 1], *kept[N_KEPT];
    unsigned n_kept = 0;

    for (unsigned i = 0; i < 1000 + N_PAGES; i++) {
        void **page = blocks[i % N_PAGES];
        unsigned n = 200 + next_random() % (N_BLOCKS - 200);

        for (unsigned k = 0; k <= N_BLOCKS; k++) {
            PUT(MEM_PAGE, page[k]);
            page[k] = NULL;
        }
        if (i >= 1000)
            continue;
        for (unsigned k = 0; k < n; k++) {
            unsigned size = 16 + next_random() % 497;

            page[k] = memset(GET(MEM_PAGE, size), 1, size);
            if (k % 50 == 0) {
                PUT(MEM_FRONTIER, kept[n_kept % N_KEPT]);
                kept[n_kept++ % N_KEPT] = memset(GET(MEM_FRONTIER, size), 1, size);
            }
        }
        page[n] = memset(GET(MEM_PAGE, 1000 + next_random() % 200000), 1, 1000);
    }
    for (unsigned i = 0; i < N_KEPT; i++)
        if (i % 10 != 0) {
            PUT(MEM_FRONTIER, kept[i]);
            kept[i] = NULL;
        }
}

int
main(int argc, char **argv)
{
    double before;

#ifdef BENCH_GLIBC
    const char *who = "glibc malloc";
#else
    const char *who = "a domain";
    char twin[4200];

    snprintf(twin, sizeof twin, "%s_glibc", argv[0]);
    if (access(twin, X_OK) == 0 && system(twin) != 0)
        return 1;
    if (!xml_init())
        return 1;
#endif
    before = private_mb();
    pages_come_and_go();
#ifndef BENCH_GLIBC
    double peak = private_mb();
    mem_purge();
    printf("pages come and go: private %.1f MiB, after mem_purge() %.1f (%.1f before it all), live %.2f MiB\n", peak, private_mb(),
           before, (double)mem_live_bytes() / 1048576);
    printf("private_over_live_after_purge %.2f MiB\n", private_mb() - before - (double)mem_live_bytes() / 1048576);
#else
    printf("pages come and go: private %.1f MiB (%.1f before it all)\n", private_mb(), before);
#endif
    printf("malloc+free of 16-512 bytes in %s\npair%s %.1f ns\n", who, SUFFIX, pairs_ns(16, 512));
    printf("malloc+free of 2-24 KiB in %s\nlarge_pair%s %.1f ns\n", who, SUFFIX, pairs_ns(2048, 24576));
    printf("libxml2 tree through %s\nxml%s %.1f MB/s\n", who, SUFFIX, xml_mb_per_s());
    xmlCleanupParser();
#ifndef BENCH_GLIBC
    const char *names[MEM_N_DOMAINS];
    struct mem_stats s;
    unsigned n = mem_verify(names, MEM_N_DOMAINS);

    mem_stats(MEM_XML, &s);
    printf("left in libxml2's domain after its cleanup\nxml_left %zu bytes\n", s.live_bytes);
    printf("domains whose counters differ from slabs and arenas\naccounting_errors %u domains\n", n);
    return n != 0;
#endif
    return 0;
}
