#include "gc/object_internal.h"

/* When objects were born: 12 bits of GC_EPOCH_S seconds, which come round after four and a half hours. Before they can, the
 * births of those that are older than AGE_MAX are moved on, so that an age is always the difference modulo 2^12. */

#define EPOCH_MASK ((1u << GC_EPOCH_BITS) - 1)
#define AGE_MAX 2048u     /* epochs: 2 h 16 min */
#define REDATE_EVERY 1024u
#define AGE_TOLD_S 7200u

uint32_t gc_born_bits;
static uint64_t now;      /* in epochs, since the caller's clock began */
static uint64_t redated;
static bool is_told;      /* what time it is */

uint32_t
gc_epoch(void)
{
    return (uint32_t)now & EPOCH_MASK;
}

static uint32_t
age(const struct object *o)
{
    return (gc_epoch() - (o->site >> OBJECT_SITE_BITS)) & EPOCH_MASK;
}

/* Births as they read after a step of *arg epochs. */
static void
redate(void *arg, struct object *o)
{
    uint64_t step = *(const uint64_t *)arg, older = age(o) + step;
    uint32_t born = (uint32_t)(now + step - ORB_MIN(older, AGE_MAX)) & EPOCH_MASK;

    o->site = (o->site & ((1u << OBJECT_SITE_BITS) - 1)) | born << OBJECT_SITE_BITS;
}

static void
date_now(void *arg, struct object *o)
{
    o->site = (o->site & ((1u << OBJECT_SITE_BITS) - 1)) | gc_born_bits;
}

/* The caller's clock may have begun long before the process: what was made until now was made just now. */
static void
begin(uint64_t first)
{
    is_told = true;
    now = redated = first;
    gc_born_bits = gc_epoch() << OBJECT_SITE_BITS;
    heap_each(date_now, NULL);
}

void
gc_set_time(uint64_t now_ms)
{
    uint64_t next = now_ms / (GC_EPOCH_S * 1000), step = next - now;

    if (!is_told)
        begin(next);
    if (next <= now)
        return;
    if (next - redated >= REDATE_EVERY) {
        heap_each(redate, &step);
        redated = next;
    }
    now = next;
    gc_born_bits = gc_epoch() << OBJECT_SITE_BITS;
}

uint32_t
gc_age_s(const struct object *o)
{
    return ORB_MIN(age(o) * GC_EPOCH_S, AGE_TOLD_S);
}
