#include "gc/collect_internal.h"

/* When to collect, and the books. gc_safe_point() at each turn of the loop:
 *
 *   young >= thresholds[0]                              --> collect(0)
 *     ... and collections of young >= thresholds[1]     --> collect(1)
 *     ... and of middle >= thresholds[2],
 *         and what they made old > a quarter of the old --> collect(2)
 *   floating estimate > limit, and > a quarter of what
 *         lived after the last full collection          --> collect(2)
 *
 * The quarters make full collections linear in what is made (CPython's rule); the estimate bounds what floats meanwhile. It
 * is all that the live bytes of the domains have grown by since the last full collection (what objects own lies in any of them),
 * and for each candidate among the old as much as a candidate brought then. Without a candidate, too: rings that were moved
 * together have none (object.h). RSS has no part in it. */

struct books {
    struct gc_generation_stats generations[GC_GENERATIONS];
    uint64_t floating_bytes_last, floating_bytes_max, last_yield;
    unsigned n_young_since, n_middle_since; /* collections: of young since middle, of middle since full */
    uint64_t n_old_at_full, live_bytes_at_full;
    double bytes_per_candidate;
    uint64_t n_candidates_taken;            /* by the collection under way */
};

static struct books books = { .bytes_per_candidate = 32 };
static unsigned thresholds[GC_GENERATIONS] = { 2000, 10, 10 };
static uint64_t floating_limit_bytes = (uint64_t)16 << 20;
static bool is_disabled, is_checking;
static struct gc_callback *callbacks; /* newest first */
static struct gc_callback *next_callback; /* while they are called: any of them may remove any */
static bool is_calling_back;
static uint64_t (*clock_ns)(void);

uint64_t
gc_now_ns(void)
{
    return clock_ns == NULL ? 0 : clock_ns();
}

void
gc_set_clock(uint64_t (*now_ns)(void))
{
    clock_ns = now_ns;
}

void
gc_set_check(bool is_checking_now)
{
    is_checking = is_checking_now;
}

bool
gc_is_checking(void)
{
    return is_checking;
}

/* ---- when --------------------------------------------------------------------------------------------------------------- */

void
gc_set_thresholds(const unsigned t[GC_GENERATIONS])
{
    memcpy(thresholds, t, sizeof thresholds);
}

void
gc_thresholds(unsigned t[GC_GENERATIONS])
{
    memcpy(t, thresholds, sizeof thresholds);
}

void
gc_set_floating_limit(uint64_t bytes)
{
    floating_limit_bytes = bytes;
}

void
gc_enable(bool is_enabled)
{
    is_disabled = !is_enabled;
}

uint64_t
gc_floating_estimate(void)
{
    uint64_t live = mem_live_bytes();
    uint64_t grown = live > books.live_bytes_at_full ? live - books.live_bytes_at_full : 0;
    double bytes = (double)grown + (double)object_candidates[HEAP_OLD] * books.bytes_per_candidate;

    return bytes > (double)live ? live : (uint64_t)bytes;
}

static bool
is_too_much_floating(void)
{
    uint64_t limit = ORB_MAX(floating_limit_bytes, books.live_bytes_at_full / 4);

    return thresholds[2] != 0 && floating_limit_bytes != 0 && gc_floating_estimate() > limit;
}

static bool
is_full_due(void)
{
    if (thresholds[2] == 0 || books.n_middle_since < thresholds[2])
        return false;
    return heap.n_in[HEAP_OLD] > books.n_old_at_full && (heap.n_in[HEAP_OLD] - books.n_old_at_full) * 4 > books.n_old_at_full;
}

bool
gc_safe_point(void)
{
    unsigned generation = 0;

    if (is_disabled || gc_is_busy())
        return false;
    if (is_too_much_floating())
        return !gc_collect(2).was_skipped;
    if (thresholds[0] == 0 || heap.n_in[HEAP_YOUNG] < thresholds[0])
        return false;
    if (thresholds[1] != 0 && books.n_young_since >= thresholds[1])
        generation = is_full_due() ? 2 : 1;
    return !gc_collect(generation).was_skipped;
}

/* ---- the books ------------------------------------------------------------------------------------------------------------ */

static void
note_age(unsigned generation)
{
    books.n_young_since = generation == 0 ? books.n_young_since + 1 : 0;
    if (generation == 1)
        books.n_middle_since++;
    if (generation < 2)
        return;
    books.n_middle_since = 0;
    books.n_old_at_full = heap.n_in[HEAP_OLD];
    books.live_bytes_at_full = mem_live_bytes();
}

void
gc_note_skip(unsigned generation)
{
    books.generations[generation].n_skipped++;
    note_age(generation);
}

void
gc_note_candidates(uint64_t n)
{
    books.n_candidates_taken = n;
}

static void
note_pause(struct gc_generation_stats *g, uint64_t ns)
{
    unsigned bucket = 0;

    while (bucket < GC_PAUSE_BUCKETS - 1 && ns >= (uint64_t)32000 << bucket)
        bucket++;
    g->pauses[bucket]++;
    g->pause_total_ns += ns;
    g->pause_max_ns = ORB_MAX(g->pause_max_ns, ns);
}

/* What a full collection found had floated until now: so much for the estimates. */
static void
note_floating(uint64_t bytes)
{
    books.floating_bytes_last = bytes;
    books.floating_bytes_max = ORB_MAX(books.floating_bytes_max, bytes);
    if (books.n_candidates_taken > 0)
        books.bytes_per_candidate = (double)bytes / (double)books.n_candidates_taken;
}

void
gc_note_collection(unsigned generation, uint64_t n_scanned, uint64_t floating_bytes, const struct gc_result *r)
{
    struct gc_generation_stats *g = &books.generations[generation];

    g->n_collections++;
    g->n_collected += r->n_collected;
    g->collected_bytes += r->collected_bytes;
    g->n_uncollectable += r->n_uncollectable;
    g->n_resurrected += r->n_resurrected;
    g->n_scanned += n_scanned;
    note_pause(g, r->pause_ns);
    books.last_yield = r->n_collected;
    if (generation == 2)
        note_floating(floating_bytes);
    note_age(generation);
}

void
gc_stats(struct gc_stats *out)
{
    *out = (struct gc_stats){ .heap_bytes = heap.n_slabs * HEAP_SLAB_BYTES, .n_slabs = heap.n_slabs };
    out->slack_bytes = out->heap_bytes - heap.live_bytes;
    out->floating_bytes_last = books.floating_bytes_last;
    out->floating_bytes_max = books.floating_bytes_max;
    out->last_yield = books.last_yield;
    out->n_revived = object_n_resurrected();
    for (unsigned g = 0; g < GC_GENERATIONS; g++) {
        out->generations[g] = books.generations[g];
        out->generations[g].n_candidates = object_candidates[HEAP_YOUNG + g];
        out->generations[g].n_objects = heap.n_in[HEAP_YOUNG + g];
    }
    HEAP_EACH_SLAB(s) {
        uint64_t n[4] = { 0 };

        for (unsigned w = 0; w < s->n_words; w++) {
            n[0] += (unsigned)__builtin_popcountll(s->frozen[w]);
            n[HEAP_YOUNG] += (unsigned)__builtin_popcountll(s->young[w]);
            n[HEAP_MIDDLE] += (unsigned)__builtin_popcountll(s->middle[w]);
            n[HEAP_OLD] += (unsigned)__builtin_popcountll(heap_old_word(s, w));
        }
        out->n_frozen += n[0];
        for (unsigned g = 0; g < GC_GENERATIONS; g++)
            out->generations[g].live_bytes += n[HEAP_YOUNG + g] * s->slot_bytes;
    }
    out->n_untracked = heap.n_in[0] - out->n_frozen;
}

uint64_t
gc_collected_of_type(unsigned type_id)
{
    return type_id < HEAP_MAX_TYPES ? heap_types[type_id].n_collected : 0;
}

/* ---- callbacks ------------------------------------------------------------------------------------------------------------ */

void
gc_callback_add(struct gc_callback *c)
{
    c->next = callbacks;
    callbacks = c;
}

void
gc_callback_remove(struct gc_callback *c)
{
    for (struct gc_callback **link = &callbacks; *link != NULL; link = &(*link)->next)
        if (*link == c) {
            if (next_callback == c)
                next_callback = c->next;
            *link = c->next;
            c->next = NULL;
            return;
        }
}

void
gc_call_back(unsigned generation, const struct gc_result *r)
{
    is_calling_back = true;
    for (struct gc_callback *c = callbacks; c != NULL; c = next_callback) {
        next_callback = c->next;
        c->fn(c->arg, generation, r);
    }
    is_calling_back = false;
}

/* The callbacks of weak references come out of any object_unref(), where C code may hold uncounted pointers: no safe point. */
bool
gc_is_busy(void)
{
    return heap.is_collecting || is_calling_back || weak_is_calling_back() || object_is_tearing_down();
}

/* ---- out of sight, and back ------------------------------------------------------------------------------------------------ */

static void
freeze(void *arg, struct object *o)
{
    if (o->flags & OBJECT_GENERATION)
        heap_set_generation(o, 0);
}

static void
unfreeze(void *arg, struct object *o)
{
    if (o->flags & (OBJECT_GENERATION | OBJECT_PINNED))
        return;
    heap_set_generation(o, HEAP_OLD); /* an acyclic one stays where it is */
}

void
gc_freeze(void)
{
    CHECK(!heap.is_collecting);
    heap_each(freeze, NULL);
}

/* Nobody counted candidates among the frozen; they are the next full collection's, which needs none. */
void
gc_unfreeze(void)
{
    CHECK(!heap.is_collecting);
    heap_each(unfreeze, NULL);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------- */

static void
count_mortal(void *arg, struct object *o)
{
    *(size_t *)arg += o->refs != OBJECT_IMMORTAL_REFS;
}

size_t
gc_fini(void)
{
    size_t n_left = 0;

    weak_finalizers_run_all();
    gc_unfreeze();
    gc_collect(2);
    weak_finalizers_run_all(); /* those that finalizers made */
    heap_give_surplus(0);
    heap_each(count_mortal, &n_left);
    return n_left;
}
