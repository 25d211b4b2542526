/* export_cdxj.c - the index of the WARC files: "SURT time {json}", one line per page whose answer is kept, in byte order */
#include "storage/export.h"

#include "storage/db.h"
#include "storage/warc_read.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

struct cdxj {
    struct export *e;
    struct warc_reader *reader; /* of the file looked at last */
    char file[256];
};

/* The sink of a read that ends where the block begins: by then the head is known. */
static int
stop_at_block(void *arg, const struct warc_record *record, const void *bytes, size_t n_bytes)
{
    *(bool *)arg = slice_eq(record->type, SLICE_LITERAL("revisit"));
    return ORB_EAGAIN;
}

/* Replay tools look a revisit's payload up elsewhere, when its line says what it is. */
static int
is_revisit(struct cdxj *c, struct slice file, uint64_t offset, bool *out)
{
    struct warc_record record;
    char warc_dir[4096];
    int err = 0;

    *out = false;
    if (c->reader == NULL || !slice_eq(slice_str(c->file), file)) {
        warc_reader_close(&c->reader);
        if (snprintf(warc_dir, sizeof warc_dir, "%s/warc", c->e->dir) >= (int)sizeof warc_dir)
            return ORB_ETOOBIG;
        snprintf(c->file, sizeof c->file, SLICE_FMT, SLICE_ARG(file));
        err = warc_reader_open(&c->reader, warc_dir, file);
    }
    if (err == 0)
        err = warc_read_at(c->reader, offset, stop_at_block, out, &record);
    if (err == ORB_ENOMEM)
        return err;
    return 0; /* a record that is not there: `orb audit` blames it */
}

static int
append_time(struct buf *out, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[64];

    if (seconds < 0 || gmtime_r(&seconds, &tm) == NULL)
        return buf_append_str(out, "19700101000000");
    snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02d", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec);
    return buf_append_str(out, text);
}

static struct slice
mime_of(struct slice content_type)
{
    const char *semicolon = content_type.n == 0 ? NULL : memchr(content_type.p, ';', content_type.n);

    if (semicolon != NULL)
        content_type = slice_sub(content_type, 0, (size_t)(semicolon - content_type.p));
    content_type = slice_trim(content_type);
    return content_type.n == 0 ? SLICE_LITERAL("unk") : content_type;
}

static int
quoted_number(struct buf *out, const char *name, int64_t number)
{
    return buf_printf(out, ", \"%s\": \"%" PRId64 "\"", name, number);
}

/* surt, url, fetched_at, content_type, status, payload_digest, warc_bytes, warc_offset, warc_file */
static int
cdxj_row(struct cdxj *c, struct sqlite3_stmt *stmt)
{
    struct buf *line = &c->e->line;
    struct slice digest = db_column(stmt, 5);
    bool is_short;
    int err = is_revisit(c, db_column(stmt, 8), (uint64_t)db_column_int(stmt, 7), &is_short);

    if (err == 0)
        err = buf_append_slice(line, db_column(stmt, 0));
    if (err == 0)
        err = buf_append_char(line, ' ');
    if (err == 0)
        err = append_time(line, db_column_int(stmt, 2));
    if (err == 0) {
        size_t at = line->n + 1; /* the comma that export_json_text() begins with becomes the brace */

        err = export_json_text(line, "url", db_column(stmt, 1));
        if (err == 0)
            memcpy(line->p + at - 1, " {", 2);
    }
    if (err == 0)
        err = export_json_text(line, "mime", is_short ? SLICE_LITERAL("warc/revisit") : mime_of(db_column(stmt, 3)));
    if (err == 0)
        err = quoted_number(line, "status", db_column_int(stmt, 4));
    if (err == 0 && digest.n > 0)
        err = export_json_text(line, "digest", digest);
    if (err == 0)
        err = quoted_number(line, "length", db_column_int(stmt, 6));
    if (err == 0)
        err = quoted_number(line, "offset", db_column_int(stmt, 7));
    if (err == 0)
        err = export_json_text(line, "filename", db_column(stmt, 8));
    if (err == 0)
        err = buf_append_char(line, '}');
    return err == 0 ? export_line(c->e) : err;
}

int
export_cdxj(struct export *e)
{
    struct cdxj c = { .e = e };
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(sql_sqlite(e->sql), "SELECT surt(url) AS key, url, fetched_at, content_type, status, payload_digest, warc_bytes,"
                                             " warc_offset, warc_file FROM main.page WHERE status > 0 AND withheld IS NULL ORDER BY key, fetched_at", &stmt);

    while (err == 0 && (err = db_step(stmt)) == 1)
        err = cdxj_row(&c, stmt);
    sqlite3_finalize(stmt);
    warc_reader_close(&c.reader);
    return err;
}
