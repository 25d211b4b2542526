#include <stdio.h>

#include "gc/object_internal.h"

/* Slots are found by the live bitmap, lowest address first: what is made together lies together, also in a slab that many
 * have died in, and a dead object's slot is not touched until it is needed again.
 *
 *   (pool's block) --slab_make--> HAS ROOM  <--------------->  FULL
 *        ^                         | in its type's rooms        in no list but heap.slabs
 *        |                         v  last object dies
 *        +--slab_give_back------ EMPTY (one a type is kept until heap_give_surplus(0))
 *
 * Under ASan a free slot is poisoned, and is not used again before the search has gone once through its slab. */

#define TABLES_PER_BLOCK (HEAP_SLAB_BYTES / sizeof(struct heap_slab))

struct heap heap = { .slabs = { &heap.slabs, &heap.slabs },
                     .recent = { { &heap.recent[0], &heap.recent[0] }, { &heap.recent[1], &heap.recent[1] } } };
struct heap_type heap_types[HEAP_MAX_TYPES];
unsigned heap_n_types = 1;
struct heap_slab *heap_slabs[HEAP_MAX_SLABS];

static struct heap_slab *free_tables; /* through next_in_set */

/* ---- side tables -------------------------------------------------------------------------------------------------- */

/* A block of tables begins with the count of those in use, in the place of the table that would not fit whole. */
static uint32_t *
tables_in_use(struct heap_slab *s)
{
    return (uint32_t *)(void *)(((uintptr_t)s & ~(uintptr_t)(HEAP_SLAB_BYTES - 1)) + TABLES_PER_BLOCK * sizeof *s);
}
_Static_assert(HEAP_SLAB_BYTES % sizeof(struct heap_slab) >= sizeof(uint32_t), "the count has its place");

static struct heap_slab *
table_get(void)
{
    struct heap_slab *s = free_tables;

    if (s == NULL) {
        s = slab_block_get(MEM_OBJ);
        if (s == NULL)
            return NULL;
        *tables_in_use(s) = 0;
        for (size_t i = TABLES_PER_BLOCK; i-- > 0;) {
            s[i].next_in_set = free_tables;
            free_tables = &s[i];
        }
    }
    free_tables = s->next_in_set;
    ++*tables_in_use(s);
    memset(s, 0, sizeof *s);
    return s;
}

static void
table_put(struct heap_slab *s)
{
    s->next_in_set = free_tables;
    free_tables = s;
    --*tables_in_use(s);
}

/* Blocks of tables that nobody uses go back. */
static void
tables_trim(void)
{
    struct heap_slab **link = &free_tables, *done = NULL;

    while (*link != NULL) {
        struct heap_slab *s = *link;

        if (*tables_in_use(s) > 0) {
            link = &s->next_in_set;
            continue;
        }
        *link = s->next_in_set;
        if (((uintptr_t)s & (HEAP_SLAB_BYTES - 1)) == 0) { /* each block once, after the walk */
            s->next_in_set = done;
            done = s;
        }
    }
    while (done != NULL) {
        struct heap_slab *s = done;

        done = s->next_in_set;
        slab_block_put(MEM_OBJ, s);
    }
}

/* ---- slabs -------------------------------------------------------------------------------------------------------- */

static struct heap_slab *
slab_make(struct heap_type *t)
{
    struct heap_slab *s = table_get();
    char *block = s == NULL ? NULL : slab_block_get(MEM_OBJ);

    if (block == NULL) {
        if (s != NULL)
            table_put(s);
        return NULL;
    }
    s->slots = block;
    s->of = t;
    s->slot_bytes = t->slot_bytes;
    s->inverse = t->inverse;
    s->n_slots = t->n_slots;
    s->n_words = t->n_words;
    s->number = (uint32_t)(((uintptr_t)block - (uintptr_t)slab_base) >> SLAB_SHIFT);
    CHECK(s->number < HEAP_MAX_SLABS);
    list_init(&s->recent[0]);
    list_init(&s->recent[1]);
    list_push_back(&heap.slabs, &s->slabs);
    list_push_back(&t->rooms, &s->rooms);
    t->n_empty++;
    heap.n_slabs++;
    heap.is_numbered = false;
    heap_slabs[s->number] = s;
    HEAP_POISON(block, HEAP_SLAB_BYTES);
    return s;
}

static void
slab_give_back(struct heap_slab *s)
{
    list_remove(&s->slabs);
    list_remove(&s->rooms);
    list_remove(&s->recent[0]);
    list_remove(&s->recent[1]);
    s->of->n_empty--;
    heap.n_slabs--;
    heap.is_numbered = false;
    heap_slabs[s->number] = NULL;
    HEAP_UNPOISON(s->slots, HEAP_SLAB_BYTES);
    slab_block_put(MEM_OBJ, s->slots);
    table_put(s);
}

/* n_freed objects of s have gone. */
static void
changed(struct heap_slab *s, unsigned n_freed)
{
    struct heap_type *t = s->of;

    if (s->n_live + n_freed == s->n_slots)
        list_push_back(&t->rooms, &s->rooms);
    if (s->n_live > 0)
        return;
    t->n_empty++;
    if (t->n_empty > 1 && !heap.is_collecting)
        slab_give_back(s);
}

void
heap_give_surplus(unsigned n_kept)
{
    for (unsigned i = 1; i < heap_n_types; i++) {
        struct heap_type *t = &heap_types[i];

        if (t->n_empty <= n_kept)
            continue;
        LIST_EACH_SAFE(node, &t->rooms) {
            struct heap_slab *s = LIST_ELEMENT(node, struct heap_slab, rooms);

            if (s->n_live == 0 && t->n_empty > n_kept)
                slab_give_back(s);
        }
    }
    if (n_kept == 0)
        tables_trim();
}

/* What mem_verify() compares the counters with: what the bitmaps say. */
static size_t
walk_live_bytes(enum mem_domain domain)
{
    size_t sum = domain == MEM_OBJ ? weak_live_bytes() : 0;

    if (domain != MEM_OBJ)
        return 0;
    HEAP_EACH_SLAB(s)
        for (unsigned w = 0; w < s->n_words; w++)
            sum += (size_t)__builtin_popcountll(s->live[w]) * s->slot_bytes;
    return sum;
}

/* ---- slots -------------------------------------------------------------------------------------------------------- */

/* Types are written, not made: whoever writes the first that finds no place raises the limit. */
static noreturn __attribute__((cold)) void
refuse_type(const struct object_type *t)
{
    char what[160];

    snprintf(what, sizeof what, "no place for object type \"%.60s\" beside the %u others: raise HEAP_MAX_TYPES in gc/heap_slab.h", t->name,
             heap_n_types - 1);
    CHECK_NEVER(what);
}

void
heap_register(struct object_type *t)
{
    struct heap_type *h = &heap_types[heap_n_types];
    uint32_t used = t->object_bytes;

    if (heap_n_types == HEAP_MAX_TYPES)
        refuse_type(t);
    slab_set_walk(walk_live_bytes);
    CHECK(used >= sizeof(struct object) && used <= OBJECT_MAX_BYTES);
    for (unsigned i = 0; i < t->n_pointers; i++)
        CHECK(t->pointer_offsets[i] % sizeof(void *) == 0 && t->pointer_offsets[i] + sizeof(void *) <= used);
    CHECK(t->visit == NULL || t->clear != NULL);
    h->weak_offset = (used + 3) & ~3u;
    if (t->flags & OBJECT_WEAKABLE)
        used = h->weak_offset + 4;
    h->type = t;
    h->used_bytes = (used + 7) & ~7u;
    h->slot_bytes = ORB_MAX(h->used_bytes, HEAP_MIN_SLOT_BYTES);
    h->inverse = (uint32_t)(((uint64_t)1 << 32) / h->slot_bytes + (((uint64_t)1 << 32) % h->slot_bytes != 0));
    h->n_slots = (uint16_t)(HEAP_SLAB_BYTES / h->slot_bytes);
    h->n_words = (uint16_t)((h->n_slots + 63) / 64);
    list_init(&h->rooms);
    t->id = (uint16_t)heap_n_types++;
}

void
heap_list_recent(struct heap_slab *s, unsigned generation)
{
    if (list_is_empty(&s->recent[generation - HEAP_YOUNG]))
        list_push_back(&heap.recent[generation - HEAP_YOUNG], &s->recent[generation - HEAP_YOUNG]);
}

/* The first free slot of a slab that has one. */
static uint32_t
first_free(struct heap_slab *s)
{
    unsigned w = s->free_word;
    uint32_t slot;

    if (HEAP_POISONS) { /* round and round */
        for (slot = s->next_slot; slot >= s->n_slots || s->live[slot / 64] >> slot % 64 & 1;)
            slot = slot + 1 < s->n_slots ? slot + 1 : 0;
        s->next_slot = (uint16_t)(slot + 1);
        return slot;
    }
    while (~s->live[w] == 0)
        w++;
    s->free_word = (uint16_t)w;
    return w * 64 + (unsigned)__builtin_ctzll(~s->live[w]);
}

/* Nearly all objects are small: their clearing is two stores, not a call. ASan sees every byte that is written. */
static inline void
zero_slot(struct object *o, size_t used_bytes)
{
    char *p = (char *)o;

    if (HEAP_POISONS) {
        memset(p, 0, used_bytes);
        return;
    }
    memset(p, 0, HEAP_MIN_SLOT_BYTES);
    if (used_bytes > HEAP_MIN_SLOT_BYTES)
        memset(p + HEAP_MIN_SLOT_BYTES, 0, used_bytes - HEAP_MIN_SLOT_BYTES);
}

struct object *
heap_slot_get(struct heap_type *t)
{
    struct heap_slab *s;
    struct object *o;
    uint32_t slot;
    uint64_t bit;

    if (__builtin_expect(list_is_empty(&t->rooms), 0) && slab_make(t) == NULL)
        return NULL;
    s = LIST_ELEMENT(t->rooms.next, struct heap_slab, rooms);
    if (!slab_try_live(MEM_OBJ, t->slot_bytes))
        return NULL;
    slot = first_free(s);
    bit = (uint64_t)1 << slot % 64;
    s->live[slot / 64] |= bit;
    t->n_empty -= s->n_live == 0;
    if (++s->n_live == s->n_slots)
        list_remove(&s->rooms);
    o = heap_at(s, slot);
    HEAP_UNPOISON(o, t->used_bytes);
    zero_slot(o, t->used_bytes);
    t->n_made++;
    t->n_live++;
    heap.n_live++;
    heap.live_bytes += t->slot_bytes;
    if (t->type->flags & OBJECT_ACYCLIC) {
        heap.n_in[0]++;
        return o;
    }
    s->young[slot / 64] |= bit;
    heap.n_in[HEAP_YOUNG]++;
    o->flags = HEAP_YOUNG;
    heap_list_recent(s, HEAP_YOUNG);
    return o;
}

void
heap_slot_put(struct object *o)
{
    struct heap_slab *s = heap_slab_of(o);
    uint32_t slot = heap_slot_of(s, o);
    uint64_t bit = (uint64_t)1 << slot % 64;
    unsigned generation = o->flags & OBJECT_GENERATION;

    s->live[slot / 64] &= ~bit;
    if (generation == HEAP_YOUNG)
        s->young[slot / 64] &= ~bit;
    else if (generation == HEAP_MIDDLE)
        s->middle[slot / 64] &= ~bit;
    else if (generation == 0)
        s->frozen[slot / 64] &= ~bit;
    heap.n_in[generation]--;
    heap.n_live--;
    heap.live_bytes -= s->slot_bytes;
    s->of->n_live--;
    s->n_live--;
    if (!HEAP_POISONS && slot / 64 < s->free_word)
        s->free_word = (uint16_t)(slot / 64);
    o->refs = 0; /* whoever still holds it is caught at his next object_ref() or object_unref() */
    o->type = 0;
    HEAP_POISON(o, s->slot_bytes);
    slab_count_live(MEM_OBJ, -(ptrdiff_t)s->slot_bytes);
    changed(s, 1);
}

/* n of the free slots of s, which has them, counted in pool/ already. */
static void
take_slots(struct heap_slab *s, struct object **out, unsigned n)
{
    struct heap_type *t = s->of;

    t->n_empty -= s->n_live == 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t slot = first_free(s);

        s->live[slot / 64] |= (uint64_t)1 << slot % 64;
        out[i] = heap_at(s, slot);
        HEAP_UNPOISON(out[i], t->used_bytes);
        memset(out[i], 0, t->used_bytes);
    }
    s->n_live = (uint16_t)(s->n_live + n);
    if (s->n_live == s->n_slots)
        list_remove(&s->rooms);
    t->n_made += n;
    t->n_live += n;
    heap.n_live += n;
    heap.n_in[0] += n;
    heap.live_bytes += (uint64_t)n * t->slot_bytes;
}

bool
heap_slots_get(struct heap_type *t, struct object **out, size_t n)
{
    size_t n_made = 0;

    while (n_made < n) {
        struct heap_slab *s;
        unsigned k;

        if (list_is_empty(&t->rooms) && slab_make(t) == NULL)
            goto fail;
        s = LIST_ELEMENT(t->rooms.next, struct heap_slab, rooms);
        k = (unsigned)ORB_MIN(n - n_made, (size_t)(s->n_slots - s->n_live));
        if (!slab_try_live_many(MEM_OBJ, (size_t)k * t->slot_bytes, k))
            goto fail;
        take_slots(s, out + n_made, k);
        n_made += k;
    }
    return true;
fail: /* nobody has seen them */
    heap_slots_put(out, n_made);
    t->n_made -= n_made;
    return false;
}

void
heap_slots_put(struct object **objects, size_t n)
{
    for (size_t i = 0; i < n;) {
        struct heap_slab *s = heap_slab_of(objects[i]);
        unsigned k = 0;

        for (; i < n && heap_slab_of(objects[i]) == s; i++, k++) {
            struct object *o = objects[i];
            uint32_t slot = heap_slot_of(s, o);

            CHECK(s->live[slot / 64] >> slot % 64 & 1); /* not the same one twice */
            s->live[slot / 64] &= ~((uint64_t)1 << slot % 64);
            if (!HEAP_POISONS && slot / 64 < s->free_word)
                s->free_word = (uint16_t)(slot / 64);
            o->refs = 0;
            o->type = 0;
            HEAP_POISON(o, s->slot_bytes);
            objects[i] = NULL;
        }
        heap.n_in[0] -= k;
        heap.n_live -= k;
        heap.live_bytes -= (uint64_t)k * s->slot_bytes;
        s->of->n_live -= k;
        s->n_live = (uint16_t)(s->n_live - k);
        slab_count_dead(MEM_OBJ, (size_t)k * s->slot_bytes, k);
        changed(s, k);
    }
}

void
heap_count_freed(struct heap_slab *s, unsigned n, unsigned n_young, unsigned n_middle)
{
    size_t n_bytes = (size_t)n * s->slot_bytes;

    heap.n_in[HEAP_YOUNG] -= n_young;
    heap.n_in[HEAP_MIDDLE] -= n_middle;
    heap.n_in[HEAP_OLD] -= n - n_young - n_middle;
    heap.n_live -= n;
    heap.live_bytes -= n_bytes;
    s->of->n_live -= n;
    s->n_live = (uint16_t)(s->n_live - n);
    slab_count_dead(MEM_OBJ, n_bytes, n);
    changed(s, n);
}

void
heap_set_generation(struct object *o, unsigned generation)
{
    struct heap_slab *s = heap_slab_of(o);
    uint32_t slot = heap_slot_of(s, o), w = slot / 64;
    uint64_t bit = (uint64_t)1 << slot % 64;

    if (s->of->type->flags & OBJECT_ACYCLIC)
        return;
    s->young[w] &= ~bit;
    s->middle[w] &= ~bit;
    s->frozen[w] &= ~bit;
    if (generation == 0)
        s->frozen[w] |= bit;
    else if (generation == HEAP_YOUNG)
        s->young[w] |= bit;
    else if (generation == HEAP_MIDDLE)
        s->middle[w] |= bit;
    if (generation == HEAP_YOUNG || generation == HEAP_MIDDLE)
        heap_list_recent(s, generation);
    heap.n_in[o->flags & OBJECT_GENERATION]--;
    heap.n_in[generation]++;
    o->flags = (uint8_t)((o->flags & ~OBJECT_GENERATION) | generation);
}

/* ---- walking ------------------------------------------------------------------------------------------------------ */

void
heap_each(heap_each_fn *each, void *arg)
{
    HEAP_EACH_SLAB(s)
        for (unsigned w = 0; w < s->n_words; w++)
            for (uint64_t word = s->live[w]; word != 0;)
                each(arg, heap_at(s, w * 64 + HEAP_TAKE_BIT(word)));
}

struct visitor {
    object_visit_fn *visit;
    void *arg;
};

static void
visit_unless_null(struct object **reference, void *arg)
{
    const struct visitor *v = arg;

    if (*reference != NULL)
        v->visit(reference, v->arg);
}

void
heap_each_reference(struct object *o, object_visit_fn *visit, void *arg)
{
    const struct object_type *t = heap_types[o->type].type;
    struct visitor v = { visit, arg };

    for (unsigned i = 0; i < t->n_pointers; i++) {
        struct object **p = heap_pointer(t, o, i);

        if (*p != NULL)
            visit(p, arg);
    }
    if (t->visit != NULL)
        t->visit(o, visit_unless_null, &v);
}

uint64_t
heap_n_objects(void)
{
    return heap.n_live;
}

static struct heap_slab *numbered[HEAP_MAX_SLABS]; /* by base_index, ascending; touched as far as there are slabs */
static size_t index_end;

static void
renumber(void)
{
    size_t n = 0, n_slabs = 0;

    if (heap.is_numbered)
        return;
    HEAP_EACH_SLAB(s) {
        s->base_index = n;
        n += s->n_slots;
        numbered[n_slabs++] = s;
    }
    index_end = n;
    heap.is_numbered = true;
}

size_t
heap_index(const struct object *o)
{
    const struct heap_slab *s = heap_slab_of(o);

    renumber();
    return s->base_index + heap_slot_of(s, o);
}

size_t
heap_index_end(void)
{
    renumber();
    return index_end;
}

struct object *
heap_at_index(size_t index)
{
    size_t low = 0, high = heap.n_slabs, slot;
    const struct heap_slab *s;

    renumber();
    if (index >= index_end)
        return NULL;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (numbered[middle]->base_index <= index)
            low = middle;
        else
            high = middle;
    }
    s = numbered[low];
    slot = index - s->base_index;
    return s->live[slot / 64] >> slot % 64 & 1 ? heap_at(s, (uint32_t)slot) : NULL;
}

struct object *
heap_find(uintptr_t address)
{
    const struct heap_slab *s;
    uint32_t slot;

    if (!slab_has((const void *)address))
        return NULL;
    s = heap_slab_of((const struct object *)address);
    if (s == NULL)
        return NULL;
    slot = heap_slot_of(s, (const struct object *)address);
    if (slot >= s->n_slots || (uintptr_t)heap_at(s, slot) != address || !(s->live[slot / 64] >> slot % 64 & 1))
        return NULL;
    return heap_at(s, slot);
}
