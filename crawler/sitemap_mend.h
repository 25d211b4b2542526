/* sitemap_mend.h - a sitemap's XML on its way to libxml2, without what libxml2 stumbles over; used by sitemap_xml.c alone
 *
 * An `&` that begins no reference ("?a=1&b=2" in a <loc>, the commonest damage) is spelled as one, and so are the five
 * entities of XML: once a document is damaged, libxml2 lets only numeric references through. A DOCTYPE with all that it
 * declares is left out, so that there is no entity to expand and nothing to load.
 */
#ifndef ORB_CRAWLER_SITEMAP_MEND_H
#define ORB_CRAWLER_SITEMAP_MEND_H

#include "pool/slice.h"

/* What to send for the first *n_taken bytes of `rest`, which is not empty. BORROWED from rest, or static. */
struct slice sitemap_mend(struct slice rest, size_t *n_taken);

#endif
