#include "pool/buf_ring.h"

#include "pool/buf.h"
#include "pool/mem_large.h"

#include <pthread.h>

struct ring_class {
    void *idle; /* linked through their first word, the warmest first */
    size_t idle_bytes;
    unsigned low_water; /* fewest idle since the last tick */
    struct pool_stats stats;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring_class classes[BUF_RING_N_CLASSES];

/* 4096 << 0, 6144 << 0, 4096 << 1, 6144 << 1, ... */
static size_t
bytes_of(unsigned class)
{
    return (class % 2 == 0 ? (size_t)4096 : 6144) << class / 2;
}

static unsigned
class_of(size_t n_bytes)
{
    unsigned class = 0;

    while (bytes_of(class) < n_bytes)
        class++;
    return class;
}

size_t
buf_ring_class_bytes(size_t n_bytes)
{
    if (n_bytes <= BUF_RING_LEAST_BYTES / 2 || n_bytes > BUF_RING_MOST_BYTES)
        return 0;
    return bytes_of(class_of(n_bytes));
}

static void *
take_idle(struct ring_class *c)
{
    void *p = c->idle;

    if (p == NULL)
        return NULL;
    c->idle = *(void **)p;
    c->idle_bytes -= large_usable_bytes(p);
    c->stats.n_idle--;
    return p;
}

static void
count_refusal(struct ring_class *c)
{
    pthread_mutex_lock(&lock);
    c->stats.n_refused++;
    pthread_mutex_unlock(&lock);
}

void *
buf_ring_get(size_t class_bytes)
{
    struct ring_class *c = &classes[class_of(class_bytes)];
    struct slot *s = slot_of_thread();
    void *p;

    if (mem_is_watched(MEM_BUF) && mem_may_not(MEM_BUF, class_bytes)) {
        count_refusal(c);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    p = take_idle(c);
    c->low_water = ORB_MIN(c->low_water, c->stats.n_idle);
    *(p != NULL ? &c->stats.n_hits : &c->stats.n_misses) += 1;
    pthread_mutex_unlock(&lock);
    if (p != NULL)
        large_count(s, MEM_BUF, p, large_usable_bytes(p), true);
    else if ((p = large_alloc(s, MEM_BUF, class_bytes, false)) == NULL) {
        count_refusal(c);
        return mem_refuse(MEM_BUF);
    }
    pthread_mutex_lock(&lock);
    c->stats.n_in_use++;
    c->stats.high_water = ORB_MAX(c->stats.high_water, c->stats.n_in_use);
    pthread_mutex_unlock(&lock);
    return p;
}

void
buf_ring_put(void *p, size_t class_bytes)
{
    struct ring_class *c = &classes[class_of(class_bytes)];
    struct slot *s = slot_of_thread();
    size_t usable_bytes = large_usable_bytes(p);

    CHECK(usable_bytes >= class_bytes); /* the next body will write all of it */
    buf_ring_lose(class_bytes);
    if (MEM_IS_PLAIN) { /* AddressSanitizer is to see who uses it after this */
        large_free(s, MEM_BUF, p, usable_bytes);
        return;
    }
    large_count(s, MEM_BUF, p, usable_bytes, false);
    pthread_mutex_lock(&lock);
    *(void **)p = c->idle;
    c->idle = p;
    c->idle_bytes += usable_bytes;
    c->stats.n_idle++;
    pthread_mutex_unlock(&lock);
}

void
buf_ring_lose(size_t class_bytes)
{
    struct ring_class *c = &classes[class_of(class_bytes)];

    pthread_mutex_lock(&lock);
    CHECK(c->stats.n_in_use > 0);
    c->stats.n_in_use--;
    pthread_mutex_unlock(&lock);
}

static void
free_idle(struct ring_class *c, unsigned n)
{
    for (void *p; n > 0 && (p = take_idle(c)) != NULL; n--) {
        large_release(slot_of_thread(), MEM_BUF, p);
        c->stats.n_trims++;
    }
    c->low_water = c->stats.n_idle;
}

void
buf_ring_tick(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        free_idle(&classes[i], (ORB_MIN(classes[i].low_water, classes[i].stats.n_idle) + 1) / 2);
    pthread_mutex_unlock(&lock);
}

void
buf_ring_flush(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        free_idle(&classes[i], classes[i].stats.n_idle);
    pthread_mutex_unlock(&lock);
}

size_t
buf_ring_idle_bytes(void)
{
    size_t sum = 0;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < BUF_RING_N_CLASSES; i++)
        sum += classes[i].idle_bytes;
    pthread_mutex_unlock(&lock);
    return sum;
}

size_t
buf_ring_stats(unsigned class, struct pool_stats *out)
{
    if (class >= BUF_RING_N_CLASSES)
        return 0;
    pthread_mutex_lock(&lock);
    *out = classes[class].stats;
    pthread_mutex_unlock(&lock);
    return bytes_of(class);
}
