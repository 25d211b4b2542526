#include "crawler/url_internal.h"

void
url_init(struct url *u, enum mem_domain domain)
{
    *u = (struct url){ .port = -1, .query_start = URL_NO_PART, .fragment_start = URL_NO_PART };
    buf_init(&u->href, domain, URL_MAX_BYTES);
}

void
url_fini(struct url *u)
{
    buf_fini(&u->href);
    url_reset(u);
}

void
url_reset(struct url *u)
{
    buf_clear(&u->href);
    u->scheme_end = u->username_end = u->host_start = u->host_end = u->path_start = 0;
    u->query_start = u->fragment_start = URL_NO_PART;
    u->port = -1;
    u->is_special = u->has_host = u->has_opaque_path = false;
}

int
url_copy(struct url *to, const struct url *from)
{
    struct buf href = to->href;
    size_t more = from->href.n > href.n ? from->href.n - href.n : 0;
    int err = buf_reserve(&href, more);

    to->href = href; /* it may have moved, whatever became of the growth */
    if (err != 0)
        return err;
    *to = *from;
    to->href = href;
    to->href.n = from->href.n;
    if (from->href.n > 0)
        memcpy(to->href.p, from->href.p, from->href.n);
    to->href.p[to->href.n] = '\0';
    return 0;
}

int32_t
url_scheme_default_port(struct slice scheme, bool *special)
{
    static const struct {
        struct slice name;
        int32_t port;
    } known[] = {
        { { "https", 5 }, 443 }, { { "http", 4 }, 80 }, { { "ws", 2 }, 80 },
        { { "wss", 3 }, 443 },   { { "ftp", 3 }, 21 },  { { "file", 4 }, -1 },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(known); i++)
        if (slice_eq(scheme, known[i].name)) {
            *special = true;
            return known[i].port;
        }
    *special = false;
    return -1;
}

static bool
is_blank(char c)
{
    return (unsigned char)c <= ' ';
}

/* Without blanks and controls at both ends; *is_clean: no tab or newline inside, and well-formed. */
static struct slice
trim(struct slice s, bool *is_clean)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    *is_clean = url_utf8_prefix(s) == s.n;
    for (size_t i = 0; i < s.n && *is_clean; i++)
        *is_clean = s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r';
    return s;
}

/* Tabs and newlines go, ill-formed UTF-8 becomes U+FFFD. */
static int
clean(struct buf *out, struct slice s)
{
    int err = url_utf8_append(out, s);
    size_t n = 0;

    if (err != 0)
        return err;
    for (size_t i = 0; i < out->n; i++)
        if (out->p[i] != '\t' && out->p[i] != '\n' && out->p[i] != '\r')
            out->p[n++] = out->p[i];
    buf_truncate(out, n);
    return 0;
}

static int
parse_slowly(struct url *u, struct slice href, const struct url *base, url_encode_fn *encode, void *arg)
{
    struct url_parser p = { .u = u, .base = base, .encode = encode, .encode_arg = arg };
    struct buf cleaned;
    bool is_clean;
    int err = 0;

    buf_init(&cleaned, u->href.domain, 3 * URL_MAX_BYTES);
    p.in = trim(href, &is_clean);
    if (!is_clean) {
        err = clean(&cleaned, p.in);
        p.in = buf_slice(&cleaned);
    }
    if (err == 0)
        err = buf_reserve(&u->href, p.in.n);
    if (err == 0)
        err = url_parse_full(&p);
    buf_fini(&cleaned);
    if (err != 0)
        url_reset(u);
    return err;
}

int
url_parse_encoded(struct url *u, struct slice href, const struct url *base, url_encode_fn *encode, void *arg)
{
    CHECK(u != base);
    url_reset(u);
    if (href.n > URL_MAX_BYTES)
        return ORB_ETOOBIG;
    if (base != NULL && base->href.n == 0)
        base = NULL;
    if (url_fast(u, href, base)) /* it takes ASCII only: no encoding matters */
        return 0;
    return parse_slowly(u, href, base, encode, arg);
}

int
url_parse(struct url *u, struct slice href, const struct url *base)
{
    return url_parse_encoded(u, href, base, NULL, NULL);
}

int
url_parse_canonical(struct url *u, struct slice href)
{
    int err = url_parse(u, href, NULL);

    if (err == 0 && (u->fragment_start != URL_NO_PART || !slice_eq(url_href(u), href))) {
        url_reset(u);
        return ORB_EINVAL;
    }
    return err;
}

static struct slice
part(const struct url *u, size_t from, size_t to)
{
    return slice_of(u->href.p + from, to - from);
}

static size_t
query_end(const struct url *u)
{
    return u->fragment_start == URL_NO_PART ? u->href.n : u->fragment_start;
}

static size_t
path_end(const struct url *u)
{
    return u->query_start == URL_NO_PART ? query_end(u) : u->query_start;
}

struct slice
url_scheme(const struct url *u)
{
    return u->scheme_end == 0 ? SLICE_NONE : part(u, 0, u->scheme_end - 1);
}

struct slice
url_username(const struct url *u)
{
    return u->has_host ? part(u, u->scheme_end + 2, u->username_end) : SLICE_NONE;
}

struct slice
url_password(const struct url *u)
{
    if (!u->has_host || u->username_end == u->host_start || u->href.p[u->username_end] != ':')
        return SLICE_NONE;
    return part(u, u->username_end + 1, u->host_start - 1);
}

struct slice
url_host(const struct url *u)
{
    return u->has_host ? part(u, u->host_start, u->host_end) : SLICE_NONE;
}

struct slice
url_path(const struct url *u)
{
    return u->href.n == 0 ? SLICE_NONE : part(u, u->path_start, path_end(u));
}

struct slice
url_query(const struct url *u)
{
    return u->query_start == URL_NO_PART ? SLICE_NONE : part(u, u->query_start, query_end(u));
}

struct slice
url_fragment(const struct url *u)
{
    return u->fragment_start == URL_NO_PART ? SLICE_NONE : part(u, u->fragment_start, u->href.n);
}

struct slice
url_path_query(const struct url *u)
{
    if (u->href.n == 0 || query_end(u) == u->path_start)
        return SLICE_LITERAL("/");
    return part(u, u->path_start, query_end(u));
}

struct slice
url_origin(const struct url *u, struct buf *scratch)
{
    buf_clear(scratch);
    if (!u->has_host || buf_append(scratch, u->href.p, u->scheme_end) != 0 || buf_append(scratch, "//", 2) != 0
        || buf_append(scratch, u->href.p + u->host_start, u->path_start - u->host_start) != 0)
        buf_clear(scratch);
    return buf_slice(scratch);
}

uint16_t
url_effective_port(const struct url *u)
{
    int32_t port = u->port;
    bool special;

    if (port < 0)
        port = url_scheme_default_port(url_scheme(u), &special);
    return port < 0 ? 0 : (uint16_t)port;
}

bool
url_is_http(const struct url *u)
{
    return (u->scheme_end == 5 || (u->scheme_end == 6 && u->href.p[4] == 's')) && memcmp(u->href.p, "http", 4) == 0;
}

bool
url_host_is_ip(const struct url *u)
{
    struct slice host = url_host(u);
    size_t i = host.n;

    if (host.n == 0)
        return false;
    if (host.p[0] == '[')
        return true;
    while (i > 0 && url_is_digit(host.p[i - 1]))
        i--;
    return u->is_special && i < host.n && i > 0 && host.p[i - 1] == '.'; /* only addresses end in a number */
}

void
url_drop_fragment(struct url *u)
{
    if (u->fragment_start != URL_NO_PART)
        buf_truncate(&u->href, u->fragment_start);
    u->fragment_start = URL_NO_PART;
}

void
url_drop_userinfo(struct url *u)
{
    uint32_t from = u->scheme_end + 2, n;

    if (!u->has_host || u->host_start == from)
        return;
    n = u->host_start - from;
    memmove(u->href.p + from, u->href.p + u->host_start, u->href.n - u->host_start);
    buf_truncate(&u->href, u->href.n - n);
    u->username_end = u->host_start = from;
    u->host_end -= n;
    u->path_start -= n;
    if (u->query_start != URL_NO_PART)
        u->query_start -= n;
    if (u->fragment_start != URL_NO_PART)
        u->fragment_start -= n;
}
