#include "crawler/frontier_heap.h"

void
due_heap_fini(struct due_heap *h)
{
    MEM_FREE(MEM_HOST, &h->entries);
    h->n = h->cap = 0;
}

static void
place(struct due_heap *h, uint32_t i, struct due d, due_pos_fn *pos, void *arg)
{
    h->entries[i] = d;
    *pos(arg, d.unit) = i;
}

static void
sift_up(struct due_heap *h, uint32_t i, struct due d, due_pos_fn *pos, void *arg)
{
    for (; i > 0 && h->entries[(i - 1) / 4].due_ms > d.due_ms; i = (i - 1) / 4)
        place(h, i, h->entries[(i - 1) / 4], pos, arg);
    place(h, i, d, pos, arg);
}

static void
sift_down(struct due_heap *h, uint32_t i, struct due d, due_pos_fn *pos, void *arg)
{
    for (;;) {
        uint32_t first = 4 * i + 1, least = first;

        if (first >= h->n)
            break;
        for (uint32_t c = first + 1; c < first + 4 && c < h->n; c++)
            if (h->entries[c].due_ms < h->entries[least].due_ms)
                least = c;
        if (d.due_ms <= h->entries[least].due_ms)
            break;
        place(h, i, h->entries[least], pos, arg);
        i = least;
    }
    place(h, i, d, pos, arg);
}

bool
due_heap_push(struct due_heap *h, uint32_t unit, uint64_t due_ms, due_pos_fn *pos, void *arg)
{
    if (h->n == h->cap) {
        uint32_t cap = h->cap == 0 ? 64 : h->cap * 2;
        struct due *bigger = mem_realloc(MEM_HOST, h->entries, cap * sizeof *bigger);

        if (bigger == NULL)
            return false;
        h->entries = bigger;
        h->cap = cap;
    }
    sift_up(h, h->n++, (struct due){ due_ms, unit }, pos, arg);
    return true;
}

void
due_heap_remove(struct due_heap *h, uint32_t unit, due_pos_fn *pos, void *arg)
{
    uint32_t i = *pos(arg, unit);
    struct due last;

    CHECK(i < h->n && h->entries[i].unit == unit);
    last = h->entries[--h->n];
    if (i == h->n)
        return;
    if (i > 0 && h->entries[(i - 1) / 4].due_ms > last.due_ms)
        sift_up(h, i, last, pos, arg);
    else
        sift_down(h, i, last, pos, arg);
}

uint64_t
due_heap_peek(const struct due_heap *h, uint32_t *unit)
{
    if (h->n == 0)
        return UINT64_MAX;
    *unit = h->entries[0].unit;
    return h->entries[0].due_ms;
}

size_t
due_heap_bytes(const struct due_heap *h)
{
    return h->cap * sizeof *h->entries;
}
