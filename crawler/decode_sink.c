#include "crawler/decode_layer.h"

#define FIRST_BYTES 4096
#define USUAL_RATIO 4 /* HTML by gzip */

enum outcome
decode_sink_room(struct decode_sink *s, uint8_t **at, size_t *n_bytes)
{
    struct buf *out = s->out;

    if (out->n >= s->ceiling_bytes) {
        *at = s->spill;
        *n_bytes = sizeof s->spill;
        return OUTCOME_OK;
    }
    if (out->p == NULL || out->n == out->cap) {
        size_t more = out->n == 0 ? ORB_MAX(s->n_input_bytes * USUAL_RATIO, (size_t)FIRST_BYTES) : out->cap / 2 + 1;
        /* geometric: a byte moves a bounded number of times */
        if (buf_reserve(out, ORB_MIN(more, s->ceiling_bytes - out->n)) != 0)
            return OUTCOME_TOO_MUCH_MEMORY;
    }
    *at = (uint8_t *)out->p + out->n;
    *n_bytes = ORB_MIN(out->cap, s->ceiling_bytes) - out->n;
    return OUTCOME_OK;
}

enum outcome
decode_sink_commit(struct decode_sink *s, const uint8_t *at, size_t n_bytes)
{
    if (n_bytes == 0)
        return OUTCOME_OK;
    if (at == s->spill)
        return OUTCOME_DECODED_TOO_LARGE;
    CHECK(n_bytes <= s->out->cap - s->out->n);
    s->out->n += n_bytes;
    s->out->p[s->out->n] = '\0';
    return OUTCOME_OK;
}

enum outcome
decode_sink_expect(struct decode_sink *s, size_t n_bytes)
{
    if (s->out->n >= s->ceiling_bytes || n_bytes > s->ceiling_bytes - s->out->n)
        return OUTCOME_OK; /* it will not fit: grow as it comes, until the ceiling stops it */
    return buf_reserve(s->out, n_bytes) == 0 ? OUTCOME_OK : OUTCOME_TOO_MUCH_MEMORY;
}
