/* buf_ring.h - inside pool/: body buffers between two bodies
 *
 * Buffers of domain buf with 4 KiB to 256 KiB are handed from body to body: growth takes the next class, copies once and puts the
 * old one back, so that no chain of reallocations runs through the allocator. Idle ones are slack, not live bytes: to the domain's
 * counters, limits and failures buf_ring_get() is an allocation and buf_ring_put() a free.
 *
 * Idle ones decay like a pool's: buf_ring_tick() frees half of what stood unused since the tick before.
 *
 * A lease notes who borrowed and when. Its number goes with the buffer (struct buf), so that its end is found at once. All classes
 * share one table that never grows: a lease that finds it full is counted as in use, but cannot become overdue.
 *
 * Threads    any; what one of them borrows another may put back.
 * Limits     BUF_RING_MAX_LEASES; buf_ring_overdue() shows the BUF_RING_MAX_SHOWN oldest.
 */
#ifndef ORB_POOL_BUF_RING_H
#define ORB_POOL_BUF_RING_H

#include "pool/mem.h"

#define BUF_RING_LEAST_BYTES 4096u
#define BUF_RING_MOST_BYTES 262144u
#define BUF_RING_N_CLASSES 13 /* 4 KiB, 6, 8, 12, ... 192, 256 */
#define BUF_RING_MAX_LEASES 2048 /* some 500 fetches with a few bodies each */
#define BUF_RING_MAX_SHOWN 32

/* What a buffer for n_bytes is made with; 0: not the ring's business. The same for every size of one class. */
size_t buf_ring_class_bytes(size_t n_bytes);
/* NEW, of MEM_BUF: mem_free() may take it too, after buf_ring_lose(). site NULL: no lease runs; KEEPS site. */
void *buf_ring_get(size_t class_bytes, const char *site, uint16_t *lease) ORB_MUST_USE;
void buf_ring_put(void *p, size_t class_bytes, uint16_t lease);
void buf_ring_lose(size_t class_bytes, uint16_t lease); /* it will not come back */

/* As pool_overdue(), of one class. */
void buf_ring_overdue(unsigned class, void (*visit)(const char *site, uint64_t lent_ms, void *arg), void *arg);
void buf_ring_tick(uint64_t now_ms);
void buf_ring_flush(void);
size_t buf_ring_idle_bytes(void); /* as the allocator counts them */

#endif
