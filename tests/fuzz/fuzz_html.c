/* fuzz_html - any bytes as a page: parse_page() ends, its links are canonical, its texts are UTF-8 */
#include "crawler/charset.h"
#include "crawler/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void
check(const struct parsed *p)
{
    struct url again;

    url_init(&again, MEM_DEFAULT);
    for (size_t i = 0; i < p->n_links; i++) {
        CHECK(url_parse(&again, p->links[i].url, NULL) == 0);
        CHECK(slice_eq(url_href(&again), p->links[i].url));
    }
    url_fini(&again);
    CHECK(charset_scan(p->title).is_utf8 && charset_scan(p->description).is_utf8);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    static const char *const types[] = { "text/html", "", "text/html; charset=utf-8", "application/xhtml+xml",
                                         "text/html; charset=shift_jis" };
    struct parse_input in = { .user_agent = SLICE_LITERAL("orb") };
    struct parsed parsed;
    struct url url;
    char *body = NULL;

    url_init(&url, MEM_DEFAULT);
    CHECK(url_parse(&url, SLICE_LITERAL("http://h.test/d/p.html"), NULL) == 0);
    parsed_init(&parsed);
    in.url = &url;
    if (n_bytes > 0) { /* the first byte chooses */
        in.content_type = slice_str(types[bytes[0] % ORB_N_ELEMENTS(types)]);
        in.want_assets = (bytes[0] & 0x80) != 0;
        body = mem_must(mem_slicedup(MEM_DEFAULT, slice_of(bytes + 1, n_bytes - 1))); /* with its NUL */
        in.body = slice_of(body, n_bytes - 1);
        if ((bytes[0] & 0x40) != 0)
            in.link_header = in.x_robots_tag = in.body;
    }
    if (parse_page(&parsed, &in) == 0)
        check(&parsed);
    parsed_fini(&parsed);
    url_fini(&url);
    mem_free(MEM_DEFAULT, body);
    return 0;
}
