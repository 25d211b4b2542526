#include "gc/trace_internal.h"

#include "pool/map.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

/* One sample's way (mem_sample.h counts the bytes, any thread):
 *
 *   on_sample: unwind --lock--> stack found or made, sample kept under its block's address
 *   on_forget: --lock--> sample found (or not: the filter was wrong) and gone; its stack with it when it was the last
 *
 * All memory is of MEM_DEFAULT, which is not sampled: nothing here comes back to here. */

struct stack {
    uint64_t key; /* in `stacks` */
    enum mem_domain domain;
    unsigned n_live, n_frames;
    size_t copied_to; /* its index in a trace_copy under construction */
    const void *frames[];
};

struct sample {
    struct stack *stack;
    size_t n_bytes;
    double n_blocks; /* that it stands for */
    char operation[TRACE_OP_BYTES];
};

struct operation {
    const char *verb;
    struct slice what;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map samples = { .domain = MEM_DEFAULT }; /* by the block's address */
static struct map stacks = { .domain = MEM_DEFAULT };  /* by a hash; of two with the same, one is at the next number */
static uint64_t n_taken, n_dropped, stacks_ram_bytes;
static bool is_started;
static _Atomic size_t mean_bytes;
static _Atomic uint64_t random_state;
static _Thread_local struct operation operation;

/* ---- which byte is next ------------------------------------------------------------------------------------------- */

/* Uniform in (0, 1]; splitmix64, one state for all threads. */
static double
random_unit(void)
{
    uint64_t x = atomic_fetch_add_explicit(&random_state, 0x9e3779b97f4a7c15ull, memory_order_relaxed);

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    return (double)((x >> 11) + 1) * 0x1p-53;
}

static size_t
gap_bytes(void)
{
    return (size_t)ceil(-log(random_unit()) * (double)mean_bytes);
}

/* A block is sampled with probability 1 - exp(-size / mean). */
static double
blocks_behind(size_t n_bytes, size_t mean)
{
    return -1 / expm1(-(double)n_bytes / (double)mean);
}

/* ---- stacks, under the lock ---------------------------------------------------------------------------------------- */

static bool
stack_is(const struct stack *s, enum mem_domain domain, const void *const *frames, unsigned n)
{
    return s->domain == domain && s->n_frames == n && memcmp(s->frames, frames, n * sizeof *frames) == 0;
}

static size_t
stack_bytes(unsigned n_frames)
{
    return sizeof(struct stack) + n_frames * sizeof(void *);
}

/* The stack with these frames, n_live not yet counted; NULL: no memory. */
static struct stack *
stack_intern(enum mem_domain domain, const void *const *frames, unsigned n)
{
    uint64_t key = domain;
    struct stack *s;

    for (unsigned i = 0; i < n; i++)
        key = trace_hash(key, (uintptr_t)frames[i]);
    for (; (s = map_get(&stacks, key)) != NULL; key++)
        if (stack_is(s, domain, frames, n))
            return s;
    s = mem_alloc(MEM_DEFAULT, stack_bytes(n));
    if (s == NULL)
        return NULL;
    *s = (struct stack){ .key = key, .domain = domain, .n_frames = n };
    memcpy(s->frames, frames, n * sizeof *frames);
    if (map_put(&stacks, key, s) != 0)
        MEM_FREE(MEM_DEFAULT, &s);
    else
        stacks_ram_bytes += stack_bytes(n);
    return s;
}

/* One of two stacks with the same hash may stay behind a gap that the other left: it is made twice then, no more. */
static void
stack_drop_if_unused(struct stack *s)
{
    if (s->n_live > 0)
        return;
    map_remove(&stacks, s->key);
    stacks_ram_bytes -= stack_bytes(s->n_frames);
    mem_free(MEM_DEFAULT, s);
}

/* ---- samples ------------------------------------------------------------------------------------------------------- */

static char
printable(char c)
{
    return c >= 0x20 && c < 0x7f ? c : '?';
}

/* "verb what", cut. */
static void
write_operation(char *to, const struct operation *o)
{
    struct slice parts[] = { slice_str(o->verb), slice_str(o->verb == NULL || o->what.n == 0 ? "" : " "), o->what };
    size_t n = 0;

    for (unsigned i = 0; i < ORB_N_ELEMENTS(parts); i++)
        for (size_t j = 0; j < parts[i].n && n < TRACE_OP_BYTES - 1; j++)
            to[n++] = printable(parts[i].p[j]);
    to[n] = '\0';
}

static void
sample_free(struct sample *s)
{
    s->stack->n_live--;
    stack_drop_if_unused(s->stack);
    mem_free(MEM_DEFAULT, s);
}

static bool
forget(void *p)
{
    struct sample *s = map_remove(&samples, (uintptr_t)p);

    if (s == NULL)
        return false;
    sample_free(s);
    return true;
}

static bool
keep(enum mem_domain domain, void *p, size_t n_bytes, const void *const *frames, unsigned n)
{
    struct sample *s;
    struct stack *stack;

    forget(p); /* its end went unheard of */
    if (samples.n >= TRACE_MAX_SAMPLES || (stack = stack_intern(domain, frames, n)) == NULL)
        return false;
    s = mem_alloc(MEM_DEFAULT, sizeof *s);
    if (s == NULL || map_put(&samples, (uintptr_t)p, s) != 0) {
        mem_free(MEM_DEFAULT, s);
        stack_drop_if_unused(stack);
        return false;
    }
    *s = (struct sample){ .stack = stack, .n_bytes = n_bytes, .n_blocks = blocks_behind(n_bytes, mean_bytes) };
    stack->n_live++;
    write_operation(s->operation, &operation);
    return true;
}

static bool
on_sample(enum mem_domain domain, void *p, size_t n_bytes)
{
    const void *frames[TRACE_MAX_FRAMES];
    unsigned n = trace_unwind(frames, TRACE_MAX_FRAMES, __builtin_return_address(0));
    bool is_kept = false;

    pthread_mutex_lock(&lock);
    if (is_started) {
        is_kept = keep(domain, p, n_bytes, frames, n);
        n_taken++;
        n_dropped += !is_kept;
    }
    pthread_mutex_unlock(&lock);
    return is_kept;
}

static bool
on_forget(void *p)
{
    bool was_here;

    pthread_mutex_lock(&lock);
    was_here = forget(p);
    pthread_mutex_unlock(&lock);
    return was_here;
}

static const struct mem_sampler sampler = { .gap_bytes = gap_bytes, .sample = on_sample, .forget = on_forget };

/* ---- on and off ------------------------------------------------------------------------------------------------------ */

int
trace_start(size_t mean)
{
    if (!trace_can_unwind())
        return ORB_ENOTSUP;
    pthread_mutex_lock(&lock);
    is_started = true;
    pthread_mutex_unlock(&lock);
    trace_set_mean(mean);
    return 0;
}

void
trace_stop(void)
{
    mem_set_sampler(NULL);
    pthread_mutex_lock(&lock);
    is_started = false;
    MAP_EACH (slot, &samples)
        sample_free(slot->value);
    map_fini(&samples);
    map_fini(&stacks);
    n_taken = n_dropped = 0;
    mean_bytes = 0;
    pthread_mutex_unlock(&lock);
    trace_names_forget();
}

void
trace_set_mean(size_t mean)
{
    if (!is_started)
        return;
    mean_bytes = mean == 0 ? TRACE_MEAN_BYTES : mean;
    mem_set_sampler(&sampler);
}

size_t
trace_mean_bytes(void)
{
    return mean_bytes;
}

void
trace_set_operation(const char *verb, struct slice what)
{
    operation = (struct operation){ verb, what };
}

static void
fill_stats(struct trace_stats *out)
{
    *out = (struct trace_stats){
        .n_samples = n_taken,
        .n_live = samples.n,
        .n_dropped = n_dropped,
        .ram_bytes = samples.n * sizeof(struct sample) + stacks_ram_bytes + trace_names_ram_bytes()
                     + (samples.cap + stacks.cap) * sizeof(struct map_slot),
    };
}

void
trace_stats(struct trace_stats *out)
{
    pthread_mutex_lock(&lock);
    fill_stats(out);
    pthread_mutex_unlock(&lock);
}

/* ---- a copy ---------------------------------------------------------------------------------------------------------- */

static void
copy_stack(struct trace_copy *c, struct stack *s)
{
    struct trace_stack *to = &c->stacks[s->copied_to = c->n_stacks++];

    *to = (struct trace_stack){ .domain = s->domain, .n_frames = s->n_frames };
    memcpy(to->frames, s->frames, s->n_frames * sizeof *s->frames);
}

static void
copy_sample(struct trace_copy *c, const struct sample *s)
{
    size_t index = c->n_samples++;
    struct trace_sample *to = &c->samples[index];
    struct trace_stack *stack = &c->stacks[s->stack->copied_to];

    *to = (struct trace_sample){ .stack = s->stack->copied_to, .count = s->n_blocks, .bytes = s->n_blocks * (double)s->n_bytes };
    memcpy(to->operation, s->operation, sizeof to->operation);
    if (stack->n_samples++ == 0 || to->bytes > c->samples[stack->largest].bytes)
        stack->largest = index;
    stack->count += to->count;
    stack->bytes += to->bytes;
    c->count += to->count;
    c->bytes += to->bytes;
}

int
trace_copy_make(struct trace_copy *out)
{
    struct trace_copy c = { .mean_bytes = mean_bytes };
    int err = ORB_ENOMEM;

    pthread_mutex_lock(&lock);
    fill_stats(&c.stats);
    c.stacks = mem_array(MEM_DEFAULT, stacks.n, sizeof *c.stacks);
    c.samples = mem_array(MEM_DEFAULT, samples.n, sizeof *c.samples);
    if (c.stacks == NULL || c.samples == NULL)
        goto done;
    MAP_EACH (slot, &stacks)
        copy_stack(&c, slot->value);
    MAP_EACH (slot, &samples)
        copy_sample(&c, slot->value);
    err = 0;
done:
    pthread_mutex_unlock(&lock);
    if (err != 0)
        trace_copy_fini(&c);
    else
        *out = c;
    return err;
}

void
trace_copy_fini(struct trace_copy *copy)
{
    MEM_FREE(MEM_DEFAULT, &copy->stacks);
    MEM_FREE(MEM_DEFAULT, &copy->samples);
}
