#include "storage/export.h"

#include "storage/db.h"
#include "storage/linkblob.h"
#include "storage/text.h"

#include <inttypes.h>
#include <sqlite3.h>

/* --- pieces --------------------------------------------------------------------------------------------------------- */

int
export_line(struct export *e)
{
    int err = buf_append_char(&e->line, '\n');

    if (err == 0)
        err = e->write(e->arg, e->line.p, e->line.n);
    buf_clear(&e->line);
    return err;
}

int
export_json_name(struct buf *out, const char *name, bool is_first)
{
    return buf_printf(out, "%s\"%s\": ", is_first ? "{" : ", ", name);
}

int
export_json_text(struct buf *out, const char *name, struct slice text)
{
    int err = export_json_name(out, name, false);

    if (err != 0)
        return err;
    return text.p == NULL ? buf_append_str(out, "null") : text_append_json(out, text);
}

int
export_json_number(struct buf *out, const char *name, int64_t number)
{
    int err = export_json_name(out, name, false);

    return err == 0 ? buf_printf(out, "%" PRId64, number) : err;
}

/* What a spreadsheet runs begins with one of these; a quote in front makes text of it. */
/* The bytes of the control at the begin of s: C0 and DEL, or C1 (U+0080 .. U+009F in UTF-8), which steer terminals too. */
static size_t
control_bytes(struct slice s)
{
    unsigned char c = (unsigned char)s.p[0];

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && s.n > 1 && (unsigned char)s.p[1] >= 0x80 && (unsigned char)s.p[1] < 0xa0 ? 2 : 0;
}

int
export_csv_cell(struct buf *out, struct slice text)
{
    bool is_formula = text.n > 0 && memchr("=+-@\t\r|%", text.p[0], 8) != NULL, needs_quotes = is_formula;
    int err = 0;

    for (size_t i = 0; i < text.n && !needs_quotes; i++)
        needs_quotes = text.p[i] == '"' || text.p[i] == ',' || text.p[i] == ';'
                       || control_bytes(slice_sub(text, i, SIZE_MAX)) > 0;
    if (!needs_quotes)
        return text_append_clean(out, text);
    err = buf_append_str(out, is_formula ? "\"'" : "\"");
    for (size_t i = 0, from = 0; i <= text.n && err == 0; i++) {
        size_t n_control = i < text.n ? control_bytes(slice_sub(text, i, SIZE_MAX)) : 0;

        if (i < text.n && n_control == 0 && text.p[i] != '"')
            continue;
        err = text_append_clean(out, slice_sub(text, from, i - from));
        from = i + ORB_MAX(n_control, (size_t)1);
        if (err == 0 && i < text.n)
            err = buf_append_str(out, n_control > 0 ? " " : "\"\"");
        i = from - 1;
    }
    return err == 0 ? buf_append_char(out, '"') : err;
}

static int
each_row(struct export *e, const char *query, int (*row)(struct export *e, struct sqlite3_stmt *stmt))
{
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(sql_sqlite(e->sql), query, &stmt);

    while (err == 0 && (err = db_step(stmt)) == 1)
        err = row(e, stmt);
    sqlite3_finalize(stmt);
    return err;
}

/* --- jsonl ---------------------------------------------------------------------------------------------------------- */

static const char *
kind_name(const struct export *e, int kind)
{
    const struct sql_conf *conf = sql_conf(e->sql);
    const char *name = conf->kind_name == NULL ? NULL : conf->kind_name(kind);

    return name == NULL ? "other" : name;
}

static int
append_links(struct export *e, struct slice blob)
{
    struct linkblob_reader reader;
    struct record_link link;
    bool is_first = true;
    int err = buf_append_str(&e->line, "[");

    linkblob_reader_init(&reader, blob);
    while (err == 0 && (err = linkblob_next(&reader, &link)) == 1) {
        err = buf_append_str(&e->line, is_first ? "{\"url\": " : ", {\"url\": ");
        if (err == 0)
            err = text_append_json(&e->line, link.url);
        if (err == 0)
            err = buf_printf(&e->line, ", \"kind\": \"%s\", \"nofollow\": %s, \"followed\": %s}", kind_name(e, link.kind),
                             (link.flags & 1) != 0 ? "true" : "false", link.not_followed == 0 ? "true" : "false");
        is_first = false;
    }
    linkblob_reader_fini(&reader);
    if (err == ORB_ECORRUPT) /* the list so far; `orb audit` blames the page */
        err = 0;
    return err == 0 ? buf_append_char(&e->line, ']') : err;
}

static int
append_json_column(struct export *e, struct sqlite3_stmt *stmt, int column)
{
    struct slice bytes;
    int err;

    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER: return buf_printf(&e->line, "%" PRId64, db_column_int(stmt, column));
    case SQLITE_TEXT: return text_append_json(&e->line, db_column(stmt, column));
    case SQLITE_BLOB:
        bytes = db_column(stmt, column);
        err = buf_append_char(&e->line, '"');
        if (err == 0)
            err = buf_append_hex(&e->line, bytes);
        return err == 0 ? buf_append_char(&e->line, '"') : err;
    default: return buf_append_str(&e->line, "null");
    }
}

static int
jsonl_row(struct export *e, struct sqlite3_stmt *stmt)
{
    int n = sqlite3_column_count(stmt), err = 0;

    for (int i = 0; i < n && err == 0; i++) {
        const char *name = sqlite3_column_name(stmt, i);

        err = name == NULL ? ORB_ENOMEM : export_json_name(&e->line, name, i == 0);
        if (err == 0)
            err = strcmp(name, "links") == 0 ? append_links(e, db_column(stmt, i)) : append_json_column(e, stmt, i);
    }
    if (err == 0)
        err = buf_append_char(&e->line, '}');
    return err == 0 ? export_line(e) : err;
}

/* --- csv ------------------------------------------------------------------------------------------------------------ */

static int
csv_row(struct export *e, struct sqlite3_stmt *stmt)
{
    int n = sqlite3_column_count(stmt), err = 0;

    for (int i = 0; i < n && err == 0; i++) {
        if (i > 0)
            err = buf_append_char(&e->line, ',');
        if (err != 0)
            break;
        if (sqlite3_column_type(stmt, i) == SQLITE_BLOB)
            err = buf_append_hex(&e->line, db_column(stmt, i));
        else if (sqlite3_column_type(stmt, i) == SQLITE_INTEGER)
            err = buf_printf(&e->line, "%" PRId64, db_column_int(stmt, i));
        else
            err = export_csv_cell(&e->line, db_column(stmt, i));
    }
    if (err == 0)
        err = buf_append_char(&e->line, '\r');
    return err == 0 ? export_line(e) : err;
}

#define CSV_COLUMNS                                                                                                    \
    "url_id,url,redirect_to,status,fetched_at,fetch_ms,content_type,charset,title,description,language,body_bytes,digest,"      \
    "payload_digest,simhash,etag,last_modified,outcome,error,warc_file,warc_offset,warc_bytes,withheld"

static int
export_csv(struct export *e)
{
    int err = buf_append_str(&e->line, CSV_COLUMNS "\r");

    if (err == 0)
        err = export_line(e);
    return err == 0 ? each_row(e, "SELECT " CSV_COLUMNS " FROM main.page ORDER BY url_id", csv_row) : err;
}

/* --- links ---------------------------------------------------------------------------------------------------------- */

static const char *
reason_name(const struct export *e, int reason)
{
    static const char *const own[] = { "nofollow", "asset", "policy", "not_http" };
    const struct sql_conf *conf = sql_conf(e->sql);
    const char *name;

    if (reason == 0)
        return "";
    if (reason >= RECORD_LINK_NOFOLLOW && reason <= RECORD_LINK_NOT_HTTP)
        return own[reason - RECORD_LINK_NOFOLLOW];
    name = conf->outcome_name == NULL ? NULL : conf->outcome_name(reason);
    return name == NULL ? "other" : name;
}

/* URLs are canonical: no tab, no newline stands in one that a parser made; what a damaged row holds is cleaned. */
static int
append_url(struct buf *out, struct slice url)
{
    size_t from = out->n;
    int err = text_append_clean(out, url);

    for (; err == 0 && from < out->n; from++)
        if ((unsigned char)out->p[from] < 0x20)
            out->p[from] = ' ';
    return err;
}

static int
links_row(struct export *e, struct sqlite3_stmt *stmt)
{
    struct linkblob_reader reader;
    struct record_link link;
    int err = 0;

    linkblob_reader_init(&reader, db_column(stmt, 1));
    while (err == 0 && (err = linkblob_next(&reader, &link)) == 1) {
        err = append_url(&e->line, db_column(stmt, 0));
        if (err == 0)
            err = buf_append_char(&e->line, '\t');
        if (err == 0)
            err = append_url(&e->line, link.url);
        if (err == 0)
            err = buf_printf(&e->line, "\t%s\t%s\t%s", kind_name(e, link.kind), (link.flags & 1) != 0 ? "nofollow" : "",
                             reason_name(e, link.not_followed));
        if (err == 0)
            err = export_line(e);
    }
    linkblob_reader_fini(&reader);
    return err == ORB_ECORRUPT ? 0 : err;
}

int
export_run(struct export *e, enum export_format format)
{
    int err = ORB_EINVAL;

    buf_init(&e->line, MEM_DEFAULT, BUF_NO_CEILING);
    switch (format) {
    case EXPORT_JSONL: err = each_row(e, "SELECT * FROM main.page ORDER BY url_id", jsonl_row); break;
    case EXPORT_CSV: err = export_csv(e); break;
    case EXPORT_CDXJ: err = export_cdxj(e); break;
    case EXPORT_LINKS: err = each_row(e, "SELECT url, links FROM main.page WHERE links IS NOT NULL ORDER BY url_id", links_row); break;
    case EXPORT_OUTCOMES: err = sql_has_frontier(e->sql) ? export_outcomes(e) : ORB_ENOTFOUND; break;
    default: break;
    }
    buf_fini(&e->line);
    return err;
}
