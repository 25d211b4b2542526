#include <stdio.h>

#include "crawler/decode.h"
#include "tests/support/encode.h"
#include "tests/support/support.h"

#define MAX (64u << 20)

/* One decode with all that a test looks at. */
struct result {
    struct buf out;
    struct slice body;
    enum outcome outcome;
    bool was_mislabelled;
};

static void
run(struct result *r, struct slice payload, const char *encoding, size_t max_bytes)
{
    buf_init(&r->out, MEM_BUF, BUF_NO_CEILING);
    r->was_mislabelled = false;
    r->outcome = decode_content(&r->out, payload, slice_str(encoding), max_bytes, &r->body, &r->was_mislabelled);
}

static void
assert_outcome(const struct result *r, enum outcome expected)
{
    if (r->outcome != expected)
        fail_msg("%s is not %s", outcome_name(r->outcome), outcome_name(expected));
}

/* Decodes and asserts: the outcome is OK, the body is `expected`, the label was right or wrong. */
static void
assert_decodes(struct slice payload, const char *encoding, struct slice expected, bool was_mislabelled)
{
    struct result r;

    run(&r, payload, encoding, MAX);
    assert_outcome(&r, OUTCOME_OK);
    assert_int_equal(r.body.n, expected.n);
    assert_true(slice_eq(r.body, expected));
    assert_int_equal(r.was_mislabelled, was_mislabelled);
    buf_fini(&r.out);
}

static void
assert_fails(struct slice payload, const char *encoding, enum outcome expected)
{
    struct result r;

    run(&r, payload, encoding, MAX);
    assert_outcome(&r, expected);
    buf_fini(&r.out);
}

static struct buf
sample(size_t n)
{
    struct buf b;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    encode_sample(&b, n, 7);
    return b;
}

static struct buf
empty(void)
{
    struct buf b;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    return b;
}

static const size_t sizes[] = { 1, 2, 100, 4095, 4096, 4097, 28000, 70000, 1000000 };

TEST(decode__what_was_encoded_comes_back)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(sizes); i++) {
        struct buf plain = sample(sizes[i]), gz = empty(), zlib = empty(), raw = empty(), br = empty();
        struct buf zs = empty(), zu = empty();
        struct slice s = buf_slice(&plain);

        encode_deflate(&gz, s, ENCODE_GZIP);
        encode_deflate(&zlib, s, ENCODE_ZLIB);
        encode_deflate(&raw, s, ENCODE_RAW);
        encode_br(&br, s);
        encode_zstd(&zs, s, 19, true);
        encode_zstd(&zu, s, 19, false);
        assert_decodes(buf_slice(&gz), "gzip", s, false);
        assert_decodes(buf_slice(&gz), "X-GZip", s, false);
        assert_decodes(buf_slice(&zlib), "deflate", s, false);
        assert_decodes(buf_slice(&raw), "deflate", s, false);
        assert_decodes(buf_slice(&br), "br", s, false);
        assert_decodes(buf_slice(&zs), "zstd", s, false);
        assert_decodes(buf_slice(&zu), "zstd", s, false);
        buf_fini(&plain), buf_fini(&gz), buf_fini(&zlib), buf_fini(&raw), buf_fini(&br), buf_fini(&zs), buf_fini(&zu);
    }
}

TEST(decode__nothing_to_take_off_lends_the_input)
{
    static const char *const labels[] = { "", "identity", " identity , ", ",,", "Identity,identity" };
    struct slice in = slice_str("<html>");

    for (size_t i = 0; i < ORB_N_ELEMENTS(labels); i++) {
        struct result r;
        run(&r, in, labels[i], MAX);
        assert_outcome(&r, OUTCOME_OK);
        assert_ptr_equal(r.body.p, in.p);
        assert_int_equal(r.body.n, in.n);
        assert_null(r.out.p);
    }
}

TEST(decode__an_empty_body_is_empty_whatever_its_label)
{
    assert_decodes(SLICE_NONE, "gzip", SLICE_NONE, false);
    assert_decodes(SLICE_NONE, "br", SLICE_NONE, false);
    assert_decodes(SLICE_NONE, "zstd, deflate", SLICE_NONE, false);
}

TEST(decode__encoded_nothing_is_empty)
{
    struct buf gz = empty(), br = empty(), zs = empty(), raw = empty();

    encode_deflate(&gz, SLICE_NONE, ENCODE_GZIP);
    encode_deflate(&raw, SLICE_NONE, ENCODE_RAW);
    encode_br(&br, SLICE_NONE);
    encode_zstd(&zs, SLICE_NONE, 19, true);
    assert_decodes(buf_slice(&gz), "gzip", SLICE_NONE, false);
    assert_decodes(buf_slice(&raw), "deflate", SLICE_NONE, false);
    assert_decodes(buf_slice(&br), "br", SLICE_NONE, false);
    assert_decodes(buf_slice(&zs), "zstd", SLICE_NONE, false);
    buf_fini(&gz), buf_fini(&br), buf_fini(&zs), buf_fini(&raw);
}

TEST(decode__gzip_members_are_joined)
{
    struct buf a = sample(30000), both = empty(), gz = empty();

    encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
    encode_deflate(&gz, SLICE_NONE, ENCODE_GZIP);
    encode_deflate(&gz, slice_str("second"), ENCODE_GZIP);
    encode_gzip_full_header(&gz, slice_str(" third"));
    assert_int_equal(buf_append_slice(&both, buf_slice(&a)), 0);
    assert_int_equal(buf_append_str(&both, "second third"), 0);
    assert_decodes(buf_slice(&gz), "gzip", buf_slice(&both), false);
    buf_fini(&a), buf_fini(&both), buf_fini(&gz);
}

TEST(decode__gzip_header_fields_are_skipped)
{
    struct buf a = sample(5000), gz = empty();

    encode_gzip_full_header(&gz, buf_slice(&a));
    assert_decodes(buf_slice(&gz), "gzip", buf_slice(&a), false);
    buf_fini(&a), buf_fini(&gz);
}

TEST(decode__what_follows_a_complete_stream_is_ignored)
{
    static const struct slice tails[] = { SLICE_LITERAL("\0\0\0\0"), SLICE_LITERAL("\x1f"),
                                          SLICE_LITERAL("trailing text of 18+ bytes"),
                                          SLICE_LITERAL("\x1f\x8b\x07garbage") };
    struct buf a = sample(20000);

    for (size_t i = 0; i < ORB_N_ELEMENTS(tails); i++) {
        struct buf gz = empty(), br = empty(), zs = empty(), zl = empty();
        encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
        encode_deflate(&zl, buf_slice(&a), ENCODE_ZLIB);
        encode_br(&br, buf_slice(&a));
        encode_zstd(&zs, buf_slice(&a), 19, false);
        assert_int_equal(buf_append_slice(&gz, tails[i]) | buf_append_slice(&br, tails[i]), 0);
        assert_int_equal(buf_append_slice(&zs, tails[i]) | buf_append_slice(&zl, tails[i]), 0);
        assert_decodes(buf_slice(&gz), "gzip", buf_slice(&a), false);
        assert_decodes(buf_slice(&zl), "deflate", buf_slice(&a), false);
        assert_decodes(buf_slice(&br), "br", buf_slice(&a), false);
        assert_decodes(buf_slice(&zs), "zstd", buf_slice(&a), false);
        buf_fini(&gz), buf_fini(&br), buf_fini(&zs), buf_fini(&zl);
    }
    buf_fini(&a);
}

TEST(decode__zstd_frames_are_joined_and_skippable_ones_skipped)
{
    struct buf a = sample(30000), both = empty(), zs = empty();

    assert_int_equal(buf_append(&zs, "\x53\x2a\x4d\x18\x05\0\0\0hello", 13), 0);
    encode_zstd(&zs, buf_slice(&a), 19, true);
    assert_int_equal(buf_append(&zs, "\x5f\x2a\x4d\x18\0\0\0\0", 8), 0);
    encode_zstd(&zs, slice_str("second"), 19, false);
    assert_int_equal(buf_append_slice(&both, buf_slice(&a)), 0);
    assert_int_equal(buf_append_str(&both, "second"), 0);
    assert_decodes(buf_slice(&zs), "zstd", buf_slice(&both), false);
    buf_fini(&a), buf_fini(&both), buf_fini(&zs);
}

TEST(decode__zstd_windows_beyond_8_mib_are_refused)
{
    struct buf a = sample(12 << 20), fits = empty(), large = empty();

    encode_zstd(&fits, buf_slice(&a), 23, false);
    encode_zstd(&large, buf_slice(&a), 24, false);
    assert_decodes(buf_slice(&fits), "zstd", buf_slice(&a), false);
    assert_fails(buf_slice(&large), "zstd", OUTCOME_DECODE_FAILED);
    buf_fini(&a), buf_fini(&fits), buf_fini(&large);
}

TEST(decode__stacked_encodings_come_off_last_first)
{
    struct buf a = sample(50000), one = empty(), two = empty(), three = empty(), four = empty(), five = empty();

    encode_deflate(&one, buf_slice(&a), ENCODE_GZIP);
    encode_br(&two, buf_slice(&one));
    encode_zstd(&three, buf_slice(&two), 19, false);
    encode_deflate(&four, buf_slice(&three), ENCODE_ZLIB);
    encode_deflate(&five, buf_slice(&four), ENCODE_GZIP);
    assert_decodes(buf_slice(&two), "gzip, br", buf_slice(&a), false);
    assert_decodes(buf_slice(&three), "gzip,identity,br , zstd", buf_slice(&a), false);
    assert_decodes(buf_slice(&four), "gzip, br, zstd, deflate", buf_slice(&a), false);
    assert_fails(buf_slice(&five), "gzip, br, zstd, deflate, gzip", OUTCOME_UNSUPPORTED_ENCODING);
    assert_fails(buf_slice(&two), "br, gzip", OUTCOME_DECODE_FAILED);
    buf_fini(&a), buf_fini(&one), buf_fini(&two), buf_fini(&three), buf_fini(&four), buf_fini(&five);
}

TEST(decode__plain_bytes_under_a_wrong_label_are_taken_as_they_are)
{
    static const char *const labels[] = { "gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "br, gzip" };
    struct slice html = slice_str("<!doctype html><title>gz</title><p>caf\xc3\xa9 <a href=/gz-target>t</a>");
    struct slice png = SLICE_LITERAL("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\6\0\0\0");

    for (size_t i = 0; i < ORB_N_ELEMENTS(labels); i++) {
        assert_decodes(html, labels[i], html, true);
        assert_decodes(png, labels[i], png, true);
    }
}

TEST(decode__another_encoding_than_announced_is_taken_off)
{
    struct buf a = sample(20000), gz = empty(), zs = empty(), zl = empty(), br = empty();

    encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
    encode_zstd(&zs, buf_slice(&a), 19, true);
    encode_deflate(&zl, buf_slice(&a), ENCODE_ZLIB);
    encode_br(&br, buf_slice(&a));
    assert_decodes(buf_slice(&gz), "br", buf_slice(&a), true);
    assert_decodes(buf_slice(&gz), "deflate", buf_slice(&a), true);
    assert_decodes(buf_slice(&gz), "zstd", buf_slice(&a), true);
    assert_decodes(buf_slice(&gz), "gzip, gzip", buf_slice(&a), true); /* named twice, done once */
    assert_decodes(buf_slice(&zs), "gzip", buf_slice(&a), true);
    assert_decodes(buf_slice(&zl), "gzip", buf_slice(&a), true);
    assert_fails(buf_slice(&br), "gzip", OUTCOME_DECODE_FAILED); /* nothing tells it */
    buf_fini(&a), buf_fini(&gz), buf_fini(&zs), buf_fini(&zl), buf_fini(&br);
}

TEST(decode__a_label_that_is_no_encoding_is_ignored_an_unknown_one_is_not)
{
    struct slice html = slice_str("<p>hello");

    assert_decodes(html, "UTF-8", html, true);
    assert_decodes(html, "none", html, true);
    assert_fails(html, "frobnicate", OUTCOME_UNSUPPORTED_ENCODING);
    assert_fails(html, "compress", OUTCOME_UNSUPPORTED_ENCODING);
    assert_fails(html, "gzip frobnicate", OUTCOME_UNSUPPORTED_ENCODING);
    assert_fails(html, "gzip;q=1", OUTCOME_UNSUPPORTED_ENCODING);
}

TEST(decode__damage_is_told_from_a_wrong_label)
{
    static const char *const labels[] = { "gzip", "deflate", "br", "zstd" };
    uint8_t noise[1500] = { 0x1f, 0x8b, 0x08, 0x00 };
    uint32_t x = 99;

    for (size_t i = 4; i < sizeof noise; i++)
        noise[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    assert_fails(slice_of(noise, sizeof noise), "gzip", OUTCOME_DECODE_FAILED);
    for (size_t i = 0; i < ORB_N_ELEMENTS(labels); i++)
        assert_fails(slice_of(noise + 5, sizeof noise - 5), labels[i], OUTCOME_DECODE_FAILED);
}

TEST(decode__a_wrong_checksum_or_size_is_damage)
{
    struct buf a = sample(20000), gz = empty(), zl = empty();

    encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
    encode_deflate(&zl, buf_slice(&a), ENCODE_ZLIB);
    gz.p[gz.n - 1] ^= 1;
    assert_fails(buf_slice(&gz), "gzip", OUTCOME_DECODE_FAILED);
    gz.p[gz.n - 1] ^= 1;
    gz.p[gz.n - 4] ^= 1;
    assert_fails(buf_slice(&gz), "gzip", OUTCOME_DECODE_FAILED);
    gz.p[gz.n - 4] ^= 1;
    gz.p[gz.n - 8] ^= 1;
    assert_fails(buf_slice(&gz), "gzip", OUTCOME_DECODE_FAILED);
    zl.p[zl.n - 1] ^= 1;
    assert_fails(buf_slice(&zl), "deflate", OUTCOME_DECODE_FAILED);
    buf_fini(&a), buf_fini(&gz), buf_fini(&zl);
}

/* At cuts of the stream (a shorter piece may look like text): what came is a prefix of the whole, and the outcome says
 * that the rest is missing. */
static void
assert_cuts(struct slice encoded, const char *label, struct slice plain, size_t step)
{
    size_t longest = 0;

    for (size_t n = 200; n < encoded.n; n += step) {
        struct result r;
        run(&r, slice_sub(encoded, 0, n), label, MAX);
        if (r.outcome == OUTCOME_DECODE_FAILED)
            fail_msg("%s cut at %zu of %zu is called damaged", label, n, encoded.n);
        assert_outcome(&r, OUTCOME_TRUNCATED);
        assert_true(r.body.n <= plain.n);
        assert_true(slice_eq(r.body, slice_sub(plain, 0, r.body.n)));
        longest = ORB_MAX(longest, r.body.n);
        buf_fini(&r.out);
    }
    if (longest <= plain.n / 2)
        fail_msg("%s: of %zu bytes never more than %zu came", label, plain.n, longest);
}

TEST(decode__a_stream_cut_anywhere_gives_what_came)
{
    struct buf a = sample(3000000), gz = empty(), br = empty(), zs = empty(), zl = empty();
    struct slice s = buf_slice(&a);

    encode_deflate(&gz, s, ENCODE_GZIP);
    encode_deflate(&zl, s, ENCODE_ZLIB);
    encode_br(&br, s);
    encode_zstd(&zs, s, 17, false);
    assert_cuts(buf_slice(&gz), "gzip", s, gz.n / 20);
    assert_cuts(buf_slice(&zl), "deflate", s, zl.n / 20);
    assert_cuts(buf_slice(&br), "br", s, br.n / 20);
    assert_cuts(buf_slice(&zs), "zstd", s, zs.n / 20);
    buf_fini(&a), buf_fini(&gz), buf_fini(&br), buf_fini(&zs), buf_fini(&zl);
}

TEST(decode__a_short_gzip_stream_cut_at_every_byte_is_truncated)
{
    struct slice s = slice_str("<p>hello hello hello");
    struct buf gz = empty();

    encode_gzip_full_header(&gz, s);
    for (size_t n = 1; n < gz.n; n++)
        assert_fails(slice_sub(buf_slice(&gz), 0, n), "gzip", OUTCOME_TRUNCATED);
    buf_fini(&gz);
}

TEST(decode__a_cut_outer_layer_still_gives_the_inner_ones_beginning)
{
    struct buf a = sample(2000000), one = empty(), two = empty();
    struct result r;

    encode_deflate(&one, buf_slice(&a), ENCODE_GZIP);
    encode_deflate(&two, buf_slice(&one), ENCODE_GZIP);
    run(&r, slice_sub(buf_slice(&two), 0, two.n / 2), "gzip, gzip", MAX);
    assert_outcome(&r, OUTCOME_TRUNCATED);
    assert_true(r.body.n > a.n / 4);
    assert_true(slice_eq(r.body, slice_sub(buf_slice(&a), 0, r.body.n)));
    buf_fini(&r.out), buf_fini(&a), buf_fini(&one), buf_fini(&two);
}

TEST(decode__a_body_of_just_the_ceiling_fits_and_one_byte_more_does_not)
{
    struct buf a = sample(100000), gz[6];
    static const char *const labels[] = { "gzip", "deflate", "deflate", "br", "zstd", "zstd" };
    struct result r;

    for (size_t i = 0; i < ORB_N_ELEMENTS(gz); i++)
        gz[i] = empty();
    encode_deflate(&gz[0], buf_slice(&a), ENCODE_GZIP);
    encode_deflate(&gz[1], buf_slice(&a), ENCODE_ZLIB);
    encode_deflate(&gz[2], buf_slice(&a), ENCODE_RAW);
    encode_br(&gz[3], buf_slice(&a));
    encode_zstd(&gz[4], buf_slice(&a), 19, true);
    encode_zstd(&gz[5], buf_slice(&a), 19, false);
    for (size_t i = 0; i < ORB_N_ELEMENTS(gz); i++) {
        run(&r, buf_slice(&gz[i]), labels[i], a.n);
        assert_outcome(&r, OUTCOME_OK);
        assert_true(slice_eq(r.body, buf_slice(&a)));
        buf_fini(&r.out);
        run(&r, buf_slice(&gz[i]), labels[i], a.n - 1);
        assert_outcome(&r, OUTCOME_DECODED_TOO_LARGE);
        assert_true(r.body.n <= a.n - 1 && slice_eq(r.body, slice_sub(buf_slice(&a), 0, r.body.n)));
        assert_true(i == 4 || r.body.n == a.n - 1);
        buf_fini(&r.out);
        buf_fini(&gz[i]);
    }
    buf_fini(&a);
}

TEST(decode__the_callers_own_ceiling_counts_too)
{
    struct buf a = sample(100000), gz = empty(), out;
    struct slice body;

    encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
    buf_init(&out, MEM_BUF, 5000);
    assert_int_equal(decode_content(&out, buf_slice(&gz), slice_str("gzip"), MAX, &body, NULL),
                     OUTCOME_DECODED_TOO_LARGE);
    assert_int_equal(body.n, 5000);
    buf_fini(&out), buf_fini(&a), buf_fini(&gz);
}

/* The same with no more than that memory: an outcome of OUTCOME_TOO_MUCH_MEMORY would say that it was not enough. */
static void
assert_fails_within(size_t n_bytes, struct slice payload, const char *label, size_t max_bytes, enum outcome expected)
{
    struct mem_stats now;
    struct result r;

    decode_release();
    mem_stats(MEM_BUF, &now);
    mem_set_limits(MEM_BUF, 0, now.live_bytes + n_bytes);
    run(&r, payload, label, max_bytes);
    mem_set_limits(MEM_BUF, 0, 0);
    assert_outcome(&r, expected);
    buf_fini(&r.out);
}

TEST(decode__bombs_are_stopped_at_the_ceiling_with_bounded_memory)
{
    struct buf zeros = empty(), gz = empty(), twice = empty(), br = empty(), zs = empty();
    const size_t ceiling = 4 << 20;

    assert_int_equal(buf_reserve(&zeros, 64 << 20), 0);
    memset(zeros.p, 0, 64 << 20);
    zeros.n = 64 << 20;
    encode_deflate(&gz, buf_slice(&zeros), ENCODE_GZIP);
    encode_deflate(&twice, buf_slice(&gz), ENCODE_GZIP);
    encode_br(&br, buf_slice(&zeros));
    encode_zstd(&zs, buf_slice(&zeros), 19, false);
    assert_fails_within(3 * ceiling, buf_slice(&gz), "gzip", ceiling, OUTCOME_DECODED_TOO_LARGE);
    assert_fails_within(3 * ceiling, buf_slice(&twice), "gzip, gzip", ceiling, OUTCOME_DECODED_TOO_LARGE);
    assert_fails_within(3 * ceiling, buf_slice(&zs), "zstd", ceiling, OUTCOME_DECODED_TOO_LARGE);
    assert_fails_within(3 * ceiling, buf_slice(&br), "br", ceiling, OUTCOME_DECODED_TOO_LARGE);
    buf_fini(&zeros), buf_fini(&gz), buf_fini(&twice), buf_fini(&br), buf_fini(&zs);
}

TEST(decode__a_ratio_beyond_2000_is_a_bomb_once_past_1_mib)
{
    struct buf zeros = empty(), br = empty();
    struct result r;

    assert_int_equal(buf_reserve(&zeros, 16 << 20), 0);
    memset(zeros.p, 0, 16 << 20);
    zeros.n = 1 << 20;
    encode_br(&br, buf_slice(&zeros));
    assert_true(br.n * DECODE_MAX_RATIO < zeros.n);
    assert_decodes(buf_slice(&br), "br", buf_slice(&zeros), false);
    zeros.n = 16 << 20;
    buf_clear(&br);
    encode_br(&br, buf_slice(&zeros));
    run(&r, buf_slice(&br), "br", MAX);
    assert_outcome(&r, OUTCOME_DECODED_TOO_LARGE);
    assert_int_equal(r.body.n, 1 << 20);
    buf_fini(&r.out), buf_fini(&zeros), buf_fini(&br);
}

TEST(decode__a_size_that_only_a_header_promises_takes_no_memory)
{
    struct buf gz = empty(), zs = empty();
    struct slice text = slice_str("<p>short");
    uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x03, 0, 0, 0, 0, 1, 0, 0 }; /* 48 MiB promised */

    encode_deflate(&gz, text, ENCODE_GZIP);
    memcpy(gz.p + gz.n - 4, "\0\0\0\x03", 4);
    assert_fails_within(200000, buf_slice(&gz), "gzip", MAX, OUTCOME_DECODE_FAILED);
    assert_fails_within(400000, slice_of(frame, sizeof frame), "zstd", MAX, OUTCOME_DECODE_FAILED);
    buf_fini(&gz), buf_fini(&zs);
}

TEST(decode__hostile_archives_of_the_shared_data_are_stopped)
{
    struct buf b = empty();
    char path[4096];

    if (shared_dir() == NULL)
        return;
    snprintf(path, sizeof path, "%s/conformance/hostile/data/zeros-1g.br", shared_dir());
    read_file(&b, path);
    assert_fails_within(24 << 20, buf_slice(&b), "br", MAX, OUTCOME_DECODED_TOO_LARGE);
    snprintf(path, sizeof path, "%s/conformance/hostile/data/zeros-10g.zst", shared_dir());
    read_file(&b, path);
    assert_fails_within(64 << 20, buf_slice(&b), "zstd", 16 << 20, OUTCOME_DECODED_TOO_LARGE);
    buf_fini(&b);
}

TEST(decode__a_thousand_pages_leave_memory_flat)
{
    struct buf a = sample(28000), gz = empty(), br = empty(), zs = empty(), out;
    size_t before;
    struct slice body;

    encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
    encode_br(&br, buf_slice(&a));
    encode_zstd(&zs, buf_slice(&a), 19, false);
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    for (int i = 0; i < 1100; i++) {
        if (i == 100)
            before = mem_live_bytes();
        assert_int_equal(decode_content(&out, buf_slice(&gz), slice_str("gzip"), MAX, &body, NULL), OUTCOME_OK);
        assert_int_equal(decode_content(&out, buf_slice(&br), slice_str("br"), MAX, &body, NULL), OUTCOME_OK);
        assert_int_equal(decode_content(&out, buf_slice(&zs), slice_str("zstd"), MAX, &body, NULL), OUTCOME_OK);
        assert_true(slice_eq(body, buf_slice(&a)));
    }
    assert_int_equal(mem_live_bytes(), before);
    buf_fini(&out), buf_fini(&a), buf_fini(&gz), buf_fini(&br), buf_fini(&zs);
}

TEST(decode__release_gives_everything_back)
{
    struct buf a = sample(28000), gz = empty(), zs = empty();
    size_t before;

    decode_release();
    encode_deflate(&gz, buf_slice(&a), ENCODE_GZIP);
    encode_zstd(&zs, buf_slice(&a), 19, false);
    before = mem_live_blocks();
    assert_decodes(buf_slice(&gz), "gzip", buf_slice(&a), false);
    assert_decodes(buf_slice(&zs), "zstd", buf_slice(&a), false);
    assert_non_null(decode_pool(0));
    assert_null(decode_pool(3));
    pool_tick_all(1000);
    decode_release();
    assert_int_equal(mem_live_blocks(), before);
    buf_fini(&a), buf_fini(&gz), buf_fini(&zs);
}

/* Four bytes of padding that announce 5 MiB: a large reservation, of which little stays. */
TEST(decode__what_stays_of_a_large_reservation_is_a_body_buffer_like_others)
{
    static const size_t lengths[] = { 1, 2100, 100000, 200000, 262143, 262144, 300000 };

    for (size_t i = 0; i < ORB_N_ELEMENTS(lengths); i++) {
        struct buf plain = sample(lengths[i]), gz = empty(), next;
        struct slice s = buf_slice(&plain);

        encode_deflate(&gz, s, ENCODE_GZIP);
        while (gz.n < 8192)
            assert_int_equal(buf_append_char(&gz, '\0'), 0);
        assert_int_equal(buf_append(&gz, "\0\0\x50\0", 4), 0);
        assert_decodes(buf_slice(&gz), "gzip", s, false);
        buf_init(&next, MEM_BUF, BUF_NO_CEILING);
        assert_int_equal(buf_reserve(&next, lengths[i]), 0);
        assert_true(mem_usable_bytes(next.p) > next.cap); /* room for all that it says, and the NUL */
        buf_fini(&next);
        buf_fini(&plain), buf_fini(&gz);
    }
}

TESTS(T(decode__what_was_encoded_comes_back), T(decode__nothing_to_take_off_lends_the_input),
      T(decode__an_empty_body_is_empty_whatever_its_label), T(decode__encoded_nothing_is_empty),
      T(decode__gzip_members_are_joined), T(decode__gzip_header_fields_are_skipped),
      T(decode__what_follows_a_complete_stream_is_ignored),
      T(decode__zstd_frames_are_joined_and_skippable_ones_skipped), T(decode__zstd_windows_beyond_8_mib_are_refused),
      T(decode__stacked_encodings_come_off_last_first),
      T(decode__plain_bytes_under_a_wrong_label_are_taken_as_they_are),
      T(decode__another_encoding_than_announced_is_taken_off),
      T(decode__a_label_that_is_no_encoding_is_ignored_an_unknown_one_is_not),
      T(decode__damage_is_told_from_a_wrong_label), T(decode__a_wrong_checksum_or_size_is_damage),
      T(decode__a_stream_cut_anywhere_gives_what_came),
      T(decode__a_short_gzip_stream_cut_at_every_byte_is_truncated),
      T(decode__a_cut_outer_layer_still_gives_the_inner_ones_beginning),
      T(decode__a_body_of_just_the_ceiling_fits_and_one_byte_more_does_not),
      T(decode__the_callers_own_ceiling_counts_too), T(decode__bombs_are_stopped_at_the_ceiling_with_bounded_memory),
      T(decode__a_ratio_beyond_2000_is_a_bomb_once_past_1_mib),
      T(decode__a_size_that_only_a_header_promises_takes_no_memory),
      T(decode__hostile_archives_of_the_shared_data_are_stopped), T(decode__a_thousand_pages_leave_memory_flat),
      T(decode__what_stays_of_a_large_reservation_is_a_body_buffer_like_others),
      T(decode__release_gives_everything_back))
