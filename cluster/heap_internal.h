/* heap_internal.h - one question at hand, shared by heap*.c only */
#ifndef ORB_CLUSTER_HEAP_INTERNAL_H
#define ORB_CLUSTER_HEAP_INTERNAL_H

#include <jansson.h>

#include "cluster/heap.h"

struct heap_question {
    struct heap *heap;
    json_t *json;
    const char *what, *target, *format; /* NULL = not given */
    uint64_t now_ms;
    char trouble[400]; /* why there is no answer, when an answer_*() fails with something else than out of memory */
};

int heap_refuse(struct heap_question *q, const char *fmt, ...) ORB_PRINTF(2, 3); /* ORB_EINVAL */
int64_t heap_number(const struct heap_question *q, const char *key, int64_t missing, int64_t min, int64_t max);
bool heap_format_is(const struct heap_question *q, const char *format);

/* heap_census.c */
int answer_census(struct heap_question *q, struct buf *to);
int answer_diff(struct heap_question *q, struct buf *to);
int answer_errors(struct heap_question *q, struct buf *to);
/* heap_collect.c */
int answer_gc(struct heap_question *q, struct buf *to);
int answer_roots(struct heap_question *q, struct buf *to);
int answer_collect(struct heap_question *q, struct buf *to);
/* heap_graph.c */
int answer_graph(struct heap_question *q, struct buf *to);
int answer_neighbours(struct heap_question *q, struct buf *to); /* referrers, referents */
int answer_chain(struct heap_question *q, struct buf *to);
int answer_retained(struct heap_question *q, struct buf *to);
void heap_put_object(struct text *t, struct object *o);         /* {"address","type","site","age_s","refs","what"} */
/* heap_memory.c */
int answer_domains(struct heap_question *q, struct buf *to);
int answer_pools(struct heap_question *q, struct buf *to);
int answer_trace(struct heap_question *q, struct buf *to);
int answer_magnify(struct heap_question *q, struct buf *to);

#endif
