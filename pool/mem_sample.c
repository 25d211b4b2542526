#include "pool/mem_sample.h"

#define STUCK UINT8_MAX /* a counter that came so far no longer counts: it only costs look-ups */

_Atomic uint8_t mem_sample_filter[MEM_SAMPLE_FILTER_SLOTS];

static const struct mem_sampler *_Atomic sampler;

/* Moves the counter of p by one step. */
static void
filter_count(const void *p, int step)
{
    _Atomic uint8_t *counter = &mem_sample_filter[mem_sample_slot(p)];
    uint8_t n = atomic_load_explicit(counter, memory_order_relaxed);

    while (n != STUCK && (step > 0 || n > 0) && !atomic_compare_exchange_weak(counter, &n, (uint8_t)(n + step)))
        continue;
}

/* The block that holds the gap's last byte is the next one. */
static void
begin_gap(struct count *c, const struct mem_sampler *s)
{
    size_t sum = COUNT_GET(&c->alloc_bytes), gap = s->gap_bytes();

    atomic_store_explicit(&c->sample_beyond, gap < SIZE_MAX - sum ? sum + ORB_MAX(gap, 1) - 1 : SIZE_MAX, memory_order_relaxed);
}

void
mem_sample(struct count *c, enum mem_domain d, void *p, size_t n_bytes)
{
    const struct mem_sampler *s = atomic_load_explicit(&sampler, memory_order_acquire);

    c->sample_beyond = SIZE_MAX;
    if (s == NULL)
        return;
    if (s->sample(d, p, n_bytes))
        filter_count(p, 1);
    begin_gap(c, s);
}

void
mem_sample_freed(void *p)
{
    const struct mem_sampler *s = atomic_load_explicit(&sampler, memory_order_acquire);

    if (s != NULL && s->forget(p))
        filter_count(p, -1);
}

/* The gaps have no memory: one may begin anew at any time. A thread that is sampling right now may keep its old one. */
void
mem_set_sampler(const struct mem_sampler *next)
{
    slot_of_thread();
    atomic_store_explicit(&sampler, next, memory_order_release);
    for (int d = MEM_XML; d <= MEM_JSON; d++)
        for (unsigned i = 1; i < N_SLOTS; i++) {
            if (next == NULL)
                slots[i].counts[d].sample_beyond = SIZE_MAX;
            else
                begin_gap(&slots[i].counts[d], next);
        }
    for (unsigned i = 0; next == NULL && i < MEM_SAMPLE_FILTER_SLOTS; i++)
        atomic_store_explicit(&mem_sample_filter[i], 0, memory_order_relaxed);
}
