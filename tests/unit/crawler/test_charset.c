#include <jansson.h>
#include <stdio.h>

#include "crawler/charset.h"
#include "tests/support/support.h"

static void
assert_decoded(const char *label, struct slice bytes, const char *expected)
{
    const struct charset *c = charset_find(slice_str(label));
    struct buf out;

    assert_non_null(c);
    buf_init(&out, MEM_DEFAULT, 1000);
    assert_int_equal(charset_decode(c, bytes, &out), 0);
    assert_slice_str(buf_slice(&out), expected);
    buf_fini(&out);
}

static const char *
detected(const char *content_type, struct slice body)
{
    return charset_name(charset_detect(body, slice_str(content_type), charset_scan(body)).charset);
}

TEST(charset__knows_the_labels_of_the_standard)
{
    assert_string_equal(charset_name(charset_find(SLICE_LITERAL(" Latin1\t"))), "windows-1252");
    assert_string_equal(charset_name(charset_find(SLICE_LITERAL("ISO-8859-1"))), "windows-1252");
    assert_string_equal(charset_name(charset_find(SLICE_LITERAL("tis-620"))), "windows-874");
    assert_string_equal(charset_name(charset_find(SLICE_LITERAL("x-sjis"))), "shift_jis");
    assert_string_equal(charset_name(charset_find(SLICE_LITERAL("iso-2022-kr"))), "replacement");
    assert_null(charset_find(SLICE_LITERAL("utf-7")));
    assert_null(charset_find(SLICE_LITERAL("")));
    assert_null(charset_find(SLICE_LITERAL("utf-8 latin1")));
}

TEST(charset__agrees_with_the_shared_table_of_labels)
{
    char path[4096];
    json_t *labels, *name;
    const char *label;

    if (shared_dir() == NULL)
        skip();
    snprintf(path, sizeof path, "%s/conformance/labels.json", shared_dir());
    labels = json_load_file(path, 0, NULL);
    assert_non_null(labels);
    json_object_foreach(labels, label, name) {
        const struct charset *c = charset_find(slice_str(label));
        assert_non_null(c);
        if (strcmp(charset_name(c), "replacement") != 0)
            assert_string_equal(charset_name(c), json_string_value(name));
    }
    json_decref(labels);
}

TEST(charset__weighs_the_evidence_in_the_order_of_the_standard)
{
    assert_string_equal(detected("text/html; charset=koi8-r", SLICE_LITERAL("\xEF\xBB\xBFx")), "utf-8");
    assert_string_equal(detected("text/html; charset=koi8-r", SLICE_LITERAL("<meta charset=utf-8>")), "koi8-r");
    assert_string_equal(detected("text/html; charset=nonsense", SLICE_LITERAL("<meta charset=euc-jp>")), "euc-jp");
    assert_string_equal(detected("text/html", SLICE_LITERAL("plain")), "windows-1252");
    assert_string_equal(detected("text/html", SLICE_LITERAL("na\xC3\xAFve")), "utf-8");
    assert_string_equal(detected("text/html", SLICE_LITERAL("na\xEFve")), "windows-1252");
    assert_string_equal(detected("text/html; x=\"; charset=koi8-r\"; Charset = \"BIG5\"", SLICE_LITERAL("")), "big5");
}

TEST(charset__prescan_reads_attributes_as_a_parser_does)
{
    assert_null(charset_prescan(SLICE_LITERAL("<!-- <meta charset=big5> -->")));
    assert_null(charset_prescan(SLICE_LITERAL("<p title=\"<meta charset=big5>\">")));
    assert_null(charset_prescan(SLICE_LITERAL("<meta charset=big5")));
    assert_null(charset_prescan(SLICE_LITERAL("<meta content='text/html; charset=big5'>")));
    assert_string_equal(
        charset_name(charset_prescan(SLICE_LITERAL("<META/content='text/html; charset = big5' HTTP-EQUIV=Content-Type >"))),
        "big5");
    assert_string_equal(charset_name(charset_prescan(SLICE_LITERAL("</a b='>'><?x><meta charset=utf-16>"))), "utf-8");
    assert_string_equal(charset_name(charset_prescan(SLICE_LITERAL("<meta charset=x-user-defined>"))), "windows-1252");
    assert_string_equal(charset_name(charset_prescan(SLICE_LITERAL("<?xml version='1.0' encoding=\"koi8-r\"?><a>"))), "koi8-r");
}

TEST(charset__makes_clean_utf8_of_utf8)
{
    assert_decoded("utf-8", SLICE_LITERAL("a\xFF" "b"), "a\xEF\xBF\xBD" "b");
    assert_decoded("utf-8", SLICE_LITERAL("\xE2\x82z"), "\xEF\xBF\xBDz");                 /* one for the whole part */
    assert_decoded("utf-8", SLICE_LITERAL("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    assert_decoded("utf-8", SLICE_LITERAL("\xF0\x9F\x98"), "\xEF\xBF\xBD");
    assert_decoded("utf-8", slice_of("a\0b", 3), "a\xEF\xBF\xBD" "b");
}

TEST(charset__decodes_the_supersets_of_the_standard)
{
    assert_decoded("iso-8859-1", SLICE_LITERAL("\x80\x81\xE9"), "\xE2\x82\xAC\xC2\x81\xC3\xA9");
    assert_decoded("iso-8859-2", SLICE_LITERAL("\xB1"), "\xC4\x85");
    assert_decoded("koi8-u", SLICE_LITERAL("\xAE\xC1"), "\xD1\x9E\xD0\xB0");
    assert_decoded("macintosh", SLICE_LITERAL("\xDB"), "\xE2\x82\xAC");
    assert_decoded("x-mac-cyrillic", SLICE_LITERAL("\x80\xFF"), "\xD0\x90\xE2\x82\xAC");
    assert_decoded("windows-1253", SLICE_LITERAL("\xE1\xAA"), "\xCE\xB1\xEF\xBF\xBD");
    assert_decoded("gb2312", SLICE_LITERAL("\xD6\xD0\x80\x81\x30\x81\x30"), "\xE4\xB8\xAD\xE2\x82\xAC\xC2\x80");
    assert_decoded("big5", SLICE_LITERAL("\xA4\xA4"), "\xE4\xB8\xAD");
    assert_decoded("shift_jis", SLICE_LITERAL("\x82\xA0\x87\x40\x5C"), "\xE3\x81\x82\xE2\x91\xA0\\");
    assert_decoded("euc-jp", SLICE_LITERAL("\xA4\xA2"), "\xE3\x81\x82");
    assert_decoded("euc-kr", SLICE_LITERAL("\xB0\xA1\x81\x41"), "\xEA\xB0\x80\xEA\xB0\x82");
    assert_decoded("iso-2022-jp", SLICE_LITERAL("\x1B$B$\"\x1B(B!"), "\xE3\x81\x82!");
    assert_decoded("utf-16le", slice_of("a\0\x3D\xD8\x00\xDE", 6), "a\xF0\x9F\x98\x80");
    assert_decoded("utf-16be", slice_of("\xD8\x3D\0a\0", 5), "\xEF\xBF\xBD" "a\xEF\xBF\xBD");
    assert_decoded("x-user-defined", SLICE_LITERAL("a\x80"), "a\xEF\x9E\x80");
    assert_decoded("hz-gb-2312", SLICE_LITERAL("abc"), "\xEF\xBF\xBD");
}

TEST(charset__replaces_bad_bytes_and_goes_on)
{
    assert_decoded("shift_jis", SLICE_LITERAL("\x81<a>"), "\xEF\xBF\xBD<a>");
    assert_decoded("gbk", SLICE_LITERAL("a\x81"), "a\xEF\xBF\xBD");
    assert_decoded("big5", slice_of("a\0b", 3), "a\xEF\xBF\xBD" "b");
    assert_decoded("euc-jp", SLICE_LITERAL("\xFF\xFFok"), "\xEF\xBF\xBDok");
}

static void
assert_encoded(const char *label, const char *utf8, const char *expected)
{
    struct buf out;

    buf_init(&out, MEM_DEFAULT, 1000);
    assert_int_equal(charset_encode(&out, slice_str(utf8), (void *)charset_find(slice_str(label))), 0);
    assert_slice_str(buf_slice(&out), expected);
    buf_fini(&out);
}

TEST(charset__encodes_queries_and_escapes_what_does_not_fit)
{
    assert_encoded("windows-1252", "a\xC3\xA9\xE2\x80\xA0", "a\xE9\x86");
    assert_encoded("iso-8859-2", "\xC2\xA2", "%26%23162%3B");
    assert_encoded("shift_jis", "\xE2\x88\x92", "\x81\x7C"); /* U+2212, the standard's substitution */
    assert_encoded("gbk", "\xE2\x82\xAC\xE4\xB8\xAD", "\x80\xD6\xD0");
    assert_encoded("utf-16le", "\xC3\xA9", "\xC3\xA9");
    assert_encoded("big5", "\xE2\x80\xA0", "%26%238224%3B");
}

TEST(charset__each_encoding_decodes_every_byte_pair)
{
    static const char *const labels[] = { "utf-8", "gb18030", "gbk", "big5", "euc-jp", "euc-kr", "shift_jis", "iso-2022-jp",
                                          "koi8-r", "windows-1258", "windows-1255", "utf-16le", "utf-16be", "x-user-defined" };
    struct buf out;

    buf_init(&out, MEM_DEFAULT, 1 << 24);
    for (size_t i = 0; i < ORB_N_ELEMENTS(labels); i++) {
        char bytes[256 * 4];
        for (unsigned lead = 0; lead < 256; lead++) {
            for (unsigned k = 0; k < 256; k++) {
                bytes[4 * k] = (char)lead;
                bytes[4 * k + 1] = (char)k;
                bytes[4 * k + 2] = ' ';
                bytes[4 * k + 3] = '\n';
            }
            buf_clear(&out);
            assert_int_equal(charset_decode(charset_find(slice_str(labels[i])), slice_of(bytes, sizeof bytes), &out), 0);
            assert_true(charset_scan(buf_slice(&out)).is_utf8);
            assert_false(charset_scan(buf_slice(&out)).has_nul);
        }
    }
    buf_fini(&out);
}

TEST(charset__stops_at_the_ceiling_of_the_output)
{
    struct buf out;

    buf_init(&out, MEM_DEFAULT, 4);
    assert_int_equal(charset_decode(charset_utf8(), SLICE_LITERAL("\xFF\xFF"), &out), ORB_ETOOBIG);
    buf_fini(&out);
}

TESTS(T(charset__knows_the_labels_of_the_standard), T(charset__agrees_with_the_shared_table_of_labels),
      T(charset__weighs_the_evidence_in_the_order_of_the_standard), T(charset__prescan_reads_attributes_as_a_parser_does),
      T(charset__makes_clean_utf8_of_utf8), T(charset__decodes_the_supersets_of_the_standard),
      T(charset__replaces_bad_bytes_and_goes_on), T(charset__encodes_queries_and_escapes_what_does_not_fit),
      T(charset__each_encoding_decodes_every_byte_pair), T(charset__stops_at_the_ceiling_of_the_output))
