/* mem_plain.c - with ORB_PLAIN_MEMORY: every allocation goes to malloc, nothing is counted, limited, sampled or made to fail
 *
 * For one comparison: what the domains cost (tests/bench/memory_cost.py). Tests do not pass with it.
 */
#include "pool/mem.h"

#ifdef ORB_PLAIN_MEMORY
#include <malloc.h>
#include <stdlib.h>

void *
mem_alloc(enum mem_domain domain, size_t n_bytes)
{
    return malloc(n_bytes);
}

void *
mem_zalloc(enum mem_domain domain, size_t n_bytes)
{
    return calloc(1, n_bytes);
}

void *
mem_realloc(enum mem_domain domain, void *p, size_t n_bytes)
{
    return realloc(p, n_bytes == 0 ? 1 : n_bytes);
}

void
mem_free(enum mem_domain domain, void *p)
{
    free(p);
}

size_t
mem_usable_bytes(const void *p)
{
    return malloc_usable_size((void *)(uintptr_t)p);
}
#endif
