/* html.h - from the bytes of an HTML document to the events that somebody asked for
 *
 * Bytes in, events out: start tags with their attributes, text, the title's text. Names come in lower case, character
 * references are resolved, everything is UTF-8. Behind this header works libxml2's HTML SAX parser over the whole
 * document; a scanner of our own can take its place without a change here.
 *
 * What HTML says and libxml2 does not do is done here: title, textarea, iframe, noembed and xmp hold raw text, a tag
 * that the end of the file cuts off is no tag, the title of an <svg> is not the document's; character references:
 * html_reference.h.
 *
 * Input      valid UTF-8 without NULs (charset_decode() makes it), and one NUL behind it (as in every struct buf): it is read where it
 *            is, not copied.
 * Ownership  all slices are BORROWED for the one callback.
 * Limits     HTML_MAX_ATTRIBUTES of an element, the rest is dropped; elements deeper than HTML_MAX_DEPTH count as siblings;
 *            a document with more distinct names than HTML_MAX_NAME_BYTES holds is read up to there. All three keep hostile
 *            documents linear.
 * Errors     ORB_ENOMEM. Bad HTML is none.
 * Threads    one; parser contexts are kept in a pool of the process.
 */
#ifndef ORB_CRAWLER_HTML_H
#define ORB_CRAWLER_HTML_H

#include "pool/check.h"
#include "pool/error.h"
#include "pool/slice.h"

#define HTML_MAX_ATTRIBUTES 128
#define HTML_MAX_DEPTH 96
#define HTML_MAX_NAME_BYTES (24 * 1024)

#define HTML_TAGS(X)                                                                                                   \
    X(A, "a") X(AREA, "area") X(AUDIO, "audio") X(BASE, "base") X(BLOCKQUOTE, "blockquote") X(BODY, "body")            \
    X(BUTTON, "button") X(DEL, "del") X(EMBED, "embed") X(FORM, "form") X(FRAME, "frame") X(HEAD, "head")              \
    X(HTML, "html") X(IFRAME, "iframe") X(IMAGE, "image") X(IMG, "img") X(INPUT, "input") X(INS, "ins")                \
    X(LINK, "link") X(META, "meta") X(NOEMBED, "noembed") X(OBJECT, "object") X(Q, "q") X(SCRIPT, "script")            \
    X(SOURCE, "source") X(STYLE, "style") X(SVG, "svg") X(TABLE, "table") X(TD, "td") X(TEXTAREA, "textarea")          \
    X(TH, "th") X(TITLE, "title") X(TRACK, "track") X(VIDEO, "video") X(XMP, "xmp")

enum html_tag {
#define HTML_TAG(identifier, name) HTML_##identifier,
    HTML_TAGS(HTML_TAG)
#undef HTML_TAG
    HTML_N_TAGS,
    HTML_OTHER = HTML_N_TAGS
};

#define HTML_BIT(tag) ((uint64_t)1 << (tag))

struct html_attribute {
    struct slice name, value; /* value: n == 0 also when there was no '=' */
};

/* NULL callbacks are not called. start() returns false to stop the parser. */
struct html_events {
    uint64_t tags; /* HTML_BIT()s of those that start() wants to see */
    bool (*start)(void *arg, enum html_tag tag, const struct html_attribute *attributes, unsigned n_attributes);
    /* Text outside script, style and raw-text elements, in pieces; is_apart: markup lies between it and the piece before. */
    void (*text)(void *arg, struct slice text, bool is_apart);
    void (*title)(void *arg, struct slice text); /* of the first title element, whole, blanks as they are */
    void *arg;
};

int html_parse(struct slice document, const struct html_events *events) ORB_MUST_USE;

/* Resolves character references in raw text: "&amp;" and the like. out is appended to. */
struct buf;
int html_unescape(struct buf *out, struct slice text) ORB_MUST_USE;

void html_fini(void); /* frees the pool of parser contexts */

#endif
