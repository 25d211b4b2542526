/* fuzz_chunked.c - chunking off, from any bytes */
#include "crawler/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    const size_t max_bytes = 4096;
    struct buf out, again;
    bool is_truncated, is_truncated_again;
    enum outcome o;

    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    buf_init(&again, MEM_BUF, BUF_NO_CEILING);
    o = decode_chunked(&out, slice_of(bytes, n_bytes), max_bytes, &is_truncated);
    CHECK(out.n <= max_bytes && out.n <= n_bytes);
    CHECK(o == OUTCOME_OK || o == OUTCOME_PROTOCOL || o == OUTCOME_BODY_TOO_LARGE);
    if (o == OUTCOME_OK && !is_truncated && n_bytes > 0) { /* what is whole stays so when more follows */
        struct buf longer;
        buf_init(&longer, MEM_BUF, BUF_NO_CEILING);
        CHECK(buf_append(&longer, bytes, n_bytes) == 0 && buf_append_str(&longer, "\r\n5\r\nhello") == 0);
        CHECK(decode_chunked(&again, buf_slice(&longer), max_bytes, &is_truncated_again) == OUTCOME_OK);
        CHECK(!is_truncated_again && slice_eq(buf_slice(&out), buf_slice(&again)));
        buf_fini(&longer);
    }
    buf_fini(&out);
    buf_fini(&again);
    return 0;
}
