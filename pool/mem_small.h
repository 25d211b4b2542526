/* mem_small.h - inside pool/: blocks of up to 1 KiB, from the slabs of the thread's slot
 *
 * The inline halves are the fast paths: one list pop, one list push. mem_small.c has the rest and the drawing.
 */
#ifndef ORB_POOL_MEM_SMALL_H
#define ORB_POOL_MEM_SMALL_H

#include <pthread.h>

#include "pool/mem_count.h"

#define SLAB_CALLED ((uintptr_t)1) /* in slab->foreign */

extern pthread_mutex_t small_shared_lock; /* of slots[SLOT_SHARED]'s slabs */
extern const uint8_t small_class[SMALL_MAX_BYTES / 16 + 1]; /* by sixteenths of the size */

void *small_alloc_slowly(struct slot *s, enum mem_domain d, size_t n_bytes); /* NULL: the range is used up */
void small_free_foreign(struct slab *slab, void *p);
void small_wake(struct slot *s, struct slab *slab);
/* s is the caller's, or nobody's and taken for the moment, or the shared one and the lock is held. */
void small_come_home(struct slot *s); /* takes back what others freed of s's slabs */
void small_trim_own(struct slot *s);  /* ... and gives back slabs and pages that hold no live block */
size_t small_class_bytes(size_t n_bytes);
void small_tick(void);                /* of all slots that are not at work: small_come_home() */
void small_trim(void);                /* of all slots: small_trim_own(), now or when their thread comes by */
void small_retire(struct slot *s);    /* its thread ends: small_come_home(), and no empty slab stays */

static inline void *
small_alloc(struct slot *s, enum mem_domain d, size_t n_bytes)
{
    struct slab *slab = s->current[d][small_class[(n_bytes + 15) / 16]];
    void *p = slab->free;

    if (__builtin_expect(p == NULL, 0))
        return NULL;
    slab->free = *(void **)p;
    slab->n_live++;
    mem_count_alloc(s, d, p, slab->block_bytes);
    return p;
}

static inline bool
small_is_empty(struct slab *slab)
{
    return slab->n_live == 0 && (atomic_load_explicit(&slab->foreign, memory_order_acquire) & SLAB_CALLED) == 0;
}

/* slab is the slot's own. */
static inline void
small_free(struct slot *s, struct slab *slab, void *p)
{
    *(void **)p = slab->free;
    slab->free = p;
    if (__builtin_expect(--slab->n_live == slab->wake_at, 0))
        small_wake(s, slab);
}

static inline char *
small_block(const struct slab *slab, unsigned i)
{
    return slab_memory(slab) + (size_t)i * slab->block_bytes;
}

static inline unsigned
small_first_in(const struct slab *slab, unsigned page)
{
    return page * PAGE_BYTES / slab->block_bytes;
}

static inline unsigned
small_last_in(const struct slab *slab, unsigned page)
{
    unsigned last = (page * PAGE_BYTES + PAGE_BYTES - 1) / slab->block_bytes;

    return ORB_MIN(last, slab->n_blocks - 1u);
}

/* The pages that block i lies in: one, or two neighbours. */
static inline unsigned
small_pages(const struct slab *slab, unsigned i)
{
    unsigned first = i * slab->block_bytes >> PAGE_SHIFT, last = ((i + 1) * slab->block_bytes - 1) >> PAGE_SHIFT;

    return ORB_BIT(first) | ORB_BIT(last);
}

#endif
