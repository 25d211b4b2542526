/* trace_internal.h - what trace*.c share: stacks, a copy of the live samples, names of addresses */
#ifndef ORB_GC_TRACE_INTERNAL_H
#define ORB_GC_TRACE_INTERNAL_H

#include "gc/trace.h"

/* ---- trace.c: the live samples, copied under the lock so that everything slow happens outside of it ------------------ */

struct trace_stack {
    enum mem_domain domain;
    unsigned n_frames;                /* innermost first; return addresses */
    const void *frames[TRACE_MAX_FRAMES];
    double count, bytes;              /* estimates, of all its samples */
    size_t n_samples, largest;        /* ... and the index of the one that stands for most bytes */
};

struct trace_sample {
    size_t stack;                     /* index */
    double count, bytes;              /* that it stands for */
    char operation[TRACE_OP_BYTES];   /* printable ASCII; empty: none */
};

struct trace_copy {
    size_t mean_bytes;
    struct trace_stats stats;
    struct trace_stack *stacks;
    struct trace_sample *samples;
    size_t n_stacks, n_samples;
    double count, bytes;
};

int trace_copy_make(struct trace_copy *out) ORB_MUST_USE; /* ORB_ENOMEM */
void trace_copy_fini(struct trace_copy *copy);

/* ---- trace_unwind.c: libunwind ---------------------------------------------------------------------------------------- */

bool trace_can_unwind(void);
/* Return addresses, innermost first, beginning behind the frame that returns to `behind`. */
unsigned trace_unwind(const void **frames, unsigned max, const void *behind);
/* The function of an address's instruction, if its file tells; and where it begins by the unwind tables (0: not known). */
bool trace_function(uintptr_t address, char *name, size_t cap, uintptr_t *begins_at);

/* ---- trace_names.c: files and functions of addresses ------------------------------------------------------------------- */

struct trace_module { /* an executable segment */
    uintptr_t begin, end, base;       /* base: what its file calls 0 */
    uint64_t file_offset;
    const char *path;                 /* BORROWED from the dynamic loader */
    char build_id[65];                /* hexadecimal; empty: none */
};

struct trace_modules {
    struct trace_module *list;
    size_t n;
};

/* At the beginning of an export, which may borrow names up to its end. The program comes first. ORB_ENOMEM */
int trace_modules_make(struct trace_modules *out) ORB_MUST_USE;
void trace_modules_fini(struct trace_modules *modules);
const struct trace_module *trace_module_of(const struct trace_modules *modules, uintptr_t address); /* or NULL */

/* The name of the function that a frame returns to; remembered; BORROWED until the next export. NULL: no memory. */
const char *trace_name(const struct trace_modules *modules, const void *frame);
unsigned trace_first_frame(const struct trace_modules *modules, const struct trace_stack *s); /* that is not pool/mem*.c's */
void trace_names_forget(void);
size_t trace_names_ram_bytes(void);

/* The call's own instruction: what a frame returns to may be the next function's. */
static inline uintptr_t
trace_call_address(const void *frame)
{
    return (uintptr_t)frame - 1;
}

static inline uint64_t
trace_hash(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}

#endif
