#include "pool/mem_sample.h"

#include "tests/support/support.h"

#include <pthread.h>

#define N_BLOCKS 4096

static size_t next_gap;
static unsigned n_sampled, n_asked, n_forgotten;
static unsigned refuse_every; /* 0: keeps all */
static void *held[N_BLOCKS];  /* what the sampler believes to live */
static unsigned n_held;

static size_t
fixed_gap(void)
{
    return next_gap;
}

static bool
hold(enum mem_domain domain, void *p, size_t n_bytes)
{
    assert_true(n_bytes >= 1 && n_bytes == mem_usable_bytes(p));
    n_sampled++;
    if (refuse_every != 0 && n_sampled % refuse_every == 0)
        return false;
    for (unsigned i = 0; i < n_held; i++)
        assert_ptr_not_equal(held[i], p); /* the end of the block that was here before has been told */
    assert_true(n_held < N_BLOCKS);
    held[n_held++] = p;
    return true;
}

static bool
drop(void *p)
{
    n_asked++;
    for (unsigned i = 0; i < n_held; i++)
        if (held[i] == p) {
            held[i] = held[--n_held];
            n_forgotten++;
            return true;
        }
    return false;
}

static const struct mem_sampler sampler = { .gap_bytes = fixed_gap, .sample = hold, .forget = drop };

static void
begin(size_t gap)
{
    next_gap = gap;
    n_sampled = n_asked = n_forgotten = n_held = refuse_every = 0;
    mem_set_sampler(&sampler);
}

TEST(sampling__takes_the_block_in_which_the_gap_ends)
{
    void *p[40];

    begin(10 * mem_usable_bytes(p[0] = mem_alloc(MEM_XML, 1024)));
    for (unsigned i = 0; i < 40; i++) {
        if (i > 0)
            p[i] = mem_alloc(MEM_XML, 1024);
        else
            mem_free(MEM_XML, p[0]), p[0] = mem_alloc(MEM_XML, 1024);
        assert_int_equal(n_sampled, (i + 1) / 10);
    }
    for (unsigned i = 0; i < 40; i++)
        mem_free(MEM_XML, p[i]);
    assert_int_equal(n_forgotten, 4);
    assert_int_equal(n_held, 0);
    mem_set_sampler(NULL);
}

TEST(sampling__looks_at_library_domains_only)
{
    begin(1);
    for (int d = 0; d < MEM_N_DOMAINS; d++) {
        unsigned before = n_sampled;
        void *p = mem_alloc((enum mem_domain)d, 100);
        bool is_library = d >= MEM_XML && d <= MEM_JSON;

        assert_int_equal(n_sampled - before, is_library);
        p = mem_realloc((enum mem_domain)d, p, 100000);
        assert_int_equal(n_sampled - before, 2 * is_library);
        mem_free((enum mem_domain)d, p);
    }
    assert_int_equal(n_held, 0);
    mem_set_sampler(NULL);
}

TEST(sampling__off_asks_nothing_and_remembers_nothing)
{
    void *p;

    begin(1);
    p = mem_alloc(MEM_XML, 100);
    assert_int_equal(n_held, 1);
    mem_set_sampler(NULL);
    mem_free(MEM_XML, mem_alloc(MEM_XML, 1 << 20));
    mem_free(MEM_XML, p);
    assert_int_equal(n_sampled, 1);
    assert_int_equal(n_asked, 0);
}

TEST(sampling__a_new_regime_begins_at_once)
{
    void *p;

    begin(1 << 30);
    p = mem_alloc(MEM_XML, 100);
    assert_int_equal(n_sampled, 0);
    next_gap = 1;
    mem_set_sampler(&sampler);
    mem_free(MEM_XML, p);
    p = mem_alloc(MEM_XML, 100);
    assert_int_equal(n_sampled, 1);
    mem_free(MEM_XML, p);
    assert_int_equal(n_held, 0);
    mem_set_sampler(NULL);
}

/* hold() and drop() are the shadow set: whatever lives and was kept is in it, whatever is freed or moved leaves it. */
TEST(sampling__forgets_exactly_what_it_kept_under_random_work)
{
    static void *blocks[N_BLOCKS];
    uint64_t seed = 7, n_frees = 0;

    begin(3000);
    refuse_every = 5;
    for (unsigned i = 0; i < 200000; i++) {
        void **b;
        size_t n;

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        b = &blocks[seed >> 33 & (N_BLOCKS - 1)];
        n = (seed >> 20 & 15) == 0 ? seed >> 40 & 0x3fff : seed >> 40 & 0xff;
        next_gap = seed >> 50 & 4095;
        if (*b != NULL && (seed >> 60 & 3) == 0) {
            *b = mem_realloc(MEM_CURL, *b, n);
        } else if (*b != NULL) {
            mem_free(MEM_CURL, *b);
            *b = NULL;
        } else {
            *b = mem_alloc(MEM_CURL, n);
        }
        n_frees += *b == NULL;
    }
    assert_true(n_sampled > 3000);
    for (unsigned i = 0; i < n_held; i++) { /* all that is held lives */
        unsigned j = 0;

        while (j < N_BLOCKS && blocks[j] != held[i])
            j++;
        assert_true(j < N_BLOCKS);
    }
    print_message("%u samples, %llu frees, %u looked up, %u found\n", n_sampled, (unsigned long long)n_frees, n_asked, n_forgotten);
    assert_true(n_asked - n_forgotten < n_frees / 20); /* the filter keeps most of the others away */
    for (unsigned i = 0; i < N_BLOCKS; i++)
        mem_free(MEM_CURL, blocks[i]);
    assert_int_equal(n_held, 0);
    for (unsigned i = 0; i < MEM_SAMPLE_FILTER_SLOTS; i++)
        assert_int_equal(mem_sample_filter[i], 0);
    mem_set_sampler(NULL);
}

static bool
hold_any(enum mem_domain domain, void *p, size_t n_bytes)
{
    held[n_held++] = p;
    return true;
}

/* More blocks under one counter than it can count: it sticks, and every one of them is still forgotten. */
TEST(sampling__a_full_counter_loses_nothing)
{
    static const struct mem_sampler any = { .gap_bytes = fixed_gap, .sample = hold_any, .forget = drop };
    struct count counts = { 0 };
    uintptr_t p[300];
    unsigned n = 0;

    n_held = n_forgotten = 0;
    next_gap = 1;
    mem_set_sampler(&any);
    for (uintptr_t a = 16; n < 300; a += 16)
        if (mem_sample_slot((void *)a) == 77)
            p[n++] = a;
    for (unsigned i = 0; i < 300; i++)
        mem_sample(&counts, MEM_XML, (void *)p[i], 16);
    for (unsigned i = 0; i < 300; i++)
        mem_sample_free(MEM_XML, (void *)p[i]);
    assert_int_equal(n_forgotten, 300);
    assert_int_equal(n_held, 0);
    mem_set_sampler(NULL);
    assert_int_equal(mem_sample_filter[77], 0);
}

static _Atomic unsigned n_counted;
static _Atomic int64_t n_alive;

static bool
count_in(enum mem_domain domain, void *p, size_t n_bytes)
{
    n_counted++;
    n_alive++;
    *(uint64_t *)p = 0x5a5a5a5a5a5a5a5aull; /* marks the block: only such ones may be forgotten */
    return true;
}

static bool
count_out(void *p)
{
    if (*(uint64_t *)p != 0x5a5a5a5a5a5a5a5aull)
        return false;
    *(uint64_t *)p = 0;
    n_alive--;
    return true;
}

static const struct mem_sampler counting = { .gap_bytes = fixed_gap, .sample = count_in, .forget = count_out };

static void *
churn(void *arg)
{
    void *mine[64] = { NULL };

    for (unsigned i = 0; i < 200000; i++) {
        void **b = &mine[i * 7 % 64];

        mem_free(MEM_SSL, *b);
        *b = mem_alloc(MEM_SSL, 16 + i % 300);
        if (*b != NULL && *(uint64_t *)*b != 0x5a5a5a5a5a5a5a5aull)
            *(uint64_t *)*b = 0;
    }
    for (unsigned i = 0; i < 64; i++)
        mem_free(MEM_SSL, mine[i]);
    return NULL;
}

TEST(sampling__threads_count_each_for_itself)
{
    pthread_t threads[4];

    next_gap = 4096;
    mem_set_sampler(&counting);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mem_set_sampler(NULL);
    assert_int_equal(n_alive, 0);
    assert_true(n_counted > 4 * 200000u * 150 / 4096 * 9 / 10);
}

TESTS(T(sampling__takes_the_block_in_which_the_gap_ends), T(sampling__looks_at_library_domains_only),
      T(sampling__off_asks_nothing_and_remembers_nothing), T(sampling__a_new_regime_begins_at_once),
      T(sampling__forgets_exactly_what_it_kept_under_random_work), T(sampling__a_full_counter_loses_nothing),
      T(sampling__threads_count_each_for_itself))
