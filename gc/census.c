#include "gc/census.h"

#include <stdlib.h>

#include "gc/collect.h"
#include "gc/heap_slab.h"

/* While counting, rows stand in the order of their first object, and a small hash table leads from (type, site) to the row.
 * Slots of a slab are of one type and neighbours often of one site, so the row of the object before is tried first. */

#define SITE_MASK ((1u << OBJECT_SITE_BITS) - 1)
#define FIRST_ROWS 32u

struct place {
    uint64_t key; /* type id, site id */
    uint32_t row; /* + 1; 0 = free */
};

struct tally {
    struct census *census;
    size_t cap_rows;
    struct place *places; /* n_places of them, a power of two, at most half in use */
    size_t n_places;
    uint64_t last_key;    /* 0: none yet */
    struct census_row *last_row;
    bool has_failed;
};

const char *
census_band_name(unsigned band)
{
    static const char *const names[CENSUS_AGE_BANDS] = { "< 10 s", "< 1 min", "< 10 min", "< 1 h", ">= 1 h" };

    CHECK(band < CENSUS_AGE_BANDS);
    return names[band];
}

uint64_t
census_row_count(const struct census_row *r)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < CENSUS_AGE_BANDS; i++)
        n += r->n[i];
    return n;
}

/* ---- rows ---- */

static struct place *
place_of(const struct tally *t, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & (t->n_places - 1);

    while (t->places[at].row != 0 && t->places[at].key != key)
        at = (at + 1) & (t->n_places - 1);
    return &t->places[at];
}

/* Room for one row more, and a table that is at most half full with it. */
static int
tally_grow(struct tally *t)
{
    size_t cap = t->cap_rows == 0 ? FIRST_ROWS : 2 * t->cap_rows;
    struct place *places = mem_array(MEM_OBJ, 2 * cap, sizeof *places), *old = t->places;
    struct census *census;
    size_t n_old = t->n_places;

    if (places == NULL)
        return ORB_ENOMEM;
    census = mem_realloc(MEM_OBJ, t->census, sizeof *census + cap * sizeof census->rows[0]);
    if (census == NULL) {
        mem_free(MEM_OBJ, places);
        return ORB_ENOMEM;
    }
    if (t->census == NULL)
        *census = (struct census){ .n_rows = 0 };
    t->census = census;
    t->cap_rows = cap;
    t->places = places;
    t->n_places = 2 * cap;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].row != 0)
            *place_of(t, old[i].key) = old[i];
    mem_free(MEM_OBJ, old);
    return 0;
}

static struct census_row *
row_of(struct tally *t, const struct object *o, uint64_t key)
{
    struct place *p = place_of(t, key);
    struct census_row *r;

    if (p->row != 0)
        return &t->census->rows[p->row - 1];
    if (t->census->n_rows == t->cap_rows) {
        if (tally_grow(t) != 0)
            return NULL;
        p = place_of(t, key);
    }
    r = &t->census->rows[t->census->n_rows++];
    *r = (struct census_row){ .type = object_type_of(o), .site = object_site_of(o) };
    *p = (struct place){ key, (uint32_t)t->census->n_rows };
    return r;
}

/* ---- counting ---- */

static inline unsigned
band_of(uint32_t age_s)
{
    return (age_s >= 10) + (age_s >= 60) + (age_s >= 600) + (age_s >= 3600);
}

static void
count_object(void *arg, struct object *o)
{
    struct tally *t = arg;
    uint64_t key = (uint64_t)o->type << 32 | (o->site & SITE_MASK);
    uint32_t age_s = gc_age_s(o);
    struct census_row *r = t->last_row;

    if (key != t->last_key) {
        r = t->has_failed ? NULL : row_of(t, o, key);
        if (r == NULL) {
            t->has_failed = true;
            return;
        }
        t->last_key = key;
        t->last_row = r;
    }
    r->n[band_of(age_s)]++;
    if (age_s > r->oldest_s)
        r->oldest_s = age_s;
    /* Its birth may be up to an epoch later than its date says. */
    if (r->type->lifetime_ms != 0 && age_s >= GC_EPOCH_S && (uint64_t)(age_s - GC_EPOCH_S) * 1000 >= r->type->lifetime_ms)
        r->n_overdue++;
}

static void
count_object_and_owned(void *arg, struct object *o)
{
    struct tally *t = arg;

    count_object(t, o);
    if (!t->has_failed && t->last_row->type->owned_bytes != NULL)
        t->last_row->owned_bytes += t->last_row->type->owned_bytes(o);
}

static int
compare_rows(const void *a, const void *b)
{
    const struct census_row *x = a, *y = b;
    uint64_t of_x = x->bytes + x->owned_bytes, of_y = y->bytes + y->owned_bytes;

    if (of_x != of_y)
        return of_x < of_y ? 1 : -1;
    if (x->type != y->type)
        return x->type->id < y->type->id ? -1 : 1;
    return (x->site > y->site) - (x->site < y->site);
}

static void
add_up(struct census *c)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        struct census_row *r = &c->rows[i];
        uint64_t n = census_row_count(r);

        r->bytes = n * heap_types[r->type->id].slot_bytes;
        c->n_objects += n;
        c->bytes += r->bytes;
        c->owned_bytes += r->owned_bytes;
    }
    qsort(c->rows, c->n_rows, sizeof c->rows[0], compare_rows);
}

struct census *
census_take(uint64_t now_ms, bool with_owned_bytes)
{
    struct tally t = { .census = NULL };
    struct census *exact;

    if (tally_grow(&t) != 0)
        return NULL;
    t.census->taken_at_ms = now_ms;
    t.census->has_owned_bytes = with_owned_bytes;
    heap_each(with_owned_bytes ? count_object_and_owned : count_object, &t);
    mem_free(MEM_OBJ, t.places);
    if (t.has_failed) {
        census_free(&t.census);
        return NULL;
    }
    add_up(t.census);
    exact = mem_realloc(MEM_OBJ, t.census, sizeof *exact + t.census->n_rows * sizeof exact->rows[0]);
    return exact != NULL ? exact : t.census;
}

void
census_free(struct census **c)
{
    MEM_FREE(MEM_OBJ, c);
}
