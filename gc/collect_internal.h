/* collect_internal.h - inside gc/: between collect.c, which collects, and gc_policy.c, which decides when, and keeps the books */
#ifndef ORB_GC_COLLECT_INTERNAL_H
#define ORB_GC_COLLECT_INTERNAL_H

#include "gc/collect.h"
#include "gc/object_internal.h"

/* collect.c, for each collection that ends; in gc_policy.c */
void gc_note_skip(unsigned generation);
void gc_note_collection(unsigned generation, uint64_t n_scanned, uint64_t floating_bytes, const struct gc_result *r);
uint64_t gc_now_ns(void);
void gc_call_back(unsigned generation, const struct gc_result *r); /* r NULL: it starts */
bool gc_is_busy(void);                     /* inside a collection, a teardown, or a callback of either */
void gc_note_candidates(uint64_t n);       /* that this collection begins with */
bool gc_is_checking(void);

#endif
