/* mem.h - every byte orb allocates, under the name of its owner
 *
 * All memory comes from a *domain*: a named owner with exact live bytes, peak, counts and limits. Long-lived and
 * short-lived memory never share a domain, so that the one does not pin the other's pages. Libraries get the hooks of
 * mem_hooks.h, so that their memory has a domain as well.
 *
 * Ownership  mem_alloc() and friends return NEW memory that mem_free() of the same domain takes back.
 * Threads    any thread may allocate or free in any domain. Each counts for itself and the counts are summed when they are
 *            read: exact for what happened before, whichever threads it happened in. The peak is exact in a process with one
 *            thread; with more it may miss what several of them took at once.
 * Errors     NULL: the machine is out of memory, the domain's hard limit is reached, or a test asked for a failure.
 *            mem_realloc() leaves the old block as it was.
 * Limits     0 bytes are allocated as 1.
 */
#ifndef ORB_POOL_MEM_H
#define ORB_POOL_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/check.h"
#include "pool/slice.h"

enum mem_domain {
    MEM_PAGE,     /* one page's life: headers, parsed links, titles (seconds) */
    MEM_BUF,      /* body bytes on their way through (seconds) */
    MEM_OBJ,      /* struct object (gc/) */
    MEM_CACHE,    /* DNS answers, parsed pages, sessions (minutes to hours) */
    MEM_HOST,     /* what is known of a host: robots, cookies, delays (hours) */
    MEM_FRONTIER, /* seen-set, host queues (whole run) */
    MEM_XML,      /* libxml2 */
    MEM_CURL,     /* libcurl and c-ares */
    MEM_SSL,      /* OpenSSL */
    MEM_SQLITE,   /* sqlite3 */
    MEM_EV,       /* libev */
    MEM_HTTP,     /* libmicrohttpd */
    MEM_JSON,     /* jansson */
    MEM_LOG,      /* log lines and messages between processes */
    MEM_PLUGIN,   /* extraction rules */
    MEM_DEFAULT,  /* the rest: configuration, tables made at start */
    MEM_N_DOMAINS
};

struct mem_stats {
    size_t live_bytes;       /* exact: what the allocator set aside for live blocks */
    size_t peak_bytes;
    size_t large_bytes;      /* of live_bytes: in blocks above 1 KiB, from the domain's arena */
    size_t slab_bytes;       /* 64 KiB slabs held, empty ones that wait for their decay included */
    size_t slack_bytes;      /* held and not live, in slabs and (jemalloc, as of the last mem_look()) in the arena's pages; without
                              * what its cache keeps */
    size_t baseline_bytes;   /* live when mem_set_baseline() was called: what a drained worker must come back to */
    uint64_t n_allocs;
    uint64_t n_frees;
    uint64_t n_failed;       /* refused by the limit or by the machine */
    size_t soft_limit_bytes; /* 0 = none; only reported */
    size_t hard_limit_bytes; /* 0 = none; an allocation above it fails */
};

void *mem_alloc(enum mem_domain domain, size_t n_bytes) ORB_MUST_USE;   /* NEW */
void *mem_zalloc(enum mem_domain domain, size_t n_bytes) ORB_MUST_USE;  /* NEW, zeroed */
void *mem_array(enum mem_domain domain, size_t n, size_t element_bytes) ORB_MUST_USE; /* NEW, zeroed, overflow-checked */
void *mem_realloc(enum mem_domain domain, void *p, size_t n_bytes) ORB_MUST_USE;
void *mem_dup(enum mem_domain domain, const void *bytes, size_t n_bytes) ORB_MUST_USE; /* NEW */
char *mem_strdup(enum mem_domain domain, const char *text) ORB_MUST_USE;               /* NEW */
char *mem_slicedup(enum mem_domain domain, struct slice s) ORB_MUST_USE; /* NEW, NUL added at [n] */
void mem_free(enum mem_domain domain, void *p);                          /* NULL is fine */

/* Frees *pp and writes NULL. */
#define MEM_FREE(domain, pp)                                                                                           \
    do {                                                                                                               \
        mem_free((domain), *(pp));                                                                                     \
        *(pp) = NULL;                                                                                                  \
    } while (0)

/* Bytes that the allocator set aside for p. */
size_t mem_usable_bytes(const void *p);

const char *mem_domain_name(enum mem_domain domain); /* "page", "buf", ...; BORROWED, static */
void mem_stats(enum mem_domain domain, struct mem_stats *out);
size_t mem_live_bytes(void);   /* of all domains */
size_t mem_live_blocks(void);  /* of all domains */
/* Allocated under no domain's name, as of the last mem_look(): plain malloc of the C library and others. 0 where the allocator
 * does not tell (without jemalloc). */
size_t mem_outside_bytes(void);
size_t mem_cache_bytes(void); /* the allocator's own: its caches of freed blocks, a domain's each */
void mem_set_limits(enum mem_domain domain, size_t soft_bytes, size_t hard_bytes);

/* Gives unused pages back to the kernel: empty slabs, free 4 KiB pages inside slabs of domains with more than a quarter of slack,
 * the allocator's own. Slabs of objects (MEM_OBJ) go back only whole. */
void mem_purge(void);

/* About once a second: empty slabs beyond 256 KiB a domain that have been empty for MEM_DECAY_MS go back to the kernel. */
#define MEM_DECAY_MS 5000
void mem_tick(uint64_t now_ms);

/* Reads the allocator's own figures anew (slack, outside): for whoever looks, since it takes as long as parsing a page. */
void mem_look(void);

void mem_set_baseline(void);

/* Compares every domain's counters with the allocator's own figures and the slabs' headers, walking all of them: 0, or the
 * number of domains that do not agree (their names in names[], at most max). In a process that does nothing else meanwhile. */
unsigned mem_verify(const char **names, unsigned max);

/* Does a library's memory come to its domain? mem_hook_begin(d), a call of the library that allocates, mem_hook_end(d). */
enum mem_hook_state { MEM_HOOK_UNTRIED, MEM_HOOK_WORKS, MEM_HOOK_FAILED };
void mem_hook_begin(enum mem_domain domain);
enum mem_hook_state mem_hook_end(enum mem_domain domain); /* of this trial */
enum mem_hook_state mem_hook_state(enum mem_domain domain); /* failed when any trial did: two libraries may share a domain */

/* Sampling (gc/trace.c): each thread counts the bytes it allocates in each library domain up to the end of the sampler's last
 * gap_bytes(); the block in which it lies goes to sample(), with the bytes that were set aside for it. When that says true, forget()
 * hears of the block before it is freed or moved; of some that were never sampled as well, and then says false. All three may be
 * called by any thread and must not allocate from these domains. Threads beyond the 63rd are not sampled. */
struct mem_sampler {
    size_t (*gap_bytes)(void); /* from one sample to the next, >= 1 */
    bool (*sample)(enum mem_domain domain, void *p, size_t n_bytes);
    bool (*forget)(void *p);
};
/* KEEPS the pointer: static. NULL = off, and nothing is asked to be forgotten any more. All gaps begin anew, also with the same. */
void mem_set_sampler(const struct mem_sampler *sampler);

/* From now on a thread of the allocator gives unused pages back while the process idles. After the sandbox is in place: a
 * thread that was started before would escape it. */
void mem_start_background(void);

/* Tests: let the n-th allocation from now on fail (1 = the next one), and all after it when `onwards`; 0 = none.
 * Library domains (MEM_XML ... MEM_JSON) count only when `libraries`. Returns how many were counted since the last call. */
uint64_t mem_fail_nth(uint64_t nth, bool onwards, bool libraries);

/* Per-thread: allocations of a region that may not fail (a process that cannot start) abort with a message. */
void *mem_must(void *p);

#endif
