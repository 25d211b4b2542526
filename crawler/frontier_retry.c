#include "crawler/frontier_retry.h"

void
retry_heap_fini(struct retry_heap *h)
{
    MEM_FREE(MEM_HOST, &h->entries);
    h->n = h->cap = 0;
}

int
retry_heap_reserve(struct retry_heap *h)
{
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? 64 : h->cap * 2;
        struct frontier_retry *bigger = mem_realloc(MEM_HOST, h->entries, cap * sizeof *bigger);

        if (bigger == NULL)
            return ORB_ENOMEM;
        h->entries = bigger;
        h->cap = cap;
    }
    return 0;
}

int
retry_heap_push(struct retry_heap *h, struct frontier_retry r)
{
    size_t i;
    int err = retry_heap_reserve(h);

    if (err != 0)
        return err;
    for (i = h->n++; i > 0 && h->entries[(i - 1) / 2].due_ms > r.due_ms; i = (i - 1) / 2)
        h->entries[i] = h->entries[(i - 1) / 2];
    h->entries[i] = r;
    return 0;
}

uint64_t
retry_heap_peek(const struct retry_heap *h)
{
    return h->n == 0 ? UINT64_MAX : h->entries[0].due_ms;
}

void
retry_heap_pop(struct retry_heap *h, struct frontier_retry *out)
{
    struct frontier_retry last;
    size_t i = 0, child;

    CHECK(h->n > 0);
    *out = h->entries[0];
    last = h->entries[--h->n];
    while ((child = 2 * i + 1) < h->n) {
        if (child + 1 < h->n && h->entries[child + 1].due_ms < h->entries[child].due_ms)
            child++;
        if (last.due_ms <= h->entries[child].due_ms)
            break;
        h->entries[i] = h->entries[child];
        i = child;
    }
    if (h->n > 0)
        h->entries[i] = last;
}

size_t
retry_heap_bytes(const struct retry_heap *h)
{
    return h->cap * sizeof *h->entries;
}
