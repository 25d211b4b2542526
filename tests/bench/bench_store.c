/* bench_store.c - CPU time of one stored page, stage by stage: 28 KB of HTML, 76 links
 *
 * usage: bench_store FOLDER [PAGES]     (FOLDER is made; remove it afterwards)
 */
#include "storage/linkblob.h"
#include "storage/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define BODY_BYTES (28 * 1024)
#define N_LINKS 76

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
make_body(struct buf *b, unsigned seed)
{
    static const char *const words[] = { "spider", "web", "the", "silk", "of", "orb", "and", "evening", "thread", "a", "wind", "radius" };

    buf_clear(b);
    while (b->n < BODY_BYTES) {
        seed = seed * 1103515245u + 12345u;
        if (buf_printf(b, "<div class=\"card\"><h3>%s %s %u</h3><p>%s %s %s %s %s.</p><a href=\"/section-%u/article-%u.html\">%s</a></div>\n",
                       words[seed >> 8 & 7], words[seed >> 12 & 7], seed >> 16, words[seed >> 5 & 7], words[seed >> 9 & 7],
                       words[seed >> 13 & 7], words[4 + (seed >> 17 & 7)], words[seed >> 21 & 7], seed >> 28, seed >> 10, words[seed >> 24 & 7]) != 0)
            exit(1);
    }
    buf_truncate(b, BODY_BYTES);
}

int
main(int argc, char **argv)
{
    static char pages_dir[512], warc_dir[512], urls[N_LINKS][96];
    struct store_conf conf = { .pages_dir = pages_dir, .warc_dir = warc_dir, .software = "bench" };
    unsigned n_pages = argc > 2 ? (unsigned)atoi(argv[2]) : 20000, n_commits = 0;
    struct record_link links[N_LINKS];
    struct store *s = NULL;
    struct buf body, blob, error;
    double put = 0, flush = 0, t;

    if (argc < 2)
        return fprintf(stderr, "usage: bench_store FOLDER [PAGES]\n"), 2;
    snprintf(pages_dir, sizeof pages_dir, "%s/pages", argv[1]);
    snprintf(warc_dir, sizeof warc_dir, "%s/warc", argv[1]);
    mkdir(argv[1], 0755), mkdir(pages_dir, 0755), mkdir(warc_dir, 0755);
    buf_init(&body, MEM_BUF, 1 << 20);
    buf_init(&blob, MEM_BUF, 1 << 20);
    buf_init(&error, MEM_BUF, 1 << 20);
    if (store_open(&s, &conf, &error) != 0)
        return fprintf(stderr, "%s\n", error.p), 1;
    for (int i = 0; i < N_LINKS; i++) {
        snprintf(urls[i], sizeof urls[i], "http://www-%d.example.org/section-%d/article-%08d.html", i / 70, i % 5, i * 77777);
        links[i] = (struct record_link){ slice_str(urls[i]), 0, 0, 0 };
    }
    t = cpu_seconds();
    for (int i = 0; i < 20000; i++) {
        buf_clear(&blob);
        if (linkblob_append(&blob, links, N_LINKS) != 0)
            return 1;
    }
    printf("linkblob   %6.2f us for %d links (%zu bytes)\n", (cpu_seconds() - t) / 20000 * 1e6, N_LINKS, blob.n);
    for (unsigned i = 0; i < n_pages; i++) {
        char url[96];
        struct record r = { .url_id = i + 1, .status = 200, .http_version = 11, .fetched_at_ms = 1795347495123u + i, .fetch_ms = 5 };

        make_body(&body, i);
        snprintf(url, sizeof url, "http://www.example.org/section/%u.html", i);
        r.url = slice_str(url);
        r.title = SLICE_LITERAL("A page of the benchmark");
        r.content_type = SLICE_LITERAL("text/html; charset=utf-8");
        r.charset = SLICE_LITERAL("utf-8");
        r.outcome = SLICE_LITERAL("ok");
        r.remote_address = SLICE_LITERAL("127.0.0.1");
        r.request = SLICE_LITERAL("GET /section/1.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: orbweaver/0.1 (+you@example.org)\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n");
        r.head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 11:38:15 GMT\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 28672\r\nConnection: keep-alive\r\n\r\n");
        r.wire_body = r.payload = r.body = buf_slice(&body);
        r.links = links;
        r.n_links = N_LINKS;
        t = cpu_seconds();
        if (store_put(s, &r, r.fetched_at_ms) != 0)
            return 1;
        put += cpu_seconds() - t;
        if (store_is_full(s)) {
            t = cpu_seconds();
            if (store_flush(s) != 0)
                return 1;
            flush += cpu_seconds() - t;
            n_commits++;
        }
    }
    printf("store_put  %6.2f us per page of %d bytes\n", put / n_pages * 1e6, BODY_BYTES);
    printf("store_flush %5.2f us per row, %u commits, %.0f rows/s\n", flush / n_pages * 1e6, n_commits, n_pages / flush);
    if (store_close(&s) != 0)
        return 1;
    buf_fini(&body);
    buf_fini(&blob);
    return 0;
}
