/* export.h - what was crawled, in forms that other programs read; streaming, one line at a time
 *
 *   jsonl     one object per page: every column of pages.db, links as a list
 *   csv       RFC 4180 with a header line, CRLF; without links. A cell that a spreadsheet would take for a formula begins with
 *             an apostrophe, control characters are blanks
 *   cdxj      the index of the WARC files that replay tools read, sorted by SURT and time; superseded records are not in it
 *   links     source, target, kind, flags, why not followed: tabs between
 *   outcomes  one object per URL of the journal: what became of it, redirects followed to their end
 *
 * Errors  what write() returned, ORB_ENOTFOUND (outcomes without a journal), or as in db.h.
 */
#ifndef ORB_STORAGE_EXPORT_H
#define ORB_STORAGE_EXPORT_H

#include "storage/sql.h"

enum export_format { EXPORT_JSONL, EXPORT_CSV, EXPORT_CDXJ, EXPORT_LINKS, EXPORT_OUTCOMES, EXPORT_N_FORMATS };

struct export {
    struct sql *sql;
    const char *dir;
    int (*write)(void *arg, const char *bytes, size_t n_bytes); /* 0, or a negative code that ends the export */
    void *arg;
    const char *(*error_kind)(int outcome);  /* for outcomes: a kind of error, NULL = none */
    struct buf line;                         /* private */
};

int export_run(struct export *e, enum export_format format) ORB_MUST_USE;

/* Internal: the line is finished with a newline and written. */
int export_line(struct export *e) ORB_MUST_USE;
int export_cdxj(struct export *e) ORB_MUST_USE;
int export_outcomes(struct export *e) ORB_MUST_USE;
/* A cell of CSV, defused and quoted where it must be; appended. */
int export_csv_cell(struct buf *out, struct slice text) ORB_MUST_USE;
/* ', "name": ' and a value; the first field of an object begins with '{' instead. */
int export_json_name(struct buf *out, const char *name, bool is_first) ORB_MUST_USE;
int export_json_text(struct buf *out, const char *name, struct slice text) ORB_MUST_USE; /* null when text.p is NULL */
int export_json_number(struct buf *out, const char *name, int64_t number) ORB_MUST_USE;

#endif
