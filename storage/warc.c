#include "storage/warc.h"

#include "storage/gzip.h"
#include "storage/warc_file.h"
#include "storage/warc_head.h"
#include "storage/warc_seen.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#define WARC_MAGIC 0x77617263u
#define HTTP_REQUEST SLICE_LITERAL("application/http;msgtype=request")
#define HTTP_RESPONSE SLICE_LITERAL("application/http;msgtype=response")
#define WARC_FIELDS SLICE_LITERAL("application/warc-fields")
#define MAX_PARTS 6

struct warc {
    uint32_t magic;
    struct warc_file file;
    struct gzip *gzip;
    struct warc_seen seen;
    struct buf head, block;       /* of the record being written */
    uint64_t max_bytes;
    unsigned slot, serial;
    char *crawl, *software, *contact, *user_agent; /* NULL = left out */
    char warcinfo_id[WARC_ID_BYTES];
};

/* What one record is made of; its head is gathered in w->head. */
struct draft {
    struct slice block[MAX_PARTS - 2]; /* the last one may be compressed already */
    unsigned n_block;
    bool is_body_compressed;
};

/* --- life ----------------------------------------------------------------------------------------------------------- */

static int
keep_text(char **out, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return 0;
    *out = mem_strdup(MEM_DEFAULT, text);
    return *out == NULL ? ORB_ENOMEM : 0;
}

int
warc_open(struct warc **out, const struct warc_conf *conf)
{
    struct warc *w = mem_zalloc(MEM_DEFAULT, sizeof *w);
    int err;

    if (w == NULL)
        return ORB_ENOMEM;
    w->magic = WARC_MAGIC;
    w->slot = conf->slot;
    w->max_bytes = conf->max_bytes == 0 ? WARC_DEFAULT_MAX_BYTES : conf->max_bytes;
    buf_init_kept(&w->head, MEM_BUF, 1024 * 1024);
    buf_init_kept(&w->block, MEM_BUF, 1024 * 1024);
    warc_seen_init(&w->seen);
    err = warc_file_init(&w->file, conf->dir);
    if (err == 0)
        err = gzip_new(&w->gzip);
    if (err == 0)
        err = keep_text(&w->crawl, conf->crawl == NULL ? "crawl" : conf->crawl);
    if (err == 0)
        err = keep_text(&w->software, conf->software);
    if (err == 0)
        err = keep_text(&w->contact, conf->contact);
    if (err == 0)
        err = keep_text(&w->user_agent, conf->user_agent);
    if (err != 0) {
        warc_close(&w);
        return err;
    }
    *out = w;
    return 0;
}

void
warc_close(struct warc **wp)
{
    struct warc *w = *wp;

    if (w == NULL)
        return;
    CHECK_IS(w, WARC_MAGIC);
    warc_file_fini(&w->file);
    gzip_free(&w->gzip);
    warc_seen_fini(&w->seen);
    buf_fini(&w->head);
    buf_fini(&w->block);
    mem_free(MEM_DEFAULT, w->crawl);
    mem_free(MEM_DEFAULT, w->software);
    mem_free(MEM_DEFAULT, w->contact);
    mem_free(MEM_DEFAULT, w->user_agent);
    w->magic = 0;
    MEM_FREE(MEM_DEFAULT, wp);
}

uint64_t
warc_end(const struct warc *w)
{
    return w->file.fd < 0 ? 0 : w->file.good_bytes;
}

/* --- one record ----------------------------------------------------------------------------------------------------- */

static int
head_begin(struct warc *w, const char *type, const char *id, uint64_t date_ms)
{
    char date[WARC_DATE_BYTES];
    int err;

    buf_clear(&w->head);
    warc_date(date_ms, date);
    err = buf_append_str(&w->head, "WARC/1.1\r\n");
    if (err == 0)
        err = warc_field(&w->head, "WARC-Type", slice_str(type));
    if (err == 0)
        err = warc_field(&w->head, "WARC-Record-ID", slice_str(id));
    if (err == 0)
        err = warc_field(&w->head, "WARC-Date", slice_str(date));
    return err;
}

/* What all records of one answer share. */
static int
head_of_answer(struct warc *w, const struct record *r, const char *concurrent_id)
{
    bool is_literal = r->remote_address.n > 0;
    int err = warc_field_uri(&w->head, "WARC-Target-URI", r->url);

    for (size_t i = 0; i < r->remote_address.n; i++)
        is_literal &= isxdigit((unsigned char)r->remote_address.p[i]) || r->remote_address.p[i] == '.' || r->remote_address.p[i] == ':';
    if (err == 0)
        err = warc_field(&w->head, "WARC-Warcinfo-ID", slice_str(w->warcinfo_id));
    if (err == 0 && concurrent_id[0] != '\0')
        err = warc_field(&w->head, "WARC-Concurrent-To", slice_str(concurrent_id));
    if (err == 0 && is_literal)
        err = warc_field(&w->head, "WARC-IP-Address", r->remote_address);
    if (err == 0 && r->http_version == 20 && r->head.n > 0)
        err = warc_field(&w->head, "WARC-Protocol", SLICE_LITERAL("h2"));
    return err;
}

/* Ends the head, and writes head, block and the closing empty lines as one member. */
static int
write_draft(struct warc *w, struct slice content_type, const struct draft *d)
{
    struct slice parts[MAX_PARTS];
    char digest[DIGEST_SHA1_TEXT_BYTES];
    size_t n_block = 0;
    unsigned n = 0, n_deflated;
    int err;

    for (unsigned i = 0; i < d->n_block; i++)
        n_block += d->block[i].n;
    digest_sha1_parts(d->block, d->n_block, digest);
    err = warc_field(&w->head, "WARC-Block-Digest", slice_str(digest));
    if (err == 0)
        err = warc_field(&w->head, "Content-Type", content_type);
    if (err == 0)
        err = warc_field_number(&w->head, "Content-Length", n_block);
    if (err == 0)
        err = buf_append(&w->head, "\r\n", 2);
    if (err != 0)
        return err;
    parts[n++] = buf_slice(&w->head);
    for (unsigned i = 0; i < d->n_block; i++)
        parts[n++] = d->block[i];
    n_deflated = d->is_body_compressed ? n - 1 : n + 1;
    parts[n++] = SLICE_LITERAL("\r\n\r\n");
    return gzip_member(w->gzip, parts, n, n_deflated, warc_file_add, &w->file);
}

static int
block_field(struct warc *w, const char *name, const char *value)
{
    return value == NULL ? 0 : warc_field(&w->block, name, slice_str(value));
}

static int
write_warcinfo(struct warc *w, uint64_t now_ms)
{
    struct draft d = { .n_block = 1 };
    int err = warc_id(w->warcinfo_id);

    if (err == 0)
        err = head_begin(w, "warcinfo", w->warcinfo_id, now_ms);
    if (err == 0)
        err = warc_field(&w->head, "WARC-Filename", slice_str(w->file.name));
    buf_clear(&w->block);
    if (err == 0)
        err = block_field(w, "software", w->software);
    if (err == 0)
        err = block_field(w, "operator", w->contact);
    if (err == 0)
        err = block_field(w, "http-header-user-agent", w->user_agent);
    if (err == 0)
        err = block_field(w, "isPartOf", w->crawl);
    if (err == 0)
        err = block_field(w, "format", "WARC File Format 1.1");
    if (err == 0)
        err = block_field(w, "conformsTo", "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/");
    if (err != 0)
        return err;
    d.block[0] = buf_slice(&w->block);
    return write_draft(w, WARC_FIELDS, &d);
}

/* HTTP/2 has no start line in text; readers expect one of HTTP/1.1, which WARC-Protocol puts right. Splits a head into what
 * replaces its beginning (gathered in w->block) and the rest. */
static int
request_parts(struct warc *w, const struct record *r, struct draft *d)
{
    const char *end = memmem(r->request.p, r->request.n, "\r\n", 2);
    size_t n_line = end == NULL ? r->request.n : (size_t)(end - r->request.p);
    struct slice line = slice_sub(r->request, 0, n_line);
    const char *version = line.n > 7 ? memrchr(line.p, ' ', line.n) : NULL;
    int err;

    d->n_block = 2;
    d->block[0] = SLICE_NONE;
    d->block[1] = r->request;
    if (r->http_version != 20 || version == NULL || !slice_starts_with(slice_sub(line, (size_t)(version - line.p), 8), SLICE_LITERAL(" HTTP/2")))
        return 0;
    buf_clear(&w->block);
    err = buf_append(&w->block, line.p, (size_t)(version - line.p));
    if (err == 0)
        err = buf_append_str(&w->block, " HTTP/1.1");
    d->block[0] = buf_slice(&w->block);
    d->block[1] = slice_sub(r->request, n_line, SIZE_MAX);
    return err;
}

static int
response_parts(struct warc *w, const struct record *r, bool has_body, struct draft *d)
{
    const char *end = memmem(r->head.p, r->head.n, "\r\n", 2);
    int err = 0;

    d->n_block = 2;
    d->block[0] = SLICE_NONE;
    d->block[1] = r->head;
    if (r->http_version == 20 && end != NULL) {
        buf_clear(&w->block);
        err = buf_printf(&w->block, "HTTP/1.1 %03d ", ORB_MIN(ORB_MAX(r->status, 0), 999));
        d->block[0] = buf_slice(&w->block);
        d->block[1] = slice_sub(r->head, (size_t)(end - r->head.p), SIZE_MAX);
    }
    if (!has_body)
        return err;
    d->block[d->n_block++] = r->wire_body;
    d->is_body_compressed = r->wire_body.n > 0 && (gzip_is_compressed(r->payload) || slice_eq_nocase(slice_trim(r->content_encoding), SLICE_LITERAL("br")));
    return err;
}

static int
write_request(struct warc *w, const struct record *r, const char *id, const char *concurrent_id)
{
    struct draft d = { 0 };
    int err = head_begin(w, "request", id, r->fetched_at_ms);

    if (err == 0)
        err = head_of_answer(w, r, concurrent_id);
    if (err == 0)
        err = request_parts(w, r, &d);
    return err == 0 ? write_draft(w, HTTP_REQUEST, &d) : err;
}

static int
write_response(struct warc *w, const struct record *r, const char *id, const char *concurrent_id, const char *payload_digest)
{
    struct draft d = { 0 };
    int err = head_begin(w, "response", id, r->fetched_at_ms);

    if (err == 0)
        err = head_of_answer(w, r, concurrent_id);
    if (err == 0)
        err = warc_field(&w->head, "WARC-Payload-Digest", slice_str(payload_digest));
    if (err == 0 && r->truncated != NULL)
        err = warc_field(&w->head, "WARC-Truncated", slice_str(r->truncated));
    if (err == 0)
        err = response_parts(w, r, true, &d);
    return err == 0 ? write_draft(w, HTTP_RESPONSE, &d) : err;
}

/* The block is the head alone; where the payload stands is said by file and offset too, so that nobody needs an index. */
static int
refer_to_seen(struct warc *w, const struct warc_seen_entry *e)
{
    char date[WARC_DATE_BYTES];
    int err;

    warc_date(e->fetched_at_ms, date);
    err = warc_field(&w->head, "WARC-Profile", SLICE_LITERAL(WARC_PROFILE_IDENTICAL));
    if (err == 0)
        err = warc_field(&w->head, "WARC-Refers-To", slice_str(e->record_id));
    if (err == 0)
        err = warc_field_uri(&w->head, "WARC-Refers-To-Target-URI", slice_of(e->url, e->n_url));
    if (err == 0)
        err = warc_field(&w->head, "WARC-Refers-To-Date", slice_str(date));
    if (err == 0)
        err = warc_field(&w->head, "WARC-Refers-To-Filename", slice_str(e->file));
    if (err == 0)
        err = warc_field_number(&w->head, "WARC-Refers-To-File-Offset", e->offset);
    if (err == 0)
        err = warc_field(&w->head, "WARC-Payload-Digest", slice_str(e->digest));
    if (err == 0)
        err = warc_field(&w->head, "WARC-Truncated", SLICE_LITERAL("length"));
    return err;
}

static int
refer_to_stored_page(struct warc *w, const struct record *r, uint64_t refers_to_ms)
{
    char date[WARC_DATE_BYTES];
    int err = warc_field(&w->head, "WARC-Profile", SLICE_LITERAL(WARC_PROFILE_NOT_MODIFIED));

    if (err == 0)
        err = warc_field_uri(&w->head, "WARC-Refers-To-Target-URI", r->url);
    if (err == 0 && refers_to_ms != 0) {
        warc_date(refers_to_ms, date);
        err = warc_field(&w->head, "WARC-Refers-To-Date", slice_str(date));
    }
    return err;
}

static int
write_revisit(struct warc *w, const struct record *r, const char *id, const char *concurrent_id,
              const struct warc_seen_entry *e, uint64_t refers_to_ms)
{
    struct draft d = { 0 };
    int err = head_begin(w, "revisit", id, r->fetched_at_ms);

    if (err == 0)
        err = head_of_answer(w, r, concurrent_id);
    if (err == 0)
        err = e != NULL ? refer_to_seen(w, e) : refer_to_stored_page(w, r, refers_to_ms);
    if (err == 0)
        err = response_parts(w, r, false, &d);
    return err == 0 ? write_draft(w, HTTP_RESPONSE, &d) : err;
}

static int
write_metadata(struct warc *w, const struct record *r, const char *id, const char *concurrent_id)
{
    struct draft d = { .n_block = 1 };
    int err = head_begin(w, "metadata", id, r->fetched_at_ms);

    if (err == 0)
        err = head_of_answer(w, r, concurrent_id);
    buf_clear(&w->block);
    if (err == 0)
        err = warc_field(&w->block, "outcome", r->outcome);
    if (err == 0)
        err = warc_field(&w->block, "error", slice_sub(r->error, 0, 4096));
    if (err == 0)
        err = warc_field_number(&w->block, "fetchTimeMs", r->fetch_ms);
    if (err == 0)
        err = block_field(w, "withheld", record_withheld_name(r->withheld));
    if (err == 0 && r->withheld != RECORD_KEPT)
        err = warc_field_number(&w->block, "status", (uint64_t)ORB_MAX(r->status, 0));
    d.block[0] = buf_slice(&w->block);
    return err == 0 ? write_draft(w, WARC_FIELDS, &d) : err;
}

/* --- one answer ----------------------------------------------------------------------------------------------------- */

static int
open_next_file(struct warc *w, uint64_t now_ms)
{
    char stem[96], crawl[41];
    size_t n = 0;
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;

    if (w->file.fd >= 0 && w->file.good_bytes < w->max_bytes)
        return 0;
    warc_file_close(&w->file);
    for (const char *p = w->crawl; *p != '\0' && n + 1 < sizeof crawl; p++)
        crawl[n++] = isalnum((unsigned char)*p) || *p == '_' ? *p : '-';
    crawl[n] = '\0';
    gmtime_r(&seconds, &tm);
    snprintf(stem, sizeof stem, "orb-%s-%02u-%04d%02d%02d%02d%02d%02d", crawl, w->slot % 100000, (tm.tm_year + 1900) % 10000,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return warc_file_open(&w->file, stem, &w->serial);
}

static int
write_answer(struct warc *w, const struct record *r, uint64_t refers_to_ms, struct warc_place *place, char id[WARC_ID_BYTES])
{
    bool has_answer = slice_starts_with(r->head, SLICE_LITERAL("HTTP/")) && r->withheld == RECORD_KEPT;
    bool has_payload = has_answer && r->payload.n > 0;
    bool is_not_modified = slice_eq(r->outcome, SLICE_LITERAL("not_modified"));
    const struct warc_seen_entry *e = NULL;
    char request_id[WARC_ID_BYTES] = "";
    int err = warc_id(id);

    if (has_payload)
        digest_sha1_text(r->payload, place->payload_digest);
    if (has_payload && r->truncated == NULL)
        e = warc_seen_get(&w->seen, place->payload_digest);
    if (err == 0 && r->request.n > 0) {
        err = warc_id(request_id);
        if (err == 0)
            err = write_request(w, r, request_id, id);
    }
    if (err != 0)
        return err;
    place->offset = warc_file_at(&w->file);
    place->is_revisit = has_answer && (is_not_modified || e != NULL);
    if (!has_answer)
        return write_metadata(w, r, id, request_id);
    if (place->is_revisit)
        return write_revisit(w, r, id, request_id, is_not_modified ? NULL : e, refers_to_ms);
    return write_response(w, r, id, request_id, place->payload_digest);
}

int
warc_put(struct warc *w, const struct record *r, uint64_t refers_to_ms, uint64_t now_ms, struct warc_place *out)
{
    struct warc_place place = { .offset = 0 };
    char id[WARC_ID_BYTES];
    int err;

    CHECK_IS(w, WARC_MAGIC);
    err = open_next_file(w, now_ms);
    if (err != 0)
        return err;
    warc_file_begin(&w->file);
    if (w->file.good_bytes == 0)
        err = write_warcinfo(w, now_ms);
    if (err == 0)
        err = write_answer(w, r, refers_to_ms, &place, id);
    place.bytes = warc_file_at(&w->file) - place.offset;
    if (err == 0)
        err = warc_file_end(&w->file);
    gzip_trim(w->gzip);
    if (err != 0) {
        warc_file_abort(&w->file);
        return err;
    }
    strcpy(place.file, w->file.name);
    if (place.payload_digest[0] != '\0' && !place.is_revisit && r->truncated == NULL)
        warc_seen_put(&w->seen, &place, id, r->url, r->fetched_at_ms);
    *out = place;
    return 0;
}
