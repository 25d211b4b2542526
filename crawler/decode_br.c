/* decode_br.c - brotli (RFC 7932). The library's state cannot be reset, so each stream has its own */
#include "crawler/decode_layer.h"

#include <brotli/decode.h>

#include "pool/mem_hooks.h"

static void *
br_alloc(void *opaque, size_t n_bytes)
{
    return mem_buf_malloc(n_bytes);
}

static void
br_free(void *opaque, void *p)
{
    mem_buf_free(p);
}

static bool
is_memory_error(BrotliDecoderErrorCode code)
{
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static enum outcome
br_stream(BrotliDecoderState *br, struct decode_sink *sink, struct slice in)
{
    const uint8_t *next_in = (const uint8_t *)in.p;
    size_t n_in = in.n;

    for (;;) {
        uint8_t *at, *next_out;
        size_t room;
        BrotliDecoderResult status;
        enum outcome o = decode_sink_room(sink, &at, &room);

        if (o != OUTCOME_OK)
            return o;
        next_out = at;
        status = BrotliDecoderDecompressStream(br, &n_in, &next_in, &room, &next_out, NULL);
        o = decode_sink_commit(sink, at, (size_t)(next_out - at));
        if (o != OUTCOME_OK)
            return o;
        switch (status) {
        case BROTLI_DECODER_RESULT_SUCCESS:
            return OUTCOME_OK;
        case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: /* said even when output is left that had no room */
            if (next_out == at || !BrotliDecoderHasMoreOutput(br))
                return OUTCOME_TRUNCATED;
            break;
        case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
            break;
        default:
            return is_memory_error(BrotliDecoderGetErrorCode(br)) ? OUTCOME_TOO_MUCH_MEMORY : OUTCOME_DECODE_FAILED;
        }
    }
}

enum outcome
decode_br(struct decode_sink *sink, struct slice in)
{
    BrotliDecoderState *br = BrotliDecoderCreateInstance(br_alloc, br_free, NULL);
    enum outcome o;

    if (br == NULL)
        return OUTCOME_TOO_MUCH_MEMORY;
    o = br_stream(br, sink, in);
    BrotliDecoderDestroyInstance(br);
    return o;
}
