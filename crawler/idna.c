/* libidn2 2.3.3 is not what the URL Standard asks for:
 *   - it refuses what IDNA 2008 refuses: symbols, emoji, hyphens at 3-4 or at the ends; and labels over 63, names over 255 bytes;
 *   - its tables are of Unicode 11;
 *   - it looks at the Bidi rule label by label, the standard at whole names.
 * So names are taken apart here. ASCII labels never see it; other labels are given to it whole first, and when it refuses
 * them for one of those reasons, piece by piece: what lies between hyphens, symbols and ASCII letters is mapped by
 * libidn2, symbols are taken as they are, and the label is put together and encoded again (punycode.c).
 * Given up on: composition across pieces (Hangul apart), and the Bidi rule for non-ASCII left-to-right labels beside right-to-left ones. */
#include "crawler/idna.h"

#include <idn2.h>

#include "crawler/punycode.h"
#include "crawler/url_chars.h"

#define PIECE_MAX_BYTES 200 /* of a piece that is given to libidn2 */
#define PREFIX_BYTES 4      /* "xn--" */

struct points {
    uint32_t p[PUNYCODE_MAX_POINTS];
    size_t n;
};

/* The code point at *i of well-formed UTF-8; *i goes behind it. */
static uint32_t
next_point(struct slice s, size_t *i)
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

static int
append_point(struct buf *out, uint32_t c)
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

static bool
is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static bool
is_encoded(struct slice label)
{
    return label.n >= PREFIX_BYTES && slice_eq_nocase(slice_sub(label, 0, PREFIX_BYTES), SLICE_LITERAL("xn--"));
}

static int
append_lower(struct buf *out, struct slice s)
{
    size_t start = out->n;
    int err = buf_append_slice(out, s);

    for (size_t i = start; i < out->n; i++)
        out->p[i] = url_lower(out->p[i]);
    return err;
}

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

/* libidn2 on one label or piece: NEW text to be freed by idn2_free(), or ORB_EINVAL and why. */
static int
lookup(struct slice s, char **ascii, int *why)
{
    char text[PIECE_MAX_BYTES + 1];
    uint8_t *answer = NULL;

    *why = IDN2_TOO_BIG_LABEL;
    if (s.n > PIECE_MAX_BYTES)
        return ORB_EINVAL;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *why = idn2_lookup_u8((const uint8_t *)text, &answer, IDN2_NONTRANSITIONAL);
    if (*why == IDN2_MALLOC)
        return ORB_ENOMEM;
    if (*why != IDN2_OK)
        return ORB_EINVAL;
    *ascii = (char *)answer;
    return 0;
}

static int
add_point(struct points *label, uint32_t c)
{
    if (label->n == PUNYCODE_MAX_POINTS)
        return ORB_EINVAL;
    label->p[label->n++] = c;
    return 0;
}

/* A piece that begins with a combining mark, behind a character that libidn2 does not take, is given to it behind a 'q',
 * the letter that composes with nothing. */
static int
lookup_behind(struct slice piece, char **ascii, int *why)
{
    char text[PIECE_MAX_BYTES];

    if (piece.n >= sizeof text)
        return ORB_EINVAL;
    text[0] = 'q';
    memcpy(text + 1, piece.p, piece.n);
    return lookup(slice_of(text, piece.n + 1), ascii, why);
}

/* Adds what libidn2 makes of a piece, as code points. */
static int
add_piece(struct points *label, struct slice piece)
{
    size_t at = label->n, n = 0;
    char *ascii;
    int why, err = lookup(piece, &ascii, &why);
    bool is_behind = why == IDN2_LEADING_COMBINING && at > 0;

    if (is_behind)
        err = lookup_behind(piece, &ascii, &why);
    if (err != 0)
        return err;
    if (is_encoded(slice_str(ascii))) {
        err = punycode_decode(slice_str(ascii + PREFIX_BYTES), label->p + at, PUNYCODE_MAX_POINTS - at, &n);
        label->n += err == 0 ? n : 0;
    } else {
        for (size_t i = 0; ascii[i] != '\0' && err == 0; i++)
            err = add_point(label, (unsigned char)ascii[i]);
    }
    idn2_free(ascii);
    if (is_behind && err == 0 && label->n > at)
        memmove(label->p + at, label->p + at + 1, (--label->n - at) * sizeof label->p[0]);
    return err;
}

/* Where the piece that begins at i ends: before the next ASCII byte, or a character that libidn2 does not take. */
static size_t
piece_end(struct slice s, size_t i)
{
    bool is_first = true;

    while (i < s.n) {
        size_t next = i;
        uint32_t c = next_point(s, &next);

        if (!is_first && (c < 0x80 || idna_is_valid_beyond_libidn2(c)))
            break;
        is_first = false;
        i = next;
    }
    return i;
}

static bool
is_right_to_left(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8ff && !(c >= 0x6f0 && c <= 0x6f9)) || (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfefc)
           || (c >= 0x10800 && c <= 0x10fff) || (c >= 0x1e800 && c <= 0x1efff);
}

/* RFC 5893 rules 1 and 2, as far as pieces can have broken them: a right-to-left label begins so and has no Latin letters. */
static bool
pieces_fit_bidi(const struct points *label)
{
    bool has_rtl = false, has_latin = false;

    for (size_t i = 0; i < label->n; i++) {
        has_rtl = has_rtl || is_right_to_left(label->p[i]);
        has_latin = has_latin || (label->p[i] < 0x80 && url_is_alpha((char)label->p[i]));
    }
    return !has_rtl || (is_right_to_left(label->p[0]) && !has_latin);
}

/* Conjoining jamo become syllables (Unicode, 3.12): they are taken one by one, as symbols are. */
static void
compose_hangul(struct points *label)
{
    enum { L = 0x1100, V = 0x1161, T = 0x11a7, S = 0xac00, N_L = 19, N_V = 21, N_T = 28, N_S = N_L * N_V * N_T };
    size_t to = 0;

    for (size_t i = 0; i < label->n; i++) {
        uint32_t c = label->p[i], last = to == 0 ? 0 : label->p[to - 1];

        if (last - L < N_L && c - V < N_V)
            label->p[to - 1] = S + ((last - L) * N_V + (c - V)) * N_T;
        else if (last - S < N_S && (last - S) % N_T == 0 && c > T && c < T + N_T)
            label->p[to - 1] = last + (c - T);
        else
            label->p[to++] = c;
    }
    label->n = to;
}

static int
map_by_pieces(struct slice s, struct points *label)
{
    int err = 0;

    label->n = 0;
    for (size_t i = 0; i < s.n && err == 0;) {
        size_t next = i, end;
        uint32_t c = next_point(s, &next);
        bool is_alnum = c < 0x80 && (url_is_alpha((char)c) || url_is_digit((char)c));

        end = piece_end(s, i);
        if (idna_is_valid_beyond_libidn2(c) || (c < 0x80 && (!is_alnum || end == next))) {
            err = add_point(label, c < 0x80 ? (unsigned char)url_lower((char)c) : c);
            i = next;
        } else {
            err = add_piece(label, slice_sub(s, i, end - i));
            i = end;
        }
    }
    if (err == 0 && !pieces_fit_bidi(label))
        err = ORB_EINVAL;
    compose_hangul(label);
    return err;
}

static int
append_points(struct buf *out, const struct points *label)
{
    bool ascii = true;
    int err;

    for (size_t i = 0; i < label->n; i++)
        ascii = ascii && label->p[i] < 0x80;
    if (!ascii) {
        err = buf_append(out, "xn--", PREFIX_BYTES);
        return err != 0 ? err : punycode_encode(out, label->p, label->n);
    }
    for (size_t i = 0; i < label->n; i++) {
        err = buf_append_char(out, (char)label->p[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

static bool
is_mendable(int why)
{
    return why == IDN2_DISALLOWED || why == IDN2_UNASSIGNED || why == IDN2_2HYPHEN || why == IDN2_HYPHEN_STARTEND
           || why == IDN2_TOO_BIG_LABEL || why == IDN2_TOO_BIG_DOMAIN || why == IDN2_INVALID_NONTRANSITIONAL
           || why == IDN2_ALABEL_ROUNDTRIP_FAILED || why == IDN2_PUNYCODE_BIG_OUTPUT;
}

/* An xn-- label that libidn2 refuses stands when its decoded form is valid and encodes to itself. */
static int
append_refused(struct buf *out, struct slice label)
{
    struct points decoded, mapped;
    struct buf text;
    size_t start = out->n;
    int err = punycode_decode(slice_sub(label, PREFIX_BYTES, SIZE_MAX), decoded.p, PUNYCODE_MAX_POINTS, &decoded.n);

    if (err != 0)
        return err;
    buf_init(&text, out->domain, 4 * PUNYCODE_MAX_POINTS);
    for (size_t i = 0; i < decoded.n && err == 0; i++)
        err = append_point(&text, decoded.p[i]);
    if (err == 0)
        err = map_by_pieces(buf_slice(&text), &mapped);
    if (err == 0)
        err = append_points(out, &mapped);
    if (err == 0 && !slice_eq_nocase(slice_sub(buf_slice(out), start, SIZE_MAX), label))
        err = ORB_EINVAL;
    buf_fini(&text);
    return err;
}

/* An xn-- label. */
static int
append_encoded(struct buf *out, struct slice label)
{
    char *ascii;
    int why, err = lookup(label, &ascii, &why);

    if (err == 0) {
        err = buf_append_str(out, ascii);
        idn2_free(ascii);
        return err;
    }
    if (err == ORB_ENOMEM || !(is_mendable(why) || why == IDN2_PUNYCODE_BAD_INPUT))
        return err;
    return append_refused(out, label);
}

/* A label of other scripts. What comes out must stand as an xn-- label too: "xn-", an ignored character and "-a" make one. */
static int
append_mapped(struct buf *out, struct slice label)
{
    struct points mapped;
    size_t start = out->n;
    char *ascii;
    int why, err = lookup(label, &ascii, &why);

    if (err == 0) {
        err = buf_append_str(out, ascii);
        idn2_free(ascii);
    } else if (err != ORB_ENOMEM && is_mendable(why)) {
        err = map_by_pieces(label, &mapped);
        if (err == 0)
            err = append_points(out, &mapped);
    }
    if (err == 0 && is_encoded(slice_sub(buf_slice(out), start, SIZE_MAX))) {
        struct buf again;

        buf_init(&again, out->domain, BUF_NO_CEILING);
        err = append_encoded(&again, slice_sub(buf_slice(out), start, SIZE_MAX));
        buf_fini(&again);
    }
    return err;
}

static int
append_label(struct buf *out, struct slice label)
{
    if (!is_ascii(label))
        return is_encoded(label) ? ORB_EINVAL : append_mapped(out, label);
    return is_encoded(label) ? append_encoded(out, label) : append_lower(out, label);
}

static bool
label_is_right_to_left(struct slice label)
{
    struct points decoded;

    if (!is_encoded(label)
        || punycode_decode(slice_sub(label, PREFIX_BYTES, SIZE_MAX), decoded.p, PUNYCODE_MAX_POINTS, &decoded.n) != 0)
        return false;
    for (size_t i = 0; i < decoded.n; i++)
        if (is_right_to_left(decoded.p[i]))
            return true;
    return false;
}

/* RFC 5893 rules 1, 5 and 6 for an ASCII label of a name that has a right-to-left label. */
static bool
ascii_label_fits_bidi(struct slice label)
{
    if (label.n == 0 || is_encoded(label))
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
    uint32_t c = next_point(s, &next);

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
            next_point(name, &end);
        err = append_label(out, slice_sub(name, i, end - i));
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
        uint32_t c = mend_point(next_point(domain, &i));

        if (c != 0)
            err = append_point(&mended, c);
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
    bool needs_idna = !is_ascii(domain);

    for (size_t i = 0; i < domain.n && !needs_idna; i++)
        needs_idna = (i == 0 || domain.p[i - 1] == '.') && is_encoded(slice_sub(domain, i, SIZE_MAX));
    if (!needs_idna)
        return append_lower(out, domain);
    if (memchr(domain.p, '\0', domain.n) != NULL) /* libidn2 takes C strings */
        return ORB_EINVAL;
    return append_international(out, domain);
}
