/* mem_small.c - the life of a slab, from the first block carved to the last one freed
 *
 *                          no room is left               a block is freed
 *   slab_get --> CURRENT ------------------> FULL ---------------------------> ROOMY ----> slab_put
 *      (one per slot,  ^   (in no list)         by the owner: small_wake         |    the last block is freed,
 *       domain, class) |                        by others: small_come_home       |    and nobody calls
 *                      +---------------------------------------------------------+
 *                            small_alloc_slowly: CURRENT has no room
 *
 * A slab has an owner: a slot, for as long as it holds a block. The owner's thread pops and pushes `free` with no atomics. Other
 * threads push on `foreign`, and the one that finds the CALLED bit clear sets it and hangs the slab on its owner's `called` list:
 *
 *   foreign: 0 --push--> block|CALLED --push--> ... --small_come_home: all of it--> 0
 *                                             --CURRENT has no room: blocks only--> 0|CALLED  (still on `called`)
 *
 * Invariant  a slab whose CALLED bit is set stays with its owner, even with no block out: whoever set the bit may still be about
 *            to hang it on the list. With the bit clear and no block out, no other thread has business with it.
 * Pages      mem_purge() gives pages with no live block in them to the kernel (given_pages); their blocks are in no list until
 *            small_refill() takes the page back.
 */
#include "pool/mem_small.h"

#define WAKE_NEVER UINT16_MAX

/* 16-byte steps up to 256, 32 up to 512, 64 up to 1024: at most an eighth is lost above 128 bytes. */
#define FOUR(a, b, c, d) a, b, c, d
const uint8_t small_class[SMALL_MAX_BYTES / 16 + 1] = {
    0, FOUR(0, 1, 2, 3), FOUR(4, 5, 6, 7), FOUR(8, 9, 10, 11), FOUR(12, 13, 14, 15),
    FOUR(16, 16, 17, 17), FOUR(18, 18, 19, 19), FOUR(20, 20, 21, 21), FOUR(22, 22, 23, 23),
    FOUR(24, 24, 24, 24), FOUR(25, 25, 25, 25), FOUR(26, 26, 26, 26), FOUR(27, 27, 27, 27),
    FOUR(28, 28, 28, 28), FOUR(29, 29, 29, 29), FOUR(30, 30, 30, 30), FOUR(31, 31, 31, 31),
};
static const uint16_t class_bytes[N_CLASSES] = {
    16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256,
    288, 320, 352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 832, 896, 960, 1024,
};

struct slab slab_none; /* every slot's current slab at first: no room, no owner */
pthread_mutex_t small_shared_lock = PTHREAD_MUTEX_INITIALIZER;

size_t
small_class_bytes(size_t n_bytes)
{
    return class_bytes[small_class[(n_bytes + 15) / 16]];
}

/* ---- room ---------------------------------------------------------------------------------------------------------- */

/* Pushes the blocks [from, to) that lie in no given page, so that they are popped in order of address. */
static void
push_blocks(struct slab *slab, unsigned from, unsigned to)
{
    while (to-- > from)
        if ((small_pages(slab, to) & slab->given_pages) == 0) {
            void *p = small_block(slab, to);
            *(void **)p = slab->free;
            slab->free = p;
        }
}

/* More free blocks of a slab whose list is empty: what others freed, a page that was given away, a page never carved. */
static bool
small_refill(struct slab *slab)
{
    void *foreign = (void *)(atomic_fetch_and_explicit(&slab->foreign, SLAB_CALLED, memory_order_acquire) & ~SLAB_CALLED);
    unsigned page, end;

    if (foreign != NULL) {
        slab->free = foreign;
        for (void *p = foreign; p != NULL; p = *(void **)p)
            slab->n_live--;
        return true;
    }
    if (slab->given_pages != 0) {
        page = (unsigned)__builtin_ctz(slab->given_pages);
        slab_retake(slab, page);
        push_blocks(slab, small_first_in(slab, page), small_last_in(slab, page) + 1);
        return true;
    }
    if (slab->n_carved == slab->n_blocks)
        return false;
    page = slab->n_carved * slab->block_bytes >> PAGE_SHIFT;
    end = ORB_MIN(((page + 1) * PAGE_BYTES + slab->block_bytes - 1u) / slab->block_bytes, slab->n_blocks);
    slab_touch(slab, (end * slab->block_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT);
    push_blocks(slab, slab->n_carved, end);
    slab->n_carved = (uint16_t)end;
    return true;
}

/* ---- lists --------------------------------------------------------------------------------------------------------- */

static void
list_roomy(struct slot *s, struct slab *slab)
{
    struct slab **head = &s->roomy[slab->domain][slab->class];

    slab->is_listed = true;
    slab->wake_at = 0;
    slab->prev = NULL;
    slab->next = *head;
    if (*head != NULL)
        (*head)->prev = slab;
    *head = slab;
}

static void
unlist_roomy(struct slot *s, struct slab *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        s->roomy[slab->domain][slab->class] = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
    slab->is_listed = false;
}

/* The first block of a full slab, or the last one of any but the current, has come back. */
void
small_wake(struct slot *s, struct slab *slab)
{
    if (!slab->is_listed)
        list_roomy(s, slab);
    else if (small_is_empty(slab)) {
        unlist_roomy(s, slab);
        slab_put(slab);
    }
}

void
small_come_home(struct slot *s)
{
    struct slab *slab = atomic_exchange_explicit(&s->called, NULL, memory_order_acquire), *next;

    for (; slab != NULL; slab = next) {
        void *p, *after;

        next = slab->next_called; /* now: with the bit clear, somebody may hang it up again */
        p = (void *)(atomic_exchange_explicit(&slab->foreign, 0, memory_order_acq_rel) & ~SLAB_CALLED);
        for (; p != NULL; p = after) {
            after = *(void **)p;
            *(void **)p = slab->free;
            slab->free = p;
            slab->n_live--;
        }
        if (slab == s->current[slab->domain][slab->class])
            continue;
        if (!slab->is_listed && slab->n_live < slab->n_blocks)
            list_roomy(s, slab);
        if (small_is_empty(slab))
            small_wake(s, slab);
    }
}

void
small_free_foreign(struct slab *slab, void *p)
{
    _Atomic(struct slab *) *called = &slots[COUNT_GET(&slab->owner)].called;
    uintptr_t old = atomic_load_explicit(&slab->foreign, memory_order_relaxed);
    struct slab *head;

    do
        *(void **)p = (void *)(old & ~SLAB_CALLED);
    while (!atomic_compare_exchange_weak_explicit(&slab->foreign, &old, (uintptr_t)p | SLAB_CALLED, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if ((old & SLAB_CALLED) != 0)
        return;
    head = atomic_load_explicit(called, memory_order_relaxed);
    do
        slab->next_called = head;
    while (!atomic_compare_exchange_weak_explicit(called, &head, slab, memory_order_release, memory_order_relaxed));
}

/* ---- allocating ---------------------------------------------------------------------------------------------------- */

static struct slab *
new_slab(struct slot *s, enum mem_domain d, unsigned class)
{
    struct slab *slab = slab_get(d);

    if (slab == NULL)
        return NULL;
    slab->free = NULL;
    atomic_store_explicit(&slab->foreign, 0, memory_order_relaxed);
    slab->n_live = slab->n_carved = 0;
    slab->class = (uint8_t)class;
    slab->block_bytes = class_bytes[class];
    slab->n_blocks = (uint16_t)(SLAB_BYTES / class_bytes[class]);
    slab->is_listed = false;
    atomic_store_explicit(&slab->owner, s->number, memory_order_relaxed);
    return slab;
}

/* The next current slab, with room; NULL: none to be had. */
static struct slab *
turn_over(struct slot *s, enum mem_domain d, unsigned class)
{
    struct slab **current = &s->current[d][class], *slab = *current;

    if (slab != &slab_none) {
        if (slab->free != NULL || small_refill(slab))
            return slab;
        slab->wake_at = (uint16_t)(slab->n_live - 1); /* FULL */
    }
    *current = &slab_none;
    slab = s->roomy[d][class];
    if (slab != NULL)
        unlist_roomy(s, slab);
    else if ((slab = new_slab(s, d, class)) == NULL)
        return NULL;
    slab->wake_at = WAKE_NEVER;
    *current = slab;
    return slab->free != NULL || small_refill(slab) ? slab : NULL;
}

static void *
pop(struct slot *s, enum mem_domain d, size_t n_bytes)
{
    struct slab *slab;
    void *p;

    if (COUNT_GET(&s->called) != NULL)
        small_come_home(s);
    if (__builtin_expect(COUNT_GET(&s->wants_trim), 0))
        small_trim_own(s);
    slab = turn_over(s, d, small_class[(n_bytes + 15) / 16]);
    if (slab == NULL)
        return NULL;
    p = slab->free;
    slab->free = *(void **)p;
    slab->n_live++;
    return p;
}

void *
small_alloc_slowly(struct slot *s, enum mem_domain d, size_t n_bytes)
{
    void *p;

    if (s == &slots[SLOT_SHARED]) {
        pthread_mutex_lock(&small_shared_lock);
        p = pop(s, d, n_bytes);
        pthread_mutex_unlock(&small_shared_lock);
        if (p != NULL)
            mem_count_shared(d, small_class_bytes(n_bytes), true);
        return p;
    }
    p = pop(s, d, n_bytes);
    if (p != NULL)
        mem_count_alloc(s, d, p, small_class_bytes(n_bytes));
    return p;
}
