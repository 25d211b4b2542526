/* surt.c - URLs turned so that a site's stand together: "org,example,www)/a" (the key of CDXJ) */
#include "storage/sql.h"

/* scheme://user@host:port/rest. false: no such URL. */
static bool
take_apart(struct slice url, struct slice *host, struct slice *port, struct slice *rest)
{
    const char *colon = memmem(url.p, url.n, "://", 3);
    size_t n = 0, at = 0;

    if (colon == NULL)
        return false;
    *rest = slice_sub(url, (size_t)(colon - url.p) + 3, SIZE_MAX);
    for (; n < rest->n && rest->p[n] != '/' && rest->p[n] != '?' && rest->p[n] != '#'; n++)
        if (rest->p[n] == '@')
            at = n + 1;
    *host = slice_sub(*rest, at, n - at);
    *rest = slice_sub(*rest, n, SIZE_MAX);
    *port = SLICE_NONE;
    for (size_t i = host->n; i > 0 && host->p[i - 1] != ']'; i--) /* ']': the colons before it are an address' */
        if (host->p[i - 1] == ':') {
            *port = slice_sub(*host, i - 1, SIZE_MAX);
            *host = slice_sub(*host, 0, i - 1);
            break;
        }
    return true;
}

/* A name's last label is never a number. */
static bool
is_address(struct slice host)
{
    return host.n > 0 && (host.p[0] == '[' || (host.p[host.n - 1] >= '0' && host.p[host.n - 1] <= '9'));
}

static int
append_turned(struct buf *out, struct slice host)
{
    int err = 0;

    for (size_t end = host.n; err == 0;) {
        size_t begin = end;

        while (begin > 0 && host.p[begin - 1] != '.')
            begin--;
        err = buf_append(out, host.p + begin, end - begin);
        if (begin == 0 || err != 0)
            break;
        err = buf_append_char(out, ',');
        end = begin - 1;
    }
    return err;
}

int
sql_surt(struct buf *out, struct slice url)
{
    struct slice host, port, rest;
    int err;

    if (!take_apart(url, &host, &port, &rest))
        return buf_append_slice(out, url);
    err = is_address(host) ? buf_append_slice(out, host) : append_turned(out, host);
    if (err == 0)
        err = buf_append_slice(out, port);
    if (err == 0)
        err = buf_append_char(out, ')');
    return err == 0 ? buf_append_slice(out, rest) : err;
}
