/* heap_census.c - what is alive, and what grew: census, diff, errors */
#include "cluster/heap_internal.h"

static int
put_census(struct heap_question *q, struct text *t)
{
    struct census *c = census_take(q->now_ms, true);
    int err;

    if (c == NULL)
        return ORB_ENOMEM;
    text_put(t, "{\"census\":");
    err = t->err != 0 ? t->err : census_json(c, t->to);
    census_free(&c);
    return err;
}

int
answer_census(struct heap_question *q, struct buf *to)
{
    const struct heap_facts *f = &q->heap->facts;
    struct text t;
    int err;

    text_start(&t, to);
    err = put_census(q, &t);
    if (err != 0)
        return err;
    text_put(&t, ",\"balance\":[");
    if (f->balance != NULL)
        f->balance(f->arg, &t);
    text_put(&t, "]}");
    return text_end(&t);
}

int
answer_diff(struct heap_question *q, struct buf *to)
{
    uint64_t since_ms = (uint64_t)heap_number(q, "since_s", 600, 1, 30 * 86400) * 1000;
    const struct census *before = census_history_at(q->heap->history, q->now_ms - ORB_MIN(since_ms, q->now_ms));
    struct census *now;
    struct text t;
    int err;

    if (before == NULL)
        return heap_refuse(q, "there is no past yet: the first census is taken within a minute of the start; ask again then");
    now = census_take(q->now_ms, true);
    if (now == NULL)
        return ORB_ENOMEM;
    text_start(&t, to);
    text_printf(&t, "{\"asked_s\":%llu,\"since_s\":%llu,\"history\":{\"n\":%zu,\"bytes\":%zu},\"diff\":",
                (unsigned long long)since_ms / 1000, (unsigned long long)(q->now_ms - before->taken_at_ms) / 1000,
                census_history_count(q->heap->history), census_history_ram_bytes(q->heap->history));
    err = t.err != 0 ? t.err : census_diff_json(before, now, to);
    census_free(&now);
    if (err != 0)
        return err;
    text_put(&t, "}");
    return text_end(&t);
}

int
answer_errors(struct heap_question *q, struct buf *to)
{
    const struct heap_facts *f = &q->heap->facts;
    struct text t;

    text_start(&t, to);
    text_put(&t, "{\"hosts\":[");
    if (f->errors != NULL)
        f->errors(f->arg, &t);
    text_put(&t, "]}");
    return text_end(&t);
}
