/* audit_books.c - the journal against itself, against its live counters, and against the pages */
#include "storage/audit.h"

#include "storage/db.h"

#include <inttypes.h>
#include <sqlite3.h>

static const char *const state_names[AUDIT_STATES] = { "ready", "done", "waiting", "failed", "excluded", "quarantined" };

static int
each_row(struct audit *a, const char *query, int (*row)(struct audit *a, struct sqlite3_stmt *stmt))
{
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(sql_sqlite(a->sql), query, &stmt);

    while (err == 0 && (err = db_step(stmt)) == 1)
        err = row(a, stmt);
    sqlite3_finalize(stmt);
    return err;
}

static int
on_state(struct audit *a, struct sqlite3_stmt *stmt)
{
    int64_t state = db_column_int(stmt, 0), n = db_column_int(stmt, 1);

    a->n_urls += (uint64_t)n;
    if (state >= 0 && state < AUDIT_STATES) {
        a->n_state[state] = (uint64_t)n;
        return 0;
    }
    return audit_find(a, AUDIT_BOOKS, "%" PRId64 " URLs are in state %" PRId64 ", which does not exist", n, state);
}

static int
on_highest(struct audit *a, struct sqlite3_stmt *stmt)
{
    uint64_t highest = (uint64_t)db_column_int(stmt, 0);

    if (highest == a->n_urls)
        return 0;
    return audit_find(a, AUDIT_BOOKS, "the journal has %" PRIu64 " rows, but its highest url_id is %" PRIu64, a->n_urls, highest);
}

/* Column 0: the state, AUDIT_STATES = all; column 1: what the counters say, NULL when they do not say. */
static int
on_counter(struct audit *a, struct sqlite3_stmt *stmt)
{
    int64_t state = db_column_int(stmt, 0), n = db_column_int(stmt, 1);
    uint64_t expected = state == AUDIT_STATES ? a->n_urls : a->n_state[state];

    if (sqlite3_column_type(stmt, 1) == SQLITE_NULL)
        return 0;
    if (state == AUDIT_STATES || state == URLDB_EXCLUDED) /* counted, without a row */
        expected += a->n_excluded_dropped;
    a->has_counters = true;
    if ((uint64_t)n == expected)
        return 0;
    return audit_find(a, AUDIT_BOOKS, "the live counter of %s URLs says %" PRId64 ", the journal makes it %" PRIu64,
                      state == AUDIT_STATES ? "all discovered" : state_names[state], n, expected);
}

static int
on_dropped(struct audit *a, struct sqlite3_stmt *stmt)
{
    a->n_excluded_dropped = (uint64_t)db_column_int(stmt, 0);
    return 0;
}

static int
on_no_page(struct audit *a, struct sqlite3_stmt *stmt)
{
    struct slice url = db_column(stmt, 1);

    return audit_find(a, AUDIT_NO_PAGE, "URL %" PRId64 " is done but has no page: " SLICE_FMT, db_column_int(stmt, 0), SLICE_ARG(url));
}

static int
on_no_url(struct audit *a, struct sqlite3_stmt *stmt)
{
    struct slice url = db_column(stmt, 1), in_journal = db_column(stmt, 2);

    if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
        return audit_find(a, AUDIT_NO_URL, "page %" PRId64 " is of a URL that the journal does not have: " SLICE_FMT, db_column_int(stmt, 0),
                          SLICE_ARG(url));
    return audit_find(a, AUDIT_NO_URL, "page %" PRId64 " is " SLICE_FMT ", in the journal it is " SLICE_FMT, db_column_int(stmt, 0),
                      SLICE_ARG(url), SLICE_ARG(in_journal));
}

static int
on_page_count(struct audit *a, struct sqlite3_stmt *stmt)
{
    a->n_pages = (uint64_t)db_column_int(stmt, 0);
    return 0;
}

int
audit_books(struct audit *a)
{
    int err = each_row(a, "SELECT count(*) FROM main.page", on_page_count);

    if (err != 0)
        return err;
    if (!sql_has_frontier(a->sql))
        return audit_find(a, AUDIT_BOOKS, "there is no journal: %s/coordinator/frontier.db", a->dir);
    err = each_row(a, "SELECT state, count(*) FROM frontier.url GROUP BY state", on_state);
    if (err == 0)
        err = each_row(a, "SELECT coalesce(max(url_id), 0) FROM frontier.url", on_highest);
    if (err == 0) /* one number, or an object of reasons */
        err = each_row(a, "SELECT coalesce(sum(e.value), 0) FROM frontier.meta m, json_each(m.value) e"
                          " WHERE m.key = 'excluded_dropped' AND json_valid(m.value) AND e.type = 'integer'", on_dropped);
    if (err == 0 && !a->is_running)
        err = each_row(a, "WITH name(state, text) AS (VALUES (0, 'queued'), (1, 'done'), (2, 'waiting'), (3, 'failed'),"
                          " (4, 'excluded'), (5, 'quarantined'), (6, 'discovered'))"
                          " SELECT n.state, json_extract(m.value, '$.' || n.text) FROM frontier.meta m, name n"
                          " WHERE m.key = 'books' AND json_valid(m.value)", on_counter);
    if (err == 0)
        err = each_row(a, "SELECT u.url_id, u.url FROM frontier.url u LEFT JOIN main.page p ON p.url_id = u.url_id"
                          " WHERE u.state = 1 AND p.url_id IS NULL", on_no_page);
    if (err == 0)
        err = each_row(a, "SELECT p.url_id, p.url, u.url FROM main.page p LEFT JOIN frontier.url u ON u.url_id = p.url_id"
                          " WHERE u.url IS NOT p.url", on_no_url);
    return err;
}
