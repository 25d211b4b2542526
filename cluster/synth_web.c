/* synth_web.c - names, links, redirects and rules of the synthetic web */
#include "cluster/synth.h"

#include <inttypes.h>
#include <stdio.h>

struct kind_row {
    const char *prefix;
    uint32_t n;
};

#define SYNTH_KIND_ROW(id, prefix, n) { prefix, n },
static const struct kind_row kinds[] = { SYNTH_KINDS(SYNTH_KIND_ROW) };
#undef SYNTH_KIND_ROW

/* A URL that --max-url-bytes refuses. */
#define TEN_A "aaaaaaaaaa"
#define HUNDRED_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A
#define THOUSAND_A                                                                                                     \
    HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A HUNDRED_A
static const char long_url[] = "/long?" THOUSAND_A THOUSAND_A THOUSAND_A;
static const char outside_url[] = "http://outside.invalid/";

/* splitmix64's finalizer: all of the web's randomness. */
static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

uint64_t
synth_mix(const struct synth_web *web, struct synth_url url, uint64_t salt)
{
    uint64_t x = mix(web->seed + 0x9e3779b97f4a7c15ull * (salt + 1));

    return mix(x ^ ((uint64_t)url.host << 32 | url.n) ^ (uint64_t)url.kind << 56);
}

/* ---- names ---- */

static bool
parse_number(struct slice s, uint32_t *out)
{
    uint64_t value = 0;

    if (s.n == 0 || s.n > 9 || (s.n > 1 && s.p[0] == '0')) /* one spelling per number */
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.p[i] - '0');
    }
    *out = (uint32_t)value;
    return true;
}

bool
synth_find_host(const struct synth_web *web, struct slice host, uint32_t *out)
{
    const char *colon = host.n == 0 ? NULL : memrchr(host.p, ':', host.n);
    uint32_t h;

    if (colon != NULL)
        host.n = (size_t)(colon - host.p);
    if (host.n > 0 && host.p[0] >= '0' && host.p[0] <= '9') {
        *out = 0;
        return true;
    }
    if (!slice_starts_with(host, SLICE_LITERAL("h")) || !slice_ends_with(host, SLICE_LITERAL(".synth.test")))
        return false;
    if (!parse_number(slice_sub(host, 1, host.n - 12), &h) || h >= web->n_hosts)
        return false;
    *out = h;
    return true;
}

static uint32_t
count_of(const struct synth_web *web, enum synth_kind kind)
{
    return kinds[kind].n == 0 ? web->n_pages : kinds[kind].n;
}

static bool
exists(enum synth_kind kind, uint32_t host)
{
    enum synth_robots robots = synth_robots_of((struct synth_url){ .host = host });

    if (kind >= SYNTH_SITEMAP_INDEX || kind == SYNTH_ORPHAN)
        return robots == SYNTH_ROBOTS_SITEMAP || robots == SYNTH_ROBOTS_WILDCARD;
    return kind != SYNTH_ROBOTS_MOVED || robots == SYNTH_ROBOTS_REDIRECTED;
}

bool
synth_find_path(const struct synth_web *web, uint32_t host, struct slice path, struct synth_url *out)
{
    uint32_t n = 0;

    if (slice_eq(path, SLICE_LITERAL("/"))) {
        *out = (struct synth_url){ host, 0, SYNTH_PAGE };
        return true;
    }
    for (unsigned k = 0; k < SYNTH_N_KINDS; k++) {
        struct slice prefix = slice_str(kinds[k].prefix);

        if (!slice_starts_with(path, prefix) || !exists(k, host))
            continue;
        if (kinds[k].n == 1 ? path.n != prefix.n : !parse_number(slice_sub(path, prefix.n, path.n), &n))
            continue;
        if (n >= count_of(web, k) || (k == SYNTH_PAGE && n == 0))
            continue;
        *out = (struct synth_url){ host, n, k };
        return true;
    }
    return false;
}

int
synth_print_path(struct synth_url url, struct buf *out)
{
    if (url.kind == SYNTH_PAGE && url.n == 0)
        return buf_append_char(out, '/');
    if (kinds[url.kind].n == 1)
        return buf_append_str(out, kinds[url.kind].prefix);
    return buf_printf(out, "%s%" PRIu32, kinds[url.kind].prefix, url.n);
}

int
synth_print_url(const struct synth_web *web, struct synth_url url, struct buf *out)
{
    int err = buf_printf(out, web->port == 80 ? "http://h%" PRIu32 ".synth.test" : "http://h%" PRIu32 ".synth.test:%u", url.host,
                         web->port);

    return err != 0 ? err : synth_print_path(url, out);
}

int
synth_print_hosts_file(const struct synth_web *web, unsigned n_addresses, struct buf *out)
{
    int err = 0;

    for (uint32_t h = 0; h < web->n_hosts && err == 0; h++)
        err = buf_printf(out, "127.0.0.%u h%" PRIu32 ".synth.test\n", 1 + h % n_addresses, h);
    return err;
}

/* ---- rules ---- */

enum synth_robots
synth_robots_of(struct synth_url url)
{
    return (enum synth_robots)(url.host % 8);
}

bool
synth_may_fetch(struct synth_url url)
{
    enum synth_robots robots = synth_robots_of(url);

    if (url.kind != SYNTH_PRIVATE || robots == SYNTH_ROBOTS_NONE || robots == SYNTH_ROBOTS_EMPTY)
        return true;
    return robots == SYNTH_ROBOTS_ALLOW_ONE && url.n == 1;
}

unsigned
synth_status(struct synth_url url)
{
    switch (url.kind) {
    case SYNTH_OLD:
        return 301;
    case SYNTH_CHAIN:
    case SYNTH_LOOP:
    case SYNTH_ELSEWHERE:
        return 302;
    case SYNTH_MISSING:
        return 404;
    case SYNTH_GONE:
        return 410;
    case SYNTH_BROKEN:
        return 0;
    case SYNTH_ROBOTS:
        return synth_robots_of(url) == SYNTH_ROBOTS_NONE ? 404 : synth_robots_of(url) == SYNTH_ROBOTS_REDIRECTED ? 301 : 200;
    default:
        return 200;
    }
}

bool
synth_redirect(const struct synth_web *web, struct synth_url url, struct synth_url *to)
{
    *to = (struct synth_url){ url.host, url.n, SYNTH_PAGE };
    switch (url.kind) {
    case SYNTH_OLD:
        return true;
    case SYNTH_CHAIN:
        *to = url.n == 0 ? (struct synth_url){ url.host, web->n_pages / 2, SYNTH_PAGE }
                         : (struct synth_url){ url.host, url.n - 1, SYNTH_CHAIN };
        return true;
    case SYNTH_LOOP:
        *to = (struct synth_url){ url.host, 1 - url.n, SYNTH_LOOP };
        return true;
    case SYNTH_ELSEWHERE:
        *to = (struct synth_url){ (url.host + 1) % web->n_hosts, web->n_pages / 3, SYNTH_PAGE };
        return true;
    case SYNTH_ROBOTS:
        to->kind = SYNTH_ROBOTS_MOVED;
        return synth_robots_of(url) == SYNTH_ROBOTS_REDIRECTED;
    default:
        return false;
    }
}

/* ---- links ---- */

struct emitter {
    synth_link_fn *emit;
    void *arg;
};

static void
link_to(const struct emitter *e, uint32_t host, enum synth_kind kind, uint32_t n)
{
    const struct synth_link link = { .to = { host, n, kind } };

    e->emit(e->arg, &link);
}

/* A host's home page names one of everything, and the next hosts of the tree of hosts. */
static void
home_links(const struct synth_web *web, uint32_t host, const struct emitter *e)
{
    static const enum synth_kind single[] = { SYNTH_ELSEWHERE, SYNTH_GONE, SYNTH_FLAKY, SYNTH_BUSY, SYNTH_RESET, SYNTH_CUT,
                                              SYNTH_BROKEN, SYNTH_SLOW, SYNTH_LARGE };
    struct synth_link link = { .to = { host, 0, SYNTH_UNFOLLOWED }, .is_nofollow = true };

    for (uint64_t child = 2ull * host + 1; child <= 2ull * host + 2; child++)
        if (child < web->n_hosts)
            link_to(e, (uint32_t)child, SYNTH_PAGE, 0);
    for (size_t i = 0; i < ORB_N_ELEMENTS(single); i++)
        link_to(e, host, single[i], 0);
    for (uint32_t n = 0; n < SYNTH_N_MIRRORS; n++)
        link_to(e, host, SYNTH_MIRROR, n);
    for (uint32_t n = 0; n < SYNTH_N_PRIVATE; n++)
        link_to(e, host, SYNTH_PRIVATE, n);
    link_to(e, host, SYNTH_CHAIN, SYNTH_CHAIN_HOPS);
    link_to(e, host, SYNTH_LOOP, 0);
    e->emit(e->arg, &link);
    link.is_nofollow = false;
    link.foreign = outside_url;
    e->emit(e->arg, &link);
    link.foreign = long_url;
    e->emit(e->arg, &link);
}

/* The two children in the host's tree, so that every page is reached, and some at random. */
static void
page_links(const struct synth_web *web, struct synth_url url, const struct emitter *e)
{
    unsigned n_random = (unsigned)(synth_mix(web, url, 1) % 12);

    for (uint64_t child = 2ull * url.n + 1; child <= 2ull * url.n + 2; child++)
        if (child < web->n_pages)
            link_to(e, url.host, SYNTH_PAGE, (uint32_t)child);
    for (unsigned i = 0; i < n_random; i++) {
        uint64_t r = synth_mix(web, url, 100 + i);
        uint32_t host = r % 16 == 0 ? (uint32_t)(r >> 32) % web->n_hosts : url.host;
        enum synth_kind kind = (r >> 4) % 64 == 0 ? SYNTH_MISSING : (r >> 4) % 32 == 1 ? SYNTH_OLD : SYNTH_PAGE;

        link_to(e, host, kind, (uint32_t)(r >> 12) % web->n_pages);
    }
}

static void
sitemap_links(struct synth_url url, const struct emitter *e)
{
    uint32_t half = SYNTH_N_ORPHANS / 2, from = url.kind == SYNTH_SITEMAP_GZ ? half : 0;

    if (url.kind == SYNTH_SITEMAP_INDEX) {
        link_to(e, url.host, SYNTH_SITEMAP, 0);
        link_to(e, url.host, SYNTH_SITEMAP_GZ, 0);
        return;
    }
    for (uint32_t n = from; n < from + half; n++)
        link_to(e, url.host, SYNTH_ORPHAN, n);
}

void
synth_links(const struct synth_web *web, struct synth_url url, synth_link_fn *emit, void *arg)
{
    const struct emitter e = { emit, arg };

    switch (url.kind) {
    case SYNTH_PAGE:
        page_links(web, url, &e);
        if (url.n == 0)
            home_links(web, url.host, &e);
        break;
    case SYNTH_MIRROR: /* the same for every n, as the bytes are */
        link_to(&e, url.host, SYNTH_PAGE, 0);
        break;
    case SYNTH_SITEMAP_INDEX:
    case SYNTH_SITEMAP:
    case SYNTH_SITEMAP_GZ:
        sitemap_links(url, &e);
        break;
    case SYNTH_FLAKY:
    case SYNTH_BUSY:
    case SYNTH_RESET:
    case SYNTH_CUT:
    case SYNTH_SLOW:
    case SYNTH_LARGE:
    case SYNTH_PRIVATE:
    case SYNTH_ORPHAN:
    case SYNTH_UNFOLLOWED:
        link_to(&e, url.host, SYNTH_PAGE, (uint32_t)(synth_mix(web, url, 2) % web->n_pages));
        break;
    default:
        break;
    }
}
