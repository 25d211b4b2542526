#include "cluster/wire.h"
#include "tests/support/support.h"

static struct buf frame;

static struct wire_in
reopen(unsigned want_type)
{
    struct wire_in in;
    unsigned type;

    assert_int_equal(wire_open(&in, buf_slice(&frame), &type), 0);
    assert_int_equal(type, want_type);
    return in;
}

TEST(wire__gives_back_what_was_written)
{
    struct wire_out out;
    struct wire_in in;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&out, &frame, WIRE_LEASE);
    wire_u8(&out, 200);
    wire_u16(&out, 60000);
    wire_u32(&out, 4000000000u);
    wire_u64(&out, UINT64_MAX - 1);
    wire_text(&out, SLICE_LITERAL("text"));
    wire_text(&out, SLICE_NONE);
    assert_int_equal(wire_finish(&out), 0);
    in = reopen(WIRE_LEASE);
    assert_int_equal(wire_get_u8(&in), 200);
    assert_int_equal(wire_get_u16(&in), 60000);
    assert_int_equal(wire_get_u32(&in), 4000000000u);
    assert_true(wire_get_u64(&in) == UINT64_MAX - 1);
    assert_slice_str(wire_get_text(&in, 10), "text");
    assert_int_equal(wire_get_text(&in, 10).n, 0);
    assert_true(wire_at_end(&in));
    buf_fini(&frame);
}

TEST(wire__a_cut_frame_is_bad_and_yields_zeros)
{
    struct wire_out out;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&out, &frame, WIRE_RESULT);
    wire_u64(&out, 7);
    wire_text(&out, SLICE_LITERAL("some text"));
    assert_int_equal(wire_finish(&out), 0);
    while (frame.n > 2) {
        struct wire_in in;
        buf_truncate(&frame, frame.n - 1);
        in = reopen(WIRE_RESULT);
        wire_get_u64(&in);
        assert_int_equal(wire_get_text(&in, 100).n, 0);
        assert_true(in.is_bad);
        assert_int_equal(wire_get_u32(&in), 0);
        assert_false(wire_at_end(&in));
    }
    buf_fini(&frame);
}

TEST(wire__a_text_longer_than_its_limit_is_bad)
{
    struct wire_out out;
    struct wire_in in;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&out, &frame, WIRE_RESULT);
    wire_text(&out, SLICE_LITERAL("12345"));
    in = reopen(WIRE_RESULT);
    wire_get_text(&in, 4);
    assert_true(in.is_bad);
    buf_fini(&frame);
}

TEST(wire__values_out_of_range_are_bad)
{
    struct wire_out out;
    struct wire_in in;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&out, &frame, WIRE_RESULT);
    wire_u8(&out, 2);
    in = reopen(WIRE_RESULT);
    wire_get_bool(&in);
    assert_true(in.is_bad);
    in = reopen(WIRE_RESULT);
    assert_int_equal(wire_get_enum(&in, 2), 0);
    assert_true(in.is_bad);
    buf_fini(&frame);
}

/* A bad bool before a list that goes on "while there is more" once held the coordinator up for ever. */
TEST(wire__a_loop_over_the_rest_of_a_bad_frame_ends)
{
    struct wire_out out;
    struct wire_in in;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&out, &frame, WIRE_RETURNED);
    wire_u8(&out, 2);
    wire_u64(&out, 7);
    in = reopen(WIRE_RETURNED);
    assert_false(wire_get_bool(&in));
    assert_int_equal(in.rest.n, 0);
    assert_int_equal(wire_get_u64(&in), 0);
    assert_false(wire_at_end(&in));
    buf_fini(&frame);
}

TEST(wire__a_frame_never_grows_past_64_kib)
{
    struct wire_out out;

    buf_init(&frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    wire_begin(&out, &frame, WIRE_LINKS);
    while (wire_has_room(&out, 8))
        wire_u64(&out, 1);
    assert_int_equal(wire_finish(&out), 0);
    for (int i = 0; i < 100; i++)
        wire_u64(&out, 1);
    assert_int_equal(wire_finish(&out), ORB_ETOOBIG);
    buf_fini(&frame);
}

TEST(wire__another_version_is_refused)
{
    struct wire_in in;
    unsigned type;

    assert_int_equal(wire_open(&in, slice_of("\x02\x01", 2), &type), ORB_EVERSION);
    assert_int_equal(wire_open(&in, slice_of("\x01", 1), &type), ORB_EPROTO);
    assert_int_equal(wire_open(&in, SLICE_NONE, &type), ORB_EPROTO);
}

TESTS(T(wire__gives_back_what_was_written), T(wire__a_cut_frame_is_bad_and_yields_zeros),
      T(wire__a_text_longer_than_its_limit_is_bad), T(wire__values_out_of_range_are_bad),
      T(wire__a_loop_over_the_rest_of_a_bad_frame_ends),
      T(wire__a_frame_never_grows_past_64_kib), T(wire__another_version_is_refused))
