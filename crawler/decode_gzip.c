/* decode_gzip.c - gzip (RFC 1952), zlib (RFC 1950) and raw deflate (RFC 1951)
 *
 * Most bodies are one gzip member whose trailer names its size: libdeflate does those in one go, up to twice as fast as
 * zlib. Whatever it does not like goes through zlib from the start, which tells a stream that ends early from a
 * damaged one and works with any size.
 */
#include "crawler/decode_layer.h"

#include <libdeflate.h>
#include <limits.h>
#include <zlib.h>

#include "pool/mem_hooks.h"

#define GZIP_MIN_BYTES 18   /* header and trailer */
#define DEFLATE_MAX_RATIO 1032 /* the most that deflate can expand (zlib's technical notes) */
#define WINDOW_GZIP (15 + 16)
#define WINDOW_ZLIB 15
#define WINDOW_RAW (-15)

static voidpf
zlib_alloc(voidpf opaque, uInt n, uInt element_bytes)
{
    return mem_array(MEM_BUF, n, element_bytes);
}

static void
zlib_free(voidpf opaque, voidpf p)
{
    mem_free(MEM_BUF, p);
}

static void *
inflate_make(void *arg)
{
    z_stream *z = mem_zalloc(MEM_BUF, sizeof *z);

    if (z == NULL)
        return NULL;
    z->zalloc = zlib_alloc;
    z->zfree = zlib_free;
    if (inflateInit2(z, WINDOW_GZIP) == Z_OK)
        return z;
    mem_free(MEM_BUF, z);
    return NULL;
}

static void
inflate_destroy(void *thing, void *arg)
{
    inflateEnd(thing);
    mem_free(MEM_BUF, thing);
}

const struct pool_type decode_inflate_type = {
    .name = "inflate", .make = inflate_make, .destroy = inflate_destroy, .floor = 1, .lease_ms = DECODE_LEASE_MS
};

static void *
whole_make(void *arg)
{
    libdeflate_set_memory_allocator(mem_buf_malloc, mem_buf_free);
    return libdeflate_alloc_decompressor();
}

static void
whole_destroy(void *thing, void *arg)
{
    libdeflate_free_decompressor(thing);
}

const struct pool_type decode_whole_type = {
    .name = "libdeflate", .make = whole_make, .destroy = whole_destroy, .floor = 1, .lease_ms = DECODE_LEASE_MS
};

/* Gives zlib as much of the rest as its 32-bit counts can say. */
static void
feed(z_stream *z, struct slice *rest)
{
    uInt n = (uInt)ORB_MIN(rest->n, (size_t)UINT_MAX);

    z->next_in = (Bytef *)(uintptr_t)rest->p;
    z->avail_in = n;
}

/* One stream or member. *rest loses what was used. OUTCOME_OK: its end was reached and its checksum is right. */
static enum outcome
inflate_stream(z_stream *z, struct decode_sink *sink, struct slice *rest)
{
    for (;;) {
        uint8_t *at;
        size_t room, used;
        enum outcome o = decode_sink_room(sink, &at, &room);
        int status;

        if (o != OUTCOME_OK)
            return o;
        feed(z, rest);
        z->next_out = at;
        z->avail_out = (uInt)ORB_MIN(room, (size_t)UINT_MAX);
        status = inflate(z, Z_NO_FLUSH);
        used = (size_t)((const char *)z->next_in - rest->p);
        *rest = slice_sub(*rest, used, SIZE_MAX);
        o = decode_sink_commit(sink, at, (size_t)(z->next_out - at));
        if (o != OUTCOME_OK)
            return o;
        if (status == Z_STREAM_END)
            return OUTCOME_OK;
        if (status == Z_MEM_ERROR)
            return OUTCOME_TOO_MUCH_MEMORY;
        if (status == Z_BUF_ERROR || (status == Z_OK && rest->n == 0 && z->avail_out > 0))
            return OUTCOME_TRUNCATED; /* there was room, so it is input that is missing */
        if (status != Z_OK)
            return OUTCOME_DECODE_FAILED;
    }
}

bool
decode_is_gzip(struct slice s)
{
    return s.n >= 3 && memcmp(s.p, "\x1f\x8b\x08", 3) == 0;
}

/* After a complete member: further ones, then perhaps padding or garbage, which every browser ignores. */
static enum outcome
inflate_members(z_stream *z, struct decode_sink *sink, struct slice rest)
{
    enum outcome o;

    do {
        if (inflateReset2(z, WINDOW_GZIP) != Z_OK)
            return OUTCOME_TOO_MUCH_MEMORY;
        o = inflate_stream(z, sink, &rest);
    } while (o == OUTCOME_OK && decode_is_gzip(rest));
    return o;
}

static enum outcome
with_zlib(struct decode_sink *sink, struct slice in, int window)
{
    struct pool *pool = decode_pool_of(DECODE_POOL_INFLATE);
    z_stream *z = pool == NULL ? NULL : pool_get(pool);
    enum outcome o = OUTCOME_TOO_MUCH_MEMORY;

    if (z == NULL)
        return o;
    if (window == WINDOW_GZIP)
        o = inflate_members(z, sink, in);
    else if (inflateReset2(z, window) == Z_OK)
        o = inflate_stream(z, sink, &in);
    pool_put(pool, &z);
    return o;
}

/* The size that the last 4 bytes name, when it is possible and fits; else 0. */
static size_t
announced_size(const struct decode_sink *sink, struct slice in)
{
    const uint8_t *p = (const uint8_t *)in.p + in.n - 4;
    size_t n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

    return n / DEFLATE_MAX_RATIO <= in.n && n <= sink->ceiling_bytes ? n : 0;
}

/* The first member in one go. Returns the bytes of `in` that it took; 0: not done, the sink is as it was. */
static size_t
try_whole(struct decode_sink *sink, struct slice in)
{
    size_t size = in.n < GZIP_MIN_BYTES ? 0 : announced_size(sink, in), n_in = 0, n_out = 0;
    struct pool *pool = size == 0 ? NULL : decode_pool_of(DECODE_POOL_WHOLE);
    struct libdeflate_decompressor *d = pool == NULL ? NULL : pool_get(pool);

    if (d == NULL)
        return 0;
    if (buf_reserve(sink->out, size) != 0
        || libdeflate_gzip_decompress_ex(d, in.p, in.n, sink->out->p + sink->out->n, size, &n_in, &n_out)
               != LIBDEFLATE_SUCCESS)
        n_in = n_out = 0;
    pool_put(pool, &d);
    if (n_in == 0)
        return 0;
    sink->out->n += n_out;
    sink->out->p[sink->out->n] = '\0';
    return n_in;
}

enum outcome
decode_gzip(struct decode_sink *sink, struct slice in)
{
    size_t done = try_whole(sink, in);
    struct slice rest = slice_sub(in, done, SIZE_MAX);

    if (done > 0 && !decode_is_gzip(rest))
        return OUTCOME_OK;
    return with_zlib(sink, rest, WINDOW_GZIP);
}

/* RFC 1950 section 2.2: method 8, window <= 32 KiB, no preset dictionary, the pair a multiple of 31. */
bool
decode_is_zlib(struct slice s)
{
    const uint8_t *p = (const uint8_t *)s.p;

    return s.n >= 2 && (p[0] & 15) == 8 && p[0] >> 4 <= 7 && (p[1] & 32) == 0 && (p[0] << 8 | p[1]) % 31 == 0;
}

/* "deflate" means zlib, but many servers send it raw. */
enum outcome
decode_deflate(struct decode_sink *sink, struct slice in)
{
    size_t n_before = sink->out->n;
    enum outcome o;

    if (!decode_is_zlib(in))
        return with_zlib(sink, in, WINDOW_RAW);
    o = with_zlib(sink, in, WINDOW_ZLIB);
    if (o == OUTCOME_DECODE_FAILED && sink->out->n == n_before)
        return with_zlib(sink, in, WINDOW_RAW); /* a raw stream that happens to begin like a zlib header */
    return o;
}
