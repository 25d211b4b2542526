/* frontier_retry.h - URLs that wait for their retry, by due time (private to frontier.c) */
#ifndef ORB_CRAWLER_FRONTIER_RETRY_H
#define ORB_CRAWLER_FRONTIER_RETRY_H

#include "crawler/frontier.h"

struct retry_heap { /* two children a node */
    struct frontier_retry *entries;
    size_t n, cap;
};

void retry_heap_fini(struct retry_heap *h);
int retry_heap_reserve(struct retry_heap *h) ORB_MUST_USE; /* one push cannot fail then */
int retry_heap_push(struct retry_heap *h, struct frontier_retry r) ORB_MUST_USE;
uint64_t retry_heap_peek(const struct retry_heap *h); /* due time of the first; UINT64_MAX = empty */
void retry_heap_pop(struct retry_heap *h, struct frontier_retry *out); /* the first; h is not empty */
size_t retry_heap_bytes(const struct retry_heap *h);

#endif
