#include "storage/audit.h"

#include "storage/db.h"

#include <sqlite3.h>

const char *
audit_kind_name(enum audit_kind kind)
{
#define AUDIT_NAME(id, name) name,
    static const char *const names[] = { AUDIT_KINDS(AUDIT_NAME) };
#undef AUDIT_NAME

    return (unsigned)kind < AUDIT_N_KINDS ? names[kind] : "?";
}

uint64_t
audit_n_findings(const struct audit *a)
{
    uint64_t n = 0;

    for (int i = 0; i < AUDIT_N_KINDS; i++)
        n += a->n_findings[i];
    return n;
}

int
audit_find(struct audit *a, enum audit_kind kind, const char *fmt, ...)
{
    va_list ap;
    int err;

    if (a->n_findings[kind]++ >= AUDIT_MAX_SENTENCES || a->finding == NULL)
        return 0;
    buf_clear(&a->sentence);
    va_start(ap, fmt);
    err = buf_vprintf(&a->sentence, fmt, ap);
    va_end(ap);
    if (err == 0)
        a->finding(a->arg, kind, a->sentence.p);
    return err;
}

int
audit_run(struct audit *a, struct buf *error)
{
    int err;

    buf_init(&a->sentence, MEM_DEFAULT, 1024 * 1024);
    err = audit_books(a);
    if (err == 0)
        err = audit_warc(a);
    if (err == 0 && sql_has_frontier(a->sql))
        err = audit_links(a);
    buf_fini(&a->sentence);
    if (err != 0 && error != NULL && error->n == 0 && sqlite3_errcode(sql_sqlite(a->sql)) > SQLITE_OK
        && sqlite3_errcode(sql_sqlite(a->sql)) < SQLITE_ROW && buf_append_str(error, sqlite3_errmsg(sql_sqlite(a->sql))) != 0)
        return ORB_ENOMEM;
    return err;
}
