/* Paths grow as text: "/a/b" is the list (a, b), "" the empty list; to shorten it is to cut at the last '/'. */
#include "crawler/url_internal.h"

/* A '.' as such or as %2e: its length, else 0. */
static size_t
dot_bytes(struct slice s)
{
    if (s.n >= 1 && s.p[0] == '.')
        return 1;
    return s.n >= 3 && s.p[0] == '%' && s.p[1] == '2' && (s.p[2] | 0x20) == 'e' ? 3 : 0;
}

/* 1 for ".", 2 for "..", 0 for others. */
static unsigned
dots_of(struct slice segment)
{
    size_t first, second;

    if (segment.n == 0 || segment.n > 6)
        return 0;
    first = dot_bytes(segment);
    if (first == 0)
        return 0;
    if (first == segment.n)
        return 1;
    second = dot_bytes(slice_sub(segment, first, SIZE_MAX));
    return second != 0 && first + second == segment.n ? 2 : 0;
}

static bool
is_drive(struct slice s)
{
    return s.n == 2 && url_is_alpha(s.p[0]) && (s.p[1] == ':' || s.p[1] == '|');
}

bool
url_path_starts_with_drive(struct slice s)
{
    return s.n >= 2 && is_drive(slice_sub(s, 0, 2))
           && (s.n == 2 || url_char_is(s.p[2], URL_SLASH) || s.p[2] == '?' || s.p[2] == '#');
}

void
url_path_shorten(struct url_parser *p)
{
    struct buf *href = &p->u->href;
    size_t start = p->u->path_start, n = href->n - start;
    const char *path = href->p + start, *slash;

    if (n == 0 || (p->is_file && n == 3 && url_is_alpha(path[1]) && path[2] == ':'))
        return; /* a drive letter stays */
    slash = memrchr(path, '/', n);
    buf_truncate(href, slash == NULL ? start : (size_t)(slash - href->p));
}

static int
append_segment(struct url_parser *p, struct slice segment)
{
    struct buf *href = &p->u->href;
    bool is_first = href->n == p->u->path_start;
    int err = buf_append_char(href, '/');

    if (err != 0)
        return err;
    if (p->is_file && is_first && is_drive(segment)) {
        char drive[2] = { segment.p[0], ':' };

        return buf_append(href, drive, 2);
    }
    return url_encode_append(href, segment, URL_ENC_PATH);
}

int
url_path_segments(struct url_parser *p)
{
    for (;;) {
        size_t start = p->i;
        struct slice segment;
        unsigned dots;
        bool more;
        int err = 0;

        while (p->i < p->in.n && !url_at_slash(p) && p->in.p[p->i] != '?' && p->in.p[p->i] != '#')
            p->i++;
        segment = slice_sub(p->in, start, p->i - start);
        more = url_at_slash(p);
        dots = dots_of(segment);
        if (dots == 2)
            url_path_shorten(p);
        if (dots == 0)
            err = append_segment(p, segment);
        else if (!more)
            err = append_segment(p, SLICE_NONE);
        if (err != 0 || !more)
            return err;
        p->i++;
    }
}

/* Blanks at the end of an opaque path would be lost when the URL is parsed again: the last one is encoded. */
int
url_path_opaque(struct url_parser *p)
{
    struct slice path = url_rest(p);
    size_t n = 0;
    bool ends_in_space;
    int err;

    while (n < path.n && path.p[n] != '?' && path.p[n] != '#')
        n++;
    p->i += n;
    ends_in_space = n < path.n && n > 0 && path.p[n - 1] == ' ';
    p->u->path_start = (uint32_t)p->u->href.n;
    err = url_encode_append(&p->u->href, slice_sub(path, 0, n - ends_in_space), URL_ENC_CONTROL);
    if (err == 0 && ends_in_space)
        err = buf_append(&p->u->href, "%20", 3);
    return err;
}

static int
write_query(struct url_parser *p, struct slice query)
{
    struct url *u = p->u;
    struct slice scheme = url_scheme(u);
    struct buf encoded;
    int err;

    if (p->encode == NULL || !u->is_special || scheme.p[0] == 'w')
        return url_encode_append(&u->href, query, u->is_special ? URL_ENC_SPECIAL_QUERY : URL_ENC_QUERY);
    buf_init(&encoded, u->href.domain, 4 * URL_MAX_BYTES);
    err = p->encode(&encoded, query, p->encode_arg);
    if (err == 0)
        err = url_encode_append(&u->href, buf_slice(&encoded), URL_ENC_SPECIAL_QUERY);
    buf_fini(&encoded);
    return err;
}

int
url_path_tail(struct url_parser *p)
{
    struct url *u = p->u;
    struct slice rest = url_rest(p);
    const char *hash = rest.n == 0 ? NULL : memchr(rest.p, '#', rest.n);
    size_t query_bytes = hash == NULL ? rest.n : (size_t)(hash - rest.p);
    int err = 0;

    if (rest.n > 0 && rest.p[0] == '?') {
        u->query_start = (uint32_t)u->href.n;
        err = buf_append_char(&u->href, '?');
        if (err == 0)
            err = write_query(p, slice_sub(rest, 1, query_bytes - 1));
    }
    if (err == 0 && hash != NULL) {
        u->fragment_start = (uint32_t)u->href.n;
        err = buf_append_char(&u->href, '#');
        if (err == 0)
            err = url_encode_append(&u->href, slice_sub(rest, query_bytes + 1, SIZE_MAX), URL_ENC_FRAGMENT);
    }
    return err;
}
