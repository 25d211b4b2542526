/* set_cookie.c - name, value and attributes; which domain, which path, whether the prefixes hold */
#include "crawler/set_cookie.h"

#include <libpsl.h>

#include "crawler/cookies.h"

static struct slice
blanks_trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool
set_cookie_has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7F)
            return true;
    return false;
}

/* Takes "name=value" up to the next ';' off *rest; without '=' all of it is the name (is_pair: the value). */
static void
pair_take(struct slice *rest, struct slice *name, struct slice *value, bool is_pair)
{
    const char *end = rest->n > 0 ? memchr(rest->p, ';', rest->n) : NULL;
    struct slice pair = end != NULL ? slice_sub(*rest, 0, (size_t)(end - rest->p)) : *rest;
    const char *equals = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;

    *rest = slice_sub(*rest, pair.n + 1, SIZE_MAX);
    *name = *value = SLICE_NONE;
    if (equals != NULL) {
        *name = blanks_trim(slice_sub(pair, 0, (size_t)(equals - pair.p)));
        *value = blanks_trim(slice_sub(pair, (size_t)(equals - pair.p) + 1, SIZE_MAX));
    } else if (is_pair)
        *value = blanks_trim(pair);
    else
        *name = blanks_trim(pair);
}

static void
max_age_read(struct set_cookie *d, struct slice value, uint64_t now_s)
{
    uint64_t age_s = 0;

    for (size_t i = value.n > 0 && value.p[0] == '-' ? 1 : 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return;
        age_s = ORB_MIN(age_s * 10 + (uint64_t)(value.p[i] - '0'), COOKIES_MAX_LIFE_S);
    }
    if (value.n == 0 || (value.n == 1 && value.p[0] == '-'))
        return;
    d->has_max_age = true;
    d->is_expired = value.p[0] == '-' || age_s == 0;
    d->expires_s = now_s + age_s;
}

static void
expires_read(struct set_cookie *d, struct slice value, uint64_t now_s)
{
    uint64_t at_s;

    if (d->has_max_age || !cookies_date_parse(value, &at_s))
        return;
    d->is_expired = at_s <= now_s;
    d->expires_s = ORB_MIN(at_s, now_s + COOKIES_MAX_LIFE_S);
}

static void
attribute_read(struct set_cookie *d, struct slice name, struct slice value, uint64_t now_s)
{
    if (value.n > SET_COOKIE_MAX_ATTRIBUTE_BYTES)
        return;
    if (slice_eq_nocase(name, SLICE_LITERAL("max-age")))
        max_age_read(d, value, now_s);
    else if (slice_eq_nocase(name, SLICE_LITERAL("expires")))
        expires_read(d, value, now_s);
    else if (slice_eq_nocase(name, SLICE_LITERAL("secure")))
        d->flags |= SET_COOKIE_SECURE;
    else if (slice_eq_nocase(name, SLICE_LITERAL("path")))
        d->path = value.n > 0 && value.p[0] == '/' && memchr(value.p, '\t', value.n) == NULL ? value : SLICE_NONE;
    else if (slice_eq_nocase(name, SLICE_LITERAL("domain")))
        d->domain = value.n > 0 && value.p[0] == '.' ? slice_sub(value, 1, SIZE_MAX) : value;
}

/* RFC 6265 section 5.1.4: up to the last '/' of the path, without it. */
static struct slice
default_path(const struct url *u)
{
    struct slice path = url_path(u);
    size_t n = path.n;

    while (n > 0 && path.p[n - 1] != '/')
        n--;
    if (path.n == 0 || path.p[0] != '/' || n <= 1 || n - 1 > SET_COOKIE_MAX_ATTRIBUTE_BYTES)
        return SLICE_LITERAL("/");
    return slice_sub(path, 0, n - 1);
}

static bool
is_public_suffix(struct slice domain)
{
    char name[256];

    if (domain.n >= sizeof name)
        return true;
    for (size_t i = 0; i < domain.n; i++)
        name[i] = domain.p[i] >= 'A' && domain.p[i] <= 'Z' ? (char)(domain.p[i] | 0x20) : domain.p[i];
    name[domain.n] = '\0';
    return psl_is_public_suffix(psl_builtin(), name);
}

/* May u's host set cookies for that domain? A host that is a public suffix itself may do so for itself alone. */
static bool
domain_check(struct set_cookie *d, const struct url *u)
{
    struct slice host = url_host(u), tail;

    if (d->domain.n == 0)
        return true;
    if (slice_eq_nocase(host, d->domain)) {
        d->domain = url_host_is_ip(u) || is_public_suffix(host) ? SLICE_NONE : host;
        return true;
    }
    if (url_host_is_ip(u) || d->domain.n >= host.n)
        return false;
    tail = slice_sub(host, host.n - d->domain.n, SIZE_MAX);
    if (tail.p[-1] != '.' || !slice_eq_nocase(tail, d->domain) || is_public_suffix(tail))
        return false;
    d->domain = tail; /* in lower case, as hosts are */
    return true;
}

static bool
starts_with_nocase(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq_nocase(slice_sub(s, 0, prefix.n), prefix);
}

/* RFC 6265bis section 5.7: __Secure- and __Host- say something of the attributes, which must be true. */
static bool
prefix_check(const struct set_cookie *d, bool is_whole_host)
{
    bool is_secure = (d->flags & SET_COOKIE_SECURE) != 0;

    if (d->name.n == 0)
        return !starts_with_nocase(d->value, SLICE_LITERAL("__secure-")) && !starts_with_nocase(d->value, SLICE_LITERAL("__host-"));
    if (starts_with_nocase(d->name, SLICE_LITERAL("__secure-")))
        return is_secure;
    if (starts_with_nocase(d->name, SLICE_LITERAL("__host-")))
        return is_secure && is_whole_host;
    return true;
}

bool
set_cookie_read(struct set_cookie *out, const struct url *u, struct slice text, uint64_t now_s)
{
    struct set_cookie d = { .expires_s = SET_COOKIE_NEVER };
    struct slice name, value;
    bool has_root_path, has_domain;

    if (!url_is_http(u) || set_cookie_has_control(text))
        return false;
    pair_take(&text, &d.name, &d.value, true);
    if (d.name.n + d.value.n == 0 || d.name.n + d.value.n > SET_COOKIE_MAX_PAIR_BYTES)
        return false;
    while (text.n > 0) {
        pair_take(&text, &name, &value, false);
        attribute_read(&d, name, value, now_s);
    }
    has_root_path = slice_eq(d.path, SLICE_LITERAL("/"));
    has_domain = d.domain.n > 0;
    if (d.path.n == 0)
        d.path = default_path(u);
    if (!domain_check(&d, u) || !prefix_check(&d, has_root_path && !has_domain)
        || ((d.flags & SET_COOKIE_SECURE) != 0 && !slice_eq(url_scheme(u), SLICE_LITERAL("https"))))
        return false;
    *out = d;
    return true;
}
