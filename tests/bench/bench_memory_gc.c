/* bench_memory_gc - the collector, objects and weak references beside CPython's, CPU time, best of ROUNDS rounds in which the two
 * take turns: ratios are what to read. usage: bench_memory_gc [WORD]: the rows that have it */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gc/collect.h"
#include "gc/heap.h"
#include "gc/weak.h"

#define ROUNDS 5
#define N 1000000u
#define RING 10u
#define N_KEYS 100000u

struct node {
    struct object object;
    struct object *next, *other;
};

static const uint16_t pointers[] = { offsetof(struct node, next), offsetof(struct node, other) };
static struct object_type node_type = { .name = "node", .object_bytes = sizeof(struct node), .pointer_offsets = pointers, .n_pointers = 2 };
static struct object_type weakable_type = { .name = "weakable", .object_bytes = sizeof(struct node), .flags = OBJECT_WEAKABLE,
                                            .pointer_offsets = pointers, .n_pointers = 2 };

static uint64_t
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t
resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long all = 0, resident = 0;

    if (f == NULL || fscanf(f, "%lu %lu", &all, &resident) != 2)
        exit(2);
    fclose(f);
    return resident * 4096;
}

static uint32_t
random_below(uint32_t n)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * n >> 32);
}

static struct object *
make(struct object_type *t)
{
    return mem_must(OBJECT_NEW(t));
}

static uint32_t *
order_of(uint32_t n, bool is_shuffled)
{
    uint32_t *order = mem_must(mem_array(MEM_DEFAULT, n, sizeof *order));

    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n - 1; is_shuffled && i > 0; i--) {
        uint32_t k = random_below(i + 1), kept = order[i];

        order[i] = order[k];
        order[k] = kept;
    }
    return order;
}

static struct object **
rings(uint32_t n, bool is_shuffled)
{
    struct object **nodes = mem_must(mem_array(MEM_DEFAULT, n, sizeof *nodes));
    uint32_t *order = order_of(n, is_shuffled);

    for (uint32_t i = 0; i < n; i++)
        nodes[i] = make(&node_type);
    for (uint32_t first = 0; first + RING <= n; first += RING)
        for (uint32_t i = 0; i < RING; i++) {
            struct node *o = (struct node *)(void *)nodes[order[first + i]];

            o->next = object_ref(nodes[order[first + (i + 1) % RING]]);
            o->other = object_ref(nodes[order[first + (i + RING / 2) % RING]]);
        }
    mem_free(MEM_DEFAULT, order);
    return nodes;
}

static void
drop_all(struct object **nodes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        object_unref(&nodes[i]);
    mem_free(MEM_DEFAULT, nodes);
}

static double
timed_collect(unsigned generation, uint64_t n_expected)
{
    uint64_t began = cpu_ns(), took;
    struct gc_result r = gc_collect(generation);

    took = cpu_ns() - began;
    CHECK(!r.was_skipped && r.n_collected == n_expected);
    return (double)took;
}

/* ---- measures ----------------------------------------------------------------------------------------------------------- */

static double
garbage_of(uint32_t n, bool is_shuffled)
{
    drop_all(rings(n, is_shuffled), n);
    return timed_collect(2, n);
}

static double
live_of(uint32_t n, bool is_shuffled)
{
    struct object **nodes = rings(n, is_shuffled);
    double took;

    object_ref(nodes[0])->refs--; /* a candidate: else there is nothing to do, and nothing is what it costs */
    object_candidates[1]++;
    took = timed_collect(2, 0);
    drop_all(nodes, n);
    gc_collect(2);
    return took;
}

static double
garbage(void)
{
    return garbage_of(N, false);
}

static double
garbage_shuffled(void)
{
    return garbage_of(N, true);
}

static double
live(void)
{
    return live_of(N, false);
}

static double
live_shuffled(void)
{
    return live_of(N, true);
}

static double
object_bytes(void)
{
    struct object **nodes = mem_must(mem_alloc(MEM_DEFAULT, N * sizeof *nodes));
    size_t before;
    double each;

    memset(nodes, 1, N * sizeof *nodes);
    gc_collect(2);
    mem_purge();
    before = resident_bytes();
    for (uint32_t i = 0; i < N; i++)
        nodes[i] = make(&node_type);
    each = ((double)resident_bytes() - (double)before) / N;
    drop_all(nodes, N);
    return each;
}

static double
ref_unref(void)
{
    enum { TIMES = 5000000 };
    struct object *o = make(&node_type), *p = o;
    uint64_t began = cpu_ns();

    for (unsigned i = 0; i < TIMES; i++) {
        p = object_ref(o);
        __asm__ volatile("" : "+r"(p), "+r"(o) : : "memory");
        object_unref(&p);
        __asm__ volatile("" : "+r"(o) : : "memory");
    }
    began = cpu_ns() - began;
    object_unref(&o);
    return (double)began / TIMES;
}

static double
new_unref(void)
{
    enum { TIMES = 1000000 };
    struct object *kept = make(&node_type);
    uint64_t began = cpu_ns();

    for (unsigned i = 0; i < TIMES; i++) {
        struct object *o = make(&node_type);

        object_unref(&o);
    }
    began = cpu_ns() - began;
    object_unref(&kept);
    return (double)began / TIMES;
}

static struct object **
weakables(uint32_t n)
{
    struct object **nodes = mem_must(mem_array(MEM_DEFAULT, n, sizeof *nodes));

    for (uint32_t i = 0; i < n; i++)
        nodes[i] = make(&weakable_type);
    return nodes;
}

static double weak_bytes_each;

static double
weak_create(void)
{
    struct object **nodes = weakables(N);
    struct weak *refs = mem_must(mem_alloc(MEM_DEFAULT, N * sizeof *refs));
    size_t before;
    uint64_t began;

    memset(refs, 0, N * sizeof *refs);
    mem_purge();
    before = resident_bytes();
    began = cpu_ns();
    for (uint32_t i = 0; i < N; i++)
        if (weak_set(&refs[i], nodes[i]) != 0)
            exit(2);
    began = cpu_ns() - began;
    weak_bytes_each = ((double)resident_bytes() - (double)before) / N + sizeof *refs + sizeof(uint32_t);
    for (uint32_t i = 0; i < N; i++)
        weak_clear(&refs[i]);
    mem_free(MEM_DEFAULT, refs);
    drop_all(nodes, N);
    return (double)began / N;
}

static double
weak_dereference(void)
{
    enum { HOT = 10000, TIMES = 500 };
    struct object **nodes = weakables(HOT);
    static struct weak refs[HOT];
    uint64_t began;

    for (uint32_t i = 0; i < HOT; i++)
        if (weak_set(&refs[i], nodes[i]) != 0)
            exit(2);
    began = cpu_ns();
    for (unsigned k = 0; k < TIMES; k++)
        for (uint32_t i = 0; i < HOT; i++) {
            struct object *o = weak_get(&refs[i]);

            object_unref(&o);
        }
    began = cpu_ns() - began;
    for (uint32_t i = 0; i < HOT; i++)
        weak_clear(&refs[i]);
    drop_all(nodes, HOT);
    return (double)began / (HOT * TIMES);
}

static double
weak_map_get(void)
{
    enum { TIMES = 300000, KEY_BYTES = 32 };
    struct object **nodes = weakables(N_KEYS);
    char (*keys)[KEY_BYTES] = mem_must(mem_array(MEM_DEFAULT, N_KEYS, KEY_BYTES));
    uint32_t *asked = mem_must(mem_array(MEM_DEFAULT, TIMES, sizeof *asked));
    struct weakmap *m;
    uint64_t began;

    if (weakmap_new(&m, MEM_CACHE) != 0)
        exit(2);
    for (uint32_t i = 0; i < N_KEYS; i++) {
        snprintf(keys[i], KEY_BYTES, "http://example.org/%u", i);
        if (weakmap_put(m, slice_str(keys[i]), nodes[i]) != 0)
            exit(2);
    }
    for (uint32_t i = 0; i < TIMES; i++)
        asked[i] = random_below(N_KEYS);
    began = cpu_ns();
    for (uint32_t i = 0; i < TIMES; i++) {
        struct object *o = weakmap_get(m, slice_str(keys[asked[i]]));

        CHECK(o != NULL);
        object_unref(&o);
    }
    began = cpu_ns() - began;
    weakmap_free(&m);
    mem_free(MEM_DEFAULT, asked);
    mem_free(MEM_DEFAULT, keys);
    drop_all(nodes, N_KEYS);
    return (double)began / TIMES;
}

/* ---- pauses --------------------------------------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Full collections of heaps of up to 150,000 objects, shuffled; each time another share of them is garbage. */
static double
pause_999(void)
{
    enum { TIMES = 60 };
    static double pauses[TIMES];

    for (unsigned k = 0; k < TIMES; k++) {
        uint32_t n = 150000 - k % 4 * 40000, n_dropped = (k % 5) * (n / 5) / RING * RING;
        struct object **nodes = rings(n, true);

        for (uint32_t i = 0; i < n_dropped; i++)
            object_unref(&nodes[i]);
        object_candidates[1]++;
        {
            uint64_t began = cpu_ns();

            gc_collect(2);
            pauses[k] = (double)(cpu_ns() - began);
        }
        drop_all(nodes, n);
        gc_collect(2);
    }
    qsort(pauses, TIMES, sizeof *pauses, compare);
    return pauses[TIMES - 1]; /* the worst of so few stands for 99.9 % */
}

/* 2,000 objects of new garbage beside a million old. */
static double
young(void)
{
    enum { TIMES = 200 };
    struct object **old = rings(N, true);
    double sum = 0;

    object_candidates[1]++;
    gc_collect(2);
    for (unsigned k = 0; k < TIMES; k++) {
        drop_all(rings(2000, false), 2000);
        sum += timed_collect(0, 2000);
    }
    drop_all(old, N);
    gc_collect(2);
    return sum / TIMES;
}

/* ---- CPython -------------------------------------------------------------------------------------------------------------- */

static FILE *to_python, *from_python;

static void
start_python(const char *python, const char *script)
{
    int in[2], out[2];

    if (pipe(in) != 0 || pipe(out) != 0)
        exit(2);
    if (fork() == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl(python, python, script, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_python = fdopen(in[1], "w");
    from_python = fdopen(out[0], "r");
}

static double
ask_python(const char *measure)
{
    double answer;

    fprintf(to_python, "%s\n", measure);
    fflush(to_python);
    if (fscanf(from_python, "%lf", &answer) != 1) {
        fprintf(stderr, "bench_memory_gc: no answer from CPython to \"%s\"\n", measure);
        exit(2);
    }
    return answer;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------ */

struct row {
    const char *name, *measure; /* of memory.py; NULL: ours alone */
    double (*run)(void);
    double scale;               /* of the numbers shown */
    const char *unit;
    double min_ratio, max;      /* targets; 0 = none */
    unsigned n_tries;           /* a round: short ones are repeated */
    double ours, theirs;
};

static struct row rows[] = {
    { "collect 1e6 garbage in cycles, ordered", "garbage", garbage, 1e-6, "ms", 2.5, 0, 1, 0, 0 },
    { "collect 1e6 garbage in cycles, shuffled", "garbage shuffled", garbage_shuffled, 1e-6, "ms", 5, 0, 1, 0, 0 },
    { "scan 1e6 live, ordered", "live", live, 1e-6, "ms", 2.5, 0, 1, 0, 0 },
    { "scan 1e6 live, shuffled", "live shuffled", live_shuffled, 1e-6, "ms", 3, 0, 1, 0, 0 },
    { "bytes per object with two references", "object bytes", object_bytes, 1, "B", 0, 34, 1, 0, 0 },
    { "incref + decref, hot", NULL, ref_unref, 1, "ns", 0, 1.0, 10, 0, 0 },
    { "new + unref of a 32-byte object", NULL, new_unref, 1, "ns", 0, 15, 5, 0, 0 },
    { "weak reference: create", "weak create", weak_create, 1, "ns", 0, 60, 1, 0, 0 },
    { "weak reference: dereference", "weak dereference", weak_dereference, 1, "ns", 0, 6, 5, 0, 0 },
    { "weak-value map: get, 1e5 keys", "weak map get", weak_map_get, 1, "ns", 3, 0, 1, 0, 0 },
    { "pause, worst of 60, up to 150,000 objects", NULL, pause_999, 1e-6, "ms", 0, 10, 1, 0, 0 },
    { "young collection of 2,000 beside 1e6 old", NULL, young, 1e-3, "us", 0, 200, 1, 0, 0 },
};

static void
measure(struct row *r)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        double theirs = r->measure == NULL ? 0 : ask_python(r->measure), ours = r->run();

        for (unsigned k = 1; k < r->n_tries; k++) {
            double again = r->run();
            ours = again < ours ? again : ours;
        }
        r->ours = i == 0 || ours < r->ours ? ours : r->ours;
        r->theirs = i == 0 || theirs < r->theirs ? theirs : r->theirs;
    }
}

static bool
print(const struct row *r)
{
    bool is_met = (r->min_ratio == 0 || r->theirs >= r->min_ratio * r->ours) && (r->max == 0 || r->ours * r->scale <= r->max);
    char target[32], theirs[48] = "";

    if (r->min_ratio > 0)
        snprintf(target, sizeof target, ">= %.1fx", r->min_ratio);
    else
        snprintf(target, sizeof target, "<= %.4g %s", r->max, r->unit);
    if (r->measure != NULL)
        snprintf(theirs, sizeof theirs, "%.4g %s, %.2fx", r->theirs * r->scale, r->unit, r->theirs / r->ours);
    printf("%-44s %8.4g %-3s %-22s %-11s %s\n", r->name, r->ours * r->scale, r->unit, theirs, target, is_met ? "pass" : "MISS");
    fflush(stdout);
    return is_met;
}

int
main(int argc, char **argv)
{
    unsigned n_missed = 0;

    start_python("/usr/bin/python3", ORB_SOURCE_DIR "/tests/bench/memory.py");
    printf("%-44s %12s %-22s %-11s\n", "", "orb", "CPython, ratio", "target");
    for (size_t i = 0; i < ORB_N_ELEMENTS(rows); i++) {
        if (argc > 1 && strstr(rows[i].name, argv[1]) == NULL)
            continue;
        measure(&rows[i]);
        n_missed += !print(&rows[i]);
    }
    if (weak_bytes_each > 0)
        printf("a weak reference takes %.1f bytes, its place in the object included\n", weak_bytes_each);
    fclose(to_python);
    wait(NULL);
    return n_missed > 0;
}
