/* cmd_heap.h - the parts of `orb heap`, shared by cmd_heap*.c only
 *
 *   cmd_heap.c        arguments, the question, where the answer goes
 *   cmd_heap_show.c   answers as tables
 *   cmd_heap_gc.c     ... of the collector, roots, chains
 *   cmd_heap_help.c   what to ask, and what the columns mean
 *   cmd_heap_draw.c   pictures: Graphviz's `dot`, where it is installed
 *
 * An answer is a worker's word: its JSON is read as untrusted text, and what is printed of it is escaped.
 */
#ifndef ORB_CLUSTER_CMD_HEAP_H
#define ORB_CLUSTER_CMD_HEAP_H

#include <jansson.h>

#include "pool/buf.h"

enum heap_options { HEAP_HAS_TARGET = 1, HEAP_NEEDS_TARGET = 2, HEAP_HAS_MINUTES = 4, HEAP_HAS_SINCE = 8,
                    HEAP_HAS_EXTENT = 16, HEAP_HAS_ALL = 32 };

struct heap_command {
    const char *what;                          /* as asked */
    unsigned options;
    const char *formats;                       /* "dot|json|svg|png"; NULL = table or --json */
    void (*show)(const json_t *answer);        /* a table */
    const char *sentence;
};
const struct heap_command *heap_command_find(const char *what); /* NULL: there is none */
const struct heap_command *heap_command_at(size_t i);           /* NULL beyond the last */

struct heap_args {
    const char *dir, *slot, *target, *format, *out_path;
    const struct heap_command *command;
    int64_t since_s, minutes, depth, nodes;    /* -1 = not given */
    bool is_json, wants_referrers, wants_all;
};

int heap_help(void);

/* Of a table of things that are mostly zero: those rows go, unless --all was given. */
struct table;
void heap_hide_zeros(struct table *t);

/* cmd_heap_draw.c: DOT in, a picture in `format` out, to path (NULL: standard output). An exit code. */
int heap_draw(struct slice dot, const char *format, const char *path);

/* cmd_heap_show.c, cmd_heap_gc.c */
void show_types(const json_t *answer);
void show_sites(const json_t *answer);
void show_census(const json_t *answer);
void show_diff(const json_t *answer);
void show_errors(const json_t *answer);
void show_domains(const json_t *answer);
void show_pools(const json_t *answer);
void show_trace(const json_t *answer);
void show_magnify(const json_t *answer);
void show_gc(const json_t *answer);
void show_roots(const json_t *answer);
void show_collect(const json_t *answer);
void show_neighbours(const json_t *answer);
void show_chain(const json_t *answer);
void show_retained(const json_t *answer);

static inline int64_t
heap_int(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static inline const char * /* NULL = none */
heap_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

#endif
