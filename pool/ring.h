/* ring.h - a first-in first-out queue of pointers that grows
 *
 * Ownership  BORROWS its elements. Errors: ring_push() ORB_ENOMEM (the ring unchanged), ORB_ETOOBIG at the ceiling.
 * Threads    one; a queue between threads is cluster/journal.c's business.
 */
#ifndef ORB_POOL_RING_H
#define ORB_POOL_RING_H

#include "pool/error.h"
#include "pool/mem.h"

struct ring {
    void **slots;
    size_t head, n, cap; /* cap is 0 or a power of two */
    size_t ceiling;      /* most elements; 0 = none */
    enum mem_domain domain;
};

void ring_init(struct ring *r, enum mem_domain domain, size_t ceiling);
void ring_fini(struct ring *r);
int ring_push(struct ring *r, void *element) ORB_MUST_USE;
void *ring_take(struct ring *r); /* the oldest, or NULL */
void *ring_peek(const struct ring *r);

#endif
