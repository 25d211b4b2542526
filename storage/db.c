#include "storage/db.h"

#include "storage/storage.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#define OPEN_TIMEOUT_MS 100 /* several workers come up at once; afterwards nobody waits */
#define OPEN_TRIES 100      /* 2 to 12 s in all */
#define OPEN_PAUSE_MS 20
#define DB_PAGE_BYTES 8192

int
db_error(struct sqlite3 *db, int rc)
{
    int saved_errno = db == NULL ? 0 : sqlite3_system_errno(db);

    if (saved_errno == 0) /* sqlite3 does not always pass it on; the calls below begin with errno 0 */
        saved_errno = errno;

    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ORB_EBUSY;
    case SQLITE_NOMEM: return ORB_ENOMEM;
    case SQLITE_FULL: return ORB_EFULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ORB_ECORRUPT;
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_PERM: return ORB_EPERM;
    case SQLITE_TOOBIG: return ORB_ETOOBIG;
    case SQLITE_CANTOPEN:
        return saved_errno == ENOENT ? ORB_ENOTFOUND : saved_errno == 0 ? ORB_EIO : orb_error_from_errno(saved_errno);
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return ORB_ENOMEM;
        if (rc == SQLITE_IOERR_SHMSIZE)
            return ORB_EFULL;
        /* a shared-memory file that cannot grow, or a write past a limit, is a full disk under another name */
        return saved_errno == ENOSPC || saved_errno == EDQUOT || saved_errno == EFBIG ? ORB_EFULL : ORB_EIO;
    case SQLITE_ERROR:
    case SQLITE_MISUSE: return ORB_EINVAL;
    default: return ORB_EIO;
    }
}

int
db_exec(struct sqlite3 *db, const char *sql)
{
    errno = 0;
    return db_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int
db_prepare(struct sqlite3 *db, const char *sql, struct sqlite3_stmt **out)
{
    return db_error(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

int
db_step(struct sqlite3_stmt *stmt)
{
    int rc, err;

    errno = 0;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return 1;
    err = db_error(sqlite3_db_handle(stmt), rc); /* before the reset, which forgets errno */
    sqlite3_reset(stmt);
    return err;
}

int
db_begin(struct sqlite3 *db)
{
    db_rollback(db); /* one whose rollback failed for want of memory */
    return sqlite3_get_autocommit(db) ? db_exec(db, "BEGIN IMMEDIATE") : ORB_ENOMEM;
}

int
db_commit(struct sqlite3 *db)
{
    int err = db_exec(db, "COMMIT");

    if (err != 0)
        db_rollback(db);
    return err;
}

void
db_rollback(struct sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

int
db_bind_text(struct sqlite3_stmt *stmt, int column, struct slice text)
{
    if (text.n == 0)
        return db_error(NULL, sqlite3_bind_null(stmt, column));
    return db_error(NULL, sqlite3_bind_text64(stmt, column, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8));
}

int
db_bind_blob(struct sqlite3_stmt *stmt, int column, struct slice bytes)
{
    if (bytes.n == 0)
        return db_error(NULL, sqlite3_bind_null(stmt, column));
    return db_error(NULL, sqlite3_bind_blob64(stmt, column, bytes.p, bytes.n, SQLITE_STATIC));
}

int
db_bind_int(struct sqlite3_stmt *stmt, int column, int64_t value)
{
    return db_error(NULL, sqlite3_bind_int64(stmt, column, value));
}

struct slice
db_column(struct sqlite3_stmt *stmt, int column)
{
    const void *p = sqlite3_column_blob(stmt, column);

    return slice_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, column));
}

int64_t
db_column_int(struct sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt, column);
}

int
db_checkpoint(struct sqlite3 *db, struct db_checkpoint *out)
{
    int n_log = 0, n_done = 0;
    int err = db_error(db, sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &n_log, &n_done));

    if (err != 0)
        return err;
    n_log = ORB_MAX(n_log, 0);
    n_done = ORB_MAX(n_done, 0);
    *out = (struct db_checkpoint){ (uint64_t)n_log * DB_PAGE_BYTES, (uint64_t)(n_log - n_done) * DB_PAGE_BYTES };
    return 0;
}

/* --- opening -------------------------------------------------------------------------------------------------------- */

/* The value of query, in which %s is the database's name. */
static int
read_int(struct sqlite3 *db, const char *query, const char *name, int64_t *out)
{
    char sql[160];
    sqlite3_stmt *stmt = NULL;
    int rc;

    snprintf(sql, sizeof sql, query, name);
    rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? ORB_ECORRUPT : db_error(db, rc);
}

static int
say(struct buf *error, int err, const char *path, const char *what)
{
    if (error != NULL && buf_printf(error, "%s: %s", path, what) != 0)
        return ORB_ENOMEM;
    return err;
}

static int
schema_is_ours(struct sqlite3 *db, const char *name, const char *path, const struct db_schema *schema, int64_t *version,
               struct buf *error)
{
    int64_t id = 0, n_tables = 0;
    int err = db_exec(db, "BEGIN"); /* one look: another process may be making the tables right now */

    if (err == 0)
        err = read_int(db, "PRAGMA %s.user_version", name, version);
    if (err == 0)
        err = read_int(db, "PRAGMA %s.application_id", name, &id);
    if (err == 0)
        err = read_int(db, "SELECT count(*) FROM %s.sqlite_master", name, &n_tables);
    db_rollback(db);
    if (err == 0 && !sqlite3_get_autocommit(db))
        err = ORB_ENOMEM;
    if (err == ORB_ECORRUPT)
        return say(error, err, path, "is damaged or no database; restore it, or move the crawl's folder away and begin again");
    if (err != 0)
        return say(error, err, path, orb_strerror(err));
    if (n_tables > 0 && id != schema->application_id)
        return say(error, ORB_EINVAL, path, "is a database of another program; give orb a folder of its own");
    if (*version > schema->n_steps)
        return say(error, ORB_EVERSION, path, "was written by a newer orb; use that one, or a folder of its own for this one");
    return 0;
}

/* Each step and its user_version in one transaction: a kill leaves the file at one step or the next, never between. */
static int
migrate_step(struct sqlite3 *db, const struct db_schema *schema, int64_t *version)
{
    char pragmas[96];
    int err = db_begin(db);

    if (err == 0)
        err = read_int(db, "PRAGMA %s.user_version", "main", version); /* another process may have been faster */
    if (err == 0 && *version < schema->n_steps) {
        snprintf(pragmas, sizeof pragmas, "PRAGMA user_version=%d; PRAGMA application_id=%d", (int)*version + 1,
                 (int)schema->application_id);
        err = db_exec(db, schema->steps[*version]);
        if (err == 0)
            err = db_exec(db, pragmas);
        if (err == 0)
            (*version)++;
    }
    if (err == 0)
        return db_commit(db);
    db_rollback(db);
    return err;
}

static const char no_tables[] = "holds no tables: the crawl that made it never began";

int
db_check_attached(struct sqlite3 *db, const char *name, const char *path, const struct db_schema *schema, struct buf *error)
{
    int64_t version = 0;
    int err = schema_is_ours(db, name, path, schema, &version, error);

    return err == 0 && version == 0 ? say(error, ORB_ECORRUPT, path, no_tables) : err;
}

static int
set_up(struct sqlite3 *db, const char *path, unsigned flags, const struct db_schema *schema, struct buf *error)
{
    int64_t version = 0;
    int err = schema_is_ours(db, "main", path, schema, &version, error);

    if (err != 0)
        return err;
    if ((flags & DB_CREATE) != 0) { /* the page size is only heard by a file that is still empty */
        err = db_exec(db, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL");
        while (err == 0 && version < schema->n_steps)
            err = migrate_step(db, schema, &version);
    } else if (version == 0) {
        return say(error, ORB_ECORRUPT, path, no_tables);
    } else if (version < schema->n_steps) {
        return say(error, ORB_EVERSION, path, "was written by an older orb; going on with the crawl brings it up to date");
    }
    if (err == 0)
        err = db_exec(db, "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA trusted_schema=OFF");
    if (err == 0)
        err = db_exec(db, (flags & DB_TEMP_ON_DISK) != 0 ? "PRAGMA temp_store=FILE" : "PRAGMA temp_store=MEMORY");
    return err == 0 ? 0 : say(error, err, path, sqlite3_errmsg(db));
}

/* Turning a new file into WAL fails at once, whatever the busy timeout, when somebody else does it at that moment. */
static int
set_up_patiently(struct sqlite3 *db, const char *path, unsigned flags, const struct db_schema *schema, struct buf *error)
{
    size_t n_before = error == NULL ? 0 : error->n;
    int err = set_up(db, path, flags, schema, error);

    for (int i = 0; i < OPEN_TRIES && err == ORB_EBUSY; i++) {
        if (error != NULL)
            buf_truncate(error, n_before);
        sqlite3_sleep(OPEN_PAUSE_MS);
        err = set_up(db, path, flags, schema, error);
    }
    return err;
}

int
db_open(struct sqlite3 **out, const char *path, unsigned flags, const struct db_schema *schema, struct buf *error)
{
    int mode = SQLITE_OPEN_NOMUTEX;
    sqlite3 *db = NULL;
    int err;

    storage_init();
    mode |= (flags & DB_WRITE) != 0 ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    if ((flags & DB_CREATE) != 0)
        mode |= SQLITE_OPEN_CREATE;
    errno = 0;
    err = db_error(NULL, sqlite3_open_v2(path, &db, mode, NULL));
    if (err != 0) {
        if (db != NULL)
            err = db_error(db, sqlite3_extended_errcode(db));
        say(error, err, path, err == ORB_ENOTFOUND ? "there is no such file" : orb_strerror(err));
        goto fail;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, OPEN_TIMEOUT_MS);
    err = set_up_patiently(db, path, flags, schema, error);
    if (err != 0)
        goto fail;
    sqlite3_busy_timeout(db, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if ((flags & DB_NO_CHECKPOINT) != 0)
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    *out = db;
    return 0;
fail:
    sqlite3_close(db);
    return err;
}

void
db_close(struct sqlite3 **db)
{
    if (*db != NULL)
        CHECK(sqlite3_close(*db) == SQLITE_OK); /* a statement is still open */
    *db = NULL;
}
