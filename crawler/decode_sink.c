#include "crawler/decode_layer.h"

#define FIRST_BYTES ((size_t)4096)
#define LARGE_BYTES ((size_t)4 << 20)
#define LEAP_BYTES ((size_t)64 << 20)
#define USUAL_RATIO 4 /* HTML by gzip */

/* The next size: geometric, so that a byte moves a bounded number of times; from LARGE_BYTES on in one leap, because
 * memory that is not written to costs nothing, but old and new copies of something large do. */
static size_t
next_cap(const struct decode_sink *s)
{
    size_t cap = s->out->cap, n;

    if (s->out->n == 0)
        n = ORB_MAX(s->n_input_bytes > SIZE_MAX / USUAL_RATIO ? SIZE_MAX : s->n_input_bytes * USUAL_RATIO, FIRST_BYTES);
    else
        n = cap + cap / 2 + 1;
    if (n >= LARGE_BYTES)
        n = ORB_MAX(n, LEAP_BYTES);
    return ORB_MIN(n, s->ceiling_bytes);
}

enum outcome
decode_sink_room(struct decode_sink *s, uint8_t **at, size_t *n_bytes)
{
    struct buf *out = s->out;

    if (out->n >= s->ceiling_bytes) {
        *at = s->spill;
        *n_bytes = sizeof s->spill;
        return OUTCOME_OK;
    }
    if ((out->p == NULL || out->n == out->cap) && buf_reserve(out, next_cap(s) - out->n) != 0
        && buf_reserve(out, ORB_MIN(out->cap / 2 + 1, s->ceiling_bytes - out->n)) != 0)
        return OUTCOME_TOO_MUCH_MEMORY;
    *at = (uint8_t *)out->p + out->n;
    *n_bytes = ORB_MIN(out->cap, s->ceiling_bytes) - out->n;
    return OUTCOME_OK;
}

void
decode_sink_trim(struct decode_sink *s)
{
    struct buf *out = s->out;

    if (out->cap >= LARGE_BYTES && out->cap - out->n >= out->cap / 4)
        buf_fit(out);
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
