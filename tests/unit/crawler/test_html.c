#include "crawler/html.h"
#include "crawler/parse.h"
#include "tests/support/support.h"

struct seen {
    struct buf log; /* "a[href=x] 'text' title{t}" */
    unsigned stop_after;
    unsigned n;
};

static bool
log_start(void *arg, enum html_tag tag, const struct html_attribute *a, unsigned n)
{
    static const char *const names[] = {
#define NAME(identifier, name) name,
        HTML_TAGS(NAME)
#undef NAME
    };
    struct seen *s = arg;

    assert_int_equal(buf_printf(&s->log, "%s", names[tag]), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buf_printf(&s->log, "[" SLICE_FMT "=" SLICE_FMT "]", SLICE_ARG(a[i].name), SLICE_ARG(a[i].value)), 0);
    assert_int_equal(buf_append_char(&s->log, ' '), 0);
    return ++s->n != s->stop_after;
}

static void
log_text(void *arg, struct slice text, bool is_apart)
{
    assert_int_equal(buf_printf(&((struct seen *)arg)->log, "%s'" SLICE_FMT "' ", is_apart ? "" : "+", SLICE_ARG(text)), 0);
}

static void
log_title(void *arg, struct slice text)
{
    assert_int_equal(buf_printf(&((struct seen *)arg)->log, "title{" SLICE_FMT "} ", SLICE_ARG(text)), 0);
}

#define LINK_TAGS (HTML_BIT(HTML_A) | HTML_BIT(HTML_IMG) | HTML_BIT(HTML_META) | HTML_BIT(HTML_IFRAME) | HTML_BIT(HTML_BASE))

static void
assert_events(const char *html, uint64_t tags, unsigned stop_after, const char *expected)
{
    struct seen s = { .stop_after = stop_after };
    struct html_events events = { tags, log_start, log_text, log_title, &s };

    buf_init(&s.log, MEM_DEFAULT, 1 << 20);
    assert_int_equal(html_parse(slice_str(html), &events), 0);
    assert_slice_str(slice_trim(buf_slice(&s.log)), expected);
    buf_fini(&s.log);
}

TEST(html__reports_the_elements_that_were_asked_for)
{
    assert_events("<p><a HREF='x' rel=y>t</a><img src=z>", LINK_TAGS, 0, "a[href=x][rel=y] 't' img[src=z]");
    assert_events("<p><a href=x>t</a><img src=z>", HTML_BIT(HTML_IMG), 0, "'t' img[src=z]");
    assert_events("", LINK_TAGS, 0, "");
    assert_events("just text", LINK_TAGS, 0, "'just text'");
}

TEST(html__goes_on_behind_the_end_of_the_document)
{
    assert_events("<html><body>a</body></html><a href=late>", LINK_TAGS, 0, "'a' a[href=late]");
}

TEST(html__resolves_character_references)
{
    assert_events("<a href='?a=1&amp;b=2&lang=x&#65;'>", LINK_TAGS, 0, "a[href=?a=1&b=2&lang=xA]");
}

TEST(html__keeps_comments_scripts_and_styles_silent)
{
    assert_events("<!-- <a href=1> --><script>'<a href=2>'</script><style><a href=3></style><a href=4>", LINK_TAGS, 0,
                  "a[href=4]");
    assert_events("<!-- a -- > --!><a href=1>", LINK_TAGS, 0, "a[href=1]");
}

TEST(html__reads_raw_text_elements_as_text)
{
    assert_events("<title>a <b>&amp; <a href=1></title><a href=2>", LINK_TAGS, 0, "title{a <b>& <a href=1>} a[href=2]");
    assert_events("<textarea><a href=1></textarea><a href=2>", LINK_TAGS, 0, "a[href=2]");
    assert_events("<iframe src=0><a href=1></IFRAME ><a href=2>", LINK_TAGS, 0, "iframe[src=0] a[href=2]");
    assert_events("<iframe src=0><a href=1>", LINK_TAGS, 0, "iframe[src=0] a[href=1]");
}

TEST(html__takes_the_first_title_that_is_not_a_picture_s)
{
    assert_events("<svg><title>no</title></svg><title>yes</title><title>late</title>", 0, 0, "'no' title{yes}");
    assert_events("<title></title><title>late</title>", 0, 0, "title{}");
    assert_events("<title>never closed <a href=x>", LINK_TAGS, 0, "title{never closed <a href=x>}");
}

TEST(html__drops_a_tag_that_the_end_cuts_off)
{
    assert_events("<a href=1><a href=2", LINK_TAGS, 0, "a[href=1]");
    assert_events("<a href=1><a href='2", LINK_TAGS, 0, "a[href=1]");
}

TEST(html__stops_when_told)
{
    assert_events("<a href=1><a href=2><a href=3>text", LINK_TAGS, 2, "a[href=1] a[href=2]");
}

TEST(html__takes_so_many_attributes_and_no_more)
{
    struct buf html;
    struct seen s = { 0 };
    struct html_events events = { LINK_TAGS, log_start, NULL, NULL, &s };

    buf_init(&html, MEM_DEFAULT, 1 << 20);
    buf_init(&s.log, MEM_DEFAULT, 1 << 20);
    assert_int_equal(buf_append_str(&html, "<a"), 0);
    for (unsigned i = 0; i < 2 * HTML_MAX_ATTRIBUTES; i++)
        assert_int_equal(buf_printf(&html, " a%u", i), 0);
    assert_int_equal(buf_append_str(&html, ">"), 0);
    assert_int_equal(html_parse(buf_slice(&html), &events), 0);
    assert_non_null(strstr(s.log.p, "[a1="));
    assert_null(strstr(s.log.p, "[a128="));
    buf_fini(&s.log);
    buf_fini(&html);
}

/* Each of these took minutes, or for ever, without its bound. */
TEST(html__stays_linear_in_hostile_documents)
{
    static const struct {
        const char *head, *repeated, *tail;
        unsigned n;
    } cases[] = {
        { "", "<div>", "", 200000 },
        { "<div><div><div>", "</p></i>", "", 200000 },
        { "", "<iframe></", "", 200000 },
        { "", "<a href=\"", "", 200000 },
        { "", "<title>", "", 200000 },
    };
    struct html_events events = { LINK_TAGS, NULL, NULL, NULL, NULL };
    struct buf html;

    buf_init(&html, MEM_DEFAULT, 64 << 20);
    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        buf_clear(&html);
        assert_int_equal(buf_append_str(&html, cases[i].head), 0);
        for (unsigned k = 0; k < cases[i].n; k++)
            assert_int_equal(buf_append_str(&html, cases[i].repeated), 0);
        assert_int_equal(html_parse(buf_slice(&html), &events), 0);
    }
    buf_fini(&html);
}

/* 60,000 names that nobody has seen: as attributes of one tag, then as elements, where libxml2 would turn for ever. */
TEST(html__bounds_the_number_of_names)
{
    struct html_events events = { LINK_TAGS, NULL, NULL, NULL, NULL };
    struct buf html;

    buf_init(&html, MEM_DEFAULT, 64 << 20);
    for (unsigned i = 0; i < 60000; i++)
        assert_int_equal(buf_printf(&html, "%s attribute%u", i == 0 ? "<a" : "", i), 0);
    assert_int_equal(buf_append_str(&html, "><new>"), 0);
    assert_int_equal(html_parse(buf_slice(&html), &events), 0);
    buf_clear(&html);
    for (unsigned i = 0; i < 60000; i++)
        assert_int_equal(buf_printf(&html, "<element%u>", i), 0);
    assert_int_equal(html_parse(buf_slice(&html), &events), 0);
    buf_fini(&html);
}

TEST(html__gives_all_memory_back)
{
    struct html_events events = { LINK_TAGS, NULL, NULL, NULL, NULL };
    size_t before = 0;

    for (unsigned round = 0; round < 2; round++) { /* the library keeps what it made in the first */
        for (unsigned i = 0; i < 50; i++)
            assert_int_equal(html_parse(SLICE_LITERAL("<p class=x><a href=y>warm</a><nav><unknown-tag q=1>"), &events), 0);
        html_fini();
        if (round == 0)
            before = mem_live_blocks();
    }
    assert_int_equal(mem_live_blocks(), before);
}

/* libxml2 has what it needs of its own, whatever the document's size. */
TEST(html__reads_a_large_document_where_it_is)
{
    static const struct html_events none = { 0 };
    struct mem_stats before, after;
    struct buf html;

    assert_int_equal(html_parse(SLICE_LITERAL("<p>warm</p>"), &none), 0);
    buf_init(&html, MEM_DEFAULT, 1 << 23);
    while (html.n < 1 << 22)
        assert_int_equal(buf_append_str(&html, "<p>some text <a href='x'>and a link</a></p>\n"), 0);
    mem_stats(MEM_XML, &before);
    assert_int_equal(html_parse(buf_slice(&html), &none), 0);
    mem_stats(MEM_XML, &after);
    assert_true(after.peak_bytes < before.live_bytes + (1 << 19));
    buf_fini(&html);
}

static void
assert_unescaped(const char *text, const char *expected)
{
    struct buf out;

    buf_init(&out, MEM_DEFAULT, 1000);
    assert_int_equal(html_unescape(&out, slice_str(text)), 0);
    assert_slice_str(buf_slice(&out), expected);
    buf_fini(&out);
}

TEST(html_unescape__follows_the_standard)
{
    assert_unescaped("a&amp;b&lt;&copy&#x41;&#66", "a&b<\xC2\xA9" "AB");
    assert_unescaped("&#128; &#0; &#xD800;", "\xE2\x82\xAC \xEF\xBF\xBD \xEF\xBF\xBD");
    assert_unescaped("& &; &# &#x; &nope; &hellip", "& &; &# &#x; &nope; &hellip");
    assert_unescaped("&#99999999999999999999;", "\xEF\xBF\xBD");
}

TEST(html__resolves_references_as_the_standard_does)
{
    /* old names without ';', but not in a query */
    assert_events("<a href='?v=&COPY'><a href='?v=&copy&y=2'><a href='?v=&copy=2'><a href='?v=&copyright'>", LINK_TAGS, 0,
                  "a[href=?v=\xC2\xA9] a[href=?v=\xC2\xA9&y=2] a[href=?v=&copy=2] a[href=?v=&copyright]");
    assert_events("<a href='?a=1&AMP;b=2&amp'><a href='x&lt;y&GT;&quot'><a href='&alpha'><a href='it&apos&apos;s'>", LINK_TAGS, 0,
                  "a[href=?a=1&b=2&] a[href=x<y>\"] a[href=&alpha] a[href=it&apos's]");
    /* names of HTML 5 that stand in ASCII */
    assert_events("<a href='http&colon;&sol;&sol;a&period;test&quest;q&equals;1&num;f'>", LINK_TAGS, 0, "a[href=http://a.test?q=1#f]");
    /* numbers of what is no character for libxml2: nothing behind them is lost */
    assert_events("<a href='1;&#12;url=x'><a href='?&#14;A'><a href='a&#150;b'><a href='a&#0;b&#xD800;c&#x110000;d&#xFFFE;e'>", LINK_TAGS, 0,
                  "a[href=1;\furl=x] a[href=?\x0e" "A] a[href=a\xE2\x80\x93" "b] "
                  "a[href=a\xEF\xBF\xBD" "b\xEF\xBF\xBD" "c\xEF\xBF\xBD" "d\xEF\xBF\xBE" "e]");
    assert_events("<a href='?a=1&#top'><a href='?x=&#'><a href='?x=&#x;y'>", LINK_TAGS, 0, "a[href=?a=1&#top] a[href=?x=&#] a[href=?x=&#x;y]");
    /* what a reference stands for is no markup */
    assert_events("&LT;a href=x&GT; &lt<a href=y>", LINK_TAGS, 0, "'<' +'a href=x' +'>' +' ' +'<' a[href=y]");
}

TESTS(T(html__resolves_references_as_the_standard_does), T(html__reports_the_elements_that_were_asked_for), T(html__goes_on_behind_the_end_of_the_document),
      T(html__resolves_character_references), T(html__keeps_comments_scripts_and_styles_silent),
      T(html__reads_raw_text_elements_as_text), T(html__takes_the_first_title_that_is_not_a_picture_s),
      T(html__drops_a_tag_that_the_end_cuts_off), T(html__reads_a_large_document_where_it_is),
      T(html__stops_when_told), T(html__takes_so_many_attributes_and_no_more),
      T(html__stays_linear_in_hostile_documents), T(html__bounds_the_number_of_names), T(html__gives_all_memory_back),
      T(html_unescape__follows_the_standard))
