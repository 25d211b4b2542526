/* statements.h - a connection's prepared statements, kept by their text
 *
 * A pool of pool/pool.h, "statements", whose things are asked for by SQL text: the one that is idle and has that text, or a new one.
 * Put back it is reset and its bindings are forgotten, so that nobody sees the last borrower's bytes. As many as the floor says are
 * kept although nobody asks for them; the rest decays like every pool.
 *
 * Ownership  statement_get() lends; the statement, and with it the bytes bound to it, are the pool's again after statement_put().
 *            statements_free() goes before db_close() and requires that nothing is lent.
 * Errors     those of db_prepare().
 * Threads    as of every pool: one, that of statements_new().
 */
#ifndef ORB_STORAGE_STATEMENTS_H
#define ORB_STORAGE_STATEMENTS_H

#include "pool/pool.h"

#define STATEMENTS_LEASE_MS 30000 /* a commit on a busy disk may last; a query of a worker does not */

struct sqlite3;
struct sqlite3_stmt;
struct statements;

int statements_new(struct statements **out, struct sqlite3 *db, unsigned floor) ORB_MUST_USE; /* BORROWS db */
void statements_free(struct statements **s);

#define statement_get(s, sql, out) statement_get_at((s), (sql), (out), POOL_SITE)
int statement_get_at(struct statements *s, const char *sql, struct sqlite3_stmt **out, const char *site) ORB_MUST_USE;
void statement_put(struct statements *s, struct sqlite3_stmt **stmt); /* NULL inside is fine */

#endif
