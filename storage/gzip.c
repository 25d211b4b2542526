#include "storage/gzip.h"

#include "pool/mem_hooks.h"
#include "storage/storage.h"

#include <libdeflate.h>
#include <zlib.h>

#define LEVEL 1
#define CHUNK_BYTES (64 * 1024)
#define STORED_MAX_BYTES 65535
#define KEEP_BYTES (128 * 1024)

struct gzip {
    uint32_t magic;
    struct libdeflate_compressor *deflate;
    struct buf in, out;
    z_stream z;    /* raw deflate, for members that are large or end in stored blocks; made when first needed */
    bool has_z;
};
#define GZIP_MAGIC 0x677a6970u

int
gzip_new(struct gzip **out)
{
    struct gzip *g = mem_zalloc(MEM_BUF, sizeof *g);

    if (g == NULL)
        return ORB_ENOMEM;
    g->magic = GZIP_MAGIC;
    buf_init_kept(&g->in, MEM_BUF, BUF_NO_CEILING);
    buf_init_kept(&g->out, MEM_BUF, BUF_NO_CEILING);
    storage_init(); /* before anything of libdeflate is made: it frees by the hook of the moment */
    g->deflate = libdeflate_alloc_compressor(LEVEL);
    if (g->deflate == NULL) {
        gzip_free(&g);
        return ORB_ENOMEM;
    }
    *out = g;
    return 0;
}

void
gzip_free(struct gzip **gp)
{
    struct gzip *g = *gp;

    if (g == NULL)
        return;
    CHECK_IS(g, GZIP_MAGIC);
    libdeflate_free_compressor(g->deflate);
    if (g->has_z)
        deflateEnd(&g->z);
    buf_fini(&g->in);
    buf_fini(&g->out);
    g->magic = 0;
    MEM_FREE(MEM_BUF, gp);
}

void
gzip_trim(struct gzip *g)
{
    buf_clear(&g->in);
    buf_clear(&g->out);
    buf_trim(&g->in, KEEP_BYTES);
    buf_trim(&g->out, KEEP_BYTES);
}

static int
member_whole(struct gzip *g, const struct slice *parts, unsigned n_parts, gzip_sink_fn *sink, void *arg)
{
    size_t bound, n;
    int err = 0;

    buf_clear(&g->in);
    buf_clear(&g->out);
    for (unsigned i = 0; i < n_parts && err == 0; i++)
        err = buf_append_slice(&g->in, parts[i]);
    bound = libdeflate_gzip_compress_bound(g->deflate, g->in.n);
    if (err == 0)
        err = buf_reserve(&g->out, bound);
    if (err != 0)
        return err;
    n = libdeflate_gzip_compress(g->deflate, g->in.p, g->in.n, g->out.p, bound);
    CHECK(n > 0); /* the bound is a promise */
    return sink(arg, g->out.p, n);
}

/* --- streaming ------------------------------------------------------------------------------------------------------ */

static int
stream_deflate(struct gzip *g, struct slice bytes, int flush, gzip_sink_fn *sink, void *arg)
{
    int err = buf_reserve(&g->out, CHUNK_BYTES), rc;

    if (err != 0)
        return err;
    do { /* avail_in is 32 bits wide: more than 1 GiB goes in pieces */
        size_t piece = ORB_MIN(bytes.n, (size_t)1 << 30);
        bool is_last = piece == bytes.n;

        g->z.next_in = (Bytef *)(uintptr_t)bytes.p;
        g->z.avail_in = (uInt)piece;
        do {
            g->z.next_out = (Bytef *)g->out.p;
            g->z.avail_out = CHUNK_BYTES;
            rc = deflate(&g->z, is_last ? flush : Z_NO_FLUSH);
            CHECK(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
            if (g->z.avail_out < CHUNK_BYTES)
                err = sink(arg, g->out.p, CHUNK_BYTES - g->z.avail_out);
        } while (err == 0 && g->z.avail_out == 0);
        bytes = slice_sub(bytes, piece, SIZE_MAX);
    } while (err == 0 && bytes.n > 0);
    return err;
}

static int
stream_stored(struct slice bytes, bool is_last_part, gzip_sink_fn *sink, void *arg)
{
    int err;

    do {
        size_t n = ORB_MIN(bytes.n, (size_t)STORED_MAX_BYTES);
        uint8_t head[5] = { is_last_part && n == bytes.n, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n, (uint8_t)(~n >> 8) };

        err = sink(arg, head, sizeof head);
        if (err == 0 && n > 0)
            err = sink(arg, bytes.p, n);
        bytes = slice_sub(bytes, n, SIZE_MAX);
    } while (err == 0 && bytes.n > 0);
    return err;
}

static int
stream_ready(struct gzip *g)
{
    if (g->has_z)
        return deflateReset(&g->z) == Z_OK ? 0 : ORB_ENOMEM;
    g->z = (z_stream){ .zalloc = mem_zlib_alloc, .zfree = mem_zlib_free };
    if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ORB_ENOMEM;
    g->has_z = true;
    return 0;
}

static int
member_stream(struct gzip *g, const struct slice *parts, unsigned n_parts, unsigned n_deflated, gzip_sink_fn *sink, void *arg)
{
    static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255 };
    uint32_t crc = 0, n_bytes = 0;
    uint8_t tail[8];
    int err = stream_ready(g);

    if (err == 0)
        err = sink(arg, head, sizeof head);
    for (unsigned i = 0; i < n_parts && err == 0; i++) {
        bool is_last_part = i + 1 == n_parts, is_last_deflated = i + 1 == n_deflated;

        if (parts[i].n > 0) /* NULL would begin anew */
            crc = libdeflate_crc32(crc, parts[i].p, parts[i].n);
        n_bytes += (uint32_t)parts[i].n;
        if (i >= n_deflated) /* a sync flush before it left the stream at a byte's edge */
            err = stream_stored(parts[i], is_last_part, sink, arg);
        else
            err = stream_deflate(g, parts[i], is_last_part ? Z_FINISH : is_last_deflated ? Z_SYNC_FLUSH : Z_NO_FLUSH, sink, arg);
    }
    for (unsigned i = 0; i < 4; i++) {
        tail[i] = (uint8_t)(crc >> (8 * i));
        tail[4 + i] = (uint8_t)(n_bytes >> (8 * i));
    }
    return err == 0 ? sink(arg, tail, sizeof tail) : err;
}

int
gzip_member(struct gzip *g, const struct slice *parts, unsigned n_parts, unsigned n_deflated, gzip_sink_fn *sink, void *arg)
{
    size_t n = 0;

    CHECK_IS(g, GZIP_MAGIC);
    CHECK(n_parts > 0 && n_deflated <= n_parts);
    for (unsigned i = 0; i < n_parts; i++)
        n += parts[i].n;
    if (n_deflated == n_parts && n <= GZIP_WHOLE_BYTES)
        return member_whole(g, parts, n_parts, sink, arg);
    return member_stream(g, parts, n_parts, n_deflated, sink, arg);
}

bool
gzip_is_compressed(struct slice s)
{
    static const struct { uint8_t at, n; const char *bytes; } magics[] = {
        { 0, 3, "\x1f\x8b\x08" }, { 0, 4, "\x28\xb5\x2f\xfd" }, { 0, 4, "\x89PNG" }, { 0, 3, "\xff\xd8\xff" }, { 0, 4, "GIF8" },
        { 0, 4, "PK\3\4" }, { 0, 4, "wOF2" }, { 0, 4, "wOFF" }, { 8, 4, "WEBP" }, { 4, 4, "ftyp" }, { 0, 4, "OggS" },
        { 0, 4, "\x1a\x45\xdf\xa3" }, { 0, 6, "\xfd\x37zXZ\0" }, { 0, 3, "BZh" }, { 0, 4, "7z\xbc\xaf" }, { 0, 3, "ID3" },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(magics); i++)
        if (s.n >= (size_t)magics[i].at + magics[i].n && memcmp(s.p + magics[i].at, magics[i].bytes, magics[i].n) == 0)
            return true;
    return false;
}
