/* cells.h - inside gc/: numbered elements of 16 bytes that never move
 *
 * A number is that of a 64 KiB block and of a place in it. Numbers are used again, those of a block that has room first; an empty
 * block goes back, but for one. The first number is CELLS_PER_BLOCK: what is below may mean "none".
 *
 * Under ASan a free element is poisoned, and those never used are taken before it.
 *
 * Memory     each element counts as 16 live bytes of MEM_OBJ.
 */
#ifndef ORB_GC_CELLS_H
#define ORB_GC_CELLS_H

#include "gc/weak.h"

#define CELLS_PER_BLOCK (1u << WEAK_BLOCK_BITS)

struct cells {
    struct weak_cell **blocks;  /* WEAK_MAX_BLOCKS of them; all elements have this shape */
    struct cells_block {
        uint16_t n_used, n_end; /* n_end: ever used */
        uint16_t first_free;    /* place + 1 of the newest free one, chained by `next`; 0 = none below n_end */
        bool is_room;           /* in the stack of those that may have room */
        uint32_t next_room;
    } *books;
    uint32_t room;              /* top of that stack; 0 = empty */
    uint32_t n_used, n_blocks, n_empty;
    uint32_t n_numbers;         /* blocks 1 .. n_numbers - 1 have existed */
};

uint32_t cells_get(struct cells *c) ORB_MUST_USE; /* NEW, contents are anything; 0: no memory */
void cells_put(struct cells *c, uint32_t number);
static inline struct weak_cell *
cells_at(const struct cells *c, uint32_t number)
{
    return &c->blocks[number >> WEAK_BLOCK_BITS][number & (CELLS_PER_BLOCK - 1)];
}

#endif
