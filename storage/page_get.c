#include "storage/page_get.h"

#include "storage/db.h"
#include "storage/warc_read.h"

#include <sqlite3.h>
#include <stdio.h>

#define COLUMNS "url_id, status, outcome, error, warc_file, warc_offset, warc_bytes, withheld"

static void
copy_text(char *to, size_t room, struct slice from)
{
    from = slice_sub(from, 0, room - 1);
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
}

static void
read_place(struct sqlite3_stmt *stmt, struct page_place *out)
{
    out->url_id = (uint64_t)db_column_int(stmt, 0);
    out->status = (int)db_column_int(stmt, 1);
    copy_text(out->outcome, sizeof out->outcome, db_column(stmt, 2));
    copy_text(out->error, sizeof out->error, db_column(stmt, 3));
    copy_text(out->warc_file, sizeof out->warc_file, db_column(stmt, 4));
    out->warc_offset = (uint64_t)db_column_int(stmt, 5);
    out->warc_bytes = (uint64_t)db_column_int(stmt, 6);
    copy_text(out->withheld, sizeof out->withheld, db_column(stmt, 7));
}

static int
find_by(struct sql *s, const char *query, struct slice url, struct page_place *out)
{
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(sql_sqlite(s), query, &stmt);

    if (err == 0)
        err = db_bind_text(stmt, 1, url);
    if (err == 0)
        err = db_step(stmt);
    if (err == 1)
        read_place(stmt, out);
    sqlite3_finalize(stmt);
    return err == 1 ? 0 : err == 0 ? ORB_ENOTFOUND : err;
}

int
page_find(struct sql *s, struct slice url, struct page_place *out)
{
    int err = ORB_ENOTFOUND;

    if (sql_has_frontier(s))
        err = find_by(s, "SELECT " COLUMNS " FROM main.page WHERE url_id ="
                         " (SELECT url_id FROM frontier.url WHERE url = ?1 LIMIT 1)", url, out);
    if (err == ORB_ENOTFOUND)
        err = find_by(s, "SELECT " COLUMNS " FROM main.page WHERE url = ?1 LIMIT 1", url, out);
    return err;
}

int
page_each(struct sql *s, page_each_fn *each, void *arg)
{
    struct sqlite3_stmt *stmt = NULL;
    struct page_place place;
    int err = db_prepare(sql_sqlite(s), "SELECT " COLUMNS ", url, content_type FROM main.page WHERE status > 0 AND withheld IS NULL ORDER BY url_id", &stmt);

    while (err == 0 && (err = db_step(stmt)) == 1) {
        read_place(stmt, &place);
        err = each(arg, db_column(stmt, 8), db_column(stmt, 9), &place);
    }
    sqlite3_finalize(stmt);
    return err;
}

/* --- the record's bytes --------------------------------------------------------------------------------------------- */

/* Where the pieces of one block go: the HTTP head ends at the first empty line. */
struct splitter {
    struct buf *head, *body; /* head NULL: is not wanted again */
    struct buf scratch;      /* ... and then it is gathered here */
    bool is_behind_head, is_http;
};

static int
split(void *arg, const struct warc_record *record, const void *bytes, size_t n_bytes)
{
    struct splitter *s = arg;
    struct buf *head = s->head != NULL ? s->head : &s->scratch;
    size_t from = head->n < 3 ? 0 : head->n - 3;
    const char *end;
    int err;

    s->is_http = slice_eq(record->type, SLICE_LITERAL("response")) || slice_eq(record->type, SLICE_LITERAL("revisit"));
    if (s->is_behind_head)
        return buf_append(s->body, bytes, n_bytes);
    err = buf_append(head, bytes, n_bytes);
    if (err != 0 || !s->is_http)
        return err;
    end = memmem(head->p + from, head->n - from, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    s->is_behind_head = true;
    from = (size_t)(end - head->p) + 4;
    err = buf_append(s->body, head->p + from, head->n - from);
    buf_truncate(head, from);
    return err;
}

static int
read_original(const char *warc_dir, struct slice file, uint64_t offset, struct buf *body)
{
    struct splitter splitter = { .body = body };
    struct warc_reader *r = NULL;
    struct warc_record record;
    int err = warc_reader_open(&r, warc_dir, file);

    buf_init(&splitter.scratch, MEM_BUF, body->ceiling_bytes);
    if (err == 0)
        err = warc_read_at(r, offset, split, &splitter, &record);
    warc_reader_close(&r);
    buf_fini(&splitter.scratch);
    return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
}

int
page_read(const char *dir, const struct page_place *place, bool wants_original, struct page_bytes *out)
{
    struct splitter splitter = { .head = &out->head, .body = &out->wire_body };
    struct warc_reader *r = NULL;
    struct warc_record record;
    struct slice file;
    uint64_t offset;
    char warc_dir[4096];
    int err;

    buf_clear(&out->warc_head);
    buf_clear(&out->head);
    buf_clear(&out->wire_body);
    if (snprintf(warc_dir, sizeof warc_dir, "%s/warc", dir) >= (int)sizeof warc_dir)
        return ORB_ETOOBIG;
    err = warc_reader_open(&r, warc_dir, slice_str(place->warc_file));
    if (err == 0)
        err = warc_read_at(r, place->warc_offset, split, &splitter, &record);
    if (err == 0)
        err = buf_append_slice(&out->warc_head, warc_record_head(r));
    if (err == 0) {
        out->is_http2 = slice_eq(warc_record_field(r, "WARC-Protocol"), SLICE_LITERAL("h2"));
        out->is_answer = splitter.is_http;
        if (wants_original && slice_eq(record.type, SLICE_LITERAL("revisit")) && warc_refers_to(r, &file, &offset))
            err = read_original(warc_dir, file, offset, &out->wire_body);
    }
    warc_reader_close(&r);
    return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
}
