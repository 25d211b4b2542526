#include "crawler/address.h"
#include "tests/support/support.h"

TEST(address_list__survives_a_round_trip)
{
    struct dns_answer a = { 0 };
    struct buf text;

    buf_init(&text, MEM_DEFAULT, 4096);
    assert_true(address_list_from_text(&a, SLICE_LITERAL("192.0.2.1,2001:db8::1")));
    assert_int_equal(a.n_addresses, 2);
    assert_int_equal(address_list_to_text(&a, &text), 0);
    assert_slice_str(buf_slice(&text), "192.0.2.1,2001:db8::1");
    buf_fini(&text);
}

TEST(address_list__skips_what_is_no_address)
{
    struct dns_answer a = { 0 };

    assert_false(address_list_from_text(&a, SLICE_LITERAL("")));
    assert_false(address_list_from_text(&a, SLICE_LITERAL("example.org,,1.2.3")));
    assert_true(address_list_from_text(&a, SLICE_LITERAL("x,::1")));
    assert_int_equal(a.n_addresses, 1);
}

TEST(retry_after__reads_seconds_and_dates)
{
    uint64_t wall_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */

    assert_int_equal(retry_after_ms(SLICE_LITERAL("120"), wall_ms), 120000);
    assert_int_equal(retry_after_ms(SLICE_LITERAL("Sun, 06 Nov 1994 08:50:37 GMT"), wall_ms), 60000);
    assert_int_equal(retry_after_ms(SLICE_LITERAL("Sun, 06 Nov 1994 08:00:00 GMT"), wall_ms), 0);
    assert_int_equal(retry_after_ms(SLICE_LITERAL("soon"), wall_ms), 0);
    assert_int_equal(retry_after_ms(SLICE_LITERAL(""), wall_ms), 0);
    assert_int_equal(retry_after_ms(SLICE_LITERAL("99999999999999999999"), wall_ms), 24u * 3600 * 1000);
}

TESTS(T(address_list__survives_a_round_trip), T(address_list__skips_what_is_no_address),
      T(retry_after__reads_seconds_and_dates))
