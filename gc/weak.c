#include "gc/weak_internal.h"

/* The cells of weak references, and the notes that say who wants to know of a death.
 *
 *   FREE --weak_set, a note--> ALIVE {target, refs, next = first note} --target dies--> DEAD {NULL, refs} --last ref--> FREE
 *     ^                          |                                                        its notes have been taken off
 *     +------ last ref goes -----+
 *
 * Cells and notes live in two arrays that grow by half; while few are in use they are static, so that the first weak reference
 * allocates nothing and the last one leaves nothing. Every struct weak and every note holds one ref of its cell. */

#define N_STATIC 64

static struct weak_cell static_cells[N_STATIC];
static struct weak_note static_notes[N_STATIC];
struct weak_cell *weak_cells = static_cells;
struct weak_note *weak_notes = static_notes;

/* The bookkeeping that both arrays need. Element 0 stays unused. */
struct array {
    uint32_t n_cap, n_end; /* [1, n_end) have been used */
    uint32_t free;         /* head of the free list; 0 = none */
    uint32_t n_used;
};
static struct array cells = { N_STATIC, 1, 0, 0 }, notes = { N_STATIC, 1, 0, 0 };
static uint32_t n_dead_cells, n_watches;
static uint64_t n_callbacks_run;
static struct list due = { &due, &due }; /* watches whose object has died */
static bool is_calling;

/* ---- the arrays ----------------------------------------------------------------------------------------------------- */

static int
grow(struct array *a, void **elements, const void *static_elements, size_t element_bytes)
{
    uint32_t n = a->n_cap + a->n_cap / 2;
    bool is_static = *elements == static_elements;
    void *p;

    if (n < a->n_cap)
        return ORB_ENOMEM;
    p = is_static ? mem_alloc(MEM_OBJ, n * element_bytes) : mem_realloc(MEM_OBJ, *elements, n * element_bytes);
    if (p == NULL)
        return ORB_ENOMEM;
    if (is_static)
        memcpy(p, static_elements, a->n_end * element_bytes);
    *elements = p;
    a->n_cap = n;
    return 0;
}

/* The last one has gone. */
static void
empty(struct array *a, void **elements, void *static_elements)
{
    if (*elements != static_elements)
        mem_free(MEM_OBJ, *elements);
    *elements = static_elements;
    *a = (struct array){ N_STATIC, 1, 0, 0 };
}

static uint32_t /* 0: no memory */
cell_get(void)
{
    uint32_t c = cells.free;

    if (c != 0)
        cells.free = weak_cells[c].next;
    else if (cells.n_end < cells.n_cap || grow(&cells, (void **)&weak_cells, static_cells, sizeof *weak_cells) == 0)
        c = cells.n_end++;
    cells.n_used += c != 0;
    return c;
}

static void
cell_put(uint32_t c)
{
    weak_cells[c] = (struct weak_cell){ NULL, 0, cells.free };
    cells.free = c;
    if (--cells.n_used == 0)
        empty(&cells, (void **)&weak_cells, static_cells);
}

static uint32_t /* 0: no memory */
note_get(void)
{
    uint32_t n = notes.free;

    if (n != 0)
        notes.free = weak_notes[n].next;
    else if (notes.n_end < notes.n_cap || grow(&notes, (void **)&weak_notes, static_notes, sizeof *weak_notes) == 0)
        n = notes.n_end++;
    notes.n_used += n != 0;
    return n;
}

static void
note_put(uint32_t n)
{
    weak_notes[n] = (struct weak_note){ NULL, notes.free, WEAK_NOTE_FREE };
    notes.free = n;
    if (--notes.n_used == 0)
        empty(&notes, (void **)&weak_notes, static_notes);
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
        CHECK(weak_cells[c].refs < UINT32_MAX);
        weak_cells[c].refs++;
        *cell = c;
        return 0;
    }
    c = cell_get();
    if (c == 0)
        return ORB_ENOMEM;
    weak_cells[c] = (struct weak_cell){ o, 1, 0 };
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
    struct weak_cell *cell = &weak_cells[c];

    CHECK(c != 0 && cell->refs > 0);
    if (--cell->refs > 0)
        return;
    CHECK(cell->target == NULL || cell->next == 0);
    if (cell->target != NULL)
        cell->target->flags &= (uint8_t)~OBJECT_HAS_WEAK;
    else
        n_dead_cells--;
    cell_put(c);
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
    n = note_get();
    if (n == 0) {
        weak_cell_unref(c);
        return ORB_ENOMEM;
    }
    weak_notes[n] = (struct weak_note){ who, weak_cells[c].next, kind };
    weak_cells[c].next = n;
    *cell = c;
    *note = n;
    return 0;
}

void
weak_note_remove(uint32_t cell, uint32_t note)
{
    uint32_t *link = &weak_cells[cell].next;

    while (*link != note) {
        CHECK(*link != 0);
        link = &weak_notes[*link].next;
    }
    *link = weak_notes[note].next;
    note_put(note);
    weak_cell_unref(cell);
}

static void
note_act(const struct weak_note *note, struct object *o)
{
    struct weak_watch *w = note->who;

    switch (note->kind) {
    case WEAK_NOTE_WATCH:
        list_push_back(&due, &w->node);
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
    uint32_t c = *heap_weak_index(&heap_types[o->type], o), n = weak_cells[c].next, n_notes = 0;

    CHECK(weak_cells[c].target == o);
    weak_cells[c].target = NULL;
    weak_cells[c].next = 0;
    o->flags &= (uint8_t)~OBJECT_HAS_WEAK;
    n_dead_cells++;
    for (; n != 0; n_notes++) {
        struct weak_note note = weak_notes[n];

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
    while ((node = list_take_front(&due)) != NULL) {
        struct weak_watch *w = LIST_ELEMENT(node, struct weak_watch, node);
        void (*on_death)(struct weak_watch *, void *) = w->on_death;

        w->on_death = NULL;
        n_watches--;
        n_callbacks_run++;
        on_death(w, w->arg);
    }
    is_calling = false;
}

void
weak_stats(struct weak_stats *out)
{
    *out = (struct weak_stats){
        .n_cells = cells.n_used,
        .n_cells_dead = n_dead_cells,
        .n_watchers = n_watches,
        .n_callbacks_run = n_callbacks_run,
        .cell_bytes = cells.n_cap * sizeof *weak_cells + notes.n_cap * sizeof *weak_notes,
    };
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
    CHECK(c > 0 && c < cells.n_end);
    CHECK(weak_cells[c].target == o);
    ++*(uint32_t *)arg;
}

void
weak_check(void)
{
    uint32_t n_targets = 0, n_alive = 0, n_dead = 0, n_notes = 0;

    heap_each(count_weak, &n_targets);
    CHECK(weak_cells[0].target == NULL);
    for (uint32_t c = 1; c < cells.n_end; c++) {
        n_alive += weak_cells[c].target != NULL;
        n_dead += weak_cells[c].target == NULL && weak_cells[c].refs > 0;
        if (weak_cells[c].target == NULL)
            continue;
        CHECK(weak_cells[c].refs > 0);
        for (uint32_t n = weak_cells[c].next; n != 0; n = weak_notes[n].next, n_notes++)
            CHECK(n < notes.n_end && weak_notes[n].kind != WEAK_NOTE_FREE);
    }
    CHECK(n_alive == n_targets); /* every cell's object is alive, and has one cell */
    CHECK(n_dead == n_dead_cells);
    CHECK(n_alive + n_dead == cells.n_used);
    CHECK(n_notes == notes.n_used);
}
