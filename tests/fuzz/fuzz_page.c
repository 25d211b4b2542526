/* fuzz_page.c - an answer as a server sends it: head, empty line, body */
#include "crawler/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *end = memmem(data, n, "\r\n\r\n", 4);
    size_t head_bytes = end == NULL ? n : (size_t)(end - (const char *)data) + 4;
    struct page *p = page_new(64 * 1024, 256 * 1024, 256 * 1024);

    if (p == NULL)
        return 0;
    if (buf_append(&p->head, data, head_bytes) == 0 && buf_append(&p->wire_body, data + head_bytes, n - head_bytes) == 0
        && page_read_head(p) == 0) {
        CHECK(p->status >= 0 && p->status <= 999);
        CHECK(p->set_cookie.n <= p->head.n && p->link.n <= 2 * p->head.n);
        p->outcome = OUTCOME_OK;
        page_seal(p, 256 * 1024);
        CHECK(p->body.n <= 256 * 1024);
        CHECK(p->trailers.n == 0
              || (p->trailers.p >= p->wire_body.p && p->trailers.p + p->trailers.n <= p->wire_body.p + p->wire_body.n));
    }
    page_unref(&p);
    return 0;
}
