/* fuzz_heap - the heap driven by bytes: each is an operation, those after it its operands. Every invariant is checked after each
 * collection and at the end, where nothing may be left. */
#include <stddef.h>
#include <stdint.h>

#include "gc/collect.h"
#include "gc/heap.h"
#include "gc/roots.h"
#include "gc/weak.h"

#define N_SLOTS 32

struct thing {
    struct object object;
    struct object *first, *second;
};

static struct object *slots[N_SLOTS];
static struct weak weaks[N_SLOTS];
static struct weak_watch watches[N_SLOTS];
static struct weakmap *map;
static struct weakset *set;
static unsigned n_pins[N_SLOTS];
static unsigned mood; /* what finalizers do */
static bool is_over;  /* nothing more than let go */

static void
thing_visit(struct object *o, object_visit_fn *visit, void *arg)
{
    visit(&((struct thing *)(void *)o)->second, arg);
}

static void
thing_clear(struct object *o)
{
    object_unref(&((struct thing *)(void *)o)->first);
    object_unref(&((struct thing *)(void *)o)->second);
}

static void thing_finalize(struct object *o);
static void on_death(struct weak_watch *w, void *arg);

static const uint16_t both[] = { offsetof(struct thing, first), offsetof(struct thing, second) };
#define THING .object_bytes = sizeof(struct thing), .pointer_offsets = both
static struct object_type types[] = {
    { .name = "plain", THING, .n_pointers = 2, .flags = OBJECT_WEAKABLE },
    { .name = "visited", THING, .n_pointers = 1, .flags = OBJECT_WEAKABLE, .visit = thing_visit, .clear = thing_clear },
    { .name = "final", THING, .n_pointers = 2, .flags = OBJECT_WEAKABLE, .finalize = thing_finalize },
    { .name = "ordered", THING, .n_pointers = 2, .flags = OBJECT_WEAKABLE | OBJECT_ORDERED },
};

/* Into the last slot, if that is empty. */
static void
keep(struct object *o, bool is_pinned)
{
    if (is_over || slots[N_SLOTS - 1] != NULL || o == NULL)
        return;
    slots[N_SLOTS - 1] = object_ref(o);
    if (!is_pinned)
        return;
    object_pin(o);
    n_pins[N_SLOTS - 1]++;
}

static void
thing_finalize(struct object *o)
{
    struct thing *t = (struct thing *)(void *)o, *fresh;
    char key = (char)mood;

    CHECK(gc_collect(mood % GC_GENERATIONS).was_skipped && !gc_safe_point());
    switch (is_over ? 3 : mood % 8) {
    case 0: /* it is revived */
    case 1:
        keep(o, mood % 8 == 1);
        break;
    case 2:
        CHECK(weak_set(&weaks[mood], mood < 16 || t->first == NULL ? o : t->first) == 0);
        break;
    case 3:
        object_unref(&t->first);
        break;
    case 4: /* a ring with something new */
        if (t->first != NULL)
            break;
        fresh = mem_must(OBJECT_NEW(&types[0]));
        fresh->first = object_ref(o);
        t->first = &fresh->object;
        break;
    case 5:
        keep(t->second, mood < 16);
        break;
    case 6:
        weak_watch_stop(&watches[mood]);
        CHECK(weak_watch_start(&watches[mood], mood < 16 || t->second == NULL ? o : t->second, on_death, NULL) == 0);
        break;
    default:
        CHECK(weakmap_put(map, slice_of(&key, 1), o) == 0 && weakset_add(set, o) >= 0);
    }
}

/* What a callback may do. */
static void
let_go(unsigned i)
{
    CHECK(gc_collect(i % GC_GENERATIONS).was_skipped && !gc_safe_point());
    if (i % 2 == 0 && n_pins[i / 2] == 0)
        object_unref(&slots[i / 2]);
}

static void
on_death(struct weak_watch *w, void *arg)
{
    let_go((unsigned)(w - watches));
}

static void
on_end(void *arg)
{
    let_go((unsigned)(uintptr_t)arg);
}

static void
on_collection(void *arg, unsigned generation, const struct gc_result *result)
{
    let_go(mood);
}
static struct gc_callback callback = { .fn = on_collection };

static void
walk_slots(void *owner, object_visit_fn *visit, void *arg)
{
    for (unsigned i = 0; i < N_SLOTS; i++)
        visit(&slots[i], arg);
}
static struct gc_root root = { .name = "slots", .walk = walk_slots };

static void
check(void)
{
    struct gc_unexplained u;

    gc_check();
    CHECK(gc_unexplained(&u, 1) == 0);
}

static void
unpin(unsigned i)
{
    n_pins[i]--;
    object_unpin(slots[i]);
}

static void
drop(unsigned i)
{
    while (n_pins[i] > 0)
        unpin(i);
    object_unref(&slots[i]);
}

static void
step(unsigned op, unsigned a, unsigned b)
{
    struct thing *t = (struct thing *)(void *)slots[a];
    struct object *old;

    switch (op) {
    case 0:
        drop(a);
        if (slots[a] == NULL)
            slots[a] = mem_must(OBJECT_NEW(&types[b % ORB_N_ELEMENTS(types)]));
        break;
    case 1:
    case 2:
        if (t == NULL)
            break;
        old = op == 1 ? t->first : t->second;
        *(op == 1 ? &t->first : &t->second) = slots[b] == NULL ? NULL : object_ref(slots[b]);
        object_unref(&old);
        break;
    case 3:
        drop(a);
        break;
    case 4:
        gc_collect(b % GC_GENERATIONS);
        check();
        break;
    case 5:
        CHECK(weak_set(&weaks[b], slots[a]) == 0);
        break;
    case 6:
        drop(b);
        if (slots[b] == NULL)
            slots[b] = weak_get(&weaks[a]);
        break;
    case 7:
        weak_watch_stop(&watches[b]);
        if (slots[a] != NULL)
            CHECK(weak_watch_start(&watches[b], slots[a], on_death, NULL) == 0);
        break;
    case 8:
        if (slots[a] != NULL)
            CHECK(weakmap_put(map, slice_of((const char *)&b, 1), slots[a]) == 0);
        break;
    case 9:
        drop(a);
        if (slots[a] == NULL)
            slots[a] = weakmap_get(map, slice_of((const char *)&b, 1));
        break;
    case 10:
        if (slots[a] != NULL)
            CHECK(weakset_add(set, slots[a]) >= 0);
        break;
    case 11:
        (void)!weakmap_remove(map, slice_of((const char *)&b, 1));
        if (slots[a] != NULL)
            (void)!weakset_remove(set, slots[a]);
        break;
    case 12:
        if (slots[a] != NULL && n_pins[a] < 4) {
            object_pin(slots[a]);
            n_pins[a]++;
        }
        break;
    case 13:
        if (n_pins[a] > 0)
            unpin(a);
        break;
    case 14:
        (b % 2 == 0 ? gc_freeze : gc_unfreeze)();
        break;
    default:
        switch (b % 4) {
        case 0:
            gc_safe_point();
            break;
        case 1:
            mood = a;
            break;
        case 2:
            if (slots[a] != NULL)
                (void)mem_must(weak_finalize(slots[a], on_end, (void *)(uintptr_t)b));
            break;
        default:
            gc_callback_remove(&callback);
            if (a % 2 == 0)
                gc_callback_add(&callback);
        }
    }
}

/* A callback or a finalizer may fill or empty a slot while it is dropped: once more until all are empty. */
static void
drop_all(void)
{
    struct object *left[256];
    size_t n;

    gc_unfreeze();
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < N_SLOTS; i++)
            drop(i);
        gc_collect(2);
        n = gc_uncollectable(left, ORB_N_ELEMENTS(left));
        n = ORB_MIN(n, ORB_N_ELEMENTS(left));
        for (size_t i = 0; i < n; i++)
            object_pin(left[i]);
        for (size_t i = 0; i < n; i++)
            thing_clear(left[i]);
        for (size_t i = 0; i < n; i++)
            object_unpin(left[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    static const unsigned few[GC_GENERATIONS] = { 4, 2, 2 };

    gc_set_thresholds(few);
    gc_set_check(true);
    mood = 0;
    is_over = false;
    gc_root_add(&root);
    CHECK(weakmap_new(&map, MEM_CACHE) == 0 && weakset_new(&set, MEM_CACHE) == 0);
    for (size_t i = 0; i + 2 < n_bytes; i += 3)
        step(bytes[i] % 16, bytes[i + 1] % N_SLOTS, bytes[i + 2] % N_SLOTS);
    check();
    is_over = true;
    gc_callback_remove(&callback);
    for (unsigned i = 0; i < N_SLOTS; i++) {
        weak_watch_stop(&watches[i]);
        weak_clear(&weaks[i]);
    }
    drop_all();
    check();
    CHECK(heap_n_objects() == 0);
    CHECK(weakmap_count(map) == 0 && weakset_count(set) == 0);
    weakmap_free(&map);
    weakset_free(&set);
    gc_root_remove(&root);
    return 0;
}
