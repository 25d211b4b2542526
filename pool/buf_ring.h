/* buf_ring.h - inside pool/: body buffers between two bodies
 *
 * Buffers of domain buf with 4 KiB to 256 KiB are handed from body to body: growth takes the next class, copies once and puts the
 * old one back, so that no chain of reallocations runs through the allocator. Idle ones are slack, not live bytes: to the domain's
 * counters, limits and failures buf_ring_get() is an allocation and buf_ring_put() a free.
 *
 * Idle ones decay like a pool's: buf_ring_tick() frees half of what stood unused since the tick before.
 */
#ifndef ORB_POOL_BUF_RING_H
#define ORB_POOL_BUF_RING_H

#include "pool/mem.h"

#define BUF_RING_LEAST_BYTES 4096u
#define BUF_RING_MOST_BYTES 262144u
#define BUF_RING_N_CLASSES 13 /* 4 KiB, 6, 8, 12, ... 192, 256 */

/* What a buffer for n_bytes is made with; 0: not the ring's business. The same for every size of one class. */
size_t buf_ring_class_bytes(size_t n_bytes);
void *buf_ring_get(size_t class_bytes) ORB_MUST_USE; /* NEW, of MEM_BUF: mem_free() may take it too, after buf_ring_lose() */
void buf_ring_put(void *p, size_t class_bytes);
void buf_ring_lose(size_t class_bytes);              /* it will not come back */

void buf_ring_tick(void);
void buf_ring_flush(void);
size_t buf_ring_idle_bytes(void); /* as the allocator counts them */

#endif
