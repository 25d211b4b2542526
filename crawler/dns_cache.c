#include "crawler/dns_cache.h"

struct entry {
    struct list by_use;
    uint64_t key;
    double expires_at_s;
    enum outcome outcome;
    unsigned n_addresses;
    struct slice name;              /* behind the addresses */
    struct dns_address addresses[];
};

static void
entry_drop(struct dns_cache *c, struct entry *e)
{
    list_remove(&e->by_use);
    map_remove(&c->by_key, e->key);
    c->n--;
    mem_free(MEM_CACHE, e);
}

void
dns_cache_init(struct dns_cache *c, unsigned max_entries)
{
    *c = (struct dns_cache){ .max_entries = max_entries };
    map_init(&c->by_key, MEM_CACHE);
    list_init(&c->by_use);
}

void
dns_cache_clear(struct dns_cache *c)
{
    while (!list_is_empty(&c->by_use))
        entry_drop(c, LIST_ELEMENT(c->by_use.next, struct entry, by_use));
}

void
dns_cache_fini(struct dns_cache *c)
{
    dns_cache_clear(c);
    map_fini(&c->by_key);
}

bool
dns_cache_get(struct dns_cache *c, uint64_t key, struct slice name, double now_s, struct dns_found *found)
{
    struct entry *e = map_get(&c->by_key, key);

    if (e == NULL || !slice_eq(e->name, name))
        return false;
    if (e->expires_at_s <= now_s) {
        entry_drop(c, e);
        return false;
    }
    list_remove(&e->by_use);
    list_push_front(&c->by_use, &e->by_use);
    *found = (struct dns_found){ .outcome = e->outcome, .n = e->n_addresses };
    found->ttl_s = (unsigned)(e->expires_at_s - now_s + 0.5);
    memcpy(found->addresses, e->addresses, e->n_addresses * sizeof *e->addresses);
    return true;
}

static struct entry *
entry_new(uint64_t key, struct slice name, double now_s, const struct dns_found *found)
{
    size_t n_bytes = found->n * sizeof *found->addresses;
    struct entry *e = mem_alloc(MEM_CACHE, sizeof *e + n_bytes + name.n);

    if (e == NULL)
        return NULL;
    *e = (struct entry){ .key = key, .outcome = found->outcome, .n_addresses = found->n };
    e->expires_at_s = now_s + found->ttl_s;
    list_init(&e->by_use);
    memcpy(e->addresses, found->addresses, n_bytes);
    memcpy((char *)e->addresses + n_bytes, name.p, name.n);
    e->name = slice_of((char *)e->addresses + n_bytes, name.n);
    return e;
}

void
dns_cache_put(struct dns_cache *c, uint64_t key, struct slice name, double now_s, const struct dns_found *found)
{
    struct entry *old = map_get(&c->by_key, key), *e;

    if (old != NULL)
        entry_drop(c, old); /* the same name, or another one with the same key: it must ask again */
    e = entry_new(key, name, now_s, found);
    if (e == NULL)
        return;
    if (c->n >= c->max_entries) {
        entry_drop(c, LIST_ELEMENT(c->by_use.prev, struct entry, by_use));
        c->n_evicted++;
    }
    if (map_put(&c->by_key, key, e) != 0) {
        mem_free(MEM_CACHE, e);
        return;
    }
    list_push_front(&c->by_use, &e->by_use);
    c->n++;
}
