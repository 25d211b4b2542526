/* audit_links.c - every offered link against the journal, by crawl key
 *
 * The journal's keys go as 64-bit fingerprints into one table; when they are more than fit, the space of fingerprints is cut
 * into parts and the pages are read once for each. URLs found once are remembered, so that a site's menu costs one look.
 */
#include "storage/audit.h"

#include "storage/db.h"
#include "storage/linkblob.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <xxhash.h>

#define DEFAULT_BYTES ((size_t)256 * 1024 * 1024)
#define N_KNOWN ((size_t)1 << 20)

struct keys {
    uint64_t *slots;   /* 0 = free */
    uint64_t *known;   /* hashes of URLs whose key is in the journal, by their low bits */
    size_t cap;        /* a power of two */
    uint64_t n_parts, part;
};

static bool
is_in_part(const struct keys *k, uint64_t key)
{
    return (key * 0x9e3779b97f4a7c15u >> 32) % k->n_parts == k->part;
}

/* The slot of the key, or the free one where it belongs. */
static uint64_t *
find_slot(const struct keys *k, uint64_t key)
{
    size_t i = key & (k->cap - 1);

    while (k->slots[i] != 0 && k->slots[i] != key)
        i = (i + 1) & (k->cap - 1);
    return &k->slots[i];
}

static int
keys_init(struct keys *k, struct audit *a)
{
    size_t budget = a->memory_bytes == 0 ? DEFAULT_BYTES : a->memory_bytes, most = 1024;

    while (most * 2 * sizeof(uint64_t) <= budget)
        most *= 2;
    k->cap = 1024;
    while (k->cap < most && k->cap * 2 / 3 < a->n_urls)
        k->cap *= 2;
    k->n_parts = a->n_urls / (k->cap * 2 / 3) + 1;
    k->slots = mem_array(MEM_DEFAULT, k->cap, sizeof *k->slots);
    k->known = mem_array(MEM_DEFAULT, N_KNOWN, sizeof *k->known);
    return k->slots == NULL || k->known == NULL ? ORB_ENOMEM : 0;
}

static int
add_journal_row(struct audit *a, struct keys *k, struct sqlite3_stmt *stmt, size_t *n)
{
    const struct sql_conf *conf = sql_conf(a->sql);
    struct slice url = db_column(stmt, 1);
    uint64_t key = conf->key(conf->arg, url), *slot;

    if (key == 0)
        return k->part == 0 ? audit_find(a, AUDIT_BOOKS, "URL %" PRId64 " of the journal does not parse: " SLICE_FMT, db_column_int(stmt, 0),
                                         SLICE_ARG(url))
                            : 0;
    if (!is_in_part(k, key))
        return 0;
    slot = find_slot(k, key);
    if (*slot == key)
        return audit_find(a, AUDIT_DUPLICATE, "URL %" PRId64 " has the crawl key of another one: " SLICE_FMT, db_column_int(stmt, 0),
                          SLICE_ARG(url));
    if (*n + 1 >= k->cap)
        return ORB_ETOOBIG; /* fingerprints are even over the parts: a journal that grew meanwhile */
    *slot = key;
    (*n)++;
    return 0;
}

static int
load_part(struct audit *a, struct keys *k)
{
    struct sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    int err = db_prepare(sql_sqlite(a->sql), "SELECT url_id, url FROM frontier.url", &stmt);

    memset(k->slots, 0, k->cap * sizeof *k->slots);
    memset(k->known, 0, N_KNOWN * sizeof *k->known);
    while (err == 0 && (err = db_step(stmt)) == 1)
        err = add_journal_row(a, k, stmt, &n);
    sqlite3_finalize(stmt);
    return err;
}

static int
check_link(struct audit *a, struct keys *k, int64_t url_id, const struct record_link *link)
{
    const struct sql_conf *conf = sql_conf(a->sql);
    uint64_t hash = XXH3_64bits(link->url.p, link->url.n), *known = &k->known[hash & (N_KNOWN - 1)], key;

    if (k->part == 0)
        a->n_links_followed++;
    if (*known == hash)
        return 0;
    key = conf->key(conf->arg, link->url);
    if (key != 0 && !is_in_part(k, key))
        return 0;
    if (key != 0 && *find_slot(k, key) == key) {
        *known = hash;
        return 0;
    }
    if (key == 0 && k->part != 0)
        return 0;
    if (a->n_excluded_dropped > 0) {
        a->n_links_dropped++;
        return 0;
    }
    return audit_find(a, AUDIT_LINK, "page %" PRId64 " links to " SLICE_FMT ", which is not in the journal", url_id, SLICE_ARG(link->url));
}

static int
check_page(struct audit *a, struct keys *k, struct sqlite3_stmt *stmt)
{
    struct linkblob_reader reader;
    struct record_link link;
    int err;

    linkblob_reader_init(&reader, db_column(stmt, 1));
    while ((err = linkblob_next(&reader, &link)) == 1) {
        if (k->part == 0)
            a->n_links++;
        err = link.not_followed == 0 ? check_link(a, k, db_column_int(stmt, 0), &link) : 0;
        if (err != 0)
            break;
    }
    linkblob_reader_fini(&reader);
    if (err == ORB_ECORRUPT)
        err = k->part == 0 ? audit_find(a, AUDIT_BAD_LINKS, "page %" PRId64 ": its links cannot be read", db_column_int(stmt, 0)) : 0;
    return err;
}

/* Only pages whose report came in: the others are asked for again. */
static int
check_part(struct audit *a, struct keys *k)
{
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(sql_sqlite(a->sql), "SELECT p.url_id, p.links FROM main.page p JOIN frontier.url u ON u.url_id = p.url_id"
                                             " WHERE u.state = 1 AND p.links IS NOT NULL", &stmt);

    while (err == 0 && (err = db_step(stmt)) == 1)
        err = check_page(a, k, stmt);
    sqlite3_finalize(stmt);
    return err;
}

int
audit_links(struct audit *a)
{
    struct keys k = { .slots = NULL };
    int err = sql_conf(a->sql)->key == NULL ? 0 : keys_init(&k, a);

    for (k.part = 0; k.part < k.n_parts && err == 0; k.part++) {
        err = load_part(a, &k);
        if (err == 0)
            err = check_part(a, &k);
    }
    mem_free(MEM_DEFAULT, k.slots);
    mem_free(MEM_DEFAULT, k.known);
    return err;
}
