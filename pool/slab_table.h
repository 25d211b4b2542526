/* slab_table.h - inside pool/: the headers of all blocks, beside the reserved range and not in it
 *
 * One header of 64 bytes per block, found by the block's number: the payload is whole (64 KiB, aligned), a block that was given
 * to the kernel stays untouched, and headers of neighbours do not fall into one cache set as they would at a stride of 64 KiB.
 * Headers are never unmapped: a pointer to one may be followed whatever became of its block.
 */
#ifndef ORB_POOL_SLAB_TABLE_H
#define ORB_POOL_SLAB_TABLE_H

#include <stdatomic.h>

#include "pool/slab.h"

#define SLAB_SHIFT 16
#define PAGE_SHIFT 12
#define PAGE_BYTES (1u << PAGE_SHIFT)
#define SLAB_N_PAGES (SLAB_BYTES / PAGE_BYTES)

/* What slab->owner says of a block that mem_small.c does not carve. */
#define SLAB_OF_NOBODY UINT8_MAX /* whole, somebody's by slab_block_get() */

enum slab_state {
    SLAB_FREE,   /* never used, or given to the kernel */
    SLAB_IN_USE,
    SLAB_EMPTY   /* kept by its domain */
};

struct slab {
    _Alignas(64) void *free;     /* blocks freed by the owner, linked through their first word */
    _Atomic uintptr_t foreign;   /* blocks freed by others, and SLAB_CALLED (mem_small.c) */
    uint16_t n_live;             /* blocks handed out and not back in `free` */
    uint16_t wake_at;            /* slab_wake() when n_live falls to this */
    uint16_t domain;             /* enum mem_domain */
    uint16_t block_bytes;
    _Atomic uint8_t owner;       /* number of a slot, or SLAB_OF_NOBODY; others look at it in passing */
    uint8_t class, state;
    bool is_listed;              /* among its owner's slabs with room */
    uint16_t n_blocks, n_carved; /* that fit; that were ever in `free` since the slab was taken */
    uint16_t given_pages;        /* bit per page that mem_purge() gave to the kernel */
    uint16_t touched_pages;      /* pages from the front that may be resident */
    struct slab *next, *prev;    /* in the owner's slabs with room; in the domain's empty ones */
    union {
        struct slab *next_called; /* in use: on the owner's list of slabs that have foreign frees */
        uint64_t emptied_at_ms;   /* empty: when, as of the last mem_tick() */
    };
};
_Static_assert(sizeof(struct slab) == 64, "one cache line");

extern char *slab_base;          /* of the range; NULL before slab_begin() and where nothing could be reserved */
extern size_t slab_range_bytes;  /* 0 likewise: nothing is inside then */
extern struct slab *slab_headers;

static inline bool
slab_has(const void *p)
{
    return (uintptr_t)p - (uintptr_t)slab_base < slab_range_bytes;
}

static inline struct slab *
slab_of(const void *p)
{
    return &slab_headers[((uintptr_t)p - (uintptr_t)slab_base) >> SLAB_SHIFT];
}

static inline char *
slab_memory(const struct slab *s)
{
    return slab_base + ((size_t)(s - slab_headers) << SLAB_SHIFT);
}

struct slab_totals {
    size_t n_in_use, n_empty;
    size_t touched_bytes; /* that may be resident: of blocks in use and empty ones */
};

void slab_begin(void);                                 /* reserves the range, once */
struct slab *slab_get(enum mem_domain domain);         /* in use by nobody; NULL: the range is used up */
void slab_put(struct slab *s);
void slab_touch(struct slab *s, unsigned n_pages);     /* the first n_pages are about to be written */
void slab_shrink(struct slab *s, unsigned n_pages);    /* nothing behind them is needed */
void slab_give(struct slab *s, unsigned pages);        /* a set of pages, out of a block in use, to the kernel */
void slab_retake(struct slab *s, unsigned page);       /* one of them is about to be written */
void slab_decay(uint64_t now_ms, bool all);            /* empty blocks go to the kernel */
void slab_totals(enum mem_domain domain, struct slab_totals *out);
size_t slab_n_used(void);                              /* headers [0, n) have been in use */

#endif
