/* The basic URL parser (https://url.spec.whatwg.org/#concept-basic-url-parser), without its state overrides.
 *
 *   SCHEME --special, base of the same scheme, no "//"--> RELATIVE --"/"--> RELATIVE SLASH --"//"--+
 *     |  \--special--------> SPECIAL SLASHES -----------------------------------------------------+--> AUTHORITY
 *     |  \--other, "//"---------------------------------------------------------------------------+       |
 *     |  \--other, "/"-----> PATH                                                                        PATH
 *     |  \--other----------> OPAQUE PATH                                                                  |
 *     |  \--file-----------> FILE -> FILE SLASH -> FILE HOST -> PATH                              QUERY, FRAGMENT
 *     `--none: RELATIVE or FILE, as the base is
 *
 * The standard walks code point by code point and goes back at '@'; here each state looks ahead for its end and writes
 * its part of the serialisation at once. The input is well-formed UTF-8, so bytes do where the standard says code
 * points.
 */
#include "crawler/url_internal.h"

/* "scheme:" of the input, lower-cased onto the url; false when it has none. */
static int
parse_scheme(struct url_parser *p, bool *found)
{
    struct url *u = p->u;
    size_t n = 0;
    int err;

    *found = false;
    if (p->in.n == 0 || !url_is_alpha(p->in.p[0]))
        return 0;
    while (n < p->in.n && url_char_is(p->in.p[n], URL_SCHEME))
        n++;
    if (n == p->in.n || p->in.p[n] != ':')
        return 0;
    err = buf_append(&u->href, p->in.p, n + 1);
    if (err != 0)
        return err;
    for (size_t i = 0; i < n; i++)
        u->href.p[i] = url_lower(u->href.p[i]);
    u->scheme_end = (uint32_t)n + 1;
    p->i = n + 1;
    *found = true;
    return 0;
}

static void
note_scheme(struct url_parser *p)
{
    struct url *u = p->u;

    url_scheme_default_port(url_scheme(u), &u->is_special);
    p->is_file = slice_eq(url_scheme(u), SLICE_LITERAL("file"));
    u->username_end = u->host_start = u->host_end = u->path_start = u->scheme_end;
}

/* "//" and what follows up to the path; p->i behind it. */
static int
write_userinfo(struct url_parser *p, struct slice userinfo)
{
    struct url *u = p->u;
    const char *colon = userinfo.n == 0 ? NULL : memchr(userinfo.p, ':', userinfo.n);
    size_t name_bytes = colon == NULL ? userinfo.n : (size_t)(colon - userinfo.p);
    struct slice password = slice_sub(userinfo, name_bytes + 1, SIZE_MAX);
    int err = url_encode_append(&u->href, slice_sub(userinfo, 0, name_bytes), URL_ENC_USERINFO);

    u->username_end = (uint32_t)u->href.n;
    if (err == 0 && password.n > 0) {
        err = buf_append_char(&u->href, ':');
        if (err == 0)
            err = url_encode_append(&u->href, password, URL_ENC_USERINFO);
    }
    if (err == 0 && u->href.n > u->scheme_end + 2)
        err = buf_append_char(&u->href, '@');
    return err;
}

static int
write_port(struct url_parser *p, struct slice digits)
{
    struct url *u = p->u;
    bool special;
    int32_t port = 0;
    int err;

    for (size_t i = 0; i < digits.n; i++) {
        if (!url_is_digit(digits.p[i]))
            return ORB_EINVAL;
        port = port * 10 + (digits.p[i] - '0');
        if (port > 65535)
            return ORB_EINVAL;
    }
    if (digits.n == 0 || port == url_scheme_default_port(url_scheme(u), &special))
        return 0;
    u->port = port;
    err = buf_append_char(&u->href, ':');
    return err == 0 ? buf_append_number(&u->href, (uint64_t)port) : err;
}

/* Where the host of authority[from ...] ends: at the ':' before the port (outside of brackets), or with it. */
static size_t
host_end_of(struct slice authority, size_t from)
{
    bool in_brackets = false;

    for (size_t i = from; i < authority.n; i++) {
        if (authority.p[i] == '[')
            in_brackets = true;
        else if (authority.p[i] == ']')
            in_brackets = false;
        else if (authority.p[i] == ':' && !in_brackets)
            return i;
    }
    return authority.n;
}

static int
parse_authority(struct url_parser *p)
{
    struct url *u = p->u;
    struct slice authority = url_rest(p), host;
    size_t n = 0, host_from = 0, host_to;
    const char *at;
    int err;

    while (n < authority.n && authority.p[n] != '/' && authority.p[n] != '?' && authority.p[n] != '#'
           && !(authority.p[n] == '\\' && u->is_special))
        n++;
    authority.n = n;
    p->i += n;
    at = n == 0 ? NULL : memrchr(authority.p, '@', n);
    if (at != NULL)
        host_from = (size_t)(at - authority.p) + 1;
    host_to = host_end_of(authority, host_from);
    host = slice_sub(authority, host_from, host_to - host_from);
    if (host.n == 0 && (u->is_special || host_to < n || at != NULL))
        return ORB_EINVAL;
    err = buf_append(&u->href, "//", 2);
    if (err == 0)
        err = write_userinfo(p, slice_sub(authority, 0, at == NULL ? 0 : host_from - 1));
    if (err != 0)
        return err;
    u->host_start = (uint32_t)u->href.n;
    u->has_host = true;
    err = url_host_append(&u->href, host, u->is_special);
    if (err != 0)
        return err;
    u->host_end = (uint32_t)u->href.n;
    err = write_port(p, slice_sub(authority, host_to + 1, SIZE_MAX));
    u->path_start = (uint32_t)u->href.n;
    return err;
}

/* Path start: an absent path is "/" for special URLs, nothing for others. */
static int
parse_path_start(struct url_parser *p)
{
    int err = 0;

    p->u->path_start = (uint32_t)p->u->href.n;
    if (url_at_slash(p))
        p->i++;
    else if (!p->u->is_special && (p->i == p->in.n || p->in.p[p->i] == '?' || p->in.p[p->i] == '#'))
        return url_path_tail(p);
    err = url_path_segments(p);
    return err != 0 ? err : url_path_tail(p);
}

static int
parse_from_authority(struct url_parser *p)
{
    int err = parse_authority(p);

    return err != 0 ? err : parse_path_start(p);
}

/* Everything of the base before its path. */
static int
copy_authority(struct url_parser *p)
{
    const struct url *base = p->base;
    struct url *u = p->u;
    int err = 0;

    if (base->has_host) {
        err = buf_append(&u->href, base->href.p + base->scheme_end, base->path_start - base->scheme_end);
        u->username_end = base->username_end;
        u->host_start = base->host_start;
        u->host_end = base->host_end;
        u->port = base->port;
        u->has_host = true;
    }
    u->path_start = (uint32_t)u->href.n;
    return err;
}

/* The link is empty, or begins with '?' or '#': path, and maybe query, are the base's. */
static int
parse_same_document(struct url_parser *p)
{
    struct url *u = p->u;
    bool keeps_query = p->i == p->in.n || p->in.p[p->i] == '#';
    int err = buf_append_slice(&u->href, url_path(p->base));

    if (err != 0)
        return err;
    if (keeps_query && p->base->query_start != URL_NO_PART) {
        struct slice query = url_query(p->base);

        u->query_start = (uint32_t)u->href.n;
        err = buf_append_slice(&u->href, query);
    }
    return err != 0 ? err : url_path_tail(p);
}

static bool
at_query_or_end(const struct url_parser *p)
{
    return p->i == p->in.n || p->in.p[p->i] == '?' || p->in.p[p->i] == '#';
}

static int
parse_below_base_path(struct url_parser *p)
{
    int err = buf_append_slice(&p->u->href, url_path(p->base));

    if (err != 0)
        return err;
    url_path_shorten(p);
    err = url_path_segments(p);
    return err != 0 ? err : url_path_tail(p);
}

static int
skip_special_slashes(struct url_parser *p)
{
    while (url_at_slash(p))
        p->i++;
    return parse_from_authority(p);
}

static int
parse_relative(struct url_parser *p)
{
    int err;

    if (url_at_slash(p)) {
        p->i++;
        if (url_at_slash(p)) {
            p->i++;
            return p->u->is_special ? skip_special_slashes(p) : parse_from_authority(p);
        }
        p->i--;
        err = copy_authority(p);
        return err != 0 ? err : parse_path_start(p);
    }
    err = copy_authority(p);
    if (err != 0)
        return err;
    return at_query_or_end(p) ? parse_same_document(p) : parse_below_base_path(p);
}

static int
file_host_none(struct url_parser *p)
{
    struct url *u = p->u;
    int err = buf_append(&u->href, "//", 2);

    u->username_end = u->host_start = u->host_end = u->path_start = (uint32_t)u->href.n;
    u->has_host = true;
    return err;
}

static int
parse_file_host(struct url_parser *p)
{
    struct slice host = url_rest(p);
    size_t n = 0;
    int err;

    while (n < host.n && !url_char_is(host.p[n], URL_SLASH) && host.p[n] != '?' && host.p[n] != '#')
        n++;
    host.n = n;
    err = file_host_none(p);
    if (err != 0)
        return err;
    if (n == 2 && url_path_starts_with_drive(host)) { /* file://C:/ is a path */
        err = url_path_segments(p);
        return err != 0 ? err : url_path_tail(p);
    }
    p->i += n;
    if (n > 0) {
        struct url *u = p->u;

        err = url_host_append(&u->href, host, true);
        if (err != 0)
            return err;
        if (slice_eq(slice_sub(buf_slice(&u->href), u->host_start, SIZE_MAX), SLICE_LITERAL("localhost")))
            buf_truncate(&u->href, u->host_start);
        u->host_end = u->path_start = (uint32_t)u->href.n;
    }
    return parse_path_start(p);
}

static bool
is_file_url(const struct url *u)
{
    return u != NULL && slice_eq(url_scheme(u), SLICE_LITERAL("file"));
}

/* p->i behind the first slash of a path; the base's drive stays. */
static int
parse_file_slash(struct url_parser *p, bool base_is_file)
{
    int err;

    if (url_at_slash(p)) {
        p->i++;
        return parse_file_host(p);
    }
    err = base_is_file ? copy_authority(p) : file_host_none(p);
    if (err == 0 && base_is_file && !url_path_starts_with_drive(url_rest(p))) {
        struct slice path = url_path(p->base);

        if (path.n >= 3 && url_is_alpha(path.p[1]) && path.p[2] == ':' && (path.n == 3 || path.p[3] == '/'))
            err = buf_append(&p->u->href, path.p, 3);
    }
    if (err == 0)
        err = url_path_segments(p);
    return err != 0 ? err : url_path_tail(p);
}

static int
parse_file(struct url_parser *p)
{
    bool base_is_file = is_file_url(p->base);
    int err;

    if (url_at_slash(p)) {
        p->i++;
        return parse_file_slash(p, base_is_file);
    }
    err = base_is_file ? copy_authority(p) : file_host_none(p);
    if (err != 0)
        return err;
    if (base_is_file && at_query_or_end(p))
        return parse_same_document(p);
    if (base_is_file && !url_path_starts_with_drive(url_rest(p)))
        return parse_below_base_path(p);
    err = url_path_segments(p);
    return err != 0 ? err : url_path_tail(p);
}

/* The input has a scheme of its own. */
static int
parse_absolute(struct url_parser *p)
{
    struct slice rest = url_rest(p);
    int err;

    note_scheme(p);
    if (p->is_file)
        return parse_file(p);
    if (p->u->is_special) {
        if (p->base != NULL && slice_eq(url_scheme(p->base), url_scheme(p->u))
            && !slice_starts_with(rest, SLICE_LITERAL("//")))
            return parse_relative(p);
        return skip_special_slashes(p);
    }
    if (slice_starts_with(rest, SLICE_LITERAL("//"))) {
        p->i += 2;
        return parse_from_authority(p);
    }
    if (rest.n > 0 && rest.p[0] == '/')
        return parse_path_start(p);
    p->u->has_opaque_path = true;
    err = url_path_opaque(p);
    return err != 0 ? err : url_path_tail(p);
}

static int
parse_without_scheme(struct url_parser *p)
{
    const struct url *base = p->base;
    int err;

    if (base == NULL || (base->has_opaque_path && (p->in.n == 0 || p->in.p[0] != '#')))
        return ORB_EINVAL;
    err = buf_append(&p->u->href, base->href.p, base->scheme_end);
    if (err != 0)
        return err;
    p->u->scheme_end = base->scheme_end;
    note_scheme(p);
    if (base->has_opaque_path) {
        p->u->has_opaque_path = true;
        return parse_same_document(p);
    }
    return p->is_file ? parse_file(p) : parse_relative(p);
}

/* A path that begins with "//" must not read as an authority. */
static int
guard_path(struct url *u)
{
    struct slice path = url_path(u);
    int err;

    if (u->has_host || u->has_opaque_path || path.n < 2 || path.p[0] != '/' || path.p[1] != '/')
        return 0;
    err = buf_append(&u->href, "/.", 2);
    if (err != 0)
        return err;
    memmove(u->href.p + u->path_start + 2, u->href.p + u->path_start, u->href.n - u->path_start - 2);
    memcpy(u->href.p + u->path_start, "/.", 2);
    u->path_start += 2;
    if (u->query_start != URL_NO_PART)
        u->query_start += 2;
    if (u->fragment_start != URL_NO_PART)
        u->fragment_start += 2;
    return 0;
}

int
url_parse_full(struct url_parser *p)
{
    bool has_scheme;
    int err = parse_scheme(p, &has_scheme);

    if (err == 0)
        err = has_scheme ? parse_absolute(p) : parse_without_scheme(p);
    return err != 0 ? err : guard_path(p->u);
}
