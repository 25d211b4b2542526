/* sitemap_mend.c - ampersands, CDATA sections, comments, DOCTYPE */
#include "crawler/sitemap_mend.h"

#include "pool/check.h"

static bool
is_name_byte(char c)
{
    return c == '#' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* What an `&` is sent as. */
static struct slice
reference_spell(struct slice at, size_t *n_taken)
{
    static const struct { struct slice name, spelling; } known[] = {
        { { "&amp;", 5 }, { "&#38;", 5 } },   { { "&lt;", 4 }, { "&#60;", 5 } },    { { "&gt;", 4 }, { "&#62;", 5 } },
        { { "&quot;", 6 }, { "&#34;", 5 } },  { { "&apos;", 6 }, { "&#39;", 5 } },
    };
    size_t n = 1;

    for (size_t i = 0; i < ORB_N_ELEMENTS(known); i++)
        if (slice_eq_nocase(slice_sub(at, 0, known[i].name.n), known[i].name)) {
            *n_taken = known[i].name.n;
            return known[i].spelling;
        }
    *n_taken = 1;
    while (n < at.n && n < 40 && is_name_byte(at.p[n]))
        n++;
    return n > 1 && n < at.n && at.p[n] == ';' ? SLICE_LITERAL("&") : SLICE_LITERAL("&#38;");
}

/* The length of what begins with `open` and ends with `close`, or with the document; 0: it does not begin so. */
static size_t
section_bytes(struct slice at, struct slice open, struct slice close)
{
    const char *end;

    if (!slice_starts_with(at, open))
        return 0;
    end = memmem(at.p, at.n, close.p, close.n);
    return end == NULL ? at.n : (size_t)(end - at.p) + close.n;
}

/* The length of a DOCTYPE declaration; 0: none is here. Brackets and '>' in its strings and comments do not end it. */
static size_t
doctype_bytes(struct slice at)
{
    struct slice begin = SLICE_LITERAL("<!DOCTYPE");
    bool is_inside = false; /* the internal subset */

    if (at.n < begin.n || !slice_eq_nocase(slice_sub(at, 0, begin.n), begin))
        return 0;
    for (size_t i = begin.n; i < at.n; i++) {
        struct slice rest = slice_sub(at, i, SIZE_MAX);
        size_t n_comment = section_bytes(rest, SLICE_LITERAL("<!--"), SLICE_LITERAL("-->"));
        const char *quote = (rest.p[0] == '"' || rest.p[0] == '\'') && rest.n > 1 ? memchr(rest.p + 1, rest.p[0], rest.n - 1) : NULL;

        if (n_comment > 0)
            i += n_comment - 1;
        else if (quote != NULL)
            i += (size_t)(quote - rest.p);
        else if (rest.p[0] == '[' || rest.p[0] == ']')
            is_inside = rest.p[0] == '[';
        else if (rest.p[0] == '>' && !is_inside)
            return i + 1;
    }
    return at.n;
}

struct slice
sitemap_mend(struct slice rest, size_t *n_taken)
{
    size_t n = 0;

    if (rest.p[0] == '&')
        return reference_spell(rest, n_taken);
    if (rest.p[0] == '<') {
        *n_taken = doctype_bytes(rest);
        if (*n_taken > 0)
            return SLICE_NONE;
        n = section_bytes(rest, SLICE_LITERAL("<![CDATA["), SLICE_LITERAL("]]>"));
        if (n == 0)
            n = section_bytes(rest, SLICE_LITERAL("<!--"), SLICE_LITERAL("-->"));
    }
    if (n == 0)
        for (n = 1; n < rest.n && rest.p[n] != '&' && rest.p[n] != '<'; n++)
            continue;
    *n_taken = n;
    return slice_sub(rest, 0, n);
}
