#include "storage/sql.h"

#include "storage/db.h"
#include "storage/pagedb.h"
#include "storage/urldb.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define SQL_MAGIC 0x73716c21u

struct sql {
    uint32_t magic;
    struct sql_conf conf;
    struct pagedb *pages;
    bool has_frontier;
};

/* --- functions ------------------------------------------------------------------------------------------------------ */

static void
name_of(sqlite3_context *to, sqlite3_value *value, const char *name)
{
    if (name != NULL)
        sqlite3_result_text(to, name, -1, SQLITE_STATIC);
    else
        sqlite3_result_value(to, value);
}

static void
fn_outcome(sqlite3_context *to, int argc, sqlite3_value **argv)
{
    const struct sql_conf *conf = sqlite3_user_data(to);
    bool is_number = sqlite3_value_numeric_type(argv[0]) == SQLITE_INTEGER && conf->outcome_name != NULL;

    name_of(to, argv[0], is_number ? conf->outcome_name(sqlite3_value_int(argv[0])) : NULL);
}

static void
fn_kind(sqlite3_context *to, int argc, sqlite3_value **argv)
{
    const struct sql_conf *conf = sqlite3_user_data(to);
    bool is_number = sqlite3_value_numeric_type(argv[0]) == SQLITE_INTEGER && conf->kind_name != NULL;

    name_of(to, argv[0], is_number ? conf->kind_name(sqlite3_value_int(argv[0])) : NULL);
}

static void
fn_state(sqlite3_context *to, int argc, sqlite3_value **argv)
{
    static const char *const names[] = {
        [URLDB_READY] = "ready", [URLDB_DONE] = "done", [URLDB_WAITING] = "waiting", [URLDB_FAILED] = "failed",
        [URLDB_EXCLUDED] = "excluded", [URLDB_QUARANTINED] = "quarantined",
    };
    sqlite3_int64 n = sqlite3_value_int64(argv[0]);

    name_of(to, argv[0], sqlite3_value_numeric_type(argv[0]) == SQLITE_INTEGER && n >= 0 && n < (int)ORB_N_ELEMENTS(names) ? names[n] : NULL);
}

static void
fn_surt(sqlite3_context *to, int argc, sqlite3_value **argv)
{
    struct buf out;

    if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return;
    buf_init(&out, MEM_SQLITE, 4 * 1024 * 1024);
    if (sql_surt(&out, slice_of(sqlite3_value_text(argv[0]), (size_t)sqlite3_value_bytes(argv[0]))) == 0)
        sqlite3_result_text64(to, out.n == 0 ? "" : out.p, out.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    else
        sqlite3_result_error_nomem(to);
    buf_fini(&out);
}

static void
fn_crawl_key(sqlite3_context *to, int argc, sqlite3_value **argv)
{
    const struct sql_conf *conf = sqlite3_user_data(to);

    if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
        sqlite3_result_int64(to, (sqlite3_int64)conf->key(conf->arg, slice_of(sqlite3_value_text(argv[0]), (size_t)sqlite3_value_bytes(argv[0]))));
}

static int
register_functions(struct sql *s, sqlite3 *db)
{
    const struct { const char *name; void (*fn)(sqlite3_context *, int, sqlite3_value **); } functions[] = {
        { "outcome", fn_outcome }, { "kind", fn_kind }, { "state", fn_state }, { "surt", fn_surt }, { "crawl_key", fn_crawl_key },
    };
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int err = sql_links_register(db, &s->conf);

    for (size_t i = 0; i < ORB_N_ELEMENTS(functions) && err == 0; i++)
        if (functions[i].fn != fn_crawl_key || s->conf.key != NULL)
            err = db_error(db, sqlite3_create_function_v2(db, functions[i].name, 1, flags, &s->conf, functions[i].fn, NULL, NULL, NULL));
    return err;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static int
attach(sqlite3 *db, const char *path, const char *name, struct buf *error)
{
    sqlite3_stmt *stmt = NULL;
    int err = db_error(db, sqlite3_prepare_v2(db, "ATTACH ?1 AS ?2", -1, &stmt, NULL));
    if (err == 0)
        err = db_bind_text(stmt, 1, slice_str(path));
    if (err == 0)
        err = db_bind_text(stmt, 2, slice_str(name));
    if (err == 0)
        err = db_step(stmt);
    sqlite3_finalize(stmt);
    if (err != 0 && error != NULL && buf_printf(error, "%s: %s", path, orb_strerror(err)) != 0)
        return ORB_ENOMEM;
    return err;
}

static int
attach_frontier(struct sql *s, struct sqlite3 *db, struct buf *error)
{
    char path[4096];
    int err;

    if (snprintf(path, sizeof path, "%s/coordinator/frontier.db", s->conf.dir) >= (int)sizeof path)
        return ORB_ETOOBIG;
    if (access(path, F_OK) != 0)
        return 0;
    err = attach(db, path, "frontier", error);
    if (err == 0)
        err = urldb_check_attached(db, "frontier", path, error);
    s->has_frontier = err == 0;
    return err;
}

int
sql_open(struct sql **out, const struct sql_conf *conf, struct buf *error)
{
    struct sql *s = mem_zalloc(MEM_DEFAULT, sizeof *s);
    char dir[4096], path[4096];
    sqlite3 *db;
    int err = ORB_ENOMEM;

    if (s == NULL)
        return err;
    s->magic = SQL_MAGIC;
    s->conf = *conf;
    err = ORB_ETOOBIG;
    if (snprintf(dir, sizeof dir, "%s/pages", conf->dir) >= (int)sizeof dir)
        goto fail;
    err = pagedb_open(&s->pages, dir, DB_TEMP_ON_DISK | (conf->may_write ? DB_WRITE : DB_READ), error);
    if (err != 0)
        goto fail;
    db = pagedb_sqlite(s->pages);
    sqlite3_busy_timeout(db, 5000); /* a person waits */
    err = register_functions(s, db);
    if (err == 0)
        err = attach_frontier(s, db, error);
    if (err == 0 && snprintf(path, sizeof path, "%s/coordinator/history.db", conf->dir) < (int)sizeof path
        && access(path, F_OK) == 0)
        err = attach(db, path, "history", error);
    if (err != 0)
        goto fail;
    *out = s;
    return 0;
fail:
    sql_close(&s);
    return err;
}

void
sql_close(struct sql **sp)
{
    struct sql *s = *sp;

    if (s == NULL)
        return;
    CHECK_IS(s, SQL_MAGIC);
    pagedb_close(&s->pages);
    s->magic = 0;
    MEM_FREE(MEM_DEFAULT, sp);
}

bool
sql_has_frontier(const struct sql *s)
{
    CHECK_IS(s, SQL_MAGIC);
    return s->has_frontier;
}

struct sqlite3 *
sql_sqlite(struct sql *s)
{
    CHECK_IS(s, SQL_MAGIC);
    return pagedb_sqlite(s->pages);
}

const struct sql_conf *
sql_conf(const struct sql *s)
{
    CHECK_IS(s, SQL_MAGIC);
    return &s->conf;
}

/* --- running -------------------------------------------------------------------------------------------------------- */

static void
read_cell(sqlite3_stmt *stmt, int column, struct sql_cell *out)
{
    *out = (struct sql_cell){ .type = SQL_NULL };
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER: out->type = SQL_INT; out->number = sqlite3_column_int64(stmt, column); break;
    case SQLITE_FLOAT: out->type = SQL_REAL; out->real = sqlite3_column_double(stmt, column); break;
    case SQLITE_BLOB: out->type = SQL_BLOB; break;
    case SQLITE_TEXT: out->type = SQL_TEXT; break;
    default: return;
    }
    out->bytes.p = out->type == SQL_BLOB ? sqlite3_column_blob(stmt, column) : (const char *)sqlite3_column_text(stmt, column);
    out->bytes.n = out->bytes.p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, column);
}

static int
run_rows(sqlite3_stmt *stmt, sql_row_fn *row, void *arg)
{
    int n = sqlite3_column_count(stmt), err = 0;
    const char **names = mem_array(MEM_DEFAULT, (size_t)n + 1, sizeof *names);
    struct sql_cell *cells = mem_array(MEM_DEFAULT, (size_t)n + 1, sizeof *cells);

    if (names == NULL || cells == NULL)
        err = ORB_ENOMEM;
    for (int i = 0; i < n && err == 0; i++) {
        names[i] = sqlite3_column_name(stmt, i);
        if (names[i] == NULL)
            err = ORB_ENOMEM;
    }
    if (err == 0 && n > 0)
        err = row(arg, names, NULL, n);
    while (err == 0 && (err = db_step(stmt)) == 1) {
        for (int i = 0; i < n; i++)
            read_cell(stmt, i, &cells[i]);
        err = row(arg, names, cells, n);
    }
    mem_free(MEM_DEFAULT, names);
    mem_free(MEM_DEFAULT, cells);
    return err;
}

int
sql_run(struct sql *s, struct slice text, sql_row_fn *row, void *arg, struct buf *error)
{
    sqlite3 *db = sql_sqlite(s);
    const char *at = text.p, *end = text.p + text.n;
    int err = 0;

    while (err == 0 && at < end) {
        sqlite3_stmt *stmt = NULL;

        if (end - at > 1000000)
            return error != NULL && buf_append_str(error, "the query is longer than 1 MB") != 0 ? ORB_ENOMEM : ORB_ETOOBIG;
        err = db_error(db, sqlite3_prepare_v2(db, at, (int)(end - at), &stmt, &at));
        if (err == 0 && stmt == NULL)
            continue; /* a comment, or blanks */
        if (err == 0)
            err = run_rows(stmt, row, arg);
        if (err != 0 && error != NULL && sqlite3_errcode(db) != SQLITE_OK && sqlite3_errcode(db) != SQLITE_ROW
            && buf_append_str(error, sqlite3_errmsg(db)) != 0)
            err = ORB_ENOMEM;
        sqlite3_finalize(stmt);
    }
    return err;
}
