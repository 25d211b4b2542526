/* sql.h - a crawl directory as one SQL database: pages.db as `main`, frontier.db as `frontier`, history.db as `history`
 *
 * Added functions: outcome(n), state(n) and kind(n) turn stored numbers into names (outcome and kind by callbacks: their
 * names are not storage's), surt(url) is the sort key of CDXJ, links(blob) is a table of a page's links
 * (url, kind, flags, not_followed):  SELECT l.url FROM page, links(page.links) AS l WHERE page.url_id = 1
 *
 * Read-only unless asked; a reader keeps no writer waiting, but holds the WAL back while a statement runs. Large sorts go to
 * the system's temporary folder.
 *
 * Ownership  cells and errors are BORROWED for the callback. Errors: sql_run() ORB_EINVAL (the sentence is SQLite's), what
 *            the callback returned, or as in db.h.
 */
#ifndef ORB_STORAGE_SQL_H
#define ORB_STORAGE_SQL_H

#include "pool/buf.h"

struct sqlite3;
struct sql;

struct sql_conf {
    const char *dir;                       /* the crawl directory */
    bool may_write;
    const char *(*outcome_name)(int n);    /* static text; NULL = the number stays */
    const char *(*kind_name)(int n);       /* of links */
    uint64_t (*key)(void *arg, struct slice url); /* fingerprint of the crawl key, 0 = no URL; NULL = no crawl_key() */
    void *arg;
};

enum sql_type { SQL_NULL, SQL_INT, SQL_REAL, SQL_TEXT, SQL_BLOB };

struct sql_cell {
    enum sql_type type;
    int64_t number;
    double real;
    struct slice bytes; /* of text and blobs; of numbers: as text */
};

/* One row; names (n of them) are the columns'. cells NULL: the header, before a statement's first row. */
typedef int sql_row_fn(void *arg, const char *const *names, const struct sql_cell *cells, int n);

int sql_open(struct sql **out, const struct sql_conf *conf, struct buf *error) ORB_MUST_USE;
void sql_close(struct sql **s);
/* Every statement of the text, one after the other. For each that has columns: one call with cells NULL, then one a row. */
int sql_run(struct sql *s, struct slice text, sql_row_fn *row, void *arg, struct buf *error) ORB_MUST_USE;
bool sql_has_frontier(const struct sql *s);
struct sqlite3 *sql_sqlite(struct sql *s); /* for storage/ only; BORROWED */
const struct sql_conf *sql_conf(const struct sql *s);

/* "http://www.example.org:8080/a?b" -> "org,example,www:8080)/a?b", for sorting by site; appended. */
int sql_surt(struct buf *out, struct slice url) ORB_MUST_USE;

/* The table-valued function links(blob). */
int sql_links_register(struct sqlite3 *db, const struct sql_conf *conf) ORB_MUST_USE;

#endif
