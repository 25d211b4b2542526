#include "crawler/cache.h"

#include "gc/roots.h"
#include "gc/weak.h"

#include <xxhash.h>

#define CACHE_MAGIC 0x63616368u
#define LARGEST_SHARE 4 /* one page takes no more than this part of the limit */

struct cache {
    uint32_t magic;
    struct list kept;          /* of struct parsed_page, newest first; a reference each */
    struct weakmap *by_key, *by_url;
    struct gc_root root;
    struct cache_stats stats;
    uint8_t secret[CACHE_SECRET_BYTES];
};

static void
walk_kept(void *owner, object_visit_fn *visit, void *arg)
{
    struct cache *c = owner;

    LIST_EACH (node, &c->kept) {
        struct object *o = &LIST_ELEMENT(node, struct parsed_page, node)->object;
        visit(&o, arg);
    }
}

int
cache_new(struct cache **out, size_t limit_bytes, const uint8_t secret[static CACHE_SECRET_BYTES])
{
    struct cache *c = mem_zalloc(MEM_CACHE, sizeof *c);
    int err = ORB_ENOMEM;

    if (c == NULL)
        return err;
    c->magic = CACHE_MAGIC;
    list_init(&c->kept);
    memcpy(c->secret, secret, sizeof c->secret);
    c->stats.limit_bytes = limit_bytes;
    c->root = (struct gc_root){ .name = "cache.kept", .walk = walk_kept, .owner = c };
    gc_root_add(&c->root);
    err = weakmap_new(&c->by_key, MEM_CACHE);
    if (err == 0)
        err = weakmap_new(&c->by_url, MEM_CACHE);
    if (err != 0)
        goto fail;
    *out = c;
    return 0;
fail:
    cache_free(&c);
    return err;
}

void
cache_free(struct cache **out)
{
    struct cache *c = *out;

    if (c == NULL)
        return;
    CHECK_IS(c, CACHE_MAGIC);
    cache_shrink(c, 0);
    gc_root_remove(&c->root);
    weakmap_free(&c->by_key);
    weakmap_free(&c->by_url);
    c->magic = 0;
    MEM_FREE(MEM_CACHE, out);
}

bool
cache_is_on(const struct cache *c)
{
    return c != NULL && c->stats.limit_bytes > 0;
}

void
cache_key_of(const struct cache *c, const struct parse_input *in, struct cache_key *key)
{
    XXH128_hash_t body = XXH3_128bits_withSecret(in->body.p, in->body.n, c->secret, sizeof c->secret);
    struct {
        uint64_t body_low, body_high, body_bytes, content_type, user_agent, want_assets;
    } parts = {
        body.low64, body.high64, in->body.n,
        XXH3_64bits_withSecret(in->content_type.p, in->content_type.n, c->secret, sizeof c->secret),
        XXH3_64bits_withSecret(in->user_agent.p, in->user_agent.n, c->secret, sizeof c->secret),
        in->want_assets,
    };
    XXH128_hash_t all = XXH3_128bits_withSecret(&parts, sizeof parts, c->secret, sizeof c->secret);

    _Static_assert(sizeof all == sizeof key->bytes, "a key is one hash");
    memcpy(key->bytes, &all, sizeof key->bytes);
}

/* ---- the strong list ------------------------------------------------------------------------------------------------ */

static void
let_go(struct cache *c, struct parsed_page *p)
{
    list_remove(&p->node);
    c->stats.n_kept--;
    c->stats.kept_bytes -= parsed_page_bytes(p);
    parsed_page_unref(&p);
}

void
cache_shrink(struct cache *c, size_t to_bytes)
{
    CHECK_IS(c, CACHE_MAGIC);
    while (!list_is_empty(&c->kept) && (c->stats.kept_bytes > to_bytes || to_bytes == 0)) {
        let_go(c, LIST_ELEMENT(c->kept.prev, struct parsed_page, node));
        c->stats.n_evicted += to_bytes > 0;
    }
}

/* To the front, where it came from: the list, or the hands of others. */
static void
keep(struct cache *c, struct parsed_page *p)
{
    if (list_is_empty(&p->node)) {
        if (parsed_page_bytes(p) > c->stats.limit_bytes / LARGEST_SHARE) {
            c->stats.n_refused++;
            return;
        }
        object_ref(&p->object);
        c->stats.n_kept++;
        c->stats.kept_bytes += parsed_page_bytes(p);
    } else {
        list_remove(&p->node);
    }
    list_push_front(&c->kept, &p->node);
    if (c->stats.kept_bytes > c->stats.limit_bytes)
        cache_shrink(c, c->stats.limit_bytes);
}

/* ---- looking up ------------------------------------------------------------------------------------------------------- */

struct parsed_page *
cache_find(struct cache *c, const struct cache_key *key)
{
    struct parsed_page *p;

    CHECK_IS(c, CACHE_MAGIC);
    p = (struct parsed_page *)(void *)weakmap_get(c->by_key, slice_of(key->bytes, sizeof key->bytes));
    if (p == NULL)
        return NULL;
    CHECK_OBJECT(p, &parsed_page_type);
    c->stats.n_hits++;
    c->stats.saved_bytes += p->body_bytes;
    keep(c, p);
    return p;
}

struct parsed_page *
cache_find_url(struct cache *c, struct slice url)
{
    struct parsed_page *p;

    CHECK_IS(c, CACHE_MAGIC);
    p = (struct parsed_page *)(void *)weakmap_get(c->by_url, url);
    if (p != NULL) {
        c->stats.n_url_hits++;
        keep(c, p);
    }
    return p;
}

void
cache_put(struct cache *c, const struct cache_key *key, struct parsed_page *p)
{
    CHECK_IS(c, CACHE_MAGIC);
    CHECK_OBJECT(p, &parsed_page_type);
    c->stats.n_misses++;
    memcpy(p->key, key->bytes, sizeof p->key);
    if (weakmap_put(c->by_key, slice_of(p->key, sizeof p->key), &p->object) != 0)
        return;
    if (weakmap_put(c->by_url, p->url, &p->object) != 0) /* then it is found by its body only */
        weakmap_remove(c->by_url, p->url);
    keep(c, p);
}

void
cache_stats(const struct cache *c, struct cache_stats *out)
{
    *out = (struct cache_stats){ .limit_bytes = 0 };
    if (c == NULL)
        return;
    CHECK_IS(c, CACHE_MAGIC);
    *out = c->stats;
    out->n_known = weakmap_count(c->by_key);
}

static void
add_links(void *sum, struct slice key, struct object *o)
{
    *(size_t *)sum += ((const struct parsed_page *)(const void *)o)->n_links;
}

size_t
cache_count_links(const struct cache *c)
{
    size_t n = 0;

    if (c != NULL)
        weakmap_each(c->by_key, add_links, &n);
    return n;
}

int
cache_parse(struct cache *c, struct parsed *out, const struct parse_input *in, struct parsed_page **used)
{
    struct cache_key key;
    int err;

    *used = NULL;
    if (!cache_is_on(c))
        return parse_page(out, in);
    cache_key_of(c, in, &key);
    *used = cache_find(c, &key);
    if (*used != NULL)
        return parse_again(out, in, *used);
    err = parse_page_keep(out, in, used);
    if (*used != NULL)
        cache_put(c, &key, *used);
    return err;
}
