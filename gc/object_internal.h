/* object_internal.h - inside gc/: what the files of the runtime ask of one another */
#ifndef ORB_GC_OBJECT_INTERNAL_H
#define ORB_GC_OBJECT_INTERNAL_H

#include "gc/collect.h"
#include "gc/heap_slab.h"
#include "gc/weak.h"

/* object.c */
bool object_defer_deaths(bool is_deferring); /* on: the dead only queue; off: they are torn down; returns what it was */
bool object_is_tearing_down(void);
uint64_t object_n_resurrected(void);         /* at refs = 0, not by a collection */

/* weak.c */
void weak_let_go(struct object *o);          /* its cell reads NULL; its watchers wait for weak_run_callbacks() */
extern struct list weak_due;                 /* watches whose object has died */
static inline bool
weak_is_due(void)
{
    return !list_is_empty(&weak_due);
}
void weak_run_callbacks(void);
bool weak_is_calling_back(void);
size_t weak_live_bytes(void);                /* of cells and notes */
void weak_check(void);                       /* gc_check()'s part: cells and who points at them */

/* epoch.c */
extern uint32_t gc_born_bits;                /* gc_epoch() in its place in object.site */

#endif
