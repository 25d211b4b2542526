/* link.h - one mention of a link in a document, as it was written there
 *
 *   parsed_page_make() --NEW, n at once--> LIVE --the page dies--> nothing, or, while somebody else holds it, CUT OFF: it says nothing
 *
 * A Link belongs to one parsed page, which holds a reference to it and whose block holds its text: href, then rel. The pointer
 * to that text is a back-pointer that the page cuts when it dies (page_link_cut_off()), so a Link that outlives its page has an empty
 * href and rel, and never dangles. So it fits the smallest slot, 32 bytes.
 *
 * Ownership  an object (link_type), acyclic: it refers to nothing and owns nothing. Its text counts with the page (owned_bytes).
 *            The slices are BORROWED from the page, not from the Link.
 * Limits     href and rel as links_list.c records them; PARSED_PAGE_MAX_LINKS a page.
 */
#ifndef ORB_CRAWLER_LINK_H
#define ORB_CRAWLER_LINK_H

#include "crawler/parse.h"
#include "gc/object.h"

struct page_link {
    struct object object;
    const char *text;    /* NULL: its page is gone */
    uint16_t href_bytes;
    uint16_t rel_bytes;
    uint8_t kind, flags; /* enum link_kind, link_flags */
};
_Static_assert(sizeof(struct page_link) == 32, "the smallest slot");

extern struct object_type link_type;

static inline struct slice /* BORROWED from its page */
page_link_href(const struct page_link *l)
{
    return slice_of(l->text == NULL ? "" : l->text, l->href_bytes);
}

static inline struct slice /* the same */
page_link_rel(const struct page_link *l)
{
    return slice_of(l->text == NULL ? "" : l->text + l->href_bytes, l->rel_bytes);
}

void page_link_cut_off(struct page_link *l); /* for its page, which dies */

#endif
