/* audit_warc.c - every record of every WARC file, side by side with the rows in the same order
 *
 * Files in order of their names, records in order of offset; rows come sorted alike. Where a row's place comes up and no
 * record begins there, the row has none.
 */
#include "storage/audit.h"

#include "storage/db.h"
#include "storage/warc.h"
#include "storage/warc_read.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct walk {
    struct audit *a;
    struct sqlite3_stmt *rows;
    bool has_row;
    struct slice row_file;       /* of the present row; BORROWED from the statement */
    uint64_t row_offset;
    char warc_dir[4096];
};

static int
next_row(struct walk *w)
{
    int err = db_step(w->rows);

    w->has_row = err == 1;
    if (err != 1)
        return err;
    w->row_file = db_column(w->rows, 2);
    w->row_offset = (uint64_t)db_column_int(w->rows, 3);
    return 0;
}

/* <0: the row's place is before (file, offset) in the order of the walk. */
static int
compare_row(const struct walk *w, struct slice file, uint64_t offset)
{
    size_t n = ORB_MIN(w->row_file.n, file.n);
    int order = n == 0 ? 0 : memcmp(w->row_file.p, file.p, n);

    if (order == 0 && w->row_file.n != file.n)
        order = w->row_file.n < file.n ? -1 : 1;
    if (order != 0)
        return order;
    return w->row_offset < offset ? -1 : w->row_offset > offset;
}

static int
row_without_record(struct walk *w)
{
    struct slice url = db_column(w->rows, 1);

    return audit_find(w->a, AUDIT_NO_RECORD, "page %" PRId64 " (" SLICE_FMT "): no record stands in " SLICE_FMT " at %" PRIu64,
                      db_column_int(w->rows, 0), SLICE_ARG(url), SLICE_ARG(w->row_file), w->row_offset);
}

/* Rows whose place was passed without a record. */
static int
skip_rows_before(struct walk *w, struct slice file, uint64_t offset)
{
    int err = 0;

    while (err == 0 && w->has_row && compare_row(w, file, offset) < 0) {
        err = row_without_record(w);
        if (err == 0)
            err = next_row(w);
    }
    return err;
}

static int
check_row(struct walk *w, const struct warc_record *record, struct slice file)
{
    struct slice url = db_column(w->rows, 1), digest = db_column(w->rows, 5);
    const char *what = NULL;

    if (!slice_eq(record->url, url))
        what = "another URL";
    else if (!slice_eq(record->payload_digest, digest))
        what = "another payload digest";
    else if (record->end - record->offset != (uint64_t)db_column_int(w->rows, 4))
        what = "another length";
    else if (!record->has_block_digest)
        what = "no block digest";
    else if (slice_eq(record->type, SLICE_LITERAL("request")) || slice_eq(record->type, SLICE_LITERAL("warcinfo")))
        what = "another type";
    else if (db_column(w->rows, 6).n > 0 && !slice_eq(record->type, SLICE_LITERAL("metadata")))
        what = "bytes of an answer that asked not to be kept";
    if (what == NULL)
        return 0;
    return audit_find(w->a, AUDIT_WRONG_RECORD, "page %" PRId64 " (" SLICE_FMT "): its record in " SLICE_FMT " at %" PRIu64 " has %s",
                      db_column_int(w->rows, 0), SLICE_ARG(url), SLICE_ARG(file), record->offset, what);
}

static int
check_original(struct walk *w, struct warc_reader *r, const struct warc_record *record, struct slice file)
{
    struct slice original;
    uint64_t offset;
    int err;

    if (!warc_refers_to(r, &original, &offset))
        return 0;
    err = warc_verify_original(w->warc_dir, original, offset, record->payload_digest);
    if (err != ORB_ECORRUPT && err != ORB_ENOTFOUND)
        return err;
    return audit_find(w->a, AUDIT_NO_ORIGINAL, SLICE_FMT " at %" PRIu64 ": what this revisit refers to, " SLICE_FMT " at %" PRIu64 ", is not there",
                      SLICE_ARG(file), record->offset, SLICE_ARG(original), offset);
}

static int
on_record(struct walk *w, struct warc_reader *r, const struct warc_record *record, struct slice file)
{
    struct audit *a = w->a;
    bool is_revisit = slice_eq(record->type, SLICE_LITERAL("revisit")), is_pointed_at = false;
    int err = skip_rows_before(w, file, record->offset);

    a->n_records++;
    a->n_revisits += is_revisit;
    a->n_requests += slice_eq(record->type, SLICE_LITERAL("request"));
    a->n_responses += slice_eq(record->type, SLICE_LITERAL("response"));
    a->n_metadata += slice_eq(record->type, SLICE_LITERAL("metadata"));
    while (err == 0 && w->has_row && compare_row(w, file, record->offset) == 0) {
        err = check_row(w, record, file);
        is_pointed_at = true;
        if (err == 0)
            err = next_row(w);
    }
    if (err != 0 || slice_eq(record->type, SLICE_LITERAL("request")) || slice_eq(record->type, SLICE_LITERAL("warcinfo")))
        return err;
    if (!is_pointed_at && slice_eq(warc_record_field(r, "WARC-Profile"), SLICE_LITERAL(WARC_PROFILE_NOT_MODIFIED)))
        a->n_not_modified++;
    else if (!is_pointed_at)
        a->n_superseded++;
    return is_revisit && is_pointed_at ? check_original(w, r, record, file) : 0;
}

static bool
is_open(const struct walk *w, struct slice file)
{
    char path[4096 + WARC_NAME_BYTES];

    snprintf(path, sizeof path, "%s/" SLICE_FMT WARC_OPEN_SUFFIX, w->warc_dir, SLICE_ARG(file));
    return access(path, F_OK) == 0;
}

static int
walk_file(struct walk *w, struct slice file)
{
    struct warc_reader *r = NULL;
    struct warc_record record;
    uint64_t at = 0;
    int err = warc_reader_open(&r, w->warc_dir, file);

    while (err == 0 && (err = warc_read_at(r, at, NULL, NULL, &record)) == 0) {
        err = on_record(w, r, &record, file);
        at = record.end;
    }
    warc_reader_close(&r);
    w->a->n_warc_files++;
    w->a->warc_bytes += at;
    if (err == ORB_ENOTFOUND)
        return 0;
    if (err != ORB_ECORRUPT)
        return err;
    if (is_open(w, file)) { /* rows beyond it are findings anyway */
        w->a->n_torn_tails++;
        return 0;
    }
    return audit_find(w->a, AUDIT_BAD_RECORD, SLICE_FMT " at %" PRIu64 ": no whole WARC record; what follows in the file was not read",
                      SLICE_ARG(file), at);
}

/* --- the files ------------------------------------------------------------------------------------------------------ */

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **names;
    size_t n, cap;
};

static void
names_fini(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(MEM_DEFAULT, l->names[i]);
    mem_free(MEM_DEFAULT, l->names);
}

static int
names_add(struct names *l, const char *name)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        char **names = mem_realloc(MEM_DEFAULT, l->names, cap * sizeof *names);

        if (names == NULL)
            return ORB_ENOMEM;
        l->names = names;
        l->cap = cap;
    }
    l->names[l->n] = mem_strdup(MEM_DEFAULT, name);
    return l->names[l->n] == NULL ? ORB_ENOMEM : (l->n++, 0);
}

static int
names_list(struct names *l, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int err = 0;

    if (d == NULL)
        return errno == ENOENT ? 0 : orb_error_from_errno(errno);
    while (err == 0 && (entry = readdir(d)) != NULL)
        if (slice_ends_with(slice_str(entry->d_name), SLICE_LITERAL(".warc.gz")) && entry->d_name[0] != '.')
            err = names_add(l, entry->d_name);
    closedir(d);
    if (l->n > 0)
        qsort(l->names, l->n, sizeof *l->names, compare_names);
    return err;
}

int
audit_warc(struct audit *a)
{
    struct walk w = { .a = a };
    struct names files = { NULL, 0, 0 };
    int err = ORB_ETOOBIG;

    if (snprintf(w.warc_dir, sizeof w.warc_dir, "%s/warc", a->dir) >= (int)sizeof w.warc_dir)
        return err;
    err = names_list(&files, w.warc_dir);
    if (err == 0)
        err = db_prepare(sql_sqlite(a->sql), "SELECT url_id, url, warc_file, warc_offset, warc_bytes, payload_digest, withheld FROM main.page"
                                             " ORDER BY warc_file, warc_offset", &w.rows);
    if (err == 0)
        err = next_row(&w);
    for (size_t i = 0; i < files.n && err == 0; i++) {
        err = skip_rows_before(&w, slice_str(files.names[i]), 0);
        if (err == 0)
            err = walk_file(&w, slice_str(files.names[i]));
    }
    while (err == 0 && w.has_row) {
        err = row_without_record(&w);
        if (err == 0)
            err = next_row(&w);
    }
    sqlite3_finalize(w.rows);
    names_fini(&files);
    return err;
}
