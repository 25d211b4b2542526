#include "crawler/urlkey.h"
#include "tests/support/support.h"

static void
assert_key_by(const struct urlkey_rules *rules, const char *href, const char *expected)
{
    struct buf key, again;
    struct url u;

    url_init(&u, MEM_PAGE);
    buf_init(&key, MEM_PAGE, BUF_NO_CEILING);
    buf_init(&again, MEM_PAGE, BUF_NO_CEILING);
    assert_int_equal(url_parse(&u, slice_str(href), NULL), 0);
    assert_int_equal(url_key(&key, &u, rules), 0);
    assert_slice_str(buf_slice(&key), expected);
    assert_int_equal(url_parse(&u, buf_slice(&key), NULL), 0);
    assert_slice_str(url_href(&u), expected);
    assert_int_equal(url_key(&again, &u, rules), 0);
    assert_slice_str(buf_slice(&again), expected);
    url_fini(&u);
    buf_fini(&key);
    buf_fini(&again);
}

static void
assert_key(const char *href, const char *expected)
{
    assert_key_by(NULL, href, expected);
}

TEST(urlkey__drops_what_does_not_name_the_page)
{
    assert_key("http://u:p@Example.com:80/a/../b?#top", "http://example.com/b");
    assert_key("https://[::1]:443/", "https://[::1]/");
    assert_key("http://h/?a=1&&b#x", "http://h/?a=1&&b");
}

TEST(urlkey__normalises_escapes)
{
    assert_key("http://h/%7euser/%c3%a9/%2f?q=%41%2b+\xc3\xa9", "http://h/~user/%C3%A9/%2F?q=A%2B+%C3%A9");
    assert_key("http://h/100%/%zz/%%34%31", "http://h/100%25/%25zz/%2541");
    assert_key("http://h/{x}|[y]?a[]=1|2\\", "http://h/%7Bx%7D%7C%5By%5D?a%5B%5D=1%7C2%5C");
    assert_key("http://h/it's?it's", "http://h/it's?it%27s");
}

TEST(urlkey__drops_tracking_and_session_parameters)
{
    assert_key("http://h/?utm_source=x&id=7&UTM_Medium=y&gclid=z", "http://h/?id=7");
    assert_key("http://h/?utm%5Fsource=x", "http://h/");
    assert_key("http://h/?fbclid", "http://h/");
    assert_key("http://h/?xutm_source=1&gclidx=2", "http://h/?xutm_source=1&gclidx=2");
    assert_key("http://h/p;jsessionid=1A2B.n1/q;v=2;JSESSIONID=3?sid=9&PHPSESSID=a", "http://h/p/q;v=2");
    assert_key("http://h/a/..;jsessionid=1/b", "http://h/a/..;jsessionid=1/b");
    assert_key("http://h/.;jsessionid=1;jsessionid=2", "http://h/.;jsessionid=1");
}

TEST(urlkey__leaves_order_and_double_slashes)
{
    assert_key("http://h//a//b?z=1&a=2&a=1", "http://h//a//b?z=1&a=2&a=1");
}

TEST(urlkey__keys_of_other_schemes)
{
    assert_key("ftp://user@h/a%2db", "ftp://h/a-b");
    assert_key("mailto:a%2db@h?subject=x#f", "mailto:a%2db@h?subject=x");
    assert_key("a:/.//b/;sid=1?utm_source=2", "a:/.//b/;sid=1");
    assert_key("data:x  #f", "data:x %20");
}

TEST(urlkey__rules_can_be_changed)
{
    struct urlkey_rules *rules = NULL;
    size_t before = mem_live_blocks();
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 1000);
    assert_int_equal(urlkey_rules_new(&rules,
                                      SLICE_LITERAL("# ours\n keep sid # a story \n\ndrop Ref*\r\nkeep refresh\n"
                                                    "drop ;v\n"),
                                      &error),
                     0);
    assert_key_by(rules, "http://h/a;v=1?sid=1&refresh=2&REFERER=3&utm_id=4", "http://h/a?sid=1&refresh=2");
    urlkey_rules_free(&rules);
    assert_null(rules);
    assert_int_equal(urlkey_rules_new(&rules, SLICE_LITERAL("keep *\nkeep ;*\ndrop x"), &error), 0);
    assert_key_by(rules, "http://h/;sid=1?gclid=1&x=1", "http://h/;sid=1?gclid=1");
    urlkey_rules_free(&rules);
    assert_int_equal(urlkey_rules_new(&rules, SLICE_LITERAL("drop a\nforget b"), &error), ORB_EINVAL);
    assert_slice_str(buf_slice(&error), "rule line 2: not \"drop NAME\" or \"keep NAME\": \"forget b\"");
    assert_null(rules);
    assert_int_equal(urlkey_rules_new(&rules, SLICE_LITERAL("drop a*b"), NULL), ORB_EINVAL);
    assert_int_equal(urlkey_rules_new(&rules, SLICE_LITERAL("drop"), NULL), ORB_EINVAL);
    buf_fini(&error);
    assert_int_equal(mem_live_blocks(), before);
}

TEST(urlkey__an_empty_url_has_none)
{
    struct buf key;
    struct url u;

    url_init(&u, MEM_PAGE);
    buf_init(&key, MEM_PAGE, BUF_NO_CEILING);
    assert_int_equal(url_key(&key, &u, NULL), ORB_EINVAL);
    url_fini(&u);
    buf_fini(&key);
}

TEST(urlkey__survives_every_failed_allocation)
{
    size_t before = mem_live_blocks();
    struct url u;

    url_init(&u, MEM_PAGE);
    assert_int_equal(url_parse(&u, SLICE_LITERAL("http://h/a;sid=1/%41{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{?x=1&ref=2"), NULL), 0);
    FAULT_SWEEP(nth) {
        struct urlkey_rules *rules = NULL;
        struct buf key;
        int err;

        buf_init(&key, MEM_PAGE, BUF_NO_CEILING);
        err = urlkey_rules_new(&rules, SLICE_LITERAL("drop ref"), NULL);
        if (err == 0)
            err = url_key(&key, &u, rules);
        assert_true(err == ORB_ENOMEM || (err == 0 && slice_ends_with(buf_slice(&key), SLICE_LITERAL("?x=1"))));
        assert_true(err == 0 || key.n == 0);
        urlkey_rules_free(&rules);
        buf_fini(&key);
    }
    mem_fail_nth(0, false, false);
    url_fini(&u);
    assert_int_equal(mem_live_blocks(), before);
}

TEST(urlkey__has_a_ceiling)
{
    struct buf key;
    struct url u;

    url_init(&u, MEM_PAGE);
    buf_init(&key, MEM_PAGE, 20);
    assert_int_equal(url_parse(&u, SLICE_LITERAL("http://h/{{{{{{{{{"), NULL), 0);
    assert_int_equal(url_key(&key, &u, NULL), ORB_ETOOBIG);
    assert_int_equal(key.n, 0);
    url_fini(&u);
    buf_fini(&key);
}

TESTS(T(urlkey__drops_what_does_not_name_the_page), T(urlkey__normalises_escapes),
      T(urlkey__drops_tracking_and_session_parameters), T(urlkey__leaves_order_and_double_slashes),
      T(urlkey__keys_of_other_schemes), T(urlkey__rules_can_be_changed), T(urlkey__an_empty_url_has_none),
      T(urlkey__survives_every_failed_allocation), T(urlkey__has_a_ceiling))
