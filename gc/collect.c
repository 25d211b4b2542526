#include "gc/collect_internal.h"
#include "gc/trial.h"

/* A collection, phase by phase; each function's comment is what is true after it.
 *
 *   choose, count, mark, spare the ordered      trial.c: suspect = garbage
 *   let_go, finalize, once more                 suspect = garbage that nobody has revived
 *   clear, release                              suspect is empty, gc_check() holds
 *   deaths, callbacks                           outside the collection
 */

/* Every weak reference into the doomed reads NULL; those who watch them wait in a queue. */
static void
let_go(struct trial *t)
{
    TRIAL_EACH_SLAB(s, t)
        if (s->of->type->flags & OBJECT_WEAKABLE)
            TRIAL_EACH_SUSPECT(o, s)
                if (o->flags & OBJECT_HAS_WEAK)
                    weak_let_go(o);
}

/* No doomed object has a finalizer that has not run. Returns whether one ran: they may have done anything but collect. */
static bool
finalize(struct trial *t)
{
    bool has_run = false;

    TRIAL_EACH_SLAB(s, t) {
        void (*run)(struct object *) = s->of->type->finalize;

        if (run == NULL)
            continue;
        TRIAL_EACH_SUSPECT(o, s) {
            if (o->flags & OBJECT_FINALIZED)
                continue;
            if (!has_run)
                trial_forget_counts(t);
            o->flags |= OBJECT_FINALIZED;
            o->refs++; /* it may drop the last reference to itself that a neighbour holds */
            run(o);
            if (o->refs != OBJECT_IMMORTAL_REFS)
                o->refs--;
            has_run = true;
        }
    }
    return has_run;
}

/* ---- the end of the doomed -------------------------------------------------------------------------------------------- */

/* A reference of a doomed object to a neighbour goes with both of them; one to a survivor is given back. */
static inline void
drop(struct object **reference)
{
    struct object *o = *reference;

    if (o == NULL || heap_is_suspect(o))
        return;
    *reference = NULL;
    if (o->refs == OBJECT_IMMORTAL_REFS)
        return;
    CHECK(o->refs > 0);
    if (--o->refs == 0)
        object_die(o); /* waits */
}

static inline void
wipe(struct object *o)
{
    CHECK(!(o->flags & OBJECT_HAS_WEAK)); /* clear() or release() made a weak reference to a doomed one */
    o->refs = 0; /* whoever still holds it is caught at his next object_ref() or object_unref() */
    o->type = 0;
}

/* The doomed of s have no references out of the doomed. Without callbacks of types anywhere among the doomed nobody will look at
 * them again, and they are wiped in the same pass. */
static void
clear_slab(struct heap_slab *s, bool is_wiping)
{
    const struct object_type *type = s->of->type;

    TRIAL_EACH_SUSPECT(o, s) {
        if (type->clear != NULL)
            type->clear(o);
        else
            for (unsigned i = 0; i < type->n_pointers; i++)
                drop(heap_pointer(type, o, i));
        if (is_wiping)
            wipe(o);
    }
}

/* What the doomed of s own is freed. */
static void
release_slab(struct heap_slab *s)
{
    void (*release)(struct object *) = s->of->type->release;

    TRIAL_EACH_SUSPECT(o, s) {
        if (release != NULL)
            release(o);
        wipe(o);
    }
}

/* The slots of the doomed of s are free; suspect is empty. */
static unsigned
free_slab(struct heap_slab *s)
{
    unsigned n = 0, n_young = 0, n_middle = 0;

    if (HEAP_POISONS)
        TRIAL_EACH_SUSPECT(o, s)
            HEAP_POISON(o, s->slot_bytes);
    for (unsigned w = s->n_words; w-- > 0;) {
        uint64_t dead = s->suspect[w];

        if (dead == 0)
            continue;
        n += (unsigned)__builtin_popcountll(dead);
        n_young += (unsigned)__builtin_popcountll(dead & s->young[w]);
        n_middle += (unsigned)__builtin_popcountll(dead & s->middle[w]);
        s->live[w] &= ~dead;
        s->young[w] &= ~dead;
        s->middle[w] &= ~dead;
        s->suspect[w] = 0;
        if (!HEAP_POISONS && w < s->free_word)
            s->free_word = (uint16_t)w;
    }
    if (n == 0)
        return 0;
    heap_count_freed(s, n, n_young, n_middle);
    s->of->n_collected += n;
    return n;
}

static bool
has_callbacks(const struct object_type *type)
{
    return type->clear != NULL || type->release != NULL;
}

static bool
has_suspects(const struct heap_slab *s)
{
    for (unsigned w = 0; w < s->n_words; w++)
        if (s->suspect[w] != 0)
            return true;
    return false;
}

/* The doomed are gone. First all are cleared, then all released: until then a type's callbacks may look at neighbours. */
static void
end_doomed(struct trial *t, struct gc_result *r)
{
    bool is_plain = true;

    TRIAL_EACH_SLAB(s, t)
        is_plain = is_plain && !(has_callbacks(s->of->type) && has_suspects(s));
    TRIAL_EACH_SLAB(s, t)
        clear_slab(s, is_plain);
    TRIAL_EACH_SLAB(s, t) {
        unsigned n;

        if (!is_plain)
            release_slab(s);
        n = free_slab(s);
        r->n_collected += n;
        r->collected_bytes += (uint64_t)n * s->slot_bytes;
    }
}

/* Bytes outside their slots that the doomed will free. */
static uint64_t
owned_bytes(struct trial *t)
{
    uint64_t sum = 0;

    TRIAL_EACH_SLAB(s, t)
        if (s->of->type->owned_bytes != NULL)
            TRIAL_EACH_SUSPECT(o, s)
                sum += s->of->type->owned_bytes(o);
    return sum;
}

/* ---- the uncollectable ------------------------------------------------------------------------------------------------ */

/* Of the ordered ones that were spared, those that still live are uncollectable; returns how many were not known to be. The
 * rest hung on a cycle, and died in order when it went. One that a full collection finds reached is so no longer. */
static uint64_t
settle_ordered(struct trial *t)
{
    uint64_t n = 0;

    TRIAL_EACH_SLAB(s, t)
        for (unsigned w = 0; s->of->type->flags & OBJECT_ORDERED && w < s->n_words; w++)
            for (uint64_t word = s->live[w]; word != 0;) {
                struct object *o = heap_at(s, w * 64 + HEAP_TAKE_BIT(word));

                if (o->flags & OBJECT_FOUND) {
                    n += !(o->flags & OBJECT_UNCOLLECTABLE);
                    o->flags = (uint8_t)((o->flags & ~OBJECT_FOUND) | OBJECT_UNCOLLECTABLE);
                } else if (t->generation == 2) {
                    o->flags &= (uint8_t)~OBJECT_UNCOLLECTABLE;
                }
            }
    return n;
}

size_t
gc_uncollectable(struct object **out, size_t max)
{
    size_t n = 0;

    HEAP_EACH_SLAB(s)
        for (unsigned w = 0; s->of->type->flags & OBJECT_ORDERED && w < s->n_words; w++)
            for (uint64_t word = s->live[w]; word != 0;) {
                struct object *o = heap_at(s, w * 64 + HEAP_TAKE_BIT(word));

                if (!(o->flags & OBJECT_UNCOLLECTABLE))
                    continue;
                if (n < max)
                    out[n] = o;
                n++;
            }
    return n;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

/* No count of the young (or middle) says that they are garbage: all of it only grows older. */
static void
grow_older(struct trial *t)
{
    unsigned to = t->generation == 0 ? HEAP_MIDDLE : HEAP_OLD;

    TRIAL_EACH_SLAB(s, t) {
        TRIAL_EACH_SUSPECT(o, s)
            o->flags = (uint8_t)((o->flags & ~OBJECT_GENERATION) | to);
        memset(s->suspect, 0, sizeof s->suspect);
    }
    trial_promote(t);
}

/* Candidates of the generations looked at. What they lead to may hang on something older, so they count there from now on. */
static uint64_t
take_candidates(unsigned generation)
{
    uint64_t n = 0;

    for (unsigned g = HEAP_YOUNG; g <= generation + HEAP_YOUNG; g++) {
        n += object_candidates[g];
        object_candidates[g] = 0;
    }
    if (generation < 2)
        object_candidates[generation + 1 + HEAP_YOUNG] += n;
    return n;
}

static void
run_trial(struct trial *t, struct gc_result *r)
{
    trial_count(t);
    trial_mark(t);
    trial_spare_ordered(t);
    trial_promote(t);
    let_go(t);
    if (finalize(t)) {
        r->n_resurrected = trial_again(t);
        object_candidates[HEAP_YOUNG] += r->n_resurrected > 0; /* perhaps only by a ring with something new */
        let_go(t); /* references that finalizers made */
    }
}

struct gc_result
gc_collect(unsigned generation)
{
    struct gc_result r = { .was_skipped = true };
    uint64_t started_ns, floating_bytes, n_candidates;
    struct trial t;

    CHECK(generation < GC_GENERATIONS);
    if (gc_is_busy())
        return r;
    started_ns = gc_now_ns();
    n_candidates = take_candidates(generation);
    if (n_candidates == 0 && generation < 2) {
        trial_choose(&t, generation);
        grow_older(&t);
        gc_note_skip(generation);
        return r;
    }
    r.was_skipped = false;
    gc_note_candidates(n_candidates);
    gc_call_back(generation, NULL);
    heap.is_collecting = true;
    object_defer_deaths(true);
    trial_choose(&t, generation);
    run_trial(&t, &r);
    floating_bytes = owned_bytes(&t);
    end_doomed(&t, &r);
    object_defer_deaths(false); /* of survivors that only the doomed held */
    r.n_uncollectable = settle_ordered(&t);
    heap.is_collecting = false;
    heap_give_surplus(generation == 2 ? 0 : 1);
    r.pause_ns = gc_now_ns() - started_ns;
    gc_note_collection(generation, t.n_members, floating_bytes + r.collected_bytes, &r);
    if (gc_is_checking())
        gc_check();
    weak_run_callbacks();
    gc_call_back(generation, &r);
    return r;
}
