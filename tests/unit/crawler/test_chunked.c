#include "crawler/decode.h"
#include "tests/support/encode.h"
#include "tests/support/support.h"

#define MAX 1000000

static void
assert_chunked(const char *wire, enum outcome expected, const char *payload, bool is_cut)
{
    struct buf out;
    bool is_truncated = !is_cut;
    enum outcome o;

    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    o = decode_chunked(&out, slice_str(wire), MAX, &is_truncated);
    if (o != expected)
        fail_msg("\"%s\": %s is not %s", wire, outcome_name(o), outcome_name(expected));
    if (o == OUTCOME_OK) {
        assert_slice_str(buf_slice(&out), payload);
        assert_int_equal(is_truncated, is_cut);
    }
    buf_fini(&out);
}

TEST(chunked__chunks_are_joined)
{
    assert_chunked("5\r\nhello\r\n0\r\n\r\n", OUTCOME_OK, "hello", false);
    assert_chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", OUTCOME_OK, "hello world", false);
    assert_chunked("0\r\n\r\n", OUTCOME_OK, "", false);
    assert_chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", OUTCOME_OK, "01234567890123456789", false);
}

TEST(chunked__browsers_leniency)
{
    assert_chunked("5\nhello\n0\n\n", OUTCOME_OK, "hello", false);
    assert_chunked("5 \t\r\nhello\r\n0  \r\n\r\n", OUTCOME_OK, "hello", false);
    assert_chunked("5;name=value\r\nhello\r\n0;x\r\n\r\n", OUTCOME_OK, "hello", false);
    assert_chunked("5 ; name=\"quoted; value\"\r\nhello\r\n0\r\n\r\n", OUTCOME_OK, "hello", false);
    assert_chunked("00000000000000000000005\r\nhello\r\n000\r\n\r\n", OUTCOME_OK, "hello", false);
}

TEST(chunked__trailers_and_what_follows_are_skipped)
{
    assert_chunked("5\r\nhello\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n", OUTCOME_OK, "hello", false);
    assert_chunked("5\r\nhello\r\n0\r\n\r\n5\r\nagain\r\n0\r\n\r\n", OUTCOME_OK, "hello", false);
    assert_chunked("5\r\nhello\r\n0\r\n", OUTCOME_OK, "hello", false); /* the payload is whole */
}

TEST(chunked__a_missing_end_gives_what_came)
{
    assert_chunked("", OUTCOME_OK, "", true);
    assert_chunked("5", OUTCOME_OK, "", true);
    assert_chunked("5\r", OUTCOME_OK, "", true);
    assert_chunked("5\r\n", OUTCOME_OK, "", true);
    assert_chunked("5\r\nhel", OUTCOME_OK, "hel", true);
    assert_chunked("5\r\nhello", OUTCOME_OK, "hello", true);
    assert_chunked("5\r\nhello\r", OUTCOME_OK, "hello", true);
    assert_chunked("5\r\nhello\r\n", OUTCOME_OK, "hello", true);
    assert_chunked("5\r\nhello\r\n0", OUTCOME_OK, "hello", true);
    assert_chunked("1000\r\n<p>only this", OUTCOME_OK, "<p>only this", true);
}

TEST(chunked__what_two_readers_could_read_differently_is_refused)
{
    static const char *const bad[] = {
        "zz\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n", "\r\n5\r\nhello\r\n0\r\n\r\n", "5 5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello\rX0\r\n\r\n", "5\r\nhello\r\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n", "<html>this is not chunked",
        "5,5\r\nhello\r\n0\r\n\r\n", NULL
    };

    for (const char *const *b = bad; *b != NULL; b++)
        assert_chunked(*b, OUTCOME_PROTOCOL, NULL, false);
}

TEST(chunked__a_size_beyond_the_ceiling_is_refused_before_it_comes)
{
    assert_chunked("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", OUTCOME_BODY_TOO_LARGE, NULL, false);
    assert_chunked("7fffffffffffffff\r\nhello\r\n0\r\n\r\n", OUTCOME_BODY_TOO_LARGE, NULL, false);
    assert_chunked("5\r\nhello\r\nF423C\r\n", OUTCOME_BODY_TOO_LARGE, NULL, false);
    assert_chunked("5\r\nhello\r\nF423B\r\n", OUTCOME_OK, "hello", true); /* 999,995: just fits */
}

TEST(chunked__the_sum_of_the_chunks_is_bounded_and_its_beginning_given)
{
    struct buf out;
    bool is_truncated;

    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(decode_chunked(&out, slice_str("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 11, &is_truncated),
                     OUTCOME_OK);
    assert_int_equal(decode_chunked(&out, slice_str("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 8, &is_truncated),
                     OUTCOME_BODY_TOO_LARGE);
    assert_slice_str(buf_slice(&out), "hello wo");
    buf_fini(&out);
    buf_init(&out, MEM_BUF, 3);
    assert_int_equal(decode_chunked(&out, slice_str("5\r\nhello\r\n0\r\n\r\n"), MAX, &is_truncated),
                     OUTCOME_BODY_TOO_LARGE);
    assert_slice_str(buf_slice(&out), "hel");
    buf_fini(&out);
}

TEST(chunked__a_size_line_has_a_ceiling)
{
    struct buf wire, out;
    bool is_truncated;

    buf_init(&wire, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_append_str(&wire, "5;"), 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(buf_append_char(&wire, 'x'), 0);
    assert_int_equal(decode_chunked(&out, buf_slice(&wire), MAX, &is_truncated), OUTCOME_PROTOCOL);
    assert_int_equal(buf_append_str(&wire, "\r\nhello\r\n0\r\n\r\n"), 0);
    assert_int_equal(decode_chunked(&out, buf_slice(&wire), MAX, &is_truncated), OUTCOME_PROTOCOL);
    buf_fini(&wire), buf_fini(&out);
}

TEST(chunked__any_bytes_in_any_chunk_size_come_back)
{
    struct buf plain, wire, out;
    bool is_truncated;

    buf_init(&plain, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&wire, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    encode_sample(&plain, 300000, 3);
    for (size_t n = 1; n <= 1000000; n *= 10) {
        buf_clear(&wire);
        encode_chunked(&wire, buf_slice(&plain), n);
        assert_int_equal(decode_chunked(&out, buf_slice(&wire), MAX, &is_truncated), OUTCOME_OK);
        assert_false(is_truncated);
        assert_true(slice_eq(buf_slice(&out), buf_slice(&plain)));
    }
    buf_fini(&plain), buf_fini(&wire), buf_fini(&out);
}

TESTS(T(chunked__chunks_are_joined), T(chunked__browsers_leniency), T(chunked__trailers_and_what_follows_are_skipped),
      T(chunked__a_missing_end_gives_what_came), T(chunked__what_two_readers_could_read_differently_is_refused),
      T(chunked__a_size_beyond_the_ceiling_is_refused_before_it_comes),
      T(chunked__the_sum_of_the_chunks_is_bounded_and_its_beginning_given), T(chunked__a_size_line_has_a_ceiling),
      T(chunked__any_bytes_in_any_chunk_size_come_back))
