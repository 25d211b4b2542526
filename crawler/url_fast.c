/* Nearly all links of real pages are canonical http(s) URLs or plain relative paths: one scan finds the parts, one copy
 * stores them. Whatever needs a second thought (escapes or dots at the start of a segment, upper-case hosts, xn--
 * labels, addresses, userinfo, bytes to encode, blanks) goes to the full parser. */
#include "crawler/url_internal.h"

/* Offsets relative to the start of the scanned text; URL_NO_PART = none. */
struct tail {
    uint32_t query, fragment;
};

/* From p->'/', '?' or '#' to the end; false = something to encode, or a segment that may be a dot segment. */
static bool
scan_tail(struct slice s, size_t i, struct tail *t)
{
    t->query = t->fragment = URL_NO_PART;
    for (; i < s.n; i++) {
        if (!url_char_is(s.p[i], URL_ENC_PATH | URL_SLASH))
            continue;
        if (s.p[i] != '/')
            break;
        if (i + 1 < s.n && (s.p[i + 1] == '.' || s.p[i + 1] == '%'))
            return false;
    }
    if (i < s.n && s.p[i] == '?') {
        t->query = (uint32_t)i++;
        while (i < s.n && !url_char_is(s.p[i], URL_ENC_SPECIAL_QUERY))
            i++;
    }
    if (i < s.n && s.p[i] == '#') {
        t->fragment = (uint32_t)i++;
        while (i < s.n && !url_char_is(s.p[i], URL_ENC_FRAGMENT))
            i++;
    }
    return i == s.n;
}

/* The end of a plain domain that begins at i, or 0. */
static size_t
scan_host(struct slice s, size_t i)
{
    size_t label = i, start = i;

    for (; i < s.n && url_char_is(s.p[i], URL_PLAIN_HOST); i++)
        if (s.p[i] == '.') {
            if (i - label >= 4 && memcmp(s.p + label, "xn--", 4) == 0)
                return 0;
            label = i + 1;
        }
    if (i == start || i == label || url_is_digit(s.p[label]))
        return 0; /* empty, ends in a dot, or may be an IPv4 address */
    if (i - label >= 4 && memcmp(s.p + label, "xn--", 4) == 0)
        return 0;
    return i;
}

/* The end of ":port" that begins at i; 0 = not canonical. */
static size_t
scan_port(struct slice s, size_t i, int32_t default_port, int32_t *port)
{
    int32_t value = 0;
    size_t start = ++i;

    for (; i < s.n && url_is_digit(s.p[i]) && i - start < 5; i++)
        value = value * 10 + (s.p[i] - '0');
    if (i == start || value > 65535 || value == default_port || (s.p[start] == '0' && i - start > 1))
        return 0;
    *port = value;
    return i;
}

static bool
fast_absolute(struct url *u, struct slice s, size_t scheme_bytes)
{
    size_t host_start = scheme_bytes + 3, host_end = scan_host(s, host_start), path;
    bool needs_slash;
    struct tail t;
    int32_t port = -1;

    if (host_end == 0)
        return false;
    path = host_end;
    if (path < s.n && s.p[path] == ':') {
        path = scan_port(s, path, scheme_bytes == 5 ? 443 : 80, &port);
        if (path == 0)
            return false;
    }
    needs_slash = path == s.n || s.p[path] != '/';
    if (needs_slash && path < s.n && s.p[path] != '?' && s.p[path] != '#')
        return false;
    if (!scan_tail(s, path, &t) || buf_reserve(&u->href, s.n + 1) != 0)
        return false;
    memcpy(u->href.p, s.p, path);
    u->href.p[path] = '/';
    memcpy(u->href.p + path + needs_slash, s.p + path, s.n - path);
    u->href.n = s.n + needs_slash;
    u->href.p[u->href.n] = '\0';
    u->scheme_end = (uint32_t)scheme_bytes + 1;
    u->username_end = u->host_start = (uint32_t)host_start;
    u->host_end = (uint32_t)host_end;
    u->path_start = (uint32_t)path;
    u->query_start = t.query == URL_NO_PART ? URL_NO_PART : t.query + needs_slash;
    u->fragment_start = t.fragment == URL_NO_PART ? URL_NO_PART : t.fragment + needs_slash;
    u->port = port;
    u->is_special = u->has_host = true;
    return true;
}

/* How much of the base stands before the link: up to the path, the last slash of it, the query or the fragment. */
static bool
base_prefix(const struct url *base, struct slice s, size_t *keep)
{
    struct slice path = url_path(base);
    const char *slash;

    if (s.n == 0)
        return false;
    switch (s.p[0]) {
    case '/':
        *keep = base->path_start;
        return s.n == 1 || !url_char_is(s.p[1], URL_SLASH);
    case '?':
        *keep = base->path_start + path.n;
        return true;
    case '#':
        *keep = base->fragment_start == URL_NO_PART ? base->href.n : base->fragment_start;
        return true;
    case '.':
    case '%':
        return false;
    default:
        slash = memrchr(path.p, '/', path.n);
        *keep = base->path_start + (size_t)(slash - path.p) + 1;
        return memchr(s.p, ':', s.n) == NULL; /* it may end a scheme */
    }
}

static bool
fast_relative(struct url *u, struct slice s, const struct url *base)
{
    struct tail t;
    size_t keep;

    if (!url_is_http(base) || !base_prefix(base, s, &keep) || !scan_tail(s, 0, &t)
        || buf_reserve(&u->href, keep + s.n) != 0)
        return false;
    memcpy(u->href.p, base->href.p, keep);
    memcpy(u->href.p + keep, s.p, s.n);
    u->href.n = keep + s.n;
    u->href.p[u->href.n] = '\0';
    u->scheme_end = base->scheme_end;
    u->username_end = base->username_end;
    u->host_start = base->host_start;
    u->host_end = base->host_end;
    u->path_start = base->path_start;
    u->query_start = t.query == URL_NO_PART ? URL_NO_PART : (uint32_t)keep + t.query;
    if (s.p[0] == '#')
        u->query_start = base->query_start;
    u->fragment_start = t.fragment == URL_NO_PART ? URL_NO_PART : (uint32_t)keep + t.fragment;
    u->port = base->port;
    u->is_special = u->has_host = true;
    return true;
}

bool
url_fast(struct url *u, struct slice href, const struct url *base)
{
    if (href.n > 8 && memcmp(href.p, "http", 4) == 0) {
        if (memcmp(href.p + 4, "s://", 4) == 0)
            return fast_absolute(u, href, 5);
        if (memcmp(href.p + 4, "://", 3) == 0)
            return fast_absolute(u, href, 4);
    }
    return base != NULL && fast_relative(u, href, base);
}
