#include "crawler/host.h"

#define HOSTS_MAGIC 0x4057ab1e
#define SEGMENT_HOSTS 16384

struct hosts {
    uint32_t magic;
    struct host **segments;
    uint32_t n_segments, cap_segments;
    uint32_t n;            /* hosts */
    uint32_t *index;       /* host ids by fingerprint, open addressing; 0 = free */
    uint32_t cap_index;    /* power of two */
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
    for (uint32_t i = 0; i < t->n_segments; i++)
        mem_free(MEM_HOST, t->segments[i]);
    mem_free(MEM_HOST, t->segments);
    mem_free(MEM_HOST, t->index);
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
    return &t->segments[i / SEGMENT_HOSTS][i % SEGMENT_HOSTS];
}

static uint32_t
index_slot(const struct hosts *t, uint64_t fingerprint)
{
    uint32_t i = (uint32_t)(fingerprint >> 16) & (t->cap_index - 1);

    while (t->index[i] != 0 && hosts_get(t, t->index[i])->fingerprint != fingerprint)
        i = (i + 1) & (t->cap_index - 1);
    return i;
}

uint32_t
hosts_find(const struct hosts *t, uint64_t fingerprint)
{
    return t->cap_index == 0 ? 0 : t->index[index_slot(t, fingerprint)];
}

static int
index_grow(struct hosts *t)
{
    uint32_t cap = t->cap_index == 0 ? 1024 : t->cap_index * 2, *bigger = mem_array(MEM_HOST, cap, sizeof *bigger);

    if (bigger == NULL)
        return ORB_ENOMEM;
    mem_free(MEM_HOST, t->index);
    t->ram_bytes += (cap - t->cap_index) * sizeof *bigger;
    t->index = bigger;
    t->cap_index = cap;
    for (uint32_t id = 1; id <= t->n; id++)
        t->index[index_slot(t, hosts_get(t, id)->fingerprint)] = id;
    return 0;
}

static int
segment_add(struct hosts *t)
{
    struct host *segment;

    if (t->n_segments == t->cap_segments) {
        uint32_t cap = t->cap_segments == 0 ? 16 : t->cap_segments * 2;
        struct host **bigger = mem_realloc(MEM_HOST, t->segments, cap * sizeof *bigger);

        if (bigger == NULL)
            return ORB_ENOMEM;
        t->segments = bigger;
        t->cap_segments = cap;
    }
    segment = mem_array(MEM_HOST, SEGMENT_HOSTS, sizeof *segment);
    if (segment == NULL)
        return ORB_ENOMEM;
    t->segments[t->n_segments++] = segment;
    t->ram_bytes += SEGMENT_HOSTS * sizeof *segment;
    return 0;
}

int
hosts_add(struct hosts *t, uint64_t fingerprint, uint32_t *host_id)
{
    int err;

    CHECK_IS(t, HOSTS_MAGIC);
    if (t->n == HOST_ID_MAX - 1)
        return ORB_ETOOBIG;
    if ((uint64_t)(t->n + 1) * 4 > (uint64_t)t->cap_index * 3 && (err = index_grow(t)) != 0)
        return err;
    if (t->n == t->n_segments * SEGMENT_HOSTS && (err = segment_add(t)) != 0)
        return err;
    t->n++;
    hosts_get(t, t->n)->fingerprint = fingerprint;
    t->index[index_slot(t, fingerprint)] = t->n;
    *host_id = t->n;
    return 0;
}

size_t
hosts_ram_bytes(const struct hosts *t)
{
    return t->ram_bytes + hostq_pool_bytes(t->queues);
}
