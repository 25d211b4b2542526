/* sitemap_xml.h - the XML forms of sitemaps, element by element; used by sitemap.c alone
 *
 * Total: calls back with every location and date that can be read. No recursion, no entity but the five of XML itself, no
 * DTD, no network, nothing on standard error.
 */
#ifndef ORB_CRAWLER_SITEMAP_XML_H
#define ORB_CRAWLER_SITEMAP_XML_H

#include "pool/buf.h"

#define SITEMAP_MAX_TEXT_BYTES ((size_t)64 * 1024) /* of one element; longer ones count as empty */

enum sitemap_item { SITEMAP_PAGE, SITEMAP_SITEMAP, SITEMAP_FEED_LINK };

struct sitemap_sink {
    /* Text is BORROWED during the call. A return other than 0 stops the parser. on_date belongs to the locations since
     * on_entry; or, when there are none yet, to the next one. */
    int (*on_entry)(void *arg);
    int (*on_location)(void *arg, struct slice text, enum sitemap_item item);
    int (*on_date)(void *arg, struct slice text);
    void *arg;
};

/* utf8: the whole document in UTF-8. 0, ORB_ENOMEM, or what a callback returned. */
int sitemap_xml_parse(struct slice utf8, const struct sitemap_sink *sink, bool *is_damaged) ORB_MUST_USE;

#endif
