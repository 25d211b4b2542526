/* parsed_page.h - what a body says, whatever its URL: kept so that the same bytes need not be parsed again
 *
 * A parsed page holds what the passes over the document found before anything was resolved: title, language, policy,
 * simhash, the first <base>, and each mention of a link as it was written. Replayed for a URL, it gives to the byte what
 * parse_page() would give for that URL, those headers and this body: mirrors under other names, soft 404s and error
 * templates included. What depends on headers other than Content-Type is not in it: replaying reads those headers.
 *
 *   parse_page_keep() --NEW--> parsed page (block: strings, and references to its Links) --parse_again()--> struct parsed
 *
 * Each mention is a Link (link.h), made and let go in bulk; its text stands in the page's block.
 *
 * Ownership  an object (parsed_page_type), weakable and acyclic, that holds a reference to each of its Links. A Link that somebody
 *            else holds outlives it, without its text.
 * Mentions   one for each written form, and one more whenever a later mention of that form leads further (links_list.c,
 *            rank()): those left out could change nothing under any URL.
 * Limits     PARSED_PAGE_MAX_BYTES of block, PARSED_PAGE_MAX_LINKS; a page that needs more is not kept.
 */
#ifndef ORB_CRAWLER_PARSED_PAGE_H
#define ORB_CRAWLER_PARSED_PAGE_H

#include "crawler/link.h"
#include "pool/list.h"

#define PARSED_PAGE_MAX_BYTES (512 * 1024)
#define PARSED_PAGE_MAX_LINKS 16384 /* 512 KiB of Links: as much again */
#define PARSED_PAGE_KEY_BYTES 16

struct charset;
struct links;

struct parsed_mention { /* of links_list.c, before the page is made: href and rel follow those of the mention before */
    uint16_t href_bytes;
    uint16_t rel_bytes;
    uint8_t kind, flags;
};

struct parsed_page {
    struct object object;
    struct list node;               /* cache.c: in the order of use */
    char *block;
    size_t block_bytes;
    size_t body_bytes;              /* of the body that it was made from */
    struct slice title, description, language, base; /* in the block; base.p NULL = none */
    struct object **links;          /* n_links of struct page_link, a reference each; in the block, first */
    size_t n_links;
    const char *charset_name;
    const struct charset *charset;  /* that queries are encoded in; NULL = UTF-8 */
    unsigned policy;                /* of the document alone */
    uint64_t simhash;
    uint8_t key[PARSED_PAGE_KEY_BYTES]; /* cache.c */
    struct slice url;               /* of the page that it was met on first; in the block */
};

extern struct object_type parsed_page_type;
void parsed_page_unref(struct parsed_page **p);
size_t parsed_page_bytes(const struct parsed_page *p); /* slots, its Links' too, and block */

/* For parse.c: from what the passes left in out and l. NULL: out of memory, or too large. */
struct parsed_page *parsed_page_make(const struct parsed *out, const struct links *l, const struct parse_input *in) ORB_MUST_USE;
/* The mentions again, into l, which is for the URL at hand; links_end() tells what failed. */
void parsed_page_replay(const struct parsed_page *p, struct links *l);

#endif
