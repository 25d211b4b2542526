/* fuzz_robots.c - first line: agent, second line: path, then a robots.txt; the same question twice has the same answer */
#include "crawler/robots.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static struct slice
line_take(struct slice *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct slice line = end != NULL ? slice_sub(*rest, 0, (size_t)(end - rest->p)) : *rest;

    *rest = slice_sub(*rest, line.n + 1, SIZE_MAX);
    return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct slice body = slice_of(bytes, n_bytes), agent = line_take(&body), path = line_take(&body);
    struct robots *r = robots_parse(body, agent);
    uint32_t delay_ms;

    if (r == NULL)
        return 0;
    delay_ms = robots_crawl_delay_ms(r);
    CHECK(robots_allows(r, path) == robots_allows(r, path));
    CHECK(robots_allows(r, SLICE_LITERAL("/robots.txt")));
    CHECK(delay_ms == ROBOTS_NO_DELAY || delay_ms <= ROBOTS_MAX_DELAY_MS);
    CHECK(robots_n_sitemaps(r) <= ROBOTS_MAX_SITEMAPS);
    for (size_t i = 0; i < robots_n_sitemaps(r); i++)
        CHECK(robots_sitemap(r, i).n > 0 && memchr(robots_sitemap(r, i).p, '\n', robots_sitemap(r, i).n) == NULL);
    robots_unref(&r);
    return 0;
}
