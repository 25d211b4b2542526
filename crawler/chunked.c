/* chunked.c - RFC 9112 section 7.1
 *
 *        size line           data                   "0"               blank line
 *   SIZE ---------> DATA --------------> SIZE ... ---------> TRAILERS ----------> end
 *
 * Strict where two readers could disagree on where a chunk ends (a size is 1*HEXDIG and nothing else, data is followed
 * by a line end, no bare CR); lenient like the browsers otherwise: a lone LF ends a line, blanks may follow the size,
 * extensions and trailers are skipped.
 */
#include "crawler/decode.h"
#include "pool/hex.h"

#define SIZE_LINE_MAX_BYTES 4096 /* extensions are for nobody */

/* One line off *rest, without its end. False: its end is missing. */
static bool
take_line(struct slice *rest, struct slice *line)
{
    const char *lf = rest->n == 0 ? NULL : memchr(rest->p, '\n', rest->n);
    size_t n;

    if (lf == NULL)
        return false;
    n = (size_t)(lf - rest->p);
    *line = slice_sub(*rest, 0, n > 0 && lf[-1] == '\r' ? n - 1 : n);
    *rest = slice_sub(*rest, n + 1, SIZE_MAX);
    return true;
}

/* chunk-size [BWS] [";" extensions]. False: not that, or a size beyond 64 bits. */
static bool
read_size(struct slice line, uint64_t *size)
{
    uint64_t n = 0;
    size_t i = 0;

    if (line.n > SIZE_LINE_MAX_BYTES || (line.n > 0 && memchr(line.p, '\r', line.n) != NULL))
        return false;
    for (; i < line.n && hex_value(line.p[i]) >= 0; i++) {
        if (n >> 60 != 0)
            return false;
        n = n << 4 | (unsigned)hex_value(line.p[i]);
    }
    if (i == 0)
        return false;
    while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
        i++;
    if (i < line.n && line.p[i] != ';')
        return false;
    *size = n;
    return true;
}

/* A line that breaks off: could it have become a size line? */
static bool
may_begin_size(struct slice rest)
{
    return rest.n == 0 || (rest.n <= SIZE_LINE_MAX_BYTES && (hex_value(rest.p[0]) >= 0));
}

/* The line end after a chunk's data. False: something else stands there. */
static bool
skip_line_end(struct slice *rest, bool *is_missing)
{
    size_t n = rest->n > 0 && rest->p[0] == '\r' ? 1 : 0;

    *is_missing = rest->n == n;
    if (*is_missing)
        return true;
    if (rest->p[n] != '\n')
        return false;
    *rest = slice_sub(*rest, n + 1, SIZE_MAX);
    return true;
}

static enum outcome
append(struct buf *out, struct slice data, size_t max_bytes)
{
    size_t room = max_bytes - out->n;
    int err = buf_append_slice(out, slice_sub(data, 0, room));

    if (err != 0)
        return err == ORB_ETOOBIG ? OUTCOME_BODY_TOO_LARGE : OUTCOME_TOO_MUCH_MEMORY;
    return data.n > room ? OUTCOME_BODY_TOO_LARGE : OUTCOME_OK;
}

/* One chunk off *rest. *is_last: it was the empty one. *is_missing: the input ends in it. */
static enum outcome
take_chunk(struct buf *out, struct slice *rest, size_t max_bytes, bool *is_last, bool *is_missing)
{
    struct slice line, data;
    uint64_t size;
    enum outcome o;

    if (!take_line(rest, &line)) {
        *is_missing = true;
        return may_begin_size(*rest) ? OUTCOME_OK : OUTCOME_PROTOCOL;
    }
    if (!read_size(line, &size))
        return OUTCOME_PROTOCOL;
    *is_last = size == 0;
    if (*is_last)
        return OUTCOME_OK;
    data = slice_sub(*rest, 0, size);
    *rest = slice_sub(*rest, data.n, SIZE_MAX);
    o = append(out, data, max_bytes);
    if (o != OUTCOME_OK)
        return o;
    if (size > max_bytes - (out->n - data.n))
        return OUTCOME_BODY_TOO_LARGE; /* announced, though it did not all come */
    if (data.n < size) {
        *is_missing = true;
        return OUTCOME_OK;
    }
    return skip_line_end(rest, is_missing) ? OUTCOME_OK : OUTCOME_PROTOCOL;
}

enum outcome
decode_chunked(struct buf *out, struct slice wire, size_t max_bytes, bool *is_truncated)
{
    bool is_last = false, is_missing = false;
    size_t ceiling = ORB_MIN(max_bytes, out->ceiling_bytes);
    enum outcome o = OUTCOME_OK;

    buf_clear(out);
    if (buf_reserve(out, ORB_MIN(wire.n, ceiling)) != 0) /* chunking only adds bytes: this is enough */
        return OUTCOME_TOO_MUCH_MEMORY;
    while (o == OUTCOME_OK && !is_last && !is_missing)
        o = take_chunk(out, &wire, ceiling, &is_last, &is_missing);
    *is_truncated = is_missing;
    return o;
}
