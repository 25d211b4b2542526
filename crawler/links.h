/* links.h - from elements and headers to the links of a page
 *
 * One struct links collects for one page: links_begin ... links_element()s, links_header() ... links_end(). URLs are
 * resolved against the base at once; a <base href> that comes after relative links asks for another pass with that base
 * (LINKS_AGAIN), which is rare and costs nothing otherwise.
 *
 *   a area | frame iframe | link by its rel | meta refresh | Link: header (RFC 8288)            always
 *   img source input video audio track embed object, srcset, background, poster, cite,
 *   script, stylesheet, icon, form                                                              with want_assets
 *
 * A URL is listed once: the first mention wins, unless it was nofollow and a later one is not. javascript:, data:, blob:
 * and about: URLs are no links; other schemes are listed (mailto:, ftp:), the crawl's door refuses them by name.
 *
 * Ownership  the strings live in the parsed page's arena; struct links keeps its tables for the next page.
 * Limits     PARSE_MAX_LINKS links, LINKS_MAX_URL_BYTES each, LINKS_MAX_BYTES of them all; more sets links_cut.
 */
#ifndef ORB_CRAWLER_LINKS_H
#define ORB_CRAWLER_LINKS_H

#include "crawler/html.h"
#include "crawler/parse.h"

#define LINKS_MAX_URL_BYTES 8192
#define LINKS_MAX_BYTES (4 * 1024 * 1024)

struct charset;
struct links_slot;

enum links_result { LINKS_GO_ON, LINKS_AGAIN /* the base is known now: begin anew, keeping it */ };

struct links {
    struct parsed *out;
    const struct parse_input *in;
    const struct charset *charset; /* NULL = queries in UTF-8 */
    struct url base, scratch;
    bool has_base, has_relative;
    bool is_cut;
    struct link *items;
    size_t n, cap, n_bytes;
    struct links_slot *slots;      /* open addressing; entries of older epochs are free */
    size_t n_slots_used, slots_cap;
    uint32_t epoch;
    int err;
    /* what parsed_page.c keeps, while is_recording: the mentions as they were written */
    bool is_recording, is_unrecorded; /* unrecorded: too much, or out of memory */
    bool has_written_base;
    struct buf mentions, texts, written_base;
};

void links_init(struct links *l);
void links_fini(struct links *l);

/* keeps_base: this is another pass over the same page. */
void links_begin(struct links *l, struct parsed *out, const struct parse_input *in, const struct charset *charset,
                 bool keeps_base);
/* Elements that links_element() wants to see. */
uint64_t links_tags(bool want_assets);
enum links_result links_element(struct links *l, enum html_tag tag, const struct html_attribute *attributes, unsigned n);
/* One href as written. Whatever is no URL, or no link, is not listed. */
void links_add(struct links *l, struct slice href, enum link_kind kind, struct slice rel, unsigned flags);
/* meta http-equiv=refresh (or a Refresh: header): the content's URL. */
void links_refresh(struct links *l, struct slice content);
void links_header(struct links *l, struct slice value); /* of Link: */
enum links_result links_base(struct links *l, struct slice href); /* of a base element; p NULL = it has no href */
/* From now until links_trim() the mentions are kept as well. */
void links_record(struct links *l);
/* Moves the list into the page; ORB_ENOMEM if anything failed since links_begin(). */
int links_end(struct links *l) ORB_MUST_USE;
/* Gives memory back that an unusual page needed. */
void links_trim(struct links *l);

/* The value of an attribute, or an empty slice with p == NULL when it is missing. */
struct slice html_attribute(const struct html_attribute *attributes, unsigned n, struct slice name);
bool links_has_token(struct slice list, const char *token); /* blank- or comma-separated, any case */

#endif
