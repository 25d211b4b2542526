#include "tests/support/encode.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

static void
deflate_all(struct buf *out, struct slice in, int window_bits, gz_header *header)
{
    z_stream z = { 0 };
    size_t bound;

    CHECK(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    if (header != NULL)
        CHECK(deflateSetHeader(&z, header) == Z_OK);
    bound = deflateBound(&z, in.n) + 1024;
    CHECK(buf_reserve(out, bound) == 0);
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = (Bytef *)out->p + out->n;
    z.avail_out = (uInt)bound;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->n += z.total_out;
    deflateEnd(&z);
}

void
encode_deflate(struct buf *out, struct slice in, int window_bits)
{
    deflate_all(out, in, window_bits, NULL);
}

void
encode_gzip_full_header(struct buf *out, struct slice in)
{
    static Bytef extra[] = "XX\x04\0abcd", name[] = "name.html", comment[] = "a comment";
    gz_header header = { .text = 1, .time = 1, .extra = extra, .extra_len = 8, .name = name, .comment = comment,
                         .hcrc = 1 };

    deflate_all(out, in, ENCODE_GZIP, &header);
}

void
encode_br(struct buf *out, struct slice in)
{
    size_t n = BrotliEncoderMaxCompressedSize(in.n) + 64;

    CHECK(buf_reserve(out, n) == 0);
    CHECK(BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, in.n, (const uint8_t *)in.p, &n,
                                (uint8_t *)out->p + out->n));
    out->n += n;
}

void
encode_zstd(struct buf *out, struct slice in, int window_log, bool is_size_named)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_outBuffer to;
    ZSTD_inBuffer from = { in.p, in.n, 0 };

    CHECK(buf_reserve(out, ZSTD_compressBound(in.n)) == 0);
    to = (ZSTD_outBuffer){ out->p + out->n, out->cap - out->n, 0 };
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 3);
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, is_size_named);
    if (is_size_named)
        CHECK(!ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c, in.n)));
    else
        CHECK(!ZSTD_isError(ZSTD_compressStream2(c, &to, &from, ZSTD_e_flush))); /* ending at once would name it */
    CHECK(ZSTD_compressStream2(c, &to, &from, ZSTD_e_end) == 0);
    out->n += to.pos;
    ZSTD_freeCCtx(c);
}

void
encode_chunked(struct buf *out, struct slice in, size_t chunk_bytes)
{
    while (in.n > 0) {
        struct slice chunk = slice_sub(in, 0, chunk_bytes);
        in = slice_sub(in, chunk.n, SIZE_MAX);
        CHECK(buf_printf(out, "%zx\r\n", chunk.n) == 0);
        CHECK(buf_append_slice(out, chunk) == 0);
        CHECK(buf_append_str(out, "\r\n") == 0);
    }
    CHECK(buf_append_str(out, "0\r\n\r\n") == 0);
}

void
encode_sample(struct buf *out, size_t n, unsigned seed)
{
    size_t end = out->n + n;
    uint32_t x = seed * 2654435761u + 1;

    while (out->n < end) {
        x = x * 1664525u + 1013904223u;
        CHECK(buf_printf(out, "<div class=\"item-%u\"><a href=\"/p/%u.html\">Item %u</a> &mdash; "
                              "lorem %x ipsum</div>\n", x >> 29, x >> 12, x >> 20, x) == 0);
    }
    buf_truncate(out, end);
}
