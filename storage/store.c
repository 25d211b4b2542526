/* store.c - WARC, then row; the numbers in brackets are the durability invariants of ARCHITECTURE.md
 *
 * A pending row is a copy in the batch's arena, made before the WARC bytes are written, so that nothing can fail between
 * the two: either both stages know the answer or neither does.
 */
#include "storage/store.h"

#include "storage/linkblob.h"
#include "storage/text.h"

#include "pool/arena.h"

#include <stdio.h>

#define STORE_MAGIC 0x73746f72u
#define BATCH_BYTES (16 * 1024 * 1024)
#define CHUNK_BYTES (256 * 1024)
#define LINKS_BYTES (4 * 1024 * 1024)
#define KEEP_BYTES (256 * 1024)
#define CLOSE_TIMEOUT_MS "1000"

struct store {
    uint32_t magic;
    struct warc *warc;
    struct pagedb *db;
    struct arena arena;        /* of the pending rows */
    struct pagedb_row *rows;   /* room for batch_rows */
    unsigned n_rows, batch_rows;
    struct buf scratch;
    struct store_stats stats;
};

const char *
record_withheld_name(enum record_withheld w)
{
    return w == RECORD_NOARCHIVE ? "noarchive" : w == RECORD_NOINDEX ? "noindex" : NULL;
}

int
store_open(struct store **out, const struct store_conf *conf, struct buf *error)
{
    struct store *s = mem_zalloc(MEM_DEFAULT, sizeof *s);
    struct warc_conf warc_conf = { .dir = conf->warc_dir, .crawl = conf->crawl, .software = conf->software,
                                   .contact = conf->contact, .user_agent = conf->user_agent, .slot = conf->slot,
                                   .max_bytes = conf->max_warc_bytes };
    int err = ORB_ENOMEM;

    if (s == NULL)
        goto fail;
    s->magic = STORE_MAGIC;
    s->batch_rows = conf->batch_rows == 0 ? STORE_DEFAULT_BATCH_ROWS : conf->batch_rows;
    arena_init(&s->arena, MEM_BUF, CHUNK_BYTES, BATCH_BYTES);
    buf_init_kept(&s->scratch, MEM_BUF, LINKS_BYTES);
    s->rows = mem_array(MEM_BUF, s->batch_rows, sizeof *s->rows);
    if (s->rows == NULL)
        goto fail;
    err = warc_open(&s->warc, &warc_conf); /* WARC first: it can be indexed again; an index alone is a lie */
    if (err != 0) {
        if (error != NULL && buf_printf(error, "%s: cannot open the folder of WARC files: %s", conf->warc_dir, orb_strerror(err)) != 0)
            err = ORB_ENOMEM;
        goto fail;
    }
    err = pagedb_open(&s->db, conf->pages_dir, DB_WRITE | DB_CREATE | DB_NO_CHECKPOINT, error);
    if (err != 0)
        goto fail;
    *out = s;
    return 0;
fail:
    store_close(&s);
    return err;
}

int
store_close(struct store **sp)
{
    struct store *s = *sp;
    int err = 0;

    if (s == NULL)
        return 0;
    CHECK_IS(s, STORE_MAGIC);
    if (s->n_rows > 0) {
        err = db_exec(pagedb_sqlite(s->db), "PRAGMA busy_timeout = " CLOSE_TIMEOUT_MS); /* the last rows may wait */
        if (err == 0)
            err = store_flush(s);
    }
    warc_close(&s->warc);
    pagedb_close(&s->db);
    arena_fini(&s->arena);
    buf_fini(&s->scratch);
    mem_free(MEM_BUF, s->rows);
    s->magic = 0;
    MEM_FREE(MEM_DEFAULT, sp);
    return err;
}

/* --- the pending row ------------------------------------------------------------------------------------------------ */

static int
keep(struct store *s, struct slice *to, struct slice from)
{
    char *p;

    *to = SLICE_NONE;
    if (from.n == 0)
        return 0;
    p = arena_dup(&s->arena, from);
    if (p == NULL)
        return ORB_ENOMEM;
    *to = slice_of(p, from.n);
    return 0;
}

static int
keep_text(struct store *s, struct slice *to, struct slice from)
{
    int err;

    if (text_is_clean(from))
        return keep(s, to, from);
    buf_clear(&s->scratch);
    err = text_append_clean(&s->scratch, from);
    return err == 0 ? keep(s, to, buf_slice(&s->scratch)) : err;
}

/* A validator goes back to the server byte by byte: one that would not survive is none. */
static int
keep_validator(struct store *s, struct slice *to, struct slice from)
{
    return text_is_clean(from) ? keep(s, to, from) : keep(s, to, SLICE_NONE);
}

static int
keep_links(struct store *s, struct slice *to, const struct record *r)
{
    int err;

    buf_clear(&s->scratch);
    err = linkblob_append(&s->scratch, r->links, r->n_links);
    if (err == ORB_ETOOBIG)
        return keep(s, to, SLICE_NONE);
    return err == 0 ? keep(s, to, buf_slice(&s->scratch)) : err;
}

/* What was read out of the body. */
static int
keep_content(struct store *s, struct pagedb_row *row, const struct record *r)
{
    const struct { struct slice *to; struct slice from; } texts[] = {
        { &row->charset, r->charset }, { &row->title, r->title }, { &row->description, r->description }, { &row->language, r->language },
    };
    uint8_t digest[DIGEST_BODY_BYTES];
    int err = 0;

    row->simhash = r->simhash;
    for (size_t i = 0; i < ORB_N_ELEMENTS(texts) && err == 0; i++)
        err = keep_text(s, texts[i].to, texts[i].from);
    if (err == 0 && r->status != 0) {
        digest_body(r->body, digest);
        err = keep(s, &row->digest, slice_of(digest, sizeof digest));
    }
    return err;
}

static int
keep_row(struct store *s, struct pagedb_row *row, const struct record *r)
{
    const struct { struct slice *to; struct slice from; } texts[] = {
        { &row->url, r->url }, { &row->redirect_to, r->redirect_to }, { &row->content_type, r->content_type },
        { &row->outcome, r->outcome }, { &row->error, r->error },
    };
    int err = 0;

    *row = (struct pagedb_row){ .url_id = r->url_id, .status = r->status, .fetched_at_ms = r->fetched_at_ms,
                                .fetch_ms = r->fetch_ms, .body_bytes = r->body.n, .withheld = r->withheld };
    row->is_not_modified = slice_eq(r->outcome, SLICE_LITERAL("not_modified"));
    for (size_t i = 0; i < ORB_N_ELEMENTS(texts) && err == 0; i++)
        err = keep_text(s, texts[i].to, texts[i].from);
    if (err == 0 && r->withheld != RECORD_NOINDEX)
        err = keep_content(s, row, r);
    if (err == 0)
        err = keep_validator(s, &row->etag, r->etag);
    if (err == 0)
        err = keep_validator(s, &row->last_modified, r->last_modified);
    if (err == 0)
        err = keep_links(s, &row->links, r);
    return err;
}

/* Room for the place, before there is one. */
struct place_room {
    char *file, *digest;
};

static int
keep_place_room(struct store *s, struct place_room *room)
{
    room->file = arena_alloc(&s->arena, WARC_NAME_BYTES);
    room->digest = arena_alloc(&s->arena, DIGEST_SHA1_TEXT_BYTES);
    return room->file == NULL || room->digest == NULL ? ORB_ENOMEM : 0;
}

static void
fill_place(struct pagedb_row *row, const struct place_room *room, const struct warc_place *place)
{
    strcpy(room->file, place->file);
    strcpy(room->digest, place->payload_digest);
    row->warc_file = slice_str(room->file);
    row->payload_digest = slice_str(room->digest);
    row->warc_offset = place->offset;
    row->warc_bytes = place->bytes;
}

/* Half of the arena is left for the next answer: its links are cut at LINKS_BYTES, its texts are far smaller. */
static bool
has_room(const struct store *s)
{
    return s->n_rows < s->batch_rows && s->arena.used_bytes < BATCH_BYTES / 2;
}

bool
store_is_full(const struct store *s)
{
    CHECK_IS(s, STORE_MAGIC);
    return !has_room(s);
}

int
store_put(struct store *s, const struct record *r, uint64_t now_ms)
{
    struct pagedb_validators before = { .fetched_at_ms = 0 };
    struct warc_place place;
    struct place_room room;
    struct pagedb_row *row;
    int err;

    CHECK_IS(s, STORE_MAGIC);
    if (!has_room(s))
        return ORB_EAGAIN;
    row = &s->rows[s->n_rows];
    err = keep_row(s, row, r);
    if (err == 0)
        err = keep_place_room(s, &room);
    if (err == 0 && row->is_not_modified) {
        err = pagedb_validators(s->db, r->url_id, &before);
        err = err == ORB_ENOTFOUND || err == ORB_EBUSY ? 0 : err;
    }
    if (err == 0) /* (1) */
        err = warc_put(s->warc, r, before.fetched_at_ms, now_ms, &place);
    buf_clear(&s->scratch);
    buf_trim(&s->scratch, KEEP_BYTES);
    if (err != 0) {
        if (s->n_rows == 0) /* what was kept of the row stays in the arena until the batch goes */
            arena_reset(&s->arena);
        /* the batch holds most of what there was: without it there is room for this one, body and all */
        return err == ORB_ENOMEM && s->n_rows > 0 ? ORB_EAGAIN : err;
    }
    fill_place(row, &room, &place);
    s->n_rows++;
    s->stats.n_puts++;
    s->stats.n_revisits += place.is_revisit;
    s->stats.warc_bytes += place.bytes;
    return 0;
}

/* --- the batch ------------------------------------------------------------------------------------------------------ */

/* Rows of one file stand in its order, so the last one of each run ends highest. */
static int
put_batch(struct store *s)
{
    int err = 0;

    for (unsigned i = 0; i < s->n_rows && err == 0; i++) {
        const struct pagedb_row *row = &s->rows[i];

        err = pagedb_put(s->db, row);
        if (err == 0 && (i + 1 == s->n_rows || !slice_eq(row->warc_file, row[1].warc_file)))
            err = pagedb_warc_known(s->db, row->warc_file, row->warc_offset, row->warc_offset + row->warc_bytes);
    }
    return err;
}

int
store_flush(struct store *s)
{
    int err;

    CHECK_IS(s, STORE_MAGIC);
    if (s->n_rows == 0)
        return 0;
    err = pagedb_begin(s->db);
    if (err == 0) {
        err = put_batch(s);
        if (err == 0)
            err = pagedb_commit(s->db);
        if (err != 0)
            pagedb_rollback(s->db);
    }
    if (err != 0) {
        s->stats.n_busy += err == ORB_EBUSY;
        return err;
    }
    s->n_rows = 0; /* (2) */
    s->stats.n_commits++;
    arena_reset(&s->arena);
    return 0;
}

unsigned
store_n_pending(const struct store *s)
{
    CHECK_IS(s, STORE_MAGIC);
    return s->n_rows;
}

int
store_lookup(struct store *s, uint64_t url_id, struct pagedb_validators *out)
{
    CHECK_IS(s, STORE_MAGIC);
    return pagedb_validators(s->db, url_id, out);
}

void
store_stats(const struct store *s, struct store_stats *out)
{
    CHECK_IS(s, STORE_MAGIC);
    *out = s->stats;
}

int
store_prepare(const char *pages_dir, const char *warc_dir, struct warc_recovered *out, struct buf *error)
{
    struct pagedb *db = NULL;
    int err = pagedb_open(&db, pages_dir, DB_WRITE | DB_CREATE, error);

    if (err != 0)
        return err;
    err = warc_recover(warc_dir, pagedb_warc_good, db, out, error);
    pagedb_close(&db);
    return err;
}
