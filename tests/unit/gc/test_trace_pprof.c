/* Reads profile.proto back with a reader that knows the wire format only, and holds every reference against its table. */
#include "gc/trace.h"
#include "tests/support/support.h"

#define MAX_THINGS (TRACE_MAX_SAMPLES + 1)

struct message { /* what is left of it */
    const uint8_t *p, *end;
};

struct field {
    unsigned number;
    bool is_bytes;
    uint64_t value;
    struct message bytes;
};

struct sample {
    uint64_t locations[TRACE_MAX_FRAMES], values[2], labels[2][2]; /* labels: key, text */
    unsigned n_locations, n_values, n_labels;
};

struct profile {
    struct slice strings[MAX_THINGS];
    struct sample samples[MAX_THINGS];
    struct { uint64_t id, begin, end, offset, file, build_id, has_functions; } mappings[200];
    struct { uint64_t id, mapping, address, function; } locations[MAX_THINGS];
    struct { uint64_t id, name; } functions[MAX_THINGS];
    uint64_t types[3][2], period, comment, default_type; /* [2]: of the period */
    unsigned n_strings, n_samples, n_mappings, n_locations, n_functions, n_types;
};

static struct profile profile;

static uint64_t
varint(struct message *m)
{
    uint64_t n = 0;

    for (unsigned shift = 0;; shift += 7) {
        assert_true(m->p < m->end && shift < 64);
        n |= (uint64_t)(*m->p & 0x7f) << shift;
        if ((*m->p++ & 0x80) == 0)
            return n;
    }
}

static bool
next(struct message *m, struct field *f)
{
    uint64_t key, n;

    if (m->p == m->end)
        return false;
    key = varint(m);
    *f = (struct field){ .number = (unsigned)(key >> 3), .is_bytes = (key & 7) == 2 };
    assert_true((key & 7) == 0 || f->is_bytes);
    n = varint(m);
    if (!f->is_bytes) {
        f->value = n;
        return true;
    }
    assert_true(n <= (uint64_t)(m->end - m->p));
    f->bytes = (struct message){ m->p, m->p + n };
    m->p += n;
    return true;
}

/* Fields 1 ... n of numbers, by field. */
static void
read_numbers(struct message m, uint64_t *to, unsigned n)
{
    struct field f;

    while (next(&m, &f)) {
        assert_true(!f.is_bytes && f.number >= 1 && f.number <= n);
        to[f.number - 1] = f.value;
    }
}

static void
read_sample(struct message m, struct sample *s)
{
    struct field f;

    *s = (struct sample){ 0 };
    while (next(&m, &f)) {
        assert_true(f.is_bytes);
        if (f.number == 3) {
            assert_true(s->n_labels < 2);
            read_numbers(f.bytes, s->labels[s->n_labels++], 2);
            continue;
        }
        while (f.bytes.p < f.bytes.end) {
            uint64_t n = varint(&f.bytes);

            assert_true(f.number == 1 ? s->n_locations < TRACE_MAX_FRAMES : f.number == 2 && s->n_values < 2);
            if (f.number == 1)
                s->locations[s->n_locations++] = n;
            else
                s->values[s->n_values++] = n;
        }
    }
    assert_int_equal(s->n_values, 2);
}

static void
read_location(struct message m, unsigned i)
{
    struct field f, line;

    while (next(&m, &f)) {
        if (f.number == 4) {
            assert_true(next(&f.bytes, &line));
            assert_int_equal(line.number, 1);
            profile.locations[i].function = line.value;
        } else {
            assert_true(f.number >= 1 && f.number <= 3);
            *(f.number == 1 ? &profile.locations[i].id : f.number == 2 ? &profile.locations[i].mapping : &profile.locations[i].address) = f.value;
        }
    }
}

static void
read_top(const struct field *f)
{
    uint64_t numbers[7] = { 0 };

    assert_true(profile.n_strings < MAX_THINGS && profile.n_samples < MAX_THINGS && profile.n_mappings < 200
                && profile.n_locations < MAX_THINGS && profile.n_functions < MAX_THINGS);
    switch (f->number) {
    case 1: read_numbers(f->bytes, profile.types[profile.n_types++], 2); break;
    case 2: read_sample(f->bytes, &profile.samples[profile.n_samples++]); break;
    case 3:
        read_numbers(f->bytes, numbers, 7);
        memcpy(&profile.mappings[profile.n_mappings++], numbers, sizeof numbers);
        break;
    case 4: read_location(f->bytes, profile.n_locations++); break;
    case 5:
        read_numbers(f->bytes, numbers, 3);
        assert_int_equal(numbers[1], numbers[2]); /* no mangled names */
        profile.functions[profile.n_functions].id = numbers[0];
        profile.functions[profile.n_functions++].name = numbers[1];
        break;
    case 6: profile.strings[profile.n_strings++] = slice_of(f->bytes.p, (size_t)(f->bytes.end - f->bytes.p)); break;
    case 11: read_numbers(f->bytes, profile.types[2], 2); break;
    case 12: profile.period = f->value; break;
    case 13: profile.comment = f->value; break;
    case 14: profile.default_type = f->value; break;
    default: fail_msg("field %u", f->number);
    }
}

static struct slice
text_of(uint64_t number)
{
    assert_true(number < profile.n_strings);
    return profile.strings[number];
}

/* Ids count from 1, and whatever refers to one refers to one that is there. */
static void
check_references(void)
{
    assert_int_equal(text_of(0).n, 0);
    for (unsigned i = 0; i < profile.n_mappings; i++) {
        assert_int_equal(profile.mappings[i].id, i + 1);
        assert_true(profile.mappings[i].begin < profile.mappings[i].end);
        assert_true(text_of(profile.mappings[i].file).n > 0);
        assert_int_equal(profile.mappings[i].has_functions, 1);
    }
    for (unsigned i = 0; i < profile.n_functions; i++) {
        assert_int_equal(profile.functions[i].id, i + 1);
        assert_true(text_of(profile.functions[i].name).n > 0);
    }
    for (unsigned i = 0; i < profile.n_locations; i++) {
        uint64_t m = profile.locations[i].mapping;

        assert_int_equal(profile.locations[i].id, i + 1);
        assert_true(profile.locations[i].function >= 1 && profile.locations[i].function <= profile.n_functions);
        assert_true(m >= 1 && m <= profile.n_mappings);
        assert_true(profile.locations[i].address >= profile.mappings[m - 1].begin && profile.locations[i].address < profile.mappings[m - 1].end);
    }
    for (unsigned i = 0; i < profile.n_samples; i++)
        for (unsigned k = 0; k < profile.samples[i].n_locations; k++)
            assert_true(profile.samples[i].locations[k] >= 1 && profile.samples[i].locations[k] <= profile.n_locations);
}

static void
read_profile(struct slice bytes)
{
    struct message m = { (const uint8_t *)bytes.p, (const uint8_t *)bytes.p + bytes.n };
    struct field f;

    memset(&profile, 0, sizeof profile);
    while (next(&m, &f))
        read_top(&f);
    check_references();
}

static struct slice
function_at(const struct sample *s, unsigned frame)
{
    assert_true(frame < s->n_locations);
    return text_of(profile.functions[profile.locations[s->locations[frame] - 1].function - 1].name);
}

static struct slice
label(const struct sample *s, const char *key)
{
    for (unsigned i = 0; i < s->n_labels; i++)
        if (slice_eq(text_of(s->labels[i][0]), slice_str(key)))
            return text_of(s->labels[i][1]);
    return SLICE_NONE;
}

static __attribute__((noinline)) void
take(void **to, size_t n)
{
    *to = mem_alloc(MEM_CURL, n);
    assert_non_null(*to);
}

static void
start(struct buf *to, size_t mean_bytes)
{
    int err = trace_start(mean_bytes);

    if (err == ORB_ENOTSUP)
        skip();
    assert_int_equal(err, 0);
    buf_init(to, MEM_DEFAULT, BUF_NO_CEILING);
}

static void
stop(struct buf *b)
{
    trace_set_operation(NULL, SLICE_NONE);
    trace_stop();
    buf_fini(b);
}

TEST(pprof__says_what_it_counts)
{
    struct buf b;

    start(&b, 4096);
    assert_int_equal(trace_pprof(&b), 0);
    read_profile(buf_slice(&b));
    assert_int_equal(profile.n_types, 2);
    assert_slice_str(text_of(profile.types[0][0]), "live_objects");
    assert_slice_str(text_of(profile.types[0][1]), "count");
    assert_slice_str(text_of(profile.types[1][0]), "live_space");
    assert_slice_str(text_of(profile.types[1][1]), "bytes");
    assert_slice_str(text_of(profile.types[2][0]), "space");
    assert_slice_str(text_of(profile.types[2][1]), "bytes");
    assert_slice_str(text_of(profile.default_type), "live_space");
    assert_int_equal(profile.period, 4096);
    assert_int_equal(profile.n_samples, 0);
    stop(&b);
}

TEST(pprof__tells_each_sample_with_stack_domain_and_operation)
{
    void *p, *q;
    size_t n;
    struct buf b;

    start(&b, 1);
    trace_set_operation("fetch", SLICE_LITERAL("https://example.org/"));
    take(&p, 5000);
    trace_set_operation(NULL, SLICE_NONE);
    take(&q, 300);
    assert_int_equal(buf_append_str(&b, "before"), 0); /* it appends */
    assert_int_equal(trace_pprof(&b), 0);
    read_profile(slice_sub(buf_slice(&b), 6, SIZE_MAX));
    assert_int_equal(profile.n_samples, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct sample *s = &profile.samples[i];
        bool is_first = s->values[1] > 1000;

        n = mem_usable_bytes(is_first ? p : q);
        assert_int_equal(s->values[0], 1);
        assert_int_equal(s->values[1], n);
        assert_slice_str(function_at(s, 0), "take");
        assert_slice_str(function_at(s, 1), "pprof__tells_each_sample_with_stack_domain_and_operation");
        assert_slice_str(label(s, "domain"), "curl");
        assert_slice_str(label(s, "operation"), is_first ? "fetch https://example.org/" : "");
    }
    mem_free(MEM_CURL, p);
    mem_free(MEM_CURL, q);
    stop(&b);
}

/* Addresses less the mapping's place are the file's: the same in every process, whatever the loader chose. */
TEST(pprof__maps_addresses_to_files)
{
    uint64_t in_file;
    void *p;
    struct buf b;

    start(&b, 1);
    take(&p, 100);
    assert_int_equal(trace_pprof(&b), 0);
    read_profile(buf_slice(&b));
    assert_true(profile.n_mappings > 3);
    assert_true(slice_ends_with(text_of(profile.mappings[0].file), SLICE_LITERAL("unit_gc_test_trace_pprof")));
    assert_int_equal(text_of(profile.mappings[0].build_id).n, 40); /* SHA-1 in hexadecimal */
    assert_int_equal(profile.locations[0].mapping, 1); /* take(), in the program */
    in_file = (uintptr_t)take - profile.mappings[0].begin + profile.mappings[0].offset;
    assert_true(profile.locations[0].address - profile.mappings[0].begin + profile.mappings[0].offset - in_file < 100);
    mem_free(MEM_CURL, p);
    stop(&b);
}

TEST(pprof__adds_up_to_what_lives)
{
    enum { N = 20000 };
    static void *blocks[N];
    double sum = 0, all = 0;
    struct buf b;

    start(&b, 65536);
    for (unsigned i = 0; i < N; i++) {
        take(&blocks[i], 1000 + i % 3000);
        all += (double)mem_usable_bytes(blocks[i]);
    }
    assert_int_equal(trace_pprof(&b), 0);
    read_profile(buf_slice(&b));
    for (unsigned i = 0; i < profile.n_samples; i++)
        sum += (double)profile.samples[i].values[1];
    print_message("%u samples: %.1f MB of %.1f\n", profile.n_samples, sum / 1e6, all / 1e6);
    assert_float_equal(sum, all, all / 5); /* 750 samples: 5 sigma */
    for (unsigned i = 0; i < N; i++)
        mem_free(MEM_CURL, blocks[i]);
    stop(&b);
}

TEST(pprof__says_that_samples_found_no_place)
{
    enum { N = TRACE_MAX_SAMPLES + 50 };
    static void *blocks[N];
    struct buf b;

    start(&b, 1);
    take(&blocks[0], 1000);
    assert_int_equal(trace_pprof(&b), 0);
    read_profile(buf_slice(&b));
    assert_int_equal(profile.comment, 0);
    for (unsigned i = 1; i < N; i++)
        take(&blocks[i], 16);
    buf_clear(&b);
    assert_int_equal(trace_pprof(&b), 0);
    read_profile(buf_slice(&b));
    assert_int_equal(profile.n_samples, TRACE_MAX_SAMPLES);
    assert_slice_str(text_of(profile.comment), "50 samples found no place or no memory: the figures may be too low");
    for (unsigned i = 0; i < N; i++)
        mem_free(MEM_CURL, blocks[i]);
    stop(&b);
}

TESTS(T(pprof__says_that_samples_found_no_place), T(pprof__says_what_it_counts), T(pprof__tells_each_sample_with_stack_domain_and_operation),
      T(pprof__maps_addresses_to_files), T(pprof__adds_up_to_what_lives))
