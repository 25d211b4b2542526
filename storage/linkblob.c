#include "storage/linkblob.h"

#define VERSION 1
#define TAG_HAS_FLAGS 128
#define VARINT_MAX_BYTES 5

static size_t
put_varint(uint8_t *at, size_t value)
{
    size_t n = 0;

    while (value >= 128) {
        at[n++] = (uint8_t)(value | 128);
        value >>= 7;
    }
    at[n++] = (uint8_t)value;
    return n;
}

/* How many bytes a and b have in common at their start. */
static size_t
n_shared(struct slice a, struct slice b)
{
    size_t n = ORB_MIN(a.n, b.n), i = 0;

    while (n - i >= 8) {
        uint64_t x, y;
        memcpy(&x, a.p + i, 8);
        memcpy(&y, b.p + i, 8);
        if (x != y)
            return i + (size_t)__builtin_ctzll(x ^ y) / 8; /* little-endian: the project's machines are */
        i += 8;
    }
    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

int
linkblob_append(struct buf *out, const struct record_link *links, size_t n_links)
{
    struct slice before = SLICE_NONE;
    size_t bound = 1;
    uint8_t *at;
    int err;

    if (n_links == 0)
        return 0;
    for (size_t i = 0; i < n_links; i++) {
        if (links[i].url.n > LINKBLOB_URL_BYTES)
            return ORB_ETOOBIG;
        if (links[i].kind >= TAG_HAS_FLAGS)
            return ORB_EINVAL;
        bound += 3 + 2 * VARINT_MAX_BYTES + links[i].url.n;
    }
    err = buf_reserve(out, bound);
    if (err != 0)
        return err;
    at = (uint8_t *)out->p + out->n;
    *at++ = VERSION;
    for (size_t i = 0; i < n_links; i++) {
        const struct record_link *l = &links[i];
        size_t shared = n_shared(before, l->url);

        *at++ = (uint8_t)(l->kind | (l->flags != 0 || l->not_followed != 0 ? TAG_HAS_FLAGS : 0));
        if (l->flags != 0 || l->not_followed != 0) {
            *at++ = l->flags;
            *at++ = l->not_followed;
        }
        at += put_varint(at, shared);
        at += put_varint(at, l->url.n - shared);
        if (l->url.n > shared)
            memcpy(at, l->url.p + shared, l->url.n - shared);
        at += l->url.n - shared;
        before = l->url;
    }
    out->n = (size_t)((char *)at - out->p);
    out->p[out->n] = '\0';
    return 0;
}

void
linkblob_reader_init(struct linkblob_reader *r, struct slice blob)
{
    r->left = blob;
    r->is_begun = false;
    buf_init(&r->url, MEM_PAGE, LINKBLOB_URL_BYTES);
}

void
linkblob_reader_fini(struct linkblob_reader *r)
{
    buf_fini(&r->url);
    r->left = SLICE_NONE;
}

static bool
take_byte(struct slice *s, uint8_t *out)
{
    if (s->n == 0)
        return false;
    *out = (uint8_t)s->p[0];
    s->p++, s->n--;
    return true;
}

static bool
take_varint(struct slice *s, size_t *out)
{
    size_t value = 0;
    uint8_t byte;

    for (unsigned shift = 0; shift < 7 * VARINT_MAX_BYTES; shift += 7) {
        if (!take_byte(s, &byte))
            return false;
        value |= (size_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return true;
        }
    }
    return false;
}

int
linkblob_next(struct linkblob_reader *r, struct record_link *out)
{
    uint8_t version, tag, flags = 0, not_followed = 0;
    size_t shared, n_rest;
    int err;

    if (!r->is_begun && r->left.n > 0) {
        if (!take_byte(&r->left, &version) || version != VERSION)
            return ORB_ECORRUPT;
        r->is_begun = true;
    }
    if (r->left.n == 0)
        return 0;
    if (!take_byte(&r->left, &tag))
        return ORB_ECORRUPT;
    if ((tag & TAG_HAS_FLAGS) != 0 && (!take_byte(&r->left, &flags) || !take_byte(&r->left, &not_followed)))
        return ORB_ECORRUPT;
    if (!take_varint(&r->left, &shared) || !take_varint(&r->left, &n_rest) || shared > r->url.n || n_rest > r->left.n
        || shared + n_rest > LINKBLOB_URL_BYTES)
        return ORB_ECORRUPT;
    buf_truncate(&r->url, shared);
    err = buf_append(&r->url, r->left.p, n_rest);
    if (err != 0)
        return err;
    r->left = slice_sub(r->left, n_rest, SIZE_MAX);
    *out = (struct record_link){ buf_slice(&r->url), tag & (TAG_HAS_FLAGS - 1), flags, not_followed };
    return 1;
}
