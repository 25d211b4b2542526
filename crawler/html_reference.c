#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>

#include "crawler/html.h"
#include "crawler/html_reference.h"

#include <stdio.h>

#define NAME_MAX_BYTES 32

static uint32_t
windows_1252_of_c1(uint32_t code)
{
    static const uint16_t c1[32] = { 0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
                                     0x2039, 0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
                                     0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178 };

    return code >= 0x80 && code < 0xA0 ? c1[code - 0x80] : code;
}

static int
append_code_point(struct buf *out, uint32_t code)
{
    unsigned char utf8[8];
    int n;

    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        code = 0xFFFD;
    n = xmlCopyCharMultiByte(utf8, (int)windows_1252_of_c1(code));
    return buf_append(out, utf8, (size_t)n);
}

/* "&#123;" or "&#x7B;" at s; returns the bytes used, 0 = no reference. */
static size_t
numeric_reference(struct slice s, uint32_t *code)
{
    bool is_hex = s.n > 2 && (s.p[2] == 'x' || s.p[2] == 'X');
    size_t from = is_hex ? 3 : 2, at;

    *code = 0;
    for (at = from; at < s.n; at++) {
        char c = s.p[at];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a' + 10);
        if (!((c >= '0' && c <= '9') || (is_hex && (c | 32) >= 'a' && (c | 32) <= 'f')))
            break;
        if (*code <= 0x10FFFF)
            *code = *code * (is_hex ? 16 : 10) + digit;
    }
    if (at == from)
        return 0;
    return at < s.n && s.p[at] == ';' ? at + 1 : at;
}

/* What libxml2 does not know of the standard's names, as far as it is ASCII or may be bare. */
static const struct { const char *name; uint8_t is; bool may_be_bare; } more_names[] = {
    { "COPY", 0xA9, true }, { "REG", 0xAE, true },
    { "AMP", '&', true }, { "GT", '>', true }, { "LT", '<', true }, { "QUOT", '"', true },
    { "Tab", '\t', false }, { "NewLine", '\n', false }, { "excl", '!', false }, { "num", '#', false }, { "dollar", '$', false },
    { "percnt", '%', false }, { "lpar", '(', false }, { "rpar", ')', false }, { "ast", '*', false }, { "midast", '*', false },
    { "plus", '+', false }, { "comma", ',', false }, { "period", '.', false }, { "sol", '/', false }, { "colon", ':', false },
    { "semi", ';', false }, { "equals", '=', false }, { "quest", '?', false }, { "commat", '@', false }, { "lsqb", '[', false },
    { "lbrack", '[', false }, { "bsol", '\\', false }, { "rsqb", ']', false }, { "rbrack", ']', false }, { "Hat", '^', false },
    { "lowbar", '_', false }, { "UnderBar", '_', false }, { "grave", '`', false }, { "DiacriticalGrave", '`', false },
    { "lcub", '{', false }, { "lbrace", '{', false }, { "verbar", '|', false }, { "vert", '|', false },
    { "VerticalLine", '|', false }, { "rcub", '}', false }, { "rbrace", '}', false },
};

static bool
is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The letters and digits behind the '&' at s; 0: none, or more than any name has. */
static size_t
read_name(struct slice s, char name[NAME_MAX_BYTES])
{
    size_t n = 0;

    while (n + 1 < s.n && n < NAME_MAX_BYTES - 1 && is_alphanumeric(s.p[n + 1])) {
        name[n] = s.p[n + 1];
        n++;
    }
    name[n] = '\0';
    return n;
}

/* A name that libxml2 does not know; 0: none. */
static uint32_t
find_more(const char *name, bool *may_be_bare)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(more_names); i++)
        if (more_names[i].name[0] == name[0] && strcmp(more_names[i].name, name) == 0) {
            *may_be_bare = more_names[i].may_be_bare;
            return more_names[i].is;
        }
    return 0;
}

/* false: no name of the standard's that is known here. may_be_bare: it stands without ';' as well. */
static bool
find_name(const char *name, uint32_t *code, bool *may_be_bare)
{
    const htmlEntityDesc *entity = htmlEntityLookup((const xmlChar *)name);

    if (entity == NULL)
        return (*code = find_more(name, may_be_bare)) != 0;
    *code = entity->value;
    *may_be_bare = entity->value < 256 && entity->value != '\''; /* the old Latin-1 names */
    return true;
}

/* In text: there a bare name ends wherever it ends. */
static size_t
named_reference(struct slice s, uint32_t *code)
{
    char name[NAME_MAX_BYTES];
    size_t n = read_name(s, name);
    bool has_end = n + 1 < s.n && s.p[n + 1] == ';', may_be_bare;

    if (n == 0 || !find_name(name, code, &may_be_bare) || (!has_end && !may_be_bare))
        return 0;
    return has_end ? n + 2 : n + 1;
}

int
html_unescape(struct buf *out, struct slice text)
{
    int err = 0;

    while (err == 0 && text.n > 0) {
        const char *amp = memchr(text.p, '&', text.n);
        size_t plain = amp == NULL ? text.n : (size_t)(amp - text.p), used;
        uint32_t code;

        err = buf_append(out, text.p, plain);
        text = slice_sub(text, plain, text.n);
        if (err != 0 || text.n == 0)
            break;
        used = text.n > 1 && text.p[1] == '#' ? numeric_reference(text, &code) : named_reference(text, &code);
        err = used == 0 ? buf_append_char(out, '&') : append_code_point(out, code);
        text = slice_sub(text, used == 0 ? 1 : used, text.n);
    }
    return err;
}

/* ---- before libxml2 ------------------------------------------------------------------------------------------------ */

/* Does libxml2 put this character where the reference stood? Others it takes for the end of the value. */
static bool
is_resolved(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\r' || (code >= ' ' && code < 0x80) || (code >= 0xA0 && code <= 0xD7FF)
           || (code >= 0xE000 && code <= 0xFFFD) || (code >= 0x10000 && code <= 0x10FFFF);
}

/* The reference at s, or what only looks like one, in libxml2's words. Returns the bytes used; 0: it stays as it is. */
static size_t
mend_numeric(struct slice s, char to[16])
{
    uint32_t code;
    size_t used = numeric_reference(s, &code);

    if (used > 0 && is_resolved(code))
        return 0;
    if (used == 0) {
        strcpy(to, "&amp;#");
        return 2;
    }
    code = code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0xFFFD : windows_1252_of_c1(code);
    if (is_resolved(code))
        snprintf(to, 16, "&#%u;", (unsigned)code);
    else /* a control character, or no character: libxml2 takes it as it is */
        to[xmlCopyCharMultiByte((unsigned char *)to, (int)code)] = '\0';
    return used;
}

/* Pages are full of "&lt;" and "?a=1&b=2": neither is worth libxml2's search through all its names. */
static size_t
mend_named(struct slice s, char to[16])
{
    char name[NAME_MAX_BYTES];
    size_t n = read_name(s, name);
    char next = n + 1 < s.n ? s.p[n + 1] : ' ';
    bool may_be_bare;
    uint32_t code;

    if (n == 0 || next == '=' || is_alphanumeric(next))
        return 0;
    if (next == ';')
        code = find_more(name, &may_be_bare);
    else if (!find_name(name, &code, &may_be_bare) || !may_be_bare)
        return 0;
    if (code == 0)
        return 0;
    snprintf(to, 16, "&#%u;", (unsigned)code);
    return next == ';' ? n + 2 : n + 1;
}

int
html_mend(struct buf *out, struct slice document)
{
    const char *from = document.p, *end = document.p + document.n, *at = from;
    int err = 0;

    while (err == 0 && (at = memchr(at, '&', (size_t)(end - at))) != NULL) {
        struct slice s = slice_of(at, (size_t)(end - at));
        char to[16];
        size_t used = s.n > 1 && s.p[1] == '#' ? mend_numeric(s, to) : mend_named(s, to);

        if (used > 0) {
            err = buf_append(out, from, (size_t)(at - from));
            if (err == 0)
                err = buf_append_str(out, to);
            from = at + used;
        }
        at += ORB_MAX(used, (size_t)1);
    }
    if (err != 0 || from == document.p)
        return err;
    return buf_append(out, from, (size_t)(end - from));
}
