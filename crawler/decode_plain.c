/* decode_plain.c - bytes that were never encoded, whatever their label says
 *
 * Text is told by the "binary data byte" rule of the MIME Sniffing Standard (section 3): of compressed data, one byte
 * in ten is such a byte, so that a few hundred bytes without any were not compressed.
 */
#include "crawler/decode_layer.h"

#define LOOK_BYTES 1024

static const struct slice signatures[] = {
    SLICE_LITERAL("\x89PNG\r\n\x1a\n"), SLICE_LITERAL("\xff\xd8\xff"), SLICE_LITERAL("GIF8"),
    SLICE_LITERAL("%PDF-"),             SLICE_LITERAL("PK\x03\x04"),   SLICE_LITERAL("RIFF"),
    SLICE_LITERAL("wOFF"),              SLICE_LITERAL("wOF2"),         SLICE_LITERAL("\xfe\xff"),
    SLICE_LITERAL("\xff\xfe"), /* UTF-16 */
};

static bool
is_binary_byte(uint8_t c)
{
    return c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1a) || (c >= 0x1c && c <= 0x1f);
}

bool
decode_is_plain(struct slice s)
{
    struct slice look = slice_sub(s, 0, LOOK_BYTES);

    for (size_t i = 0; i < ORB_N_ELEMENTS(signatures); i++)
        if (slice_starts_with(s, signatures[i]))
            return true;
    for (size_t i = 0; i < look.n; i++)
        if (is_binary_byte((uint8_t)look.p[i]))
            return false;
    return true;
}
