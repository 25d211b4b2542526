/* hostq.c - the queues of host.h: blocks of ids in RAM, chunks in frontier.db between head and tail */
#include "crawler/host.h"

#define BLOCK_IDS 5
#define SEGMENT_BLOCKS 16384
#define MAX_SEGMENTS 65536
#define HAND_STEPS 64 /* hosts that one push may look at to find something to spill */

struct hostq_block { /* 32 bytes */
    uint32_t next;
    uint8_t from, to; /* ids[from .. to) are in the queue */
    uint8_t ids[BLOCK_IDS][5];
};

struct hostq_pool {
    struct hostq_block **segments;
    uint32_t n_segments, cap_segments;
    uint32_t free_first, n_free;
    size_t limit_bytes;
    uint32_t hand;        /* host id where the clock hand stands */
    uint32_t barren;      /* hosts looked at since it last found something */
    unsigned min_spill;   /* a host with fewer ids is left alone for now */
    struct hostq_waiting waiting;
};

int hostq_pool_new(struct hostq_pool **out, size_t limit_bytes);
void hostq_pool_free(struct hostq_pool **pool);
size_t hostq_pool_bytes(const struct hostq_pool *pool);
struct hostq_pool *hosts_queues(struct hosts *hosts);

int
hostq_pool_new(struct hostq_pool **out, size_t limit_bytes)
{
    struct hostq_pool *p = mem_zalloc(MEM_HOST, sizeof *p);

    if (p == NULL)
        return ORB_ENOMEM;
    p->limit_bytes = limit_bytes;
    p->min_spill = HOSTQ_WINDOW / 4;
    *out = p;
    return 0;
}

void
hostq_pool_free(struct hostq_pool **pp)
{
    struct hostq_pool *p = *pp;

    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->n_segments; i++)
        mem_free(MEM_HOST, p->segments[i]);
    mem_free(MEM_HOST, p->segments);
    MEM_FREE(MEM_HOST, pp);
}

size_t
hostq_pool_bytes(const struct hostq_pool *p)
{
    return (size_t)p->n_segments * SEGMENT_BLOCKS * sizeof(struct hostq_block);
}

/* Block numbers begin at 1. */
static struct hostq_block *
block_at(const struct hostq_pool *p, uint32_t block)
{
    return &p->segments[(block - 1) / SEGMENT_BLOCKS][(block - 1) % SEGMENT_BLOCKS];
}

static void
block_put(struct hostq_pool *p, uint32_t block)
{
    block_at(p, block)->next = p->free_first;
    p->free_first = block;
    p->n_free++;
}

static int
segment_add(struct hostq_pool *p)
{
    struct hostq_block *segment;

    if (p->n_segments == MAX_SEGMENTS)
        return ORB_ENOMEM;
    if (p->n_segments == p->cap_segments) {
        uint32_t cap = p->cap_segments == 0 ? 16 : p->cap_segments * 2;
        struct hostq_block **bigger = mem_realloc(MEM_HOST, p->segments, cap * sizeof *bigger);

        if (bigger == NULL)
            return ORB_ENOMEM;
        p->segments = bigger;
        p->cap_segments = cap;
    }
    segment = mem_array(MEM_HOST, SEGMENT_BLOCKS, sizeof *segment);
    if (segment == NULL)
        return ORB_ENOMEM;
    p->segments[p->n_segments++] = segment;
    for (uint32_t i = SEGMENT_BLOCKS; i > 0; i--)
        block_put(p, (p->n_segments - 1) * SEGMENT_BLOCKS + i);
    return 0;
}

/* The limit is kept by spilling, not by refusing: between two spills a push may go above it by a segment. */
static int
pool_reserve(struct hostq_pool *p)
{
    return p->n_free > 1 ? 0 : segment_add(p);
}

static bool
pool_is_tight(const struct hostq_pool *p)
{
    return p->n_free < SEGMENT_BLOCKS / 4 && hostq_pool_bytes(p) >= p->limit_bytes;
}

int
hostq_reserve(struct hosts *hosts)
{
    return pool_reserve(hosts_queues(hosts));
}

static uint32_t
block_take(struct hostq_pool *p)
{
    uint32_t block = p->free_first;
    struct hostq_block *b = block_at(p, block);

    p->free_first = b->next;
    p->n_free--;
    memset(b, 0, sizeof *b);
    return block;
}

static void
id_set(uint8_t *to, uint64_t id)
{
    for (int i = 0; i < 5; i++)
        to[i] = (uint8_t)(id >> (8 * i));
}

static uint64_t
id_get(const uint8_t *from)
{
    uint64_t id = 0;

    for (int i = 0; i < 5; i++)
        id |= (uint64_t)from[i] << (8 * i);
    return id;
}

/* One part of a queue, head or tail. */
struct part {
    uint32_t *first, *last;
    uint16_t *n;
};

static struct part
head_of(struct host *h)
{
    return (struct part){ &h->head_first, &h->head_last, &h->n_head };
}

static struct part
tail_of(struct host *h)
{
    return (struct part){ &h->tail_first, &h->tail_last, &h->n_tail };
}

static int
part_push(struct hostq_pool *p, struct part part, uint64_t id)
{
    struct hostq_block *b = *part.last == 0 ? NULL : block_at(p, *part.last);
    int err;

    if (*part.n == UINT16_MAX)
        return ORB_ETOOBIG;
    if (b == NULL || b->to == BLOCK_IDS) {
        uint32_t block;

        err = pool_reserve(p);
        if (err != 0)
            return err;
        block = block_take(p);
        if (*part.last == 0)
            *part.first = block;
        else
            block_at(p, *part.last)->next = block;
        *part.last = block;
        b = block_at(p, block);
    }
    id_set(b->ids[b->to++], id);
    ++*part.n;
    return 0;
}

static int
part_push_front(struct hostq_pool *p, struct part part, uint64_t id)
{
    struct hostq_block *b = *part.first == 0 ? NULL : block_at(p, *part.first);
    int err;

    if (*part.n == UINT16_MAX)
        return ORB_ETOOBIG;
    if (b == NULL || b->from == 0) {
        uint32_t block;

        err = pool_reserve(p);
        if (err != 0)
            return err;
        block = block_take(p);
        b = block_at(p, block);
        b->next = *part.first;
        b->from = b->to = BLOCK_IDS;
        if (*part.first == 0)
            *part.last = block;
        *part.first = block;
    }
    id_set(b->ids[--b->from], id);
    ++*part.n;
    return 0;
}

static bool
part_pop(struct hostq_pool *p, struct part part, uint64_t *id)
{
    uint32_t block = *part.first;
    struct hostq_block *b;

    if (block == 0)
        return false;
    b = block_at(p, block);
    *id = id_get(b->ids[b->from++]);
    --*part.n;
    if (b->from == b->to) {
        *part.first = b->next;
        if (*part.first == 0)
            *part.last = 0;
        block_put(p, block);
    }
    return true;
}

static void
count_waiting(struct hostq_pool *p, const struct host *h, int64_t sign)
{
    p->waiting.n_hosts += h->n_queued > 0 ? (uint64_t)sign : 0;
    p->waiting.n_urls += (uint64_t)(sign * (int64_t)h->n_queued);
}

/* The only writer of n_queued. A snapshot of an older orb does not say what is in chunks: never below 0. */
static void
count_ids(struct hosts *hosts, struct host *h, int64_t step)
{
    struct hostq_pool *p = hosts_queues(hosts);
    bool is_waiting = (h->flags & HOST_BACKS_OFF) != 0;

    if (is_waiting)
        count_waiting(p, h, -1);
    h->n_queued = (uint32_t)ORB_MAX((int64_t)h->n_queued + step, (int64_t)0);
    if (is_waiting)
        count_waiting(p, h, 1);
}

void
hostq_set_backs_off(struct hosts *hosts, struct host *h, bool backs_off)
{
    if (backs_off == ((h->flags & HOST_BACKS_OFF) != 0))
        return;
    h->flags ^= HOST_BACKS_OFF;
    count_waiting(hosts_queues(hosts), h, backs_off ? 1 : -1);
}

struct hostq_waiting
hostq_waiting(const struct hosts *hosts)
{
    return hosts_queues((struct hosts *)(uintptr_t)hosts)->waiting;
}

void
hostq_count_chunked(struct hosts *hosts, struct host *h, uint32_t n_ids)
{
    count_ids(hosts, h, n_ids);
}

static int
push_counted(struct hosts *hosts, struct host *h, int err)
{
    if (err == 0)
        count_ids(hosts, h, 1);
    return err;
}

static bool
has_behind_head(const struct host *h)
{
    return h->first_chunk != 0 || h->last_chunk != 0 || h->loading_chunk != 0 || h->tail_first != 0;
}

int
hostq_push(struct hosts *hosts, struct host *h, uint64_t url_id)
{
    bool to_tail = has_behind_head(h) || h->n_head >= HOSTQ_WINDOW;

    return hostq_push_part(hosts, h, url_id, to_tail);
}

int
hostq_push_part(struct hosts *hosts, struct host *h, uint64_t url_id, bool to_tail)
{
    return push_counted(hosts, h, part_push(hosts_queues(hosts), to_tail ? tail_of(h) : head_of(h), url_id));
}

int
hostq_push_front(struct hosts *hosts, struct host *h, uint64_t url_id)
{
    return push_counted(hosts, h, part_push_front(hosts_queues(hosts), head_of(h), url_id));
}

bool
hostq_wants_chunk(const struct host *h)
{
    return h->head_first == 0 && h->first_chunk != 0 && h->loading_chunk == 0;
}

bool
hostq_pop(struct hosts *hosts, struct host *h, uint64_t *url_id)
{
    bool found = part_pop(hosts_queues(hosts), head_of(h), url_id);

    if (!found && h->first_chunk == 0 && h->last_chunk == 0 && h->loading_chunk == 0)
        found = part_pop(hosts_queues(hosts), tail_of(h), url_id);
    if (found)
        count_ids(hosts, h, -1);
    return found;
}

bool
hostq_is_empty(const struct host *h)
{
    return h->head_first == 0 && !has_behind_head(h);
}

/* A head longer than two windows comes from URLs handed back; it goes in front of the first chunk. While a chunk is on
 * its way the chain's beginning is not known, so only the tail may move then. */
static bool
spill_part(struct hosts *hosts, uint32_t host_id, unsigned at_least, uint32_t chunk_id, struct hostq_spill *out)
{
    struct host *h = hosts_get(hosts, host_id);
    struct hostq_pool *p = hosts_queues(hosts);
    bool is_tail = h->n_tail >= at_least;
    struct part part = is_tail ? tail_of(h) : head_of(h);

    if (!is_tail && (h->n_head < at_least || h->loading_chunk != 0 || (h->flags & HOST_IN_LEASE)))
        return false;
    *out = (struct hostq_spill){ .host_id = host_id, .chunk_id = chunk_id };
    while (out->n < HOSTQ_WINDOW && part_pop(p, part, &out->url_ids[out->n]))
        out->n++;
    if (is_tail) {
        /* behind a chunk that is on its way: linked too, for a snapshot taken now begins with that one */
        out->link_from = h->last_chunk != 0 ? h->last_chunk : h->loading_chunk;
        if (h->last_chunk == 0)
            h->first_chunk = chunk_id;
        h->last_chunk = chunk_id;
        return true;
    }
    if (*part.n > 0) { /* more than a chunk in the head: take the chunk back to its front, and leave it in RAM */
        for (unsigned i = out->n; i > 0; i--)
            (void)!part_push_front(p, part, out->url_ids[i - 1]); /* blocks were freed just now */
        return false;
    }
    out->next = h->first_chunk;
    h->first_chunk = chunk_id;
    if (h->last_chunk == 0)
        h->last_chunk = chunk_id;
    return true;
}

static bool
spill_by_hand(struct hosts *hosts, uint32_t chunk_id, struct hostq_spill *out)
{
    struct hostq_pool *p = hosts_queues(hosts);
    uint32_t n = hosts_count(hosts);

    for (unsigned i = 0; i < HAND_STEPS; i++) {
        if (p->hand == 0 || p->hand > n)
            p->hand = 1;
        if (spill_part(hosts, p->hand++, p->min_spill, chunk_id, out)) {
            p->barren = 0;
            return true;
        }
        if (++p->barren > n / 4) { /* few long queues are left */
            p->barren = 0;
            p->min_spill = ORB_MAX(p->min_spill / 2, 2u);
        }
    }
    return false;
}

bool
hostq_spill(struct hosts *hosts, uint32_t host_id, uint32_t chunk_id, struct hostq_spill *out)
{
    struct hostq_pool *p = hosts_queues(hosts);
    struct host *h = hosts_get(hosts, host_id);

    if (h->n_tail >= HOSTQ_WINDOW || h->n_head >= HOSTQ_WINDOW)
        if (spill_part(hosts, host_id, HOSTQ_WINDOW, chunk_id, out))
            return true;
    return pool_is_tight(p) && spill_by_hand(hosts, chunk_id, out);
}

uint32_t
hostq_take_chunk(struct host *h)
{
    uint32_t chunk = h->first_chunk;

    if (chunk == 0 || h->loading_chunk != 0)
        return 0;
    h->loading_chunk = chunk;
    h->first_chunk = 0; /* known again when it is loaded, unless it was the last */
    if (h->last_chunk == chunk)
        h->last_chunk = 0;
    return chunk;
}

void
hostq_loaded(struct hosts *hosts, struct host *h, uint32_t next, uint32_t n_ids)
{
    CHECK(h->loading_chunk != 0);
    count_ids(hosts, h, -(int64_t)n_ids);
    h->loading_chunk = 0;
    if (h->last_chunk != 0 && h->first_chunk == 0)
        h->first_chunk = next;
}

void
hostq_each(const struct hosts *hosts, const struct host *h, bool tail, void (*each)(void *arg, uint64_t url_id), void *arg)
{
    struct hostq_pool *p = hosts_queues((struct hosts *)(uintptr_t)hosts);

    for (uint32_t block = tail ? h->tail_first : h->head_first; block != 0;) {
        const struct hostq_block *b = block_at(p, block);

        for (unsigned i = b->from; i < b->to; i++)
            each(arg, id_get(b->ids[i]));
        block = b->next;
    }
}
