/* stored_page.h - a page out of its WARC record, decoded as it was when it came in */
#ifndef ORB_CLUSTER_STORED_PAGE_H
#define ORB_CLUSTER_STORED_PAGE_H

#include "crawler/page.h"
#include "storage/page_get.h"

#define STORED_PAGE_MAX_BYTES ((size_t)1 << 30)

void page_bytes_init(struct page_bytes *b);
void page_bytes_fini(struct page_bytes *b);
/* A sealed page of the answer in b, NEW; its outcome is OK or says why the body could not be decoded. ORB_ENOMEM, ORB_EINVAL. */
int stored_page_make(struct page **out, const struct page_bytes *b) ORB_MUST_USE;

#endif
