#include "gc/object_internal.h"
#include "gc/collect_internal.h"

/* The executable form of what object.h, heap.h and weak.h promise, at a safe point. Needs no memory: references are counted
 * in gcn, as gc_unexplained() does it, and taken off again. */

struct sums {
    uint64_t n_live, n_in[4], live_bytes;
    size_t n_slabs;
};

static unsigned
n_bits(const uint64_t *words, unsigned n_words)
{
    unsigned n = 0;

    for (unsigned w = 0; w < n_words; w++)
        n += (unsigned)__builtin_popcountll(words[w]);
    return n;
}

static bool
is_listed(const struct list *head, const struct list *node)
{
    LIST_EACH(at, head)
        if (at == node)
            return true;
    return false;
}

static void
check_bitmaps(const struct heap_slab *s)
{
    bool is_acyclic = s->of->type->flags & OBJECT_ACYCLIC;

    for (unsigned w = 0; w < HEAP_SLAB_WORDS; w++) {
        uint64_t inside = w * 64 >= s->n_slots ? 0 : s->n_slots - w * 64 >= 64 ? UINT64_MAX : ((uint64_t)1 << s->n_slots % 64) - 1;

        CHECK((s->live[w] & ~inside) == 0);
        CHECK(((s->young[w] | s->middle[w] | s->frozen[w]) & ~s->live[w]) == 0);
        CHECK((s->young[w] & s->middle[w]) == 0 && (s->young[w] & s->frozen[w]) == 0 && (s->middle[w] & s->frozen[w]) == 0);
        CHECK(!is_acyclic || (s->young[w] | s->middle[w] | s->frozen[w]) == 0);
        CHECK(s->suspect[w] == 0 && s->roots[w] == 0);
        CHECK(HEAP_POISONS || w >= s->free_word || s->live[w] == inside);
    }
}

static void
check_slab(const struct heap_slab *s)
{
    CHECK(heap_slabs[s->number] == s);
    CHECK(s->slots == slab_base + ((size_t)s->number << SLAB_SHIFT));
    CHECK(s->of > heap_types && s->of < heap_types + heap_n_types);
    CHECK(s->slot_bytes == s->of->slot_bytes && s->n_slots == s->of->n_slots);
    CHECK(s->n_live == n_bits(s->live, s->n_words));
    check_bitmaps(s);
    CHECK(s->n_live < s->n_slots || list_is_empty(&s->rooms));
    CHECK(s->n_live == s->n_slots || !list_is_empty(&s->rooms));
    CHECK(n_bits(s->young, s->n_words) == 0 || !list_is_empty(&s->recent[0]));
    CHECK(n_bits(s->middle, s->n_words) == 0 || !list_is_empty(&s->recent[1]));
}

static void
check_object(const struct heap_slab *s, const struct object *o, unsigned w, uint64_t bit)
{
    unsigned generation = s->of->type->flags & OBJECT_ACYCLIC || s->frozen[w] & bit ? 0
                          : s->young[w] & bit ? HEAP_YOUNG : s->middle[w] & bit ? HEAP_MIDDLE : HEAP_OLD;

    CHECK(o->type == s->of->type->id);
    CHECK(o->refs > 0 && o->refs <= OBJECT_IMMORTAL_REFS);
    CHECK((o->flags & OBJECT_GENERATION) == generation);
    CHECK(!(o->flags & (OBJECT_FOUND | OBJECT_DYING)));
    CHECK(!(o->flags & OBJECT_UNCOLLECTABLE) || s->of->type->flags & OBJECT_ORDERED);
    CHECK(o->flags & OBJECT_PINNED ? o->gcn > 0 && o->gcn <= o->refs && generation == 0 : o->gcn == 0);
    CHECK(object_site_of(o) != NULL);
    CHECK(heap_find((uintptr_t)o) == o);
}

static void
check_slabs(struct sums *sums)
{
    HEAP_EACH_SLAB(s) {
        check_slab(s);
        for (unsigned w = 0; w < s->n_words; w++)
            for (uint64_t word = s->live[w]; word != 0;) {
                unsigned bit = HEAP_TAKE_BIT(word);
                const struct object *o = heap_at(s, w * 64 + bit);

                check_object(s, o, w, (uint64_t)1 << bit);
                sums->n_in[o->flags & OBJECT_GENERATION]++;
            }
        sums->n_slabs++;
        sums->n_live += s->n_live;
        sums->live_bytes += (uint64_t)s->n_live * s->slot_bytes;
    }
}

/* The types' figures, and their lists of slabs with room. */
static void
check_types(void)
{
    uint64_t n_live = 0;

    for (unsigned i = 1; i < heap_n_types; i++) {
        const struct heap_type *t = &heap_types[i];
        unsigned n_empty = 0;

        CHECK(t->type->id == i);
        CHECK(t->n_live <= t->n_made);
        n_live += t->n_live;
        LIST_EACH(node, &t->rooms) {
            const struct heap_slab *s = LIST_ELEMENT(node, struct heap_slab, rooms);

            CHECK(s->of == t && s->n_live < s->n_slots);
            n_empty += s->n_live == 0;
        }
        CHECK(n_empty == t->n_empty);
    }
    CHECK(n_live == heap.n_live);
}

/* ---- counts ------------------------------------------------------------------------------------------------------------ */

static void
count_reference(struct object **reference, void *arg)
{
    CHECK(heap_find((uintptr_t)*reference) == *reference); /* a living object, not a freed one */
    (*reference)->gcn++;
}

static void
uncount_reference(struct object **reference, void *arg)
{
    (*reference)->gcn--;
}

static void
count_references(void *arg, struct object *o)
{
    heap_each_reference(o, count_reference, NULL);
}

static void
uncount_references(void *arg, struct object *o)
{
    heap_each_reference(o, uncount_reference, NULL);
}

static void
compare(void *arg, struct object *o)
{
    CHECK(o->gcn <= o->refs); /* more references and pins than it counts */
}

void
gc_check(void)
{
    struct sums sums = { 0 };

    CHECK(!heap.is_collecting && !object_is_tearing_down());
    check_slabs(&sums);
    CHECK(sums.n_slabs == heap.n_slabs);
    CHECK(sums.n_live == heap.n_live);
    CHECK(sums.live_bytes == heap.live_bytes);
    for (unsigned g = 0; g < 4; g++)
        CHECK(sums.n_in[g] == heap.n_in[g]);
    for (unsigned g = 0; g < 2; g++)
        LIST_EACH(node, &heap.recent[g])
            CHECK(is_listed(&heap.slabs, g == 0 ? &LIST_ELEMENT(node, struct heap_slab, recent[0])->slabs
                                                : &LIST_ELEMENT(node, struct heap_slab, recent[1])->slabs));
    check_types();
    heap_each(count_references, NULL);
    heap_each(compare, NULL);
    heap_each(uncount_references, NULL);
    weak_check();
}
