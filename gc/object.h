/* object.h - shared things: a count, a type, and where they were made
 *
 * Host, Page, Fetch, Robots and the like begin with a struct object. Its count belongs to *references*:
 *   NEW       the caller owns one reference and must unref it.
 *   BORROWED  the caller may look, as long as the lender lives.
 *   STEALS    the callee takes the caller's reference and writes NULL.
 *   KEEPS     the callee takes a reference of its own.
 * Single-threaded: an object never crosses threads.
 *
 *            object_new                object_unref, refs = 0        type->release
 *   nothing -----------> LIVE (refs>=1) ---------------------> DYING -------------> memory goes back
 *
 * Invariant  gcn is 0 outside a collection; type is valid from object_new() until the memory is gone.
 */
#ifndef ORB_GC_OBJECT_H
#define ORB_GC_OBJECT_H

#include "pool/mem.h"

struct object;

/* A place in the source that makes objects; static, one per call of OBJECT_NEW. */
struct object_site {
    const char *file;
    const char *function;
    int line;
    uint32_t id; /* 0 until first use */
};

enum object_type_flags {
    OBJECT_ACYCLIC = 1, /* holds no reference that could lead back to itself: never looked at by the collector */
    OBJECT_WEAKABLE = 2 /* weak references to it may be made */
};

typedef void object_visit_fn(struct object **reference, void *arg);

struct object_type {
    const char *name;
    uint32_t object_bytes;
    uint32_t lifetime_ms;                  /* one that lives longer is overdue; 0 = no promise */
    unsigned flags;
    const uint16_t *pointer_offsets;       /* of strong references inside the object; n of them */
    unsigned n_pointers;
    void (*visit)(struct object *o, object_visit_fn *visit, void *arg); /* references that have no fixed offset; may be NULL */
    void (*clear)(struct object *o);       /* drops what it refers to; may be NULL: then the fixed pointers are dropped */
    void (*release)(struct object *o);     /* frees what else it owns; the memory of *o itself goes afterwards */
    /* private */
    uint16_t id;                           /* 0 until first use */
};

struct object {
    uint32_t refs;
    uint16_t type;
    uint8_t flags;
    uint8_t age;
    uint32_t site;
    uint32_t gcn;
};

struct object_type_stats {
    const char *name;
    uint64_t n_made, n_live, live_bytes;
};

/* NEW, zeroed behind the header; NULL when out of memory. The type is registered at first use and must be static. */
void *object_new(struct object_type *type, struct object_site *site) ORB_MUST_USE;

#define OBJECT_NEW(type)                                                                                               \
    ({                                                                                                                 \
        static struct object_site object_site_here = { __FILE__, NULL, __LINE__, 0 };                                  \
        object_site_here.function = __func__;                                                                          \
        object_new((type), &object_site_here);                                                                         \
    })

struct object *object_ref(struct object *o); /* returns o, which is not NULL */
void object_unref(struct object **o);        /* *o becomes NULL; NULL inside is fine */
bool object_is(const struct object *o, const struct object_type *type);

#define CHECK_OBJECT(ptr, expected_type) CHECK((ptr) != NULL && object_is(&(ptr)->object, (expected_type)))

/* Census of registered types: fills at most max entries, returns how many types there are. */
unsigned object_census(struct object_type_stats *out, unsigned max);

#endif
