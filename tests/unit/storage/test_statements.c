#include "storage/statements.h"

#include "tests/support/support.h"

#include <sqlite3.h>

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS false
#else
#define KEEPS true
#endif

static const char adds[] = "SELECT ?1 + 1", tells[] = "SELECT ?1";

static sqlite3 *
open_db(struct statements **s, unsigned floor)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(statements_new(s, db, floor), 0);
    return db;
}

struct look {
    struct pool_stats stats;
    unsigned n_pools, n_overdue;
};

static void
note(const char *site, uint64_t lent_ms, void *arg)
{
    ((struct look *)arg)->n_overdue += strstr(site, "test_statements.c:") != NULL;
}

static void
look_at(struct pool *pool, void *arg)
{
    struct look *l = arg;

    if (strcmp(pool_name(pool), "statements") != 0)
        return;
    l->n_pools++;
    pool_stats(pool, &l->stats);
    pool_overdue(pool, note, l);
}

static struct look
look(void)
{
    struct look l = { .n_pools = 0 };

    pool_each(look_at, &l);
    assert_int_equal(l.n_pools, 1);
    return l;
}

TEST(statements__one_is_made_for_each_text_and_serves_again)
{
    struct statements *s;
    sqlite3 *db = open_db(&s, 2);
    sqlite3_stmt *first, *other, *again;

    assert_int_equal(statement_get(s, adds, &first), 0);
    assert_int_equal(statement_get(s, tells, &other), 0);
    assert_string_equal(sqlite3_sql(other), tells);
    again = first;
    statement_put(s, &again);
    assert_null(again);
    statement_put(s, &other);
    assert_int_equal(statement_get(s, adds, &again), 0); /* not the one on top */
    assert_string_equal(sqlite3_sql(again), adds);
    assert_true(!KEEPS || again == first);
    assert_int_equal(look().stats.n_in_use, 1);
    assert_int_equal(look().stats.n_idle, KEEPS ? 1 : 0);
    assert_int_equal(look().stats.n_hits, KEEPS ? 1 : 0);
    assert_int_equal(look().stats.n_misses, KEEPS ? 2 : 3);
    assert_int_equal(statement_get(s, adds, &first), 0); /* the same text twice at a time */
    assert_true(first != again);
    statement_put(s, &first);
    statement_put(s, &again);
    for (int i = 1; i < 10; i++)
        pool_tick_all((uint64_t)i * 1000);
    assert_int_equal(look().stats.n_idle, KEEPS ? 2 : 0);
    statements_free(&s);
    assert_int_equal(sqlite3_close(db), SQLITE_OK); /* none was left */
}

TEST(statements__the_next_borrower_sees_nothing_of_the_last)
{
    struct statements *s;
    sqlite3 *db = open_db(&s, 2);
    sqlite3_stmt *stmt;

    assert_int_equal(statement_get(s, tells, &stmt), 0);
    assert_int_equal(sqlite3_bind_text(stmt, 1, "secret", -1, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW); /* put back in the middle */
    statement_put(s, &stmt);
    assert_int_equal(statement_get(s, tells, &stmt), 0);
    assert_false(sqlite3_stmt_busy(stmt));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_type(stmt, 0), SQLITE_NULL);
    statement_put(s, &stmt);
    statements_free(&s);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

TEST(statements__who_does_not_put_one_back_is_named)
{
    struct statements *s;
    sqlite3 *db = open_db(&s, 2);
    sqlite3_stmt *stmt;

    pool_tick_all(100000);
    assert_int_equal(statement_get(s, tells, &stmt), 0);
    pool_tick_all(100000 + STATEMENTS_LEASE_MS);
    assert_int_equal(look().stats.n_overdue, 0);
    pool_tick_all(100001 + STATEMENTS_LEASE_MS);
    assert_int_equal(look().stats.n_overdue, 1);
    assert_int_equal(look().n_overdue, 1);
    statement_put(s, &stmt);
    assert_int_equal(look().stats.n_overdue, 0);
    statements_free(&s);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

TEST(statements__a_text_that_is_no_sql_and_memory_that_is_out_lend_nothing)
{
    struct statements *s;
    sqlite3 *db = open_db(&s, 2);
    sqlite3_stmt *stmt;
    unsigned n = 0;
    int err;

    assert_int_equal(statement_get(s, "SELECT FROM", &stmt), ORB_EINVAL);
    assert_null(stmt);
    statement_put(s, &stmt);
    do {
        mem_fail_nth(++n, true, false);
        err = statement_get(s, tells, &stmt);
        mem_fail_nth(0, false, false);
        assert_true(err == 0 || (err == ORB_ENOMEM && stmt == NULL));
        assert_int_equal(look().stats.n_in_use, err == 0 ? 1 : 0);
    } while (err != 0);
    statement_put(s, &stmt);
    mem_fail_nth(1, true, false);
    statements_free(&s);
    assert_int_equal(statements_new(&s, db, 1), ORB_ENOMEM);
    mem_fail_nth(0, false, false);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

TESTS(T(statements__one_is_made_for_each_text_and_serves_again), T(statements__the_next_borrower_sees_nothing_of_the_last),
      T(statements__who_does_not_put_one_back_is_named),
      T(statements__a_text_that_is_no_sql_and_memory_that_is_out_lend_nothing))
