/* sitemap_xml.c - libxml2's SAX events -> locations and dates
 *
 * An element is what its local name says (any case), unless its prefix is an extension's. Its kind and its parent's decide:
 *
 *   urlset | sitemapindex            rss | rdf | feed
 *     url | sitemap                    item | entry
 *       loc: text                        link: text (RSS) or href (Atom)     guid: text, when there is no link
 *       lastmod: text                    pubDate, date, updated, published: text
 *
 * Files that forget an end tag or nest one thing in another are common, so that only the nearest of these ancestors counts.
 * The document goes to libxml2 in pieces, mended on the way (sitemap_mend.h).
 */
#include "crawler/sitemap_xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "crawler/sitemap_mend.h"
#include "crawler/xml.h"

#define FEED_BYTES ((size_t)32 * 1024)
#define MAX_DEPTH 64 /* deeper elements are of no kind */

enum kind {
    KIND_NONE,
    KIND_SITEMAP_ROOT, KIND_FEED_ROOT, KIND_HTML,
    KIND_URL, KIND_SITEMAP, KIND_ITEM,
    KIND_LOC, KIND_LASTMOD, KIND_LINK, KIND_GUID, KIND_DATE,
};

static const struct { const char *name; enum kind kind; } kinds[] = {
    { "url", KIND_URL }, { "loc", KIND_LOC }, { "lastmod", KIND_LASTMOD }, { "sitemap", KIND_SITEMAP },
    { "urlset", KIND_SITEMAP_ROOT }, { "sitemapindex", KIND_SITEMAP_ROOT }, { "html", KIND_HTML },
    { "item", KIND_ITEM }, { "entry", KIND_ITEM }, { "link", KIND_LINK }, { "guid", KIND_GUID }, { "pubdate", KIND_DATE },
    { "updated", KIND_DATE }, { "published", KIND_DATE }, { "modified", KIND_DATE },
    { "rss", KIND_FEED_ROOT }, { "rdf", KIND_FEED_ROOT }, { "feed", KIND_FEED_ROOT },
};

struct parser {
    const struct sitemap_sink *sink;
    xmlParserCtxtPtr xml;
    struct buf text, guid, fed;
    enum kind path[MAX_DEPTH]; /* of the open elements */
    unsigned depth;
    unsigned text_depth;       /* of the element whose text is collected; 0 = none */
    enum kind entry;           /* the entry we are in: KIND_URL, KIND_SITEMAP, KIND_ITEM or KIND_NONE */
    bool is_feed, is_index, has_link, is_text_too_long, is_damaged;
    int err;                   /* ORB_ENOMEM or a callback's; the parser is stopped */
};

static void
parser_stop(struct parser *p, int err)
{
    if (p->err == 0)
        p->err = err;
    xmlStopParser(p->xml);
}

/* libxml2 leaves out entities once a document is damaged (wellFormed is 0); the flag is ours to keep instead. */
static void
on_error(void *arg, xmlErrorPtr error)
{
    struct parser *p = arg;

    if (error->code == XML_ERR_NO_MEMORY)
        parser_stop(p, ORB_ENOMEM);
    else if (error->level >= XML_ERR_ERROR && error->domain != XML_FROM_NAMESPACE)
        p->is_damaged = true;
}

static xmlEntityPtr
on_entity(void *arg, const xmlChar *name)
{
    return xmlGetPredefinedEntity(name);
}

/* Extensions live in namespaces of their own; a prefix may also stand for the sitemap's own namespace, or be undeclared. */
static bool
is_extension(const xmlChar *prefix, const xmlChar *uri)
{
    static const char *const extension_prefixes[] = { "image", "video", "news", "mobile", "xhtml", "media", "pagemap", "atom" };

    if (uri != NULL && strstr((const char *)uri, "schemas/sitemap-") != NULL)
        return true;
    if (prefix == NULL)
        return false;
    for (size_t i = 0; i < ORB_N_ELEMENTS(extension_prefixes); i++)
        if (strcasecmp((const char *)prefix, extension_prefixes[i]) == 0)
            return true;
    return uri != NULL && strstr((const char *)uri, "sitemap") == NULL && strstr((const char *)uri, "rdf") == NULL
           && strstr((const char *)uri, "rss") == NULL && strstr((const char *)uri, "Atom") == NULL;
}

static enum kind
kind_of(const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    if (is_extension(prefix, uri))
        return prefix != NULL && strcasecmp((const char *)name, "date") == 0 ? KIND_DATE : KIND_NONE; /* dc:date */
    for (size_t i = 0; i < ORB_N_ELEMENTS(kinds); i++)
        if (strcasecmp((const char *)name, kinds[i].name) == 0)
            return kinds[i].kind;
    return KIND_NONE;
}

static struct slice
attribute_find(int n, const xmlChar **attributes, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcasecmp((const char *)attributes[5 * i], name) == 0)
            return slice_of(attributes[5 * i + 3], (size_t)(attributes[5 * i + 4] - attributes[5 * i + 3]));
    return SLICE_NONE;
}

static void
entry_begin(struct parser *p, enum kind kind)
{
    int err = p->sink->on_entry(p->sink->arg);

    p->entry = kind;
    p->has_link = false;
    buf_clear(&p->guid);
    if (err != 0)
        parser_stop(p, err);
}

static void
location_add(struct parser *p, struct slice text, enum sitemap_item item)
{
    int err = p->sink->on_location(p->sink->arg, text, item);

    if (err != 0)
        parser_stop(p, err);
}

/* An entry of a feed without a link may have it as its guid. */
static void
entry_end(struct parser *p)
{
    if (p->entry == KIND_ITEM && !p->has_link && p->guid.n > 0)
        location_add(p, buf_slice(&p->guid), SITEMAP_FEED_LINK);
    p->entry = KIND_NONE;
}

/* Atom's <link href>; RSS's <link> has text. */
static bool
link_begin(struct parser *p, int n, const xmlChar **attributes)
{
    struct slice href = attribute_find(n, attributes, "href"), rel = attribute_find(n, attributes, "rel");

    if (href.n == 0)
        return true;
    if (!p->has_link && (rel.n == 0 || slice_eq_nocase(rel, SLICE_LITERAL("alternate")))) {
        p->has_link = true;
        location_add(p, href, SITEMAP_FEED_LINK);
    }
    return false;
}

/* Of the newest open element; a <loc> or <lastmod> that was never closed does not count. */
static enum kind
parent_kind(const struct parser *p)
{
    unsigned i = p->depth - 1;

    while (i > 0 && (p->path[i - 1] == KIND_LOC || p->path[i - 1] == KIND_LASTMOD))
        i--;
    return i > 0 ? p->path[i - 1] : KIND_NONE;
}

/* Is this element's text wanted? */
static bool
is_text_wanted(struct parser *p, enum kind kind, int n, const xmlChar **attributes)
{
    enum kind parent = parent_kind(p);

    if (parent == KIND_NONE || (parent != p->entry && parent != KIND_SITEMAP_ROOT))
        return false;
    switch (kind) {
    case KIND_LOC:
        return !p->is_feed;
    case KIND_LASTMOD:
        return !p->is_feed && p->entry != KIND_NONE;
    case KIND_LINK:
        return p->entry == KIND_ITEM && link_begin(p, n, attributes);
    case KIND_GUID:
        return p->entry == KIND_ITEM && !slice_eq_nocase(attribute_find(n, attributes, "isPermaLink"), SLICE_LITERAL("false"));
    case KIND_DATE:
        return p->entry == KIND_ITEM;
    default:
        return false;
    }
}

static void
text_end(struct parser *p, enum kind kind)
{
    struct slice text = p->is_text_too_long ? SLICE_NONE : slice_trim(buf_slice(&p->text));
    int err = 0;

    p->text_depth = 0;
    if (text.n == 0)
        return;
    if (kind == KIND_LOC)
        location_add(p, text,
                     p->entry == KIND_SITEMAP || (p->entry == KIND_NONE && p->is_index) ? SITEMAP_SITEMAP : SITEMAP_PAGE);
    else if (kind == KIND_LINK && !p->has_link) {
        p->has_link = true;
        location_add(p, text, SITEMAP_FEED_LINK);
    } else if (kind == KIND_GUID) {
        buf_clear(&p->guid);
        err = buf_append_slice(&p->guid, text);
    } else if (kind == KIND_LASTMOD || kind == KIND_DATE)
        err = p->sink->on_date(p->sink->arg, text);
    if (err != 0)
        parser_stop(p, err);
}

static void
on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
         const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    struct parser *p = arg;
    enum kind kind = kind_of(name, prefix, uri);

    p->depth++;
    if (p->depth <= MAX_DEPTH)
        p->path[p->depth - 1] = kind;
    if (p->depth == 1) {
        p->is_feed = kind == KIND_FEED_ROOT;
        p->is_index = strcasecmp((const char *)name, "sitemapindex") == 0;
    }
    if (p->depth == 1 && kind == KIND_HTML)
        parser_stop(p, 0);
    if (p->text_depth != 0 && slice_trim(buf_slice(&p->text)).n > 0)
        text_end(p, p->path[p->text_depth - 1]); /* its end tag is missing */
    if (p->text_depth != 0 || p->depth > MAX_DEPTH)
        return; /* an element around the text: only the text counts */
    if (kind == KIND_URL || kind == KIND_SITEMAP || kind == KIND_ITEM) {
        if ((kind == KIND_ITEM) == p->is_feed)
            entry_begin(p, kind);
    } else if (is_text_wanted(p, kind, n_attributes, attributes)) {
        p->text_depth = p->depth;
        p->is_text_too_long = false;
        buf_clear(&p->text);
    }
}

static void
on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct parser *p = arg;
    enum kind kind = p->depth > 0 && p->depth <= MAX_DEPTH ? p->path[p->depth - 1] : KIND_NONE;

    if (p->depth == 0)
        return;
    if (p->text_depth == p->depth)
        text_end(p, kind);
    p->depth--;
    if (p->text_depth == 0 && kind == p->entry && kind != KIND_NONE)
        entry_end(p);
}

static void
on_text(void *arg, const xmlChar *bytes, int n)
{
    struct parser *p = arg;
    int err;

    if (p->text_depth == 0 || p->is_text_too_long || n <= 0)
        return;
    err = buf_append(&p->text, bytes, (size_t)n);
    if (err == ORB_ETOOBIG)
        p->is_text_too_long = true;
    else if (err != 0)
        parser_stop(p, err);
}

static const xmlSAXHandler sax = {
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .getEntity = on_entity,
    .serror = (xmlStructuredErrorFunc)on_error,
};

static void
fed_flush(struct parser *p)
{
    if (p->err == 0 && p->fed.n > 0)
        xmlParseChunk(p->xml, p->fed.p, (int)p->fed.n, 0);
    buf_clear(&p->fed);
}

static void
feed_bytes(struct parser *p, struct slice bytes)
{
    while (bytes.n > 0 && p->err == 0) {
        size_t n = ORB_MIN(bytes.n, FEED_BYTES - p->fed.n);

        if (buf_append(&p->fed, bytes.p, n) != 0) {
            parser_stop(p, ORB_ENOMEM);
            return;
        }
        bytes = slice_sub(bytes, n, SIZE_MAX);
        if (p->fed.n == FEED_BYTES)
            fed_flush(p);
    }
}

static void
feed(struct parser *p, struct slice rest)
{
    while (rest.n > 0 && p->err == 0 && p->xml->instate != XML_PARSER_EOF) {
        size_t n;

        feed_bytes(p, sitemap_mend(rest, &n));
        rest = slice_sub(rest, n, SIZE_MAX);
    }
    fed_flush(p);
    if (p->err == 0)
        xmlParseChunk(p->xml, NULL, 0, 1);
}

/* A document that ends inside the end tag of a location has the whole location. */
static bool
ends_in_end_tag(struct slice document)
{
    const char *last = document.n > 0 ? memrchr(document.p, '<', document.n) : NULL;

    return last != NULL && last + 1 < document.p + document.n && last[1] == '/';
}

static int
parser_init(struct parser *p, const struct sitemap_sink *sink)
{
    *p = (struct parser){ .sink = sink };
    buf_init(&p->text, MEM_BUF, SITEMAP_MAX_TEXT_BYTES);
    buf_init(&p->guid, MEM_BUF, SITEMAP_MAX_TEXT_BYTES);
    buf_init(&p->fed, MEM_BUF, BUF_NO_CEILING);
    if (buf_reserve(&p->fed, FEED_BYTES) != 0)
        return ORB_ENOMEM;
    xml_init();
    p->xml = xmlCreatePushParserCtxt((xmlSAXHandlerPtr)&sax, p, NULL, 0, NULL);
    if (p->xml == NULL)
        return ORB_ENOMEM;
    xmlCtxtUseOptions(p->xml, XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_IGNORE_ENC);
    p->xml->replaceEntities = 1; /* else attributes keep "&#38;"; no entity is ever known that could grow */
    return xmlSwitchEncoding(p->xml, XML_CHAR_ENCODING_UTF8) < 0 ? ORB_ENOMEM : 0;
}

static void
parser_fini(struct parser *p)
{
    if (p->xml != NULL) {
        xmlFreeDoc(p->xml->myDoc); /* a context does not own it; there is one only if a DTD slipped through */
        p->xml->myDoc = NULL;
        xmlFreeParserCtxt(p->xml);
    }
    xmlResetLastError(); /* its text would stay in the process */
    buf_fini(&p->text);
    buf_fini(&p->guid);
    buf_fini(&p->fed);
}

int
sitemap_xml_parse(struct slice utf8, const struct sitemap_sink *sink, bool *is_damaged)
{
    struct parser p;
    int err = parser_init(&p, sink);

    if (err == 0) {
        feed(&p, utf8);
        if (p.err == 0 && p.text_depth != 0 && ends_in_end_tag(utf8))
            text_end(&p, p.path[p.text_depth - 1]);
        if (p.err == 0 && p.entry != KIND_NONE)
            entry_end(&p);
        err = p.err;
        *is_damaged = p.is_damaged;
    }
    parser_fini(&p);
    return err;
}
