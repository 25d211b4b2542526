#include "crawler/host.h"

#define HOSTS_MAGIC 0x4057ab1e
#define SEGMENT_HOSTS 16384
#define SHARDS 64
#define SHARD_FIRST 16

/* Host ids by fingerprint, open addressing; 0 = free. Each shard grows alone, so that no growth looks at every host. */
struct shard_slot {
    uint32_t id;
    uint32_t tag; /* of its fingerprint: only a host that is probably meant is looked at */
};

struct shard {
    struct shard_slot *slots;
    uint32_t cap, n;
};

struct hosts {
    uint32_t magic;
    struct host **segments;
    uint32_t n_segments, cap_segments;
    uint32_t n;            /* hosts */
    uint32_t n_ram_segments; /* the first ones */
    size_t limit_bytes;
    hosts_more_fn *more;
    uint64_t n_cold_touches;
    void *more_arg;
    struct shard shards[SHARDS];
    size_t ram_bytes;
    struct hostq_pool *queues;
};

/* hostq.c */
int hostq_pool_new(struct hostq_pool **out, size_t limit_bytes);
void hostq_pool_free(struct hostq_pool **pool);
size_t hostq_pool_bytes(const struct hostq_pool *pool);
struct hostq_pool *hosts_queues(struct hosts *hosts);

int
hosts_new(struct hosts **out, size_t queue_limit_bytes)
{
    struct hosts *t = mem_zalloc(MEM_HOST, sizeof *t);
    int err = ORB_ENOMEM;

    if (t == NULL)
        return err;
    t->magic = HOSTS_MAGIC;
    err = hostq_pool_new(&t->queues, queue_limit_bytes);
    if (err != 0)
        goto fail;
    *out = t;
    return 0;
fail:
    hosts_free(&t);
    return err;
}

void
hosts_free(struct hosts **tp)
{
    struct hosts *t = *tp;

    if (t == NULL)
        return;
    CHECK_IS(t, HOSTS_MAGIC);
    for (uint32_t i = 0; i < t->n_ram_segments; i++)
        mem_free(MEM_HOST, t->segments[i]);
    mem_free(MEM_HOST, t->segments);
    for (int i = 0; i < SHARDS; i++)
        mem_free(MEM_HOST, t->shards[i].slots);
    hostq_pool_free(&t->queues);
    t->magic = 0;
    MEM_FREE(MEM_HOST, tp);
}

struct hostq_pool *
hosts_queues(struct hosts *t)
{
    CHECK_IS(t, HOSTS_MAGIC);
    return t->queues;
}

uint32_t
hosts_count(const struct hosts *t)
{
    return t->n;
}

struct host *
hosts_get(const struct hosts *t, uint32_t host_id)
{
    uint32_t i = host_id - 1;

    CHECK(host_id > 0 && i < t->n);
    if (__builtin_expect(i / SEGMENT_HOSTS >= t->n_ram_segments, 0))
        ((struct hosts *)(uintptr_t)t)->n_cold_touches++;
    return &t->segments[i / SEGMENT_HOSTS][i % SEGMENT_HOSTS];
}

uint64_t
hosts_cold_touches(struct hosts *t, bool reset)
{
    uint64_t n = t->n_cold_touches;

    if (reset)
        t->n_cold_touches = 0;
    return n;
}

void
hosts_set_more(struct hosts *t, size_t host_limit_bytes, hosts_more_fn *more, void *arg)
{
    CHECK_IS(t, HOSTS_MAGIC);
    t->limit_bytes = host_limit_bytes;
    t->more = more;
    t->more_arg = arg;
}

static uint32_t
first_slot(const struct shard *s, uint32_t tag)
{
    return (uint32_t)(((uint64_t)tag * s->cap) >> 32);
}

uint32_t
hosts_find(const struct hosts *t, uint64_t fingerprint)
{
    const struct shard *s = &t->shards[fingerprint >> 58];
    uint32_t tag = (uint32_t)fingerprint, i;

    if (s->cap == 0)
        return 0;
    for (i = first_slot(s, tag); s->slots[i].id != 0; i = i + 1 == s->cap ? 0 : i + 1)
        if (s->slots[i].tag == tag && hosts_get(t, s->slots[i].id)->fingerprint == fingerprint)
            return s->slots[i].id;
    return 0;
}

static void
shard_put(struct shard *s, uint32_t id, uint32_t tag)
{
    uint32_t i = first_slot(s, tag);

    while (s->slots[i].id != 0)
        i = i + 1 == s->cap ? 0 : i + 1;
    s->slots[i] = (struct shard_slot){ id, tag };
}

static int
shard_grow(struct hosts *t, struct shard *s)
{
    struct shard bigger = { NULL, s->cap == 0 ? SHARD_FIRST : s->cap + s->cap / 2, s->n };

    bigger.slots = mem_array(MEM_HOST, bigger.cap, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return ORB_ENOMEM;
    for (uint32_t i = 0; i < s->cap; i++)
        if (s->slots[i].id != 0)
            shard_put(&bigger, s->slots[i].id, s->slots[i].tag);
    mem_free(MEM_HOST, s->slots);
    t->ram_bytes += (bigger.cap - s->cap) * sizeof *bigger.slots;
    *s = bigger;
    return 0;
}

static int
segment_add(struct hosts *t)
{
    bool is_in_ram = t->more == NULL || t->ram_bytes < t->limit_bytes;
    void *segment;
    int err = 0;

    if (t->n_segments == t->cap_segments) {
        uint32_t cap = t->cap_segments == 0 ? 16 : t->cap_segments * 2;
        struct host **bigger = mem_realloc(MEM_HOST, t->segments, cap * sizeof *bigger);

        if (bigger == NULL)
            return ORB_ENOMEM;
        t->segments = bigger;
        t->cap_segments = cap;
    }
    if (is_in_ram && t->n_ram_segments == t->n_segments) {
        segment = mem_array(MEM_HOST, SEGMENT_HOSTS, sizeof(struct host));
        err = segment == NULL ? ORB_ENOMEM : 0;
        t->ram_bytes += err == 0 ? SEGMENT_HOSTS * sizeof(struct host) : 0;
        t->n_ram_segments += err == 0;
    } else {
        err = t->more(t->more_arg, SEGMENT_HOSTS * sizeof(struct host), &segment);
    }
    if (err == 0)
        t->segments[t->n_segments++] = segment;
    return err;
}

int
hosts_add(struct hosts *t, uint64_t fingerprint, uint32_t *host_id)
{
    struct shard *s = &t->shards[fingerprint >> 58];
    int err;

    CHECK_IS(t, HOSTS_MAGIC);
    if (t->n == HOST_ID_MAX - 1)
        return ORB_ETOOBIG;
    if ((uint64_t)(s->n + 1) * 4 > (uint64_t)s->cap * 3 && (err = shard_grow(t, s)) != 0)
        return err;
    if (t->n == t->n_segments * SEGMENT_HOSTS && (err = segment_add(t)) != 0)
        return err;
    t->n++;
    hosts_get(t, t->n)->fingerprint = fingerprint;
    shard_put(s, t->n, (uint32_t)fingerprint);
    s->n++;
    *host_id = t->n;
    return 0;
}

size_t
hosts_ram_bytes(const struct hosts *t)
{
    return t->ram_bytes + hostq_pool_bytes(t->queues);
}
