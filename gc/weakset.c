#include "gc/weak_internal.h"

/* A table by address, as weakmap.c's by key: a note of each object's cell takes it out when it dies. */

#define WEAKSET_MAGIC 0x5ea4a7e2u
#define MIN_SLOTS 16

struct slot {
    struct object *o; /* NULL = free */
    uint32_t cell, note;
};

struct weakset {
    uint32_t magic;
    enum mem_domain domain;
    struct slot *slots;
    size_t n, cap; /* cap is 0 or a power of two; n <= 3/4 of it */
};

static size_t
home_of(const struct object *o, size_t cap)
{
    return (size_t)(((uintptr_t)o >> 3) * 0x9e3779b97f4a7c15u >> 32) & (cap - 1);
}

/* The slot of o, or the free one where it would go. */
static struct slot *
find(const struct weakset *s, const struct object *o)
{
    size_t i = home_of(o, s->cap);

    while (s->slots[i].o != NULL && s->slots[i].o != o)
        i = (i + 1) & (s->cap - 1);
    return &s->slots[i];
}

static int
resize(struct weakset *s, size_t cap)
{
    struct slot *old = s->slots, *slots = mem_array(s->domain, cap, sizeof *slots);
    size_t old_cap = s->cap;

    if (slots == NULL)
        return ORB_ENOMEM;
    s->slots = slots;
    s->cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].o != NULL)
            *find(s, old[i].o) = old[i];
    mem_free(s->domain, old);
    return 0;
}

/* Shrinking is a favour: when there is no memory for it, the table stays. */
static int
fit(struct weakset *s)
{
    if ((s->n + 1) * 4 > s->cap * 3)
        return resize(s, s->cap == 0 ? MIN_SLOTS : s->cap * 2);
    if (s->cap > MIN_SLOTS && s->n < s->cap / 8)
        (void)!resize(s, s->cap / 4);
    return 0;
}

static void
free_if_empty(struct weakset *s)
{
    if (s->n > 0)
        return;
    MEM_FREE(s->domain, &s->slots);
    s->cap = 0;
}

static void
drop(struct weakset *s, struct slot *slot)
{
    size_t mask = s->cap - 1, gap = (size_t)(slot - s->slots);

    for (size_t i = (gap + 1) & mask; s->slots[i].o != NULL; i = (i + 1) & mask) {
        if (((i - home_of(s->slots[i].o, s->cap)) & mask) < ((i - gap) & mask))
            continue;
        s->slots[gap] = s->slots[i];
        gap = i;
    }
    s->slots[gap] = (struct slot){ NULL, 0, 0 };
    s->n--;
    free_if_empty(s);
}

void
weakset_forget(struct weakset *s, const struct object *o)
{
    drop(s, find(s, o));
}

int
weakset_new(struct weakset **out, enum mem_domain domain)
{
    struct weakset *s = mem_zalloc(domain, sizeof *s);

    if (s == NULL)
        return ORB_ENOMEM;
    s->magic = WEAKSET_MAGIC;
    s->domain = domain;
    *out = s;
    return 0;
}

void
weakset_free(struct weakset **ps)
{
    struct weakset *s = *ps;

    *ps = NULL;
    if (s == NULL)
        return;
    CHECK_IS(s, WEAKSET_MAGIC);
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].o != NULL)
            weak_note_remove(s->slots[i].cell, s->slots[i].note);
    mem_free(s->domain, s->slots);
    s->magic = 0;
    mem_free(s->domain, s);
}

int
weakset_add(struct weakset *s, struct object *o)
{
    struct slot *slot;

    CHECK_IS(s, WEAKSET_MAGIC);
    if (weakset_has(s, o))
        return 0;
    if (fit(s) != 0)
        return ORB_ENOMEM;
    slot = find(s, o);
    if (weak_note_add(o, s, WEAK_NOTE_SET, &slot->cell, &slot->note) != 0) {
        free_if_empty(s);
        return ORB_ENOMEM;
    }
    slot->o = o;
    s->n++;
    return 1;
}

bool
weakset_remove(struct weakset *s, const struct object *o)
{
    struct slot *slot;

    if (!weakset_has(s, o))
        return false;
    slot = find(s, o);
    weak_note_remove(slot->cell, slot->note);
    drop(s, slot);
    if (s->cap > 0)
        (void)!fit(s); /* it may shrink */
    return true;
}

bool
weakset_has(const struct weakset *s, const struct object *o)
{
    CHECK_IS(s, WEAKSET_MAGIC);
    return s->n > 0 && find(s, o)->o == o;
}

size_t
weakset_count(const struct weakset *s)
{
    return s->n;
}

void
weakset_each(struct weakset *s, void (*each)(void *arg, struct object *o), void *arg)
{
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].o != NULL)
            each(arg, s->slots[i].o);
}
