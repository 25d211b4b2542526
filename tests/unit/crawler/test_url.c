#include <stdio.h>

#include "crawler/url.h"
#include "tests/support/support.h"

static struct url *
parsed(struct url *u, const char *href, const struct url *base)
{
    url_init(u, MEM_PAGE);
    assert_int_equal(url_parse(u, slice_str(href), base), 0);
    return u;
}

static void
assert_parses(const char *href, const char *base, const char *expected)
{
    struct url u, b;

    url_init(&u, MEM_PAGE);
    url_init(&b, MEM_PAGE);
    if (base != NULL)
        assert_int_equal(url_parse(&b, slice_str(base), NULL), 0);
    if (expected == NULL) {
        if (url_parse(&u, slice_str(href), &b) != ORB_EINVAL)
            fail_msg("\"%s\" parses as \"" SLICE_FMT "\"", href, SLICE_ARG(url_href(&u)));
        assert_int_equal(url_href(&u).n, 0);
    } else {
        if (url_parse(&u, slice_str(href), &b) != 0)
            fail_msg("\"%s\" does not parse", href);
        assert_slice_str(url_href(&u), expected);
    }
    url_fini(&u);
    url_fini(&b);
}

TEST(url__knows_its_parts)
{
    struct buf scratch;
    struct url u;

    buf_init(&scratch, MEM_PAGE, BUF_NO_CEILING);
    parsed(&u, "HTTPS://us%er:pa:ss@Example.COM:8443/a/./b/../c?q=1#frag", NULL);
    assert_slice_str(url_href(&u), "https://us%er:pa%3Ass@example.com:8443/a/c?q=1#frag");
    assert_slice_str(url_scheme(&u), "https");
    assert_slice_str(url_username(&u), "us%er");
    assert_slice_str(url_password(&u), "pa%3Ass");
    assert_slice_str(url_host(&u), "example.com");
    assert_int_equal(u.port, 8443);
    assert_slice_str(url_path(&u), "/a/c");
    assert_slice_str(url_query(&u), "?q=1");
    assert_slice_str(url_fragment(&u), "#frag");
    assert_slice_str(url_path_query(&u), "/a/c?q=1");
    assert_slice_str(url_origin(&u, &scratch), "https://example.com:8443");
    assert_int_equal(url_effective_port(&u), 8443);
    assert_true(url_is_http(&u));
    assert_false(url_host_is_ip(&u));
    url_drop_fragment(&u);
    url_drop_userinfo(&u);
    assert_slice_str(url_href(&u), "https://example.com:8443/a/c?q=1");
    assert_slice_str(url_username(&u), "");
    assert_slice_str(url_password(&u), "");
    assert_slice_str(url_host(&u), "example.com");
    assert_slice_str(url_query(&u), "?q=1");
    assert_slice_str(url_fragment(&u), "");
    url_fini(&u);
    buf_fini(&scratch);
}

TEST(url__fast_and_full_parser_agree_on_parts)
{
    static const char *const hrefs[] = {
        "http://example.com",    "http://example.com?q",
        "https://example.com#f", "http://h.example:81/p/a.html?x=y&z#frag/?",
        "http://example.com/?",  "http://example.com/#",
        "http://example.com:0/", "https://a.b/~x/(1)/$&+,;=:@!*'",
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(hrefs); i++) {
        struct url fast, full;
        char padded[200];

        snprintf(padded, sizeof padded, " %s", hrefs[i]); /* a blank sends it to the full parser */
        parsed(&fast, hrefs[i], NULL);
        parsed(&full, padded, NULL);
        assert_slice_str(url_href(&fast), full.href.p);
        assert_int_equal(fast.scheme_end, full.scheme_end);
        assert_int_equal(fast.username_end, full.username_end);
        assert_int_equal(fast.host_start, full.host_start);
        assert_int_equal(fast.host_end, full.host_end);
        assert_int_equal(fast.path_start, full.path_start);
        assert_int_equal(fast.query_start, full.query_start);
        assert_int_equal(fast.fragment_start, full.fragment_start);
        assert_int_equal(fast.port, full.port);
        assert_int_equal(fast.is_special, full.is_special);
        assert_int_equal(fast.has_host, full.has_host);
        url_fini(&fast);
        url_fini(&full);
    }
}

TEST(url__resolves_links)
{
    const char *base = "http://example.com:81/dir/page.html?q=1#f";

    assert_parses("", base, "http://example.com:81/dir/page.html?q=1");
    assert_parses("#g", base, "http://example.com:81/dir/page.html?q=1#g");
    assert_parses("?r", base, "http://example.com:81/dir/page.html?r");
    assert_parses("other", base, "http://example.com:81/dir/other");
    assert_parses("/top", base, "http://example.com:81/top");
    assert_parses("//elsewhere.example/x", base, "http://elsewhere.example/x");
    assert_parses("\\\\elsewhere.example\\x", base, "http://elsewhere.example/x");
    assert_parses("../../../x", base, "http://example.com:81/x");
    assert_parses("a/.hidden/b", base, "http://example.com:81/dir/a/.hidden/b");
    assert_parses("a:b", base, "a:b");
    assert_parses("./a:b", base, "http://example.com:81/dir/a:b");
    assert_parses("http:x", base, "http://example.com:81/dir/x");
    assert_parses("https:x", base, "https://x/");
    assert_parses(" \tnew\nline ", base, "http://example.com:81/dir/newline");
    assert_parses("x", "http://example.com", "http://example.com/x");
}

TEST(url__refuses_what_is_none)
{
    static const char *const hrefs[] = {
        "",
        "x",
        "//host/",
        "http://",
        "http://a b/",
        "http://a:b/",
        "http://a:65536/",
        "http://1.2.3.256/",
        "http://[::1",
        "http://[1::2::3]/",
        "http://a%00b/",
        "http://user@/",
        "http://a<b/",
        "https://xn--a/",
        "http://1.2.3.4.5/",
        "http://\xff/",
        "a://b c/",
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(hrefs); i++)
        assert_parses(hrefs[i], NULL, NULL);
}

TEST(url__reads_every_kind_of_host)
{
    assert_parses("http://0x7f.1/", NULL, "http://127.0.0.1/");
    assert_parses("http://0300.168.0.1/", NULL, "http://192.168.0.1/");
    assert_parses("http://[1:0:0:2:0:0:0:3]/", NULL, "http://[1:0:0:2::3]/");
    assert_parses("http://[::ffff:1.2.3.4]/", NULL, "http://[::ffff:102:304]/");
    assert_parses("http://B\xc3\xbc"
                  "cher.example/",
                  NULL, "http://xn--bcher-kva.example/");
    assert_parses("http://ma\xc3\xb1"
                  "ana%2Ecom/",
                  NULL, "http://xn--maana-pta.com/");
    assert_parses("http://\xf0\x9f\x92\xa9.la/", NULL, "http://xn--ls8h.la/");
    assert_parses("http://xn--ls8h.la/", NULL, "http://xn--ls8h.la/");
    assert_parses("http://EXAMPLE.com./", NULL, "http://example.com./");
    assert_parses("foo://H%C3%A9\xc3\xa9/", NULL, "foo://H%C3%A9%C3%A9/");
    assert_parses("file://localhost/etc", NULL, "file:///etc");
    assert_parses("file:///C|/x/../..", NULL, "file:///C:/");
}

TEST(url__names_that_libidn2_refuses)
{
    assert_parses("http://\xe2\x99\xa5\xc3\xa9/", NULL, "http://xn--9ca503q/");
    assert_parses("http://\xd9\x86\xd8\xa7{\xd9\x85\xd9\x87\xe2\x80\x8c\xd8\xa7\xdb\x8c/", NULL,
                  "http://xn--{-ymcb3jcj64gp19l/");
    assert_parses("http://\xe2\x99\xa5\xe1\x84\x80\xe1\x85\xa1/", NULL, "http://xn--g6h4899b/"); /* jamo compose */
    assert_parses("http://xn-\xc2\xad-a/", NULL, NULL); /* a soft hyphen hides "xn--a" */
    assert_parses("http://a1.1b.\xd7\x90/", NULL, NULL); /* 1b begins no label beside Hebrew */
    assert_parses("http://\xe2\x99\xa5\xe2\x80\x8d/", NULL, NULL); /* a joiner that joins nothing */
}

TEST(url__bad_bytes_become_replacement_characters)
{
    assert_parses("http://h/\xff\xc3(", NULL, "http://h/%EF%BF%BD%EF%BF%BD(");
    assert_parses("http://h/\xe2\x82", NULL, "http://h/%EF%BF%BD");
}

TEST(url__takes_only_canonical_text_from_workers)
{
    struct url u;

    url_init(&u, MEM_PAGE);
    assert_int_equal(url_parse_canonical(&u, SLICE_LITERAL("http://example.com/a?b")), 0);
    assert_int_equal(url_parse_canonical(&u, SLICE_LITERAL("http://example.com")), ORB_EINVAL);
    assert_int_equal(url_href(&u).n, 0);
    assert_int_equal(url_parse_canonical(&u, SLICE_LITERAL("http://example.com/#x")), ORB_EINVAL);
    assert_int_equal(url_parse_canonical(&u, SLICE_LITERAL("HTTP://example.com/")), ORB_EINVAL);
    assert_int_equal(url_parse_canonical(&u, SLICE_LITERAL("http://example.com/a/../b")), ORB_EINVAL);
    url_fini(&u);
}

static int
latin1(struct buf *out, struct slice utf8, void *arg)
{
    assert_string_equal(arg, "arg");
    assert_int_equal(utf8.n, 5);
    return buf_append_str(out, "\xe9%26%238364%3B");
}

TEST(url__encodes_the_query_as_the_document_is)
{
    struct url u;

    url_init(&u, MEM_PAGE);
    assert_int_equal(
        url_parse_encoded(&u, SLICE_LITERAL("http://h/\xc3\xa9?\xc3\xa9\xe2\x82\xac"), NULL, latin1, "arg"), 0);
    assert_slice_str(url_href(&u), "http://h/%C3%A9?%E9%26%238364%3B");
    assert_int_equal(url_parse_encoded(&u, SLICE_LITERAL("ws://h/?\xc3\xa9"), NULL, latin1, "arg"), 0);
    assert_slice_str(url_href(&u), "ws://h/?%C3%A9");
    url_fini(&u);
}

TEST(url__has_a_ceiling)
{
    static char big[URL_MAX_BYTES + 2];
    struct url u;

    url_init(&u, MEM_PAGE);
    memset(big, 'a', sizeof big);
    memcpy(big, "http://h/", 9);
    assert_int_equal(url_parse(&u, slice_of(big, URL_MAX_BYTES), NULL), 0);
    assert_int_equal(url_parse(&u, slice_of(big, URL_MAX_BYTES + 1), NULL), ORB_ETOOBIG);
    memset(big + 9, ' ', URL_MAX_BYTES - 10); /* grows when encoded */
    assert_int_equal(url_parse(&u, slice_of(big, URL_MAX_BYTES), NULL), ORB_ETOOBIG);
    assert_int_equal(url_href(&u).n, 0);
    memcpy(big, "http://", 7);
    memset(big + 7, 'a', URL_MAX_BYTES - 7);
    memcpy(big + 7, "xn--\xc3\xa9", 6);
    assert_int_equal(url_parse(&u, slice_of(big, URL_MAX_BYTES), NULL), ORB_EINVAL);
    url_fini(&u);
}

TEST(url__survives_every_failed_allocation)
{
    static const char *const hrefs[] = { "http://example.com/a", "HTTP://B\xc3\xbc.x:81/ \xff\t?\xe9#1",
                                         "http://\xf0\x9f\x92\xa9/", "../x y" };
    size_t before = mem_live_blocks();

    for (size_t i = 0; i < ORB_N_ELEMENTS(hrefs); i++) {
        FAULT_SWEEP(nth)
        {
            struct url u, base, copy;

            url_init(&u, MEM_PAGE);
            url_init(&base, MEM_PAGE);
            url_init(&copy, MEM_PAGE);
            if (url_parse(&base, SLICE_LITERAL("http://base.example/a/b"), NULL) == 0) {
                int err = url_parse(&u, slice_str(hrefs[i]), &base);

                assert_true(err == 0 || err == ORB_ENOMEM);
                assert_true(err == 0 || url_href(&u).n == 0);
                if (url_copy(&copy, &u) == 0)
                    assert_true(slice_eq(url_href(&copy), url_href(&u)));
            }
            url_fini(&u);
            url_fini(&base);
            url_fini(&copy);
        }
    }
    mem_fail_nth(0, false, false);
    assert_int_equal(mem_live_blocks(), before);
}

TESTS(T(url__knows_its_parts), T(url__fast_and_full_parser_agree_on_parts), T(url__resolves_links),
      T(url__refuses_what_is_none), T(url__reads_every_kind_of_host), T(url__names_that_libidn2_refuses),
      T(url__bad_bytes_become_replacement_characters),
      T(url__takes_only_canonical_text_from_workers), T(url__encodes_the_query_as_the_document_is),
      T(url__has_a_ceiling), T(url__survives_every_failed_allocation))
