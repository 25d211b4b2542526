/* slab.h - 64 KiB blocks of one reserved range of addresses: the ground that domains and objects stand on
 *
 * The process reserves a range once (PROT_NONE or NORESERVE: it costs nothing until it is touched). Blocks are aligned to their
 * size, so that the block of any address inside the range is the address with the low 16 bits off, and "is it ours?" is one
 * comparison. mem.c carves blocks of up to 1 KiB out of them; gc/heap.c takes whole ones for objects of one type.
 *
 *   (reserved) --get--> IN USE --put--> EMPTY, kept by its domain (up to SLAB_KEEP_BYTES) --mem_tick, mem_purge--> given to the kernel
 *                          ^--------------get-----'  <----------------------------get-------------------------------'
 *
 * Ownership  slab_block_get() is NEW; slab_block_put() of the same domain takes it back. Counted in the domain (mem_stats(): slab
 *            bytes), not in its live bytes: its user counts those.
 * Errors     NULL: the range is used up, or the domain's hard limit.
 * Threads    any.
 */
#ifndef ORB_POOL_SLAB_H
#define ORB_POOL_SLAB_H

#include "pool/mem.h"

#define SLAB_BYTES 65536u
#define SLAB_KEEP_BYTES ((size_t)256 << 10)

void *slab_block_get(enum mem_domain domain) ORB_MUST_USE; /* NEW; contents are anything */
void slab_block_put(enum mem_domain domain, void *block);
/* gc/ counts what lives inside its blocks here: bytes and blocks of memory, +1 or -1 allocation. */
void slab_count_live(enum mem_domain domain, ptrdiff_t n_bytes);
/* +1 allocation of n_bytes, unless the domain's hard limit or a test's failure refuses it: then false, and nothing is counted. */
bool slab_try_live(enum mem_domain domain, size_t n_bytes) ORB_MUST_USE;
/* The same for n_blocks allocations at once, n_bytes together: all of them or none. */
bool slab_try_live_many(enum mem_domain domain, size_t n_bytes, uint64_t n_blocks) ORB_MUST_USE;
/* Many at once have gone. */
void slab_count_dead(enum mem_domain domain, size_t n_bytes, uint64_t n_blocks);
/* What mem_verify() compares that count with: the live bytes that gc/ finds when it walks its blocks. */
void slab_set_walk(size_t (*live_bytes)(enum mem_domain domain));

#endif
