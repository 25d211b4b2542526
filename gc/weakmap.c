#include <sys/random.h>

#include "gc/weak_internal.h"

/* Open addressing, linear probing, backward-shift deletion. An entry is a block of its own that holds the key, so that moving
 * it in the table moves 16 bytes; a note of its object's cell leads back to it, so that it goes when the object does, not when
 * somebody looks. Keys come from the web: the hash is keyed. */

#define WEAKMAP_MAGIC 0x5ea4a7e1u
#define MIN_SLOTS 16

struct weakmap_entry {
    struct weakmap *map;
    uint64_t hash;
    struct object *target;       /* alive: else the entry would be gone */
    uint32_t cell, note;
    size_t key_bytes;
    char key[];
};

/* The target stands here too, so that it is on its way from memory while the key is compared. */
struct slot {
    uint64_t tagged;             /* the entry, and above its 48 bits the top of the hash; 0 = free */
    struct object *target;
};

struct weakmap {
    uint32_t magic;
    enum mem_domain domain;
    struct slot *slots;
    size_t n, cap;               /* cap is 0 or a power of two; n <= 4/5 of it */
    size_t entry_bytes;
};

/* ---- hashing ---------------------------------------------------------------------------------------------------------- */

static uint64_t
fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
word_at(const char *p)
{
    uint64_t word;

    memcpy(&word, p, 8);
    return word;
}

static uint64_t
hash_key(const char *p, size_t n)
{
    static uint64_t secret[2];
    uint64_t h, last = 0;

    if (__builtin_expect(secret[0] == 0, 0)) {
        if (getrandom(secret, sizeof secret, 0) != sizeof secret)
            secret[0] = (uint64_t)(uintptr_t)&h; /* no worse than the address space is random */
        secret[0] |= 1;
    }
    h = secret[0] ^ n;
    for (; n > 16; p += 16, n -= 16)
        h = fold(word_at(p) ^ secret[1], word_at(p + 8) ^ h);
    if (n > 8) {
        h = fold(word_at(p) ^ secret[1], word_at(p + n - 8) ^ h);
        return fold(h, 0x9e3779b97f4a7c15u);
    }
    memcpy(&last, p, n);
    return fold(fold(last ^ secret[1], h), 0x9e3779b97f4a7c15u);
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

static struct weakmap_entry *
entry_of(const struct slot *s)
{
    return (struct weakmap_entry *)(uintptr_t)(s->tagged & (((uint64_t)1 << 48) - 1));
}

static struct slot
slot_for(struct weakmap_entry *e)
{
    CHECK((uintptr_t)e >> 48 == 0);
    return (struct slot){ (uintptr_t)e | e->hash >> 48 << 48, e->target };
}

static bool
is_key(const struct weakmap_entry *e, struct slice key, uint64_t hash)
{
    return e->hash == hash && e->key_bytes == key.n && memcmp(e->key, key.p, key.n) == 0;
}

/* The slot of the key, or the free one where it would go. */
static struct slot *
find(const struct weakmap *m, struct slice key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct slot *s = &m->slots[i];

        if (s->tagged == 0)
            return s;
        if (s->tagged >> 48 == hash >> 48 && is_key(entry_of(s), key, hash))
            return s;
    }
}

static int
resize(struct weakmap *m, size_t cap)
{
    struct slot *slots = mem_array(m->domain, cap, sizeof *slots);

    if (slots == NULL)
        return ORB_ENOMEM;
    for (size_t k = 0; k < m->cap; k++) {
        size_t i;

        if (m->slots[k].tagged == 0)
            continue;
        i = entry_of(&m->slots[k])->hash & (cap - 1);
        while (slots[i].tagged != 0)
            i = (i + 1) & (cap - 1);
        slots[i] = m->slots[k];
    }
    mem_free(m->domain, m->slots);
    m->slots = slots;
    m->cap = cap;
    return 0;
}

/* Shrinking is a favour: when there is no memory for it, the table stays. */
static int
fit(struct weakmap *m)
{
    if ((m->n + 1) * 5 > m->cap * 4)
        return resize(m, m->cap == 0 ? MIN_SLOTS : m->cap * 2);
    if (m->cap > MIN_SLOTS && m->n < m->cap / 8)
        (void)!resize(m, m->cap / 4);
    return 0;
}

static void
close_gap(struct weakmap *m, size_t gap)
{
    size_t mask = m->cap - 1;

    for (size_t i = (gap + 1) & mask; m->slots[i].tagged != 0; i = (i + 1) & mask) {
        size_t home = entry_of(&m->slots[i])->hash & mask;

        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        m->slots[gap] = m->slots[i];
        gap = i;
    }
    m->slots[gap] = (struct slot){ 0, NULL };
}

static size_t
bytes_of(const struct weakmap_entry *e)
{
    return sizeof *e + e->key_bytes;
}

/* Takes the entry out; what it says of its object is the caller's. */
static void
drop(struct weakmap_entry *e)
{
    struct weakmap *m = e->map;
    size_t i = e->hash & (m->cap - 1);

    while (entry_of(&m->slots[i]) != e)
        i = (i + 1) & (m->cap - 1);
    close_gap(m, i);
    m->entry_bytes -= bytes_of(e);
    mem_free(m->domain, e);
    if (--m->n > 0)
        return;
    MEM_FREE(m->domain, &m->slots);
    m->cap = 0;
}

void
weakmap_forget(struct weakmap_entry *e)
{
    drop(e);
}

/* ---- the map ---------------------------------------------------------------------------------------------------------- */

int
weakmap_new(struct weakmap **out, enum mem_domain domain)
{
    struct weakmap *m = mem_zalloc(domain, sizeof *m);

    if (m == NULL)
        return ORB_ENOMEM;
    m->magic = WEAKMAP_MAGIC;
    m->domain = domain;
    *out = m;
    return 0;
}

void
weakmap_free(struct weakmap **pm)
{
    struct weakmap *m = *pm;

    *pm = NULL;
    if (m == NULL)
        return;
    CHECK_IS(m, WEAKMAP_MAGIC);
    for (size_t i = 0; i < m->cap; i++) {
        struct weakmap_entry *e = entry_of(&m->slots[i]);

        if (e == NULL)
            continue;
        weak_note_remove(e->cell, e->note);
        mem_free(m->domain, e);
    }
    mem_free(m->domain, m->slots);
    m->magic = 0;
    mem_free(m->domain, m);
}

static struct weakmap_entry *
entry_new(struct weakmap *m, struct slice key, uint64_t hash, struct object *o)
{
    struct weakmap_entry *e = mem_alloc(m->domain, sizeof *e + key.n);

    if (e == NULL)
        return NULL;
    *e = (struct weakmap_entry){ .map = m, .hash = hash, .target = o, .key_bytes = key.n };
    if (key.n > 0)
        memcpy(e->key, key.p, key.n);
    if (weak_note_add(o, e, WEAK_NOTE_MAP, &e->cell, &e->note) != 0)
        MEM_FREE(m->domain, &e);
    return e;
}

int
weakmap_put(struct weakmap *m, struct slice key, struct object *o)
{
    uint64_t hash = hash_key(key.p, key.n);
    struct weakmap_entry *e;
    struct slot *s;

    CHECK_IS(m, WEAKMAP_MAGIC);
    if (fit(m) != 0)
        return ORB_ENOMEM;
    s = find(m, key, hash);
    e = entry_of(s);
    if (e != NULL) { /* replaced: the new note first, so that a failure changes nothing */
        uint32_t cell, note;

        if (weak_note_add(o, e, WEAK_NOTE_MAP, &cell, &note) != 0)
            return ORB_ENOMEM;
        weak_note_remove(e->cell, e->note);
        e->cell = cell;
        e->note = note;
        e->target = o;
        *s = slot_for(e);
        return 0;
    }
    e = entry_new(m, key, hash, o);
    if (e == NULL)
        goto fail;
    *s = slot_for(e);
    m->entry_bytes += bytes_of(e);
    m->n++;
    return 0;
fail:
    if (m->n == 0) {
        MEM_FREE(m->domain, &m->slots);
        m->cap = 0;
    }
    return ORB_ENOMEM;
}

struct object *
weakmap_get(struct weakmap *m, struct slice key)
{
    struct object *o;

    CHECK_IS(m, WEAKMAP_MAGIC);
    if (m->n == 0)
        return NULL;
    o = find(m, key, hash_key(key.p, key.n))->target;
    return o == NULL ? NULL : object_ref(o);
}

bool
weakmap_remove(struct weakmap *m, struct slice key)
{
    struct weakmap_entry *e;

    CHECK_IS(m, WEAKMAP_MAGIC);
    if (m->n == 0)
        return false;
    e = entry_of(find(m, key, hash_key(key.p, key.n)));
    if (e == NULL)
        return false;
    weak_note_remove(e->cell, e->note);
    drop(e);
    if (m->cap > 0)
        (void)!fit(m); /* it may shrink */
    return true;
}

size_t
weakmap_count(const struct weakmap *m)
{
    return m->n;
}

size_t
weakmap_ram_bytes(const struct weakmap *m)
{
    return sizeof *m + m->cap * sizeof *m->slots + m->entry_bytes;
}

void
weakmap_each(struct weakmap *m, void (*each)(void *arg, struct slice key, struct object *o), void *arg)
{
    for (size_t i = 0; i < m->cap; i++) {
        struct weakmap_entry *e = entry_of(&m->slots[i]);

        if (e != NULL)
            each(arg, slice_of(e->key, e->key_bytes), e->target);
    }
}
