#include "crawler/url_chars.h"

#define ENC_ALL                                                                                                        \
    (URL_ENC_CONTROL | URL_ENC_FRAGMENT | URL_ENC_QUERY | URL_ENC_SPECIAL_QUERY | URL_ENC_PATH | URL_ENC_USERINFO)
#define BAD (URL_BAD_HOST | URL_BAD_DOMAIN)
#define QUERIES (URL_ENC_QUERY | URL_ENC_SPECIAL_QUERY)
#define VISIBLE_ALL (URL_ENC_FRAGMENT | QUERIES | URL_ENC_PATH | URL_ENC_USERINFO)
#define DIGIT (URL_PLAIN_HOST | URL_SCHEME | URL_UNRESERVED | URL_PLAIN)

const uint16_t url_chars[256] = {
    [0x00] = ENC_ALL | BAD,
    [0x01 ... 0x08] = ENC_ALL | URL_BAD_DOMAIN,
    [0x09 ... 0x0a] = ENC_ALL | BAD,
    [0x0b ... 0x0c] = ENC_ALL | URL_BAD_DOMAIN,
    [0x0d] = ENC_ALL | BAD,
    [0x0e ... 0x1f] = ENC_ALL | URL_BAD_DOMAIN,
    [' '] = VISIBLE_ALL | BAD,
    ['!'] = URL_PLAIN,
    ['"'] = VISIBLE_ALL,
    ['#'] = QUERIES | URL_ENC_PATH | URL_ENC_USERINFO | BAD,
    ['$'] = URL_PLAIN,
    ['%'] = URL_BAD_DOMAIN,
    ['&'] = URL_PLAIN,
    ['\''] = URL_ENC_SPECIAL_QUERY | URL_PLAIN,
    ['('] = URL_PLAIN,
    [')'] = URL_PLAIN,
    ['*'] = URL_PLAIN,
    ['+'] = URL_SCHEME | URL_PLAIN,
    [','] = URL_PLAIN,
    ['-'] = DIGIT,
    ['.'] = DIGIT,
    ['/'] = URL_ENC_USERINFO | URL_SLASH | BAD | URL_PLAIN,
    ['0' ... '9'] = DIGIT,
    [':'] = URL_ENC_USERINFO | BAD | URL_PLAIN,
    [';'] = URL_ENC_USERINFO | URL_PLAIN,
    ['<'] = VISIBLE_ALL | BAD,
    ['='] = URL_ENC_USERINFO | URL_PLAIN,
    ['>'] = VISIBLE_ALL | BAD,
    ['?'] = URL_ENC_PATH | URL_ENC_USERINFO | BAD | URL_PLAIN,
    ['@'] = URL_ENC_USERINFO | BAD | URL_PLAIN,
    ['A' ... 'Z'] = URL_SCHEME | URL_UNRESERVED | URL_PLAIN,
    ['['] = URL_ENC_USERINFO | BAD,
    ['\\'] = URL_ENC_USERINFO | URL_SLASH | BAD,
    [']'] = URL_ENC_USERINFO | BAD,
    ['^'] = URL_ENC_PATH | URL_ENC_USERINFO | BAD,
    ['_'] = URL_UNRESERVED | URL_PLAIN,
    ['`'] = URL_ENC_FRAGMENT | URL_ENC_PATH | URL_ENC_USERINFO,
    ['a' ... 'z'] = DIGIT,
    ['{'] = URL_ENC_PATH | URL_ENC_USERINFO,
    ['|'] = URL_ENC_USERINFO | BAD,
    ['}'] = URL_ENC_PATH | URL_ENC_USERINFO,
    ['~'] = URL_UNRESERVED | URL_PLAIN,
    [0x7f] = ENC_ALL | URL_BAD_DOMAIN,
    [0x80 ... 0xff] = ENC_ALL,
};

int
url_encode_append(struct buf *out, struct slice s, unsigned set)
{
    size_t start = 0, i = 0;
    int err;

    if (s.n == 0)
        return 0;
    for (;;) {
        char escape[3];

        while (i < s.n && !url_char_is(s.p[i], set))
            i++;
        err = buf_append(out, s.p + start, i - start);
        if (err != 0 || i == s.n)
            return err;
        hex_put_escape(escape, (unsigned char)s.p[i]);
        err = buf_append(out, escape, 3);
        if (err != 0)
            return err;
        start = ++i;
    }
}

int
url_decode_append(struct buf *out, struct slice s)
{
    int err = buf_reserve(out, s.n);

    if (err != 0)
        return err;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%' && s.n - i > 2 && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0) {
            c = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
            i += 2;
        }
        out->p[out->n++] = c;
    }
    out->p[out->n] = '\0';
    return 0;
}

/* Length of the well-formed sequence at p, or 0 and *n_bad = length of the maximal subpart to replace. */
static size_t
utf8_sequence(const unsigned char *p, size_t n, size_t *n_bad)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t need;

    *n_bad = 1;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        need = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        need = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        need = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < need; i++) {
        if (i >= n || p[i] < low || p[i] > high) {
            *n_bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return need;
}

size_t
url_utf8_prefix(struct slice s)
{
    size_t i = 0, n_bad;

    while (i < s.n) {
        uint64_t word;
        size_t n;

        if (s.n - i >= sizeof word) { /* eight ASCII bytes at once */
            memcpy(&word, s.p + i, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof word;
                continue;
            }
        }
        n = utf8_sequence((const unsigned char *)s.p + i, s.n - i, &n_bad);
        if (n == 0)
            return i;
        i += n;
    }
    return i;
}

int
url_utf8_append(struct buf *out, struct slice s)
{
    while (s.n > 0) {
        size_t good = url_utf8_prefix(s), n_bad;
        int err = buf_append(out, s.p, good);

        if (err != 0)
            return err;
        s = slice_sub(s, good, SIZE_MAX);
        if (s.n == 0)
            break;
        utf8_sequence((const unsigned char *)s.p, s.n, &n_bad);
        err = buf_append(out, "\xef\xbf\xbd", 3);
        if (err != 0)
            return err;
        s = slice_sub(s, n_bad, SIZE_MAX);
    }
    return 0;
}
