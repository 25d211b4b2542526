/* parse.c - one page: type, charset, then passes over the document until nothing new is learnt
 *
 *   charset by BOM, header, meta, guess --> decode --> pass --> done
 *                                             ^          |  <meta charset> overrules a guess     (at most once)
 *                                             +----------+  <base> after relative links          (at most once per charset)
 */
#include "crawler/charset.h"
#include "crawler/html.h"
#include "crawler/links.h"
#include "crawler/parse.h"
#include "crawler/parsed_page.h"
#include "crawler/robots_line.h"
#include "crawler/robots_meta.h"
#include "crawler/simhash.h"

#define ARENA_CHUNK_BYTES (16 * 1024)
#define ARENA_MAX_BYTES (16 * 1024 * 1024)
#define TEXT_MAX_BYTES 4096
#define LEASE_MS 60000 /* a parse does not outlast a turn of the loop */
#define UTF8_KEPT_BYTES (256 * 1024)
#define MAX_PASSES 4 /* base, charset (which forgets the base), base again, and the one that tells */

enum page_type { PAGE_HTML, PAGE_TEXT, PAGE_OTHER };

/* What one page needs and the next can use again. */
struct parse {
    struct parsed *out;
    const struct parse_input *in;
    struct slice agent;          /* our product token */
    struct links links;
    struct buf utf8;             /* the body decoded, where it was not UTF-8 */
    struct simhash simhash;
    struct charset_verdict verdict;
    const struct charset *declared; /* by a <meta> that was met while parsing a guess */
    bool is_again, has_title, has_description;
    bool is_keeping;
    struct parsed_page *kept;    /* NEW */
    int err;
};

static struct pool *parses;

/* ---- the workspace ------------------------------------------------------------------------------------------------ */

static void *
make_parse(void *arg)
{
    struct parse *p = mem_zalloc(MEM_PAGE, sizeof *p);

    if (p == NULL)
        return NULL;
    links_init(&p->links);
    buf_init(&p->utf8, MEM_PAGE, BUF_NO_CEILING);
    return p;
}

static bool
reset_parse(void *thing, void *arg)
{
    struct parse *p = thing;

    links_trim(&p->links);
    buf_clear(&p->utf8);
    buf_trim(&p->utf8, UTF8_KEPT_BYTES);
    return true;
}

static void
destroy_parse(void *thing, void *arg)
{
    struct parse *p = thing;

    links_fini(&p->links);
    buf_fini(&p->utf8);
    mem_free(MEM_PAGE, p);
}

void
parse_fini(void)
{
    pool_free(&parses);
    html_fini();
    charset_fini();
}

void
parsed_init(struct parsed *p)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena, MEM_PAGE, ARENA_CHUNK_BYTES, ARENA_MAX_BYTES);
}

void
parsed_reset(struct parsed *p)
{
    struct arena arena;

    arena_reset(&p->arena);
    arena = p->arena;
    memset(p, 0, sizeof *p);
    p->arena = arena;
}

void
parsed_fini(struct parsed *p)
{
    arena_fini(&p->arena);
    memset(p, 0, sizeof *p);
}

/* ---- type --------------------------------------------------------------------------------------------------------- */

static struct slice
essence_of(struct slice content_type)
{
    const char *end = content_type.n == 0 ? NULL : memchr(content_type.p, ';', content_type.n);

    if (end == NULL && content_type.n > 0)
        end = memchr(content_type.p, ',', content_type.n);
    return slice_trim(end == NULL ? content_type : slice_of(content_type.p, (size_t)(end - content_type.p)));
}

/* https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type, as far as HTML goes. */
static bool
looks_like_html(struct slice body)
{
    static const char *const starts[] = { "<!doctype html", "<html", "<head", "<script", "<iframe", "<h1", "<div", "<font",
                                          "<table", "<a", "<style", "<title", "<b", "<body", "<br", "<p", "<meta", "<link" };

    if (slice_starts_with(body, SLICE_LITERAL("\xEF\xBB\xBF")))
        body = slice_sub(body, 3, body.n);
    body = slice_trim(slice_sub(body, 0, 1024));
    if (slice_starts_with(body, SLICE_LITERAL("<!--")))
        return true;
    for (size_t i = 0; i < ORB_N_ELEMENTS(starts); i++) {
        size_t n = strlen(starts[i]);
        if (body.n > n && strncasecmp(body.p, starts[i], n) == 0 && strchr(" \t\n\f\r>", body.p[n]) != NULL)
            return true;
    }
    return false;
}

/* XML whose root is XHTML's. */
static bool
is_xhtml(struct slice body)
{
    struct slice head = slice_sub(body, 0, 1024);

    return head.n > 0 && memmem(head.p, head.n, "<html", 5) != NULL;
}

static enum page_type
type_of(struct slice content_type, struct slice body)
{
    struct slice type = essence_of(content_type);

    if (slice_eq_nocase(type, SLICE_LITERAL("text/html")) || slice_eq_nocase(type, SLICE_LITERAL("application/xhtml+xml")))
        return PAGE_HTML;
    if (type.n == 0 || memchr(type.p, '/', type.n) == NULL || slice_eq(type, SLICE_LITERAL("*/*"))
        || slice_eq_nocase(type, SLICE_LITERAL("unknown/unknown"))
        || slice_eq_nocase(type, SLICE_LITERAL("application/unknown")))
        return looks_like_html(body) || is_xhtml(body) ? PAGE_HTML : PAGE_OTHER;
    if (slice_eq_nocase(type, SLICE_LITERAL("text/xml")) || slice_eq_nocase(type, SLICE_LITERAL("application/xml"))
        || (type.n > 4 && slice_eq_nocase(slice_sub(type, type.n - 4, 4), SLICE_LITERAL("+xml"))))
        return is_xhtml(body) ? PAGE_HTML : PAGE_TEXT;
    return type.n > 5 && strncasecmp(type.p, "text/", 5) == 0 ? PAGE_TEXT : PAGE_OTHER;
}

/* ---- what elements say -------------------------------------------------------------------------------------------- */

/* A copy with runs of blanks as one, cut at TEXT_MAX_BYTES between two characters. */
static struct slice
collapse(struct parse *p, struct slice s)
{
    char *to;
    size_t n = 0;
    bool is_gap = false;

    s = slice_trim(s);
    if (s.n == 0)
        return SLICE_NONE;
    to = arena_alloc(&p->out->arena, ORB_MIN(s.n, (size_t)TEXT_MAX_BYTES) + 1);
    if (to == NULL) {
        p->err = ORB_ENOMEM;
        return SLICE_NONE;
    }
    for (size_t i = 0; i < s.n && n < TEXT_MAX_BYTES; i++) {
        bool is_blank = (uint8_t)s.p[i] <= ' ';
        if (!is_blank && is_gap && n > 0)
            to[n++] = ' ';
        if (!is_blank && n < TEXT_MAX_BYTES)
            to[n++] = s.p[i];
        is_gap = is_blank;
    }
    if (n == TEXT_MAX_BYTES)
        while (n > 0 && ((uint8_t)to[n - 1] & 0xC0) == 0x80)
            n--;
    if (n > 0 && (uint8_t)to[n - 1] >= 0xC0)
        n--; /* the first byte of a character whose rest was cut */
    to[n] = '\0';
    return slice_of(to, n);
}

/* False: the document must be read anew in another encoding. */
static bool
on_declared_charset(struct parse *p, const struct charset *declared)
{
    declared = charset_as_declared(declared);
    if (declared == NULL || p->verdict.source != CHARSET_GUESSED)
        return true;
    p->verdict.source = CHARSET_META;
    if (declared == p->verdict.charset)
        return true;
    p->declared = declared;
    p->is_again = true;
    return false;
}

static bool
on_http_equiv(struct parse *p, struct slice name, struct slice content)
{
    if (slice_eq_nocase(name, SLICE_LITERAL("refresh")))
        links_refresh(&p->links, content);
    else if (slice_eq_nocase(name, SLICE_LITERAL("content-type")))
        return on_declared_charset(p, charset_of_meta_content(content));
    else if (slice_eq_nocase(name, SLICE_LITERAL("content-language")) && p->out->language.n == 0)
        p->out->language = collapse(p, slice_sub(content, 0, 64));
    return true;
}

static bool
on_meta(struct parse *p, const struct html_attribute *a, unsigned n)
{
    struct slice content = html_attribute(a, n, SLICE_LITERAL("content")), value;

    value = html_attribute(a, n, SLICE_LITERAL("charset"));
    if (value.n > 0 && !on_declared_charset(p, charset_find(value)))
        return false;
    if (content.n == 0)
        return true;
    value = html_attribute(a, n, SLICE_LITERAL("http-equiv"));
    if (value.n > 0 && !on_http_equiv(p, value, content))
        return false;
    value = html_attribute(a, n, SLICE_LITERAL("name"));
    if (value.n == 0)
        return true;
    if (slice_eq_nocase(value, SLICE_LITERAL("robots")) || (p->agent.n > 0 && slice_eq_nocase(value, p->agent))) {
        p->out->policy |= robots_meta_policy(content);
    } else if (!p->has_description && slice_eq_nocase(value, SLICE_LITERAL("description"))) {
        p->has_description = true;
        p->out->description = collapse(p, content);
    }
    return true;
}

static void
on_root(struct parse *p, const struct html_attribute *a, unsigned n)
{
    struct slice lang = html_attribute(a, n, SLICE_LITERAL("lang"));

    if (lang.n == 0)
        lang = html_attribute(a, n, SLICE_LITERAL("xml:lang"));
    if (lang.n > 0)
        p->out->language = collapse(p, slice_sub(lang, 0, 64));
}

static bool
on_start(void *arg, enum html_tag tag, const struct html_attribute *attributes, unsigned n)
{
    struct parse *p = arg;
    bool goes_on = true;

    if (tag == HTML_META)
        goes_on = on_meta(p, attributes, n);
    else if (tag == HTML_HTML)
        on_root(p, attributes, n);
    else if (links_element(&p->links, tag, attributes, n) == LINKS_AGAIN)
        goes_on = false, p->is_again = true;
    if (p->links.err != 0)
        p->err = p->links.err;
    return goes_on && p->err == 0;
}

static void
on_text(void *arg, struct slice text, bool is_apart)
{
    simhash_text(&((struct parse *)arg)->simhash, text, is_apart);
}

static void
on_title(void *arg, struct slice text)
{
    struct parse *p = arg;

    p->out->title = collapse(p, text);
}

/* ---- passes ------------------------------------------------------------------------------------------------------- */

/* The document as UTF-8 without NULs: the body itself where that is what it is. */
static int
to_utf8(struct parse *p, struct charset_scan scan, struct slice *document)
{
    const struct charset *charset = p->verdict.charset;
    struct slice body = slice_sub(p->in->body, p->verdict.bom_bytes, p->in->body.n);
    int err;

    *document = body;
    if (!scan.has_nul && ((charset_is_utf8(charset) && scan.is_utf8) || (scan.is_ascii && charset_is_ascii_superset(charset))))
        return 0;
    buf_clear(&p->utf8);
    err = charset_decode(charset, body, &p->utf8);
    *document = buf_slice(&p->utf8);
    return err;
}

/* Reads the document once. p->is_again: it has to be read anew. */
static int
pass(struct parse *p, struct slice document, bool keeps_base)
{
    struct html_events events = { .start = on_start, .text = on_text, .title = on_title, .arg = p };
    int err;

    events.tags = links_tags(p->in->want_assets) | HTML_BIT(HTML_META) | HTML_BIT(HTML_HTML);
    parsed_reset(p->out);
    p->is_again = p->has_description = false;
    p->err = 0;
    simhash_init(&p->simhash);
    links_begin(&p->links, p->out, p->in, p->verdict.charset, keeps_base);
    err = html_parse(document, &events);
    return p->err != 0 ? p->err : err;
}

static int
read_document(struct parse *p)
{
    struct charset_scan scan = charset_scan(p->in->body);
    struct slice document;
    bool keeps_base = false;
    int err;

    p->verdict = charset_detect(p->in->body, p->in->content_type, scan);
    for (int n = 0; n < MAX_PASSES; n++) {
        p->declared = NULL;
        err = to_utf8(p, scan, &document);
        if (err == 0)
            err = pass(p, document, keeps_base);
        if (err != 0 || !p->is_again)
            return err;
        keeps_base = p->declared == NULL; /* the base that was found; another charset may spell it differently */
        if (p->declared != NULL)
            p->verdict.charset = p->declared;
    }
    CHECK_NEVER("a charset is learnt once, a base once per charset");
}

static void
finish(struct parse *p)
{
    struct parsed *out = p->out;

    out->policy |= robots_header_policy(p->in->x_robots_tag, p->in->user_agent);
    if (out->language.n == 0) {
        struct slice s = p->in->content_language;
        const char *comma = s.n == 0 ? NULL : memchr(s.p, ',', s.n);
        out->language = collapse(p, slice_sub(s, 0, comma == NULL ? 64 : (size_t)(comma - s.p)));
    }
}

/* The document was read: what is left to add comes from headers. */
static int
end_page(struct parse *p)
{
    int err;

    buf_clear(&p->links.base.href); /* headers know no <base> */
    p->links.charset = NULL;
    p->links.is_recording = false;
    links_header(&p->links, p->in->link_header);
    err = links_end(&p->links);
    if (err != 0)
        return err;
    p->err = 0;
    finish(p);
    return p->err;
}

static int
parse_with(struct parse *p, enum page_type type)
{
    int err = 0;

    if (type == PAGE_HTML) {
        if (p->is_keeping)
            links_record(&p->links);
        err = read_document(p);
        if (err != 0)
            return err;
        p->out->simhash = simhash_end(&p->simhash);
        if (p->is_keeping)
            p->kept = parsed_page_make(p->out, &p->links, p->in);
    } else {
        parsed_reset(p->out);
        links_begin(&p->links, p->out, p->in, NULL, false);
        p->verdict.charset = type == PAGE_TEXT ? charset_detect(p->in->body, p->in->content_type, charset_scan(p->in->body)).charset
                                               : charset_of_content_type(p->in->content_type);
    }
    p->out->charset = p->verdict.charset == NULL ? NULL : charset_name(p->verdict.charset);
    if (p->kept != NULL)
        p->kept->charset_name = p->out->charset;
    return end_page(p);
}

static int
copy_text(struct parse *p, struct slice *to, struct slice from)
{
    char *copy = from.n == 0 ? NULL : arena_dup(&p->out->arena, from);

    *to = slice_of(copy, copy == NULL ? 0 : from.n);
    return copy == NULL && from.n > 0 ? ORB_ENOMEM : 0;
}

static int
replay_with(struct parse *p, const struct parsed_page *known)
{
    struct parsed *out = p->out;
    int err = copy_text(p, &out->title, known->title);

    if (err == 0)
        err = copy_text(p, &out->description, known->description);
    if (err == 0)
        err = copy_text(p, &out->language, known->language);
    if (err != 0)
        return err;
    out->charset = known->charset_name;
    out->policy = known->policy;
    out->simhash = known->simhash;
    links_begin(&p->links, out, p->in, known->charset, false);
    parsed_page_replay(known, &p->links);
    return end_page(p);
}

/* known NULL: the body is parsed, and kept when kept is not NULL. */
static int
run(struct parsed *out, const struct parse_input *in, const struct parsed_page *known, struct parsed_page **kept)
{
    static const struct pool_type type = { .name = "parse", .make = make_parse, .reset = reset_parse, .destroy = destroy_parse,
                                           .floor = 1, .ceiling = 8, .lease_ms = LEASE_MS };
    struct parse *p;
    int err;

    parsed_reset(out);
    if (parses == NULL && (err = pool_new(&parses, &type)) != 0)
        return err;
    p = pool_get(parses);
    if (p == NULL)
        return ORB_ENOMEM;
    p->out = out;
    p->in = in;
    p->agent = robots_token(in->user_agent);
    p->is_keeping = kept != NULL;
    p->kept = NULL;
    err = known != NULL ? replay_with(p, known) : parse_with(p, type_of(in->content_type, in->body));
    if (err != 0) {
        parsed_reset(out);
        parsed_page_unref(&p->kept);
    }
    if (kept != NULL)
        *kept = p->kept;
    pool_put(parses, &p);
    return err == 0 ? 0 : ORB_ENOMEM;
}

int
parse_page(struct parsed *out, const struct parse_input *in)
{
    return run(out, in, NULL, NULL);
}

int
parse_page_keep(struct parsed *out, const struct parse_input *in, struct parsed_page **kept)
{
    return run(out, in, NULL, kept);
}

int
parse_again(struct parsed *out, const struct parse_input *in, const struct parsed_page *known)
{
    return run(out, in, known, NULL);
}
