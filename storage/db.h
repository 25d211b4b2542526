/* db.h - opening SQLite files as orb wants them, and one way to say what went wrong
 *
 * Every file is WAL, synchronous=NORMAL, 8 KiB pages, temporary tables in memory (a sandboxed process may write nowhere
 * else), no automatic checkpoint, busy_timeout 0 once it is open: who is told ORB_EBUSY comes back at his next turn.
 *
 * Schema      a list of steps; user_version counts those done. A file with more is ORB_EVERSION, one with fewer
 *             without DB_CREATE too, a file of another application_id ORB_EINVAL.
 * Errors      db_error() turns a result code into an ORB_E code: BUSY -> EBUSY, FULL -> EFULL, NOMEM -> ENOMEM,
 *             CORRUPT, NOTADB -> ECORRUPT, READONLY, PERM -> EPERM, the rest -> EIO. `error` (may be NULL) gets a sentence.
 */
#ifndef ORB_STORAGE_DB_H
#define ORB_STORAGE_DB_H

#include "pool/buf.h"

struct sqlite3;
struct sqlite3_stmt;

enum db_flags {
    DB_READ = 0,
    DB_WRITE = 1,
    DB_CREATE = 2,          /* with DB_WRITE: make the file when it is missing, and bring its schema up to date */
    DB_NO_CHECKPOINT = 4,   /* closing the last connection leaves the WAL to the next checkpoint */
    DB_TEMP_ON_DISK = 8,    /* large sorts may spill into the system's temporary folder: commands, never workers */
};

struct db_schema {
    const char *name;            /* "pages.db" */
    int32_t application_id;
    const char *const *steps;    /* steps[i] leads from user_version i to i + 1 */
    int n_steps;
};

int db_open(struct sqlite3 **out, const char *path, unsigned flags, const struct db_schema *schema, struct buf *error) ORB_MUST_USE;
/* Of a database that is attached to db as `name`: is it whole at first sight, ours, and no newer than this orb? Nothing is
 * migrated. */
int db_check_attached(struct sqlite3 *db, const char *name, const char *path, const struct db_schema *schema,
                      struct buf *error) ORB_MUST_USE;
void db_close(struct sqlite3 **db); /* NULL inside is fine; statements must be finalized before */

int db_error(struct sqlite3 *db, int sqlite_rc); /* db may be NULL */
int db_exec(struct sqlite3 *db, const char *sql) ORB_MUST_USE;
int db_prepare(struct sqlite3 *db, const char *sql, struct sqlite3_stmt **out) ORB_MUST_USE; /* kept for long: PREPARE_PERSISTENT */
int db_step(struct sqlite3_stmt *stmt) ORB_MUST_USE; /* 1 = a row, 0 = done (and reset), negative = error (and reset) */
int db_begin(struct sqlite3 *db) ORB_MUST_USE;       /* IMMEDIATE */
int db_commit(struct sqlite3 *db) ORB_MUST_USE;      /* after an error the transaction is rolled back */
void db_rollback(struct sqlite3 *db);                /* nothing when none is open */

/* NULL for the empty slice. The bytes must stay until the statement is reset. */
int db_bind_text(struct sqlite3_stmt *stmt, int column, struct slice text) ORB_MUST_USE;
int db_bind_blob(struct sqlite3_stmt *stmt, int column, struct slice bytes) ORB_MUST_USE;
int db_bind_int(struct sqlite3_stmt *stmt, int column, int64_t value) ORB_MUST_USE;
struct slice db_column(struct sqlite3_stmt *stmt, int column); /* text or blob; BORROWED until the next step */
int64_t db_column_int(struct sqlite3_stmt *stmt, int column);

struct db_checkpoint {
    uint64_t wal_bytes;      /* what the WAL holds */
    uint64_t left_bytes;     /* ... not yet in the database: a reader or a writer was in the way */
};
/* Passive: waits for nobody. ORB_EBUSY when another checkpoint runs. */
int db_checkpoint(struct sqlite3 *db, struct db_checkpoint *out) ORB_MUST_USE;

#endif
