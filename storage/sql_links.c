/* sql_links.c - links(blob): a table-valued function over linkblob.h */
#include "storage/sql.h"

#include "storage/db.h"
#include "storage/linkblob.h"

#include <sqlite3.h>

enum { COLUMN_URL, COLUMN_KIND, COLUMN_FLAGS, COLUMN_NOT_FOLLOWED, COLUMN_BLOB };

struct links_table {
    sqlite3_vtab base;
    const struct sql_conf *conf;
};

struct links_cursor {
    sqlite3_vtab_cursor base;
    struct linkblob_reader reader;
    void *blob;
    struct record_link link;
    int64_t row;
    bool is_open, is_at_end;
};

static int
links_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
    struct links_table *t;
    int rc = sqlite3_declare_vtab(db, "CREATE TABLE x(url TEXT, kind, flags INT, not_followed, blob HIDDEN)");

    if (rc != SQLITE_OK)
        return rc;
    t = mem_zalloc(MEM_SQLITE, sizeof *t);
    if (t == NULL)
        return SQLITE_NOMEM;
    t->conf = aux;
    *out = &t->base;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    return SQLITE_OK;
}

static int
links_disconnect(sqlite3_vtab *t)
{
    mem_free(MEM_SQLITE, t);
    return SQLITE_OK;
}

/* Only with its argument: links(blob) is the constraint blob = ?. */
static int
links_best_index(sqlite3_vtab *t, sqlite3_index_info *info)
{
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].iColumn == COLUMN_BLOB && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
            if (!info->aConstraint[i].usable)
                return SQLITE_CONSTRAINT;
            info->aConstraintUsage[i].argvIndex = 1;
            info->aConstraintUsage[i].omit = 1;
            info->estimatedCost = 100;
            info->estimatedRows = 100;
            info->idxNum = 1;
            return SQLITE_OK;
        }
    info->idxNum = 0;
    info->estimatedRows = 0;
    return SQLITE_OK;
}

static int
links_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
    struct links_cursor *c = mem_zalloc(MEM_SQLITE, sizeof *c);

    if (c == NULL)
        return SQLITE_NOMEM;
    c->is_at_end = true;
    *out = &c->base;
    return SQLITE_OK;
}

static void
forget(struct links_cursor *c)
{
    if (c->is_open)
        linkblob_reader_fini(&c->reader);
    MEM_FREE(MEM_SQLITE, &c->blob);
    c->is_open = false;
    c->is_at_end = true;
}

static int
links_close(sqlite3_vtab_cursor *base)
{
    struct links_cursor *c = (struct links_cursor *)base;

    forget(c);
    mem_free(MEM_SQLITE, c);
    return SQLITE_OK;
}

static int
links_next(sqlite3_vtab_cursor *base)
{
    struct links_cursor *c = (struct links_cursor *)base;
    int rc = linkblob_next(&c->reader, &c->link);

    c->row++;
    c->is_at_end = rc <= 0;
    return rc >= 0 ? SQLITE_OK : rc == ORB_ENOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT_VTAB;
}

static int
links_filter(sqlite3_vtab_cursor *base, int index, const char *name, int argc, sqlite3_value **argv)
{
    struct links_cursor *c = (struct links_cursor *)base;
    const void *bytes;
    size_t n;

    forget(c);
    if (index == 0 || argc < 1 || sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return SQLITE_OK;
    bytes = sqlite3_value_blob(argv[0]);
    n = (size_t)sqlite3_value_bytes(argv[0]);
    if (n == 0)
        return SQLITE_OK;
    c->blob = mem_dup(MEM_SQLITE, bytes, n);
    if (c->blob == NULL)
        return SQLITE_NOMEM;
    linkblob_reader_init(&c->reader, slice_of(c->blob, n));
    c->is_open = true;
    c->row = 0;
    return links_next(base);
}

static int
links_eof(sqlite3_vtab_cursor *base)
{
    return ((struct links_cursor *)base)->is_at_end;
}

static void
result_name(sqlite3_context *to, const char *(*name_fn)(int), int n)
{
    const char *name = name_fn == NULL ? NULL : name_fn(n);

    if (name == NULL)
        sqlite3_result_int(to, n);
    else
        sqlite3_result_text(to, name, -1, SQLITE_STATIC);
}

static void
result_not_followed(sqlite3_context *to, const struct sql_conf *conf, int reason)
{
    static const char *const own[] = { "nofollow", "asset", "policy", "not_http" };

    if (reason >= RECORD_LINK_NOFOLLOW && reason <= RECORD_LINK_NOT_HTTP)
        sqlite3_result_text(to, own[reason - RECORD_LINK_NOFOLLOW], -1, SQLITE_STATIC);
    else if (reason != 0)
        result_name(to, conf->outcome_name, reason);
}

static int
links_column(sqlite3_vtab_cursor *base, sqlite3_context *to, int column)
{
    struct links_cursor *c = (struct links_cursor *)base;
    const struct sql_conf *conf = ((struct links_table *)base->pVtab)->conf;

    switch (column) {
    case COLUMN_URL: sqlite3_result_text64(to, c->link.url.p, c->link.url.n, SQLITE_TRANSIENT, SQLITE_UTF8); break;
    case COLUMN_KIND: result_name(to, conf->kind_name, c->link.kind); break;
    case COLUMN_FLAGS: sqlite3_result_int(to, c->link.flags); break;
    case COLUMN_NOT_FOLLOWED: result_not_followed(to, conf, c->link.not_followed); break;
    default: break;
    }
    return SQLITE_OK;
}

static int
links_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((struct links_cursor *)base)->row;
    return SQLITE_OK;
}

int
sql_links_register(struct sqlite3 *db, const struct sql_conf *conf)
{
    static const sqlite3_module module = {
        .xConnect = links_connect, .xDisconnect = links_disconnect, .xBestIndex = links_best_index, .xOpen = links_open,
        .xClose = links_close, .xFilter = links_filter, .xNext = links_next, .xEof = links_eof, .xColumn = links_column,
        .xRowid = links_rowid,
    };

    return db_error(db, sqlite3_create_module(db, "links", &module, (void *)(uintptr_t)conf));
}
