#include "gc/cells.h"
#include "gc/weak_internal.h"

/* The cells of weak references, and the notes that say who wants to know of a death.
 *
 *   FREE --weak_set, a note--> ALIVE {target, refs, next = first note} --target dies--> DEAD {NULL, refs} --last ref--> FREE
 *     ^                          |                                                        its notes have been taken off
 *     +------ last ref goes -----+
 *
 * Every struct weak and every note holds one ref of its cell. */

static struct weak_cell nobody;
struct weak_cell *weak_blocks[WEAK_MAX_BLOCKS] = { &nobody };
static struct weak_cell *note_blocks[WEAK_MAX_BLOCKS];
static struct cells_block cell_books[WEAK_MAX_BLOCKS], note_books[WEAK_MAX_BLOCKS];
static struct cells cells = { .blocks = weak_blocks, .books = cell_books, .n_numbers = 1 };
static struct cells notes = { .blocks = note_blocks, .books = note_books, .n_numbers = 1 };
static uint32_t n_dead_cells, n_watches;
static uint64_t n_callbacks_run;
struct list weak_due = { &weak_due, &weak_due };
static bool is_calling;

static struct weak_cell *
cell_at(uint32_t c)
{
    return cells_at(&cells, c);
}

static struct weak_note *
note_at(uint32_t n)
{
    return (struct weak_note *)(void *)cells_at(&notes, n);
}

static void
note_put(uint32_t n)
{
    note_at(n)->kind = WEAK_NOTE_FREE;
    cells_put(&notes, n);
}

/* ---- cells ---------------------------------------------------------------------------------------------------------- */

int
weak_cell_of(struct object *o, uint32_t *cell)
{
    const struct heap_type *t = &heap_types[o->type];
    uint32_t *index = heap_weak_index(t, o), c;

    CHECK(t->type->flags & OBJECT_WEAKABLE);
    CHECK(o->refs > 0 && !(o->flags & OBJECT_DYING));
    if (o->flags & OBJECT_HAS_WEAK) {
        c = *index;
        CHECK(cell_at(c)->refs < UINT32_MAX);
        cell_at(c)->refs++;
        *cell = c;
        return 0;
    }
    c = cells_get(&cells);
    if (c == 0)
        return ORB_ENOMEM;
    *cell_at(c) = (struct weak_cell){ o, 1, 0 };
    *index = c;
    o->flags |= OBJECT_HAS_WEAK;
    *cell = c;
    return 0;
}

uint32_t
weak_cell_peek(const struct object *o)
{
    return o->flags & OBJECT_HAS_WEAK ? *heap_weak_index(&heap_types[o->type], o) : 0;
}

void
weak_cell_unref(uint32_t c)
{
    struct weak_cell *cell = cell_at(c);

    CHECK(c != 0 && cell->refs > 0);
    if (--cell->refs > 0)
        return;
    CHECK(cell->target == NULL || cell->next == 0);
    if (cell->target != NULL)
        cell->target->flags &= (uint8_t)~OBJECT_HAS_WEAK;
    else
        n_dead_cells--;
    cells_put(&cells, c);
}

int
weak_set(struct weak *w, struct object *o)
{
    uint32_t c = 0;

    if (o != NULL && weak_cell_of(o, &c) != 0)
        return ORB_ENOMEM;
    weak_clear(w);
    w->cell = c;
    return 0;
}

void
weak_clear(struct weak *w)
{
    uint32_t c = w->cell;

    w->cell = 0;
    if (c != 0)
        weak_cell_unref(c);
}

/* ---- notes ---------------------------------------------------------------------------------------------------------- */

int
weak_note_add(struct object *o, void *who, enum weak_note_kind kind, uint32_t *cell, uint32_t *note)
{
    uint32_t n, c;

    if (weak_cell_of(o, &c) != 0)
        return ORB_ENOMEM;
    n = cells_get(&notes);
    if (n == 0) {
        weak_cell_unref(c);
        return ORB_ENOMEM;
    }
    *note_at(n) = (struct weak_note){ who, kind, cell_at(c)->next };
    cell_at(c)->next = n;
    *cell = c;
    *note = n;
    return 0;
}

void
weak_note_remove(uint32_t cell, uint32_t note)
{
    uint32_t *link = &cell_at(cell)->next;

    while (*link != note) {
        CHECK(*link != 0);
        link = &note_at(*link)->next;
    }
    *link = note_at(note)->next;
    note_put(note);
    weak_cell_unref(cell);
}

static void
note_act(const struct weak_note *note, struct object *o)
{
    struct weak_watch *w = note->who;

    switch (note->kind) {
    case WEAK_NOTE_WATCH:
        list_push_back(&weak_due, &w->node);
        w->cell = w->note = 0;
        break;
    case WEAK_NOTE_MAP:
        weakmap_forget(note->who);
        break;
    case WEAK_NOTE_SET:
        weakset_forget(note->who, o);
        break;
    case WEAK_NOTE_FREE:
        CHECK_NEVER("a free note");
    }
}

void
weak_let_go(struct object *o)
{
    uint32_t c = *heap_weak_index(&heap_types[o->type], o), n = cell_at(c)->next, n_notes = 0;

    CHECK(cell_at(c)->target == o);
    cell_at(c)->target = NULL;
    cell_at(c)->next = 0;
    o->flags &= (uint8_t)~OBJECT_HAS_WEAK;
    n_dead_cells++;
    for (; n != 0; n_notes++) {
        struct weak_note note = *note_at(n);

        note_put(n);
        note_act(&note, o);
        n = note.next;
    }
    while (n_notes-- > 0) /* at last, since the cell may go with them */
        weak_cell_unref(c);
}

/* ---- watchers --------------------------------------------------------------------------------------------------------- */

int
weak_watch_start(struct weak_watch *w, struct object *o, void (*on_death)(struct weak_watch *, void *), void *arg)
{
    uint32_t cell, note;

    if (weak_note_add(o, w, WEAK_NOTE_WATCH, &cell, &note) != 0)
        return ORB_ENOMEM;
    *w = (struct weak_watch){ .cell = cell, .note = note, .on_death = on_death, .arg = arg };
    list_init(&w->node);
    n_watches++;
    return 0;
}

void
weak_watch_stop(struct weak_watch *w)
{
    if (w->on_death == NULL)
        return;
    if (w->cell != 0)
        weak_note_remove(w->cell, w->note);
    else
        list_remove(&w->node); /* its object is dead, its callback has not run */
    w->cell = w->note = 0;
    w->on_death = NULL;
    n_watches--;
}

/* Callbacks may let other objects die: their watchers join the same queue, and nothing recurses. */
void
weak_run_callbacks(void)
{
    struct list *node;

    if (is_calling || heap.is_collecting || object_is_tearing_down())
        return;
    is_calling = true;
    while ((node = list_take_front(&weak_due)) != NULL) {
        struct weak_watch *w = LIST_ELEMENT(node, struct weak_watch, node);
        void (*on_death)(struct weak_watch *, void *) = w->on_death;

        w->on_death = NULL;
        n_watches--;
        n_callbacks_run++;
        on_death(w, w->arg);
    }
    is_calling = false;
}

bool
weak_is_calling_back(void)
{
    return is_calling;
}

void
weak_stats(struct weak_stats *out)
{
    *out = (struct weak_stats){
        .n_cells = cells.n_used,
        .n_cells_dead = n_dead_cells,
        .n_watchers = n_watches,
        .n_callbacks_run = n_callbacks_run,
        .cell_bytes = (uint64_t)(cells.n_blocks + notes.n_blocks) * SLAB_BYTES,
    };
}

size_t
weak_live_bytes(void)
{
    return (size_t)(cells.n_used + notes.n_used) * sizeof(struct weak_cell);
}

static void
count_weak(void *arg, struct object *o)
{
    const struct heap_type *t = &heap_types[o->type];
    uint32_t c;

    if (!(o->flags & OBJECT_HAS_WEAK))
        return;
    CHECK(t->type->flags & OBJECT_WEAKABLE);
    c = *heap_weak_index(t, o);
    CHECK(c >= CELLS_PER_BLOCK && c >> WEAK_BLOCK_BITS < cells.n_numbers);
    CHECK(cell_at(c)->target == o);
    ++*(uint32_t *)arg;
}

void
weak_check(void)
{
    uint32_t n_targets = 0, n_alive = 0, n_dead = 0, n_notes = 0;

    heap_each(count_weak, &n_targets);
    CHECK(nobody.target == NULL);
    for (uint32_t c = CELLS_PER_BLOCK; c < cells.n_numbers << WEAK_BLOCK_BITS; c++) {
        if (weak_blocks[c >> WEAK_BLOCK_BITS] == NULL || (c & (CELLS_PER_BLOCK - 1)) >= cell_books[c >> WEAK_BLOCK_BITS].n_end)
            continue;
        if (HEAP_IS_POISONED(cell_at(c)))
            continue; /* free */
        n_alive += cell_at(c)->target != NULL;
        n_dead += cell_at(c)->target == NULL && cell_at(c)->refs > 0;
        if (cell_at(c)->target == NULL)
            continue;
        CHECK(cell_at(c)->refs > 0);
        for (uint32_t n = cell_at(c)->next; n != 0; n = note_at(n)->next, n_notes++)
            CHECK(n >> WEAK_BLOCK_BITS < notes.n_numbers && note_at(n)->kind != WEAK_NOTE_FREE);
    }
    CHECK(n_alive == n_targets); /* every cell's object is alive, and has one cell */
    CHECK(n_dead == n_dead_cells);
    CHECK(n_alive + n_dead == cells.n_used);
    CHECK(n_notes == notes.n_used);
}
