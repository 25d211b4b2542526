/* mem_count.h - inside pool/: the slots of the threads, and what each of them counts for each domain
 *
 * A slot belongs to one thread at a time: it alone writes the slot's counters and carves the slot's slabs; what it leaves at its
 * end the next thread finds. Counters are cumulative: a block that another thread frees leaves this slot's balance high and the
 * other's low, and the sum over all slots right.
 *
 * slots[0] is for threads that find no other free: its counters are added to atomically, its slabs carved under a lock.
 * A thread that has not asked yet, or found none, stands at `slot_unborn`, where every fast path fails.
 */
#ifndef ORB_POOL_MEM_COUNT_H
#define ORB_POOL_MEM_COUNT_H

#include "pool/slab_table.h"

/* AddressSanitizer is to see every block: then there are no slabs, and all blocks come from malloc. */
#if defined(__SANITIZE_ADDRESS__)
#define MEM_IS_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_IS_PLAIN 1
#endif
#endif
#ifndef MEM_IS_PLAIN
#define MEM_IS_PLAIN 0
#endif

#define N_SLOTS 64
#define SLOT_SHARED 0
#define SLOT_UNBORN (UINT8_MAX - 1) /* owner of no slab */
#define N_CLASSES 32
#define SMALL_MAX_BYTES 1024u

struct count {
    _Alignas(64) _Atomic size_t alloc_bytes;
    _Atomic size_t free_bytes;
    _Atomic uint64_t n_allocs, n_frees;
    _Atomic int64_t peak_beyond;  /* while this slot's balance stays under it, the domain's peak stands */
    _Atomic size_t sample_beyond; /* alloc_bytes above it: mem_sample()'s turn; SIZE_MAX: never */
    _Atomic size_t large_alloc_bytes, large_free_bytes;
};

struct slot {
    struct count counts[MEM_N_DOMAINS];
    struct slab *current[MEM_N_DOMAINS][N_CLASSES]; /* never NULL: slab_none has no room */
    struct slab *roomy[MEM_N_DOMAINS][N_CLASSES];   /* others with room, through ->next */
    unsigned tcaches[MEM_N_DOMAINS], n_large[MEM_N_DOMAINS]; /* mem_large.c */
    _Atomic(struct slab *) called;                  /* slabs that others freed blocks of */
    _Atomic bool wants_trim;                        /* mem_purge() of another thread asks this one */
    _Atomic bool is_taken;
    uint8_t number;
};

extern struct slot slots[N_SLOTS], slot_unborn;
extern struct slab slab_none;
extern _Thread_local struct slot *slot_mine;
extern _Atomic uint32_t mem_watched; /* bit per domain: a hard limit or a test's failure may refuse an allocation */

struct slot *slot_take(void);             /* of this thread; slots[0] when all are taken */
struct slot *slot_try(unsigned i);        /* a slot that no thread has, for a moment; NULL */
void slot_leave(struct slot *s);
unsigned slot_n_used(void);               /* slots [0, n) have been in use */

bool mem_has_room(enum mem_domain d, size_t n_bytes);   /* under its hard limit? */
bool mem_may_not(enum mem_domain d, size_t more_bytes); /* of a watched domain; counts the refusal */
void *mem_refuse(enum mem_domain d);                    /* counts it; NULL */
size_t mem_domain_live(enum mem_domain d);
void mem_raise_peak(enum mem_domain d, struct count *c, size_t balance);
void mem_count_shared(enum mem_domain d, size_t n_bytes, bool is_alloc);
void mem_sample(struct count *c, enum mem_domain d, void *p, size_t n_bytes); /* mem_sample.c */

static inline bool
mem_is_watched(enum mem_domain d)
{
    return __builtin_expect((atomic_load_explicit(&mem_watched, memory_order_relaxed) >> d & 1) != 0, 0);
}

static inline struct slot *
slot_of_thread(void)
{
    struct slot *s = slot_mine;

    return __builtin_expect(s != &slot_unborn, 1) ? s : slot_take();
}

#define COUNT_GET(counter) atomic_load_explicit((counter), memory_order_relaxed)
#define COUNT_ADD(counter, n) atomic_store_explicit((counter), COUNT_GET(counter) + (n), memory_order_relaxed)

/* s is this thread's own, not the shared one. */
static inline void
mem_count_alloc(struct slot *s, enum mem_domain d, void *p, size_t n_bytes)
{
    struct count *c = &s->counts[d];
    size_t sum = COUNT_GET(&c->alloc_bytes) + n_bytes, balance = sum - COUNT_GET(&c->free_bytes);

    atomic_store_explicit(&c->alloc_bytes, sum, memory_order_relaxed);
    COUNT_ADD(&c->n_allocs, 1);
    if (__builtin_expect((int64_t)balance > COUNT_GET(&c->peak_beyond), 0))
        mem_raise_peak(d, c, balance);
    if (__builtin_expect(sum > COUNT_GET(&c->sample_beyond), 0))
        mem_sample(c, d, p, n_bytes);
}

static inline void
mem_count_free(struct slot *s, enum mem_domain d, size_t n_bytes)
{
    struct count *c = &s->counts[d];

    COUNT_ADD(&c->free_bytes, n_bytes);
    COUNT_ADD(&c->n_frees, 1);
}

#endif
