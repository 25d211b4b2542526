#include "storage/storage.h"

#include "pool/mem_hooks.h"

#include <libdeflate.h>
#include <pthread.h>
#include <sqlite3.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool hooks_took;

/* sqlite3 asks in int, and wants to know how large a block turned out. */
static void *
hook_malloc(int n_bytes)
{
    return n_bytes <= 0 ? NULL : mem_sqlite_malloc((size_t)n_bytes);
}

static void *
hook_realloc(void *p, int n_bytes)
{
    return mem_sqlite_realloc(p, (size_t)n_bytes);
}

static int
hook_size(void *p)
{
    return p == NULL ? 0 : (int)mem_usable_bytes(p);
}

static int
hook_roundup(int n_bytes)
{
    return (n_bytes + 7) & ~7;
}

static int
hook_init(void *arg)
{
    return SQLITE_OK;
}

static void
hook_shutdown(void *arg)
{
}

static void *
deflate_malloc(size_t n_bytes)
{
    return mem_alloc(MEM_BUF, n_bytes);
}

static void
deflate_free(void *p)
{
    mem_free(MEM_BUF, p);
}

static void
init_once(void)
{
    static const sqlite3_mem_methods methods = { hook_malloc, mem_sqlite_free, hook_realloc, hook_size,
                                                 hook_roundup, hook_init, hook_shutdown, NULL };
    void *probe;

    libdeflate_set_memory_allocator(deflate_malloc, deflate_free); /* of one process: crawler/decode sets the same domain */
    /* The domain counts already: sqlite3's own statistics would take a mutex per allocation. */
    if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK || sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        return;
    mem_hook_begin(MEM_SQLITE);
    probe = sqlite3_malloc(100);
    hooks_took = probe == NULL || mem_hook_end(MEM_SQLITE) == MEM_HOOK_WORKS;
    sqlite3_free(probe);
}

void
storage_init(void)
{
    pthread_once(&once, init_once);
}

bool
storage_hooks_took(void)
{
    storage_init();
    return hooks_took;
}
