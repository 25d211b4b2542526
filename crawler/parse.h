/* parse.h - from a decoded body to what the crawl wants of it: links, title, policy
 *
 * Total: any bytes give a result; nothing here does I/O or asks for the time.
 *
 * Ownership  struct parsed owns its arena; every slice in it is BORROWED from there until parsed_reset/_fini.
 * Limits     at most PARSE_MAX_LINKS links (then links_cut is set), title and description cut at 4 KiB of UTF-8.
 * Errors     ORB_ENOMEM (the page ends as too_much_memory); what was found before is dropped.
 */
#ifndef ORB_CRAWLER_PARSE_H
#define ORB_CRAWLER_PARSE_H

#include "crawler/url.h"
#include "pool/arena.h"

#define PARSE_MAX_LINKS 20000

enum link_kind { /* the element's name, or what a link element's rel says */
    LINK_A, LINK_AREA, LINK_LINK, LINK_CANONICAL, LINK_ALTERNATE, LINK_NEXT, LINK_FRAME, LINK_IFRAME, LINK_META_REFRESH,
    LINK_FORM, LINK_BASE, LINK_IMAGE, LINK_SCRIPT, LINK_STYLE, LINK_MEDIA, LINK_ICON, LINK_OBJECT,
    LINK_REDIRECT, LINK_SITEMAP_URL, LINK_SITEMAP, LINK_SEED, LINK_OTHER, LINK_N
};
const char *link_kind_name(enum link_kind k); /* "a", "meta-refresh", "canonical", "image", ...; static */

enum link_flags {
    LINK_NOFOLLOW = 1,  /* rel=nofollow|ugc|sponsored on the element; what the page says of all is in parsed.policy */
};

struct link {
    struct slice url; /* canonical: WHATWG serialisation without fragment */
    struct slice rel; /* as written, lower case; may be empty */
    uint8_t kind;     /* enum link_kind */
    uint8_t flags;
};

enum parse_policy { PARSE_NOINDEX = 1, PARSE_NOFOLLOW = 2, PARSE_NOARCHIVE = 4 };

struct parsed {
    struct arena arena;
    struct slice title, description, language; /* UTF-8, whitespace collapsed */
    const char *charset;                       /* WHATWG name in lower case; static; NULL = unknown (no text) */
    unsigned policy;                           /* enum parse_policy bits, of meta robots and X-Robots-Tag */
    struct link *links;
    size_t n_links;
    bool links_cut;
    uint64_t simhash;                          /* of the words of the text; 0 = no text */
};

struct parse_input {
    const struct url *url;       /* the page's own */
    struct slice content_type;   /* header value, may be empty */
    struct slice x_robots_tag;   /* header values joined by "\n" */
    struct slice content_language;
    struct slice link_header;    /* Link: header values joined by ", " */
    struct slice user_agent;     /* its leading product token counts: for meta name=TOKEN and "token: noindex" */
    struct slice body;           /* decoded; with a NUL behind it, as in every struct buf */
    bool want_assets;            /* --links: img, script, style and the like as well */
};

void parsed_init(struct parsed *p);
void parsed_reset(struct parsed *p);
void parsed_fini(struct parsed *p);

/* By content type (and by sniffing when there is none): HTML and XHTML give links; sitemaps and feeds give theirs through
 * sitemap.h when the caller asks for them; other types give no links. */
int parse_page(struct parsed *out, const struct parse_input *in) ORB_MUST_USE;

struct parsed_page;
/* The same, and *kept becomes a NEW parsed page (parsed_page.h), or NULL: it is none of HTML, too large, or memory ended. */
int parse_page_keep(struct parsed *out, const struct parse_input *in, struct parsed_page **kept) ORB_MUST_USE;
/* What parse_page() would give, from what was kept of a page with the same body, Content-Type, user_agent and want_assets.
 * in->body is not looked at. */
int parse_again(struct parsed *out, const struct parse_input *in, const struct parsed_page *known) ORB_MUST_USE;

/* Frees the workspaces and parser contexts that are kept between pages, and what charset and html keep. */
void parse_fini(void);

#endif
