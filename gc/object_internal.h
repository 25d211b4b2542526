/* object_internal.h - inside gc/: what the files of the runtime ask of one another */
#ifndef ORB_GC_OBJECT_INTERNAL_H
#define ORB_GC_OBJECT_INTERNAL_H

#include "gc/collect.h"
#include "gc/heap_slab.h"
#include "gc/weak.h"

/* object.c */
void object_clear(struct object *o, const struct object_type *t); /* every reference it holds is dropped */
bool object_defer_deaths(bool is_deferring); /* on: the dead only queue; off: they are torn down; returns what it was */
bool object_is_tearing_down(void);
uint64_t object_n_resurrected(void);         /* at refs = 0, not by a collection */

/* weak.c */
void weak_let_go(struct object *o);          /* its cell reads NULL; its watchers wait for weak_run_callbacks() */
void weak_run_callbacks(void);
void weak_check(void);                       /* gc_check()'s part: cells and who points at them */

#endif
