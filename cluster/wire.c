#include "cluster/wire.h"

const char *
wire_type_name(unsigned type)
{
    static const char *const down[] = { "?",        "conf",      "lease",     "host", "robots",
                                        "urls",     "lease-end", "take-back", "drain", "ping", "lease-over", "heap" };
    static const char *const up[] = { "ready",      "report",   "host-news", "robots-news", "result", "links",
                                      "report-end", "returned", "pong",      "trouble",     "log",      "heap-answer" };

    if (type < ORB_N_ELEMENTS(down))
        return down[type];
    if (type >= WIRE_READY && type - WIRE_READY < ORB_N_ELEMENTS(up))
        return up[type - WIRE_READY];
    return "?";
}

static void
put(struct wire_out *w, const void *bytes, size_t n_bytes)
{
    int err;

    if (w->err != 0)
        return;
    err = buf_append(w->frame, bytes, n_bytes);
    if (err != 0)
        w->err = err;
}

void
wire_begin(struct wire_out *w, struct buf *frame, enum wire_type type)
{
    *w = (struct wire_out){ .frame = frame };
    buf_clear(frame);
    wire_u8(w, WIRE_VERSION);
    wire_u8(w, (uint8_t)type);
}

void
wire_u8(struct wire_out *w, uint8_t v)
{
    put(w, &v, 1);
}

void
wire_u16(struct wire_out *w, uint16_t v)
{
    uint8_t b[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

    put(w, b, sizeof b);
}

void
wire_u32(struct wire_out *w, uint32_t v)
{
    uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

    put(w, b, sizeof b);
}

void
wire_u64(struct wire_out *w, uint64_t v)
{
    wire_u32(w, (uint32_t)v);
    wire_u32(w, (uint32_t)(v >> 32));
}

void
wire_text(struct wire_out *w, struct slice text)
{
    if (text.n > WIRE_MAX_TEXT_BYTES && w->err == 0)
        w->err = ORB_ETOOBIG;
    wire_u32(w, (uint32_t)text.n);
    put(w, text.p, text.n);
}

int
wire_finish(struct wire_out *w)
{
    if (w->err == 0 && w->frame->n > WIRE_MAX_FRAME_BYTES)
        w->err = ORB_ETOOBIG;
    return w->err;
}

bool
wire_has_room(const struct wire_out *w, size_t n_bytes)
{
    return w->frame->n + n_bytes + 64 <= WIRE_MAX_FRAME_BYTES;
}

int
wire_open(struct wire_in *r, struct slice frame, unsigned *type)
{
    if (frame.n < 2 || frame.n > WIRE_MAX_FRAME_BYTES)
        return ORB_EPROTO;
    if ((uint8_t)frame.p[0] != WIRE_VERSION)
        return ORB_EVERSION;
    *type = (uint8_t)frame.p[1];
    *r = (struct wire_in){ .rest = slice_sub(frame, 2, SIZE_MAX) };
    return 0;
}

/* Nothing is left of a bad frame: a loop that goes on while there is something to read ends. */
static void
go_bad(struct wire_in *r)
{
    r->is_bad = true;
    r->rest = SLICE_NONE;
}

static const uint8_t *
get(struct wire_in *r, size_t n_bytes)
{
    static const uint8_t zeros[8];
    const uint8_t *p = (const uint8_t *)r->rest.p;

    if (r->is_bad || r->rest.n < n_bytes) {
        go_bad(r);
        return zeros;
    }
    r->rest = slice_sub(r->rest, n_bytes, SIZE_MAX);
    return p;
}

uint8_t
wire_get_u8(struct wire_in *r)
{
    return get(r, 1)[0];
}

uint16_t
wire_get_u16(struct wire_in *r)
{
    const uint8_t *p = get(r, 2);

    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t
wire_get_u32(struct wire_in *r)
{
    const uint8_t *p = get(r, 4);

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t
wire_get_u64(struct wire_in *r)
{
    uint64_t low = wire_get_u32(r);

    return low | (uint64_t)wire_get_u32(r) << 32;
}

uint8_t
wire_get_enum(struct wire_in *r, unsigned n_values)
{
    uint8_t v = wire_get_u8(r);

    if (v >= n_values) {
        go_bad(r);
        return 0;
    }
    return v;
}

bool
wire_get_bool(struct wire_in *r)
{
    return wire_get_enum(r, 2) != 0;
}

struct slice
wire_get_text(struct wire_in *r, size_t max_bytes)
{
    uint32_t n = wire_get_u32(r);
    struct slice text;

    if (r->is_bad || n > max_bytes || n > r->rest.n) {
        go_bad(r);
        return SLICE_NONE;
    }
    text = slice_sub(r->rest, 0, n);
    r->rest = slice_sub(r->rest, n, SIZE_MAX);
    return text;
}

bool
wire_at_end(const struct wire_in *r)
{
    return !r->is_bad && r->rest.n == 0;
}
