#include "crawler/sitemap.h"

#include "crawler/xml.h"
#include "tests/support/encode.h"
#include "tests/support/support.h"

#define URLSET(inside) "<?xml version=\"1.0\" encoding=\"UTF-8\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">" inside "</urlset>"
#define PAGE(loc) "<url><loc>" loc "</loc></url>"

static void
url_make(struct url *u)
{
    url_init(u, MEM_DEFAULT);
    assert_int_equal(url_parse(u, SLICE_LITERAL("http://e.org/dir/sitemap.xml"), NULL), 0);
}

static void
parse_bytes(struct sitemap *s, struct slice body)
{
    struct url base;

    url_make(&base);
    assert_int_equal(sitemap_parse(s, &base, SLICE_NONE, body), 0);
    url_fini(&base);
}

/* The locations, a space between them; '+' before those of sitemaps, '@' before a date. */
static void
expect_bytes(struct slice body, const char *expected)
{
    struct sitemap s;
    struct buf got;

    sitemap_init(&s);
    buf_init(&got, MEM_DEFAULT, BUF_NO_CEILING);
    parse_bytes(&s, body);
    for (size_t i = 0; i < s.n_entries; i++) {
        assert_int_equal(buf_printf(&got, "%s%s" SLICE_FMT, i == 0 ? "" : " ", s.entries[i].is_sitemap ? "+" : "",
                                    SLICE_ARG(s.entries[i].loc)), 0);
        if (s.entries[i].lastmod.n > 0)
            assert_int_equal(buf_printf(&got, "@" SLICE_FMT, SLICE_ARG(s.entries[i].lastmod)), 0);
    }
    assert_slice_str(buf_slice(&got), expected);
    buf_fini(&got);
    sitemap_fini(&s);
}

static void
expect(const char *body, const char *expected)
{
    expect_bytes(slice_str(body), expected);
}

TEST(sitemap__urlset_and_index)
{
    expect(URLSET("<url><loc> http://e.org/1\n</loc><lastmod>2020-01-01</lastmod><priority>1</priority></url>" PAGE("https://E.org:443/a/../2#f")),
           "http://e.org/1@2020-01-01 https://e.org/2");
    expect("<sitemapindex><sitemap><loc>http://e.org/s.gz</loc><lastmod>2021</lastmod></sitemap>"
           "<sitemap><lastmod>2022</lastmod><loc><![CDATA[\xc2\xa0http://e.org/?a&b ]]></loc></sitemap></sitemapindex>",
           "+http://e.org/s.gz@2021 +http://e.org/?a&b@2022");
    expect("<SM:URLSET xmlns:SM=\"http://www.sitemaps.org/schemas/sitemap/0.9\"><SM:URL><SM:LOC>http://e.org/</SM:LOC></SM:URL></SM:URLSET>",
           "http://e.org/");
}

TEST(sitemap__only_absolute_http_locations)
{
    expect(URLSET(PAGE("/rel") PAGE("ftp://e.org/") PAGE("javascript:1") PAGE("http://") PAGE("") "<url/>" PAGE("http://e.org/")),
           "http://e.org/");
}

TEST(sitemap__extensions_are_no_entries)
{
    expect("<urlset xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"><url><loc>http://e.org/</loc>"
           "<image:image><image:loc>http://e.org/i</image:loc><loc>http://e.org/j</loc></image:image><image:loc>http://e.org/k</image:loc>"
           "<xhtml:link rel=\"alternate\" href=\"http://e.org/de\"/><image xmlns=\"http://www.google.com/schemas/sitemap-image/1.1\">"
           "<loc>http://e.org/l</loc></image></url></urlset>",
           "http://e.org/");
}

TEST(sitemap__damage_costs_no_more_than_what_is_damaged)
{
    struct sitemap s;

    expect(URLSET(PAGE("http://e.org/?a=1&b=2&amp;c") "<url></x><loc>http://e.org/?d=1&amp;e</loc></url>"),
           "http://e.org/?a=1&b=2&c http://e.org/?d=1&e");
    expect("<urlset>" PAGE("http://e.org/1") "<url><loc>http://e.org/cu", "http://e.org/1");
    expect("<urlset>" PAGE("http://e.org/1") "<url><loc>http://e.org/2</lo", "http://e.org/1 http://e.org/2");
    expect("<urlset><url><loc>http://e.org/1<lastmod>2020</lastmod></url><url><loc>http://e.org/2</url>" PAGE("http://e.org/3"),
           "http://e.org/1@2020 http://e.org/2 http://e.org/3");
    expect("Warning: line 1\n\n" URLSET(PAGE("http://e.org/")), "http://e.org/");
    expect("\xef\xbb\xbf \n" URLSET(PAGE("http://e.org/")), "http://e.org/");
    sitemap_init(&s);
    parse_bytes(&s, SLICE_LITERAL("<urlset><url>"));
    assert_true(s.is_damaged);
    parse_bytes(&s, SLICE_LITERAL("<urlset></urlset>"));
    assert_false(s.is_damaged);
    sitemap_fini(&s);
}

TEST(sitemap__entities_stay_unread)
{
    expect("<!DOCTYPE u [<!ENTITY x SYSTEM \"file:///etc/passwd\"><!ENTITY % p SYSTEM \"http://e.org/dtd\">%p;"
           "<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>"
           "<urlset>" PAGE("http://e.org/&x;") PAGE("http://e.org/&c;") PAGE("&x;") "</urlset>",
           "http://e.org/ http://e.org/");
    expect("<!DOCTYPE u SYSTEM 'http://e.org/>' [<!-- ' ]> --><!ENTITY a \"]>\">] ><urlset>" PAGE("http://e.org/1") "</urlset>", "http://e.org/1");
    expect("<!DOCTYPE u [<!ENTITY a \"b\"><urlset>" PAGE("http://e.org/1") "</urlset>", "");
}

TEST(sitemap__html_is_no_sitemap)
{
    expect("<!DOCTYPE html><html><body>" PAGE("http://e.org/") "</body></html>", "");
    expect("<a><loc>http://e.org/</loc></a>", "");
    expect("", "");
    expect("<", "");
    assert_true(sitemap_sniff(SLICE_LITERAL("<?xml version='1.0'?><!-- c --><s:urlset>")));
    assert_true(sitemap_sniff(SLICE_LITERAL("\xef\xbb\xbf<sitemapindex xmlns=''>")));
    assert_false(sitemap_sniff(SLICE_LITERAL("<html><urlset>")));
    assert_false(sitemap_sniff(SLICE_LITERAL("<urlsetx")));
    assert_false(sitemap_sniff(SLICE_NONE));
}

TEST(sitemap__text_lines)
{
    expect("\xef\xbb\xbfhttp://e.org/1\r\n\r\n  http://e.org/2 \nnonsense\n/3\nhttps://e.org/\xc3\xbc",
           "http://e.org/1 http://e.org/2 https://e.org/%C3%BC");
}

TEST(sitemap__rss_and_atom)
{
    expect("<rss version=\"2.0\"><channel><link>http://e.org/</link><atom:link href=\"http://e.org/self\"/><item><link>http://e.org/1</link>"
           "<guid>http://e.org/g</guid><pubDate>Sun, 19 May 2002 15:21:36 GMT</pubDate></item><item><guid>http://e.org/2</guid></item>"
           "<item><guid isPermaLink=\"false\">http://e.org/3</guid></item></channel></rss>",
           "http://e.org/1@Sun, 19 May 2002 15:21:36 GMT http://e.org/2");
    expect("<feed xmlns=\"http://www.w3.org/2005/Atom\"><link href=\"http://e.org/\"/><entry><link rel=\"edit\" href=\"/e\"/>"
           "<link rel=\"alternate\" href=\"1?a&amp;b\"/><updated>2003-12-13T18:30:02Z</updated></entry></feed>",
           "http://e.org/dir/1?a&b@2003-12-13T18:30:02Z");
}

TEST(sitemap__encodings)
{
    static const char ascii[] = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><urlset><url><loc>http://e.org/</loc></url></urlset>";
    char utf16[2 * sizeof ascii + 2] = "\xFF\xFE";
    size_t n = 2;

    for (size_t i = 0; i + 1 < sizeof ascii; i++, n += 2)
        utf16[n] = ascii[i];
    expect_bytes(slice_of(utf16, n), "http://e.org/");
    expect_bytes(slice_of(utf16 + 2, n - 2), "http://e.org/");
    expect_bytes(slice_of(utf16 + 3, n - 4), ""); /* shifted by a byte: nothing to read, and no harm */
    expect(ascii, "http://e.org/");               /* UTF-16 by its own word only */
    expect("<?xml version='1.0' encoding='ISO-8859-1'?><urlset>" PAGE("http://e.org/\xe9") "</urlset>", "http://e.org/%C3%A9");
}

TEST(sitemap__gzip_one_layer)
{
    struct buf once, twice;

    buf_init(&once, MEM_BUF, BUF_NO_CEILING);
    buf_init(&twice, MEM_BUF, BUF_NO_CEILING);
    encode_deflate(&once, SLICE_LITERAL(URLSET(PAGE("http://e.org/"))), ENCODE_GZIP);
    encode_deflate(&twice, buf_slice(&once), ENCODE_GZIP);
    expect_bytes(buf_slice(&once), "http://e.org/");
    expect_bytes(buf_slice(&twice), "");
    buf_fini(&once);
    buf_fini(&twice);
}

TEST(sitemap__stops_at_50000_entries)
{
    struct buf body;
    struct sitemap s;

    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    sitemap_init(&s);
    assert_int_equal(buf_append_str(&body, "<urlset>"), 0);
    for (int i = 0; i < SITEMAP_MAX_ENTRIES + 10; i++)
        assert_int_equal(buf_printf(&body, PAGE("http://e.org/%d"), i), 0);
    parse_bytes(&s, buf_slice(&body));
    assert_int_equal(s.n_entries, SITEMAP_MAX_ENTRIES);
    assert_true(s.is_cut);
    assert_slice_str(s.entries[SITEMAP_MAX_ENTRIES - 1].loc, "http://e.org/49999");
    sitemap_fini(&s);
    buf_fini(&body);
}

TEST(sitemap__survives_any_failed_allocation)
{
    size_t before;

    xml_init();
    expect(URLSET(PAGE("http://e.org/")), "http://e.org/"); /* what is kept for the process is there now */
    before = mem_live_blocks();
    FAULT_SWEEP(nth) {
        struct sitemap s;
        struct url u;

        sitemap_init(&s);
        url_init(&u, MEM_DEFAULT);
        if (url_parse(&u, SLICE_LITERAL("http://e.org/"), NULL) == 0) {
            int err = sitemap_parse(&s, &u, SLICE_NONE, SLICE_LITERAL(URLSET(PAGE("http://e.org/&amp;") "<url><lastmod>2</lastmod></url>")));
            assert_true(err == 0 || err == ORB_ENOMEM);
            assert_int_equal(s.n_entries, err == 0);
        }
        url_fini(&u);
        sitemap_fini(&s);
        assert_int_equal(mem_live_blocks(), before);
    }
}

/* libxml2's own allocations fail too: what could be read, or ORB_ENOMEM, and nothing is left behind. */
TEST(sitemap__survives_any_failed_allocation_of_the_library)
{
    size_t before;
    uint64_t n_counted;

    xml_init();
    expect(URLSET(PAGE("http://e.org/")), "http://e.org/");
    before = mem_live_blocks();
    for (uint64_t nth = 1; nth == 1 || n_counted >= nth - 1; nth++) {
        struct sitemap s;
        struct url u;
        int err;

        sitemap_init(&s);
        url_make(&u);
        mem_fail_nth(nth, false, true);
        err = sitemap_parse(&s, &u, SLICE_NONE, SLICE_LITERAL("<!DOCTYPE u [<!ENTITY a \"b\">]>" URLSET(PAGE("http://e.org/?&a;&"))));
        n_counted = mem_fail_nth(0, false, false);
        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_true(s.n_entries <= 1);
        sitemap_fini(&s);
        url_fini(&u);
        assert_int_equal(mem_live_blocks(), before);
    }
    assert_true(n_counted > 20);
}

TESTS(T(sitemap__urlset_and_index), T(sitemap__only_absolute_http_locations), T(sitemap__extensions_are_no_entries),
      T(sitemap__damage_costs_no_more_than_what_is_damaged), T(sitemap__entities_stay_unread), T(sitemap__html_is_no_sitemap),
      T(sitemap__text_lines), T(sitemap__rss_and_atom), T(sitemap__encodings), T(sitemap__gzip_one_layer),
      T(sitemap__stops_at_50000_entries), T(sitemap__survives_any_failed_allocation),
      T(sitemap__survives_any_failed_allocation_of_the_library))
