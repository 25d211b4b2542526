#include "gc/text.h"

#include <stdio.h>

void
text_start(struct text *t, struct buf *to)
{
    *t = (struct text){ .to = to, .n_before = to->n };
}

int
text_end(struct text *t)
{
    if (t->err != 0)
        buf_truncate(t->to, t->n_before);
    return t->err;
}

static void
put_bytes(struct text *t, const char *bytes, size_t n)
{
    if (t->err == 0)
        t->err = buf_append(t->to, bytes, n);
}

void
text_put(struct text *t, const char *text)
{
    put_bytes(t, text, strlen(text));
}

void
text_printf(struct text *t, const char *fmt, ...)
{
    va_list ap;

    if (t->err != 0)
        return;
    va_start(ap, fmt);
    t->err = buf_vprintf(t->to, fmt, ap);
    va_end(ap);
}

/* ---- UTF-8 ---- */

static bool
is_well_formed(uint32_t code, unsigned n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    return code >= least[n] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

/* The length of the sequence at p, which ends in NUL, and its code point; an ill-formed byte has length 0. */
static unsigned
utf8_read(const unsigned char *p, uint32_t *code)
{
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    *code = n == 1 ? p[0] : n == 0 ? 0 : p[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    return is_well_formed(*code, n) ? n : 0;
}

/* Controls, line separators, and marks that reorder the line that they are shown in. */
static bool
is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f)
           || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* ---- JSON and DOT ---- */

void
text_json(struct text *t, const char *value)
{
    if (value == NULL) {
        text_put(t, "null");
        return;
    }
    text_put(t, "\"");
    for (const char *p = value; *p != '\0' && t->err == 0;) {
        uint32_t code;
        unsigned n = utf8_read((const unsigned char *)p, &code);

        if (n == 0)
            text_put(t, "\\ufffd");
        else if (is_dangerous(code))
            text_printf(t, "\\u%04x", (unsigned)code);
        else if (code == '"' || code == '\\')
            text_printf(t, "\\%c", (char)code);
        else
            put_bytes(t, p, n);
        p += n == 0 ? 1 : n;
    }
    text_put(t, "\"");
}

/* Graphviz reads HTML entities in labels ("?a=1&copy=2" would show a copyright sign), and "\N", "\G" and so on are the names
 * of things; so & and \ are written as what stands for them. */
void
text_dot(struct text *t, const char *value)
{
    for (const char *p = value; *p != '\0' && t->err == 0;) {
        uint32_t code;
        unsigned n = utf8_read((const unsigned char *)p, &code);

        if (n == 0 || is_dangerous(code))
            text_put(t, "?");
        else if (code == '&')
            text_put(t, "&amp;");
        else if (code == '"' || code == '\\')
            text_printf(t, "\\%c", (char)code);
        else
            put_bytes(t, p, n);
        p += n == 0 ? 1 : n;
    }
}

/* ---- for people ---- */

const char *
text_site(char to[TEXT_SITE_BYTES], const struct object_site *site)
{
    const char *from;
    unsigned n_slashes = 0;

    if (site == NULL) {
        snprintf(to, TEXT_SITE_BYTES, "?");
        return to;
    }
    if (site->line == 0) { /* no place: "(other sites)" */
        snprintf(to, TEXT_SITE_BYTES, "%s", site->file);
        return to;
    }
    for (from = site->file + strlen(site->file); from > site->file; from--)
        if (from[-1] == '/' && ++n_slashes == 2)
            break;
    snprintf(to, TEXT_SITE_BYTES, "%.*s:%d", TEXT_SITE_BYTES - 16, from, site->line);
    return to;
}

const char *
text_number(char to[TEXT_SIZE_BYTES], uint64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), at = 0;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            to[at++] = ',';
        to[at++] = digits[i];
    }
    to[at] = '\0';
    return to;
}

const char *
text_bytes(char to[TEXT_SIZE_BYTES], uint64_t n_bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)n_bytes;
    unsigned unit = 0;

    while (value >= 1023.95 && unit + 1 < ORB_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(to, TEXT_SIZE_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return to;
}
