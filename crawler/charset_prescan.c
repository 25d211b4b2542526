/* charset_prescan.c - HTML's "prescan a byte stream to determine its encoding"
 *
 * The states are those of the standard: outside tags, inside a tag's attributes, inside a comment. Whoever runs out of
 * bytes has found nothing.
 */
#include "crawler/charset_table.h"

struct scan {
    const char *p, *end;
};

struct attribute {
    char name[16], value[128]; /* in lower case, cut: longer ones are no label and no pragma */
    size_t n_value;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static void
append(char *to, size_t cap, size_t *n, char c)
{
    if (*n + 1 < cap)
        to[*n] = lower(c);
    else
        to[0] = '\0'; /* too long to be of interest */
    ++*n;
}

static bool
skip_blanks(struct scan *s)
{
    while (s->p < s->end && is_blank(*s->p))
        s->p++;
    return s->p < s->end;
}

/* The value behind '='. False: out of bytes. */
static bool
read_value(struct scan *s, struct attribute *a)
{
    char quote = '\0';

    if (!skip_blanks(s))
        return false;
    if (*s->p == '"' || *s->p == '\'')
        quote = *s->p++;
    else if (*s->p == '>')
        return true;
    for (; s->p < s->end; s->p++) {
        if (quote != '\0' ? *s->p == quote : is_blank(*s->p) || *s->p == '>') {
            s->p += quote != '\0';
            return s->p < s->end;
        }
        append(a->value, sizeof a->value, &a->n_value, *s->p);
    }
    return false;
}

/* The next attribute: 1 = one, 0 = the tag ends here, -1 = out of bytes. */
static int
next_attribute(struct scan *s, struct attribute *a)
{
    size_t n_name = 0;

    memset(a, 0, sizeof *a);
    while (s->p < s->end && (is_blank(*s->p) || *s->p == '/'))
        s->p++;
    if (s->p >= s->end)
        return -1;
    if (*s->p == '>')
        return 0;
    for (;; s->p++) {
        if (s->p >= s->end)
            return -1;
        if (*s->p == '=' && n_name > 0)
            break;
        if (is_blank(*s->p)) {
            if (!skip_blanks(s))
                return -1;
            if (*s->p != '=')
                return 1;
            break;
        }
        if (*s->p == '/' || *s->p == '>')
            return 1;
        append(a->name, sizeof a->name, &n_name, *s->p);
    }
    s->p++; /* '=' */
    return read_value(s, a) ? 1 : -1;
}

/* The attributes of a meta element. -1 = out of bytes; *found is set when it declares an encoding that exists. */
static int
read_meta(struct scan *s, const struct charset **found)
{
    enum { NEEDS_UNKNOWN, NEEDS_PRAGMA, NEEDS_NONE } needs = NEEDS_UNKNOWN;
    bool has_pragma = false, had_http_equiv = false, had_content = false, had_charset = false;
    const struct charset *charset = NULL;
    struct attribute a;
    int more;

    while ((more = next_attribute(s, &a)) > 0) {
        struct slice value = slice_of(a.value, strlen(a.value));

        if (strcmp(a.name, "http-equiv") == 0 && !had_http_equiv) {
            had_http_equiv = true;
            has_pragma = strcmp(a.value, "content-type") == 0;
        } else if (strcmp(a.name, "content") == 0 && !had_content) {
            had_content = true;
            if (charset == NULL && (charset = charset_of_meta_content(value)) != NULL)
                needs = NEEDS_PRAGMA;
        } else if (strcmp(a.name, "charset") == 0 && !had_charset) {
            had_charset = true;
            charset = charset_find(value);
            needs = NEEDS_NONE;
        }
    }
    if (more == 0 && needs != NEEDS_UNKNOWN && (needs == NEEDS_NONE || has_pragma))
        *found = charset_as_declared(charset);
    return more;
}

static bool
starts_with(const struct scan *s, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(s->end - s->p) >= n && strncasecmp(s->p, text, n) == 0;
}

/* Behind a markup declaration, an end tag without a name or a processing instruction. */
static void
skip_to_gt(struct scan *s)
{
    const char *gt = memchr(s->p, '>', (size_t)(s->end - s->p));

    s->p = gt == NULL ? s->end : gt + 1;
}

/* At '<'. Returns false when out of bytes or *found is set. */
static bool
read_markup(struct scan *s, const struct charset **found)
{
    struct attribute a;
    int more;

    if (starts_with(s, "<!--")) {
        const char *close = memmem(s->p + 2, (size_t)(s->end - s->p) - 2, "-->", 3);
        s->p = close == NULL ? s->end : close + 3;
    } else if (starts_with(s, "<meta") && s->end - s->p > 5 && (is_blank(s->p[5]) || s->p[5] == '/')) {
        s->p += 6;
        if (read_meta(s, found) < 0)
            s->p = s->end;
    } else if (s->end - s->p > 2 && (is_letter(s->p[1]) || (s->p[1] == '/' && is_letter(s->p[2])))) {
        while (s->p < s->end && !is_blank(*s->p) && *s->p != '>')
            s->p++;
        while ((more = next_attribute(s, &a)) > 0)
            ;
        if (more < 0)
            s->p = s->end;
    } else if (s->end - s->p > 1 && (s->p[1] == '!' || s->p[1] == '/' || s->p[1] == '?')) {
        skip_to_gt(s);
    } else {
        s->p++;
    }
    return s->p < s->end && *found == NULL;
}

/* "<?xml ... encoding='...'" at the very start: WHATWG's "get an XML encoding". */
static const struct charset *
xml_encoding(struct slice head)
{
    const char *gt, *at, *end;
    char quote;

    if (!slice_starts_with(head, SLICE_LITERAL("<?xml")))
        return NULL;
    gt = memchr(head.p, '>', head.n);
    if (gt == NULL)
        return NULL;
    at = memmem(head.p, (size_t)(gt - head.p), "encoding", 8);
    if (at == NULL)
        return NULL;
    for (at += 8; at < gt && (uint8_t)*at <= ' '; at++)
        ;
    if (*at != '=')
        return NULL;
    for (at++; at < gt && (uint8_t)*at <= ' '; at++)
        ;
    quote = *at++;
    if ((quote != '"' && quote != '\'') || at >= gt)
        return NULL;
    end = memchr(at, quote, (size_t)(gt - at));
    return end == NULL ? NULL : charset_as_declared(charset_find(slice_of(at, (size_t)(end - at))));
}

const struct charset *
charset_prescan(struct slice body)
{
    struct slice head = slice_sub(body, 0, CHARSET_PRESCAN_BYTES);
    const struct charset *found = NULL;
    struct scan s;

    if (head.n == 0)
        return NULL;
    s = (struct scan){ head.p, head.p + head.n };
    if (slice_starts_with(head, slice_of("<\0?\0x\0", 6)))
        return charset_find(SLICE_LITERAL("utf-16le"));
    if (slice_starts_with(head, slice_of("\0<\0?\0x", 6)))
        return charset_find(SLICE_LITERAL("utf-16be"));
    while ((s.p = memchr(s.p, '<', (size_t)(s.end - s.p))) != NULL)
        if (!read_markup(&s, &found))
            break;
    return found != NULL ? found : xml_encoding(head);
}
