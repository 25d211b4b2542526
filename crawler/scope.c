#include "crawler/scope.h"

#include <libpsl.h>
#include <stdlib.h>

#include "crawler/fingerprint.h"
#include "crawler/scope_patterns.h"
#include "crawler/url_chars.h"
#include "pool/map.h"

#define SCOPE_MAGIC 0x73636f70u
#define MAX_SEGMENTS 4096 /* that are looked at for repetition */
#define MAX_NAME_BYTES 255

/* One host, domain or prefix that a seed opened. */
struct opened {
    struct opened *next; /* of the same fingerprint */
    size_t n_bytes;
    char text[];
};

struct scope {
    uint32_t magic;
    struct scope_conf conf;
    struct scope_patterns *includes, *excludes;
    struct map opened;    /* fingerprint of the text -> struct opened */
    size_t longest_bytes; /* of the texts opened */
    struct fingerprint_key key;
    struct buf scratch;
    uint64_t n_overruns;
};

int
scope_new(struct scope **out, const struct scope_conf *conf, struct buf *error)
{
    static const unsigned char no_secret[FINGERPRINT_KEY_BYTES]; /* the seeds are the user's own */
    struct scope *s = mem_zalloc(MEM_DEFAULT, sizeof *s);
    int err;

    if (s == NULL)
        return ORB_ENOMEM;
    s->magic = SCOPE_MAGIC;
    s->conf = *conf;
    s->conf.includes = s->conf.excludes = NULL; /* not kept beyond this call */
    map_init(&s->opened, MEM_DEFAULT);
    buf_init(&s->scratch, MEM_DEFAULT, 2 * URL_MAX_BYTES);
    fingerprint_key_init(&s->key, no_secret);
    err = scope_patterns_new(&s->includes, conf->includes, "include", error);
    if (err == 0)
        err = scope_patterns_new(&s->excludes, conf->excludes, "exclude", error);
    if (err != 0) {
        scope_free(&s);
        return err;
    }
    *out = s;
    return 0;
}

void
scope_free(struct scope **scope)
{
    struct scope *s = *scope;

    if (s == NULL)
        return;
    CHECK_IS(s, SCOPE_MAGIC);
    MAP_EACH(slot, &s->opened)
    {
        struct opened *o = slot->value, *next;

        for (; o != NULL; o = next) {
            next = o->next;
            mem_free(MEM_DEFAULT, o);
        }
    }
    map_fini(&s->opened);
    buf_fini(&s->scratch);
    scope_patterns_free(&s->includes);
    scope_patterns_free(&s->excludes);
    s->magic = 0;
    MEM_FREE(MEM_DEFAULT, scope);
}

static bool
is_open(const struct scope *s, struct slice text)
{
    const struct opened *o;

    if (text.n > s->longest_bytes)
        return false;
    for (o = map_get(&s->opened, fingerprint(&s->key, text)); o != NULL; o = o->next)
        if (slice_eq(slice_of(o->text, o->n_bytes), text))
            return true;
    return false;
}

static int
open_text(struct scope *s, struct slice text)
{
    uint64_t at = fingerprint(&s->key, text);
    struct opened *o;
    int err;

    if (is_open(s, text))
        return 0;
    o = mem_alloc(MEM_DEFAULT, sizeof *o + text.n);
    if (o == NULL)
        return ORB_ENOMEM;
    o->next = map_get(&s->opened, at);
    o->n_bytes = text.n;
    memcpy(o->text, text.p, text.n);
    err = map_put(&s->opened, at, o);
    if (err != 0) {
        mem_free(MEM_DEFAULT, o);
        return err;
    }
    s->longest_bytes = ORB_MAX(s->longest_bytes, text.n);
    return 0;
}

static struct slice
without_dot(struct slice host)
{
    return slice_sub(host, 0, host.n > 0 && host.p[host.n - 1] == '.' ? host.n - 1 : host.n);
}

/* What a seed opens and a URL is asked for, in scratch: "name" or "name:port" and, for prefixes, the path. The default
 * ports of http and https count as one: sites move from one to the other. */
static int
scope_text(struct scope *s, const struct url *u, struct slice *out)
{
    struct slice host = without_dot(url_host(u));
    int err;

    buf_clear(&s->scratch);
    if (s->conf.kind == SCOPE_DOMAIN)
        host = scope_registrable_domain(host);
    err = buf_append_slice(&s->scratch, host);
    if (err == 0 && s->conf.kind != SCOPE_DOMAIN && u->port >= 0)
        err = buf_append_char(&s->scratch, ':');
    if (err == 0 && s->conf.kind != SCOPE_DOMAIN && u->port >= 0)
        err = buf_append_number(&s->scratch, (uint64_t)u->port);
    if (err == 0 && s->conf.kind == SCOPE_PREFIX)
        err = buf_append_slice(&s->scratch, url_path(u));
    *out = buf_slice(&s->scratch);
    return err;
}

int
scope_add_seed(struct scope *s, const struct url *seed)
{
    struct slice text;
    int err;

    CHECK_IS(s, SCOPE_MAGIC);
    if (!url_is_http(seed))
        return ORB_EINVAL;
    if (s->conf.kind == SCOPE_ANY)
        return 0;
    err = scope_text(s, seed, &text);
    if (err != 0)
        return err;
    if (s->conf.kind == SCOPE_PREFIX) /* up to the last '/', which is there */
        text.n = (size_t)((const char *)memrchr(text.p, '/', text.n) - text.p) + 1;
    return open_text(s, text);
}

/* 1 = in scope, 0 = not, or ORB_ENOMEM. */
static int
is_in_scope(struct scope *s, const struct url *u)
{
    struct slice text;
    int err;

    if (s->conf.kind == SCOPE_ANY)
        return 1;
    err = scope_text(s, u, &text);
    if (err != 0)
        return err;
    if (s->conf.kind != SCOPE_PREFIX)
        return is_open(s, text);
    for (size_t i = 0; i < text.n && i < s->longest_bytes; i++)
        if (text.p[i] == '/' && is_open(s, slice_sub(text, 0, i + 1)))
            return 1;
    return 0;
}

static int
compare_segments(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The most often any non-empty segment occurs, at least when it passes `limit`. */
static bool
repeats_itself(const struct scope *s, struct slice path, unsigned limit)
{
    uint64_t segments[MAX_SEGMENTS];
    unsigned n = 0, run = 1;

    for (size_t i = 0, end; i < path.n && n < MAX_SEGMENTS; i = end) {
        for (end = ++i; end < path.n && path.p[end] != '/'; end++)
            ;
        if (end > i)
            segments[n++] = fingerprint(&s->key, slice_sub(path, i, end - i));
    }
    if (n <= limit)
        return false;
    qsort(segments, n, sizeof segments[0], compare_segments);
    for (unsigned i = 1; i < n; i++) {
        run = segments[i] == segments[i - 1] ? run + 1 : 1;
        if (run > limit)
            return true;
    }
    return false;
}

static unsigned
count_char(struct slice s, char c)
{
    unsigned n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

static enum outcome
judge_traps(const struct scope *s, const struct url *u)
{
    const struct scope_conf *c = &s->conf;
    struct slice path = url_path(u), query = url_query(u);

    if (c->max_url_bytes != 0 && u->href.n > c->max_url_bytes)
        return OUTCOME_URL_TOO_LONG;
    if (c->max_path_depth != 0 && count_char(path, '/') > c->max_path_depth)
        return OUTCOME_PATH_TOO_DEEP;
    if (c->max_repeated_segments != 0 && repeats_itself(s, path, c->max_repeated_segments))
        return OUTCOME_REPEATED_SEGMENTS;
    if (c->max_parameters != 0 && query.n > 1 && count_char(query, '&') + 1 > c->max_parameters)
        return OUTCOME_TOO_MANY_PARAMETERS;
    return OUTCOME_OK;
}

static enum outcome
judge_patterns(struct scope *s, const struct url *u)
{
    enum scope_match included = SCOPE_MATCH, excluded;

    if (scope_patterns_n(s->includes) > 0)
        included = scope_patterns_match(s->includes, url_href(u));
    if (included != SCOPE_MATCH) {
        s->n_overruns += included == SCOPE_OVERRUN;
        return OUTCOME_FILTERED;
    }
    excluded = scope_patterns_match(s->excludes, url_href(u));
    s->n_overruns += excluded == SCOPE_OVERRUN;
    return excluded == SCOPE_NO_MATCH ? OUTCOME_OK : OUTCOME_FILTERED;
}

enum outcome
scope_judge(struct scope *s, const struct url *u, unsigned depth)
{
    enum outcome reason;

    CHECK_IS(s, SCOPE_MAGIC);
    if (!url_is_http(u))
        return OUTCOME_SCHEME_BLOCKED;
    if (is_in_scope(s, u) != 1)
        return OUTCOME_OUT_OF_SCOPE;
    if (depth > s->conf.max_depth)
        return OUTCOME_TOO_DEEP;
    reason = judge_traps(s, u);
    return reason != OUTCOME_OK ? reason : judge_patterns(s, u);
}

uint64_t
scope_n_pattern_overruns(const struct scope *s)
{
    return s->n_overruns;
}

bool
scope_host_matches(struct slice pattern, struct slice host, uint16_t port)
{
    size_t end = pattern.n;
    unsigned wanted = 0;

    while (end > 0 && url_is_digit(pattern.p[end - 1]))
        end--;
    if (end > 0 && end < pattern.n && pattern.n - end <= 5 && pattern.p[end - 1] == ':') {
        for (size_t i = end; i < pattern.n; i++)
            wanted = wanted * 10 + (unsigned)(pattern.p[i] - '0');
        if (wanted != port)
            return false;
        pattern.n = end - 1;
    }
    host = without_dot(host);
    pattern = without_dot(pattern);
    if (slice_eq(pattern, SLICE_LITERAL("*")))
        return true;
    if (!slice_starts_with(pattern, SLICE_LITERAL("*.")))
        return slice_eq_nocase(pattern, host);
    pattern = slice_sub(pattern, 1, SIZE_MAX);
    return host.n > pattern.n && slice_eq_nocase(slice_sub(host, host.n - pattern.n, SIZE_MAX), pattern);
}

struct slice
scope_registrable_domain(struct slice host)
{
    struct slice name = without_dot(host);
    char text[MAX_NAME_BYTES + 1];
    const char *domain;

    if (name.n == 0 || name.n > MAX_NAME_BYTES || name.p[0] == '[' || url_is_digit(name.p[name.n - 1]))
        return name; /* no top-level domain ends in a digit, addresses do */
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    domain = psl_registrable_domain(psl_builtin(), text);
    return domain == NULL ? name : slice_sub(name, (size_t)(domain - text), SIZE_MAX);
}
