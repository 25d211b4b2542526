/* weak_internal.h - inside gc/: who wants to know of a death, beside the struct weak */
#ifndef ORB_GC_WEAK_INTERNAL_H
#define ORB_GC_WEAK_INTERNAL_H

#include "gc/object_internal.h"

enum weak_note_kind { WEAK_NOTE_FREE, WEAK_NOTE_WATCH, WEAK_NOTE_MAP, WEAK_NOTE_SET };

struct weak_note { /* in the place of a struct weak_cell */
    void *who;     /* struct weak_watch, weakmap_entry, weakset */
    uint32_t kind;
    uint32_t next; /* of the same cell; or the free list */
};
_Static_assert(sizeof(struct weak_note) == sizeof(struct weak_cell) && offsetof(struct weak_note, next) == offsetof(struct weak_cell, next),
               "notes are cells");

/* One more reference to o's cell, which is made when there is none. */
int weak_cell_of(struct object *o, uint32_t *cell) ORB_MUST_USE;
uint32_t weak_cell_peek(const struct object *o); /* BORROWED; 0: none */
void weak_cell_unref(uint32_t cell);
/* A note holds a reference to its cell. When o dies it is gone before `who` is told. */
int weak_note_add(struct object *o, void *who, enum weak_note_kind kind, uint32_t *cell, uint32_t *note) ORB_MUST_USE;
void weak_note_remove(uint32_t cell, uint32_t note);

/* Told of a death: drop the entry. They allocate nothing and call nobody. */
struct weakmap_entry;
void weakmap_forget(struct weakmap_entry *e);
void weakset_forget(struct weakset *s, const struct object *o);

#endif
