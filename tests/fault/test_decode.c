#include "crawler/decode.h"
#include "tests/support/encode.h"
#include "tests/support/support.h"

#define MAX (8u << 20)

static struct buf plain;

/* With the n-th allocation failing, for every n: the body is right or the outcome says why not, and nothing is left. */
static void
sweep(struct slice wire, const char *label)
{
    decode_release();
    FAULT_SWEEP (nth) {
        size_t before = mem_live_blocks();
        struct slice body;
        struct buf out;
        enum outcome o;

        buf_init(&out, MEM_BUF, MAX);
        o = decode_content(&out, wire, slice_str(label), MAX, &body, NULL);
        assert_true(o == OUTCOME_OK || o == OUTCOME_TOO_MUCH_MEMORY);
        if (o == OUTCOME_OK)
            assert_true(slice_eq(body, buf_slice(&plain)));
        else
            assert_int_equal(body.n, 0);
        buf_fini(&out);
        decode_release();
        assert_int_equal(mem_live_blocks(), before);
    }
}

TEST(decode__survives_any_failed_allocation)
{
    struct buf gz, members, zl, br, zs, zu, stacked;
    struct buf *all[] = { &gz, &members, &zl, &br, &zs, &zu, &stacked, &plain };

    for (size_t i = 0; i < ORB_N_ELEMENTS(all); i++)
        buf_init(all[i], MEM_DEFAULT, BUF_NO_CEILING);
    encode_sample(&plain, 200000, 5);
    encode_deflate(&gz, buf_slice(&plain), ENCODE_GZIP);
    encode_deflate(&members, slice_sub(buf_slice(&plain), 0, 90000), ENCODE_GZIP);
    encode_deflate(&members, slice_sub(buf_slice(&plain), 90000, SIZE_MAX), ENCODE_GZIP);
    encode_deflate(&zl, buf_slice(&plain), ENCODE_ZLIB);
    encode_br(&br, buf_slice(&plain));
    encode_zstd(&zs, buf_slice(&plain), 17, true);
    encode_zstd(&zu, buf_slice(&plain), 17, false);
    encode_deflate(&stacked, buf_slice(&br), ENCODE_GZIP);
    sweep(buf_slice(&gz), "gzip");
    sweep(buf_slice(&members), "gzip");
    sweep(buf_slice(&zl), "deflate");
    sweep(buf_slice(&br), "br");
    sweep(buf_slice(&zs), "zstd");
    sweep(buf_slice(&zu), "zstd");
    sweep(buf_slice(&stacked), "br, gzip");
    for (size_t i = 0; i < ORB_N_ELEMENTS(all); i++)
        buf_fini(all[i]);
}

TEST(decode_chunked__survives_any_failed_allocation)
{
    FAULT_SWEEP (nth) {
        struct buf out;
        bool is_truncated;
        enum outcome o;

        buf_init(&out, MEM_BUF, MAX);
        o = decode_chunked(&out, slice_str("5\r\nhello\r\n0\r\n\r\n"), MAX, &is_truncated);
        assert_true(o == OUTCOME_OK || o == OUTCOME_TOO_MUCH_MEMORY);
        if (o == OUTCOME_OK)
            assert_slice_str(buf_slice(&out), "hello");
        buf_fini(&out);
    }
}

TESTS(T(decode__survives_any_failed_allocation), T(decode_chunked__survives_any_failed_allocation))
