/* fuzz_decode.c - the first byte names the encodings, the rest is the payload */
#include "crawler/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    static const char *const labels[] = { "gzip", "deflate", "br", "zstd", "gzip, gzip", "zstd, br", "br, deflate",
                                          "gzip, br, zstd, deflate" };
    const size_t max_bytes = 1 << 18;
    struct slice body;
    struct buf out;
    enum outcome o;
    bool was_mislabelled;

    if (n_bytes == 0)
        return 0;
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    o = decode_content(&out, slice_of(bytes + 1, n_bytes - 1), slice_str(labels[bytes[0] % ORB_N_ELEMENTS(labels)]), max_bytes,
                       &body, &was_mislabelled);
    CHECK(body.n <= max_bytes || body.p == (const char *)bytes + 1);
    CHECK(o == OUTCOME_OK || o == OUTCOME_TRUNCATED || o == OUTCOME_DECODED_TOO_LARGE || body.n == 0);
    for (size_t i = 0, sum = 0; i < body.n; i++) { /* every byte must be there to be read */
        sum += (uint8_t)body.p[i];
        __asm__ volatile("" : : "r"(sum));
    }
    buf_fini(&out);
    return 0;
}
