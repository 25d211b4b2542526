#include "gc/trace_internal.h"

#include <stdlib.h>

/* Everything written here is printable ASCII already: operations since they were kept, names since they were found. */

typedef int write_fn(struct buf *to, const struct trace_copy *c, const struct trace_modules *modules, unsigned max);

/* The common frame: a copy, the modules, and `to` as before when anything fails. */
static int
export(struct buf *to, write_fn *write, unsigned max)
{
    size_t before = to->n;
    struct trace_modules modules;
    struct trace_copy copy;
    int err = trace_modules_make(&modules);

    if (err != 0)
        return err;
    err = trace_copy_make(&copy);
    if (err == 0) {
        err = write(to, &copy, &modules, max);
        trace_copy_fini(&copy);
    }
    trace_modules_fini(&modules);
    if (err != 0)
        buf_truncate(to, before);
    return err;
}

/* ---- folded ------------------------------------------------------------------------------------------------------------ */

static int
write_folded_stack(struct buf *to, const struct trace_stack *s, const struct trace_modules *modules)
{
    unsigned first = trace_first_frame(modules, s);
    int err = buf_append_str(to, mem_domain_name(s->domain));

    for (unsigned i = s->n_frames; i-- > first && err == 0;) {
        const char *name = trace_name(modules, s->frames[i]);

        err = name == NULL ? ORB_ENOMEM : buf_append_char(to, ';');
        if (err == 0)
            err = buf_append_str(to, name);
    }
    return err != 0 ? err : buf_printf(to, " %.0f\n", s->bytes);
}

static int
write_folded(struct buf *to, const struct trace_copy *c, const struct trace_modules *modules, unsigned max)
{
    int err = 0;

    for (size_t i = 0; i < c->n_stacks && err == 0; i++)
        err = write_folded_stack(to, &c->stacks[i], modules);
    return err;
}

int
trace_folded(struct buf *to)
{
    return export(to, write_folded, 0);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------- */

static int
write_string(struct buf *to, const char *text)
{
    int err = buf_append_char(to, '"');

    for (; *text != '\0' && err == 0; text++) {
        if (*text == '"' || *text == '\\')
            err = buf_append_char(to, '\\');
        if (err == 0)
            err = buf_append_char(to, *text);
    }
    return err != 0 ? err : buf_append_char(to, '"');
}

static int
write_frames(struct buf *to, const struct trace_stack *s, const struct trace_modules *modules)
{
    unsigned first = trace_first_frame(modules, s);
    int err = buf_append_char(to, '[');

    for (unsigned i = first; i < s->n_frames && err == 0; i++) {
        const char *name = trace_name(modules, s->frames[i]);

        if (name == NULL)
            return ORB_ENOMEM;
        err = i == first ? 0 : buf_append_char(to, ',');
        if (err == 0)
            err = write_string(to, name);
    }
    return err != 0 ? err : buf_append_char(to, ']');
}

static int
write_json_stack(struct buf *to, const struct trace_copy *c, const struct trace_stack *s, const struct trace_modules *modules)
{
    int err = buf_printf(to, "{\"domain\":\"%s\",\"count\":%.0f,\"bytes\":%.0f,\"n_samples\":%zu,\"operation\":",
                         mem_domain_name(s->domain), s->count, s->bytes, s->n_samples);

    if (err == 0)
        err = write_string(to, c->samples[s->largest].operation);
    if (err == 0)
        err = buf_append_str(to, ",\"frames\":");
    if (err == 0)
        err = write_frames(to, s, modules);
    return err != 0 ? err : buf_append_char(to, '}');
}

static int
larger_first(const void *a, const void *b)
{
    const struct trace_stack *x = a, *y = b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static int
write_json(struct buf *to, const struct trace_copy *c, const struct trace_modules *modules, unsigned max)
{
    int err = buf_printf(to,
                         "{\"mean_bytes\":%zu,\"n_samples\":%llu,\"n_live\":%llu,\"n_dropped\":%llu,\"ram_bytes\":%llu,"
                         "\"count\":%.0f,\"bytes\":%.0f,\"n_stacks\":%zu,\"stacks\":[",
                         c->mean_bytes, (unsigned long long)c->stats.n_samples, (unsigned long long)c->stats.n_live,
                         (unsigned long long)c->stats.n_dropped, (unsigned long long)c->stats.ram_bytes, c->count, c->bytes,
                         c->n_stacks);

    qsort(c->stacks, c->n_stacks, sizeof *c->stacks, larger_first);
    for (size_t i = 0; i < c->n_stacks && i < max && err == 0; i++) {
        err = i == 0 ? 0 : buf_append_char(to, ',');
        if (err == 0)
            err = write_json_stack(to, c, &c->stacks[i], modules);
    }
    return err != 0 ? err : buf_append_str(to, "]}");
}

int
trace_json(struct buf *to, unsigned max_stacks)
{
    return export(to, write_json, max_stacks);
}
