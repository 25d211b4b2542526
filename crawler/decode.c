/* decode.c - which encodings to take off, in which order, and what to make of wrong labels
 *
 *   payload --take_off(last named)--> held --take_off--> ... --> held ---> the caller's buf
 *
 * Each layer reads `in` (the payload, or what the layer before gave) and writes the caller's buf; when its result is
 * accepted the two change places. At most two bodies exist at a time, each under the ceiling.
 */
#include "crawler/decode_layer.h"

struct encoding {
    struct slice name;
    decode_layer_fn *layer; /* NULL: nothing to take off */
    bool is_wrong;          /* no content coding at all, but seen in the wild: browsers ignore it */
};

static const struct encoding encodings[] = {
    { SLICE_LITERAL("gzip"), decode_gzip, false },   { SLICE_LITERAL("x-gzip"), decode_gzip, false },
    { SLICE_LITERAL("br"), decode_br, false },       { SLICE_LITERAL("deflate"), decode_deflate, false },
    { SLICE_LITERAL("zstd"), decode_zstd, false },   { SLICE_LITERAL("identity"), NULL, false },
    { SLICE_LITERAL("none"), NULL, true },           { SLICE_LITERAL("utf-8"), NULL, true },
    { SLICE_LITERAL("utf8"), NULL, true },           { SLICE_LITERAL("binary"), NULL, true },
    { SLICE_LITERAL("8bit"), NULL, true },           { SLICE_LITERAL("7bit"), NULL, true },
    { SLICE_LITERAL("iso-8859-1"), NULL, true },
};

struct chain {
    decode_layer_fn *layers[DECODE_MAX_STACKED]; /* in the order they were put on */
    unsigned n_layers;
    struct buf *out;
    struct buf held;  /* what `in` points into once a layer is off */
    struct slice in;
    size_t ceiling_bytes;
    bool is_mislabelled;
};

static struct pool *pools[DECODE_N_POOLS];
static const struct pool_type *const pool_types[DECODE_N_POOLS] = {
    [DECODE_POOL_INFLATE] = &decode_inflate_type,
    [DECODE_POOL_WHOLE] = &decode_whole_type,
    [DECODE_POOL_ZSTD] = &decode_zstd_type,
};

struct pool *
decode_pool_of(enum decode_pool_id id)
{
    if (pools[id] == NULL && pool_new(&pools[id], pool_types[id]) != 0)
        return NULL;
    return pools[id];
}

const struct pool *
decode_pool(unsigned i)
{
    return i < DECODE_N_POOLS ? decode_pool_of(i) : NULL;
}

void
decode_release(void)
{
    for (unsigned i = 0; i < DECODE_N_POOLS; i++)
        pool_free(&pools[i]);
}

static const struct encoding *
encoding_find(struct slice name)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(encodings); i++)
        if (slice_eq_nocase(encodings[i].name, name))
            return &encodings[i];
    return NULL;
}

/* RFC 9110 section 8.4: #content-coding; empty elements count for nothing. */
static enum outcome
chain_read_names(struct chain *c, struct slice list)
{
    while (list.n > 0) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t n = comma == NULL ? list.n : (size_t)(comma - list.p);
        struct slice name = slice_trim(slice_sub(list, 0, n));
        const struct encoding *e = encoding_find(name);

        list = slice_sub(list, n + 1, SIZE_MAX);
        if (name.n == 0)
            continue;
        if (e == NULL || (e->layer != NULL && c->n_layers == DECODE_MAX_STACKED))
            return OUTCOME_UNSUPPORTED_ENCODING;
        c->is_mislabelled |= e->is_wrong;
        if (e->layer != NULL)
            c->layers[c->n_layers++] = e->layer;
    }
    return OUTCOME_OK;
}

static enum outcome
chain_run(struct chain *c, decode_layer_fn *layer)
{
    struct decode_sink sink = { .out = c->out, .ceiling_bytes = c->ceiling_bytes, .n_input_bytes = c->in.n };
    enum outcome o;

    buf_clear(c->out);
    o = layer(&sink, c->in);
    decode_sink_trim(&sink);
    return o;
}

/* What the last chain_run() gave is the input of the next. */
static void
chain_accept(struct chain *c)
{
    struct buf given = *c->out;

    buf_fini(&c->held);
    *c->out = c->held;
    c->held = given;
    c->in = buf_slice(&c->held);
}

/* Who could have made these bytes. NULL: nobody that we know. */
static decode_layer_fn *
layer_by_looks(struct slice s)
{
    if (decode_is_gzip(s))
        return decode_gzip;
    if (decode_is_zstd(s))
        return decode_zstd;
    return decode_is_zlib(s) ? decode_deflate : NULL;
}

/* br and raw deflate have no magic bytes, so that they are tried first and looked at only when they fail; gzip and zstd
 * are looked at first. */
static enum outcome
chain_take_off(struct chain *c, decode_layer_fn *announced)
{
    bool has_magic = announced == decode_gzip || announced == decode_zstd;
    decode_layer_fn *actual = layer_by_looks(c->in);
    bool is_plain = actual != decode_gzip && actual != decode_zstd && decode_is_plain(c->in);
    enum outcome o = OUTCOME_DECODE_FAILED;

    if (c->in.n == 0)
        return OUTCOME_OK;
    if (!has_magic || actual == announced || (actual == NULL && !is_plain))
        o = chain_run(c, announced);
    if ((o == OUTCOME_DECODE_FAILED || o == OUTCOME_TRUNCATED) && is_plain) {
        c->is_mislabelled = true;
        return OUTCOME_OK;
    }
    if (o == OUTCOME_DECODE_FAILED && actual != NULL && actual != announced) {
        c->is_mislabelled = true;
        o = chain_run(c, actual);
    }
    if (o == OUTCOME_OK || o == OUTCOME_TRUNCATED || o == OUTCOME_DECODED_TOO_LARGE)
        chain_accept(c);
    return o;
}

static enum outcome
chain_take_all_off(struct chain *c)
{
    bool is_truncated = false;

    for (unsigned i = c->n_layers; i-- > 0;) {
        enum outcome o = chain_take_off(c, c->layers[i]);
        if (o == OUTCOME_DECODED_TOO_LARGE && i > 0)
            c->in = SLICE_NONE; /* still encoded: of no use to anybody */
        if (o == OUTCOME_TRUNCATED)
            is_truncated = true;
        else if (o != OUTCOME_OK)
            return o;
    }
    return is_truncated ? OUTCOME_TRUNCATED : OUTCOME_OK;
}

/* The ceiling follows from the ratio too: one number, checked while the bytes come, whatever the layers are. */
static size_t
ceiling_of(size_t n_wire_bytes, size_t max_bytes, size_t out_ceiling_bytes)
{
    size_t by_ratio = n_wire_bytes > SIZE_MAX / DECODE_MAX_RATIO ? SIZE_MAX : n_wire_bytes * DECODE_MAX_RATIO;

    by_ratio = ORB_MAX(by_ratio, (size_t)DECODE_RATIO_FREE_BYTES);
    return ORB_MIN(ORB_MIN(by_ratio, max_bytes), out_ceiling_bytes);
}

enum outcome
decode_content(struct buf *out, struct slice payload, struct slice content_encoding, size_t max_bytes,
               struct slice *body, bool *was_mislabelled)
{
    struct chain c = { .out = out, .in = payload };
    enum outcome o;

    buf_clear(out);
    buf_init(&c.held, out->domain, out->ceiling_bytes);
    c.ceiling_bytes = ceiling_of(payload.n, max_bytes, out->ceiling_bytes);
    o = chain_read_names(&c, content_encoding);
    if (o == OUTCOME_OK)
        o = chain_take_all_off(&c);
    if (o != OUTCOME_OK && o != OUTCOME_TRUNCATED && o != OUTCOME_DECODED_TOO_LARGE)
        c.in = SLICE_NONE;
    buf_clear(out);
    if (c.in.n > 0 && c.in.p == c.held.p) {
        buf_fini(out);
        *out = c.held;
    } else {
        buf_fini(&c.held);
    }
    *body = c.in;
    if (was_mislabelled != NULL)
        *was_mislabelled = c.is_mislabelled;
    return o;
}
