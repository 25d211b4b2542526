/* url_chars.h - what each byte may do in a URL (https://url.spec.whatwg.org/#percent-encoded-bytes), and percent-encoding
 *
 * One table serves every part: a bit says that the byte must be percent-encoded there, or is forbidden there.
 */
#ifndef ORB_CRAWLER_URL_CHARS_H
#define ORB_CRAWLER_URL_CHARS_H

#include "pool/buf.h"
#include "pool/hex.h"

enum url_char {
    URL_ENC_CONTROL = 1,        /* C0 control set: opaque paths and opaque hosts */
    URL_ENC_FRAGMENT = 2,
    URL_ENC_QUERY = 4,
    URL_ENC_SPECIAL_QUERY = 8,
    URL_ENC_PATH = 16,
    URL_ENC_USERINFO = 32,
    URL_BAD_HOST = 64,          /* forbidden host code point */
    URL_BAD_DOMAIN = 128,       /* forbidden domain code point */
    URL_PLAIN_HOST = 256,       /* stands for itself in a canonical domain: a-z 0-9 - . */
    URL_SCHEME = 512,           /* may follow the first letter of a scheme */
    URL_SLASH = 1024,           /* '/' and '\' */
    URL_UNRESERVED = 2048,      /* RFC 3986 2.3 */
    URL_PLAIN = 4096,           /* may stand in a path and a query by RFC 3986 3.3 and 3.4: pchar, '/' and '?' */
};

extern const uint16_t url_chars[256];

static inline bool
url_char_is(char c, unsigned bits)
{
    return (url_chars[(unsigned char)c] & bits) != 0;
}

static inline bool
url_is_alpha(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static inline bool
url_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline char
url_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Appends s with every byte of `set` as %HH. */
int url_encode_append(struct buf *out, struct slice s, unsigned set) ORB_MUST_USE;
/* Appends s with every %HH as its byte. */
int url_decode_append(struct buf *out, struct slice s) ORB_MUST_USE;
/* Bytes at the front of s that are well-formed UTF-8; s.n when all of it is. */
size_t url_utf8_prefix(struct slice s);
/* Appends s with ill-formed UTF-8 as U+FFFD, one per maximal subpart (Encoding Standard's decoder). */
int url_utf8_append(struct buf *out, struct slice s) ORB_MUST_USE;

#endif
