/* object.h - shared things: a count, a type, and where they were made
 *
 * Host, Page, Fetch, Robots and the like begin with a struct object. Its count belongs to *references*:
 *   NEW       the caller owns one reference and must unref it.
 *   BORROWED  the caller may look, as long as the lender lives.
 *   STEALS    the callee takes the caller's reference and writes NULL.
 *   KEEPS     the callee takes a reference of its own.
 * Single-threaded: an object never crosses threads. Other threads post messages.
 *
 *            object_new        object_unref, refs = 0      finalize, once       clear, release
 *   nothing -----------> LIVE ----------------------> DYING ------------> EMPTY ---------------> slot free
 *                        | ^  refs >= 1                 |  weak references read NULL from DYING on
 *           gc_collect   | | reached from outside       +--> LIVE again: its finalizer took a reference (resurrected)
 *                        v |                            |
 *                      SUSPECT --- nobody outside holds it --> DYING      (the collector holds it until every link is cut)
 *
 * Memory     slots of one type fill 64 KiB slabs (gc/heap.h); a two-pointer object takes 32 bytes and the slab's share.
 * Invariant  gcn is 0 outside a collection, but for the pinned; type is valid from object_new() until the slot is free. [gc_check()]
 */
#ifndef ORB_GC_OBJECT_H
#define ORB_GC_OBJECT_H

#include <stdnoreturn.h>

#include "pool/mem.h"

struct object;

/* A place in the source that makes objects; static, one per call of OBJECT_NEW. */
struct object_site {
    const char *file;
    const char *function;
    int line;
    uint32_t id; /* 0 until first use; < 2^20; the last one is shared by all that found the table full */
};

enum object_type_flags {
    OBJECT_ACYCLIC = 1,       /* holds no reference that could lead back to itself: never looked at by the collector */
    OBJECT_WEAKABLE = 2,      /* weak references to it may be made: 4 bytes more per slot */
    OBJECT_ORDERED = 4,       /* its finalizer needs what it refers to in working order: in a garbage cycle it is
                               * *uncollectable* (listed with its name, never torn down) */
};

typedef void object_visit_fn(struct object **reference, void *arg);

/* Static, for the process's life. What a type may do in its callbacks: finalize may take references to anything, itself
 * included; clear and release may unref and free, and make no references, weak ones neither. When a collection ends o, its
 * neighbours may be looked at in clear, and may be gone in release. */
struct object_type {
    const char *name;
    uint32_t object_bytes;                 /* <= OBJECT_MAX_BYTES */
    uint32_t lifetime_ms;                  /* one that lives longer is overdue; 0 = no promise */
    unsigned flags;
    const uint16_t *pointer_offsets;       /* of strong references inside the object; n of them */
    unsigned n_pointers;
    void (*visit)(struct object *o, object_visit_fn *visit, void *arg); /* references that have no fixed offset; may be NULL */
    void (*finalize)(struct object *o);    /* once in an object's life, before anything of it is gone; may be NULL */
    void (*clear)(struct object *o);       /* drops what it refers to; may be NULL: then the fixed pointers are dropped.
                                            * A type with visit has a clear that drops those too. May run twice. */
    void (*release)(struct object *o);     /* frees what else it owns; the slot itself goes afterwards */
    size_t (*owned_bytes)(const struct object *o); /* bytes outside the slot that go with it (buffers, arenas); may be NULL */
    void (*describe)(const struct object *o, char *to, size_t cap); /* "https://example.org/a": for people; may be NULL */
    /* private */
    uint16_t id;                           /* 0 until first use */
};

#define OBJECT_MAX_BYTES 16000

enum object_flags { /* of struct object.flags */
    OBJECT_GENERATION = 3,    /* 0 = not tracked (acyclic or frozen), 1 = young, 2 = middle, 3 = old */
    OBJECT_UNCOLLECTABLE = 4, /* an OBJECT_ORDERED one that the last look at it found in a garbage cycle */
    OBJECT_FINALIZED = 8,     /* finalize has run */
    OBJECT_PINNED = 16,       /* the collector takes it for held from outside: object_pin() */
    OBJECT_HAS_WEAK = 32,     /* a weak cell points here */
    OBJECT_FOUND = 64,        /* inside a collection: uncollectable, and not known to be before */
    OBJECT_DYING = 128        /* from refs = 0 on: its weak references read NULL */
};

struct object { /* 16 bytes */
    uint32_t refs;            /* OBJECT_IMMORTAL_REFS = never counted again */
    uint16_t type;
    uint8_t flags;            /* enum object_flags */
    uint8_t age;              /* full collections survived, saturating */
    uint32_t site;            /* 20 bits of site id, 12 bits of birth epoch (gc_epoch()) */
    uint32_t gcn;             /* references from inside, while a collection counts; a pinned one's pins; a dying one's link */
};
_Static_assert(sizeof(struct object) == 16, "the header is 16 bytes");

#define OBJECT_IMMORTAL_REFS 0x7fffffffu
#define OBJECT_SITE_BITS 20

/* NEW, zeroed behind the header; NULL when out of memory. The type is registered at first use and must be static. */
void *object_new(struct object_type *type, struct object_site *site) ORB_MUST_USE;

#define OBJECT_NEW(type)                                                                                               \
    ({                                                                                                                 \
        static struct object_site object_site_here = { __FILE__, NULL, __LINE__, 0 };                                  \
        object_site_here.function = __func__;                                                                          \
        object_new((type), &object_site_here);                                                                         \
    })

/* n at once, in out[0 .. n-1]: as n OBJECT_NEW()s, and cheaper. false: out of memory, none was made, out holds anything.
 * The type is OBJECT_ACYCLIC. */
bool object_new_many(struct object_type *type, struct object_site *site, struct object **out, size_t n) ORB_MUST_USE;

#define OBJECT_NEW_MANY(type, out, n)                                                                                  \
    ({                                                                                                                 \
        static struct object_site object_site_here = { __FILE__, NULL, __LINE__, 0 };                                  \
        object_site_here.function = __func__;                                                                          \
        object_new_many((type), &object_site_here, (out), (n));                                                        \
    })
/* As n object_unref()s in that order, and cheaper for *leaves*: acyclic ones without callbacks of death, pointers or weak
 * references, which go at once and not by way of the list of the dying. All are of one type; none is NULL. */
void object_unref_many(struct object **refs, size_t n);

/* private: decrefs to non-zero of tracked objects, by generation; [0] is for the rest. A garbage ring comes to be by one of
 * them (Bacon and Rajan 2001), or by a *move*: its last reference from outside is stored in one of its own (STEALS), and no
 * count says so. So a young or middle collection is skipped without them, and a full one never is: what was moved waits for it. */
extern uint64_t object_candidates[4];
void object_die(struct object *o);       /* refs has become 0 */
void object_unref_last(struct object *o); /* refs is 1 (the end), or immortal, or a bug */
struct object *object_ref_odd(struct object *o) __attribute__((cold)); /* immortal, or a bug: dead, or too many references */

static inline struct object * /* returns o, which is not NULL */
object_ref(struct object *o)
{
    uint32_t refs = o->refs;

    if (__builtin_expect(refs - 1u >= OBJECT_IMMORTAL_REFS - 1u, 0))
        return object_ref_odd(o);
    o->refs = refs + 1;
    return o;
}

static inline void /* *pp becomes NULL; NULL inside is fine */
object_unref(struct object **pp)
{
    struct object *o = *pp;
    uint32_t refs;

    if (o == NULL)
        return;
    *pp = NULL;
    refs = o->refs;
    if (__builtin_expect(refs - 2u >= OBJECT_IMMORTAL_REFS - 2u, 0)) {
        object_unref_last(o);
        return;
    }
    o->refs = refs - 1;
    object_candidates[o->flags & OBJECT_GENERATION]++;
}

bool object_is(const struct object *o, const struct object_type *type);
size_t object_slot_bytes(const struct object_type *type); /* what one takes of its slab; 0 before the first one is made */
#define CHECK_OBJECT(ptr, expected_type) CHECK((ptr) != NULL && object_is(&(ptr)->object, (expected_type)))

void object_make_immortal(struct object *o); /* lives until the process ends; uncounted from now on */
void object_pin(struct object *o);           /* one reference more; nests up to 2^16; what C code holds by address alone */
void object_unpin(struct object *o);         /* gives that reference back: it may die now */

const struct object_type *object_type_of(const struct object *o); /* BORROWED */
const struct object_site *object_site_of(const struct object *o); /* BORROWED */
const struct object_type *object_type_by_id(unsigned id);         /* NULL beyond the last; ids begin at 1 */
const struct object_site *object_site_by_id(uint32_t id);
/* Sites beyond the table's 8190 share one, "(other sites)": this many do; 0 = all have their own. */
uint64_t object_n_sites_unnamed(void);

struct object_type_stats {
    const char *name;
    uint64_t n_made, n_live, live_bytes; /* bytes of slots */
};
/* Counters of registered types: fills at most max entries, returns how many types there are. */
unsigned object_census(struct object_type_stats *out, unsigned max);

#endif
