#include "cluster/export_text.h"

#include "cluster/stored_page.h"
#include "crawler/charset.h"
#include "crawler/html.h"
#include "storage/text.h"

struct text_export {
    struct export *e;
    struct page_bytes bytes;
    struct buf utf8, text, line;
    uint64_t n_unreadable;
    int err;                /* of a callback */
};

static bool
is_html(struct slice content_type)
{
    return strncasecmp(content_type.p == NULL ? "" : content_type.p, "text/html", ORB_MIN(content_type.n, (size_t)9)) == 0
           ? content_type.n >= 9
           : content_type.n >= 21 && strncasecmp(content_type.p, "application/xhtml+xml", 21) == 0;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* Runs of blanks become one; pieces that markup divides are kept apart by one. */
static void
on_text(void *arg, struct slice piece, bool is_apart)
{
    struct text_export *t = arg;
    size_t i = 0;

    if (is_apart && t->err == 0 && t->text.n > 0 && !is_blank(t->text.p[t->text.n - 1]))
        t->err = buf_append_char(&t->text, ' ');
    while (i < piece.n && t->err == 0) {
        size_t from = i;

        if (is_blank(piece.p[i])) {
            while (i < piece.n && is_blank(piece.p[i]))
                i++;
            if (t->text.n > 0 && t->text.p[t->text.n - 1] != ' ')
                t->err = buf_append_char(&t->text, ' ');
            continue;
        }
        while (i < piece.n && !is_blank(piece.p[i]))
            i++;
        t->err = buf_append(&t->text, piece.p + from, i - from);
    }
}

static int
text_of(struct text_export *t, struct slice body, struct slice content_type)
{
    const struct html_events events = { .text = on_text, .arg = t };
    struct charset_verdict verdict = charset_detect(body, content_type, charset_scan(body));
    int err;

    buf_clear(&t->utf8);
    buf_clear(&t->text);
    err = charset_decode(verdict.charset, slice_sub(body, verdict.bom_bytes, SIZE_MAX), &t->utf8);
    t->err = 0;
    if (err == 0)
        err = html_parse(buf_slice(&t->utf8), &events);
    return err == 0 ? t->err : err;
}

static int
write_text(struct text_export *t, struct slice url)
{
    int err;

    buf_clear(&t->line);
    err = buf_append_str(&t->line, "{\"url\": ");
    if (err == 0)
        err = text_append_json(&t->line, url);
    if (err == 0)
        err = buf_append_str(&t->line, ", \"text\": ");
    if (err == 0)
        err = text_append_json(&t->line, slice_trim(buf_slice(&t->text)));
    if (err == 0)
        err = buf_append_str(&t->line, "}\n");
    return err == 0 ? t->e->write(t->e->arg, t->line.p, t->line.n) : err;
}

static int
on_page(void *arg, struct slice url, struct slice content_type, const struct page_place *place)
{
    struct text_export *t = arg;
    struct page *p = NULL;
    int err;

    if (!is_html(content_type))
        return 0;
    err = page_read(t->e->dir, place, true, &t->bytes);
    if (err == 0)
        err = stored_page_make(&p, &t->bytes);
    if (err == 0)
        err = text_of(t, p->body, content_type);
    page_unref(&p);
    if (err == ORB_ECORRUPT || err == ORB_EINVAL || err == ORB_ETOOBIG) {
        t->n_unreadable++;
        return 0;
    }
    return err == 0 ? write_text(t, url) : err;
}

int
export_text(struct export *e, uint64_t *n_unreadable)
{
    struct text_export t = { .e = e };
    int err;

    page_bytes_init(&t.bytes);
    buf_init(&t.utf8, MEM_BUF, 4 * STORED_PAGE_MAX_BYTES);
    buf_init(&t.text, MEM_BUF, 4 * STORED_PAGE_MAX_BYTES);
    buf_init(&t.line, MEM_BUF, BUF_NO_CEILING);
    err = page_each(e->sql, on_page, &t);
    *n_unreadable = t.n_unreadable;
    page_bytes_fini(&t.bytes);
    buf_fini(&t.utf8);
    buf_fini(&t.text);
    buf_fini(&t.line);
    return err;
}
