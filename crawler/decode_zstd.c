/* decode_zstd.c - zstd (RFC 8878), several frames, windows up to 8 MiB (RFC 9659 section 3) */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_customMem */
#include <zstd.h>
#include <zstd_errors.h>

#include "crawler/decode_layer.h"
#include "pool/mem_hooks.h"

#define WINDOW_MAX_LOG 23          /* 8 MiB */
#define KEEP_MAX_BYTES (1024 * 1024) /* a context that once needed a large window is not kept */

static void *
zstd_alloc(void *opaque, size_t n_bytes)
{
    return mem_buf_malloc(n_bytes);
}

static void
zstd_free(void *opaque, void *p)
{
    mem_buf_free(p);
}

static void *
zstd_make(void *arg)
{
    ZSTD_DCtx *d = ZSTD_createDCtx_advanced((ZSTD_customMem){ zstd_alloc, zstd_free, NULL });

    if (d != NULL && ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, WINDOW_MAX_LOG))) {
        ZSTD_freeDCtx(d);
        return NULL;
    }
    return d;
}

static bool
zstd_reset(void *thing, void *arg)
{
    return ZSTD_sizeof_DCtx(thing) <= KEEP_MAX_BYTES && !ZSTD_isError(ZSTD_DCtx_reset(thing, ZSTD_reset_session_only));
}

static void
zstd_destroy(void *thing, void *arg)
{
    ZSTD_freeDCtx(thing);
}

const struct pool_type decode_zstd_type = {
    .name = "zstd", .make = zstd_make, .reset = zstd_reset, .destroy = zstd_destroy, .floor = 1, .lease_ms = DECODE_LEASE_MS
};

bool
decode_is_zstd(struct slice s)
{
    const uint8_t *p = (const uint8_t *)s.p;

    if (s.n < 4)
        return false;
    return memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0 || ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0);
}

/* A frame that names its size gets room for it: then the library decodes it in one go and needs no window. */
static enum outcome
expect_frame(struct decode_sink *sink, const ZSTD_inBuffer *in)
{
    const char *p = (const char *)in->src + in->pos;
    unsigned long long n = ZSTD_getFrameContentSize(p, in->size - in->pos);

    if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > sink->ceiling_bytes)
        return OUTCOME_OK;
    if (n / DECODE_MAX_RATIO > in->size - in->pos)
        return OUTCOME_OK; /* an idle promise: room only as the bytes come */
    return decode_sink_expect(sink, (size_t)n);
}

static enum outcome
zstd_frame(ZSTD_DCtx *d, struct decode_sink *sink, ZSTD_inBuffer *in)
{
    for (;;) {
        ZSTD_outBuffer out = { NULL, 0, 0 };
        uint8_t *at;
        size_t left;
        enum outcome o = decode_sink_room(sink, &at, &out.size);

        if (o != OUTCOME_OK)
            return o;
        out.dst = at;
        left = ZSTD_decompressStream(d, &out, in);
        o = decode_sink_commit(sink, at, out.pos);
        if (o != OUTCOME_OK)
            return o;
        if (ZSTD_isError(left))
            return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? OUTCOME_TOO_MUCH_MEMORY
                                                                           : OUTCOME_DECODE_FAILED;
        if (left == 0)
            return OUTCOME_OK;
        if (in->pos == in->size && out.pos < out.size)
            return OUTCOME_TRUNCATED;
    }
}

enum outcome
decode_zstd(struct decode_sink *sink, struct slice payload)
{
    struct pool *pool = decode_pool_of(DECODE_POOL_ZSTD);
    ZSTD_DCtx *d = pool == NULL ? NULL : pool_get(pool);
    ZSTD_inBuffer in = { payload.p, payload.n, 0 };
    enum outcome o = OUTCOME_TOO_MUCH_MEMORY;

    if (d == NULL)
        return o;
    do {
        o = expect_frame(sink, &in);
        if (o == OUTCOME_OK)
            o = zstd_frame(d, sink, &in);
    } while (o == OUTCOME_OK && decode_is_zstd(slice_sub(payload, in.pos, SIZE_MAX)));
    pool_put(pool, &d);
    return o;
}
