/* roots.h - named places outside the heap that hold references
 *
 * Counting and collecting need no roots. They are there to explain: the shortest chain from an object to a root says who
 * holds it, and at a safe point   refs = references from objects + references from roots   must be true of every object;
 * a surplus names a missing unref, a deficit a missing ref.
 *
 * Two kinds: one reference (a static, a field of a struct that lives long), or a walk over many (a table, a list of jobs).
 * Ownership  the struct is embedded in its owner, who removes it before he goes.
 */
#ifndef ORB_GC_ROOTS_H
#define ORB_GC_ROOTS_H

#include "gc/object.h"
#include "pool/list.h"

struct gc_root {
    struct list node;
    const char *name;              /* "worker.jobs", "cache.strong"; BORROWED, static */
    struct object **reference;     /* one; or NULL, and */
    void (*walk)(void *owner, object_visit_fn *visit, void *arg); /* calls visit for each reference that the owner holds */
    void *owner;
};

void gc_root_add(struct gc_root *r);
void gc_root_remove(struct gc_root *r); /* zeroed: does nothing */
/* each(root, reference) over all roots; NULL references are left out. */
void gc_roots_each(void (*each)(void *arg, const struct gc_root *root, struct object **reference), void *arg);

struct gc_unexplained {
    struct object *object;         /* BORROWED */
    int64_t surplus;               /* refs - references from objects - references from roots - pins */
};
/* At a safe point: at most max of them are written, those with the largest surplus; returns how many there are. */
int64_t gc_unexplained(struct gc_unexplained *out, size_t max);

#endif
