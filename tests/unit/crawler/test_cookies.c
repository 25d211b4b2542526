#include "crawler/cookies.h"

#include <stdio.h>

#include "tests/support/support.h"

#define NOW 1700000000u /* 2023-11-14T22:13:20Z */

static struct cookies *jar;

static void
url_make(struct url *u, const char *href)
{
    url_init(u, MEM_DEFAULT);
    assert_int_equal(url_parse(u, slice_str(href), NULL), 0);
}

static bool
set(const char *href, const char *set_cookie)
{
    struct url u;
    bool changed;

    url_make(&u, href);
    changed = cookies_set(jar, &u, slice_str(set_cookie), NOW);
    url_fini(&u);
    return changed;
}

static void
expect_at(const char *href, uint64_t now_s, const char *header)
{
    struct url u;
    struct buf out;

    url_make(&u, href);
    buf_init(&out, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(cookies_header(jar, &u, now_s, &out), 0);
    assert_slice_str(buf_slice(&out), header);
    buf_fini(&out);
    url_fini(&u);
}

static void
expect(const char *href, const char *header)
{
    expect_at(href, NOW, header);
}

static void
jar_empty(void)
{
    cookies_free(&jar);
    assert_int_equal(cookies_new(&jar), 0);
}

TEST(cookies__come_back_as_they_were_set)
{
    jar_empty();
    assert_true(set("http://e.org/", " a = 1 ; HttpOnly; SameSite=Lax; Whatever=x;;="));
    assert_true(set("http://e.org/", "b=\"q=2\""));
    assert_true(set("http://e.org/", "no-name"));
    expect("http://e.org/x", "a=1; b=\"q=2\"; no-name");
    assert_true(set("http://e.org/", "a=3")); /* keeps its place */
    expect("http://e.org/x", "a=3; b=\"q=2\"; no-name");
    assert_int_equal(cookies_count(jar), 3);
}

TEST(cookies__the_path_decides_what_is_sent_and_in_which_order)
{
    jar_empty();
    assert_true(set("http://e.org/dir/page", "d=1"));
    assert_true(set("http://e.org/dir/page", "r=1; Path=/"));
    assert_true(set("http://e.org/dir/page", "s=1; path=/dir/sub/"));
    assert_true(set("http://e.org/page", "bad=1; Path=x"));
    expect("http://e.org/", "r=1; bad=1");
    expect("http://e.org/dir", "d=1; r=1; bad=1");
    expect("http://e.org/dirt", "r=1; bad=1");
    expect("http://e.org/dir/sub", "d=1; r=1; bad=1");
    expect("http://e.org/dir/sub/x?y", "s=1; d=1; r=1; bad=1");
}

TEST(cookies__expire)
{
    jar_empty();
    assert_true(set("http://e.org/", "a=1; Max-Age=10"));
    assert_true(set("http://e.org/", "b=1; Expires=Tue, 14 Nov 2023 22:13:40 GMT"));
    assert_true(set("http://e.org/", "c=1; Expires=Wed, 01 Jan 2020 00:00:00 GMT; Max-Age=30")); /* Max-Age counts */
    assert_true(set("http://e.org/", "d=1; Max-Age=x; Expires=never"));
    assert_false(set("http://e.org/", "e=1; Max-Age=0"));
    assert_false(set("http://e.org/", "e=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
    expect_at("http://e.org/", NOW + 9, "a=1; b=1; c=1; d=1");
    expect_at("http://e.org/", NOW + 10, "b=1; c=1; d=1");
    expect_at("http://e.org/", NOW + 20, "c=1; d=1");
    expect_at("http://e.org/", NOW + 30, "d=1");
    assert_int_equal(cookies_count(jar), 1);
    assert_true(set("http://e.org/", "d=; Max-Age=-1"));
    assert_int_equal(cookies_count(jar), 0);
    assert_int_equal(cookies_bytes(jar), 0);
    assert_true(set("http://e.org/", "f=1; Max-Age=99999999999999999999999"));
    expect_at("http://e.org/", NOW + COOKIES_MAX_LIFE_S - 1, "f=1");
    expect_at("http://e.org/", NOW + COOKIES_MAX_LIFE_S, "");
}

TEST(cookies__secure_ones_stay_on_https)
{
    jar_empty();
    assert_false(set("http://e.org/", "a=1; Secure"));
    assert_true(set("https://e.org/", "a=1; Secure"));
    expect("http://e.org/", "");
    expect("https://e.org/", "a=1");
    assert_false(set("http://e.org/", "a=2"));
    assert_false(set("http://e.org/deep/er", "a=2"));
    assert_true(set("https://e.org/", "a=2"));
}

TEST(cookies__prefixes_keep_their_promise)
{
    jar_empty();
    assert_false(set("https://e.org/", "__Secure-a=1"));
    assert_true(set("https://e.org/", "__Secure-a=1; Secure"));
    assert_false(set("https://e.org/", "__Host-a=1; Secure"));
    assert_false(set("https://e.org/", "__Host-a=1; Secure; Path=/; Domain=e.org"));
    assert_false(set("https://e.org/", "__host-a=1; Path=/"));
    assert_true(set("https://e.org/", "__Host-a=1; Secure; Path=/"));
    assert_false(set("https://e.org/", "=__Host-a=1"));
    assert_false(set("https://e.org/", "__Secure-b"));
}

TEST(cookies__a_domain_must_be_ours_and_no_public_suffix)
{
    jar_empty();
    assert_false(set("http://a.example.co.uk/", "a=1; Domain=co.uk"));
    assert_false(set("http://a.example.co.uk/", "a=1; Domain=uk"));
    assert_false(set("http://a.example.co.uk/", "a=1; Domain=b.example.co.uk"));
    assert_false(set("http://a.example.co.uk/", "a=1; Domain=x.a.example.co.uk"));
    assert_false(set("http://aexample.co.uk/", "a=1; Domain=example.co.uk"));
    assert_false(set("http://a.github.io/", "a=1; Domain=github.io"));
    assert_false(set("http://127.0.0.1/", "a=1; Domain=0.0.1"));
    assert_int_equal(cookies_count(jar), 0);
    assert_true(set("http://a.example.co.uk/", "a=1; Domain=.EXAMPLE.co.uk"));
    assert_true(set("http://a.example.co.uk/", "b=1; Domain=a.example.co.uk"));
    assert_true(set("http://a.example.co.uk/", "a=2")); /* another cookie: of the host alone */
    assert_true(set("http://127.0.0.1/", "c=1; Domain=127.0.0.1"));
    assert_true(set("http://localhost/", "d=1; Domain=localhost"));
    expect("http://a.example.co.uk/", "a=1; b=1; a=2; c=1; d=1");
}

TEST(cookies__hostile_ones_are_refused)
{
    static char big[8192];
    struct url u;

    jar_empty();
    memset(big, 'x', sizeof big - 1);
    assert_false(set("http://e.org/", ""));
    assert_false(set("http://e.org/", "="));
    assert_false(set("http://e.org/", "; Path=/"));
    assert_false(set("http://e.org/", "a=1\r\nX: y"));
    assert_false(set("http://e.org/", "a=\x7f"));
    assert_false(set("http://e.org/", big));
    url_make(&u, "http://e.org/");
    assert_false(cookies_set(jar, &u, slice_of("a=\0b", 4), NOW));
    url_fini(&u);
    assert_int_equal(cookies_count(jar), 0);
}

TEST(cookies__the_jar_has_ceilings)
{
    char text[4200];

    jar_empty();
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "n%d=v", i);
        assert_true(set("http://e.org/", text));
    }
    assert_int_equal(cookies_count(jar), COOKIES_MAX_PER_HOST);
    expect_at("http://e.org/", NOW, "n10=v; n11=v; n12=v; n13=v; n14=v; n15=v; n16=v; n17=v; n18=v; n19=v; n20=v; n21=v; n22=v; "
              "n23=v; n24=v; n25=v; n26=v; n27=v; n28=v; n29=v; n30=v; n31=v; n32=v; n33=v; n34=v; n35=v; n36=v; n37=v; n38=v; "
              "n39=v; n40=v; n41=v; n42=v; n43=v; n44=v; n45=v; n46=v; n47=v; n48=v; n49=v; n50=v; n51=v; n52=v; n53=v; n54=v; "
              "n55=v; n56=v; n57=v; n58=v; n59=v");
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "big%d=%04000d", i, 1);
        assert_true(set("http://e.org/", text));
        assert_true(cookies_bytes(jar) <= COOKIES_MAX_BYTES);
    }
    assert_int_equal(cookies_count(jar), 2);
}

TEST(cookies__travel_as_text)
{
    struct buf text, again;

    jar_empty();
    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&again, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(cookies_save(jar, &text), 0);
    assert_int_equal(text.n, 0);
    assert_true(set("https://www.e.org/a b/c", "a=1=2; Secure; Max-Age=60"));
    assert_true(set("https://www.e.org/", "value\tonly; Domain=e.org"));
    assert_int_equal(cookies_save(jar, &text), 0);
    jar_empty();
    assert_int_equal(cookies_load(jar, buf_slice(&text)), 0);
    assert_int_equal(cookies_save(jar, &again), 0);
    assert_slice_str(buf_slice(&again), text.p);
    expect("https://www.e.org/a b/c", "a=1=2; value\tonly");
    expect("http://www.e.org/a b/c", "value\tonly");
    expect_at("https://www.e.org/a b/c", NOW + 60, "value\tonly");
    buf_fini(&text);
    buf_fini(&again);
}

TEST(cookies__damaged_text_leaves_the_jar_empty)
{
    static const char *const bad[] = {
        "x", "0 1 - /\ta=1", "2 1 - /\ta=1\n", "9 1 - /\ta=1\n", "0 99999999999999999999 - /\ta=1\n", "0 1 - x\ta=1\n",
        "0 1 - \ta=1\n", "0 1 - /\ta\n", "0 1 - /\ta=1;b\n", "0 1 /\ta=1\n", "0 1 - /\ta=\x01\n", "\n", "0 1 - /\ta=1\n\n",
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++) {
        jar_empty();
        assert_true(set("http://e.org/", "a=1"));
        assert_int_equal(cookies_load(jar, slice_str(bad[i])), ORB_EINVAL);
        assert_int_equal(cookies_count(jar), 0);
    }
    assert_int_equal(cookies_load(jar, SLICE_NONE), 0);
    cookies_free(&jar);
}

static void
expect_date(const char *text, uint64_t seconds)
{
    uint64_t got = 1;

    if (!cookies_date_parse(slice_str(text), &got))
        fail_msg("\"%s\" is no date", text);
    assert_int_equal(got, seconds);
}

TEST(cookies__dates_as_servers_write_them)
{
    uint64_t s;

    expect_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    expect_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    expect_date("Sun Nov  6 08:49:37 1994", 784111777);
    expect_date("06 november 94 8:49:37", 784111777);
    expect_date("Thu, 01-Jan-1970 00:00:00 GMT", 0);
    expect_date("Mon, 01-Jan-1601 00:00:00 GMT", 0);
    expect_date("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
    expect_date("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);
    expect_date("1 Jan 69 0:0:0", 3124224000);
    expect_date("1 Jan 70 0:0:0", 0);
    assert_false(cookies_date_parse(SLICE_LITERAL("Sat, 29 Feb 2001 00:00:00 GMT"), &s));
    assert_false(cookies_date_parse(SLICE_LITERAL("Sat, 32 Jan 2001 00:00:00 GMT"), &s));
    assert_false(cookies_date_parse(SLICE_LITERAL("Sat, 1 Jan 2001 24:00:00 GMT"), &s));
    assert_false(cookies_date_parse(SLICE_LITERAL("Sat, 1 Jan 1600 00:00:00 GMT"), &s));
    assert_false(cookies_date_parse(SLICE_LITERAL("Sat, 1 Jan 2001"), &s));
    assert_false(cookies_date_parse(SLICE_LITERAL("1 Jan 2001 00:00:000"), &s));
    assert_false(cookies_date_parse(SLICE_NONE, &s));
}

TEST(cookies__survive_any_failed_allocation)
{
    size_t before = mem_live_blocks();
    struct url u;
    struct buf out;

    url_make(&u, "http://e.org/");
    FAULT_SWEEP(nth) {
        struct cookies *c = NULL;

        buf_init(&out, MEM_DEFAULT, BUF_NO_CEILING);
        if (cookies_new(&c) == 0) {
            int n = 0, err;

            for (const char *const *text = (const char *const[]){ "a=1", "b=2", "c=3", "a=4", NULL }; *text != NULL; text++)
                n += cookies_set(c, &u, slice_str(*text), NOW);
            err = cookies_save(c, &out);
            assert_true(err == 0 || (err == ORB_ENOMEM && out.n == 0));
            assert_true(cookies_count(c) <= (size_t)n);
            err = cookies_load(c, SLICE_LITERAL("0 1 - /\ta=1\n"));
            assert_true(err == 0 || (err == ORB_ENOMEM && cookies_count(c) == 0));
        }
        cookies_free(&c);
        buf_fini(&out);
    }
    url_fini(&u);
    assert_int_equal(mem_live_blocks(), before);
}

TESTS(T(cookies__come_back_as_they_were_set), T(cookies__the_path_decides_what_is_sent_and_in_which_order), T(cookies__expire),
      T(cookies__secure_ones_stay_on_https), T(cookies__prefixes_keep_their_promise),
      T(cookies__a_domain_must_be_ours_and_no_public_suffix), T(cookies__hostile_ones_are_refused),
      T(cookies__the_jar_has_ceilings), T(cookies__travel_as_text), T(cookies__damaged_text_leaves_the_jar_empty),
      T(cookies__dates_as_servers_write_them), T(cookies__survive_any_failed_allocation))
