#include "cluster/stored_page.h"

void
page_bytes_init(struct page_bytes *b)
{
    *b = (struct page_bytes){ .is_answer = false };
    buf_init(&b->warc_head, MEM_BUF, 1024 * 1024);
    buf_init(&b->head, MEM_BUF, STORED_PAGE_MAX_BYTES);
    buf_init(&b->wire_body, MEM_BUF, STORED_PAGE_MAX_BYTES);
}

void
page_bytes_fini(struct page_bytes *b)
{
    buf_fini(&b->warc_head);
    buf_fini(&b->head);
    buf_fini(&b->wire_body);
}

int
stored_page_make(struct page **out, const struct page_bytes *b)
{
    struct page *p = page_new(STORED_PAGE_MAX_BYTES, STORED_PAGE_MAX_BYTES, STORED_PAGE_MAX_BYTES);
    int err = ORB_ENOMEM;

    if (p == NULL)
        return err;
    err = buf_append_slice(&p->head, buf_slice(&b->head));
    if (err == 0)
        err = buf_append_slice(&p->wire_body, buf_slice(&b->wire_body));
    if (err == 0)
        err = page_read_head(p);
    if (err != 0) {
        page_unref(&p);
        return err;
    }
    if (b->is_http2) { /* its head was written as one of HTTP/1.1; there are no chunks */
        p->http_version = 20;
        p->is_chunked = false;
    }
    p->outcome = OUTCOME_OK;
    page_seal(p, STORED_PAGE_MAX_BYTES);
    *out = p;
    return 0;
}
