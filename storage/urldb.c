#include "storage/urldb_internal.h"

#include "storage/db.h"

#include <unistd.h>

#define DB_PAGE_BYTES 8192 /* db.c */

#define URLDB_STATEMENT_SQL(id, sql) sql,
static const char *const statements[STMT_N] = { URLDB_STATEMENTS(URLDB_STATEMENT_SQL) };
#undef URLDB_STATEMENT_SQL

static const char *const steps[] = {
    "CREATE TABLE url(url_id INTEGER PRIMARY KEY, url TEXT NOT NULL, host_id INTEGER, via INTEGER, depth INTEGER,"
    " hops INTEGER, kind INTEGER, flags INTEGER, state INTEGER NOT NULL, outcome INTEGER, status INTEGER,"
    " attempts INTEGER, retry_at INTEGER, ended_at INTEGER);"
    "CREATE TABLE host(host_id INTEGER PRIMARY KEY, origin TEXT NOT NULL, addresses TEXT, addresses_until INTEGER,"
    " robots_status INTEGER, robots_until INTEGER, crawl_delay INTEGER, fails INTEGER, retry_at INTEGER, robots BLOB,"
    " cookies BLOB);"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, next INTEGER, urls BLOB);"
    "CREATE TABLE queue(id INTEGER PRIMARY KEY, bytes BLOB);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value)",
};
static const struct db_schema schema = { "frontier.db", 0x6f726266 /* "orbf" */, steps, ORB_N_ELEMENTS(steps) };

const char *
urldb_error(struct urldb *db)
{
    return db == NULL || db->db == NULL ? "not open" : sqlite3_errmsg(db->db);
}

void
urldb_unlend(struct urldb *db)
{
    if (db->is_in_row)
        sqlite3_reset(db->stmts[db->row_of]);
    db->is_in_row = false;
}

sqlite3_stmt *
urldb_stmt(struct urldb *db, enum urldb_statement id)
{
    CHECK_IS(db, URLDB_MAGIC);
    urldb_unlend(db);
    return db->stmts[id];
}

int
urldb_run(struct urldb *db, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt), err = db_error(db->db, rc);

    sqlite3_reset(stmt);
    return err;
}

int
urldb_row(struct urldb *db, enum urldb_statement id)
{
    int rc = sqlite3_step(db->stmts[id]);

    if (rc == SQLITE_ROW) {
        db->is_in_row = true;
        db->row_of = id;
        return 0;
    }
    int err = rc == SQLITE_DONE ? ORB_ENOTFOUND : db_error(db->db, rc);
    sqlite3_reset(db->stmts[id]);
    return err;
}

/* --- open and close --------------------------------------------------------------------------------------------------- */

static int
on_wal_grown(void *arg, sqlite3 *handle, const char *name, int n_pages)
{
    struct urldb *db = arg;

    db->wal_bytes = (uint64_t)n_pages * DB_PAGE_BYTES;
    return SQLITE_OK;
}

/* A cache of 2 MiB, about one transaction: appends touch the right edge only, updates by url_id and host_id the recent
 * pages. A larger one fills all the same, with pages that nobody asks for again. */
static const char pragmas[] = "PRAGMA cache_size=-2048; PRAGMA journal_size_limit=67108864; PRAGMA busy_timeout=5000";

int
urldb_open(struct urldb **out, const char *path, bool *is_new, struct buf *error)
{
    struct urldb *db = mem_zalloc(MEM_FRONTIER, sizeof *db);
    int err = ORB_ENOMEM;

    if (db == NULL)
        return err;
    db->magic = URLDB_MAGIC;
    *is_new = access(path, F_OK) != 0;
    err = db_open(&db->db, path, DB_WRITE | DB_CREATE, &schema, error);
    if (err != 0)
        goto fail;
    err = db_exec(db->db, pragmas); /* this thread may wait for a reader's recovery; the loop never waits for it */
    for (int i = 0; i < STMT_N && err == 0; i++)
        err = db_prepare(db->db, statements[i], &db->stmts[i]);
    if (err != 0) {
        (void)!buf_printf(error, "%s: %s", path, urldb_error(db));
        goto fail;
    }
    sqlite3_wal_hook(db->db, on_wal_grown, db);
    *out = db;
    return 0;
fail:
    urldb_close(&db);
    return err;
}

int
urldb_count_done(const char *path, uint64_t *n_done)
{
    struct sqlite3_stmt *stmt = NULL;
    struct sqlite3 *db = NULL;
    int err = db_open(&db, path, DB_READ, &schema, NULL);

    *n_done = 0;
    if (err == 0)
        err = db_prepare(db, "SELECT json_extract(value, '$.done') FROM meta WHERE key = 'books' AND json_valid(value)", &stmt);
    if (err == 0 && (err = db_step(stmt)) == 1) {
        *n_done = (uint64_t)ORB_MAX(db_column_int(stmt, 0), (int64_t)0);
        err = 0;
    }
    sqlite3_finalize(stmt);
    db_close(&db);
    return err;
}

int
urldb_check_attached(struct sqlite3 *db, const char *name, const char *path, struct buf *error)
{
    return db_check_attached(db, name, path, &schema, error);
}

void
urldb_close(struct urldb **dbp)
{
    struct urldb *db = *dbp;

    if (db == NULL)
        return;
    CHECK_IS(db, URLDB_MAGIC);
    for (int i = 0; i < STMT_N; i++)
        sqlite3_finalize(db->stmts[i]);
    db_close(&db->db);
    db->magic = 0;
    MEM_FREE(MEM_FRONTIER, dbp);
}

/* --- transactions ------------------------------------------------------------------------------------------------------ */

int
urldb_begin(struct urldb *db)
{
    return urldb_run(db, urldb_stmt(db, STMT_BEGIN));
}

int
urldb_commit(struct urldb *db)
{
    return urldb_run(db, urldb_stmt(db, STMT_COMMIT));
}

void
urldb_rollback(struct urldb *db)
{
    urldb_unlend(db);
    if (!sqlite3_get_autocommit(db->db)) /* a full disk may have rolled it back already */
        sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
}

int
urldb_set_synced(struct urldb *db, bool every_commit)
{
    urldb_unlend(db);
    return db_exec(db->db, every_commit ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

int
urldb_checkpoint(struct urldb *db, bool full, uint64_t *wal_bytes_left)
{
    int n_wal = 0, n_done = 0, rc;

    urldb_unlend(db);
    rc = sqlite3_wal_checkpoint_v2(db->db, NULL, full ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &n_wal, &n_done);
    if (n_done >= n_wal && rc == SQLITE_OK)
        db->wal_bytes = 0;
    *wal_bytes_left = n_wal > n_done ? (uint64_t)(n_wal - n_done) * DB_PAGE_BYTES : 0;
    return db_error(db->db, rc);
}

uint64_t
urldb_wal_bytes(struct urldb *db)
{
    return db->wal_bytes;
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

static void
bind_text(sqlite3_stmt *stmt, int i, struct slice s)
{
    sqlite3_bind_text(stmt, i, s.n == 0 ? "" : s.p, (int)s.n, SQLITE_STATIC);
}

static void
bind_blob(sqlite3_stmt *stmt, int i, struct slice s)
{
    sqlite3_bind_blob(stmt, i, s.n == 0 ? "" : s.p, (int)s.n, SQLITE_STATIC);
}

/* 0 as NULL costs no byte in a row. */
static void
bind_id(sqlite3_stmt *stmt, int i, uint64_t value)
{
    if (value == 0)
        sqlite3_bind_null(stmt, i);
    else
        sqlite3_bind_int64(stmt, i, (sqlite3_int64)value);
}

int
urldb_add_url(struct urldb *db, const struct urldb_url *u)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_ADD_URL);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)u->url_id);
    bind_text(stmt, 2, u->url);
    bind_id(stmt, 3, u->host_id);
    bind_id(stmt, 4, u->via);
    bind_id(stmt, 5, u->depth);
    bind_id(stmt, 6, u->hops);
    bind_id(stmt, 7, u->kind);
    bind_id(stmt, 8, u->flags);
    sqlite3_bind_int(stmt, 9, (int)u->state);
    bind_id(stmt, 10, u->outcome);
    bind_id(stmt, 11, u->ended_at_ms);
    return urldb_run(db, stmt);
}

static int
read_old(struct urldb *db, uint64_t url_id, uint32_t *state, uint32_t *outcome)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_OLD_URL);
    int err;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)url_id);
    err = urldb_row(db, STMT_OLD_URL);
    if (err != 0)
        return err;
    *state = (uint32_t)sqlite3_column_int(stmt, 0);
    *outcome = (uint32_t)sqlite3_column_int(stmt, 1);
    return 0;
}

int
urldb_end_url(struct urldb *db, const struct urldb_end *e, uint32_t *old_state, uint32_t *old_outcome)
{
    sqlite3_stmt *stmt;
    int err = read_old(db, e->url_id, old_state, old_outcome);

    if (err != 0)
        return err;
    stmt = urldb_stmt(db, STMT_END_URL);
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)e->url_id);
    sqlite3_bind_int(stmt, 2, (int)e->state);
    bind_id(stmt, 3, e->outcome);
    bind_id(stmt, 4, e->status);
    bind_id(stmt, 5, e->attempts);
    bind_id(stmt, 6, e->retry_at_ms);
    bind_id(stmt, 7, e->ended_at_ms);
    bind_id(stmt, 8, e->flags);
    return urldb_run(db, stmt);
}

int
urldb_queue_url(struct urldb *db, uint64_t url_id, uint64_t host_id, uint32_t flags, uint32_t *old_state,
                uint32_t *old_outcome)
{
    sqlite3_stmt *stmt;
    int err = read_old(db, url_id, old_state, old_outcome);

    if (err != 0)
        return err;
    stmt = urldb_stmt(db, STMT_QUEUE_URL);
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)url_id);
    bind_id(stmt, 2, host_id);
    bind_id(stmt, 3, flags);
    return urldb_run(db, stmt);
}

int
urldb_refetch(struct urldb *db)
{
    return urldb_run(db, urldb_stmt(db, STMT_REFETCH));
}

int
urldb_flag_url(struct urldb *db, uint64_t url_id, uint32_t flags)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_FLAG_URL);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)url_id);
    bind_id(stmt, 2, flags);
    return urldb_run(db, stmt);
}

int
urldb_add_host(struct urldb *db, uint64_t host_id, struct slice origin)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_ADD_HOST);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)host_id);
    bind_text(stmt, 2, origin);
    return urldb_run(db, stmt);
}

int
urldb_set_host(struct urldb *db, const struct urldb_host *h, unsigned fields)
{
    static const enum urldb_statement ids[] = { STMT_SET_ADDRESSES, STMT_SET_ROBOTS, STMT_SET_COOKIES, STMT_SET_FAILS };

    for (int i = 0; i < 4; i++) {
        sqlite3_stmt *stmt = urldb_stmt(db, ids[i]);
        int err;

        if (!(fields & (1u << i)))
            continue;
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)h->host_id);
        if (ids[i] == STMT_SET_ADDRESSES) {
            bind_text(stmt, 2, h->addresses);
            bind_id(stmt, 3, h->addresses_until_s);
        } else if (ids[i] == STMT_SET_ROBOTS) {
            bind_id(stmt, 2, h->robots_status);
            bind_id(stmt, 3, h->robots_until_s);
            sqlite3_bind_int64(stmt, 4, h->crawl_delay_ms == UINT32_MAX ? -1 : (sqlite3_int64)h->crawl_delay_ms);
            bind_blob(stmt, 5, h->robots);
        } else if (ids[i] == STMT_SET_COOKIES) {
            bind_blob(stmt, 2, h->cookies);
        } else {
            bind_id(stmt, 2, h->fails);
            bind_id(stmt, 3, h->retry_at_ms);
        }
        err = urldb_run(db, stmt);
        if (err != 0)
            return err;
    }
    return 0;
}

int
urldb_add_chunk(struct urldb *db, uint64_t id, uint64_t next, struct slice urls)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_ADD_CHUNK);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    bind_id(stmt, 2, next);
    bind_blob(stmt, 3, urls);
    return urldb_run(db, stmt);
}

int
urldb_link_chunk(struct urldb *db, uint64_t id, uint64_t next)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_LINK_CHUNK);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    bind_id(stmt, 2, next);
    return urldb_run(db, stmt);
}

static int
run_with_id(struct urldb *db, enum urldb_statement statement, uint64_t id)
{
    sqlite3_stmt *stmt = urldb_stmt(db, statement);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    return urldb_run(db, stmt);
}

int
urldb_drop_chunk(struct urldb *db, uint64_t id)
{
    return run_with_id(db, STMT_DROP_CHUNK, id);
}

int
urldb_drop_chunks_above(struct urldb *db, uint64_t id)
{
    return run_with_id(db, STMT_DROP_ABOVE, id);
}

int
urldb_clear_queue(struct urldb *db)
{
    return urldb_run(db, urldb_stmt(db, STMT_CLEAR_QUEUE));
}

int
urldb_add_queue(struct urldb *db, struct slice bytes)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_ADD_QUEUE);

    bind_blob(stmt, 1, bytes);
    return urldb_run(db, stmt);
}

int
urldb_set_meta(struct urldb *db, const char *key, struct slice value)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_SET_META);

    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    bind_text(stmt, 2, value);
    return urldb_run(db, stmt);
}
