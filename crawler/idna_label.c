/* Labels: libidn2 2.3.3 is not what the URL Standard asks for:
 *   - it refuses what IDNA 2008 refuses: symbols, emoji, hyphens at 3-4 or at the ends; and labels over 63 bytes;
 *   - its tables are of Unicode 11.
 * A label is given to it whole first; when it refuses the label for one of those reasons, piece by piece: what lies
 * between hyphens, symbols and ASCII letters is mapped by libidn2, symbols are taken as they are, and the label is put
 * together and encoded again (punycode.c). Given up on: composition across pieces, Hangul apart. */
#include "crawler/idna_internal.h"

#include <idn2.h>

#include "crawler/url_chars.h"

#define PIECE_MAX_BYTES 200 /* of a piece that is given to libidn2 */

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
add_point(struct idna_points *label, uint32_t c)
{
    if (label->n == PUNYCODE_MAX_POINTS)
        return ORB_EINVAL;
    label->p[label->n++] = c;
    return 0;
}

/* A piece that begins with a combining mark, behind a character that libidn2 does not take, is given to it behind a
 * 'q', the letter that composes with nothing. */
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
add_piece(struct idna_points *label, struct slice piece)
{
    size_t at = label->n, n = 0;
    char *ascii;
    int why, err = lookup(piece, &ascii, &why);
    bool is_behind = why == IDN2_LEADING_COMBINING && at > 0;

    if (is_behind)
        err = lookup_behind(piece, &ascii, &why);
    if (err != 0)
        return err;
    if (idna_is_encoded(slice_str(ascii))) {
        err = punycode_decode(slice_str(ascii + IDNA_PREFIX_BYTES), label->p + at, PUNYCODE_MAX_POINTS - at, &n);
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
        uint32_t c = idna_next_point(s, &next);

        if (!is_first && (c < 0x80 || idna_is_valid_beyond_libidn2(c)))
            break;
        is_first = false;
        i = next;
    }
    return i;
}

/* RFC 5893 rules 1 and 2, as far as pieces can have broken them: a right-to-left label begins so and has no Latin
 * letters. */
static bool
pieces_fit_bidi(const struct idna_points *label)
{
    bool has_rtl = false, has_latin = false;

    for (size_t i = 0; i < label->n; i++) {
        has_rtl = has_rtl || idna_is_right_to_left(label->p[i]);
        has_latin = has_latin || (label->p[i] < 0x80 && url_is_alpha((char)label->p[i]));
    }
    return !has_rtl || (idna_is_right_to_left(label->p[0]) && !has_latin);
}

/* Conjoining jamo become syllables (Unicode, 3.12): they are taken one by one, as symbols are. */
static void
compose_hangul(struct idna_points *label)
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
map_by_pieces(struct slice s, struct idna_points *label)
{
    int err = 0;

    label->n = 0;
    for (size_t i = 0; i < s.n && err == 0;) {
        size_t next = i, end;
        uint32_t c = idna_next_point(s, &next);
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
append_points(struct buf *out, const struct idna_points *label)
{
    bool ascii = true;
    int err;

    for (size_t i = 0; i < label->n; i++)
        ascii = ascii && label->p[i] < 0x80;
    if (!ascii) {
        err = buf_append(out, "xn--", IDNA_PREFIX_BYTES);
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
    struct idna_points decoded, mapped;
    struct buf text;
    size_t start = out->n;
    int err =
        punycode_decode(slice_sub(label, IDNA_PREFIX_BYTES, SIZE_MAX), decoded.p, PUNYCODE_MAX_POINTS, &decoded.n);

    if (err != 0)
        return err;
    buf_init(&text, out->domain, 4 * PUNYCODE_MAX_POINTS);
    for (size_t i = 0; i < decoded.n && err == 0; i++)
        err = idna_append_point(&text, decoded.p[i]);
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

/* A label of other scripts. What comes out must stand as an xn-- label too: "xn-", an ignored character and "-a" make
 * one. */
static int
append_mapped(struct buf *out, struct slice label)
{
    struct idna_points mapped;
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
    if (err == 0 && idna_is_encoded(slice_sub(buf_slice(out), start, SIZE_MAX))) {
        struct buf again;

        buf_init(&again, out->domain, BUF_NO_CEILING);
        err = append_encoded(&again, slice_sub(buf_slice(out), start, SIZE_MAX));
        buf_fini(&again);
    }
    return err;
}

int
idna_append_label(struct buf *out, struct slice label)
{
    if (!idna_is_ascii(label))
        return idna_is_encoded(label) ? ORB_EINVAL : append_mapped(out, label);
    return idna_is_encoded(label) ? append_encoded(out, label) : idna_append_lower(out, label);
}
