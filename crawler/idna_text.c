#include "crawler/idna_internal.h"
#include "crawler/url_chars.h"

uint32_t
idna_next_point(struct slice s, size_t *i)
{
    const unsigned char *p = (const unsigned char *)s.p + *i;

    if (p[0] < 0x80) {
        *i += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *i += 2;
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    }
    if (p[0] < 0xf0) {
        *i += 3;
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    }
    *i += 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

int
idna_append_point(struct buf *out, uint32_t c)
{
    char b[4] = { (char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3f)), (char)(0x80 | (c >> 6 & 0x3f)),
                  (char)(0x80 | (c & 0x3f)) };

    if (c < 0x80)
        return buf_append_char(out, (char)c);
    if (c < 0x800)
        b[2] = (char)(0xc0 | c >> 6);
    else if (c < 0x10000)
        b[1] = (char)(0xe0 | c >> 12);
    return buf_append(out, c < 0x800 ? b + 2 : c < 0x10000 ? b + 1 : b, c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
}

bool
idna_is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

bool
idna_is_encoded(struct slice label)
{
    return label.n >= IDNA_PREFIX_BYTES
           && slice_eq_nocase(slice_sub(label, 0, IDNA_PREFIX_BYTES), SLICE_LITERAL("xn--"));
}

int
idna_append_lower(struct buf *out, struct slice s)
{
    size_t start = out->n;
    int err = buf_append_slice(out, s);

    for (size_t i = start; i < out->n; i++)
        out->p[i] = url_lower(out->p[i]);
    return err;
}

bool
idna_is_right_to_left(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8ff && !(c >= 0x6f0 && c <= 0x6f9)) || (c >= 0xfb1d && c <= 0xfdff)
           || (c >= 0xfe70 && c <= 0xfefc) || (c >= 0x10800 && c <= 0x10fff) || (c >= 0x1e800 && c <= 0x1efff);
}
