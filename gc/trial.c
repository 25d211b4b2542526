#include "gc/trial.h"

/* Memory is the cost: a million objects are 32 MB, and the order of references is not that of addresses. So
 *   - counting touches the objects referred to through a queue of 16, each fetched when it joins;
 *   - marking asks the suspect bitmaps (128 KB for a million objects) and touches an object only once, when it is reached;
 *   - objects held from outside are found in one walk in order of address before anything is traversed: of a live heap that
 *     is nearly all of them, and nothing is left to chase.
 * The stack of reached objects is a small array; what does not fit is linked through gcn, which the reached need no more. */

#define N_WAITING 16 /* a power of two */
#define N_STACK 4096

struct queue {
    struct object *waiting[N_WAITING];
    unsigned at;
};

struct marking {
    struct queue queue;
    struct object *stack[N_STACK];
    unsigned n_stack;
    uint32_t overflow;     /* a handle */
    uint8_t generation;    /* of survivors */
    bool is_full, is_again;
    uint64_t n_reached;
    uint64_t n_left;       /* suspects that remain: at 0 there is nothing more to reach */
};
static struct marking marking;

/* ---- 0 choose -------------------------------------------------------------------------------------------------------- */

/* s belongs to the set if it has a member. */
static void
choose(struct trial *t, struct heap_slab *s)
{
    uint64_t n = 0;

    for (unsigned w = 0; w < s->n_words; w++) {
        uint64_t word = s->young[w];

        if (t->generation > 0)
            word |= s->middle[w];
        if (t->generation > 1)
            word = s->live[w] & ~s->frozen[w];
        s->suspect[w] = word;
        n += (unsigned)__builtin_popcountll(word);
    }
    if (n == 0)
        return;
    t->n_members += n;
    s->next_in_set = t->set;
    t->set = s;
}

static bool
has_bits(const uint64_t *words, unsigned n_words)
{
    uint64_t any = 0;

    for (unsigned w = 0; w < n_words; w++)
        any |= words[w];
    return any != 0;
}

void
trial_choose(struct trial *t, unsigned generation)
{
    *t = (struct trial){ .generation = generation };
    if (generation == 2) {
        HEAP_EACH_SLAB(s)
            if (s->n_live > 0 && !(s->of->type->flags & OBJECT_ACYCLIC))
                choose(t, s);
        return;
    }
    LIST_EACH_SAFE(node, &heap.recent[0]) {
        struct heap_slab *s = LIST_ELEMENT(node, struct heap_slab, recent[0]);

        choose(t, s);
        if (!has_bits(s->young, s->n_words))
            list_remove(node);
    }
    if (generation == 0)
        return;
    LIST_EACH_SAFE(node, &heap.recent[1]) {
        struct heap_slab *s = LIST_ELEMENT(node, struct heap_slab, recent[1]);

        if (!has_bits(s->suspect, s->n_words)) /* not chosen for its young */
            choose(t, s);
        if (!has_bits(s->middle, s->n_words))
            list_remove(node);
    }
}

/* ---- 1 count --------------------------------------------------------------------------------------------------------- */

/* The one that has waited longest, or NULL. */
static inline struct object *
queue_step(struct queue *q, struct object *o)
{
    struct object *first = q->waiting[q->at];

    q->waiting[q->at] = o;
    q->at = (q->at + 1) % N_WAITING;
    return first;
}

/* Of a full collection all that is tracked are members, which the flags beside gcn say; else the bitmap is asked first. */
static inline void
count_full(struct queue *q, struct object *o)
{
    __builtin_prefetch(o, 1);
    o = queue_step(q, o);
    if (o != NULL && o->flags & OBJECT_GENERATION)
        o->gcn++;
}

static inline void
count_part(struct queue *q, struct object *o)
{
    if (!heap_is_suspect(o))
        return;
    __builtin_prefetch(o, 1);
    o = queue_step(q, o);
    if (o != NULL && !(o->flags & OBJECT_PINNED))
        o->gcn++;
}

static void
count_full_visit(struct object **reference, void *arg)
{
    if (*reference != NULL)
        count_full(arg, *reference);
}

static void
count_part_visit(struct object **reference, void *arg)
{
    if (*reference != NULL)
        count_part(arg, *reference);
}

static inline __attribute__((always_inline)) void
count_slab(struct queue *q, const struct heap_slab *s, bool is_full)
{
    const struct object_type *type = s->of->type;
    const uint16_t *offsets = type->pointer_offsets;
    unsigned n = type->n_pointers;

    TRIAL_EACH_SUSPECT(o, s) {
        for (unsigned i = 0; i < n; i++) {
            struct object *to = *(struct object **)(void *)((char *)o + offsets[i]);

            if (to == NULL)
                continue;
            if (is_full)
                count_full(q, to);
            else
                count_part(q, to);
        }
        if (type->visit != NULL)
            type->visit(o, is_full ? count_full_visit : count_part_visit, q);
    }
}

static void
count(const struct trial *t, bool is_full)
{
    struct queue q = { { NULL }, 0 };

    if (is_full)
        TRIAL_EACH_SLAB(s, t)
            count_slab(&q, s, true);
    else
        TRIAL_EACH_SLAB(s, t)
            count_slab(&q, s, false);
    for (unsigned i = 0; i < N_WAITING; i++)
        if (q.waiting[i] != NULL && (is_full ? (q.waiting[i]->flags & OBJECT_GENERATION) != 0 : !(q.waiting[i]->flags & OBJECT_PINNED)))
            q.waiting[i]->gcn++;
}

void
trial_count(struct trial *t)
{
    count(t, t->generation == 2);
}

/* ---- 2 mark ---------------------------------------------------------------------------------------------------------- */

/* Those that count more references than the set holds are roots, and no suspects. */
static void
find_roots(struct trial *t)
{
    marking.n_left = 0;
    TRIAL_EACH_SLAB(s, t)
        for (unsigned w = 0; w < s->n_words; w++) {
            uint64_t roots = 0;

            for (uint64_t word = s->suspect[w]; word != 0;) {
                unsigned bit = HEAP_TAKE_BIT(word);
                const struct object *o = heap_at(s, w * 64 + bit);

                if (!(o->flags & OBJECT_PINNED)) { /* by its finalizer: gcn counts pins, and they may be all that holds it */
                    if (o->gcn == o->refs)
                        continue;
                    CHECK(o->gcn < o->refs); /* more references to it than it counts: somebody forgot an object_ref() */
                }
                roots |= (uint64_t)1 << bit;
            }
            s->roots[w] = roots;
            s->suspect[w] &= ~roots;
            marking.n_left += (unsigned)__builtin_popcountll(s->suspect[w]);
        }
}

static inline void
stack_push(struct object *o)
{
    if (__builtin_expect(marking.n_stack < N_STACK, 1)) {
        marking.stack[marking.n_stack++] = o;
        return;
    }
    o->gcn = marking.overflow;
    marking.overflow = heap_handle(o);
}

static inline struct object * /* NULL: empty */
stack_pop(void)
{
    struct object *o;

    if (__builtin_expect(marking.n_stack > 0, 1))
        return marking.stack[--marking.n_stack];
    if (marking.overflow == 0)
        return NULL;
    o = heap_by_handle(marking.overflow);
    marking.overflow = o->gcn;
    return o;
}

static inline void
reach(struct object *o)
{
    struct heap_slab *s = heap_slab_of(o);
    uint32_t i = heap_slot_of(s, o);
    uint64_t bit = (uint64_t)1 << i % 64;

    if (!(s->suspect[i / 64] & bit))
        return;
    s->suspect[i / 64] &= ~bit;
    marking.n_left--;
    __builtin_prefetch(o, 1);
    o = queue_step(&marking.queue, o);
    if (o != NULL)
        stack_push(o);
}

static void
reach_visit(struct object **reference, void *arg)
{
    if (*reference != NULL)
        reach(*reference);
}

/* o has been reached: it is what a survivor is. */
static inline void
settle(struct object *o)
{
    if (__builtin_expect(marking.is_again, 0)) {
        marking.n_reached++;
        if (!(o->flags & OBJECT_PINNED)) {
            o->gcn = 0;
            heap_set_generation(o, marking.generation);
        }
    } else {
        o->gcn = 0;
        o->flags = (uint8_t)((o->flags & ~OBJECT_GENERATION) | marking.generation);
        o->age += marking.is_full && o->age < UINT8_MAX;
    }
}

/* ... and what it refers to is reached. */
static inline void
traverse(struct object *o, const struct object_type *type)
{
    settle(o);
    if (marking.n_left == 0)
        return;
    for (unsigned i = 0; i < type->n_pointers; i++) {
        struct object *to = *heap_pointer(type, o, i);

        if (to != NULL)
            reach(to);
    }
    if (type->visit != NULL)
        type->visit(o, reach_visit, NULL);
}

static inline void
drain_stack(void)
{
    struct object *o;

    while ((o = stack_pop()) != NULL)
        traverse(o, heap_types[o->type].type);
}

/* What waits in the queue is traversed too, and what that brings. */
static void
drain_all(void)
{
    bool is_done = false;

    while (!is_done) {
        is_done = true;
        for (unsigned i = 0; i < N_WAITING; i++) {
            struct object *o = queue_step(&marking.queue, NULL);

            if (o == NULL)
                continue;
            is_done = false;
            stack_push(o);
        }
        drain_stack();
    }
}

/* From the roots of all slabs, which are forgotten. */
static void
traverse_roots(struct trial *t)
{
    TRIAL_EACH_SLAB(s, t)
        for (unsigned w = 0; w < s->n_words; w++) {
            uint64_t roots = s->roots[w];

            s->roots[w] = 0;
            while (roots != 0) {
                traverse(heap_at(s, w * 64 + HEAP_TAKE_BIT(roots)), s->of->type);
                drain_stack();
            }
        }
    drain_all();
}

static void
mark_begin(const struct trial *t, bool is_again)
{
    marking.generation = t->generation == 0 ? HEAP_MIDDLE : HEAP_OLD;
    marking.is_full = t->generation == 2;
    marking.is_again = is_again;
    marking.n_reached = 0;
}

void
trial_mark(struct trial *t)
{
    find_roots(t);
    mark_begin(t, false);
    traverse_roots(t);
}

void
trial_spare_ordered(struct trial *t)
{
    bool is_any = false;

    TRIAL_EACH_SLAB(s, t)
        for (unsigned w = 0; s->of->type->flags & OBJECT_ORDERED && w < s->n_words; w++) {
            s->roots[w] = s->suspect[w];
            s->suspect[w] = 0;
            marking.n_left -= (unsigned)__builtin_popcountll(s->roots[w]);
            is_any |= s->roots[w] != 0;
            for (uint64_t word = s->roots[w]; word != 0;) {
                struct object *o = heap_at(s, w * 64 + HEAP_TAKE_BIT(word));

                o->flags |= OBJECT_FOUND;
            }
        }
    if (is_any)
        traverse_roots(t);
}

/* ---- 3 doom ---------------------------------------------------------------------------------------------------------- */

void
trial_promote(struct trial *t)
{
    TRIAL_EACH_SLAB(s, t)
        for (unsigned w = 0; w < s->n_words; w++) {
            uint64_t young = s->young[w] & ~s->suspect[w], middle = t->generation > 0 ? s->middle[w] & ~s->suspect[w] : 0;
            unsigned n_young = (unsigned)__builtin_popcountll(young), n_middle = (unsigned)__builtin_popcountll(middle);

            s->young[w] &= ~young;
            s->middle[w] &= ~middle;
            heap.n_in[HEAP_YOUNG] -= n_young;
            heap.n_in[HEAP_MIDDLE] -= n_middle;
            heap.n_in[t->generation == 0 ? HEAP_MIDDLE : HEAP_OLD] += n_young + n_middle;
            if (t->generation == 0 && young != 0) {
                s->middle[w] |= young;
                heap_list_recent(s, HEAP_MIDDLE);
            }
        }
}

/* ---- once more ------------------------------------------------------------------------------------------------------- */

void
trial_forget_counts(struct trial *t)
{
    TRIAL_EACH_SLAB(s, t)
        TRIAL_EACH_SUSPECT(o, s)
            o->gcn = 0;
}

uint64_t
trial_again(struct trial *t)
{
    count(t, false);
    find_roots(t);
    mark_begin(t, true);
    traverse_roots(t);
    return marking.n_reached;
}
