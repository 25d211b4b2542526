#include "gc/trace_internal.h"

#include "pool/map.h"

#include <stdio.h>

/* profile.proto of github.com/google/pprof, by hand. A message is a run of fields: a number (key = field << 3, a varint), or
 * bytes (key = field << 3 | 2, their length, they themselves): texts, messages, packed numbers. Fields may come in any order,
 * so that what turns out to be needed on the way (locations, functions, strings) is written behind what needs it. */

enum profile_field { P_SAMPLE_TYPE = 1, P_SAMPLE, P_MAPPING, P_LOCATION, P_FUNCTION, P_STRING, P_PERIOD_TYPE = 11, P_PERIOD, P_COMMENT, P_DEFAULT_TYPE };
enum value_type_field { V_TYPE = 1, V_UNIT };
enum sample_field { S_LOCATION_ID = 1, S_VALUE, S_LABEL };
enum label_field { L_KEY = 1, L_STR };
enum mapping_field { M_ID = 1, M_BEGIN, M_END, M_OFFSET, M_FILE, M_BUILD_ID, M_HAS_FUNCTIONS };
enum location_field { O_ID = 1, O_MAPPING_ID, O_ADDRESS, O_LINE };
enum line_field { I_FUNCTION_ID = 1 };
enum function_field { F_ID = 1, F_NAME, F_SYSTEM_NAME, F_FILE };

struct entry { /* of a table: what has got a number */
    uint64_t key;
    uint64_t number;
    const char *text;   /* strings: BORROWED from the copy, the names, the modules */
    const void *frame;  /* locations */
};

/* Numbers in the order of first use, from `first` on. */
struct table {
    struct map by_key;  /* of struct entry */
    struct buf entries; /* of struct entry *, by number */
    uint64_t first;
};

struct writer {
    struct buf *to;
    struct buf message, inner; /* under construction */
    const struct trace_modules *modules;
    struct table strings, locations, functions;
    int err; /* the first one; nothing is written after it */
};

/* ---- the wire format --------------------------------------------------------------------------------------------------- */

static void
put_bytes(struct writer *w, struct buf *to, const void *bytes, size_t n)
{
    if (w->err == 0)
        w->err = buf_append(to, bytes, n);
}

static void
put_varint(struct writer *w, struct buf *to, uint64_t n)
{
    uint8_t bytes[10];
    unsigned i = 0;

    for (; n >= 0x80; n >>= 7)
        bytes[i++] = (uint8_t)(n | 0x80);
    bytes[i++] = (uint8_t)n;
    put_bytes(w, to, bytes, i);
}

static void
put_number(struct writer *w, struct buf *to, unsigned field, uint64_t n)
{
    if (n == 0) /* the default: not written */
        return;
    put_varint(w, to, field << 3);
    put_varint(w, to, n);
}

static void
put_field(struct writer *w, struct buf *to, unsigned field, struct slice bytes)
{
    put_varint(w, to, field << 3 | 2);
    put_varint(w, to, bytes.n);
    put_bytes(w, to, bytes.p, bytes.n);
}

static void
put_message(struct writer *w, struct buf *to, unsigned field, struct buf *message)
{
    put_field(w, to, field, buf_slice(message));
    buf_clear(message);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------ */

static void
table_init(struct table *t, uint64_t first)
{
    map_init(&t->by_key, MEM_DEFAULT);
    buf_init(&t->entries, MEM_DEFAULT, BUF_NO_CEILING);
    t->first = first;
}

static size_t
table_n(const struct table *t)
{
    return t->entries.n / sizeof(struct entry *);
}

static struct entry *
table_at(const struct table *t, size_t index)
{
    struct entry *e;

    memcpy(&e, t->entries.p + index * sizeof e, sizeof e);
    return e;
}

static void
table_fini(struct table *t)
{
    for (size_t i = 0; i < table_n(t); i++)
        mem_free(MEM_DEFAULT, table_at(t, i));
    map_fini(&t->by_key);
    buf_fini(&t->entries);
}

static uint64_t
table_add(struct writer *w, struct table *t, const struct entry *what)
{
    struct entry *e = mem_dup(MEM_DEFAULT, what, sizeof *what);

    if (w->err == 0 && (e == NULL || buf_append(&t->entries, &e, sizeof e) != 0))
        w->err = ORB_ENOMEM;
    if (w->err != 0) {
        mem_free(MEM_DEFAULT, e);
        return 0;
    }
    e->number = t->first + table_n(t) - 1;
    w->err = map_put(&t->by_key, e->key, e);
    return e->number;
}

static uint64_t
string_number(struct writer *w, const char *text)
{
    struct entry new = { .text = text };
    const struct entry *e;

    for (const char *c = text; *c != '\0'; c++)
        new.key = trace_hash(new.key, (uint8_t)*c);
    for (; (e = map_get(&w->strings.by_key, new.key)) != NULL; new.key++)
        if (strcmp(e->text, text) == 0)
            return e->number;
    return table_add(w, &w->strings, &new);
}

/* Functions are told apart by their names: that is all there is. */
static uint64_t
function_number(struct writer *w, const char *name)
{
    struct entry new = { .key = string_number(w, name), .text = name };
    const struct entry *e = map_get(&w->functions.by_key, new.key);

    return e != NULL ? e->number : table_add(w, &w->functions, &new);
}

static uint64_t
location_number(struct writer *w, const void *frame)
{
    struct entry new = { .key = trace_call_address(frame), .frame = frame };
    const struct entry *e = map_get(&w->locations.by_key, new.key);

    return e != NULL ? e->number : table_add(w, &w->locations, &new);
}

/* ---- the profile ------------------------------------------------------------------------------------------------------- */

static void
write_value_type(struct writer *w, unsigned field, const char *type, const char *unit)
{
    put_number(w, &w->message, V_TYPE, string_number(w, type));
    put_number(w, &w->message, V_UNIT, string_number(w, unit));
    put_message(w, w->to, field, &w->message);
}

static void
write_label(struct writer *w, const char *key, const char *value)
{
    put_number(w, &w->inner, L_KEY, string_number(w, key));
    put_number(w, &w->inner, L_STR, string_number(w, value));
    put_message(w, &w->message, S_LABEL, &w->inner);
}

static void
write_sample(struct writer *w, const struct trace_stack *stack, const struct trace_sample *s)
{
    for (unsigned i = trace_first_frame(w->modules, stack); i < stack->n_frames; i++)
        put_varint(w, &w->inner, location_number(w, stack->frames[i]));
    put_message(w, &w->message, S_LOCATION_ID, &w->inner);
    put_varint(w, &w->inner, (uint64_t)(s->count + 0.5));
    put_varint(w, &w->inner, (uint64_t)(s->bytes + 0.5));
    put_message(w, &w->message, S_VALUE, &w->inner);
    write_label(w, "domain", mem_domain_name(stack->domain));
    if (s->operation[0] != '\0')
        write_label(w, "operation", s->operation);
    put_message(w, w->to, P_SAMPLE, &w->message);
}

/* With the files' places in memory and their build ids, addresses mean the same in every process and machine. */
static void
write_mapping(struct writer *w, const struct trace_module *m, uint64_t number)
{
    struct buf *to = &w->message;

    put_number(w, to, M_ID, number);
    put_number(w, to, M_BEGIN, m->begin);
    put_number(w, to, M_END, m->end);
    put_number(w, to, M_OFFSET, m->file_offset);
    put_number(w, to, M_FILE, string_number(w, m->path));
    put_number(w, to, M_BUILD_ID, string_number(w, m->build_id));
    put_number(w, to, M_HAS_FUNCTIONS, 1);
    put_message(w, w->to, P_MAPPING, to);
}

static void
write_location(struct writer *w, const struct entry *e)
{
    const struct trace_module *m = trace_module_of(w->modules, trace_call_address(e->frame));
    const char *name = trace_name(w->modules, e->frame);

    if (name == NULL)
        w->err = ORB_ENOMEM;
    if (w->err != 0)
        return;
    put_number(w, &w->inner, I_FUNCTION_ID, function_number(w, name));
    put_number(w, &w->message, O_ID, e->number);
    put_number(w, &w->message, O_MAPPING_ID, m == NULL ? 0 : (uint64_t)(m - w->modules->list) + 1);
    put_number(w, &w->message, O_ADDRESS, trace_call_address(e->frame));
    put_message(w, &w->message, O_LINE, &w->inner);
    put_message(w, w->to, P_LOCATION, &w->message);
}

static void
write_function(struct writer *w, const struct entry *e)
{
    put_number(w, &w->message, F_ID, e->number);
    put_number(w, &w->message, F_NAME, string_number(w, e->text));
    put_number(w, &w->message, F_SYSTEM_NAME, string_number(w, e->text));
    put_message(w, w->to, P_FUNCTION, &w->message);
}

/* What is missing; `text` is the caller's, since strings are borrowed until they are written. */
static void
write_comment(struct writer *w, const struct trace_copy *c, char text[100])
{
    if (c->stats.n_dropped == 0)
        return;
    snprintf(text, 100, "%llu samples found no place or no memory: the figures may be too low", (unsigned long long)c->stats.n_dropped);
    put_number(w, w->to, P_COMMENT, string_number(w, text));
}

static void
write_profile(struct writer *w, const struct trace_copy *c)
{
    char comment[100];

    string_number(w, ""); /* has to be number 0 */
    write_value_type(w, P_SAMPLE_TYPE, "live_objects", "count");
    write_value_type(w, P_SAMPLE_TYPE, "live_space", "bytes");
    write_value_type(w, P_PERIOD_TYPE, "space", "bytes");
    put_number(w, w->to, P_PERIOD, c->mean_bytes);
    put_number(w, w->to, P_DEFAULT_TYPE, string_number(w, "live_space"));
    write_comment(w, c, comment);
    for (size_t i = 0; i < w->modules->n; i++)
        write_mapping(w, &w->modules->list[i], i + 1);
    for (size_t i = 0; i < c->n_samples; i++)
        write_sample(w, &c->stacks[c->samples[i].stack], &c->samples[i]);
    for (size_t i = 0; i < table_n(&w->locations) && w->err == 0; i++)
        write_location(w, table_at(&w->locations, i));
    for (size_t i = 0; i < table_n(&w->functions); i++)
        write_function(w, table_at(&w->functions, i));
    for (size_t i = 0; i < table_n(&w->strings); i++)
        put_field(w, w->to, P_STRING, slice_str(table_at(&w->strings, i)->text));
}

int
trace_pprof(struct buf *to)
{
    struct trace_modules modules;
    struct writer w = { .to = to, .modules = &modules };
    struct trace_copy copy;
    size_t before = to->n;

    table_init(&w.strings, 0);
    table_init(&w.locations, 1);
    table_init(&w.functions, 1);
    buf_init(&w.message, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&w.inner, MEM_DEFAULT, BUF_NO_CEILING);
    w.err = trace_modules_make(&modules);
    if (w.err == 0 && (w.err = trace_copy_make(&copy)) == 0) {
        write_profile(&w, &copy);
        trace_copy_fini(&copy);
    }
    trace_modules_fini(&modules);
    buf_fini(&w.inner);
    buf_fini(&w.message);
    table_fini(&w.functions);
    table_fini(&w.locations);
    table_fini(&w.strings);
    if (w.err != 0)
        buf_truncate(to, before);
    return w.err;
}
