/* fuzz_sitemap.c - any file; every entry is a URL that the parser would write so again */
#include "crawler/sitemap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct sitemap s;
    struct url base, again;

    sitemap_init(&s);
    url_init(&base, MEM_DEFAULT);
    url_init(&again, MEM_DEFAULT);
    sitemap_sniff(slice_of(bytes, n_bytes));
    if (url_parse(&base, SLICE_LITERAL("http://e.org/d/s.xml"), NULL) == 0
        && sitemap_parse(&s, &base, SLICE_NONE, slice_of(bytes, n_bytes)) == 0)
        for (size_t i = 0; i < s.n_entries; i++) {
            CHECK(url_parse(&again, s.entries[i].loc, NULL) == 0 && url_is_http(&again));
            CHECK(slice_eq(url_href(&again), s.entries[i].loc));
            CHECK(s.entries[i].lastmod.n <= SITEMAP_MAX_LASTMOD_BYTES);
        }
    url_fini(&again);
    url_fini(&base);
    sitemap_fini(&s);
    return 0;
}
