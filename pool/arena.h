/* arena.h - many small allocations with one end
 *
 * Memory for the lifespan of a page, a message or a command: allocated piece by piece, freed all at once.
 * Foreign handles (a curl list, a parser context) hang on it by a cleanup callback; callbacks run last-in first-out.
 *
 * Ownership  everything returned is BORROWED from the arena until arena_reset() or arena_fini().
 * Errors     NULL: out of memory, or the ceiling was reached.
 */
#ifndef ORB_POOL_ARENA_H
#define ORB_POOL_ARENA_H

#include "pool/mem.h"

struct arena_chunk;
struct arena_cleanup;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    struct arena_cleanup *cleanups;
    size_t used_bytes;          /* handed out since the last reset */
    size_t chunk_bytes;
    size_t ceiling_bytes;
    enum mem_domain domain;
};

void arena_init(struct arena *a, enum mem_domain domain, size_t chunk_bytes, size_t ceiling_bytes);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* runs cleanups, keeps one chunk */
void *arena_alloc(struct arena *a, size_t n_bytes) ORB_MUST_USE;  /* 16-byte aligned */
void *arena_zalloc(struct arena *a, size_t n_bytes) ORB_MUST_USE;
char *arena_dup(struct arena *a, struct slice s) ORB_MUST_USE;    /* NUL added at [n] */
size_t arena_held_bytes(const struct arena *a);                   /* of its chunks, used or not */
int arena_on_reset(struct arena *a, void (*cleanup)(void *), void *arg) ORB_MUST_USE;

#endif
