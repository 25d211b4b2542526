/* cookies.c - the jar: Set-Cookie in, Cookie out, text for the journey
 *
 * The list is in the order of creation: the first is the oldest. A cookie is one block; its text is
 * name, value, path, domain without anything between. As text a jar is one line a cookie:
 *
 *   flags SP expiry SP domain SP path TAB name "=" value LF
 */
#include "crawler/cookies.h"

#include <inttypes.h>

#include "crawler/set_cookie.h"

#define COOKIES_MAGIC 0x636f6f6bu

struct cookie {
    uint64_t expires_s;
    uint16_t n_name, n_value, n_path, n_domain; /* no domain: for this host only */
    uint8_t flags;
    char text[];
};

struct cookies {
    uint32_t magic;
    uint32_t n, cap;
    uint32_t n_bytes;
    struct cookie **list;
};

static struct slice
cookie_name(const struct cookie *k)
{
    return slice_of(k->text, k->n_name);
}

static struct slice
cookie_value(const struct cookie *k)
{
    return slice_of(k->text + k->n_name, k->n_value);
}

static struct slice
cookie_path(const struct cookie *k)
{
    return slice_of(k->text + k->n_name + k->n_value, k->n_path);
}

static struct slice
cookie_domain(const struct cookie *k)
{
    return slice_of(k->text + k->n_name + k->n_value + k->n_path, k->n_domain);
}

static uint32_t
cookie_bytes(const struct cookie *k)
{
    return (uint32_t)k->n_name + k->n_value + k->n_path + k->n_domain;
}

int
cookies_new(struct cookies **out)
{
    struct cookies *c = mem_zalloc(MEM_HOST, sizeof *c);

    if (c == NULL)
        return ORB_ENOMEM;
    c->magic = COOKIES_MAGIC;
    *out = c;
    return 0;
}

static void
cookies_clear(struct cookies *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        MEM_FREE(MEM_HOST, &c->list[i]);
    c->n = c->n_bytes = 0;
}

void
cookies_free(struct cookies **cp)
{
    struct cookies *c = *cp;

    if (c == NULL)
        return;
    CHECK_IS(c, COOKIES_MAGIC);
    cookies_clear(c);
    mem_free(MEM_HOST, c->list);
    c->magic = 0;
    MEM_FREE(MEM_HOST, cp);
}

size_t
cookies_count(const struct cookies *c)
{
    CHECK_IS(c, COOKIES_MAGIC);
    return c->n;
}

size_t
cookies_bytes(const struct cookies *c)
{
    CHECK_IS(c, COOKIES_MAGIC);
    return c->n_bytes;
}

static void
cookie_remove(struct cookies *c, uint32_t i)
{
    c->n_bytes -= cookie_bytes(c->list[i]);
    mem_free(MEM_HOST, c->list[i]);
    c->n--;
    memmove(&c->list[i], &c->list[i + 1], (c->n - i) * sizeof c->list[0]);
}

static bool
expired_remove(struct cookies *c, uint64_t now_s)
{
    uint32_t n_before = c->n;

    for (uint32_t i = c->n; i-- > 0;)
        if (c->list[i]->expires_s <= now_s)
            cookie_remove(c, i);
    return c->n != n_before;
}

/* RFC 6265bis: a cookie is what has this name, domain and path. UINT32_MAX: none. */
static uint32_t
cookie_find(const struct cookies *c, const struct set_cookie *d)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (slice_eq(cookie_name(c->list[i]), d->name) && slice_eq(cookie_path(c->list[i]), d->path)
            && slice_eq(cookie_domain(c->list[i]), d->domain))
            return i;
    return UINT32_MAX;
}

static struct cookie * /* NEW or NULL */
cookie_make(const struct set_cookie *d)
{
    const struct slice parts[] = { d->name, d->value, d->path, d->domain };
    struct cookie *k = mem_alloc(MEM_HOST, sizeof *k + d->name.n + d->value.n + d->path.n + d->domain.n);
    char *to;

    if (k == NULL)
        return NULL;
    *k = (struct cookie){ d->expires_s, (uint16_t)d->name.n, (uint16_t)d->value.n, (uint16_t)d->path.n,
                          (uint16_t)d->domain.n, d->flags };
    to = k->text;
    for (size_t i = 0; i < ORB_N_ELEMENTS(parts); i++)
        if (parts[i].n > 0) {
            memcpy(to, parts[i].p, parts[i].n);
            to += parts[i].n;
        }
    return k;
}

/* Puts it in the place of the cookie that it replaces, or last; makes room. */
static int
cookie_store(struct cookies *c, const struct set_cookie *d)
{
    uint32_t at = cookie_find(c, d);
    struct cookie *k = cookie_make(d);

    if (k == NULL)
        return ORB_ENOMEM;
    if (at == UINT32_MAX && c->n == c->cap) {
        uint32_t cap = c->cap == 0 ? 2 : c->cap * 2;
        struct cookie **grown = mem_realloc(MEM_HOST, c->list, cap * sizeof grown[0]);

        if (grown == NULL) {
            mem_free(MEM_HOST, k);
            return ORB_ENOMEM;
        }
        c->list = grown;
        c->cap = cap;
    }
    if (at == UINT32_MAX)
        at = c->n++;
    else {
        c->n_bytes -= cookie_bytes(c->list[at]);
        mem_free(MEM_HOST, c->list[at]);
    }
    c->list[at] = k;
    c->n_bytes += cookie_bytes(k);
    for (uint32_t oldest = 0; c->n > COOKIES_MAX_PER_HOST || c->n_bytes > COOKIES_MAX_BYTES;) {
        oldest = c->list[0] == k ? 1 : 0; /* never the new one */
        cookie_remove(c, oldest);
    }
    return 0;
}

/* --- setting ----------------------------------------------------------------------------------------------------------- */

static bool
path_matches(struct slice path, struct slice cookie)
{
    return slice_starts_with(path, cookie)
           && (path.n == cookie.n || cookie.p[cookie.n - 1] == '/' || path.p[cookie.n] == '/');
}

static bool
is_https(const struct url *u)
{
    return slice_eq(url_scheme(u), SLICE_LITERAL("https"));
}

/* A page without TLS may not put its cookie in the place, or in the way, of a secure one. */
static bool
hides_secure(const struct cookies *c, const struct set_cookie *d)
{
    for (uint32_t i = 0; i < c->n; i++)
        if ((c->list[i]->flags & SET_COOKIE_SECURE) != 0 && slice_eq(cookie_name(c->list[i]), d->name)
            && path_matches(d->path, cookie_path(c->list[i])))
            return true;
    return false;
}

bool
cookies_set(struct cookies *c, const struct url *u, struct slice text, uint64_t now_s)
{
    struct set_cookie d;
    bool changed;
    uint32_t at;

    CHECK_IS(c, COOKIES_MAGIC);
    if (!set_cookie_read(&d, u, text, now_s) || (!is_https(u) && hides_secure(c, &d)))
        return false;
    changed = expired_remove(c, now_s);
    if (!d.is_expired)
        return cookie_store(c, &d) == 0 || changed;
    at = cookie_find(c, &d);
    if (at != UINT32_MAX)
        cookie_remove(c, at);
    return changed || at != UINT32_MAX;
}

/* --- writing Cookie -------------------------------------------------------------------------------------------------- */

static int
cookie_write(const struct cookie *k, struct buf *out, bool is_first)
{
    int err = is_first ? 0 : buf_append_str(out, "; ");

    if (err == 0 && k->n_name > 0)
        err = buf_append_slice(out, cookie_name(k));
    if (err == 0 && k->n_name > 0)
        err = buf_append_char(out, '=');
    return err != 0 ? err : buf_append_slice(out, cookie_value(k));
}

/* Longer paths first, then older ones: the list's order is that of age, so that an insertion sort keeps it. */
int
cookies_header(struct cookies *c, const struct url *u, uint64_t now_s, struct buf *out)
{
    const struct cookie *sent[COOKIES_MAX_PER_HOST];
    struct slice path = url_path(u);
    size_t n = 0, n_before = out->n;
    int err = 0;

    CHECK_IS(c, COOKIES_MAGIC);
    expired_remove(c, now_s);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct cookie *k = c->list[i];
        size_t at = n;

        if (((k->flags & SET_COOKIE_SECURE) != 0 && !is_https(u)) || !path_matches(path, cookie_path(k)))
            continue;
        for (; at > 0 && sent[at - 1]->n_path < k->n_path; at--)
            sent[at] = sent[at - 1];
        sent[at] = k;
        n++;
    }
    for (size_t i = 0; i < n && err == 0; i++)
        err = cookie_write(sent[i], out, i == 0);
    if (err != 0)
        buf_truncate(out, n_before);
    return err;
}

/* --- as text --------------------------------------------------------------------------------------------------------- */

int
cookies_save(const struct cookies *c, struct buf *out)
{
    size_t n_before = out->n;
    int err = 0;

    CHECK_IS(c, COOKIES_MAGIC);
    for (uint32_t i = 0; i < c->n && err == 0; i++) {
        const struct cookie *k = c->list[i];

        err = buf_printf(out, "%u %" PRIu64 " ", k->flags, k->expires_s);
        if (err == 0)
            err = k->n_domain > 0 ? buf_append_slice(out, cookie_domain(k)) : buf_append_char(out, '-');
        if (err == 0)
            err = buf_append_char(out, ' ');
        if (err == 0)
            err = buf_append_slice(out, cookie_path(k));
        if (err == 0)
            err = buf_append_char(out, '\t');
        if (err == 0)
            err = buf_append_slice(out, cookie_name(k));
        if (err == 0)
            err = buf_append_char(out, '=');
        if (err == 0)
            err = buf_append_slice(out, cookie_value(k));
        if (err == 0)
            err = buf_append_char(out, '\n');
    }
    if (err != 0)
        buf_truncate(out, n_before);
    return err;
}

/* Takes what stands before the separator off *rest. */
static bool
field_take(struct slice *rest, char separator, struct slice *field)
{
    const char *end = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;

    if (end == NULL)
        return false;
    *field = slice_sub(*rest, 0, (size_t)(end - rest->p));
    *rest = slice_sub(*rest, field->n + 1, SIZE_MAX);
    return true;
}

static bool
number_read(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 20)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit = (uint64_t)(unsigned char)s.p[i] - '0';

        if (digit > 9 || digit > max || v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static bool
line_read(struct set_cookie *d, struct slice line)
{
    struct slice flags, expires;
    uint64_t flag_bits;

    *d = (struct set_cookie){ 0 };
    if (set_cookie_has_control(line) || memchr(line.p, ';', line.n) != NULL || !field_take(&line, ' ', &flags) || !field_take(&line, ' ', &expires)
        || !field_take(&line, ' ', &d->domain) || !field_take(&line, '\t', &d->path) || !field_take(&line, '=', &d->name))
        return false;
    d->value = line;
    if (!number_read(flags, SET_COOKIE_SECURE, &flag_bits) || !number_read(expires, UINT64_MAX, &d->expires_s))
        return false;
    d->flags = (uint8_t)flag_bits;
    if (slice_eq(d->domain, SLICE_LITERAL("-")))
        d->domain = SLICE_NONE;
    return d->name.n + d->value.n <= SET_COOKIE_MAX_PAIR_BYTES && d->path.n > 0 && d->path.p[0] == '/'
           && d->path.n <= SET_COOKIE_MAX_ATTRIBUTE_BYTES && d->domain.n <= SET_COOKIE_MAX_ATTRIBUTE_BYTES;
}

int
cookies_load(struct cookies *c, struct slice text)
{
    struct slice line;
    struct set_cookie d;
    int err = 0;

    CHECK_IS(c, COOKIES_MAGIC);
    cookies_clear(c);
    while (text.n > 0 && err == 0) {
        if (!field_take(&text, '\n', &line) || !line_read(&d, line))
            err = ORB_EINVAL;
        else
            err = cookie_store(c, &d);
    }
    if (err != 0)
        cookies_clear(c);
    return err;
}
