/* Host parsing and serialising (https://url.spec.whatwg.org/#host-parsing) */
#include "crawler/idna.h"
#include "crawler/url_internal.h"

/* One part of an IPv4 address: decimal, 0octal or 0xhex. False when it is no number; too large stays too large. */
static bool
ipv4_number(struct slice s, uint64_t *out)
{
    unsigned base = 10;
    uint64_t value = 0;

    if (s.n == 0)
        return false;
    if (s.n >= 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x') {
        base = 16;
        s = slice_sub(s, 2, SIZE_MAX);
    } else if (s.n >= 2 && s.p[0] == '0') {
        base = 8;
        s = slice_sub(s, 1, SIZE_MAX);
    }
    for (size_t i = 0; i < s.n; i++) {
        int digit = hex_value(s.p[i]);

        if (digit < 0 || (unsigned)digit >= base)
            return false;
        if (value <= UINT32_MAX)
            value = value * base + (unsigned)digit;
    }
    *out = value;
    return true;
}

static bool
ends_in_number(struct slice host)
{
    const char *dot;
    struct slice last;
    uint64_t value;
    size_t i;

    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n == 0)
        return false;
    dot = memrchr(host.p, '.', host.n);
    last = dot == NULL ? host : slice_sub(host, (size_t)(dot - host.p) + 1, SIZE_MAX);
    if (last.n == 0 || !url_is_digit(last.p[0]))
        return false;
    for (i = 0; i < last.n && url_is_digit(last.p[i]); i++)
        ;
    return i == last.n || ipv4_number(last, &value);
}

static int
ipv4_parse(struct slice host, uint32_t *address)
{
    uint64_t parts[4], value = 0;
    unsigned n = 0;

    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    for (;;) {
        const char *dot = host.n == 0 ? NULL : memchr(host.p, '.', host.n);
        size_t part_bytes = dot == NULL ? host.n : (size_t)(dot - host.p);

        if (n == 4 || !ipv4_number(slice_sub(host, 0, part_bytes), &parts[n]))
            return ORB_EINVAL;
        n++;
        if (dot == NULL)
            break;
        host = slice_sub(host, part_bytes + 1, SIZE_MAX);
    }
    for (unsigned i = 0; i + 1 < n; i++) {
        if (parts[i] > 255)
            return ORB_EINVAL;
        value |= parts[i] << (24 - 8 * i);
    }
    if (parts[n - 1] >= UINT64_C(1) << (8 * (5 - n)))
        return ORB_EINVAL;
    *address = (uint32_t)(value | parts[n - 1]);
    return 0;
}

/* "1.2.3.4" at the end of an IPv6 address, into two pieces. */
static bool
ipv6_read_ipv4(struct slice s, uint16_t piece[2])
{
    unsigned n = 0;
    uint32_t value = 0;
    size_t i = 0;

    for (; n < 4; n++) {
        unsigned part = 0;
        size_t start;

        if (n > 0 && (i == s.n || s.p[i++] != '.'))
            return false;
        for (start = i; i < s.n && url_is_digit(s.p[i]); i++) {
            if (i > start && part == 0)
                return false; /* a leading zero */
            part = part * 10 + (unsigned)(s.p[i] - '0');
            if (part > 255)
                return false;
        }
        if (i == start)
            return false;
        value = value << 8 | part;
    }
    piece[0] = (uint16_t)(value >> 16);
    piece[1] = (uint16_t)value;
    return i == s.n;
}

/* Moves the pieces behind "::" to the end. */
static void
ipv6_expand(uint16_t piece[8], int n, int compress)
{
    int n_behind = n - compress;

    memmove(piece + 8 - n_behind, piece + compress, (size_t)n_behind * sizeof piece[0]);
    memset(piece + compress, 0, (size_t)(8 - n) * sizeof piece[0]);
}

static int
ipv6_parse(struct slice s, uint16_t piece[8])
{
    int n = 0, compress = -1;
    size_t i = 0;

    if (s.n >= 1 && s.p[0] == ':') {
        if (s.n < 2 || s.p[1] != ':')
            return ORB_EINVAL;
        i = 2;
        compress = 0;
    }
    while (i < s.n) {
        size_t start = i;
        unsigned value = 0;

        if (n == 8)
            return ORB_EINVAL;
        if (s.p[i] == ':') {
            if (compress >= 0)
                return ORB_EINVAL;
            compress = n;
            i++;
            continue;
        }
        for (; i < s.n && i - start < 4 && hex_value(s.p[i]) >= 0; i++)
            value = value << 4 | (unsigned)hex_value(s.p[i]);
        if (i < s.n && s.p[i] == '.') {
            if (n > 6 || !ipv6_read_ipv4(slice_sub(s, start, SIZE_MAX), piece + n))
                return ORB_EINVAL;
            n += 2;
            break;
        }
        if (i < s.n && (s.p[i++] != ':' || i == s.n))
            return ORB_EINVAL;
        piece[n++] = (uint16_t)value;
    }
    if (compress >= 0)
        ipv6_expand(piece, n, compress);
    else if (n != 8)
        return ORB_EINVAL;
    return 0;
}

/* The first longest run of two or more zero pieces is written "::". */
static int
ipv6_append(struct buf *out, const uint16_t piece[8])
{
    int best = -1, best_n = 1, err = buf_append_char(out, '[');

    for (int i = 0; i < 8; i++) {
        int n = 0;

        while (i + n < 8 && piece[i + n] == 0)
            n++;
        if (n > best_n) {
            best = i;
            best_n = n;
        }
        i += n;
    }
    for (int i = 0; i < 8 && err == 0; i++) {
        if (i == best) {
            err = buf_append_str(out, i == 0 ? "::" : ":");
            i += best_n - 1;
            continue;
        }
        err = buf_printf(out, i < 7 ? "%x:" : "%x", piece[i]);
    }
    return err != 0 ? err : buf_append_char(out, ']');
}

static int
opaque_append(struct buf *out, struct slice host)
{
    for (size_t i = 0; i < host.n; i++)
        if (url_char_is(host.p[i], URL_BAD_HOST))
            return ORB_EINVAL;
    return url_encode_append(out, host, URL_ENC_CONTROL);
}

/* The host is ASCII already, or becomes so, at the end of out. */
static int
domain_append(struct buf *out, struct slice host)
{
    struct buf scratch;
    int err;

    if (memchr(host.p, '%', host.n) == NULL)
        return idna_to_ascii(out, host);
    buf_init(&scratch, out->domain, URL_MAX_BYTES);
    err = url_decode_append(&scratch, host);
    if (err == 0)
        err = url_utf8_prefix(buf_slice(&scratch)) == scratch.n ? idna_to_ascii(out, buf_slice(&scratch)) : ORB_EINVAL;
    buf_fini(&scratch);
    return err;
}

int
url_host_append(struct buf *out, struct slice in, bool is_special)
{
    size_t start = out->n;
    uint16_t piece[8];
    uint32_t address;
    int err;

    if (in.n > 0 && in.p[0] == '[') {
        err = in.p[in.n - 1] == ']' ? ipv6_parse(slice_sub(in, 1, in.n - 2), piece) : ORB_EINVAL;
        return err != 0 ? err : ipv6_append(out, piece);
    }
    if (!is_special)
        return opaque_append(out, in);
    err = domain_append(out, in);
    if (err != 0)
        return err;
    if (out->n == start)
        return ORB_EINVAL;
    for (size_t i = start; i < out->n; i++)
        if (url_char_is(out->p[i], URL_BAD_DOMAIN))
            return ORB_EINVAL;
    if (!ends_in_number(slice_of(out->p + start, out->n - start)))
        return 0;
    err = ipv4_parse(slice_of(out->p + start, out->n - start), &address);
    if (err != 0)
        return err;
    buf_truncate(out, start);
    for (int shift = 24; shift >= 0 && err == 0; shift -= 8) {
        err = buf_append_number(out, address >> shift & 255);
        if (err == 0 && shift > 0)
            err = buf_append_char(out, '.');
    }
    return err;
}
