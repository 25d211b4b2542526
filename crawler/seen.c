#include "crawler/seen.h"

#define SEEN_MAGIC 0x5ee15e70
#define SEEN_SHARDS 256
#define SEEN_FIRST_SLOTS 32

struct seen_shard {
    uint64_t *slots; /* 0 = free */
    uint32_t cap, n;
};

struct seen {
    uint32_t magic;
    uint64_t n;
    size_t ram_bytes, limit_bytes;
    struct seen_shard shards[SEEN_SHARDS];
};

int
seen_new(struct seen **out, size_t limit_bytes)
{
    struct seen *s = mem_zalloc(MEM_FRONTIER, sizeof *s);

    if (s == NULL)
        return ORB_ENOMEM;
    s->magic = SEEN_MAGIC;
    s->limit_bytes = limit_bytes;
    *out = s;
    return 0;
}

void
seen_clear(struct seen *s)
{
    CHECK_IS(s, SEEN_MAGIC);
    for (unsigned i = 0; i < SEEN_SHARDS; i++) {
        MEM_FREE(MEM_FRONTIER, &s->shards[i].slots);
        s->shards[i].cap = s->shards[i].n = 0;
    }
    s->n = 0;
    s->ram_bytes = 0;
}

void
seen_free(struct seen **sp)
{
    struct seen *s = *sp;

    if (s == NULL)
        return;
    seen_clear(s);
    s->magic = 0;
    MEM_FREE(MEM_FRONTIER, sp);
}

/* 0 marks a free slot, so the fingerprint 0 is kept as 1. */
static inline uint64_t
slot_value(uint64_t fingerprint)
{
    return fingerprint == 0 ? 1 : fingerprint;
}

/* Monotone in the value within a shard: the 32 bits below the shard's number, scaled to the capacity. */
static inline uint32_t
first_slot(const struct seen_shard *shard, uint64_t value)
{
    return (uint32_t)(((value >> 24 & 0xffffffff) * shard->cap) >> 32);
}

static inline uint32_t
find_slot(const struct seen_shard *shard, uint64_t value)
{
    uint32_t i = first_slot(shard, value);

    while (shard->slots[i] != 0 && shard->slots[i] != value)
        if (++i == shard->cap)
            i = 0;
    return i;
}

bool
seen_has(const struct seen *s, uint64_t fingerprint)
{
    uint64_t value = slot_value(fingerprint);
    const struct seen_shard *shard = &s->shards[value >> 56];

    return shard->cap != 0 && shard->slots[find_slot(shard, value)] == value;
}

void
seen_prefetch(const struct seen *s, uint64_t fingerprint)
{
    uint64_t value = slot_value(fingerprint);
    const struct seen_shard *shard = &s->shards[value >> 56];

    if (shard->cap != 0)
        __builtin_prefetch(shard->slots + first_slot(shard, value));
}

/* The next step of 1, 1.25, 1.5, 1.75, 2 times a power of two: the sizes that the allocator has anyway. */
static uint32_t
next_cap(uint32_t cap)
{
    uint32_t quarter;

    if (cap < SEEN_FIRST_SLOTS)
        return SEEN_FIRST_SLOTS;
    quarter = 1u << (31 - __builtin_clz(cap));
    return cap + quarter / 4;
}

static bool
shard_has_room(const struct seen_shard *shard, unsigned more)
{
    return (uint64_t)(shard->n + more) * 5 <= (uint64_t)shard->cap * 4;
}

static int
shard_grow(struct seen *s, struct seen_shard *shard)
{
    struct seen_shard bigger = { NULL, next_cap(shard->cap), shard->n };
    size_t old_bytes = shard->cap * sizeof *shard->slots, new_bytes = bigger.cap * sizeof *shard->slots;

    if (s->ram_bytes - old_bytes + new_bytes > s->limit_bytes)
        return ORB_EFULL;
    bigger.slots = mem_zalloc(MEM_FRONTIER, new_bytes);
    if (bigger.slots == NULL)
        return ORB_ENOMEM;
    for (uint32_t i = 0; i < shard->cap; i++)
        if (shard->slots[i] != 0)
            bigger.slots[find_slot(&bigger, shard->slots[i])] = shard->slots[i];
    mem_free(MEM_FRONTIER, shard->slots);
    *shard = bigger;
    s->ram_bytes += new_bytes - old_bytes;
    return 0;
}

int
seen_reserve(struct seen *s, const uint64_t *fingerprints, unsigned n)
{
    CHECK_IS(s, SEEN_MAGIC);
    for (unsigned i = 0; i < n; i++) {
        struct seen_shard *shard = &s->shards[slot_value(fingerprints[i]) >> 56];

        while (!shard_has_room(shard, n)) { /* as if all n fell into this shard */
            int err = shard_grow(s, shard);

            if (err != 0)
                return err;
        }
    }
    return 0;
}

int
seen_expect(struct seen *s, uint64_t n)
{
    uint64_t share = n / SEEN_SHARDS + n / SEEN_SHARDS / 32 + 8; /* uniform, give or take */

    CHECK_IS(s, SEEN_MAGIC);
    for (unsigned i = 0; i < SEEN_SHARDS; i++)
        while (share * 5 > (uint64_t)s->shards[i].cap * 4) {
            int err = shard_grow(s, &s->shards[i]);

            if (err != 0)
                return err;
        }
    return 0;
}

int
seen_add(struct seen *s, uint64_t fingerprint)
{
    uint64_t value = slot_value(fingerprint);
    struct seen_shard *shard = &s->shards[value >> 56];
    uint32_t i;

    CHECK_IS(s, SEEN_MAGIC);
    if (shard->cap != 0 && shard->slots[find_slot(shard, value)] == value)
        return 0;
    while (!shard_has_room(shard, 1)) {
        int err = shard_grow(s, shard);

        if (err != 0)
            return err;
    }
    i = find_slot(shard, value);
    shard->slots[i] = value;
    shard->n++;
    s->n++;
    return 1;
}

uint64_t
seen_count(const struct seen *s)
{
    return s->n;
}

size_t
seen_ram_bytes(const struct seen *s)
{
    return s->ram_bytes;
}

size_t
seen_limit(const struct seen *s)
{
    return s->limit_bytes;
}

void
seen_set_limit(struct seen *s, size_t limit_bytes)
{
    s->limit_bytes = limit_bytes;
}

double
seen_expected_collisions(uint64_t n)
{
    return (double)n * (double)n / 36893488147419103232.0; /* n^2 / 2 / 2^64 pairs */
}
