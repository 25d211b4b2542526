/* sitemap.h - sitemaps.org files: urlset, index, gzip, plain text; RSS and Atom as the protocol allows
 *
 * libxml2's push parser, entities and network off. Total: damaged XML gives what can be read in spite of the damage. What
 * the file is, is seen from its bytes; Content-Type only helps with the encoding. Element names count in any case and in
 * any namespace but the extensions' (image:loc is no entry).
 *
 * Limits     50,000 entries, 50 MiB decoded (the protocol's own), one gzip layer.
 */
#ifndef ORB_CRAWLER_SITEMAP_H
#define ORB_CRAWLER_SITEMAP_H

#include "crawler/url.h"
#include "pool/arena.h"

#define SITEMAP_MAX_ENTRIES 50000
#define SITEMAP_MAX_BYTES (50 * 1024 * 1024)
#define SITEMAP_MAX_LASTMOD_BYTES 64

struct sitemap_entry {
    struct slice loc;     /* canonical URL (WHATWG, without fragment) */
    struct slice lastmod; /* as written, trimmed; may be empty */
    bool is_sitemap;      /* an index's entry: another sitemap */
};

struct sitemap {
    struct arena arena;
    struct sitemap_entry *entries;
    size_t n_entries, cap_entries;
    bool is_cut;          /* a limit was reached */
    bool is_damaged;      /* not well-formed; entries hold what could be read */
};

void sitemap_init(struct sitemap *s);
void sitemap_fini(struct sitemap *s);
bool sitemap_sniff(struct slice body); /* does this look like a sitemap (XML urlset/sitemapindex)? */
/* Replaces what *out held. url: where the file came from, base of relative RSS and Atom links; a sitemap's own relative
 * and non-HTTP locations are skipped. ORB_ENOMEM: *out is empty. */
int sitemap_parse(struct sitemap *out, const struct url *url, struct slice content_type, struct slice body) ORB_MUST_USE;

#endif
