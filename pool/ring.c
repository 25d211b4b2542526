#include "pool/ring.h"

void
ring_init(struct ring *r, enum mem_domain domain, size_t ceiling)
{
    *r = (struct ring){ .ceiling = ceiling, .domain = domain };
}

void
ring_fini(struct ring *r)
{
    MEM_FREE(r->domain, &r->slots);
    r->head = r->n = r->cap = 0;
}

static int
grow(struct ring *r)
{
    size_t cap = r->cap == 0 ? 16 : r->cap * 2;
    void **slots = mem_array(r->domain, cap, sizeof *slots);

    if (slots == NULL)
        return ORB_ENOMEM;
    for (size_t i = 0; i < r->n; i++)
        slots[i] = r->slots[(r->head + i) & (r->cap - 1)];
    mem_free(r->domain, r->slots);
    r->slots = slots;
    r->cap = cap;
    r->head = 0;
    return 0;
}

int
ring_push(struct ring *r, void *element)
{
    if (r->ceiling != 0 && r->n >= r->ceiling)
        return ORB_ETOOBIG;
    if (r->n == r->cap) {
        int err = grow(r);
        if (err != 0)
            return err;
    }
    r->slots[(r->head + r->n++) & (r->cap - 1)] = element;
    return 0;
}

void *
ring_peek(const struct ring *r)
{
    return r->n == 0 ? NULL : r->slots[r->head];
}

void *
ring_take(struct ring *r)
{
    void *element = ring_peek(r);

    if (r->n > 0) {
        r->head = (r->head + 1) & (r->cap - 1);
        r->n--;
    }
    return element;
}
