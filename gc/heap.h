/* heap.h - typed slabs: where objects live, and how to walk them
 *
 * A slab is one 64 KiB block of pool/slab.h in domain MEM_OBJ, aligned to its size, for slots of one type; what is known of them
 * lies in a side table (heap_slab.h says why):
 *
 *   +--------------------+-----------------------------------------+          +------------------------------+
 *   | struct heap_slab   | bitmaps: live, young, middle, frozen    |  slots ->| slots, all of slot_bytes     |
 *   +--------------------+-----------------------------------------+          +------------------------------+
 *
 * An object's table is found by the number of its block, its index by a multiplication (no division). live says which slots
 * hold objects; young, middle and frozen are subsets; old = live and none of the others. A free slot is found by live, and
 * poisoned under ASan.
 * The walkers below are for collect.c, census.c and graph.c, and for who answers questions about single objects
 * (cluster/heap_graph.c: an address, or a type's oldest object). Code that works with objects needs object.h only.
 */
#ifndef ORB_GC_HEAP_H
#define ORB_GC_HEAP_H

#include "gc/object.h"

#define HEAP_SLAB_BYTES 65536u

struct heap_slab; /* heap.c fills in the fields in gc/heap_slab.h */

typedef void heap_each_fn(void *arg, struct object *o);
/* All objects, in slab order: all generations, the frozen and the acyclic. Nothing may be made or die meanwhile. */
void heap_each(heap_each_fn *each, void *arg);
/* All strong references of o: fixed offsets, then visit. NULLs are left out. */
void heap_each_reference(struct object *o, object_visit_fn *visit, void *arg);
uint64_t heap_n_objects(void);
/* A number for each object, dense from 0 to heap_index_end(), stable while nothing is made or dies: side tables of graph.c. */
size_t heap_index(const struct object *o);
size_t heap_index_end(void);
struct object *heap_at_index(size_t index); /* NULL: no object there */
/* Is p the address of a living object? For numbers that come from outside ("orb heap 3 referrers 0x..."). */
struct object *heap_find(uintptr_t address);

#endif
