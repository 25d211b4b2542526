/* mem_large.h - inside pool/: blocks above 1 KiB, from the domain's own jemalloc arena (or malloc, where jemalloc is not built in)
 *
 * A thread that asks often for large blocks of a domain gets a cache of its own for it; no other thread and no other domain
 * touches that cache. Otherwise nothing is cached: a block freed through another domain's cache, or the thread's own, would come
 * out of it again under the wrong name.
 */
#ifndef ORB_POOL_MEM_LARGE_H
#define ORB_POOL_MEM_LARGE_H

#include "pool/mem_count.h"

void *large_alloc(struct slot *s, enum mem_domain d, size_t n_bytes, bool is_zeroed);
void *large_realloc(struct slot *s, enum mem_domain d, void *p, size_t n_bytes, size_t old_bytes);
void large_free(struct slot *s, enum mem_domain d, void *p, size_t n_bytes);
void large_count(struct slot *s, enum mem_domain d, void *p, size_t n_bytes, bool is_alloc); /* without doing it */
void large_release(struct slot *s, enum mem_domain d, void *p);                              /* without counting it */
size_t large_usable_bytes(const void *p);
size_t large_bytes_for(size_t n_bytes); /* what a block of n_bytes will count as; without jemalloc at most */

void large_retire(struct slot *s);   /* empties its caches: the thread ends, or is asked to */
void large_look(void);               /* reads the allocator's figures anew */
void large_purge(struct slot *s);
size_t large_slack_bytes(enum mem_domain d);         /* pages held and not allocated, as of the last large_look() */
size_t large_live_bytes(enum mem_domain d, bool *is_known); /* as the allocator has it, after large_look() */
size_t large_cache_bytes(void);      /* taken by the allocator for caches of freed large blocks */
size_t large_outside_bytes(void);    /* allocated by nobody's domain: plain malloc of the C library and others */

#endif
