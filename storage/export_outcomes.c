/* export_outcomes.c - what became of every URL, redirects followed to their end
 *
 * A page knows its target's URL, the journal has no index by URL: the targets' rows are looked up once, in one pass, by
 * crawl key, into a temporary table.
 */
#include "storage/export.h"

#include "storage/db.h"
#include "storage/text.h"
#include "storage/urldb.h"

#include <inttypes.h>
#include <sqlite3.h>

#define MAX_HOPS 32

struct end {                       /* of a chain of redirects */
    int64_t url_id;
    int state, outcome, status;    /* outcome: enum outcome's number; -1 = none */
    int64_t body_bytes, fetch_ms;
    bool has_page, is_loop;
    unsigned hops;
};

struct outcomes {
    struct export *e;
    struct sqlite3_stmt *get, *target;
};

static int
make_targets(struct export *e)
{
    return db_exec(sql_sqlite(e->sql),
                   "DROP TABLE IF EXISTS temp.orb_target; CREATE TEMP TABLE orb_target(key INTEGER PRIMARY KEY, url_id INTEGER);"
                   "INSERT OR IGNORE INTO temp.orb_target SELECT crawl_key(redirect_to), NULL FROM main.page"
                   " WHERE redirect_to IS NOT NULL AND outcome = 'redirect';"
                   "UPDATE temp.orb_target SET url_id = u.url_id FROM frontier.url u WHERE key = crawl_key(u.url)");
}

/* 1 = there is a next one; 0 = the end. */
static int
next_hop(struct outcomes *o, int64_t *url_id)
{
    int rc = db_bind_int(o->target, 1, *url_id);

    if (rc == 0)
        rc = db_step(o->target);
    if (rc != 1)
        return rc;
    *url_id = db_column_int(o->target, 0);
    rc = sqlite3_column_type(o->target, 0) == SQLITE_INTEGER;
    sqlite3_reset(o->target);
    return rc;
}

static int
read_end(struct outcomes *o, struct end *end)
{
    int rc = db_bind_int(o->get, 1, end->url_id);

    if (rc == 0)
        rc = db_step(o->get);
    if (rc != 1)
        return rc == 0 ? ORB_ECORRUPT : rc;
    end->state = (int)db_column_int(o->get, 0);
    end->outcome = sqlite3_column_type(o->get, 1) == SQLITE_NULL ? -1 : (int)db_column_int(o->get, 1);
    end->status = (int)db_column_int(o->get, 2);
    end->has_page = sqlite3_column_type(o->get, 3) != SQLITE_NULL;
    end->body_bytes = db_column_int(o->get, 4);
    end->fetch_ms = db_column_int(o->get, 5);
    sqlite3_reset(o->get);
    return 0;
}

static int
follow(struct outcomes *o, struct end *end)
{
    int64_t passed[MAX_HOPS];
    int rc = 0;

    while (end->hops < MAX_HOPS && (rc = next_hop(o, &end->url_id)) == 1) {
        for (unsigned i = 0; i < end->hops; i++)
            if (passed[i] == end->url_id)
                end->is_loop = true;
        if (end->is_loop)
            break;
        passed[end->hops++] = end->url_id;
    }
    return rc < 0 ? rc : read_end(o, end);
}

static const char *
error_of(const struct export *e, const struct end *end)
{
    if (end->is_loop)
        return "redirect_loop";
    if (end->state == URLDB_READY)
        return "not_asked";
    return e->error_kind == NULL || end->outcome < 0 ? NULL : e->error_kind(end->outcome);
}

static int
append_number_or_null(struct buf *out, const char *name, bool has_value, int64_t value)
{
    return has_value ? export_json_number(out, name, value) : export_json_text(out, name, SLICE_NONE);
}

/* row: url_id, url, state, outcome, attempts, depth */
static int
append_object(struct export *e, struct sqlite3_stmt *row, const struct end *end)
{
    const struct sql_conf *conf = sql_conf(e->sql);
    const char *outcome = conf->outcome_name == NULL ? NULL : conf->outcome_name((int)db_column_int(row, 3)), *error = error_of(e, end);
    struct buf *line = &e->line;
    int err = export_json_name(line, "url", true);

    if (err == 0)
        err = text_append_json(line, db_column(row, 1));
    if (err == 0)
        err = append_number_or_null(line, "status", end->status > 0, end->status);
    if (err == 0)
        err = export_json_text(line, "error", slice_str(error));
    if (err == 0)
        err = append_number_or_null(line, "bytes", end->has_page, end->body_bytes);
    if (err == 0)
        err = export_json_name(line, "seconds", false);
    if (err == 0)
        err = end->has_page ? buf_printf(line, "%" PRId64 ".%03d", end->fetch_ms / 1000, (int)(end->fetch_ms % 1000)) : buf_append_str(line, "null");
    if (err == 0)
        err = export_json_text(line, "state", db_column(row, 2));
    if (err == 0)
        err = export_json_text(line, "outcome", slice_str(outcome));
    if (err == 0)
        err = export_json_number(line, "attempts", db_column_int(row, 4));
    if (err == 0)
        err = export_json_number(line, "depth", db_column_int(row, 5));
    if (err == 0)
        err = export_json_number(line, "redirects", end->hops);
    return err == 0 ? buf_append_char(line, '}') : err;
}

static int
write_all(struct outcomes *o)
{
    struct sqlite3_stmt *rows = NULL;
    int err = db_prepare(sql_sqlite(o->e->sql), "SELECT url_id, url, state(state), coalesce(outcome, 0), coalesce(attempts, 0),"
                                                " coalesce(depth, 0) FROM frontier.url ORDER BY url_id", &rows);

    while (err == 0 && (err = db_step(rows)) == 1) {
        struct end end = { .url_id = db_column_int(rows, 0) };

        err = follow(o, &end);
        if (err == 0)
            err = append_object(o->e, rows, &end);
        if (err == 0)
            err = export_line(o->e);
    }
    sqlite3_finalize(rows);
    return err;
}

int
export_outcomes(struct export *e)
{
    struct outcomes o = { .e = e };
    sqlite3 *db = sql_sqlite(e->sql);
    int err = make_targets(e);

    if (err == 0)
        err = db_prepare(db, "SELECT t.url_id FROM main.page p JOIN temp.orb_target t ON t.key = crawl_key(p.redirect_to)"
                             " WHERE p.url_id = ?1 AND p.outcome = 'redirect'", &o.target);
    if (err == 0)
        err = db_prepare(db, "SELECT u.state, u.outcome, coalesce(nullif(p.status, 0), u.status), p.url_id, p.body_bytes, p.fetch_ms"
                             " FROM frontier.url u LEFT JOIN main.page p ON p.url_id = u.url_id WHERE u.url_id = ?1", &o.get);
    if (err == 0)
        err = write_all(&o);
    sqlite3_finalize(o.target);
    sqlite3_finalize(o.get);
    return err;
}
