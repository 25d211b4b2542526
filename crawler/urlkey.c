/* The key is built in one pass over path and query. Why it is its own key: what is written is allowed by RFC 3986 or an
 * escape with upper-case hex of a byte that is not unreserved, and the URL parser leaves both alone; parameters that
 * could turn a segment into "." or ".." stay. */
#include "crawler/urlkey.h"

#include "crawler/urlkey_rules.h"

static int
append_escape(struct buf *out, unsigned char byte)
{
    char escape[3];

    hex_put_escape(escape, byte);
    return buf_append(out, escape, sizeof escape);
}

/* One byte that is not plain: an escape, a lone '%', or something to encode. Returns how many bytes it took. */
static int
append_special(struct buf *out, struct slice s, size_t *i)
{
    char c = s.p[*i];
    int high, low;

    if (c != '%' || s.n - *i < 3 || (high = hex_value(s.p[*i + 1])) < 0 || (low = hex_value(s.p[*i + 2])) < 0) {
        *i += 1;
        return append_escape(out, (unsigned char)c);
    }
    *i += 3;
    c = (char)(high << 4 | low);
    return url_char_is(c, URL_UNRESERVED) ? buf_append_char(out, c) : append_escape(out, (unsigned char)c);
}

static int
append_normal(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n;) {
        size_t start = i;
        int err;

        while (i < s.n && url_char_is(s.p[i], URL_PLAIN))
            i++;
        err = buf_append(out, s.p + start, i - start);
        if (err == 0 && i < s.n)
            err = append_special(out, s, &i);
        if (err != 0)
            return err;
    }
    return 0;
}

/* "name=value" -> "name" */
static struct slice
name_of(struct slice parameter)
{
    const char *equals = parameter.n == 0 ? NULL : memchr(parameter.p, '=', parameter.n);

    return equals == NULL ? parameter : slice_sub(parameter, 0, (size_t)(equals - parameter.p));
}

static bool
is_dots(const char *p, size_t n)
{
    return (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
}

/* The path stands at the end of key; its parameters by the rules go, in place. */
static void
drop_path_parameters(struct buf *key, size_t path_start, const struct urlkey_rules *rules)
{
    char *p = key->p;
    size_t to = path_start, segment = path_start;

    for (size_t from = path_start; from < key->n;) {
        size_t end = from + 1;
        struct slice name;

        while (end < key->n && p[end] != '/' && p[end] != ';')
            end++;
        name = name_of(slice_of(p + from + 1, end - from - 1));
        if (p[from] == '/')
            segment = to + 1;
        if (p[from] == ';' && !is_dots(p + segment, to - segment) && urlkey_rules_drop(rules, name, true)) {
            from = end;
            continue;
        }
        memmove(p + to, p + from, end - from);
        to += end - from;
        from = end;
    }
    buf_truncate(key, to);
}

/* query without its '?' */
static int
append_query(struct buf *key, struct slice query, const struct urlkey_rules *rules)
{
    size_t start = key->n;
    bool is_first = true;

    while (query.n > 0 || !is_first) {
        const char *and = query.n == 0 ? NULL : memchr(query.p, '&', query.n);
        size_t n = and == NULL ? query.n : (size_t)(and-query.p), at = key->n;
        int err = buf_append_char(key, key->n == start ? '?' : '&');

        if (err == 0)
            err = append_normal(key, slice_sub(query, 0, n));
        if (err != 0)
            return err;
        if (urlkey_rules_drop(rules, name_of(slice_of(key->p + at + 1, key->n - at - 1)), false))
            buf_truncate(key, at);
        if (and == NULL)
            break;
        query = slice_sub(query, n + 1, SIZE_MAX);
        is_first = false;
    }
    if (key->n == start + 1) /* "?" alone */
        buf_truncate(key, start);
    return 0;
}

static int
append_origin(struct buf *key, const struct url *u)
{
    int err = buf_append(key, u->href.p, u->scheme_end);

    if (err == 0 && u->has_host)
        err = buf_append(key, "//", 2);
    if (err != 0)
        return err;
    return u->has_host ? buf_append(key, u->href.p + u->host_start, u->path_start - u->host_start)
                       : buf_append(key, u->href.p + u->scheme_end, u->path_start - u->scheme_end);
}

int
url_key(struct buf *key, const struct url *u, const struct urlkey_rules *rules)
{
    struct slice path = url_path(u), query = url_query(u);
    size_t path_start;
    int err;

    buf_clear(key);
    if (u->href.n == 0)
        return ORB_EINVAL;
    if (rules == NULL)
        rules = urlkey_rules_builtin();
    CHECK_IS(rules, URLKEY_RULES_MAGIC);
    err = buf_reserve(key, u->href.n);
    if (err == 0)
        err = append_origin(key, u);
    path_start = key->n;
    if (err == 0)
        err = u->has_opaque_path ? buf_append_slice(key, path) : append_normal(key, path);
    if (err == 0 && u->has_host && memchr(path.p, ';', path.n) != NULL)
        drop_path_parameters(key, path_start, rules);
    if (err == 0)
        err = append_query(key, slice_sub(query, 1, SIZE_MAX), rules);
    if (err != 0)
        buf_clear(key);
    return err;
}
