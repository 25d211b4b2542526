#include "gc/cells.h"
#include "gc/heap_slab.h"

#include "pool/slab.h"

_Static_assert(sizeof(struct weak_cell) * CELLS_PER_BLOCK == SLAB_BYTES, "a block is full of elements");

static void
push_room(struct cells *c, uint32_t block)
{
    if (c->books[block].is_room)
        return;
    c->books[block].is_room = true;
    c->books[block].next_room = c->room;
    c->room = block;
}

/* A block that has room, or 0; those that have none, or have gone back, leave the stack. */
static uint32_t
room(struct cells *c)
{
    for (uint32_t b = c->room; b != 0; b = c->room) {
        if (c->blocks[b] != NULL && c->books[b].n_used < CELLS_PER_BLOCK)
            return b;
        c->books[b].is_room = false;
        c->room = c->books[b].next_room;
    }
    return 0;
}

static uint32_t /* 0: no memory */
add_block(struct cells *c)
{
    uint32_t b = 1;
    void *block;

    while (b < c->n_numbers && c->blocks[b] != NULL)
        b++;
    if (b == WEAK_MAX_BLOCKS)
        return 0;
    block = slab_block_get(MEM_OBJ);
    if (block == NULL)
        return 0;
    HEAP_POISON(block, SLAB_BYTES);
    c->blocks[b] = block;
    c->books[b].n_used = c->books[b].n_end = c->books[b].first_free = 0;
    c->n_numbers = ORB_MAX(c->n_numbers, b + 1);
    c->n_blocks++;
    c->n_empty++;
    push_room(c, b);
    return b;
}

uint32_t
cells_get(struct cells *c)
{
    uint32_t b = room(c), place;
    struct cells_block *books;

    if (b == 0)
        b = add_block(c);
    if (b == 0 || !slab_try_live(MEM_OBJ, sizeof(struct weak_cell)))
        return 0;
    books = &c->books[b];
    if (books->first_free != 0 && !(HEAP_POISONS && books->n_end < CELLS_PER_BLOCK)) {
        place = books->first_free - 1u;
        HEAP_UNPOISON(&c->blocks[b][place], sizeof c->blocks[b][place]);
        books->first_free = (uint16_t)c->blocks[b][place].next;
    } else {
        place = books->n_end++;
        HEAP_UNPOISON(&c->blocks[b][place], sizeof c->blocks[b][place]);
    }
    c->n_empty -= books->n_used == 0;
    books->n_used++;
    c->n_used++;
    return b << WEAK_BLOCK_BITS | place;
}

void
cells_put(struct cells *c, uint32_t number)
{
    uint32_t b = number >> WEAK_BLOCK_BITS, place = number & (CELLS_PER_BLOCK - 1);
    struct cells_block *books = &c->books[b];

    c->blocks[b][place] = (struct weak_cell){ NULL, 0, books->first_free };
    HEAP_POISON(&c->blocks[b][place], sizeof c->blocks[b][place]);
    books->first_free = (uint16_t)(place + 1);
    c->n_used--;
    slab_count_live(MEM_OBJ, -(ptrdiff_t)sizeof(struct weak_cell));
    push_room(c, b);
    if (--books->n_used > 0)
        return;
    if (++c->n_empty > 1) {
        HEAP_UNPOISON(c->blocks[b], SLAB_BYTES);
        slab_block_put(MEM_OBJ, c->blocks[b]);
        c->blocks[b] = NULL;
        c->n_empty--;
        c->n_blocks--;
    }
}
