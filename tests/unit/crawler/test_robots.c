#include "crawler/robots.h"

#include <time.h>

#include "tests/support/support.h"

static bool
allows(const char *body, const char *agent, const char *path)
{
    struct robots *r = robots_parse(slice_str(body), slice_str(agent));
    bool is_allowed;

    assert_non_null(r);
    is_allowed = robots_allows(r, slice_str(path));
    robots_unref(&r);
    assert_null(r);
    return is_allowed;
}

static uint32_t
delay_ms(const char *body, const char *agent)
{
    struct robots *r = robots_parse(slice_str(body), slice_str(agent));
    uint32_t ms;

    assert_non_null(r);
    ms = robots_crawl_delay_ms(r);
    robots_unref(&r);
    return ms;
}

static const char two_groups[] = "User-agent: *\nDisallow: /private\n\nUser-agent: orbweaver\nDisallow: /\nAllow: /open/\n";

TEST(robots__the_longest_match_decides_and_allow_wins_a_tie)
{
    const char *body = "User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /a/b/c\nAllow: /tie\nDisallow: /tie\n";

    assert_false(allows(body, "orbweaver", "/a"));
    assert_false(allows(body, "orbweaver", "/ab"));
    assert_true(allows(body, "orbweaver", "/a/b"));
    assert_false(allows(body, "orbweaver", "/a/b/c/d?e"));
    assert_true(allows(body, "orbweaver", "/tie"));
    assert_true(allows(body, "orbweaver", "/other"));
    assert_true(allows("", "orbweaver", "/"));
}

TEST(robots__a_named_group_replaces_the_star_group)
{
    assert_true(allows(two_groups, "OrbWeaver", "/open/private"));
    assert_false(allows(two_groups, "orbweaver", "/closed"));
    assert_false(allows(two_groups, "orbweaver/1.0 (+https://example.org)", "/closed"));
    assert_true(allows(two_groups, "orb", "/closed"));
    assert_false(allows(two_groups, "orbweaver-news", "/private"));
    assert_true(allows("User-agent: orbweaver\n\nUser-agent: *\nDisallow: /\nUser-agent: orbweaver\nDisallow: /x", "orbweaver", "/x/")
                == false);
}

TEST(robots__groups_of_the_same_token_are_merged)
{
    const char *body = "User-agent: a\nUser-agent: b\nSitemap: http://e/s\nUnknown: x\nDisallow: /1\n"
                       "User-agent: c\nDisallow: /2\nUser-agent: A\nDisallow: /3\n";

    assert_false(allows(body, "a", "/1"));
    assert_true(allows(body, "a", "/2"));
    assert_false(allows(body, "a", "/3"));
    assert_false(allows(body, "b", "/1"));
    assert_true(allows(body, "b", "/3"));
}

TEST(robots__tokens_are_whole_and_may_hold_digits)
{
    assert_false(allows("User-agent: bot7\nDisallow: /", "bot7", "/"));
    assert_true(allows("User-agent: bot7\nDisallow: /", "bot8", "/"));
    assert_true(allows("User-agent: bots\nDisallow: /", "bot", "/"));
    assert_false(allows("User-agent: bot42x\nDisallow: /", "bot", "/")); /* the RFC's token ends before the digit */
    assert_true(allows("User-agent: bot42x\nDisallow: /\nUser-agent: bot\nDisallow: /z", "bot", "/"));
    assert_true(allows("User-agent: J\xc3\xa4ger\nDisallow: /", "j", "/"));
    assert_true(allows("User-agent: *bot\nDisallow: /", "bot", "/"));
    assert_false(allows("User-agent: * # all\nDisallow: /", "", "/"));
}

TEST(robots__wildcards_and_end_anchor)
{
    const char *body = "User-agent: *\nDisallow: /*.php$\nDisallow: /x*y*z\nDisallow: *.gif\nDisallow: /m$n\n";

    assert_false(allows(body, "o", "/a/b.php"));
    assert_true(allows(body, "o", "/a/b.php?c"));
    assert_true(allows(body, "o", "/a/b.php5"));
    assert_false(allows(body, "o", "/a.php/b.php"));
    assert_false(allows(body, "o", "/x1y2z3"));
    assert_true(allows(body, "o", "/x1z2y3"));
    assert_false(allows(body, "o", "/deep/er.gif?q"));
    assert_false(allows(body, "o", "/m$n"));
    assert_true(allows("User-agent: *\nDisallow: /\nAllow: /$", "o", "/"));
    assert_false(allows("User-agent: *\nDisallow: /\nAllow: /$", "o", "/a"));
    assert_true(allows("User-agent: *\nDisallow: /*a$", "o", "/b"));
    assert_false(allows("User-agent: *\nDisallow: /**$", "o", "/b"));
}

TEST(robots__percent_encoding_is_one_spelling_on_both_sides)
{
    const char *body = "User-agent: *\nDisallow: /a%3cd\nDisallow: /k\xc3\xb6\nDisallow: /%7ejoe/\nDisallow: /s%2fl\n"
                       "Disallow: /star%2Aend\nDisallow: /cash%24\n";

    assert_false(allows(body, "o", "/a<d"));
    assert_false(allows(body, "o", "/a%3Cd"));
    assert_false(allows(body, "o", "/k%c3%B6nyv"));
    assert_false(allows(body, "o", "/~joe/x"));
    assert_false(allows(body, "o", "/%7Ejoe/x"));
    assert_false(allows(body, "o", "/s%2Fl"));
    assert_true(allows(body, "o", "/s/l"));
    assert_false(allows(body, "o", "/star*end"));
    assert_true(allows(body, "o", "/starmiddleend"));
    assert_false(allows(body, "o", "/cash$/more"));
    assert_false(allows(body, "o", "/cash%24/more"));
}

TEST(robots__reads_what_people_write)
{
    assert_false(allows("\xef\xbb\xbfUser-agent: *\rDisallow: /\r", "o", "/"));
    assert_false(allows("  uSeR-AgEnT : * # c\r\n\tdisallow   :  / # c\r\n", "o", "/"));
    assert_false(allows("User-agent *\nDisallow /x", "o", "/x"));
    assert_true(allows("User-agent: *\nDisallow /x y", "o", "/x"));
    assert_false(allows("User-agent: *\nDissalow: /x", "o", "/x"));
    assert_true(allows("User-agent: *\nDisallow:\n", "o", "/x"));
    assert_true(allows("Disallow: /\nUser-agent: *\n", "o", "/x"));
    assert_true(allows("User-agent: *\nDisallow: http://e/\nDisallow: x\n", "o", "/x"));
    assert_false(allows("User-agent: *\nDisallow: /", "o", ""));
}

TEST(robots__robots_txt_itself_is_always_allowed)
{
    struct robots *nothing = robots_all(false), *all = robots_all(true);

    assert_true(allows("User-agent: *\nDisallow: /", "o", "/robots.txt"));
    assert_true(allows("User-agent: *\nDisallow: /", "o", "/robots.txt?x"));
    assert_false(allows("User-agent: *\nDisallow: /", "o", "/robots.txt2"));
    assert_true(robots_allows(nothing, SLICE_LITERAL("/robots.txt")));
    assert_false(robots_allows(nothing, SLICE_LITERAL("/")));
    assert_true(robots_allows(all, SLICE_LITERAL("/")));
    robots_unref(&nothing);
    robots_unref(&all);
}

TEST(robots__crawl_delay_is_that_of_our_group)
{
    const char *body = "User-agent: a\nCrawl-delay: 1.5\nUser-agent: b\nCrawl-delay: 20\nDisallow: /b\n"
                       "User-agent: *\nDisallow: /\nCrawl-delay: 0.25 \n";

    assert_int_equal(delay_ms(body, "a"), 1500);
    assert_int_equal(delay_ms(body, "b"), 20000);
    assert_int_equal(delay_ms(body, "c"), 250);
    assert_false(allows(body, "a", "/b")); /* a Crawl-delay does not keep rules from the agents above it */
    assert_int_equal(delay_ms("User-agent: *\nDisallow:", "c"), ROBOTS_NO_DELAY);
    assert_int_equal(delay_ms("User-agent: *\nCrawl-delay: -1", "c"), ROBOTS_NO_DELAY);
    assert_int_equal(delay_ms("User-agent: *\nCrawl-delay: nan", "c"), ROBOTS_NO_DELAY);
    assert_int_equal(delay_ms("User-agent: *\nCrawl-delay: 99999999999999999999999", "c"), ROBOTS_MAX_DELAY_MS);
}

TEST(robots__sitemaps_are_of_the_whole_file)
{
    const char *body = "Sitemap: http://e/1 # one\nUser-agent: x\nSite-map: http://e/2\nDisallow: /\nsitemap:http://e/1\nSitemap:\n";
    struct robots *r = robots_parse(slice_str(body), SLICE_LITERAL("orbweaver"));

    assert_int_equal(robots_n_sitemaps(r), 2);
    assert_slice_str(robots_sitemap(r, 0), "http://e/1");
    assert_slice_str(robots_sitemap(r, 1), "http://e/2");
    assert_int_equal(robots_n_rules(r), 0);
    robots_unref(&r);
}

TEST(robots__keeps_rules_once_and_only_ours)
{
    struct buf body;
    struct robots *r;
    struct mem_stats before, after;

    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_append_str(&body, "User-agent: other\n"), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(buf_printf(&body, "Disallow: /others/%d\n", i), 0);
    assert_int_equal(buf_append_str(&body, "User-agent: *\n"), 0);
    for (int i = 0; i < 300; i++)
        assert_int_equal(buf_append_str(&body, "Disallow: /same\n"), 0);
    mem_stats(MEM_HOST, &before);
    r = robots_parse(buf_slice(&body), SLICE_LITERAL("orbweaver"));
    mem_stats(MEM_HOST, &after);
    assert_int_equal(robots_n_rules(r), 1);
    assert_true(after.live_bytes - before.live_bytes <= 32);
    robots_unref(&r);
    buf_fini(&body);
}

TEST(robots__reads_the_first_500_kib)
{
    struct buf body;

    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_append_str(&body, "User-agent: *\nDisallow: /early\n#"), 0);
    while (body.n < ROBOTS_MAX_BYTES)
        assert_int_equal(buf_append_char(&body, 'x'), 0);
    assert_int_equal(buf_append_str(&body, "\nDisallow: /late\n"), 0);
    assert_false(allows(body.p, "o", "/early"));
    assert_true(allows(body.p, "o", "/late"));
    buf_fini(&body);
}

static double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(robots__hostile_patterns_are_cheap)
{
    struct buf body, path;
    struct robots *r;
    double began_s;

    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    buf_init(&path, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_append_str(&body, "User-agent: *\n"), 0);
    for (int i = 0; body.n < ROBOTS_MAX_BYTES - 200; i++)
        assert_int_equal(buf_printf(&body, "Disallow: %s%d\n", "*a*a*a*a*a*a*a*a*a*a*a*a*ab*ab*a*a*a*b", i), 0);
    for (int i = 0; i < 60000; i++)
        assert_int_equal(buf_append_char(&path, i == 0 ? '/' : 'a'), 0);
    r = robots_parse(buf_slice(&body), SLICE_LITERAL("o"));
    began_s = now_s();
    robots_allows(r, buf_slice(&path));
    assert_true(now_s() - began_s < 2); /* 20 ms on an idle machine; centuries when patterns are tried in every way */
    robots_unref(&r);
    buf_fini(&body);
    buf_fini(&path);
}

TEST(robots__hosts_with_the_same_rules_share_them)
{
    struct object_type_stats types[64];
    unsigned n_types, n_rules = 0;
    struct robots *hosts[10];

    for (int i = 0; i < 10; i++)
        hosts[i] = i < 4 ? robots_all(true) : i < 5 ? robots_all(false)
                   : robots_parse(slice_str(i < 8 ? two_groups : "User-agent: *\nDisallow: /x\n"), SLICE_LITERAL("orbweaver"));
    n_types = object_census(types, ORB_N_ELEMENTS(types));
    for (unsigned i = 0; i < n_types; i++)
        if (strcmp(types[i].name, "Rule") == 0)
            n_rules = (unsigned)types[i].n_live;
    assert_int_equal(n_rules, 4); /* all, nothing, and two files */
    assert_true(robots_allows(hosts[0], SLICE_LITERAL("/closed")));
    assert_false(robots_allows(hosts[4], SLICE_LITERAL("/open/")));
    robots_unref(&hosts[5]);
    assert_false(robots_allows(hosts[6], SLICE_LITERAL("/closed"))); /* its neighbour's end is nothing to it */
    assert_false(robots_allows(hosts[9], SLICE_LITERAL("/x")));
    for (int i = 0; i < 10; i++)
        robots_unref(&hosts[i]);
}

TEST(robots__a_limit_of_what_pages_take_changes_no_answer)
{
    char path[4000] = "/open/\"";

    memset(path + strlen(path), 'x', sizeof path - strlen(path) - 1);
    path[sizeof path - 1] = '\0';
    mem_set_limits(MEM_BUF, 0, 1);
    mem_set_limits(MEM_PAGE, 0, 1);
    assert_true(allows(two_groups, "orbweaver", path));
    assert_false(allows(two_groups, "orbweaver", path + strlen("/open")));
    mem_set_limits(MEM_BUF, 0, 0);
    mem_set_limits(MEM_PAGE, 0, 0);
}

TEST(robots__survives_any_failed_allocation)
{
    size_t before = mem_live_blocks();

    FAULT_SWEEP(nth) {
        struct robots *r = robots_parse(slice_str(two_groups), SLICE_LITERAL("orbweaver"));

        if (r != NULL) {
            assert_false(robots_allows(r, SLICE_LITERAL("/closed")));
            assert_true(robots_allows(r, SLICE_LITERAL("/open/")));
        }
        robots_unref(&r);
        assert_int_equal(mem_live_blocks(), before);
    }
}

TESTS(T(robots__the_longest_match_decides_and_allow_wins_a_tie), T(robots__a_named_group_replaces_the_star_group),
      T(robots__groups_of_the_same_token_are_merged), T(robots__tokens_are_whole_and_may_hold_digits),
      T(robots__wildcards_and_end_anchor), T(robots__percent_encoding_is_one_spelling_on_both_sides),
      T(robots__reads_what_people_write), T(robots__robots_txt_itself_is_always_allowed),
      T(robots__crawl_delay_is_that_of_our_group), T(robots__sitemaps_are_of_the_whole_file),
      T(robots__keeps_rules_once_and_only_ours), T(robots__reads_the_first_500_kib), T(robots__hostile_patterns_are_cheap),
      T(robots__hosts_with_the_same_rules_share_them),
      T(robots__a_limit_of_what_pages_take_changes_no_answer), T(robots__survives_any_failed_allocation))
