#include "pool/buf.h"
#include "pool/hex.h"
#include "tests/support/support.h"

TEST(hex__reads_digits_of_either_case_and_nothing_else)
{
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

    for (int c = -128; c < 128; c++) {
        const char *at = c <= 0 ? NULL : memchr(digits, c, 16) != NULL ? strchr(digits, c) : NULL;
        const char *at_upper = c <= 0 ? NULL : strchr(upper, c);
        int want = at != NULL ? (int)(at - digits) : at_upper != NULL ? (int)(at_upper - upper) : -1;

        assert_int_equal(hex_value((char)c), want);
    }
}

TEST(hex__what_it_spells_it_reads)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char plain[2], escape[3];

        hex_put(plain, (unsigned char)byte);
        hex_put_escape(escape, (unsigned char)byte);
        assert_int_equal(hex_value(plain[0]) << 4 | hex_value(plain[1]), byte);
        assert_int_equal(hex_value(escape[1]) << 4 | hex_value(escape[2]), byte);
        assert_int_equal(escape[0], '%');
        assert_true(strchr("0123456789abcdef", plain[1]) != NULL && strchr("0123456789ABCDEF", escape[1]) != NULL);
    }
}

TEST(buf_append_hex__spells_bytes_and_keeps_the_ceiling)
{
    struct buf b;

    buf_init(&b, MEM_BUF, 9);
    assert_int_equal(buf_append_hex(&b, slice_of("\x00\xff\x2f", 3)), 0);
    assert_slice_str(buf_slice(&b), "00ff2f");
    assert_int_equal(buf_append_hex(&b, slice_of("ab", 2)), ORB_ETOOBIG);
    assert_int_equal(buf_append_hex(&b, SLICE_NONE), 0);
    assert_string_equal(b.p, "00ff2f");
    buf_fini(&b);
}

TESTS(T(hex__reads_digits_of_either_case_and_nothing_else), T(hex__what_it_spells_it_reads),
      T(buf_append_hex__spells_bytes_and_keeps_the_ceiling))
