/* frontier_heap.h - units by due time; a unit knows its place, so that it can leave (private to frontier.c) */
#ifndef ORB_CRAWLER_FRONTIER_HEAP_H
#define ORB_CRAWLER_FRONTIER_HEAP_H

#include "pool/mem.h"

struct due {
    uint64_t due_ms;
    uint32_t unit;
};

struct due_heap { /* four children a node: half the cache misses of a binary heap */
    struct due *entries;
    uint32_t n, cap;
};

typedef uint32_t *due_pos_fn(void *arg, uint32_t unit); /* where the unit keeps its place */

void due_heap_fini(struct due_heap *h);
bool due_heap_push(struct due_heap *h, uint32_t unit, uint64_t due_ms, due_pos_fn *pos, void *arg); /* false: no memory */
void due_heap_remove(struct due_heap *h, uint32_t unit, due_pos_fn *pos, void *arg);
uint64_t due_heap_peek(const struct due_heap *h, uint32_t *unit); /* UINT64_MAX = empty */
size_t due_heap_bytes(const struct due_heap *h);

#endif
