/* page.c - a page's birth, its head, its seal
 *
 *             page_new        page_read_head           page_seal            last page_unref
 *   nothing ------------> FILLING --------> FILLING ------------> READ-ONLY ----------------> nothing
 *                 head and wire_body grow         payload, body, outcome
 */
#include "crawler/page.h"

#include "crawler/decode.h"

#include <stdio.h>

#define PAGE_HEAD_BYTES 1024 /* most heads are smaller */
#define PAGE_ARENA_BYTES 1024

static void
page_release(struct object *o)
{
    struct page *p = (struct page *)(void *)o;

    buf_fini(&p->request);
    buf_fini(&p->head);
    buf_fini(&p->wire_body);
    buf_fini(&p->payload_buf);
    buf_fini(&p->body_buf);
    arena_fini(&p->arena);
}

/* The next line without its end; false: there is none. */
static bool
line_next(struct slice *rest, struct slice *line)
{
    const char *end;

    if (rest->n == 0)
        return false;
    end = memchr(rest->p, '\n', rest->n);
    *line = slice_of(rest->p, end == NULL ? rest->n : (size_t)(end - rest->p));
    *rest = slice_sub(*rest, line->n + (end != NULL), rest->n);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static size_t
page_owned_bytes(const struct object *o)
{
    const struct page *p = (const struct page *)(const void *)o;
    const struct buf *bufs[] = { &p->request, &p->head, &p->wire_body, &p->payload_buf, &p->body_buf };
    size_t n = arena_held_bytes(&p->arena);

    for (size_t i = 0; i < ORB_N_ELEMENTS(bufs); i++)
        n += bufs[i]->p == NULL ? 0 : mem_usable_bytes(bufs[i]->p);
    return n;
}

/* "200 GET /a HTTP/1.1 of example.org": what was asked, for people. */
static void
page_describe(const struct object *o, char *to, size_t cap)
{
    const struct page *p = (const struct page *)(const void *)o;
    struct slice rest = buf_slice(&p->request), line, first = SLICE_NONE, host = SLICE_NONE;
    char status[16] = "";

    for (bool is_first = true; line_next(&rest, &line); is_first = false) {
        if (is_first)
            first = line;
        else if (line.n > 6 && strncasecmp(line.p, "host: ", 6) == 0)
            host = slice_sub(line, 6, line.n);
    }
    if (p->status != 0) /* its answer has begun */
        snprintf(status, sizeof status, "%d ", p->status);
    snprintf(to, cap, "%s" SLICE_FMT " of " SLICE_FMT, status, SLICE_ARG(slice_sub(first, 0, 200)), SLICE_ARG(slice_sub(host, 0, 200)));
}

struct object_type page_type = {
    .name = "Page",
    .object_bytes = sizeof(struct page),
    .lifetime_ms = PAGE_LIFETIME_MS,
    .flags = OBJECT_ACYCLIC,
    .release = page_release,
    .owned_bytes = page_owned_bytes,
    .describe = page_describe,
};

struct page *
page_new(size_t max_header_bytes, size_t max_body_bytes, size_t max_decoded_bytes)
{
    struct page *p = OBJECT_NEW(&page_type);

    if (p == NULL)
        return NULL;
    arena_init(&p->arena, MEM_PAGE, PAGE_ARENA_BYTES, 6 * max_header_bytes + 16 * PAGE_ARENA_BYTES); /* see value_join() */
    buf_init(&p->request, MEM_PAGE, BUF_NO_CEILING);
    buf_init(&p->head, MEM_PAGE, max_header_bytes);
    buf_init(&p->wire_body, MEM_BUF, max_body_bytes);
    buf_init(&p->payload_buf, MEM_BUF, max_body_bytes);
    buf_init(&p->body_buf, MEM_BUF, max_decoded_bytes);
    p->content_length = -1;
    if (buf_reserve(&p->head, ORB_MIN(PAGE_HEAD_BYTES, max_header_bytes)) != 0)
        page_unref(&p);
    return p;
}

void
page_unref(struct page **page)
{
    struct object *o;

    if (*page == NULL)
        return;
    CHECK_OBJECT(*page, &page_type);
    o = &(*page)->object;
    *page = NULL;
    object_unref(&o);
}

void
page_fail(struct page *p, enum outcome outcome, const char *fmt, ...)
{
    va_list ap;

    p->outcome = outcome;
    va_start(ap, fmt);
    vsnprintf(p->error, sizeof p->error, fmt, ap);
    va_end(ap);
    for (char *c = p->error; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* --- the head --- */

struct head_field {
    const char *name;
    uint16_t name_bytes;
    uint16_t offset;   /* of the slice in struct page */
    const char *joint; /* between values; NULL = the first one counts */
};

#define FIELD(text, member, joint_text) { text, sizeof(text) - 1, offsetof(struct page, member), joint_text }
static const struct head_field head_fields[] = {
    FIELD("content-type", content_type, NULL),
    FIELD("content-encoding", content_encoding, ", "),
    FIELD("content-language", content_language, ", "),
    FIELD("transfer-encoding", transfer_encoding, ", "),
    FIELD("location", location, NULL),
    FIELD("etag", etag, NULL),
    FIELD("last-modified", last_modified, NULL),
    FIELD("retry-after", retry_after, NULL),
    FIELD("x-robots-tag", x_robots_tag, "\n"),
    FIELD("link", link, ", "),
    FIELD("set-cookie", set_cookie, "\n"),
};
#undef FIELD

/* Room for joined text of n bytes: doublings, so that a field of a thousand lines is not copied a thousand times. */
static size_t
room_for(size_t n)
{
    size_t room = 256;

    while (room < n)
        room *= 2;
    return room;
}

/* One more value for a field; `joint` between it and what was there. A single value is BORROWED from the head. */
static int
value_join(struct page *p, struct slice *field, const char *joint, struct slice value)
{
    size_t joint_bytes = strlen(joint), n = field->n + joint_bytes + value.n;
    bool is_joined = field->p < p->head.p || field->p > p->head.p + p->head.n;
    char *text = (char *)(uintptr_t)field->p;

    if (!is_joined || room_for(field->n) != room_for(n)) {
        text = arena_alloc(&p->arena, room_for(n));
        if (text == NULL)
            return ORB_ENOMEM;
        memcpy(text, field->p, field->n);
    }
    memcpy(text + field->n, joint, joint_bytes);
    memcpy(text + field->n + joint_bytes, value.p, value.n);
    *field = slice_of(text, n);
    return 0;
}

static int64_t
content_length_of(struct slice value)
{
    int64_t n = 0;

    if (value.n == 0 || value.n > 18)
        return -1;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return -1;
        n = n * 10 + (value.p[i] - '0');
    }
    return n;
}

/* RFC 9112 section 6.3: lengths that differ cannot be recovered from. */
static int
content_length_read(struct page *p, struct slice value)
{
    int64_t n = content_length_of(value);

    if (p->content_length >= 0 && n != p->content_length)
        return ORB_EINVAL;
    p->content_length = n;
    return 0;
}

/* One field line; *last is the slice that a folded line after it continues (NULL: a field that nobody asks for). */
static int
field_read(struct page *p, struct slice line, struct slice **last)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct slice name, value, *field;

    *last = NULL;
    if (colon == NULL)
        return 0;
    name = slice_of(line.p, (size_t)(colon - line.p));
    value = slice_trim(slice_sub(line, name.n + 1, line.n));
    if (slice_eq_nocase(name, SLICE_LITERAL("content-length")))
        return content_length_read(p, value);
    for (size_t i = 0; i < ORB_N_ELEMENTS(head_fields); i++) {
        const struct head_field *f = &head_fields[i];
        if (f->name_bytes != name.n || strncasecmp(f->name, name.p, name.n) != 0)
            continue;
        field = (struct slice *)(void *)((char *)p + f->offset);
        if (field->p == NULL)
            *field = value;
        else if (f->joint == NULL)
            return 0;
        else if (value_join(p, field, f->joint, value) != 0)
            return ORB_ENOMEM;
        *last = field;
        return 0;
    }
    return 0;
}

/* "HTTP/1.1 200 OK": RFC 9112 section 4; the reason may be absent. */
static int
status_line_read(struct page *p, struct slice line)
{
    int status = 0;
    size_t i = 5;

    if (!slice_starts_with(line, SLICE_LITERAL("HTTP/")))
        return ORB_EINVAL;
    while (i < line.n && line.p[i] != ' ')
        i++;
    p->http_version = line.n > 7 && line.p[5] == '1' && line.p[7] == '0' ? 10 : line.p[5] == '2' ? 20 : 11;
    while (i < line.n && line.p[i] == ' ')
        i++;
    if (i + 3 > line.n)
        return ORB_EINVAL;
    for (size_t k = i; k < i + 3; k++) {
        if (line.p[k] < '0' || line.p[k] > '9')
            return ORB_EINVAL;
        status = status * 10 + (line.p[k] - '0');
    }
    p->status = status;
    return 0;
}

/* Whether `token` is the last of a comma-separated list. */
static bool
list_ends_in(struct slice list, const char *token)
{
    size_t i = list.n;

    while (i > 0 && list.p[i - 1] != ',')
        i--;
    return slice_eq_nocase(slice_trim(slice_sub(list, i, list.n)), slice_str(token));
}

/* An interim answer's fields are not the final one's. */
static void
head_forget(struct page *p)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(head_fields); i++)
        *(struct slice *)(void *)((char *)p + head_fields[i].offset) = SLICE_NONE;
    p->content_length = -1;
    arena_reset(&p->arena);
}

int
page_read_head(struct page *p)
{
    struct slice rest = buf_slice(&p->head), line, *last = NULL;
    int err;

    head_forget(p);
    if (!line_next(&rest, &line) || status_line_read(p, line) != 0)
        return ORB_EINVAL;
    while (line_next(&rest, &line) && line.n > 0) {
        if (line.p[0] == ' ' || line.p[0] == '\t')
            err = last == NULL ? 0 : value_join(p, last, " ", slice_trim(line)); /* obs-fold */
        else
            err = field_read(p, line, &last);
        if (err != 0)
            return err;
    }
    p->is_chunked = p->http_version != 20 && list_ends_in(p->transfer_encoding, "chunked");
    return 0;
}

/* --- the seal --- */

/* What stands between the last chunk and the empty line that ends a chunked body; empty when it does not end. */
static struct slice
trailers_find(struct slice wire)
{
    struct slice line;

    while (line_next(&wire, &line)) {
        size_t n = 0, i = 0;
        for (; i < line.n && i < 15; i++) {
            char c = line.p[i] | 0x20;
            if (line.p[i] >= '0' && line.p[i] <= '9')
                n = n * 16 + (size_t)(line.p[i] - '0');
            else if (c >= 'a' && c <= 'f')
                n = n * 16 + (size_t)(c - 'a' + 10);
            else
                break;
        }
        if (i == 0)
            break;
        if (n == 0) {
            const char *start = wire.p;
            while (line_next(&wire, &line))
                if (line.n == 0)
                    return slice_of(start, (size_t)(line.p - start));
            break;
        }
        wire = slice_sub(wire, n, wire.n);
        if (!line_next(&wire, &line) || line.n != 0)
            break;
    }
    return SLICE_NONE;
}

/* A body that cannot be read fails a page that was fine; other outcomes only get the remark. */
static void
body_failed(struct page *p, enum outcome outcome, const char *what, struct slice detail)
{
    if (p->truncated != NULL && outcome == OUTCOME_TRUNCATED)
        return; /* known: it was cut by us or by the peer */
    if (p->outcome == OUTCOME_OK || p->error[0] == '\0')
        page_fail(p, p->outcome == OUTCOME_OK ? outcome : p->outcome, "%s" SLICE_FMT, what,
                  (int)ORB_MIN(detail.n, (size_t)80), detail.p);
    if (outcome == OUTCOME_TRUNCATED)
        p->truncated = "disconnect";
}

static void
chunks_remove(struct page *p)
{
    bool is_truncated = false;
    enum outcome outcome = decode_chunked(&p->payload_buf, buf_slice(&p->wire_body), p->payload_buf.ceiling_bytes,
                                          &is_truncated);

    p->payload = buf_slice(&p->payload_buf);
    if (outcome == OUTCOME_PROTOCOL)
        body_failed(p, outcome, "the chunked body is malformed", SLICE_LITERAL(""));
    else if (outcome != OUTCOME_OK)
        body_failed(p, outcome, "no room for the body", SLICE_LITERAL(""));
    else if (is_truncated)
        body_failed(p, OUTCOME_TRUNCATED, "the last chunk is missing", SLICE_LITERAL(""));
    else
        p->trailers = trailers_find(buf_slice(&p->wire_body));
}

static const char *
decode_sentence(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DECODED_TOO_LARGE: return "too much comes out of Content-Encoding: ";
    case OUTCOME_DECODE_FAILED: return "damaged Content-Encoding: ";
    case OUTCOME_UNSUPPORTED_ENCODING: return "unknown Content-Encoding: ";
    case OUTCOME_TRUNCATED: return "the bytes end early of Content-Encoding: ";
    default: return "no memory for Content-Encoding: ";
    }
}

/* Content-Encoding, then what Transfer-Encoding names beside "chunked" (nobody asked for it, but it was applied last). */
static struct slice
encodings_of(struct page *p)
{
    struct slice te = p->transfer_encoding, all = p->content_encoding;

    if (te.n == 0 || p->http_version == 20)
        return all;
    if (p->is_chunked) {
        while (te.n > 0 && te.p[te.n - 1] != ',')
            te.n--;
        te.n -= te.n > 0;
    }
    if (slice_trim(te).n == 0)
        return all;
    if (all.n == 0)
        return te;
    return value_join(p, &all, ", ", te) == 0 ? all : p->content_encoding;
}

void
page_seal(struct page *p, size_t max_decoded_bytes)
{
    struct slice encodings;
    enum outcome outcome;

    CHECK_OBJECT(p, &page_type);
    p->payload = buf_slice(&p->wire_body);
    if (p->wire_body.n == 0 && !(p->is_chunked && p->outcome == OUTCOME_OK))
        return;
    if (p->is_chunked)
        chunks_remove(p);
    p->body = p->payload;
    encodings = encodings_of(p);
    if (encodings.n == 0 || p->payload.n == 0)
        return;
    outcome = decode_content(&p->body_buf, p->payload, encodings, max_decoded_bytes, &p->body, &p->is_mislabelled);
    if (outcome != OUTCOME_OK)
        body_failed(p, outcome, decode_sentence(outcome), encodings);
    if (outcome != OUTCOME_OK && outcome != OUTCOME_TRUNCATED) {
        p->body = SLICE_NONE;
        buf_fini(&p->body_buf); /* a bomb's 64 MiB are not kept until the page is stored */
    }
}
