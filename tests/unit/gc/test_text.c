#include "gc/text.h"
#include "tests/support/support.h"

static const char *
written(void (*put)(struct text *, const char *), const char *value)
{
    static struct buf b;
    struct text t;

    if (b.ceiling_bytes == 0)
        buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    buf_clear(&b);
    text_start(&t, &b);
    put(&t, value);
    assert_int_equal(text_end(&t), 0);
    return b.p;
}

TEST(text__json_strings_cannot_be_ended_from_inside)
{
    assert_string_equal(written(text_json, "a \"b\" \\c"), "\"a \\\"b\\\" \\\\c\"");
    assert_string_equal(written(text_json, "line\nend\t\x1b[31m"), "\"line\\u000aend\\u0009\\u001b[31m\"");
    assert_string_equal(written(text_json, NULL), "null");
}

TEST(text__json_is_utf8_whatever_comes_in)
{
    assert_string_equal(written(text_json, "gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
    assert_string_equal(written(text_json, "\xf0\x9f\x95\xb7"), "\"\xf0\x9f\x95\xb7\"");
    assert_string_equal(written(text_json, "cut \xf0\x9f"), "\"cut \\ufffd\\ufffd\"");
    assert_string_equal(written(text_json, "\xc0\xaf\xed\xa0\x80\xf5"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
    assert_string_equal(written(text_json, "\xe2\x80\xae" "gnp.exe"), "\"\\u202egnp.exe\"");
}

TEST(text__dot_labels_cannot_be_ended_and_know_no_entities)
{
    assert_string_equal(written(text_dot, "?a=1&copy=2"), "?a=1&amp;copy=2");
    assert_string_equal(written(text_dot, "\"];\nn1 [\\N"), "\\\"];?n1 [\\\\N");
    assert_string_equal(written(text_dot, "\xff\xe2\x80\xae"), "??");
}

TEST(text__is_taken_back_when_it_does_not_fit)
{
    struct buf b;
    struct text t;

    buf_init(&b, MEM_DEFAULT, 10);
    assert_int_equal(buf_append_str(&b, "before"), 0);
    text_start(&t, &b);
    text_put(&t, "abc");
    text_put(&t, "de");
    text_printf(&t, "%d", 7);
    assert_int_equal(text_end(&t), ORB_ETOOBIG);
    assert_string_equal(b.p, "before");
    buf_fini(&b);
}

TEST(text__a_site_is_the_last_two_parts_of_its_path)
{
    struct object_site site = { "/any/where/orb/crawler/page.c", "page_new", 93, 0 }, bare = { "page.c", "page_new", 7, 0 };
    char to[TEXT_SITE_BYTES];

    assert_string_equal(text_site(to, &site), "crawler/page.c:93");
    assert_string_equal(text_site(to, &bare), "page.c:7");
    assert_string_equal(text_site(to, NULL), "?");
}

TEST(text__numbers_are_for_people)
{
    char to[TEXT_SIZE_BYTES];

    assert_string_equal(text_number(to, 7), "7");
    assert_string_equal(text_number(to, 1284), "1,284");
    assert_string_equal(text_number(to, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(text_bytes(to, 1023), "1023 B");
    assert_string_equal(text_bytes(to, 1258291), "1.2 MiB");
    assert_string_equal(text_bytes(to, UINT64_MAX), "16777216.0 TiB");
}

TESTS(T(text__json_strings_cannot_be_ended_from_inside), T(text__json_is_utf8_whatever_comes_in),
      T(text__dot_labels_cannot_be_ended_and_know_no_entities), T(text__is_taken_back_when_it_does_not_fit),
      T(text__a_site_is_the_last_two_parts_of_its_path), T(text__numbers_are_for_people))
