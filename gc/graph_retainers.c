#include "gc/graph_dominators.h"

/* The best so far stand in order; most objects are smaller than the last of them and cost one comparison. */
struct best {
    struct graph_retainer *rows;
    size_t n, max;
};

static void
keep_if_better(struct best *b, const struct graph_retainer *r)
{
    size_t at = b->n;

    if (b->n == b->max && (b->max == 0 || b->rows[b->n - 1].bytes >= r->bytes))
        return;
    if (b->n < b->max)
        b->n++;
    else
        at--;
    for (; at > 0 && b->rows[at - 1].bytes < r->bytes; at--)
        b->rows[at] = b->rows[at - 1];
    b->rows[at] = *r;
}

struct sum {
    uint64_t bytes;
    uint64_t n;
};

/* A dominator's number is below those that it dominates: from the last to the first, sums are whole when they are passed on. */
static void
sum_up(const struct graph_dominators *d, struct sum *sums)
{
    for (uint32_t v = d->n; v > 0; v--) {
        struct sum *up = &sums[d->dominators[v]];

        sums[v].bytes += graph_size_of(d->objects[v]);
        sums[v].n++;
        up->bytes += sums[v].bytes;
        up->n += sums[v].n;
    }
}

static void
pick(const struct graph_dominators *d, const struct sum *sums, struct best *best)
{
    for (uint32_t v = 1; v <= d->n; v++) {
        uint32_t up = d->dominators[v];
        struct graph_retainer r = { d->objects[v], up == 0 ? NULL : d->objects[up], sums[v].n, sums[v].bytes };

        keep_if_better(best, &r);
    }
}

int
graph_retained_top(size_t max, struct graph_retainer **out, size_t *n)
{
    struct graph_dominators d;
    struct best best = { .max = ORB_MIN(max, GRAPH_MAX_RETAINERS) };
    struct sum *sums = NULL;
    int err = graph_dominators_find(&d);

    if (err != 0)
        return err;
    best.rows = mem_array(MEM_OBJ, best.max, sizeof *best.rows);
    sums = mem_array(MEM_OBJ, (size_t)d.n + 1, sizeof *sums);
    if (best.rows == NULL || sums == NULL) {
        mem_free(MEM_OBJ, best.rows);
        err = ORB_ENOMEM;
    } else {
        sum_up(&d, sums);
        pick(&d, sums, &best);
        *out = best.rows;
        *n = best.n;
    }
    mem_free(MEM_OBJ, sums);
    graph_dominators_fini(&d);
    return err;
}
