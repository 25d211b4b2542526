/* robots_line.c - one line of robots.txt: key, value, path, seconds */
#include "crawler/robots_line.h"

#include "pool/check.h"
#include "pool/hex.h"

struct key_name {
    struct slice name;
    enum robots_key key;
};

/* The RFC's keys, and how people misspell them. */
#define KEY(text, key) { { text, sizeof(text) - 1 }, ROBOTS_KEY_##key }
static const struct key_name key_names[] = {
    KEY("user-agent", AGENT),     KEY("disallow", DISALLOW),   KEY("allow", ALLOW),         KEY("sitemap", SITEMAP),
    KEY("crawl-delay", DELAY),    KEY("useragent", AGENT),     KEY("user agent", AGENT),    KEY("user-agents", AGENT),
    KEY("users-agent", AGENT),    KEY("user_agent", AGENT),    KEY("use-agent", AGENT),     KEY("ser-agent", AGENT),
    KEY("useg-agent", AGENT),     KEY("dissallow", DISALLOW),  KEY("dissalow", DISALLOW),   KEY("disalow", DISALLOW),
    KEY("diasllow", DISALLOW),    KEY("disallaw", DISALLOW),   KEY("desallow", DISALLOW),   KEY("diallow", DISALLOW),
    KEY("disallows", DISALLOW),   KEY("disallowed", DISALLOW), KEY("disslow", DISALLOW),    KEY("disllow", DISALLOW),
    KEY("disalllow", DISALLOW),   KEY("dissallo", DISALLOW),   KEY("site-map", SITEMAP),    KEY("sitemaps", SITEMAP),
    KEY("crawl delay", DELAY),    KEY("crawldelay", DELAY),    KEY("craw-delay", DELAY),
};
#undef KEY

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static struct slice
blanks_trim(struct slice s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Half a BOM is skipped as well: such files exist. */
struct slice
robots_skip_bom(struct slice body)
{
    const char *utf8 = "\xEF\xBB\xBF";

    if (slice_starts_with(body, SLICE_LITERAL("\xFF\xFE")) || slice_starts_with(body, SLICE_LITERAL("\xFE\xFF")))
        return slice_sub(body, 2, SIZE_MAX);
    while (*utf8 != '\0' && body.n > 0 && body.p[0] == *utf8)
        body.p++, body.n--, utf8++;
    return body;
}

static enum robots_key
key_find(struct slice name)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(key_names); i++)
        if (slice_eq_nocase(name, key_names[i].name))
            return key_names[i].key;
    return ROBOTS_KEY_OTHER;
}

/* "Disallow /x": without a colon, a line of exactly two words is key and value. */
static bool
words_split(struct slice line, struct slice *key, struct slice *value)
{
    size_t i = 0;

    while (i < line.n && !is_blank(line.p[i]))
        i++;
    *key = slice_sub(line, 0, i);
    *value = blanks_trim(slice_sub(line, i, SIZE_MAX));
    for (i = 0; i < value->n; i++)
        if (is_blank(value->p[i]))
            return false;
    return value->n > 0;
}

bool
robots_line_next(struct slice *rest, enum robots_key *key, struct slice *value)
{
    struct slice line, name = SLICE_NONE;
    const char *at;
    size_t n = 0;

    if (rest->n == 0)
        return false;
    while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r')
        n++;
    line = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n + 1, SIZE_MAX);
    at = line.n > 0 ? memchr(line.p, '#', line.n) : NULL;
    if (at != NULL)
        line.n = (size_t)(at - line.p);
    line = blanks_trim(line);
    *key = ROBOTS_KEY_OTHER;
    *value = SLICE_NONE;
    at = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
    if (at != NULL) {
        name = blanks_trim(slice_of(line.p, (size_t)(at - line.p)));
        *value = blanks_trim(slice_sub(line, (size_t)(at - line.p) + 1, SIZE_MAX));
    }
    if (at != NULL || words_split(line, &name, value))
        *key = key_find(name);
    if (*key == ROBOTS_KEY_OTHER && at != NULL && words_split(line, &name, value))
        *key = key_find(name); /* "Disallow /a:b": the colon belongs to the path */
    return true;
}

static bool
is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Bytes of other scripts belong to the token, so that "J\u00e4ger" is not "J". */
struct slice
robots_token(struct slice value)
{
    size_t n = 0;

    value = blanks_trim(value);
    while (n < value.n
           && (is_alphanumeric((unsigned char)value.p[n]) || value.p[n] == '_' || value.p[n] == '-'
               || (unsigned char)value.p[n] >= 0x80))
        n++;
    return slice_sub(value, 0, n);
}

static bool
is_unreserved(unsigned char c)
{
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static bool
is_reserved(unsigned char c)
{
    return c != '\0' && strchr(":/?#[]@!$&'()*+,;=", c) != NULL;
}

bool
robots_path_is_normal(struct slice path)
{
    for (size_t i = 0; i < path.n; i++)
        if (!is_unreserved((unsigned char)path.p[i]) && !is_reserved((unsigned char)path.p[i]))
            return false;
    return true;
}

/* One character of a path, spelled %XX or as itself, in its normal spelling; returns how many bytes it was. */
static size_t
character_normalise(struct slice in, size_t i, char out[3], size_t *n_out)
{
    unsigned char c = (unsigned char)in.p[i];
    int high = c == '%' && in.n - i > 2 ? hex_value(in.p[i + 1]) : -1;
    int low = high >= 0 ? hex_value(in.p[i + 2]) : -1;
    bool is_encoded = high >= 0 && low >= 0;

    if (is_encoded)
        c = (unsigned char)(high * 16 + low);
    *n_out = 1;
    out[0] = (char)c;
    if (is_unreserved(c) || c == '*' || c == '$' || (is_reserved(c) && !is_encoded))
        return is_encoded ? 3 : 1;
    *n_out = 3;
    hex_put_escape(out, c);
    return is_encoded ? 3 : 1;
}

int
robots_path_append(struct buf *out, struct slice path, bool is_pattern)
{
    for (size_t i = 0; i < path.n;) {
        char spelled[3], plain = path.p[i];
        size_t n;
        int err;

        i += character_normalise(path, i, spelled, &n);
        if (is_pattern && plain == '*')
            spelled[0] = ROBOTS_ANY;
        else if (is_pattern && plain == '$' && i == path.n)
            spelled[0] = ROBOTS_END;
        err = buf_append(out, spelled, n);
        if (err != 0)
            return err;
    }
    return 0;
}

bool
robots_delay_parse(struct slice value, uint32_t max_ms, uint32_t *ms)
{
    uint64_t whole = 0, fraction = 0, unit = 1000;
    size_t i = 0, n_digits = 0;

    for (; i < value.n && value.p[i] >= '0' && value.p[i] <= '9'; i++, n_digits++)
        whole = ORB_MIN(whole * 10 + (uint64_t)(value.p[i] - '0'), (uint64_t)UINT32_MAX);
    if (i < value.n && value.p[i] == '.')
        for (i++; i < value.n && value.p[i] >= '0' && value.p[i] <= '9'; i++, n_digits++) {
            unit /= 10;
            fraction += (uint64_t)(value.p[i] - '0') * unit;
        }
    if (n_digits == 0 || (i < value.n && is_alphanumeric((unsigned char)value.p[i]) && value.p[i] != 's'))
        return false;
    *ms = (uint32_t)ORB_MIN(whole * 1000 + fraction, (uint64_t)max_ms);
    return true;
}
