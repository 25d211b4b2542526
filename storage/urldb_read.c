#include "storage/db.h"
#include "storage/urldb_internal.h"

static struct slice
column(sqlite3_stmt *stmt, int i)
{
    const void *p = sqlite3_column_blob(stmt, i);

    return slice_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, i));
}

static void
read_url(sqlite3_stmt *stmt, struct urldb_url *u)
{
    *u = (struct urldb_url){
        .url_id = (uint64_t)sqlite3_column_int64(stmt, 0),
        .url = column(stmt, 1),
        .host_id = (uint64_t)sqlite3_column_int64(stmt, 2),
        .via = (uint64_t)sqlite3_column_int64(stmt, 3),
        .depth = (uint32_t)sqlite3_column_int(stmt, 4),
        .hops = (uint32_t)sqlite3_column_int(stmt, 5),
        .kind = (uint32_t)sqlite3_column_int(stmt, 6),
        .flags = (uint32_t)sqlite3_column_int(stmt, 7),
        .state = (uint32_t)sqlite3_column_int(stmt, 8),
        .outcome = (uint32_t)sqlite3_column_int(stmt, 9),
        .status = (uint32_t)sqlite3_column_int(stmt, 10),
        .attempts = (uint32_t)sqlite3_column_int(stmt, 11),
        .retry_at_ms = (uint64_t)sqlite3_column_int64(stmt, 12),
        .ended_at_ms = (uint64_t)sqlite3_column_int64(stmt, 13),
    };
}

static void
read_host(sqlite3_stmt *stmt, struct urldb_host *h, bool with_blobs)
{
    sqlite3_int64 crawl_delay = sqlite3_column_type(stmt, 6) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, 6);

    *h = (struct urldb_host){
        .host_id = (uint64_t)sqlite3_column_int64(stmt, 0),
        .origin = column(stmt, 1),
        .addresses = column(stmt, 2),
        .addresses_until_s = (uint64_t)sqlite3_column_int64(stmt, 3),
        .robots_status = (uint32_t)sqlite3_column_int(stmt, 4),
        .robots_until_s = (uint64_t)sqlite3_column_int64(stmt, 5),
        .crawl_delay_ms = crawl_delay < 0 ? UINT32_MAX : (uint32_t)crawl_delay,
        .fails = (uint32_t)sqlite3_column_int(stmt, 7),
        .retry_at_ms = (uint64_t)sqlite3_column_int64(stmt, 8),
        .robots = with_blobs ? column(stmt, 9) : SLICE_NONE,
        .cookies = with_blobs ? column(stmt, 10) : SLICE_NONE,
    };
}

int
urldb_get_url(struct urldb *db, uint64_t url_id, struct urldb_url *out)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_GET_URL);
    int err;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)url_id);
    err = urldb_row(db, STMT_GET_URL);
    if (err == 0)
        read_url(stmt, out);
    return err;
}

int
urldb_get_host(struct urldb *db, uint64_t host_id, struct urldb_host *out)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_GET_HOST);
    int err;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)host_id);
    err = urldb_row(db, STMT_GET_HOST);
    if (err == 0)
        read_host(stmt, out, true);
    return err;
}

int
urldb_get_chunk(struct urldb *db, uint64_t id, uint64_t *next, struct slice *urls)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_GET_CHUNK);
    int err;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    err = urldb_row(db, STMT_GET_CHUNK);
    if (err != 0)
        return err;
    *next = (uint64_t)sqlite3_column_int64(stmt, 0);
    *urls = column(stmt, 1);
    return 0;
}

int
urldb_get_meta(struct urldb *db, const char *key, struct buf *value)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_GET_META);
    int err;

    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    err = urldb_row(db, STMT_GET_META);
    return err != 0 ? err : buf_append_slice(value, column(stmt, 0));
}

static uint64_t
read_max(struct urldb *db, enum urldb_statement statement)
{
    sqlite3_stmt *stmt = urldb_stmt(db, statement);

    return urldb_row(db, statement) == 0 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
}

uint64_t
urldb_max_url(struct urldb *db)
{
    return read_max(db, STMT_MAX_URL);
}

uint64_t
urldb_max_host(struct urldb *db)
{
    return read_max(db, STMT_MAX_HOST);
}

/* --- scans ------------------------------------------------------------------------------------------------------------- */

static int
each_url(struct urldb *db, sqlite3_stmt *stmt, urldb_url_fn *each, void *arg)
{
    struct urldb_url u;
    int rc, err = 0;

    while (err == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        read_url(stmt, &u);
        err = each(arg, &u);
    }
    if (err == 0)
        err = db_error(db->db, rc);
    sqlite3_reset(stmt);
    return err;
}

int
urldb_each_url(struct urldb *db, uint64_t from, uint64_t max, urldb_url_fn *each, void *arg)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_EACH_URL);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(stmt, 2, max == 0 ? -1 : (sqlite3_int64)max);
    return each_url(db, stmt, each, arg);
}

int
urldb_each_ended(struct urldb *db, uint32_t state, uint64_t ended_from_ms, urldb_url_fn *each, void *arg)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_EACH_ENDED);

    sqlite3_bind_int(stmt, 1, (int)state);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)ended_from_ms);
    return each_url(db, stmt, each, arg);
}

int
urldb_each_lost(struct urldb *db, uint64_t from, uint64_t n_rows, urldb_url_fn *each, void *arg)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_EACH_LOST);

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)(from + n_rows));
    return each_url(db, stmt, each, arg);
}

int
urldb_each_host(struct urldb *db, uint64_t from, urldb_host_fn *each, void *arg)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_EACH_HOST);
    struct urldb_host h;
    int rc, err = 0;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)from);
    while (err == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        read_host(stmt, &h, false);
        err = each(arg, &h);
    }
    if (err == 0)
        err = db_error(db->db, rc);
    sqlite3_reset(stmt);
    return err;
}

int
urldb_each_queue(struct urldb *db, int (*each)(void *arg, struct slice bytes), void *arg)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_EACH_QUEUE);
    int rc, err = 0;

    while (err == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        err = each(arg, column(stmt, 0));
    if (err == 0)
        err = db_error(db->db, rc);
    sqlite3_reset(stmt);
    return err;
}

int
urldb_find_url(struct urldb *db, struct slice url, uint64_t from, uint64_t n_rows, uint64_t *url_id)
{
    sqlite3_stmt *stmt = urldb_stmt(db, STMT_FIND_URL);
    int err;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)(from + n_rows));
    sqlite3_bind_text(stmt, 3, url.n == 0 ? "" : url.p, (int)url.n, SQLITE_STATIC);
    err = urldb_row(db, STMT_FIND_URL);
    if (err == 0)
        *url_id = (uint64_t)sqlite3_column_int64(stmt, 0);
    return err;
}
