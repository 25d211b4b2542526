/* weak.h - references that do not keep: cells, callbacks, weak-value maps, weak sets, finalizers
 *
 * All weak references to an object share one 16-byte cell; a struct weak is its number. The cell reads NULL from the moment
 * the object is DYING: before its finalizer runs, before anything of it is cleared, whether counting or a collection ends it.
 * (A resurrected object has lost its weak references, as in PEP 442.)
 *
 *   weak_set ---> cell {target, refs} <--- OBJECT_HAS_WEAK, index behind the object's bytes
 *                  | target dies: NULL, then watchers run      | last weak_clear: cell free
 *
 * Ownership  weak_get() returns NEW or NULL; weak_peek() BORROWS until the next unref or collection. A struct weak owns a share
 *            of its cell: weak_clear() gives it back; zero-initialised is empty. Keys of maps are copied.
 * Errors     ORB_ENOMEM, nothing changed. Callbacks run after the teardown of everything that died with the object, outside the
 *            collector; they may allocate, make objects, and clear or set weak references, also of themselves; gc_collect() does
 *            nothing there, since an object_unref() is no safe point.
 * Limits     2^28 cells. Targets are OBJECT_WEAKABLE (CHECK).
 */
#ifndef ORB_GC_WEAK_H
#define ORB_GC_WEAK_H

#include "gc/object.h"
#include "pool/error.h"
#include "pool/list.h"

struct weak {
    uint32_t cell; /* 0 = empty */
};

/* private, here for weak_peek() */
#define WEAK_BLOCK_BITS 12
#define WEAK_MAX_BLOCKS 65536u
struct weak_cell {
    struct object *target;
    uint32_t refs;
    uint32_t next; /* free list; or the first of those who want to know of the death */
};
extern struct weak_cell *weak_blocks[WEAK_MAX_BLOCKS]; /* the first holds number 0 alone, which is always NULL */

static inline struct object *
weak_target(uint32_t cell)
{
    return weak_blocks[cell >> WEAK_BLOCK_BITS][cell & ((1u << WEAK_BLOCK_BITS) - 1)].target;
}

int weak_set(struct weak *w, struct object *o) ORB_MUST_USE; /* o NULL empties; what it referred to before is let go */
void weak_clear(struct weak *w);

static inline struct object *
weak_peek(const struct weak *w)
{
    return weak_target(w->cell);
}

static inline struct object *
weak_get(const struct weak *w)
{
    struct object *o = weak_target(w->cell);

    return o == NULL ? NULL : object_ref(o);
}

struct weak_stats {
    uint64_t n_cells, n_cells_dead, n_watchers, n_callbacks_run, cell_bytes; /* dead: the object is gone, a struct weak is not */
};
void weak_stats(struct weak_stats *out);

/* A callback at an object's end. Embedded in the watcher's owner, who outlives it or stops it. */
struct weak_watch {
    struct list node;
    uint32_t cell, note;
    void (*on_death)(struct weak_watch *w, void *arg);
    void *arg;
};
int weak_watch_start(struct weak_watch *w, struct object *o, void (*on_death)(struct weak_watch *, void *), void *arg) ORB_MUST_USE;
void weak_watch_stop(struct weak_watch *w); /* also after it ran, and when zeroed */

/* finalize(o, fn, arg): fn(arg) once, when o dies or at gc_fini(), whichever comes first (newest first), unless detached. The
 * pointer is valid until fn is called. */
struct weak_finalizer;
struct weak_finalizer *weak_finalize(struct object *o, void (*fn)(void *arg), void *arg) ORB_MUST_USE; /* BORROWED; NULL: no memory */
void weak_finalizer_detach(struct weak_finalizer **f);
void weak_finalizers_run_all(void);

/* Byte-string keys to objects that others keep: an entry is gone when its object is. Sizes by use; shrinks. */
struct weakmap;
int weakmap_new(struct weakmap **out, enum mem_domain domain) ORB_MUST_USE;
void weakmap_free(struct weakmap **m);
int weakmap_put(struct weakmap *m, struct slice key, struct object *o) ORB_MUST_USE; /* replaces */
struct object *weakmap_get(struct weakmap *m, struct slice key); /* NEW or NULL */
bool weakmap_remove(struct weakmap *m, struct slice key);
size_t weakmap_count(const struct weakmap *m);                   /* living ones */
size_t weakmap_ram_bytes(const struct weakmap *m);
/* each() gets a BORROWED key and object; the map must not change meanwhile. */
void weakmap_each(struct weakmap *m, void (*each)(void *arg, struct slice key, struct object *o), void *arg);

/* Objects that others keep, each once. */
struct weakset;
int weakset_new(struct weakset **out, enum mem_domain domain) ORB_MUST_USE;
void weakset_free(struct weakset **s);
int weakset_add(struct weakset *s, struct object *o) ORB_MUST_USE; /* 1 = was new, 0 = was there */
bool weakset_remove(struct weakset *s, const struct object *o);
bool weakset_has(const struct weakset *s, const struct object *o);
size_t weakset_count(const struct weakset *s);
void weakset_each(struct weakset *s, void (*each)(void *arg, struct object *o), void *arg);

#endif
