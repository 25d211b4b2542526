/* html.c - libxml2's HTML SAX parser made to speak html.h
 *
 * The parser gets the whole document at once: its push mode drops what follows </html>. One context serves one document
 * at a time and goes back to the pool; its dictionary of names outlives documents, so that a context whose dictionary
 * has grown is not kept.
 *
 * Raw text: libxml2 2.9 parses what is inside <title>, <textarea> and the like as markup. When one of them opens, its end
 * is looked up in the bytes, and events that come from before that end are dropped.
 */
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>

#include "crawler/html.h"
#include "crawler/html_reference.h"
#include "crawler/xml.h"
#include "pool/buf.h"
#include "pool/pool.h"

#define TITLE_MAX_BYTES (64 * 1024)
#define CONTEXT_CEILING 16
#define LEASE_MS 60000 /* a parse does not outlast a turn of the loop */
#define HASH_SLOTS 128

struct reader {
    htmlParserCtxtPtr ctxt;
    const struct html_events *events;
    size_t raw_until;   /* offset: events before it come from inside raw text */
    uint64_t never_closed; /* raw-text elements whose end tag does not come any more */
    unsigned svg_depth;
    size_t nameless_at;  /* offset + 1 of the last complaint about a missing name */
    bool has_title, is_apart, is_stopped;
    int err;
};

static const struct slice tag_names[HTML_N_TAGS] = {
#define HTML_TAG(identifier, name) { name, sizeof(name) - 1 },
    HTML_TAGS(HTML_TAG)
#undef HTML_TAG
};
static uint8_t tag_slots[HASH_SLOTS]; /* tag + 1; 0 = free */
static struct pool *contexts;
static struct reader *running; /* the one that is parsing now */
static htmlSAXHandler handler;

/* ---- names -------------------------------------------------------------------------------------------------------- */

static unsigned
hash_name(struct slice name)
{
    return ((uint8_t)name.p[0] * 7u + (uint8_t)name.p[name.n - 1] * 31u + (unsigned)name.n * 5u) % HASH_SLOTS;
}

static void
fill_tag_slots(void)
{
    for (unsigned tag = 0; tag < HTML_N_TAGS; tag++) {
        unsigned i = hash_name(tag_names[tag]);
        while (tag_slots[i] != 0)
            i = (i + 1) % HASH_SLOTS;
        tag_slots[i] = (uint8_t)(tag + 1);
    }
}

static enum html_tag
find_tag(struct slice name)
{
    if (name.n == 0 || name.n > 10)
        return HTML_OTHER;
    for (unsigned i = hash_name(name); tag_slots[i] != 0; i = (i + 1) % HASH_SLOTS)
        if (slice_eq(tag_names[tag_slots[i] - 1], name))
            return (enum html_tag)(tag_slots[i] - 1);
    return HTML_OTHER;
}

/* ---- contexts ----------------------------------------------------------------------------------------------------- */

/* Names that must never fall to the dictionary's limit. */
static bool
intern_names(xmlDictPtr dict)
{
    static const char *const attributes[] = { "href", "src", "rel", "srcset", "content", "name", "http-equiv", "charset",
                                              "lang", "action", "data", "poster", "type", "hreflang", "xlink:href" };

    for (unsigned tag = 0; tag < HTML_N_TAGS; tag++)
        if (xmlDictLookup(dict, (const xmlChar *)tag_names[tag].p, (int)tag_names[tag].n) == NULL)
            return false;
    for (size_t i = 0; i < ORB_N_ELEMENTS(attributes); i++)
        if (xmlDictLookup(dict, (const xmlChar *)attributes[i], -1) == NULL)
            return false;
    return true;
}

static void *
make_context(void *arg)
{
    htmlParserCtxtPtr ctxt = htmlNewParserCtxt();

    if (ctxt == NULL)
        return NULL;
    xmlDictSetLimit(ctxt->dict, HTML_MAX_NAME_BYTES);
    if (!intern_names(ctxt->dict)) {
        htmlFreeParserCtxt(ctxt);
        return NULL;
    }
    return ctxt;
}

static bool
reset_context(void *thing, void *arg)
{
    htmlParserCtxtPtr ctxt = thing;

    if (ctxt->errNo == XML_ERR_NO_MEMORY)
        return false; /* half-made */
    htmlCtxtReset(ctxt);
    return xmlDictGetUsage(ctxt->dict) < HTML_MAX_NAME_BYTES / 4 && ctxt->nameMax < 4096;
}

static void
destroy_context(void *thing, void *arg)
{
    htmlFreeParserCtxt(thing);
}

/* ---- raw text ----------------------------------------------------------------------------------------------------- */

static size_t
offset_of(const struct reader *r)
{
    const xmlParserInput *in = r->ctxt->input;

    return in == NULL ? 0 : in->consumed + (size_t)(in->cur - in->base);
}

/* The bytes that the parser has not read yet. */
static struct slice
rest_of(const struct reader *r)
{
    const xmlParserInput *in = r->ctxt->input;

    return slice_of(in->cur, (size_t)(in->end - in->cur));
}

/* Where "</name" stands in s, followed by what may follow a tag's name; s.n when nowhere. */
static size_t
find_end_tag(struct slice s, struct slice name)
{
    for (size_t at = 0; at + 2 + name.n < s.n; at++) {
        const char *lt = memmem(s.p + at, s.n - at, "</", 2), *behind;
        if (lt == NULL)
            break;
        at = (size_t)(lt - s.p);
        behind = lt + 2 + name.n;
        if (at + 2 + name.n < s.n && strncasecmp(lt + 2, name.p, name.n) == 0 && strchr(" \t\n\f\r/>", *behind) != NULL)
            return at;
    }
    return s.n;
}

static void
report_title(struct reader *r, struct slice raw)
{
    struct buf text;

    r->has_title = true;
    if (r->events->title == NULL)
        return;
    buf_init(&text, MEM_PAGE, BUF_NO_CEILING);
    r->err = html_unescape(&text, slice_sub(raw, 0, TITLE_MAX_BYTES));
    if (r->err == 0)
        r->events->title(r->events->arg, buf_slice(&text));
    buf_fini(&text);
}

/* An element whose content is text has just been opened. */
static void
enter_raw_text(struct reader *r, enum html_tag tag)
{
    struct slice rest = rest_of(r), name = tag_names[tag];
    size_t end;

    if (rest.n == 0 || r->svg_depth > 0 || (r->never_closed & HTML_BIT(tag)) != 0)
        return;
    rest = slice_sub(rest, 1, rest.n); /* '>' */
    end = find_end_tag(rest, name);
    if (end == rest.n)
        r->never_closed |= HTML_BIT(tag);
    if (tag == HTML_TITLE && !r->has_title)
        report_title(r, slice_sub(rest, 0, end));
    if (end == rest.n && tag != HTML_TITLE && tag != HTML_TEXTAREA)
        return; /* never closed: better its links than none */
    r->raw_until = offset_of(r) + 1 + end;
}

/* ---- SAX ---------------------------------------------------------------------------------------------------------- */

static void
stop(struct reader *r)
{
    r->is_stopped = true;
    xmlStopParser(r->ctxt);
}

/* An end tag makes libxml2 look through all open elements: their number is kept small by closing the deepest at once.
 * Those that it treats in a special way right after this callback (raw text, void elements) stay. */
static void
bound_depth(htmlParserCtxtPtr ctxt, enum html_tag tag)
{
    if (ctxt->nameNr <= HTML_MAX_DEPTH || tag == HTML_SCRIPT || tag == HTML_STYLE)
        return;
    ctxt->nameNr--;
    ctxt->name = ctxt->nameTab[ctxt->nameNr - 1];
}

static void
report_start(struct reader *r, enum html_tag tag, const xmlChar **atts)
{
    struct html_attribute attributes[HTML_MAX_ATTRIBUTES];
    unsigned n = 0;

    for (; atts != NULL && atts[0] != NULL && n < HTML_MAX_ATTRIBUTES; atts += 2, n++) {
        attributes[n].name = slice_str((const char *)atts[0]);
        attributes[n].value = slice_str((const char *)atts[1]);
    }
    if (!r->events->start(r->events->arg, tag, attributes, n))
        stop(r);
}

static void
on_start(void *ctx, const xmlChar *name, const xmlChar **atts)
{
    struct reader *r = ctx;
    enum html_tag tag;

    r->is_apart = true;
    if (r->is_stopped || r->err != 0)
        return;
    tag = find_tag(slice_str((const char *)name));
    bound_depth(r->ctxt, tag);
    if (tag == HTML_OTHER || offset_of(r) < r->raw_until || *r->ctxt->input->cur == '\0')
        return; /* ... or cut off by the end of the file */
    r->svg_depth += tag == HTML_SVG;
    if ((r->events->tags & HTML_BIT(tag)) != 0 && r->events->start != NULL)
        report_start(r, tag, atts);
    if (tag == HTML_TITLE || tag == HTML_TEXTAREA || tag == HTML_IFRAME || tag == HTML_NOEMBED || tag == HTML_XMP)
        enter_raw_text(r, tag);
    if (r->err != 0)
        stop(r);
}

static void
on_end(void *ctx, const xmlChar *name)
{
    struct reader *r = ctx;

    r->is_apart = true;
    if (r->svg_depth > 0 && strcmp((const char *)name, "svg") == 0)
        r->svg_depth--;
}

static void
on_text(void *ctx, const xmlChar *text, int n)
{
    struct reader *r = ctx;

    if (r->is_stopped || r->err != 0 || r->events->text == NULL || offset_of(r) <= r->raw_until)
        return;
    r->events->text(r->events->arg, slice_of(text, (size_t)n), r->is_apart);
    r->is_apart = false;
}

static void
on_blanks(void *ctx, const xmlChar *text, int n)
{
    ((struct reader *)ctx)->is_apart = true;
}

static void
on_cdata(void *ctx, const xmlChar *text, int n)
{
    /* script and style */
}

/* Two errors would make libxml2 2.9 turn for ever; all others are bad HTML, and that is none.
 *   no memory   the state becomes EOF while loops still wait for the input to advance: without input they end. Or it is
 *               reported without a context and forgotten (on_orphan_error), and the same copy is tried again.
 *   no name     none fits in the dictionary, by its limit or for want of memory: the same tag is looked at again and
 *               again. That loop sees the state, but would wait for ever for an input that is empty. */
static void
end_here(struct reader *r)
{
    r->is_stopped = true;
    r->ctxt->disableSAX = 1;
    r->ctxt->instate = XML_PARSER_EOF;
}

static void
on_error(void *ctx, xmlErrorPtr error)
{
    struct reader *r = ctx;
    bool is_nameless_tag = error->code == XML_ERR_NAME_REQUIRED && *r->ctxt->input->cur == '<';
    size_t at = offset_of(r) + 1;

    if (error->code == XML_ERR_NO_MEMORY || (r->err != 0 && !is_nameless_tag)) {
        r->err = ORB_ENOMEM;
        stop(r);
    } else if (is_nameless_tag && !r->is_stopped) {
        if (at == r->nameless_at) {
            if (xmlDictGetUsage(r->ctxt->dict) < HTML_MAX_NAME_BYTES / 4)
                r->err = ORB_ENOMEM;
            end_here(r);
        }
        r->nameless_at = at;
    }
}

/* Errors that libxml2 raises without a context. */
static void
on_orphan_error(void *ctx, xmlErrorPtr error)
{
    if (running == NULL || error->code != XML_ERR_NO_MEMORY)
        return;
    running->err = ORB_ENOMEM;
    end_here(running);
}

/* ---- the door ----------------------------------------------------------------------------------------------------- */

static int
prepare(void)
{
    static const struct pool_type type = { .name = "html", .make = make_context, .reset = reset_context, .destroy = destroy_context,
                                           .floor = 1, .ceiling = CONTEXT_CEILING, .lease_ms = LEASE_MS };

    if (contexts != NULL)
        return 0;
    xml_init();
    memset(tag_slots, 0, sizeof tag_slots);
    fill_tag_slots();
    handler = (htmlSAXHandler){ .startElement = on_start, .endElement = on_end, .characters = on_text,
                                .ignorableWhitespace = on_blanks, .cdataBlock = on_cdata, .serror = on_error,
                                .initialized = XML_SAX2_MAGIC };
    return pool_new(&contexts, &type);
}

void
html_fini(void)
{
    pool_free(&contexts);
}

/* Hands the document to the context, known to be UTF-8 already: the bytes where they are. A buffer of libxml2's would copy them,
 * and once more when it first looks for what comes after them. */
static bool
give_input(htmlParserCtxtPtr ctxt, struct slice document)
{
    xmlParserInputPtr input = xmlNewInputStream(ctxt);

    if (input == NULL)
        return false;
    input->base = input->cur = (const xmlChar *)document.p;
    input->end = input->base + document.n;
    input->length = (int)document.n; /* 0 would be "no input" to a parser that thinks of another encoding */
    if (inputPush(ctxt, input) < 0) {
        xmlFreeInputStream(input);
        return false;
    }
    htmlCtxtUseOptions(ctxt, HTML_PARSE_RECOVER | HTML_PARSE_NOWARNING | HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    ctxt->charset = XML_CHAR_ENCODING_UTF8;
    return true;
}

static int
run(htmlParserCtxtPtr ctxt, struct slice document, const struct html_events *events)
{
    struct reader r = { .ctxt = ctxt, .events = events, .is_apart = true };
    htmlSAXHandlerPtr own_handler = ctxt->sax;
    void *own_data = ctxt->userData;

    if (!give_input(ctxt, document))
        return ORB_ENOMEM;
    ctxt->sax = &handler;
    ctxt->userData = &r;
    running = &r;
    xmlSetStructuredErrorFunc(NULL, on_orphan_error);
    htmlParseDocument(ctxt);
    xmlSetStructuredErrorFunc(NULL, NULL);
    running = NULL;
    ctxt->sax = own_handler;
    ctxt->userData = own_data;
    return r.err;
}

int
html_parse(struct slice document, const struct html_events *events)
{
    htmlParserCtxtPtr ctxt;
    struct buf mended;
    int err = prepare();

    if (err != 0)
        return err;
    if (document.n == 0)
        return 0;
    if (document.n > INT32_MAX)
        return ORB_ENOMEM;
    CHECK(document.p[document.n] == '\0'); /* libxml2 reads up to there */
    ctxt = pool_get(contexts);
    if (ctxt == NULL)
        return ORB_ENOMEM;
    buf_init(&mended, MEM_PAGE, INT32_MAX);
    err = html_mend(&mended, document);
    if (err == 0)
        err = run(ctxt, mended.n > 0 ? buf_slice(&mended) : document, events);
    buf_fini(&mended);
    pool_put(contexts, &ctxt);
    return err == ORB_ETOOBIG ? ORB_ENOMEM : err;
}
