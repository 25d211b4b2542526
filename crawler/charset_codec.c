/* charset_codec.c - bytes of an encoding to UTF-8 and back */
#include <errno.h>
#include <iconv.h>

#include "crawler/charset_table.h"

#define REPLACEMENT "\xEF\xBF\xBD"
#define NO_ICONV ((iconv_t)-1)
#define UNDEFINED 0xFFFD

static struct {
    iconv_t decode, encode; /* 0 = never opened */
    uint16_t *upper;        /* of a single-byte encoding: code points of 0x80 - 0xFF */
} kept[CHARSET_N];

static size_t
row(const struct charset *c)
{
    return (size_t)(c - charset_table);
}

static iconv_t
open_kept(iconv_t *place, const char *to, const char *from)
{
    if (*place == (iconv_t)0)
        *place = iconv_open(to, from);
    else if (*place != NO_ICONV)
        iconv(*place, NULL, NULL, NULL, NULL);
    return *place;
}

void
charset_fini(void)
{
    for (size_t i = 0; i < CHARSET_N; i++) {
        if (kept[i].decode != (iconv_t)0 && kept[i].decode != NO_ICONV)
            iconv_close(kept[i].decode);
        if (kept[i].encode != (iconv_t)0 && kept[i].encode != NO_ICONV)
            iconv_close(kept[i].encode);
        mem_free(MEM_DEFAULT, kept[i].upper);
        memset(&kept[i], 0, sizeof kept[i]);
    }
}

static size_t
put_utf8(char *to, uint32_t c)
{
    if (c == 0)
        c = UNDEFINED; /* libxml2 takes NUL for the end; HTML makes it U+FFFD */
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* One code point of valid UTF-8. */
static uint32_t
get_utf8(const uint8_t *p, unsigned length)
{
    switch (length) {
    case 1:
        return p[0];
    case 2:
        return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    case 3:
        return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    default:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    }
}

/* ---- single-byte encodings ---------------------------------------------------------------------------------------- */

/* Where the standard's index is not iconv's. */
static uint16_t
correct(const char *name, unsigned byte, uint16_t code)
{
    if (strcmp(name, "macintosh") == 0 && byte == 0xDB)
        return 0x20AC;
    if (strcmp(name, "macintosh") == 0 && byte == 0xF0)
        return 0xF8FF;
    if (strcmp(name, "x-mac-cyrillic") == 0 && byte == 0xFF)
        return 0x20AC;
    if (strcmp(name, "koi8-u") == 0 && (byte == 0xAE || byte == 0xBE))
        return byte == 0xAE ? 0x045E : 0x040E;
    if (strcmp(name, "windows-1255") == 0 && byte == 0xCA)
        return 0x05BA;
    if (code == UNDEFINED && byte < 0xA0) /* holes among the C1 controls are those controls */
        return (uint16_t)byte;
    return code;
}

static uint16_t
code_of_byte(iconv_t cd, unsigned byte)
{
    char in = (char)byte, *from = &in, out[16], *to = out;
    size_t n_in = 1, n_out = sizeof out;

    iconv(cd, NULL, NULL, NULL, NULL);
    if (iconv(cd, &from, &n_in, &to, &n_out) == (size_t)-1 || iconv(cd, NULL, NULL, &to, &n_out) == (size_t)-1
        || to - out != 2)
        return UNDEFINED;
    return (uint16_t)((uint8_t)out[0] | (uint8_t)out[1] << 8);
}

static const uint16_t *
upper_table(const struct charset *c)
{
    uint16_t **table = &kept[row(c)].upper;
    iconv_t cd;

    if (*table != NULL)
        return *table;
    *table = mem_array(MEM_DEFAULT, 128, sizeof **table);
    if (*table == NULL)
        return NULL;
    cd = iconv_open("UTF-16LE", c->decode_from);
    for (unsigned i = 0; i < 128; i++)
        (*table)[i] = correct(c->name, 0x80 + i, cd == NO_ICONV ? UNDEFINED : code_of_byte(cd, 0x80 + i));
    if (cd != NO_ICONV)
        iconv_close(cd);
    return *table;
}

static int
decode_single(const struct charset *c, struct slice bytes, struct buf *out)
{
    const uint16_t *upper = c->codec == CODEC_SINGLE ? upper_table(c) : NULL;
    char *to;

    if (c->codec == CODEC_SINGLE && upper == NULL)
        return ORB_ENOMEM;
    for (size_t at = 0, n; at < bytes.n; at += n) { /* in blocks: the worst case is three bytes out for one in */
        int err;

        n = ORB_MIN(bytes.n - at, (size_t)16384);
        err = buf_reserve(out, 3 * n);
        if (err != 0)
            return err;
        to = out->p + out->n;
        for (size_t i = 0; i < n; i++) {
            uint8_t b = (uint8_t)bytes.p[at + i];
            if (b != 0 && b < 0x80)
                *to++ = (char)b;
            else
                to += put_utf8(to, b == 0 ? 0 : upper == NULL ? 0xF700u + b : upper[b - 0x80]);
        }
        out->n = (size_t)(to - out->p);
        out->p[out->n] = '\0';
    }
    return 0;
}

/* ---- UTF-8 and UTF-16 --------------------------------------------------------------------------------------------- */

/* How many bytes of a broken sequence are one U+FFFD: the longest part that could have begun a good one. */
static unsigned
broken_length(const uint8_t *p, size_t n)
{
    unsigned want = p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : p[0] >= 0xE0 && p[0] < 0xF0 ? 3 : 1;
    uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80, high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    unsigned length = 1;

    while (length < want && length < n && p[length] >= low && p[length] <= high) {
        length++;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

static int
decode_utf8(struct slice bytes, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t at = 0, good = 0;
    int err;

    while (at < bytes.n) {
        unsigned length = p[at] == 0 ? 0 : charset_utf8_length(p + at, bytes.n - at);
        if (length != 0) {
            at += length;
            continue;
        }
        if ((err = buf_append(out, p + good, at - good)) != 0 || (err = buf_append(out, REPLACEMENT, 3)) != 0)
            return err;
        at += broken_length(p + at, bytes.n - at);
        good = at;
    }
    return buf_append(out, p + good, at - good);
}

static int
decode_utf16(struct slice bytes, bool is_big, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    char utf8[4];
    int err;

    for (size_t at = 0; at < bytes.n;) {
        uint32_t c = UNDEFINED, low;

        if (at + 1 < bytes.n)
            c = is_big ? (uint32_t)p[at] << 8 | p[at + 1] : (uint32_t)p[at + 1] << 8 | p[at];
        at += 2;
        if (c >= 0xDC00 && c <= 0xDFFF)
            c = UNDEFINED;
        if (c >= 0xD800 && c <= 0xDBFF) {
            low = at + 1 >= bytes.n ? 0 : is_big ? (uint32_t)p[at] << 8 | p[at + 1] : (uint32_t)p[at + 1] << 8 | p[at];
            if (low >= 0xDC00 && low <= 0xDFFF) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                at += 2;
            } else {
                c = UNDEFINED;
            }
        }
        err = buf_append(out, utf8, put_utf8(utf8, c));
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- the others: iconv -------------------------------------------------------------------------------------------- */

/* iconv stopped at bytes it cannot read: what stands for them, and how many they are. */
static int
replace_bad(const struct charset *c, char **from, size_t *n_from, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)*from;
    size_t n = *n_from > 1 && p[0] >= 0x80 && p[1] >= 0x80 && c->codec == CODEC_ICONV ? 2 : 1;
    bool is_euro = p[0] == 0x80 && strcmp(c->decode_from, "GB18030") == 0;

    if (is_euro)
        n = 1;
    *from += n;
    *n_from -= n;
    return is_euro ? buf_append(out, "\xE2\x82\xAC", 3) : buf_append(out, REPLACEMENT, 3);
}

/* NULs behind out[from] become U+FFFD. */
static int
replace_nuls(struct buf *out, size_t from)
{
    size_t n_nuls = 0, to;

    for (size_t i = from; i < out->n; i++)
        n_nuls += out->p[i] == '\0';
    if (n_nuls == 0)
        return 0;
    if (buf_reserve(out, 2 * n_nuls) != 0)
        return ORB_ENOMEM;
    to = out->n + 2 * n_nuls;
    out->p[to] = '\0';
    for (size_t i = out->n; i > from; i--) {
        if (out->p[i - 1] == '\0')
            memcpy(out->p + (to -= 3), REPLACEMENT, 3);
        else
            out->p[--to] = out->p[i - 1];
    }
    out->n += 2 * n_nuls;
    return 0;
}

static int
decode_iconv(const struct charset *c, struct slice bytes, struct buf *out)
{
    iconv_t cd = open_kept(&kept[row(c)].decode, "UTF-8", c->decode_from);
    char *from = (char *)bytes.p; /* iconv's prototype; it does not write there */
    size_t n_from = bytes.n, start = out->n;

    if (cd == NO_ICONV) /* a system without this module: ASCII survives */
        return decode_utf8(bytes, out);
    for (bool at_end = false; !at_end;) {
        char *to;
        size_t n_to, done;
        int why, err = buf_reserve(out, n_from + n_from / 2 + 64);

        if (err != 0)
            return err;
        to = out->p + out->n;
        n_to = out->cap - out->n;
        at_end = n_from == 0;
        done = iconv(cd, at_end ? NULL : &from, at_end ? NULL : &n_from, &to, &n_to);
        why = errno;
        out->n = (size_t)(to - out->p);
        out->p[out->n] = '\0';
        if (done != (size_t)-1 || why == E2BIG)
            continue;
        if (why == EINVAL) { /* the bytes end within a character */
            n_from = 0;
            err = buf_append(out, REPLACEMENT, 3);
        } else {
            err = replace_bad(c, &from, &n_from, out);
        }
        if (err != 0)
            return err;
    }
    return replace_nuls(out, start);
}

int
charset_decode(const struct charset *c, struct slice bytes, struct buf *out)
{
    if (bytes.n == 0)
        return 0;
    switch ((enum charset_codec)c->codec) {
    case CODEC_UTF8:
        return decode_utf8(bytes, out);
    case CODEC_SINGLE:
    case CODEC_USER:
        return decode_single(c, bytes, out);
    case CODEC_ICONV:
        return decode_iconv(c, bytes, out);
    case CODEC_UTF16LE:
    case CODEC_UTF16BE:
        return decode_utf16(bytes, c->codec == CODEC_UTF16BE, out);
    case CODEC_REPLACEMENT:
        return buf_append(out, REPLACEMENT, 3);
    }
    CHECK_NEVER("a codec without a decoder");
}

/* ---- encoding, for queries ---------------------------------------------------------------------------------------- */

/* 0 = done, 1 = the character does not fit. */
static int
encode_single(const struct charset *c, uint32_t code, struct buf *out)
{
    const uint16_t *upper;

    if (code < 0x80)
        return buf_append_char(out, (char)code);
    if (c->codec == CODEC_USER)
        return code >= 0xF780 && code <= 0xF7FF ? buf_append_char(out, (char)(code - 0xF700)) : 1;
    upper = upper_table(c);
    if (upper == NULL)
        return ORB_ENOMEM;
    for (unsigned i = 0; i < 128; i++)
        if (upper[i] == code && code != UNDEFINED)
            return buf_append_char(out, (char)(0x80 + i));
    return 1;
}

static int
encode_iconv(const struct charset *c, uint32_t code, struct buf *out)
{
    iconv_t cd = open_kept(&kept[row(c)].encode, c->encode_to != NULL ? c->encode_to : c->decode_from, "UTF-8");
    bool is_japanese = strcmp(c->name, "shift_jis") == 0 || strcmp(c->name, "euc-jp") == 0
                       || strcmp(c->name, "iso-2022-jp") == 0;
    char utf8[4], bytes[32], *from = utf8, *to = bytes;
    size_t n_from, n_to = sizeof bytes;

    if (code < 0x80)
        return buf_append_char(out, (char)code);
    if (code == 0x20AC && strcmp(c->name, "gbk") == 0)
        return buf_append_char(out, (char)0x80);
    if (is_japanese && code == 0x2212) /* the standard's one substitution: minus sign */
        code = 0xFF0D;
    n_from = put_utf8(utf8, code);
    if (cd == NO_ICONV || iconv(cd, &from, &n_from, &to, &n_to) == (size_t)-1 || iconv(cd, NULL, NULL, &to, &n_to) == (size_t)-1)
        return 1;
    return buf_append(out, bytes, (size_t)(to - bytes));
}

int
charset_encode(struct buf *out, struct slice utf8, void *charset)
{
    const struct charset *c = charset;
    const uint8_t *p = (const uint8_t *)utf8.p;

    if (charset_encodes_as_utf8(c))
        return buf_append_slice(out, utf8);
    for (size_t at = 0; at < utf8.n;) {
        unsigned length = charset_utf8_length(p + at, utf8.n - at);
        uint32_t code = length == 0 ? UNDEFINED : get_utf8(p + at, length);
        int err = c->codec == CODEC_ICONV ? encode_iconv(c, code, out) : encode_single(c, code, out);

        if (err > 0)
            err = buf_printf(out, "%%26%%23%u%%3B", code);
        if (err != 0)
            return err;
        at += length == 0 ? 1 : length;
    }
    return 0;
}
