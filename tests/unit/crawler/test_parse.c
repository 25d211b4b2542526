#include "crawler/charset.h"
#include "crawler/parse.h"
#include "crawler/robots_meta.h"
#include "crawler/simhash.h"
#include "tests/support/support.h"

/* libxml2 2.9 loses 256 bytes when an allocation fails while a parser context is made. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:htmlNewParserCtxt";
}

static struct url url;
static struct parsed parsed;

static int
parse(struct parse_input in)
{
    in.url = &url;
    if (in.user_agent.n == 0)
        in.user_agent = SLICE_LITERAL("orb");
    return parse_page(&parsed, &in);
}

static void
parse_html(const char *html)
{
    assert_int_equal(parse((struct parse_input){ .content_type = SLICE_LITERAL("text/html"), .body = slice_str(html) }), 0);
}

TEST(parse__finds_title_description_and_language)
{
    parse_html("<html lang=' de '><title> A \n b&amp;c </title><meta name=Description content=' x  y '><p>");
    assert_slice_str(parsed.title, "A b&c");
    assert_slice_str(parsed.description, "x y");
    assert_slice_str(parsed.language, "de");
    assert_string_equal(parsed.charset, "windows-1252");
    assert_int_equal(parse((struct parse_input){ .content_type = SLICE_LITERAL("text/html"),
                                                 .content_language = SLICE_LITERAL("fr, en"), .body = SLICE_LITERAL("<p>") }),
                     0);
    assert_slice_str(parsed.language, "fr");
    assert_int_equal(parsed.title.n, 0);
}

TEST(parse__cuts_a_long_title_between_characters)
{
    struct buf html;

    buf_init(&html, MEM_DEFAULT, 1 << 20);
    assert_int_equal(buf_append_str(&html, "<meta charset=utf-8><title>a"), 0);
    for (unsigned i = 0; i < 4000; i++)
        assert_int_equal(buf_append_str(&html, "\xC3\xA9"), 0);
    parse_html(html.p);
    assert_in_range(parsed.title.n, 4094, 4096);
    assert_true(charset_scan(parsed.title).is_utf8);
    buf_fini(&html);
}

TEST(parse__reads_again_when_a_late_meta_names_another_charset)
{
    struct buf html;

    buf_init(&html, MEM_DEFAULT, 1 << 20);
    assert_int_equal(buf_append_str(&html, "<title>\xF2\xE5\xEA\xF1\xF2</title><a href=\xE0>x</a><!--"), 0);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(buf_append_char(&html, 'x'), 0);
    assert_int_equal(buf_append_str(&html, "--><a href=y><base href=/b/><meta charset=windows-1251><a href=z>"), 0);
    parse_html(html.p);
    assert_string_equal(parsed.charset, "windows-1251");
    assert_slice_str(parsed.title, "\xD1\x82\xD0\xB5\xD0\xBA\xD1\x81\xD1\x82");
    assert_int_equal(parsed.n_links, 3);
    assert_slice_str(parsed.links[0].url, "http://h.test/b/%D0%B0");
    buf_fini(&html);
}

TEST(parse__obeys_robots_in_meta_and_header)
{
    parse_html("<meta name=ROBOTS content='NoIndex'><a href=x>");
    assert_int_equal(parsed.policy, PARSE_NOINDEX);
    assert_int_equal(parsed.links[0].flags, 0);
    parse_html("<a href=x><meta name=Orb content='none, noarchive'><meta name=other content=noindex>");
    assert_int_equal(parsed.policy, PARSE_NOINDEX | PARSE_NOFOLLOW | PARSE_NOARCHIVE);
    assert_int_equal(parsed.links[0].flags, 0); /* that is the link's own */
    assert_int_equal(parse((struct parse_input){ .content_type = SLICE_LITERAL("application/pdf"),
                                                 .x_robots_tag = SLICE_LITERAL("noindex, other: nofollow") }),
                     0);
    assert_int_equal(parsed.policy, PARSE_NOINDEX);
}

TEST(robots_header__speaks_to_all_or_to_one_agent)
{
    struct slice orb = SLICE_LITERAL("orb");

    assert_int_equal(robots_header_policy(SLICE_LITERAL("other: noindex, nofollow"), orb), 0);
    assert_int_equal(robots_header_policy(SLICE_LITERAL("ORB: noindex, other: nofollow"), orb), PARSE_NOINDEX);
    assert_int_equal(robots_header_policy(SLICE_LITERAL("max-snippet:5, orb:nofollow"), orb), PARSE_NOFOLLOW);
    assert_int_equal(robots_header_policy(SLICE_LITERAL("orb:max-image-preview: none, noarchive"), orb), PARSE_NOARCHIVE);
    assert_int_equal(robots_header_policy(SLICE_LITERAL(""), orb), 0);
}

TEST(robots_header__each_line_begins_with_directives_for_all)
{
    struct slice orb = SLICE_LITERAL("orb");

    assert_int_equal(robots_header_policy(SLICE_LITERAL("other: noindex\nnofollow"), orb), PARSE_NOFOLLOW);
    assert_int_equal(robots_header_policy(SLICE_LITERAL("orb: noindex\nother: nofollow\nnoarchive"), orb), PARSE_NOINDEX | PARSE_NOARCHIVE);
}

TEST(robots_meta__the_leading_token_of_the_user_agent_is_our_name)
{
    struct slice agent = SLICE_LITERAL("orbweaver/0.1 (+mailto:you@example.org)");

    assert_int_equal(robots_header_policy(SLICE_LITERAL("OrbWeaver: none"), agent), PARSE_NOINDEX | PARSE_NOFOLLOW);
    assert_int_equal(robots_header_policy(SLICE_LITERAL("orb: none"), agent), 0);
    assert_int_equal(parse((struct parse_input){ .content_type = SLICE_LITERAL("text/html"), .user_agent = agent,
                                                 .body = SLICE_LITERAL("<meta name=orbweaver content=noarchive>") }), 0);
    assert_int_equal(parsed.policy, PARSE_NOARCHIVE);
}

TEST(robots_meta__a_value_is_no_directive)
{
    static const struct {
        const char *content;
        unsigned policy;
    } cases[] = {
        { "max-image-preview:none", 0 },
        { "max-image-preview: none", 0 },
        { "max-image-preview : none, nofollow", PARSE_NOFOLLOW },
        { "max-snippet:-1 noindex", PARSE_NOINDEX },
        { "noindex;nofollow", PARSE_NOINDEX | PARSE_NOFOLLOW },
        { "index, follow, noodp, nocache", PARSE_NOARCHIVE },
        { "unavailable_after: Wed, 25 Jun 2030 15:00:00 PST, noindex", PARSE_NOINDEX },
        { "NONE", PARSE_NOINDEX | PARSE_NOFOLLOW },
        { " , :,, ", 0 },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        assert_int_equal(robots_meta_policy(slice_str(cases[i].content)), cases[i].policy);
        assert_int_equal(robots_header_policy(slice_str(cases[i].content), SLICE_LITERAL("orb")), cases[i].policy);
    }
}

TEST(parse__only_html_gives_links)
{
    static const struct {
        const char *type, *body;
        size_t n_links;
    } cases[] = {
        { "text/html", "<a href=x>", 1 },
        { "TEXT/HTML ; charset=x", "<a href=x>", 1 },
        { "application/xhtml+xml", "<?xml version='1.0'?><html><a href='x'/></html>", 1 },
        { "application/xml", "<?xml version='1.0'?><html><a href='x'/></html>", 1 },
        { "application/rss+xml", "<rss><a href='x'/></rss>", 0 },
        { "text/plain", "<html><a href=x>", 0 },
        { "image/png", "<html><a href=x>", 0 },
        { "", "  <!DOCTYPE html><a href=x>", 1 },
        { "", "GIF89a<a href=x>", 0 },
        { "nonsense", "<p><a href=x>", 1 },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        assert_int_equal(parse((struct parse_input){ .content_type = slice_str(cases[i].type), .body = slice_str(cases[i].body) }), 0);
        assert_int_equal(parsed.n_links, cases[i].n_links);
    }
}

TEST(parse__bytes_after_a_nul_count)
{
    static const char html[] = "<p>\0<a href=x\0y><title>a\0b</title>";

    assert_int_equal(parse((struct parse_input){ .content_type = SLICE_LITERAL("text/html; charset=utf-8"),
                                                 .body = slice_of(html, sizeof html - 1) }),
                     0);
    assert_int_equal(parsed.n_links, 1);
    assert_slice_str(parsed.links[0].url, "http://h.test/d/x%EF%BF%BDy");
    assert_slice_str(parsed.title, "a\xEF\xBF\xBD" "b");
}

TEST(simhash__is_near_for_near_texts)
{
    static const char *const words[] = { "spider", "web", "thread", "evening", "silk", "garden", "wind", "branch", "dew", "knot" };
    struct buf a, b, c;

    buf_init(&a, MEM_DEFAULT, 1 << 20);
    buf_init(&b, MEM_DEFAULT, 1 << 20);
    buf_init(&c, MEM_DEFAULT, 1 << 20);
    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(buf_printf(&a, "%s%u ", words[i % 10], i * 7 % 501), 0);
        assert_int_equal(buf_printf(&b, "%s%u\n", words[i % 10], i * 7 % (i % 50 == 0 ? 47 : 501)), 0);
        assert_int_equal(buf_printf(&c, "%s-%u ", words[i % 10], i * 13 % 467), 0);
    }
    parse_html(a.p);
    uint64_t of_a = parsed.simhash;
    parse_html(b.p);
    uint64_t of_b = parsed.simhash;
    parse_html(c.p);
    uint64_t of_c = parsed.simhash;
    assert_true(of_a != 0);
    assert_in_range(simhash_distance(of_a, of_b), 0, 10);
    assert_in_range(simhash_distance(of_a, of_c), 14, 64);
    parse_html("<p>few words");
    assert_true(parsed.simhash == 0);
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&c);
}

/* The n-th allocation fails, alone or with all after it, the library's included. */
static void
fail_each_allocation(bool onwards)
{
    static const char html[] = "<base href=/k/><title>t</title><meta name=description content=d><a href=x rel=y><a href=/z>\xE9"
                               "<nav><unknown a=b>";
    struct parse_input in = { .url = &url, .content_type = SLICE_LITERAL("text/html"), .body = SLICE_LITERAL(html),
                              .link_header = SLICE_LITERAL("<l>; rel=next") };

    for (uint64_t nth = 1;; nth++) {
        int err;
        parsed_fini(&parsed);
        parse_fini();
        parsed_init(&parsed);
        mem_fail_nth(nth, onwards, true);
        err = parse_page(&parsed, &in);
        if (mem_fail_nth(0, false, true) < nth)
            break;
        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_true(err == 0 || parsed.n_links == 0);
        assert_in_range(nth, 1, 5000);
    }
    assert_int_equal(parsed.n_links, 3);
}

TEST(parse__survives_any_failed_allocation)
{
    fail_each_allocation(false);
    fail_each_allocation(true);
}

TEST(parse__gives_all_memory_back)
{
    size_t before = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 100; i++)
            parse_html("<meta charset=big5><title>t</title><a href='x?\xA4\xA4'><img srcset='a 1x'><unknown>");
        parsed_fini(&parsed);
        parse_fini();
        if (round == 0)
            before = mem_live_blocks();
        parsed_init(&parsed);
    }
    parsed_fini(&parsed);
    assert_int_equal(mem_live_blocks(), before);
    parsed_init(&parsed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(parse__finds_title_description_and_language), T(parse__cuts_a_long_title_between_characters),
        T(parse__reads_again_when_a_late_meta_names_another_charset), T(parse__obeys_robots_in_meta_and_header),
      T(robots_header__speaks_to_all_or_to_one_agent), T(robots_header__each_line_begins_with_directives_for_all),
      T(robots_meta__the_leading_token_of_the_user_agent_is_our_name), T(robots_meta__a_value_is_no_directive),
      T(parse__only_html_gives_links), T(parse__bytes_after_a_nul_count),
        T(simhash__is_near_for_near_texts), T(parse__survives_any_failed_allocation), T(parse__gives_all_memory_back),
    };
    int failed;

    url_init(&url, MEM_DEFAULT);
    if (url_parse(&url, SLICE_LITERAL("http://h.test/d/p.html"), NULL) != 0)
        return 1;
    parsed_init(&parsed);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    parsed_fini(&parsed);
    parse_fini();
    url_fini(&url);
    return failed;
}
