#include "gc/census.h"

/* census_history - the past, in a list that is fine near its end and coarse at its beginning
 *
 *      oldest                                                            newest
 *      | hour | hour | ... | hour | min | min | min | min | ... | min | min |
 *      <----- 48 h, an hour apart -----> <------- 1 h, a minute apart ------->
 *
 * Only the newest end is written. A snapshot that comes of age (1 h) stays when it is an hour later than the one before it,
 * and goes otherwise. */

#define MINUTE_MS (60u * 1000)
#define HOUR_MS (60u * MINUTE_MS)
#define REACH_MS (49u * HOUR_MS)
#define MAX_SNAPSHOTS 112u /* 61 + 49, and the one that comes before the others are thinned */

struct census_history {
    uint32_t magic;
    unsigned n;
    size_t ram_bytes;
    struct census *snapshots[MAX_SNAPSHOTS]; /* in the order of their time */
};

#define HISTORY_MAGIC 0x68697374

int
census_history_new(struct census_history **out)
{
    struct census_history *h = mem_zalloc(MEM_OBJ, sizeof *h);

    if (h == NULL)
        return ORB_ENOMEM;
    h->magic = HISTORY_MAGIC;
    *out = h;
    return 0;
}

static size_t
bytes_of(const struct census *c)
{
    return sizeof *c + c->n_rows * sizeof c->rows[0];
}

static void
drop(struct census_history *h, unsigned at)
{
    h->ram_bytes -= bytes_of(h->snapshots[at]);
    census_free(&h->snapshots[at]);
    h->n--;
    memmove(&h->snapshots[at], &h->snapshots[at + 1], (h->n - at) * sizeof h->snapshots[0]);
}

void
census_history_free(struct census_history **hp)
{
    struct census_history *h = *hp;

    if (h == NULL)
        return;
    CHECK_IS(h, HISTORY_MAGIC);
    while (h->n > 0)
        drop(h, h->n - 1);
    h->magic = 0;
    MEM_FREE(MEM_OBJ, hp);
}

/* Of age, and less than an hour after the one before it. */
static bool
is_superfluous(const struct census_history *h, unsigned at, uint64_t now_ms)
{
    uint64_t of_ms = h->snapshots[at]->taken_at_ms;

    if (now_ms - of_ms > REACH_MS)
        return true;
    return at > 0 && now_ms - of_ms > HOUR_MS && of_ms - h->snapshots[at - 1]->taken_at_ms < HOUR_MS;
}

static void
thin(struct census_history *h, uint64_t now_ms)
{
    for (unsigned i = 0; i + 1 < h->n;)
        if (is_superfluous(h, i, now_ms))
            drop(h, i);
        else
            i++;
    while (h->ram_bytes > CENSUS_HISTORY_MAX_BYTES && h->n > 2)
        for (unsigned i = 1; i + 1 < h->n; i++) /* the oldest and the newest stay; a drop moves the next one here */
            drop(h, i);
}

int
census_history_tick(struct census_history *h, uint64_t now_ms)
{
    struct census *c;

    CHECK_IS(h, HISTORY_MAGIC);
    if (h->n > 0 && now_ms < h->snapshots[h->n - 1]->taken_at_ms + MINUTE_MS)
        return 0;
    c = census_take(now_ms, true);
    if (c == NULL)
        return ORB_ENOMEM;
    CHECK(h->n < MAX_SNAPSHOTS);
    h->snapshots[h->n++] = c;
    h->ram_bytes += bytes_of(c);
    thin(h, now_ms);
    return 0;
}

const struct census *
census_history_at(const struct census_history *h, uint64_t at_ms)
{
    unsigned i = h->n;

    CHECK_IS(h, HISTORY_MAGIC);
    if (i == 0)
        return NULL;
    while (i > 1 && h->snapshots[i - 1]->taken_at_ms > at_ms)
        i--;
    return h->snapshots[i - 1];
}

size_t
census_history_count(const struct census_history *h)
{
    CHECK_IS(h, HISTORY_MAGIC);
    return h->n;
}

size_t
census_history_ram_bytes(const struct census_history *h)
{
    CHECK_IS(h, HISTORY_MAGIC);
    return sizeof *h + h->ram_bytes;
}
