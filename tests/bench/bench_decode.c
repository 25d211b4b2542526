/* bench_decode.c - decoded MB per second of CPU time, beside the bare library on the same bytes in the same run
 *
 * Interleaved rounds, the best of each: the machine's noise is not ours.
 */
#include <libdeflate.h>
#include <stdio.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include "crawler/decode.h"
#include "tests/support/encode.h"

#define ROUNDS 7
#define ROUND_BYTES (24u << 20)

struct subject {
    const char *name, *label;
    struct buf wire;
    double best_s[2]; /* ours, the bare library's */
};

static struct buf plain, out;

static double
cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
ours(const struct subject *s)
{
    struct slice body;
    enum outcome o = decode_content(&out, buf_slice(&s->wire), slice_str(s->label), 64u << 20, &body, NULL);

    CHECK(o == OUTCOME_OK && body.n == plain.n);
}

/* What a careful caller of zlib does: a fresh state per body, output of the right size known beforehand. */
static void
bare(const struct subject *s)
{
    size_t n = plain.n;

    if (s->label[0] == 'z') {
        CHECK(ZSTD_decompress(out.p, n, s->wire.p, s->wire.n) == n);
    } else if (s->label[0] == 'g' || s->label[0] == 'd') {
        z_stream z = { .next_in = (Bytef *)s->wire.p, .avail_in = (uInt)s->wire.n };
        CHECK(inflateInit2(&z, 47) == Z_OK);
        z.next_out = (Bytef *)out.p;
        z.avail_out = (uInt)n;
        CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
        inflateEnd(&z);
    }
}

static void
measure(struct subject *s, void (*run)(const struct subject *), double *best_s)
{
    unsigned times = (unsigned)(ROUND_BYTES / plain.n) + 1;
    double start = cpu_s(), took;

    for (unsigned i = 0; i < times; i++)
        run(s);
    took = (cpu_s() - start) / times;
    if (*best_s == 0 || took < *best_s)
        *best_s = took;
}

static void
bench(size_t n_bytes)
{
    struct subject subjects[] = { { .name = "gzip", .label = "gzip" }, { .name = "deflate (zlib)", .label = "deflate" },
                                  { .name = "br", .label = "br" }, { .name = "zstd, size named", .label = "zstd" },
                                  { .name = "zstd, size unknown", .label = "zstd" } };

    buf_clear(&plain);
    encode_sample(&plain, n_bytes, 1);
    for (size_t i = 0; i < ORB_N_ELEMENTS(subjects); i++)
        buf_init(&subjects[i].wire, MEM_DEFAULT, BUF_NO_CEILING);
    encode_deflate(&subjects[0].wire, buf_slice(&plain), ENCODE_GZIP);
    encode_deflate(&subjects[1].wire, buf_slice(&plain), ENCODE_ZLIB);
    encode_br(&subjects[2].wire, buf_slice(&plain));
    encode_zstd(&subjects[3].wire, buf_slice(&plain), 19, true);
    encode_zstd(&subjects[4].wire, buf_slice(&plain), 19, false);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < ORB_N_ELEMENTS(subjects); i++) {
            measure(&subjects[i], ours, &subjects[i].best_s[0]);
            measure(&subjects[i], bare, &subjects[i].best_s[1]);
        }
    for (size_t i = 0; i < ORB_N_ELEMENTS(subjects); i++) {
        struct subject *s = &subjects[i];
        printf("%8zu bytes  %-20s %5.1f:1  %7.0f MB/s", n_bytes, s->name, (double)plain.n / (double)s->wire.n,
               (double)plain.n / s->best_s[0] / 1e6);
        if (s->label[0] != 'b')
            printf("   bare %s %7.0f MB/s", s->label[0] == 'z' ? "ZSTD_decompress" : "zlib",
                   (double)plain.n / s->best_s[1] / 1e6);
        printf("\n");
        buf_fini(&s->wire);
    }
}

static void
bench_chunked(size_t chunk_bytes)
{
    struct buf wire;
    double best_s = 0;
    bool is_truncated;

    buf_init(&wire, MEM_DEFAULT, BUF_NO_CEILING);
    encode_chunked(&wire, buf_slice(&plain), chunk_bytes);
    for (unsigned round = 0; round < ROUNDS; round++) {
        double start = cpu_s(), took;
        CHECK(decode_chunked(&out, buf_slice(&wire), 64u << 20, &is_truncated) == OUTCOME_OK && !is_truncated);
        took = cpu_s() - start;
        best_s = best_s == 0 || took < best_s ? took : best_s;
    }
    printf("%8zu bytes  chunks of %-10zu        %7.0f MB/s\n", plain.n, chunk_bytes, (double)plain.n / best_s / 1e6);
    buf_fini(&wire);
}

int
main(void)
{
    buf_init(&plain, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    bench(28000);
    bench(1000000);
    bench_chunked(1);
    bench_chunked(8192);
    decode_release();
    buf_fini(&plain);
    buf_fini(&out);
    return 0;
}
