/* charset_table.h - the encodings themselves; only charset*.c include this */
#ifndef ORB_CRAWLER_CHARSET_TABLE_H
#define ORB_CRAWLER_CHARSET_TABLE_H

#include "crawler/charset.h"

enum charset_codec { CODEC_UTF8, CODEC_SINGLE, CODEC_ICONV, CODEC_UTF16LE, CODEC_UTF16BE, CODEC_USER, CODEC_REPLACEMENT };

struct charset {
    const char *name;   /* WHATWG's, lower case */
    const char *labels; /* the others that mean it, separated by one blank */
    uint8_t codec;
    const char *decode_from; /* iconv's name of the superset that the standard decodes */
    const char *encode_to;   /* ... and of what it encodes; NULL = the same */
};

#define CHARSET_N 40
extern const struct charset charset_table[CHARSET_N];

/* Length of the well-formed UTF-8 sequence at p (1-4), or 0. n > 0. */
unsigned charset_utf8_length(const uint8_t *p, size_t n);

#endif
