/* mem_sample.h - inside pool/: what a free costs while library blocks are sampled (mem.h)
 *
 * One look at one byte of a 64 KiB filter that counts the sampled blocks alive at addresses like this one, whether sampling is on
 * or not. Neighbours in memory have neighbouring counters: freeing a document walks the filter as it walks the heap.
 */
#ifndef ORB_POOL_MEM_SAMPLE_H
#define ORB_POOL_MEM_SAMPLE_H

#include "pool/mem_count.h"

#define MEM_SAMPLE_FILTER_SLOTS 65536u

extern _Atomic uint8_t mem_sample_filter[MEM_SAMPLE_FILTER_SLOTS];

void mem_sample_freed(void *p);

static inline bool
mem_sample_is_library(enum mem_domain d)
{
    return (unsigned)d - MEM_XML <= MEM_JSON - MEM_XML;
}

static inline unsigned
mem_sample_slot(const void *p)
{
    uintptr_t a = (uintptr_t)p;

    return (unsigned)(a >> 4 ^ a >> 20) & (MEM_SAMPLE_FILTER_SLOTS - 1);
}

/* A block that is about to be freed. */
static inline void
mem_sample_free(enum mem_domain d, void *p)
{
    if (mem_sample_is_library(d)
        && __builtin_expect(atomic_load_explicit(&mem_sample_filter[mem_sample_slot(p)], memory_order_relaxed) != 0, 0))
        mem_sample_freed(p);
}

#endif
