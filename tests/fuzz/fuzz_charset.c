/* fuzz_charset - every encoding makes clean UTF-8 of any bytes, and encodes any UTF-8 */
#include "crawler/charset_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    const struct charset *c = &charset_table[n_bytes > 0 ? bytes[0] % CHARSET_N : 0];
    struct slice body = n_bytes > 0 ? slice_of(bytes + 1, n_bytes - 1) : SLICE_NONE;
    struct charset_scan scan = charset_scan(body);
    struct buf utf8, back;

    buf_init(&utf8, MEM_DEFAULT, 64 << 20);
    buf_init(&back, MEM_DEFAULT, 64 << 20);
    CHECK(charset_detect(body, body, scan).charset != NULL);
    charset_of_meta_content(body);
    CHECK(charset_decode(c, body, &utf8) == 0);
    scan = charset_scan(buf_slice(&utf8));
    CHECK(scan.is_utf8 && !scan.has_nul);
    CHECK(charset_encode(&back, buf_slice(&utf8), (void *)c) == 0);
    buf_fini(&utf8);
    buf_fini(&back);
    return 0;
}
