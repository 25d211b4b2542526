/* sitemap.c - bytes -> entries: gzip off, UTF-8, XML or lines, canonical URLs */
#include "crawler/sitemap.h"

#include "crawler/charset.h"
#include "crawler/decode.h"
#include "crawler/sitemap_xml.h"

#define ARENA_CHUNK_BYTES ((size_t)16 * 1024)
#define ARENA_MAX_BYTES ((size_t)4 * SITEMAP_MAX_BYTES)
#define FIRST_ENTRIES 16
#define HEAD_BYTES 4096 /* what may stand before the XML (a warning of the server's program) */
#define STOP_FULL 1     /* a callback's return: no more entries fit */

struct reader {
    struct sitemap *out;
    const struct url *base;
    struct url url;        /* scratch, so that its buffer is used again */
    size_t entry_start;    /* first entry of the element we are in */
    struct slice date;     /* of that element, still without a location */
};

void
sitemap_init(struct sitemap *s)
{
    *s = (struct sitemap){ 0 };
    arena_init(&s->arena, MEM_PAGE, ARENA_CHUNK_BYTES, ARENA_MAX_BYTES);
}

void
sitemap_fini(struct sitemap *s)
{
    MEM_FREE(MEM_PAGE, &s->entries);
    arena_fini(&s->arena);
    sitemap_init(s);
}

bool
sitemap_sniff(struct slice body)
{
    struct slice head = slice_sub(body, 0, HEAD_BYTES);

    for (size_t i = 0; i < head.n; i++) {
        struct slice name, at = slice_sub(head, i + 1, SIZE_MAX);
        size_t n = 0;

        if (head.p[i] != '<')
            continue;
        while (n < at.n && (((at.p[n] | 0x20) >= 'a' && (at.p[n] | 0x20) <= 'z') || (at.p[n] >= '0' && at.p[n] <= '9')))
            n++;
        if (n < at.n && at.p[n] == ':') { /* a prefix */
            at = slice_sub(at, n + 1, SIZE_MAX);
            n = 0;
            while (n < at.n && (at.p[n] | 0x20) >= 'a' && (at.p[n] | 0x20) <= 'z')
                n++;
        }
        name = slice_sub(at, 0, n);
        if (slice_eq_nocase(name, SLICE_LITERAL("urlset")) || slice_eq_nocase(name, SLICE_LITERAL("sitemapindex")))
            return true;
        if (n > 0)
            return false; /* the root is something else */
    }
    return false;
}

/* How many bytes of Unicode white space (White_Space, U+200B, U+FEFF) the text begins or ends with. */
static size_t
blank_bytes(struct slice s, bool at_end)
{
    static const char *const blanks[] = {
        " ", "\t", "\n", "\r", "\f", "\v", "\xC2\x85", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\xA8", "\xE2\x80\xA9",
        "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80", "\xEF\xBB\xBF",
    };
    struct slice last = at_end && s.n >= 3 ? slice_sub(s, s.n - 3, 3) : slice_sub(s, 0, 3);

    for (size_t i = 0; i < ORB_N_ELEMENTS(blanks); i++)
        if (at_end ? slice_ends_with(s, slice_str(blanks[i])) : slice_starts_with(s, slice_str(blanks[i])))
            return strlen(blanks[i]);
    return last.n == 3 && last.p[0] == '\xE2' && last.p[1] == '\x80' && (unsigned char)last.p[2] <= 0x8B ? 3 : 0;
}

static struct slice
text_trim(struct slice s)
{
    size_t n;

    while (s.n > 0 && (n = blank_bytes(s, false)) > 0)
        s = slice_sub(s, n, SIZE_MAX);
    while (s.n > 0 && (n = blank_bytes(s, true)) > 0)
        s.n -= n;
    return s;
}

static int
entries_grow(struct sitemap *s)
{
    size_t cap = ORB_MIN(s->cap_entries == 0 ? FIRST_ENTRIES : s->cap_entries * 2, (size_t)SITEMAP_MAX_ENTRIES);
    struct sitemap_entry *grown = mem_realloc(MEM_PAGE, s->entries, cap * sizeof *grown);

    if (grown == NULL)
        return ORB_ENOMEM;
    s->entries = grown;
    s->cap_entries = cap;
    return 0;
}

static int
cut(struct sitemap *s)
{
    s->is_cut = true;
    return STOP_FULL;
}

static int
entry_add(struct reader *r, bool is_sitemap)
{
    struct sitemap *s = r->out;
    struct slice href;
    char *loc;

    if (s->n_entries == SITEMAP_MAX_ENTRIES)
        return cut(s);
    if (s->n_entries == s->cap_entries && entries_grow(s) != 0)
        return ORB_ENOMEM;
    url_drop_fragment(&r->url);
    href = url_href(&r->url);
    if (s->arena.used_bytes + href.n + 16 > ARENA_MAX_BYTES)
        return cut(s);
    loc = arena_dup(&s->arena, href);
    if (loc == NULL)
        return ORB_ENOMEM;
    s->entries[s->n_entries++] = (struct sitemap_entry){ { loc, href.n }, r->date, is_sitemap };
    r->date = SLICE_NONE;
    return 0;
}

static int
on_entry(void *arg)
{
    struct reader *r = arg;

    r->entry_start = r->out->n_entries;
    r->date = SLICE_NONE;
    return 0;
}

static int
on_location(void *arg, struct slice text, enum sitemap_item item)
{
    struct reader *r = arg;
    int err = url_parse(&r->url, text_trim(text), item == SITEMAP_FEED_LINK ? r->base : NULL);

    if (err == ORB_ENOMEM)
        return err;
    return err == 0 && url_is_http(&r->url) ? entry_add(r, item == SITEMAP_SITEMAP) : 0;
}

static int
on_date(void *arg, struct slice text)
{
    struct reader *r = arg;
    struct sitemap *s = r->out;
    char *copy;

    text = text_trim(text);
    if (text.n == 0 || text.n > SITEMAP_MAX_LASTMOD_BYTES)
        return 0;
    copy = arena_dup(&s->arena, text);
    if (copy == NULL)
        return ORB_ENOMEM;
    text.p = copy;
    if (r->entry_start == s->n_entries)
        r->date = text;
    for (size_t i = r->entry_start; i < s->n_entries; i++)
        if (s->entries[i].lastmod.n == 0)
            s->entries[i].lastmod = text;
    return 0;
}

static int
lines_read(struct reader *r, struct slice rest)
{
    int err = 0;

    while (rest.n > 0 && err == 0) {
        size_t n = 0;

        while (n < rest.n && rest.p[n] != '\n' && rest.p[n] != '\r')
            n++;
        err = on_location(r, slice_sub(rest, 0, n), SITEMAP_PAGE);
        rest = slice_sub(rest, n + 1, SIZE_MAX);
    }
    return err;
}

/* Where the XML begins, at the top or behind some other output; empty: this is no XML. */
static struct slice
xml_find(struct slice text)
{
    static const char *const starts[] = { "<?xml", "<urlset", "<sitemapindex" };

    text = text_trim(text);
    if (text.n > 0 && text.p[0] == '<')
        return text;
    for (size_t i = 0; i < ORB_N_ELEMENTS(starts); i++) {
        const char *at = text.n > 0 ? memmem(text.p, ORB_MIN(text.n, HEAD_BYTES), starts[i], strlen(starts[i])) : NULL;
        if (at != NULL)
            return slice_sub(text, (size_t)(at - text.p), SIZE_MAX);
    }
    return SLICE_NONE;
}

/* The encoding that an XML declaration names. */
static const struct charset *
charset_declared(struct slice body)
{
    struct slice head = slice_sub(body, 0, 256);
    const char *at = head.n > 0 ? memmem(head.p, head.n, "encoding", 8) : NULL, *close;

    if (at == NULL)
        return NULL;
    head = slice_trim(slice_sub(head, (size_t)(at - head.p) + 8, SIZE_MAX));
    if (head.n == 0 || head.p[0] != '=')
        return NULL;
    head = slice_trim(slice_sub(head, 1, SIZE_MAX));
    if (head.n == 0 || (head.p[0] != '"' && head.p[0] != '\''))
        return NULL;
    close = memchr(head.p + 1, head.p[0], head.n - 1);
    return close == NULL ? NULL : charset_find(slice_of(head.p + 1, (size_t)(close - head.p) - 1));
}

/* BOM, or UTF-16 by its look; then UTF-8 if it can be; then what the file says, then what the server says. */
static int
text_decode(struct buf *out, struct slice body, struct slice content_type, struct slice *text)
{
    struct charset_scan scan = charset_scan(body);
    struct charset_verdict verdict = charset_detect(body, content_type, scan);
    const struct charset *charset = verdict.charset;

    *text = slice_sub(body, verdict.bom_bytes * (size_t)(verdict.source == CHARSET_BOM), SIZE_MAX);
    if (verdict.source != CHARSET_BOM) {
        const struct charset *declared = charset_as_declared(charset_declared(body));

        if (slice_starts_with(body, slice_of("<\0?\0", 4)))
            charset = charset_find(SLICE_LITERAL("utf-16le"));
        else if (slice_starts_with(body, slice_of("\0<\0?", 4)))
            charset = charset_find(SLICE_LITERAL("utf-16be"));
        else if (scan.is_ascii || scan.is_utf8)
            charset = charset_utf8();
        else if (declared != NULL && !charset_is_utf8(declared))
            charset = declared;
    }
    if (charset_is_utf8(charset) && (scan.is_ascii || scan.is_utf8) && !scan.has_nul)
        return 0;
    {
        int err = charset_decode(charset, *text, out);
        *text = buf_slice(out);
        return err;
    }
}

static int
text_read(struct reader *r, struct slice text)
{
    const struct sitemap_sink sink = { on_entry, on_location, on_date, r };
    struct slice xml = xml_find(text);

    return xml.n > 0 ? sitemap_xml_parse(xml, &sink, &r->out->is_damaged) : lines_read(r, text);
}

/* Takes one layer of gzip off. */
static int
gzip_open(struct sitemap *s, struct buf *out, struct slice *body)
{
    enum outcome outcome;

    if (!slice_starts_with(*body, SLICE_LITERAL("\x1F\x8B")))
        return 0;
    outcome = decode_content(out, *body, SLICE_LITERAL("gzip"), SITEMAP_MAX_BYTES, body, NULL);
    s->is_cut = outcome == OUTCOME_DECODED_TOO_LARGE;
    s->is_damaged = outcome != OUTCOME_OK && !s->is_cut;
    return outcome == OUTCOME_TOO_MUCH_MEMORY ? ORB_ENOMEM : 0;
}

int
sitemap_parse(struct sitemap *out, const struct url *url, struct slice content_type, struct slice body)
{
    struct reader r = { .out = out, .base = url };
    struct buf decoded, utf8;
    struct slice text = SLICE_NONE;
    bool is_damaged;
    int err;

    sitemap_fini(out);
    url_init(&r.url, MEM_PAGE);
    buf_init(&decoded, MEM_BUF, BUF_NO_CEILING);
    buf_init(&utf8, MEM_BUF, SITEMAP_MAX_BYTES);
    err = gzip_open(out, &decoded, &body);
    is_damaged = out->is_damaged;
    if (body.n > SITEMAP_MAX_BYTES) {
        out->is_cut = true;
        body.n = SITEMAP_MAX_BYTES;
    }
    if (slice_starts_with(body, slice_of("\0\0", 2))) { /* no text in any encoding: each NUL would become three bytes */
        out->is_damaged = is_damaged = true;
        body = SLICE_NONE;
    }
    if (err == 0 && body.n > 0)
        err = text_decode(&utf8, body, content_type, &text);
    if (err == ORB_ETOOBIG) {
        out->is_cut = true;
        err = 0;
    }
    if (err == 0)
        err = text_read(&r, text);
    out->is_damaged |= is_damaged;
    buf_fini(&utf8);
    buf_fini(&decoded);
    url_fini(&r.url);
    if (err >= 0)
        return 0;
    sitemap_fini(out);
    return err;
}
