/* Names: taken apart at their dots, because libidn2 refuses names over 255 bytes and looks at the Bidi rule label by
 * label, the standard at whole names. Given up on: names over NAME_MAX_BYTES, and the Bidi rule for non-ASCII
 * left-to-right labels beside right-to-left ones. */
#include "crawler/idna.h"

#include "crawler/idna_internal.h"
#include "crawler/url_chars.h"

#define NAME_MAX_BYTES 2048 /* of a name that needs mapping: far above what DNS holds; a label costs microseconds */

/* Mappings that changed, or that came, since libidn2's tables: the new target; 0 = to be ignored. */
static uint32_t
mend_point(uint32_t c)
{
    if (c == 0x1e9e)
        return 0xdf;
    if (c == 0x4c0)
        return 0x4cf;
    if (c == 0x2132)
        return 0x214e;
    if (c == 0x2183)
        return 0x2184;
    if ((c >= 0x10a0 && c <= 0x10c5) || c == 0x10c7 || c == 0x10cd)
        return c + 0x1c60;
    if (c == 0x180e || (c >= 0x2061 && c <= 0x2064) || (c >= 0x206a && c <= 0x206f))
        return 0;
    return c;
}

static bool
label_is_right_to_left(struct slice label)
{
    struct idna_points decoded;

    if (!idna_is_encoded(label)
        || punycode_decode(slice_sub(label, IDNA_PREFIX_BYTES, SIZE_MAX), decoded.p, PUNYCODE_MAX_POINTS, &decoded.n)
               != 0)
        return false;
    for (size_t i = 0; i < decoded.n; i++)
        if (idna_is_right_to_left(decoded.p[i]))
            return true;
    return false;
}

/* RFC 5893 rules 1, 5 and 6 for an ASCII label of a name that has a right-to-left label. */
static bool
ascii_label_fits_bidi(struct slice label)
{
    if (label.n == 0 || idna_is_encoded(label))
        return true;
    return url_is_alpha(label.p[0]) && (url_is_alpha(label.p[label.n - 1]) || url_is_digit(label.p[label.n - 1]));
}

static bool
bidi_holds(struct slice name)
{
    bool is_bidi = false, fits = true;

    for (size_t i = 0, end; i <= name.n; i = end + 1) {
        struct slice label;

        for (end = i; end < name.n && name.p[end] != '.'; end++)
            ;
        label = slice_sub(name, i, end - i);
        is_bidi = is_bidi || label_is_right_to_left(label);
        fits = fits && ascii_label_fits_bidi(label);
    }
    return !is_bidi || fits;
}

/* A full stop, as such or in another script: its bytes at i, else 0. */
static size_t
dot_bytes(struct slice s, size_t i)
{
    size_t next = i;
    uint32_t c = idna_next_point(s, &next);

    return c == '.' || c == 0x3002 || c == 0xff0e || c == 0xff61 ? next - i : 0;
}

static int
append_name(struct buf *out, struct slice name)
{
    size_t i = 0;
    int err = 0;

    while (err == 0) {
        size_t end = i, dot = 0;

        while (end < name.n && (dot = dot_bytes(name, end)) == 0)
            idna_next_point(name, &end);
        err = idna_append_label(out, slice_sub(name, i, end - i));
        if (err == 0 && end == name.n)
            break;
        if (err == 0)
            err = buf_append_char(out, '.');
        i = end + dot;
    }
    return err;
}

/* A name with characters of other scripts, or xn-- labels. */
static int
append_international(struct buf *out, struct slice domain)
{
    struct buf mended;
    size_t start = out->n;
    int err = 0;

    buf_init(&mended, out->domain, BUF_NO_CEILING);
    for (size_t i = 0; i < domain.n && err == 0;) {
        uint32_t c = mend_point(idna_next_point(domain, &i));

        if (c != 0)
            err = idna_append_point(&mended, c);
    }
    if (err == 0)
        err = append_name(out, buf_slice(&mended));
    if (err == 0 && !bidi_holds(slice_sub(buf_slice(out), start, SIZE_MAX)))
        err = ORB_EINVAL;
    buf_fini(&mended);
    return err;
}

int
idna_to_ascii(struct buf *out, struct slice domain)
{
    bool needs_idna = !idna_is_ascii(domain);

    for (size_t i = 0; i < domain.n && !needs_idna; i++)
        needs_idna = (i == 0 || domain.p[i - 1] == '.') && idna_is_encoded(slice_sub(domain, i, SIZE_MAX));
    if (!needs_idna)
        return idna_append_lower(out, domain);
    if (domain.n > NAME_MAX_BYTES || memchr(domain.p, '\0', domain.n) != NULL) /* libidn2 takes C strings */
        return ORB_EINVAL;
    return append_international(out, domain);
}
