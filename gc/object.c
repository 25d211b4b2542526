#include "gc/object.h"

/* Destruction never recurses: an object whose count falls to zero while another is being torn down waits in a list that
 * is threaded through the dead themselves (a dying object's header counts nothing any more, so it holds the link). A
 * chain of ten million objects dies in constant stack. */

#define OBJECT_MAX_TYPES 256
#define OBJECT_DYING 0x80u
#define OBJECT_IMMORTAL_REFS 0x7fffffffu

struct dead {
    struct object *next; /* overlays refs, type, flags, age */
    uint16_t type;       /* overlays site */
};
_Static_assert(sizeof(struct dead) <= sizeof(struct object), "a dead object's link fits its header");

static struct object_type *types[OBJECT_MAX_TYPES];
static struct object_type_stats stats[OBJECT_MAX_TYPES];
static unsigned n_types = 1; /* 0 means: not registered */
static uint32_t n_sites = 1;
static struct object *pending; /* dead, not yet torn down */
static bool is_tearing_down;

static void
type_register(struct object_type *t)
{
    CHECK(n_types < OBJECT_MAX_TYPES);
    CHECK(t->object_bytes >= sizeof(struct object));
    t->id = (uint16_t)n_types++;
    types[t->id] = t;
    stats[t->id].name = t->name;
}

void *
object_new(struct object_type *t, struct object_site *site)
{
    struct object *o;

    if (t->id == 0)
        type_register(t);
    if (site->id == 0)
        site->id = n_sites++;
    o = mem_zalloc(MEM_OBJ, t->object_bytes);
    if (o == NULL)
        return NULL;
    o->refs = 1;
    o->type = t->id;
    o->site = site->id;
    stats[t->id].n_made++;
    stats[t->id].n_live++;
    stats[t->id].live_bytes += t->object_bytes;
    return o;
}

struct object *
object_ref(struct object *o)
{
    CHECK(o != NULL && o->refs > 0 && o->refs < OBJECT_IMMORTAL_REFS);
    o->refs++;
    return o;
}

static void
drop_pointers(struct object *o, const struct object_type *t)
{
    for (unsigned i = 0; i < t->n_pointers; i++)
        object_unref((struct object **)(void *)((char *)o + t->pointer_offsets[i]));
}

static void
tear_down(struct object *o, struct object_type *t)
{
    if (t->clear != NULL)
        t->clear(o);
    else
        drop_pointers(o, t);
    if (t->release != NULL)
        t->release(o);
    stats[t->id].n_live--;
    stats[t->id].live_bytes -= t->object_bytes;
    mem_free(MEM_OBJ, o);
}

static void
tear_down_pending(void)
{
    is_tearing_down = true;
    while (pending != NULL) {
        struct object *o = pending;
        struct dead *d = (struct dead *)(void *)o;
        struct object_type *t = types[d->type];

        pending = d->next;
        *o = (struct object){ .type = t->id, .flags = OBJECT_DYING };
        tear_down(o, t);
    }
    is_tearing_down = false;
}

void
object_unref(struct object **pp)
{
    struct object *o = *pp;
    struct dead *d;
    uint16_t type;

    if (o == NULL)
        return;
    *pp = NULL;
    CHECK(o->refs > 0);
    if (--o->refs > 0)
        return;
    type = o->type;
    CHECK(type > 0 && type < n_types);
    d = (struct dead *)(void *)o;
    d->next = pending;
    d->type = type;
    pending = o;
    if (!is_tearing_down)
        tear_down_pending();
}

bool
object_is(const struct object *o, const struct object_type *t)
{
    return t->id != 0 && o->type == t->id;
}

unsigned
object_census(struct object_type_stats *out, unsigned max)
{
    for (unsigned i = 1; i < n_types && i - 1 < max; i++)
        out[i - 1] = stats[i];
    return n_types - 1;
}
