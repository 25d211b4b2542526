#include "gc/object_internal.h"

/* Destruction never recurses: an object whose count falls to zero while another is being torn down waits in a list that is
 * threaded through the dead themselves (their gcn, which counts nothing any more). A chain of ten million objects dies in
 * constant stack.
 *
 *   refs = 0 --> DYING: weak references read NULL, in the list  [object_die]
 *            --> its turn: finalize, if it never ran; a reference taken there --> LIVE again  [finalize_lives]
 *            --> clear, release, slot free  [tear_down]
 *            --> the list is empty: callbacks of weak references  [weak_run_callbacks]
 *
 * While a collection clears its doomed, deaths only join the list; and of the doomed themselves nothing happens at refs = 0,
 * since the collector ends them all. */

#define MAX_SITES 8192 /* the last is for all that come later */
#define OTHER_SITES (MAX_SITES - 1)
#define MAX_PINS 65536u

uint64_t object_candidates[4];

static const struct object_site *sites[MAX_SITES];
static uint32_t n_sites = 1; /* 0 means: not registered */
static uint64_t n_sites_made;
static uint32_t dying;       /* handle of the newest; 0 = none */
static bool is_tearing_down, is_deferring;
static uint64_t n_resurrected;

static noreturn void
bad_count(const struct object *o)
{
    CHECK(o->refs != 0);                   /* it is dead: used after its last object_unref() */
    CHECK(o->refs < OBJECT_IMMORTAL_REFS); /* 2^31 references */
    CHECK_NEVER("a bad count");
}

struct object *
object_ref_odd(struct object *o)
{
    if (o->refs != OBJECT_IMMORTAL_REFS)
        bad_count(o);
    return o;
}

static void
site_register(struct object_site *site)
{
    static const struct object_site others = { "(other sites)", NULL, 0, OTHER_SITES };

    n_sites_made++;
    if (n_sites < OTHER_SITES) {
        sites[n_sites] = site;
        site->id = n_sites++;
        return;
    }
    sites[OTHER_SITES] = &others;
    n_sites = MAX_SITES;
    site->id = OTHER_SITES;
}

uint64_t
object_n_sites_unnamed(void)
{
    return n_sites < MAX_SITES ? 0 : n_sites_made - (OTHER_SITES - 1);
}

void *
object_new(struct object_type *t, struct object_site *site)
{
    struct object *o;

    if (__builtin_expect(t->id == 0, 0))
        heap_register(t);
    if (__builtin_expect(site->id == 0, 0))
        site_register(site);
    o = heap_slot_get(&heap_types[t->id]);
    if (o == NULL)
        return NULL;
    o->refs = 1;
    o->type = t->id;
    o->site = site->id | gc_born_bits;
    return o;
}

bool
object_new_many(struct object_type *t, struct object_site *site, struct object **out, size_t n)
{
    uint32_t born;

    CHECK(t->flags & OBJECT_ACYCLIC);
    if (t->id == 0)
        heap_register(t);
    if (site->id == 0)
        site_register(site);
    if (!heap_slots_get(&heap_types[t->id], out, n))
        return false;
    born = site->id | gc_born_bits;
    for (size_t i = 0; i < n; i++) {
        out[i]->refs = 1;
        out[i]->type = t->id;
        out[i]->site = born;
    }
    return true;
}

/* ---- death -------------------------------------------------------------------------------------------------------- */

/* Runs the finalizer with a reference of its own; true: somebody has taken one, and o lives on. */
static bool
finalize_lives(struct object *o, const struct object_type *t)
{
    o->flags = (uint8_t)((o->flags & ~OBJECT_DYING) | OBJECT_FINALIZED);
    o->refs = 1;
    t->finalize(o);
    if (o->refs == OBJECT_IMMORTAL_REFS || --o->refs > 0) {
        n_resurrected++;
        o->flags &= (uint8_t)~OBJECT_FOUND; /* an ordered one that hung on a garbage ring: it is in use again */
        object_candidates[o->flags & OBJECT_GENERATION]++;
        return true;
    }
    if (o->flags & OBJECT_HAS_WEAK) /* made by the finalizer */
        weak_let_go(o);
    o->flags |= OBJECT_DYING;
    return false;
}

static inline void
drop_pointers(struct object *o, const struct object_type *t)
{
    for (unsigned i = 0; i < t->n_pointers; i++)
        object_unref(heap_pointer(t, o, i));
}

static void
tear_down(struct object *o)
{
    const struct object_type *t = heap_types[o->type].type;

    o->gcn = 0;
    if (t->finalize != NULL && !(o->flags & OBJECT_FINALIZED) && finalize_lives(o, t))
        return;
    if (t->clear == NULL)
        drop_pointers(o, t);
    else
        t->clear(o);
    if (t->release != NULL)
        t->release(o);
    heap_slot_put(o);
}

static inline struct object *
next_dying(void)
{
    struct object *o;

    if (dying == 0)
        return NULL;
    o = heap_by_handle(dying);
    dying = o->gcn;
    return o;
}

/* first, if any, and all that waits, and what that leads to. (One call of tear_down(), which is then part of the loop: nearly
 * every death comes this way.) */
static void
tear_down_all(struct object *first)
{
    is_tearing_down = true;
    for (struct object *o = first != NULL ? first : next_dying(); o != NULL; o = next_dying())
        tear_down(o);
    is_tearing_down = false;
    if (weak_is_due())
        weak_run_callbacks();
}

static inline void
die(struct object *o)
{
    CHECK(o->type > 0 && o->type < heap_n_types);
    if (o->flags & OBJECT_HAS_WEAK)
        weak_let_go(o);
    if (__builtin_expect(heap.is_collecting, 0) && heap_is_suspect(o))
        return; /* the collector's: it ends when every link of its cycle is cut */
    CHECK(o->gcn == 0);
    o->flags |= OBJECT_DYING;
    if (!is_tearing_down && !is_deferring) {
        tear_down_all(o);
        return;
    }
    o->gcn = dying;
    dying = heap_handle(o);
}

void
object_die(struct object *o)
{
    die(o);
}

void
object_unref_last(struct object *o)
{
    if (o->refs == OBJECT_IMMORTAL_REFS)
        return;
    if (o->refs != 1)
        bad_count(o);
    o->refs = 0;
    die(o);
}

static bool
is_of_leaves(const struct object_type *t)
{
    return t->flags & OBJECT_ACYCLIC && t->finalize == NULL && t->clear == NULL && t->release == NULL && t->n_pointers == 0
           && t->visit == NULL;
}

void
object_unref_many(struct object **refs, size_t n)
{
    const struct object_type *t = n == 0 ? NULL : object_type_of(refs[0]);
    bool may_go_at_once = t != NULL && is_of_leaves(t) && !is_deferring;
    size_t i = 0, first;

    while (i < n) {
        for (first = i; may_go_at_once && i < n && refs[i]->refs == 1 && !(refs[i]->flags & OBJECT_HAS_WEAK); i++)
            CHECK(refs[i]->type == t->id);
        if (i > first)
            heap_slots_put(refs + first, i - first);
        if (i < n)
            object_unref(&refs[i++]);
    }
}

bool
object_defer_deaths(bool is_deferring_now)
{
    bool was = is_deferring;

    is_deferring = is_deferring_now;
    if (!is_deferring && !is_tearing_down)
        tear_down_all(NULL);
    return was;
}

bool
object_is_tearing_down(void)
{
    return is_tearing_down;
}

uint64_t
object_n_resurrected(void)
{
    return n_resurrected;
}

/* ---- what an object is ---------------------------------------------------------------------------------------------- */

bool
object_is(const struct object *o, const struct object_type *t)
{
    return t->id != 0 && o->type == t->id;
}

size_t
object_slot_bytes(const struct object_type *t)
{
    return t->id == 0 ? 0 : heap_types[t->id].slot_bytes;
}

void
object_make_immortal(struct object *o)
{
    CHECK(o->refs > 0 && o->refs <= OBJECT_IMMORTAL_REFS);
    o->refs = OBJECT_IMMORTAL_REFS;
}

void
object_pin(struct object *o)
{
    object_ref(o);
    if (!(o->flags & OBJECT_PINNED)) {
        heap_set_generation(o, 0);
        o->flags |= OBJECT_PINNED;
    }
    CHECK(o->gcn < MAX_PINS);
    o->gcn++;
}

void
object_unpin(struct object *o)
{
    CHECK(o->flags & OBJECT_PINNED && o->gcn > 0);
    if (--o->gcn == 0) {
        o->flags &= (uint8_t)~OBJECT_PINNED;
        heap_set_generation(o, HEAP_YOUNG);
    }
    object_unref(&o);
}

const struct object_type *
object_type_of(const struct object *o)
{
    return object_type_by_id(o->type);
}

const struct object_site *
object_site_of(const struct object *o)
{
    return object_site_by_id(o->site & ((1u << OBJECT_SITE_BITS) - 1));
}

const struct object_type *
object_type_by_id(unsigned id)
{
    return id == 0 || id >= heap_n_types ? NULL : heap_types[id].type;
}

const struct object_site *
object_site_by_id(uint32_t id)
{
    return id >= n_sites ? NULL : sites[id];
}

unsigned
object_census(struct object_type_stats *out, unsigned max)
{
    for (unsigned i = 1; i < heap_n_types && i - 1 < max; i++) {
        const struct heap_type *h = &heap_types[i];

        out[i - 1] = (struct object_type_stats){ h->type->name, h->n_made, h->n_live, h->n_live * h->slot_bytes };
    }
    return heap_n_types - 1;
}
