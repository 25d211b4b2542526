/* charset.c - labels, the scan of the bytes, and the order of the evidence */
#include "crawler/charset_table.h"

static bool
has_label(const char *labels, struct slice label)
{
    for (const char *p = labels, *end; *p != '\0'; p = *end == '\0' ? end : end + 1) {
        end = strchrnul(p, ' ');
        if ((size_t)(end - p) == label.n && strncasecmp(p, label.p, label.n) == 0)
            return true;
    }
    return false;
}

const struct charset *
charset_find(struct slice label)
{
    label = slice_trim(label);
    if (label.n == 0)
        return NULL;
    for (size_t i = 0; i < CHARSET_N; i++)
        if (slice_eq_nocase(label, slice_str(charset_table[i].name)) || has_label(charset_table[i].labels, label))
            return &charset_table[i];
    return NULL;
}

const char *
charset_name(const struct charset *c)
{
    return c->name;
}

const struct charset *
charset_utf8(void)
{
    return &charset_table[0];
}

bool
charset_is_utf8(const struct charset *c)
{
    return c->codec == CODEC_UTF8;
}

bool
charset_is_ascii_superset(const struct charset *c)
{
    return c->codec == CODEC_UTF8 || c->codec == CODEC_SINGLE || c->codec == CODEC_USER
           || (c->codec == CODEC_ICONV && strcmp(c->name, "iso-2022-jp") != 0);
}

bool
charset_encodes_as_utf8(const struct charset *c)
{
    return c->codec != CODEC_SINGLE && c->codec != CODEC_ICONV && c->codec != CODEC_USER;
}

const struct charset *
charset_as_declared(const struct charset *c)
{
    if (c == NULL)
        return NULL;
    if (c->codec == CODEC_UTF16LE || c->codec == CODEC_UTF16BE)
        return charset_utf8();
    return c->codec == CODEC_USER ? &charset_table[1] : c;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* One parameter value at s[*at]: a token, or a quoted string whose backslashes are not undone (no label has one). */
static struct slice
parameter_value(struct slice s, size_t *at)
{
    size_t from = *at, end;

    if (from < s.n && s.p[from] == '"') {
        for (end = ++from; end < s.n && s.p[end] != '"'; end++)
            if (s.p[end] == '\\' && end + 1 < s.n)
                end++;
        *at = ORB_MIN(end + 1, s.n);
    } else {
        for (end = from; end < s.n && s.p[end] != ';' && s.p[end] != ','; end++)
            ;
        *at = end;
    }
    return slice_sub(s, from, end - from);
}

const struct charset *
charset_of_content_type(struct slice s)
{
    for (size_t at = 0; at < s.n;) {
        struct slice name, value;
        size_t from;

        while (at < s.n && s.p[at] != ';')
            at++;
        while (at < s.n && (s.p[at] == ';' || is_blank(s.p[at])))
            at++;
        for (from = at; at < s.n && s.p[at] != '=' && s.p[at] != ';';)
            at++;
        name = slice_trim(slice_sub(s, from, at - from));
        if (at >= s.n || s.p[at] != '=')
            continue;
        for (at++; at < s.n && is_blank(s.p[at]);)
            at++;
        value = parameter_value(s, &at);
        if (slice_eq_nocase(name, SLICE_LITERAL("charset")) && charset_find(value) != NULL)
            return charset_find(value);
    }
    return NULL;
}

const struct charset *
charset_of_meta_content(struct slice s)
{
    size_t at = 0, end;

    for (;;) { /* "charset" may occur without being followed by '=' */
        while (at + 7 <= s.n && strncasecmp(s.p + at, "charset", 7) != 0)
            at++;
        if (at + 7 > s.n)
            return NULL;
        for (at += 7; at < s.n && is_blank(s.p[at]);)
            at++;
        if (at < s.n && s.p[at] == '=')
            break;
    }
    for (at++; at < s.n && is_blank(s.p[at]);)
        at++;
    if (at >= s.n)
        return NULL;
    if (s.p[at] == '"' || s.p[at] == '\'') {
        const char *close = memchr(s.p + at + 1, s.p[at], s.n - at - 1);
        return close == NULL ? NULL : charset_find(slice_of(s.p + at + 1, (size_t)(close - s.p) - at - 1));
    }
    for (end = at; end < s.n && !is_blank(s.p[end]) && s.p[end] != ';'; end++)
        ;
    return charset_find(slice_sub(s, at, end - at));
}

unsigned
charset_utf8_length(const uint8_t *p, size_t n)
{
    unsigned length;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < length || (p[1] & 0xC0) != 0x80)
        return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90)
        || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    for (unsigned i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

struct charset_scan
charset_scan(struct slice bytes)
{
    struct charset_scan scan = { .is_ascii = true, .is_utf8 = true };
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t at = 0, n = bytes.n;

    scan.has_nul = n > 0 && memchr(p, '\0', n) != NULL;
    while (at < n) {
        unsigned length;
        uint64_t words[4];

        for (; n - at >= sizeof words; at += sizeof words) {
            memcpy(words, p + at, sizeof words);
            if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) != 0)
                break;
        }
        for (; at < n && p[at] < 0x80; at++)
            ;
        for (; at < n && p[at] >= 0x80; at += length) {
            scan.is_ascii = false;
            length = charset_utf8_length(p + at, n - at);
            if (length == 0) {
                scan.is_utf8 = false;
                return scan;
            }
        }
    }
    return scan;
}

static uint8_t
find_bom(struct slice body, const struct charset **charset)
{
    const char *name = NULL;
    uint8_t n = 2;

    if (slice_starts_with(body, SLICE_LITERAL("\xEF\xBB\xBF")))
        name = "utf-8", n = 3;
    else if (slice_starts_with(body, SLICE_LITERAL("\xFE\xFF")))
        name = "utf-16be";
    else if (slice_starts_with(body, SLICE_LITERAL("\xFF\xFE")))
        name = "utf-16le";
    if (name == NULL)
        return 0;
    *charset = charset_find(slice_str(name));
    return n;
}

struct charset_verdict
charset_detect(struct slice body, struct slice content_type, struct charset_scan scan)
{
    struct charset_verdict v = { .source = CHARSET_BOM };

    v.bom_bytes = find_bom(body, &v.charset);
    if (v.bom_bytes != 0)
        return v;
    v.source = CHARSET_HEADER;
    v.charset = charset_of_content_type(content_type);
    if (v.charset != NULL)
        return v;
    v.source = CHARSET_META;
    v.charset = charset_prescan(body);
    if (v.charset != NULL)
        return v;
    v.source = CHARSET_GUESSED;
    v.charset = scan.is_utf8 && !scan.is_ascii ? charset_utf8() : &charset_table[1];
    return v;
}
