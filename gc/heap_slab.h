/* heap_slab.h - inside gc/: a slab's side table, and the way from an object to it
 *
 * The slots fill a 64 KiB block from its first byte to its last; what is known of them lies in a table of its own. At the front
 * of the blocks all tables would start at the same cache set (a stride of 64 KiB) and the collector, which looks at them for
 * each reference, would miss for each; side by side those of a million objects fit the second-level cache.
 */
#ifndef ORB_GC_HEAP_SLAB_H
#define ORB_GC_HEAP_SLAB_H

#include "gc/heap.h"
#include "pool/list.h"
#include "pool/slab_table.h"

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HEAP_POISONS 1
#define HEAP_POISON(p, n) __asan_poison_memory_region((p), (n))
#define HEAP_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define HEAP_IS_POISONED(p) __asan_address_is_poisoned((p))
#else
#define HEAP_POISONS 0
#define HEAP_POISON(p, n) ((void)0)
#define HEAP_UNPOISON(p, n) ((void)0)
#define HEAP_IS_POISONED(p) false
#endif

#define HEAP_MAX_TYPES 512
#define HEAP_MIN_SLOT_BYTES 32u
#define HEAP_SLAB_SLOTS (HEAP_SLAB_BYTES / HEAP_MIN_SLOT_BYTES) /* at most */
#define HEAP_SLAB_WORDS (HEAP_SLAB_SLOTS / 64)
#define HEAP_INDEX_BITS 11
#define HEAP_MAX_SLABS (1u << 20)                               /* 64 GiB, as much as pool/ reserves */
_Static_assert(HEAP_SLAB_SLOTS == 1u << HEAP_INDEX_BITS, "an index fits its bits");

enum { HEAP_YOUNG = 1, HEAP_MIDDLE = 2, HEAP_OLD = 3 }; /* flags & OBJECT_GENERATION */

struct heap_type {
    struct object_type *type;
    struct list rooms;          /* slabs with a free slot */
    uint32_t slot_bytes, inverse;
    uint32_t used_bytes;        /* of a slot: the object and its weak index */
    uint32_t weak_offset;       /* where the number of its weak cell stands */
    uint16_t n_slots, n_words;
    unsigned n_empty;           /* slabs of `rooms` with no object at all; one is kept */
    uint64_t n_made, n_live, n_collected;
};

struct heap_slab {
    char *slots;
    struct heap_type *of;
    uint32_t slot_bytes;
    uint32_t inverse;           /* index = (offset * inverse) >> 32: exact, since offset < 2^16 and slot_bytes < 2^14 */
    uint32_t number;            /* of the block in pool's range */
    uint16_t n_slots, n_words, n_live;
    uint16_t free_word;         /* all before it are full */
    uint16_t next_slot;         /* under ASan only: where the search goes on */
    struct heap_slab *next_in_set; /* inside a collection */
    size_t base_index;          /* heap_index() of its first slot, while the numbering holds */
    struct list slabs;          /* in heap.slabs */
    struct list rooms;          /* in its type's rooms while it has one */
    struct list recent[2];      /* in heap.recent[] while it has (had) young, middle objects */
    /* One bit per slot. suspect and roots are all zero between collections. */
    uint64_t live[HEAP_SLAB_WORDS], young[HEAP_SLAB_WORDS], middle[HEAP_SLAB_WORDS];
    uint64_t frozen[HEAP_SLAB_WORDS];  /* also the pinned */
    uint64_t suspect[HEAP_SLAB_WORDS]; /* in the set that is collected, and not yet known to be reached */
    uint64_t roots[HEAP_SLAB_WORDS];   /* held from outside the set */
};

struct heap {
    struct list slabs;          /* all */
    struct list recent[2];
    size_t n_slabs;
    uint64_t n_live, live_bytes; /* bytes of slots */
    uint64_t n_in[4];           /* objects by generation; [0] acyclic, frozen and pinned */
    bool is_numbered;           /* base_index holds */
    bool is_collecting;         /* no slab goes back meanwhile */
};

extern struct heap heap;
extern struct heap_type heap_types[HEAP_MAX_TYPES];
extern unsigned heap_n_types; /* ids are 1 .. heap_n_types - 1 */
extern struct heap_slab *heap_slabs[HEAP_MAX_SLABS]; /* by block number; NULL: not the heap's */

static inline struct heap_slab *
heap_slab_of(const struct object *o)
{
    return heap_slabs[((uintptr_t)o - (uintptr_t)slab_base) >> SLAB_SHIFT];
}

static inline uint32_t
heap_slot_of(const struct heap_slab *s, const struct object *o)
{
    return (uint32_t)(((uint64_t)((uintptr_t)o & (HEAP_SLAB_BYTES - 1)) * s->inverse) >> 32);
}

static inline struct object *
heap_at(const struct heap_slab *s, uint32_t slot)
{
    return (struct object *)(void *)(s->slots + (size_t)slot * s->slot_bytes);
}

/* A link of 32 bits; 0 is none. */
static inline uint32_t
heap_handle(const struct object *o)
{
    const struct heap_slab *s = heap_slab_of(o);

    return (s->number << HEAP_INDEX_BITS | heap_slot_of(s, o)) + 1;
}

static inline struct object *
heap_by_handle(uint32_t handle)
{
    return heap_at(heap_slabs[(handle - 1) >> HEAP_INDEX_BITS], (handle - 1) & (HEAP_SLAB_SLOTS - 1));
}

static inline bool
heap_is_suspect(const struct object *o)
{
    const struct heap_slab *s = heap_slab_of(o);
    uint32_t i = heap_slot_of(s, o);

    return s->suspect[i / 64] >> i % 64 & 1;
}

static inline uint64_t
heap_old_word(const struct heap_slab *s, unsigned w)
{
    return s->of->type->flags & OBJECT_ACYCLIC ? 0 : s->live[w] & ~s->young[w] & ~s->middle[w] & ~s->frozen[w];
}

static inline uint32_t *
heap_weak_index(const struct heap_type *t, const struct object *o)
{
    return (uint32_t *)(void *)((char *)(uintptr_t)o + t->weak_offset);
}

static inline struct object **
heap_pointer(const struct object_type *t, const struct object *o, unsigned i)
{
    return (struct object **)(void *)((char *)(uintptr_t)o + t->pointer_offsets[i]);
}

#define HEAP_EACH_SLAB(s)                                                                                              \
    for (struct heap_slab *s = LIST_ELEMENT(heap.slabs.next, struct heap_slab, slabs); &s->slabs != &heap.slabs;       \
         s = LIST_ELEMENT(s->slabs.next, struct heap_slab, slabs))
/* The lowest bit's number, taken out of `word`. */
#define HEAP_TAKE_BIT(word) ({ unsigned bit_ = (unsigned)__builtin_ctzll(word); (word) &= (word) - 1; bit_; })

void heap_register(struct object_type *t);
struct object *heap_slot_get(struct heap_type *t) ORB_MUST_USE; /* NEW: zeroed, live, young unless acyclic; NULL: no memory */
void heap_slot_put(struct object *o);      /* its header is wiped, its slab may go back */
/* n of an acyclic type, all or none. */
bool heap_slots_get(struct heap_type *t, struct object **out, size_t n) ORB_MUST_USE;
void heap_slots_put(struct object **objects, size_t n); /* the same for n acyclic ones */
/* The same for n objects of s whose bits are zero and whose headers are wiped already. */
void heap_count_freed(struct heap_slab *s, unsigned n, unsigned n_young, unsigned n_middle);
void heap_set_generation(struct object *o, unsigned generation); /* 0: out of the collector's sight; acyclic ones stay there */
void heap_list_recent(struct heap_slab *s, unsigned generation);
void heap_give_surplus(unsigned n_kept);   /* empty slabs go back; of each type at most n_kept stay */

#endif
