#include "storage/pagedb.h"

#include "storage/statements.h"
#include "storage/warc_read.h"

#include <sqlite3.h>
#include <stdio.h>

#define PAGEDB_MAGIC 0x70616765u
#define APPLICATION_ID 0x6f726270 /* "orbp" */

static const char *const steps[] = {
    "CREATE TABLE page(url_id INTEGER PRIMARY KEY, url TEXT NOT NULL, redirect_to TEXT, status INTEGER, fetched_at INTEGER,"
    " fetch_ms INTEGER, content_type TEXT, charset TEXT, title TEXT, description TEXT, language TEXT, body_bytes INTEGER,"
    " digest BLOB, payload_digest TEXT, simhash INTEGER, etag TEXT, last_modified TEXT, outcome TEXT, error TEXT,"
    " warc_file TEXT, warc_offset INTEGER, warc_bytes INTEGER, links BLOB);"
    "CREATE TABLE warc(file TEXT PRIMARY KEY, last_offset INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;",
    "ALTER TABLE page ADD COLUMN withheld TEXT;",
};
static const struct db_schema schema = { PAGEDB_FILE, APPLICATION_ID, steps, ORB_N_ELEMENTS(steps) };

enum statement { PUT, NOT_MODIFIED, WITHHELD_NOW, WARC_KNOWN, VALIDATORS, WARC_GOOD, PLACE, FORGET, N_STATEMENTS };
static const char *const sql[N_STATEMENTS] = {
    [PUT] = "INSERT OR REPLACE INTO page VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24)",
    [NOT_MODIFIED] = "UPDATE page SET fetched_at=?2, fetch_ms=?3, outcome=?4 WHERE url_id=?1",
    [WITHHELD_NOW] = "UPDATE page SET withheld=?2, warc_file=?3, warc_offset=?4, warc_bytes=?5, payload_digest=NULL,"
                     " charset=iif(?6,charset,NULL), title=iif(?6,title,NULL), description=iif(?6,description,NULL),"
                     " language=iif(?6,language,NULL), digest=iif(?6,digest,NULL), simhash=iif(?6,simhash,0) WHERE url_id=?1",
    [WARC_KNOWN] = "INSERT OR REPLACE INTO warc VALUES(?1,?2,?3)",
    [VALIDATORS] = "SELECT iif(withheld IS NULL, etag, NULL), iif(withheld IS NULL, last_modified, NULL), fetched_at FROM page WHERE url_id=?1",
    [WARC_GOOD] = "SELECT last_offset, bytes FROM warc WHERE file=?1",
    [PLACE] = "SELECT url, warc_file, warc_offset, warc_bytes, payload_digest FROM page WHERE url_id=?1",
    [FORGET] = "DELETE FROM page WHERE url_id > ?1",
};

/* A batch of 200 rows dirties some 50 pages of 8 KiB: room for twice that. What else the default of 2 MiB would keep is of no use to
 * who only adds, and is dropped whenever another worker has written. */
static const char write_cache[] = "PRAGMA cache_size=-1024";

struct pagedb {
    uint32_t magic;
    sqlite3 *db;
    struct statements *statements;
};

int
pagedb_open(struct pagedb **out, const char *dir, unsigned flags, struct buf *error)
{
    struct pagedb *p = mem_zalloc(MEM_SQLITE, sizeof *p);
    char path[4096];
    int err = ORB_ENOMEM;

    if (p == NULL)
        goto fail;
    p->magic = PAGEDB_MAGIC;
    err = ORB_ETOOBIG;
    if (snprintf(path, sizeof path, "%s/" PAGEDB_FILE, dir) >= (int)sizeof path)
        goto fail;
    err = db_open(&p->db, path, flags, &schema, error);
    if (err == 0 && (flags & DB_WRITE) != 0)
        err = db_exec(p->db, write_cache);
    if (err == 0)
        err = statements_new(&p->statements, p->db, N_STATEMENTS);
    if (err != 0)
        goto fail;
    *out = p;
    return 0;
fail:
    pagedb_close(&p);
    return err;
}

void
pagedb_close(struct pagedb **pp)
{
    struct pagedb *p = *pp;

    if (p == NULL)
        return;
    CHECK_IS(p, PAGEDB_MAGIC);
    statements_free(&p->statements);
    db_close(&p->db);
    p->magic = 0;
    MEM_FREE(MEM_SQLITE, pp);
}

struct sqlite3 *
pagedb_sqlite(struct pagedb *p)
{
    CHECK_IS(p, PAGEDB_MAGIC);
    return p->db;
}

/* Lent until put(). The macro notes the borrower's line. */
#define statement(p, which, out) statement_at((p), (which), (out), POOL_SITE)
static int
statement_at(struct pagedb *p, enum statement which, sqlite3_stmt **out, const char *site)
{
    CHECK_IS(p, PAGEDB_MAGIC);
    return statement_get_at(p->statements, sql[which], out, site);
}

static void
put(struct pagedb *p, sqlite3_stmt *stmt)
{
    statement_put(p->statements, &stmt);
}

/* One that answers nothing: its only step, unless err says that it could not be bound, and back it goes. */
static int
finish(struct pagedb *p, sqlite3_stmt *stmt, int err)
{
    if (err == 0)
        err = db_step(stmt);
    put(p, stmt);
    return err;
}

int
pagedb_begin(struct pagedb *p)
{
    CHECK_IS(p, PAGEDB_MAGIC);
    return db_begin(p->db);
}

int
pagedb_commit(struct pagedb *p)
{
    return db_commit(p->db);
}

void
pagedb_rollback(struct pagedb *p)
{
    db_rollback(p->db);
}

/* Binds in the order of the table. */
static int
bind_row(sqlite3_stmt *stmt, const struct pagedb_row *row)
{
    const struct { bool is_int; int64_t number; struct slice text; } columns[] = {
        { true, (int64_t)row->url_id, SLICE_NONE }, { false, 0, row->url }, { false, 0, row->redirect_to },
        { true, row->status, SLICE_NONE }, { true, (int64_t)row->fetched_at_ms, SLICE_NONE }, { true, row->fetch_ms, SLICE_NONE },
        { false, 0, row->content_type }, { false, 0, row->charset }, { false, 0, row->title }, { false, 0, row->description },
        { false, 0, row->language }, { true, (int64_t)row->body_bytes, SLICE_NONE }, { false, 1, row->digest },
        { false, 0, row->payload_digest }, { true, (int64_t)row->simhash, SLICE_NONE }, { false, 0, row->etag },
        { false, 0, row->last_modified }, { false, 0, row->outcome }, { false, 0, row->error }, { false, 0, row->warc_file },
        { true, (int64_t)row->warc_offset, SLICE_NONE }, { true, (int64_t)row->warc_bytes, SLICE_NONE }, { false, 1, row->links },
        { false, 0, slice_str(record_withheld_name(row->withheld)) },
    };
    int err = 0;

    for (int i = 0; i < (int)ORB_N_ELEMENTS(columns) && err == 0; i++) {
        if (columns[i].is_int)
            err = db_bind_int(stmt, i + 1, columns[i].number);
        else
            err = columns[i].number == 1 ? db_bind_blob(stmt, i + 1, columns[i].text) : db_bind_text(stmt, i + 1, columns[i].text);
    }
    return err;
}

/* A 304 whose header asks it of a page that was kept: its row lets go of the record, which is superseded. */
static int
withhold_now(struct pagedb *p, const struct pagedb_row *row)
{
    sqlite3_stmt *stmt;
    int err = statement(p, WITHHELD_NOW, &stmt);

    if (err == 0)
        err = db_bind_int(stmt, 1, (int64_t)row->url_id);
    if (err == 0)
        err = db_bind_text(stmt, 2, slice_str(record_withheld_name(row->withheld)));
    if (err == 0)
        err = db_bind_text(stmt, 3, row->warc_file);
    if (err == 0)
        err = db_bind_int(stmt, 4, (int64_t)row->warc_offset);
    if (err == 0)
        err = db_bind_int(stmt, 5, (int64_t)row->warc_bytes);
    if (err == 0)
        err = db_bind_int(stmt, 6, row->withheld != RECORD_NOINDEX);
    return finish(p, stmt, err);
}

static int
put_not_modified(struct pagedb *p, const struct pagedb_row *row, bool *is_done)
{
    sqlite3_stmt *stmt;
    int err = statement(p, NOT_MODIFIED, &stmt);

    if (err == 0)
        err = db_bind_int(stmt, 1, (int64_t)row->url_id);
    if (err == 0)
        err = db_bind_int(stmt, 2, (int64_t)row->fetched_at_ms);
    if (err == 0)
        err = db_bind_int(stmt, 3, row->fetch_ms);
    if (err == 0)
        err = db_bind_text(stmt, 4, row->outcome);
    err = finish(p, stmt, err);
    *is_done = err == 0 && sqlite3_changes(p->db) > 0;
    return err == 0 && *is_done && row->withheld != RECORD_KEPT ? withhold_now(p, row) : err;
}

int
pagedb_put(struct pagedb *p, const struct pagedb_row *row)
{
    sqlite3_stmt *stmt;
    bool is_done = false;
    int err = row->is_not_modified ? put_not_modified(p, row, &is_done) : 0;

    if (err != 0 || is_done)
        return err;
    err = statement(p, PUT, &stmt);
    if (err == 0)
        err = bind_row(stmt, row);
    return finish(p, stmt, err);
}

int
pagedb_warc_known(struct pagedb *p, struct slice file, uint64_t last_offset, uint64_t end)
{
    sqlite3_stmt *stmt;
    int err = statement(p, WARC_KNOWN, &stmt);

    if (err == 0)
        err = db_bind_text(stmt, 1, file);
    if (err == 0)
        err = db_bind_int(stmt, 2, (int64_t)last_offset);
    if (err == 0)
        err = db_bind_int(stmt, 3, (int64_t)end);
    return finish(p, stmt, err);
}

/* What does not fit is no validator: half an ETag asks for another page. */
static void
copy_text(char *to, size_t room, struct slice from)
{
    if (from.n >= room)
        from = SLICE_NONE;
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
}

int
pagedb_validators(struct pagedb *p, uint64_t url_id, struct pagedb_validators *out)
{
    sqlite3_stmt *stmt;
    int err = statement(p, VALIDATORS, &stmt);

    if (err == 0)
        err = db_bind_int(stmt, 1, (int64_t)url_id);
    if (err == 0)
        err = db_step(stmt);
    if (err <= 0) {
        put(p, stmt);
        return err == 0 ? ORB_ENOTFOUND : err;
    }
    copy_text(out->etag, sizeof out->etag, db_column(stmt, 0));
    copy_text(out->last_modified, sizeof out->last_modified, db_column(stmt, 1));
    out->fetched_at_ms = (uint64_t)db_column_int(stmt, 2);
    put(p, stmt);
    return 0;
}

int
pagedb_warc_good(void *pagedb, const char *file, uint64_t *begin, uint64_t *end)
{
    sqlite3_stmt *stmt;
    int err = statement(pagedb, WARC_GOOD, &stmt);

    *begin = *end = 0;
    if (err == 0)
        err = db_bind_text(stmt, 1, slice_str(file));
    if (err == 0)
        err = db_step(stmt);
    if (err <= 0) {
        put(pagedb, stmt);
        return err;
    }
    *begin = (uint64_t)db_column_int(stmt, 0);
    *end = (uint64_t)db_column_int(stmt, 1);
    put(pagedb, stmt);
    return 0;
}

int
pagedb_checkpoint(struct pagedb *p, struct db_checkpoint *out)
{
    CHECK_IS(p, PAGEDB_MAGIC);
    return db_checkpoint(p->db, out);
}

int
pagedb_verify(struct pagedb *p, const char *warc_dir, uint64_t url_id)
{
    struct warc_expect expect;
    sqlite3_stmt *stmt;
    int err = statement(p, PLACE, &stmt);

    if (err == 0)
        err = db_bind_int(stmt, 1, (int64_t)url_id);
    if (err == 0)
        err = db_step(stmt);
    if (err <= 0) {
        put(p, stmt);
        return err == 0 ? ORB_ENOTFOUND : err;
    }
    expect = (struct warc_expect){ .url = db_column(stmt, 0), .payload_digest = db_column(stmt, 4),
                                   .offset = (uint64_t)db_column_int(stmt, 2), .bytes = (uint64_t)db_column_int(stmt, 3) };
    err = warc_verify(warc_dir, db_column(stmt, 1), &expect);
    put(p, stmt);
    return err;
}

int
pagedb_forget_above(struct pagedb *p, uint64_t last_url_id, uint64_t *n_gone)
{
    sqlite3_stmt *stmt;
    int err = statement(p, FORGET, &stmt);

    if (err == 0)
        err = db_bind_int(stmt, 1, (int64_t)last_url_id);
    err = finish(p, stmt, err);
    *n_gone = err == 0 ? (uint64_t)sqlite3_changes64(p->db) : 0;
    return err;
}
