/* heap_sample.h - objects to look at: three types of one shape, linked as a test likes
 *
 * Every sample has an id; sample_is_alive[id] says whether it still lives.
 */
#ifndef ORB_TESTS_HEAP_SAMPLE_H
#define ORB_TESTS_HEAP_SAMPLE_H

#include <stdio.h>

#include "gc/collect.h"
#include "gc/object.h"

#define SAMPLE_LINKS 4
#define SAMPLE_MAX 4096
#define SAMPLE_BYTES 56 /* of a slot */

struct sample {
    struct object object;
    struct object *to[SAMPLE_LINKS];
    uint32_t id, owned_bytes;
};
_Static_assert(sizeof(struct sample) == SAMPLE_BYTES, "a slot is as large as a sample");

static bool sample_is_alive[SAMPLE_MAX];
static const char *sample_description; /* NULL: "#7" */

static const uint16_t sample_offsets[] = { offsetof(struct sample, to[0]), offsetof(struct sample, to[1]),
                                           offsetof(struct sample, to[2]), offsetof(struct sample, to[3]) };

static void
sample_release(struct object *o)
{
    sample_is_alive[((struct sample *)(void *)o)->id] = false;
}

static size_t
sample_owned_bytes(const struct object *o)
{
    return ((const struct sample *)(const void *)o)->owned_bytes;
}

static void
sample_describe(const struct object *o, char *to, size_t cap)
{
    if (sample_description != NULL)
        snprintf(to, cap, "%s", sample_description);
    else
        snprintf(to, cap, "#%u", ((const struct sample *)(const void *)o)->id);
}

#define SAMPLE_TYPE(type_name, lifetime)                                                                               \
    {                                                                                                                  \
        .name = (type_name), .object_bytes = sizeof(struct sample), .lifetime_ms = (lifetime),                         \
        .pointer_offsets = sample_offsets, .n_pointers = SAMPLE_LINKS, .release = sample_release,                      \
        .owned_bytes = sample_owned_bytes, .describe = sample_describe                                                 \
    }
static struct object_type sample_types[] = { SAMPLE_TYPE("page", 90000), SAMPLE_TYPE("link", 0), SAMPLE_TYPE("host", 0) };
enum { SAMPLE_PAGE, SAMPLE_LINK, SAMPLE_HOST, SAMPLE_N_TYPES };

static inline struct sample *
sample_new(unsigned type, uint32_t id)
{
    struct sample *s = OBJECT_NEW(&sample_types[type]);

    if (s != NULL) {
        s->id = id;
        sample_is_alive[id] = true;
    }
    return s;
}

/* into the first free link; s KEEPS to */
static inline bool
sample_link(struct sample *s, struct sample *to)
{
    for (unsigned i = 0; i < SAMPLE_LINKS; i++)
        if (s->to[i] == NULL) {
            s->to[i] = object_ref(&to->object);
            return true;
        }
    return false;
}

static inline void
sample_unref(struct sample **s)
{
    struct object *o = *s == NULL ? NULL : &(*s)->object;

    *s = NULL;
    object_unref(&o);
}

static inline struct sample *
sample_of(struct object *o)
{
    return (struct sample *)(void *)o;
}

#endif
