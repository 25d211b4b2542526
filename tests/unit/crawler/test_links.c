#include "crawler/links.h"
#include "tests/support/support.h"

/* "kind url rel" of each link, one a line; nofollow ones begin with '!'. */
static void
assert_links_of(struct parse_input in, const char *page_url, const char *expected)
{
    struct parsed parsed;
    struct url url;
    struct buf got;

    url_init(&url, MEM_DEFAULT);
    assert_int_equal(url_parse(&url, slice_str(page_url), NULL), 0);
    in.url = &url;
    parsed_init(&parsed);
    buf_init(&got, MEM_DEFAULT, 1 << 20);
    assert_int_equal(parse_page(&parsed, &in), 0);
    for (size_t i = 0; i < parsed.n_links; i++) {
        const struct link *l = &parsed.links[i];
        assert_int_equal(buf_printf(&got, "%s%s " SLICE_FMT "%s" SLICE_FMT "\n", (l->flags & LINK_NOFOLLOW) != 0 ? "!" : "",
                                    link_kind_name(l->kind), SLICE_ARG(l->url), l->rel.n > 0 ? " " : "", SLICE_ARG(l->rel)),
                         0);
    }
    assert_slice_str(buf_slice(&got), expected);
    buf_fini(&got);
    parsed_fini(&parsed);
    url_fini(&url);
    parse_fini();
}

static void
assert_links(const char *html, const char *expected)
{
    assert_links_of((struct parse_input){ .content_type = SLICE_LITERAL("text/html; charset=utf-8"), .body = slice_str(html) },
                    "http://h.test/d/p.html", expected);
}

static void
assert_assets(const char *html, const char *expected)
{
    assert_links_of((struct parse_input){ .content_type = SLICE_LITERAL("text/html; charset=utf-8"), .body = slice_str(html),
                                          .want_assets = true },
                    "http://h.test/d/p.html", expected);
}

TEST(links__resolves_what_is_written)
{
    assert_links("<a href=x><a href=' /y\n'><area href=//o.test/><a href='?q'><a href=https://s.test>",
                 "a http://h.test/d/x\na http://h.test/y\narea http://o.test/\na http://h.test/d/p.html?q\na https://s.test/\n");
}

TEST(links__drops_fragments_and_what_names_nothing_to_fetch)
{
    assert_links("<a href='x#a'><a href='x#b'><a href='javascript:x'><a href=' JavaScript:x'><a href='data:,x'>"
                 "<a href='http://['><a>",
                 "a http://h.test/d/x\n");
    assert_links("<a href='ftp://f.test/'>", "a ftp://f.test/\n");
}

TEST(links__lists_a_url_once_and_keeps_the_followable_mention)
{
    assert_links("<a href=x rel=nofollow><a href='./x'><a href=x rel=nofollow>", "a http://h.test/d/x\n");
    assert_links("<a href=x><a href='./x' rel=nofollow>", "a http://h.test/d/x\n");
    assert_links("<a href=x rel='UGC  x'><a href=y rel=sponsored><a href=z rel='no follow'>",
                 "!a http://h.test/d/x ugc  x\n!a http://h.test/d/y sponsored\na http://h.test/d/z no follow\n");
}

TEST(links__first_base_rules_the_whole_document)
{
    assert_links("<base href=http://b.test/k/><base href=http://c.test/><a href=x>", "a http://b.test/k/x\n");
    assert_links("<a href=x><base href=/k/><a href=y>", "a http://h.test/k/x\na http://h.test/k/y\n");
    assert_links("<base target=x><base href=/k/><a href=y>", "a http://h.test/k/y\n");
    assert_links("<base href='javascript:x'><base href=/k/><a href=y>", "a http://h.test/d/y\n");
}

TEST(links__link_elements_are_what_their_rel_says)
{
    assert_links("<link rel=canonical href=c><link rel='ALTERNATE' hreflang=de href=de><link rel=next href=n>"
                 "<link rel=author href=a><link rel=stylesheet href=s><link rel='shortcut icon' href=i>"
                 "<link rel=dns-prefetch href=//o.test><link href=nothing>",
                 "canonical http://h.test/d/c canonical\nalternate http://h.test/d/de alternate\n"
                 "next http://h.test/d/n next\nlink http://h.test/d/a author\n");
    assert_assets("<link rel=stylesheet href=s><link rel='shortcut icon' href=i><link rel='alternate stylesheet' href=t>",
                  "style http://h.test/d/s stylesheet\nicon http://h.test/d/i shortcut icon\n"
                  "style http://h.test/d/t alternate stylesheet\n");
}

TEST(links__finds_frames_and_refreshes)
{
    assert_links("<iframe src=f></iframe><frame src=g><meta http-equiv=REFRESH content='0; URL=\"r\"'>",
                 "iframe http://h.test/d/f\nframe http://h.test/d/g\nmeta-refresh http://h.test/d/r\n");
    assert_links("<meta http-equiv=refresh content='1'><meta http-equiv=refresh content='x;url=y'>"
                 "<meta http-equiv=refresh content='1url=y'>",
                 "");
}

TEST(links__lists_assets_when_asked)
{
    const char *html = "<img src=i srcset='a 1x, b,c 2x (, d), e'><script src=s></script><video src=v poster=p><source src=m>"
                       "<object data=o></object><body background=g><svg><a xlink:href=x /></svg><form action=f><img src=''>";

    assert_links(html, "a http://h.test/d/x\n");
    assert_assets(html, "image http://h.test/d/i\nimage http://h.test/d/a\nimage http://h.test/d/b,c\nimage http://h.test/d/e\n"
                        "script http://h.test/d/s\nmedia http://h.test/d/v\nimage http://h.test/d/p\nmedia http://h.test/d/m\n"
                        "object http://h.test/d/o\na http://h.test/d/x\n!form http://h.test/d/f\n");
}

TEST(links__reads_the_link_header)
{
    struct parse_input in = { .content_type = SLICE_LITERAL("text/plain"), .body = SLICE_LITERAL("<a href=x>") };

    in.link_header = SLICE_LITERAL("</n>; rel=\"next\"; title=\"a,b>\", <c>;rel=canonical, <s>; rel=stylesheet, <e>; anchor=\"#x\"; "
                                   "rel=next, <u>, <broken");
    assert_links_of(in, "http://h.test/d/p.txt", "next http://h.test/n next\ncanonical http://h.test/d/c canonical\n");
}

TEST(links__queries_are_in_the_encoding_of_the_page)
{
    assert_links_of((struct parse_input){ .content_type = SLICE_LITERAL("text/html; charset=windows-1252"),
                                          .body = SLICE_LITERAL("<a href='\xE9?\xE9&#8721;'>") },
                    "http://h.test/", "a http://h.test/%C3%A9?%E9%26%238721%3B\n");
}

TEST(links__has_a_ceiling)
{
    struct buf html;
    struct parsed parsed;
    struct url url;
    struct parse_input in = { .url = &url, .content_type = SLICE_LITERAL("text/html") };

    url_init(&url, MEM_DEFAULT);
    assert_int_equal(url_parse(&url, SLICE_LITERAL("http://h.test/"), NULL), 0);
    buf_init(&html, MEM_DEFAULT, 16 << 20);
    for (unsigned i = 0; i < PARSE_MAX_LINKS + 100; i++)
        assert_int_equal(buf_printf(&html, "<a href=%u>", i), 0);
    parsed_init(&parsed);
    in.body = buf_slice(&html);
    assert_int_equal(parse_page(&parsed, &in), 0);
    assert_int_equal(parsed.n_links, PARSE_MAX_LINKS);
    assert_true(parsed.links_cut);
    parsed_fini(&parsed);
    url_fini(&url);
    buf_fini(&html);
    parse_fini();
}

TESTS(T(links__resolves_what_is_written), T(links__drops_fragments_and_what_names_nothing_to_fetch),
      T(links__lists_a_url_once_and_keeps_the_followable_mention), T(links__first_base_rules_the_whole_document),
      T(links__link_elements_are_what_their_rel_says), T(links__finds_frames_and_refreshes), T(links__lists_assets_when_asked),
      T(links__reads_the_link_header), T(links__queries_are_in_the_encoding_of_the_page), T(links__has_a_ceiling))
