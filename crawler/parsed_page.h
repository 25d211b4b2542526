/* parsed_page.h - what a body says, whatever its URL: kept so that the same bytes need not be parsed again
 *
 * A parsed page holds what the passes over the document found before anything was resolved: title, language, policy,
 * simhash, the first <base>, and each mention of a link as it was written. Replayed for a URL, it gives to the byte what
 * parse_page() would give for that URL, those headers and this body: mirrors under other names, soft 404s and error
 * templates included. What depends on headers other than Content-Type is not in it: replaying reads those headers.
 *
 *   parse_page_keep() --NEW--> parsed page (block: strings and mentions, one allocation) --parse_again()--> struct parsed
 *
 * The links of a page are one block and not objects of their own: nothing ever refers to a single one, and a header each
 * would double their size.
 *
 * Ownership  an object (parsed_page_type), weakable, that refers to nothing.
 * Mentions   one for each written form, and one more whenever a later mention of that form leads further (links_list.c,
 *            rank()): those left out could change nothing under any URL.
 * Limits     PARSED_PAGE_MAX_BYTES of block; a page that needs more is not kept.
 */
#ifndef ORB_CRAWLER_PARSED_PAGE_H
#define ORB_CRAWLER_PARSED_PAGE_H

#include "crawler/parse.h"
#include "gc/object.h"
#include "pool/list.h"

#define PARSED_PAGE_MAX_BYTES (512 * 1024)
#define PARSED_PAGE_KEY_BYTES 16

struct charset;
struct links;

struct parsed_mention { /* its href and rel follow those of the mention before in the block */
    uint32_t href_bytes;
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
    const char *texts;              /* of the mentions */
    const struct parsed_mention *mentions;
    size_t n_mentions;
    const char *charset_name;
    const struct charset *charset;  /* that queries are encoded in; NULL = UTF-8 */
    unsigned policy;                /* of the document alone */
    uint64_t simhash;
    uint8_t key[PARSED_PAGE_KEY_BYTES]; /* cache.c */
    struct slice url;               /* of the page that it was met on first; in the block */
};

extern struct object_type parsed_page_type;
void parsed_page_unref(struct parsed_page **p);
size_t parsed_page_bytes(const struct parsed_page *p); /* slot and block */

/* For parse.c: from what the passes left in out and l. NULL: out of memory, or too large. */
struct parsed_page *parsed_page_make(const struct parsed *out, const struct links *l, const struct parse_input *in) ORB_MUST_USE;
/* The mentions again, into l, which is for the URL at hand; links_end() tells what failed. */
void parsed_page_replay(const struct parsed_page *p, struct links *l);

#endif
