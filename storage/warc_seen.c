#include "storage/warc_seen.h"

#include <stdio.h>

/* The digest is uniform: its first eight letters behind "sha1:" (40 bits) and the next eight, folded. */
static uint64_t
seen_key(const char *digest)
{
    uint64_t a, b;

    memcpy(&a, digest + 5, 8);
    memcpy(&b, digest + 13, 8);
    return a * 0x9e3779b97f4a7c15u ^ b;
}

void
warc_seen_init(struct warc_seen *s)
{
    map_init(&s->by_digest, MEM_CACHE);
    list_init(&s->lru);
}

void
warc_seen_fini(struct warc_seen *s)
{
    LIST_EACH_SAFE(node, &s->lru) {
        list_remove(node);
        mem_free(MEM_CACHE, LIST_ELEMENT(node, struct warc_seen_entry, lru));
    }
    map_fini(&s->by_digest);
}

const struct warc_seen_entry *
warc_seen_get(struct warc_seen *s, const char *digest)
{
    struct warc_seen_entry *e = map_get(&s->by_digest, seen_key(digest));

    if (e == NULL || strcmp(e->digest, digest) != 0)
        return NULL;
    list_remove(&e->lru);
    list_push_back(&s->lru, &e->lru);
    return e;
}

static void
forget(struct warc_seen *s, struct warc_seen_entry *e)
{
    list_remove(&e->lru);
    map_remove(&s->by_digest, e->key);
    mem_free(MEM_CACHE, e);
}

void
warc_seen_put(struct warc_seen *s, const struct warc_place *place, const char *record_id, struct slice url,
              uint64_t fetched_at_ms)
{
    struct warc_seen_entry *e;
    uint64_t key = seen_key(place->payload_digest);

    if (url.n > WARC_SEEN_URL_BYTES)
        return;
    e = map_get(&s->by_digest, key);
    if (e == NULL && s->by_digest.n >= WARC_SEEN_ENTRIES)
        e = LIST_ELEMENT(s->lru.next, struct warc_seen_entry, lru);
    if (e != NULL)
        forget(s, e);
    e = mem_zalloc(MEM_CACHE, sizeof *e + url.n);
    if (e == NULL)
        return;
    e->key = key;
    strcpy(e->digest, place->payload_digest);
    strcpy(e->file, place->file);
    snprintf(e->record_id, sizeof e->record_id, "%s", record_id);
    e->offset = place->offset;
    e->fetched_at_ms = fetched_at_ms;
    e->n_url = url.n;
    memcpy(e->url, url.p, url.n);
    if (map_put(&s->by_digest, key, e) != 0) {
        mem_free(MEM_CACHE, e);
        return;
    }
    list_push_back(&s->lru, &e->lru);
}
