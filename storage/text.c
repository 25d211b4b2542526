#include "storage/text.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Unicode's table 3-7: overlong forms and surrogates are out by the second byte's range. */
size_t
text_utf8_bytes(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.n < n)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

/* How many bytes from the start are plain ASCII without NUL, eight at a time. */
static size_t
n_plain(struct slice s)
{
    size_t i = 0;

    for (; s.n - i >= 8; i += 8) {
        uint64_t x;
        memcpy(&x, s.p + i, 8);
        if (((x | ((x - 0x0101010101010101u) & ~x)) & 0x8080808080808080u) != 0)
            break;
    }
    while (i < s.n && (signed char)s.p[i] > 0)
        i++;
    return i;
}

bool
text_is_clean(struct slice s)
{
    while (s.n > 0) {
        size_t n = n_plain(s);

        s = slice_sub(s, n, SIZE_MAX);
        if (s.n == 0)
            return true;
        n = text_utf8_bytes(s);
        if (n < 2)
            return false;
        s = slice_sub(s, n, SIZE_MAX);
    }
    return true;
}

int
text_append_clean(struct buf *out, struct slice s)
{
    int err = buf_reserve(out, s.n);

    while (s.n > 0 && err == 0) {
        size_t n = n_plain(s);

        if (n == 0 && s.p[0] != '\0')
            n = text_utf8_bytes(s);
        if (n == 0) {
            err = buf_append_str(out, REPLACEMENT);
            n = 1;
        } else {
            err = buf_append(out, s.p, n);
        }
        s = slice_sub(s, n, SIZE_MAX);
    }
    return err;
}

static int
append_json_char(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"': return buf_append_str(out, "\\\"");
    case '\\': return buf_append_str(out, "\\\\");
    case '\n': return buf_append_str(out, "\\n");
    case '\r': return buf_append_str(out, "\\r");
    case '\t': return buf_append_str(out, "\\t");
    default: return buf_printf(out, "\\u%04x", c);
    }
}

int
text_append_json(struct buf *out, struct slice s)
{
    int err = buf_append_char(out, '"');

    while (s.n > 0 && err == 0) {
        size_t n = 0, n_seq;

        while (n < s.n && (unsigned char)s.p[n] >= 0x20 && s.p[n] != '"' && s.p[n] != '\\' && s.p[n] != 0x7f
               && (n_seq = text_utf8_bytes(slice_sub(s, n, SIZE_MAX))) > 0)
            n += n_seq;
        err = buf_append(out, s.p, n);
        s = slice_sub(s, n, SIZE_MAX);
        if (err != 0 || s.n == 0)
            break;
        err = (unsigned char)s.p[0] < 0x80 ? append_json_char(out, (unsigned char)s.p[0]) : buf_append_str(out, REPLACEMENT);
        s = slice_sub(s, 1, SIZE_MAX);
    }
    return err == 0 ? buf_append_char(out, '"') : err;
}
