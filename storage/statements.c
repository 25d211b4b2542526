#include "storage/statements.h"

#include "storage/db.h"

#include <sqlite3.h>

struct statements {
    struct sqlite3 *db;
    struct pool *pool;
    int err; /* of the last make */
};

static void *
make(const void *sql, void *arg)
{
    struct statements *s = arg;
    sqlite3_stmt *stmt = NULL;

    s->err = db_prepare(s->db, sql, &stmt);
    return stmt;
}

static bool
fits(const void *stmt, const void *sql)
{
    return strcmp(sqlite3_sql((sqlite3_stmt *)stmt), sql) == 0;
}

static bool
reset(void *stmt, void *arg)
{
    sqlite3_reset(stmt); /* what it returns is the last step's error, which its borrower knows */
    sqlite3_clear_bindings(stmt);
    return true;
}

static void
destroy(void *stmt, void *arg)
{
    sqlite3_finalize(stmt);
}

int
statements_new(struct statements **out, struct sqlite3 *db, unsigned floor)
{
    struct statements *s = mem_zalloc(MEM_SQLITE, sizeof *s);
    int err;

    if (s == NULL)
        return ORB_ENOMEM;
    s->db = db;
    err = pool_new(&s->pool, &(struct pool_type){ .name = "statements", .make_for = make, .fits = fits, .reset = reset,
                                                  .destroy = destroy, .arg = s, .floor = floor,
                                                  .lease_ms = STATEMENTS_LEASE_MS });
    if (err != 0) {
        MEM_FREE(MEM_SQLITE, &s);
        return err;
    }
    *out = s;
    return 0;
}

void
statements_free(struct statements **sp)
{
    if (*sp == NULL)
        return;
    pool_free(&(*sp)->pool);
    MEM_FREE(MEM_SQLITE, sp);
}

int
statement_get_at(struct statements *s, const char *sql, struct sqlite3_stmt **out, const char *site)
{
    s->err = ORB_ENOMEM; /* unless making it says otherwise */
    *out = pool_get_for_at(s->pool, sql, site);
    return *out != NULL ? 0 : s->err;
}

void
statement_put(struct statements *s, struct sqlite3_stmt **stmt)
{
    pool_put(s->pool, stmt);
}
