#include <stdio.h>

#include "crawler/fingerprint.h"
#include "tests/support/support.h"

static const unsigned char random_a[FINGERPRINT_KEY_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const unsigned char random_b[FINGERPRINT_KEY_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17 };

TEST(fingerprint__depends_on_the_key_and_every_byte)
{
    struct fingerprint_key a, again, b;
    uint64_t of_a;

    fingerprint_key_init(&a, random_a);
    fingerprint_key_init(&again, random_a);
    fingerprint_key_init(&b, random_b);
    of_a = fingerprint(&a, SLICE_LITERAL("http://example.com/"));
    assert_true(of_a == fingerprint(&again, SLICE_LITERAL("http://example.com/")));
    assert_true(of_a != fingerprint(&b, SLICE_LITERAL("http://example.com/")));
    assert_true(of_a != fingerprint(&a, SLICE_LITERAL("http://example.com")));
    assert_true(of_a != fingerprint(&a, SLICE_LITERAL("http://example.com/?")));
}

/* Seen-sets on disk hold these numbers: they may never change. */
TEST(fingerprint__is_the_same_forever)
{
    struct fingerprint_key a;
    char text[400];

    fingerprint_key_init(&a, random_a);
    memset(text, 'x', sizeof text);
    assert_true(fingerprint(&a, SLICE_NONE) == UINT64_C(0xe98452f5ef323471));
    assert_true(fingerprint(&a, SLICE_LITERAL("http://example.com/")) == UINT64_C(0xc42bd67747484588));
    assert_true(fingerprint(&a, slice_of(text, sizeof text)) == UINT64_C(0x4180d5214ab32976));
}

TEST(fingerprint__spreads_numbered_urls)
{
    static uint8_t filled[1 << 16];
    struct fingerprint_key a;
    unsigned n_filled = 0;

    fingerprint_key_init(&a, random_a);
    for (unsigned i = 0; i < 1 << 16; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "http://example.com/page?id=%u", i);
        unsigned bucket = fingerprint(&a, slice_of(text, (size_t)n)) >> 48;

        n_filled += filled[bucket]++ == 0;
    }
    assert_in_range(n_filled, 41000, 41900); /* 65,536 x (1 - 1/e) = 41,427, give or take 4 sigma */
}

TESTS(T(fingerprint__depends_on_the_key_and_every_byte), T(fingerprint__is_the_same_forever),
      T(fingerprint__spreads_numbered_urls))
