#include "pool/map.h"

/* Spreads ids that count up; hashes are not hurt by it. */
static size_t
slot_of(uint64_t key, size_t cap)
{
    return (size_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & (cap - 1);
}

void
map_init(struct map *m, enum mem_domain domain)
{
    *m = (struct map){ .domain = domain };
}

void
map_fini(struct map *m)
{
    MEM_FREE(m->domain, &m->slots);
    m->n = m->cap = 0;
}

static size_t
find(const struct map *m, uint64_t key)
{
    size_t i = slot_of(key, m->cap);

    while (m->slots[i].value != NULL && m->slots[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *
map_get(const struct map *m, uint64_t key)
{
    return m->cap == 0 ? NULL : m->slots[find(m, key)].value;
}

static int
grow(struct map *m)
{
    struct map bigger = { .cap = m->cap == 0 ? 16 : m->cap * 2, .n = m->n, .domain = m->domain };

    bigger.slots = mem_array(m->domain, bigger.cap, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return ORB_ENOMEM;
    MAP_EACH (s, m)
        bigger.slots[find(&bigger, s->key)] = *s;
    mem_free(m->domain, m->slots);
    *m = bigger;
    return 0;
}

int
map_put(struct map *m, uint64_t key, void *value)
{
    size_t i;

    CHECK(value != NULL);
    if (m->n + 1 > m->cap - m->cap / 4) {
        int err = grow(m);
        if (err != 0)
            return err;
    }
    i = find(m, key);
    if (m->slots[i].value == NULL)
        m->n++;
    m->slots[i] = (struct map_slot){ key, value };
    return 0;
}

void *
map_remove(struct map *m, uint64_t key)
{
    size_t hole, i;
    void *value;

    if (m->cap == 0)
        return NULL;
    hole = find(m, key);
    value = m->slots[hole].value;
    if (value == NULL)
        return NULL;
    for (i = (hole + 1) & (m->cap - 1); m->slots[i].value != NULL; i = (i + 1) & (m->cap - 1)) {
        size_t home = slot_of(m->slots[i].key, m->cap);
        if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->n--;
    return value;
}
