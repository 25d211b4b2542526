/* The domains: exact counts against a shadow model, threads that free each other's blocks, pages given back, hooks. */
#include "pool/mem_hooks.h"
#include "pool/slab.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SLABS false
#else
#define HAS_SLABS true
#endif

static struct mem_stats
stats_of(enum mem_domain domain)
{
    struct mem_stats s;

    mem_stats(domain, &s);
    return s;
}

static void
assert_verified(void)
{
    const char *names[MEM_N_DOMAINS];
    unsigned n = mem_verify(names, MEM_N_DOMAINS);

    for (unsigned i = 0; i < n; i++)
        print_error("domain %s does not agree\n", names[i]);
    assert_int_equal(n, 0);
}

/* ---- against a shadow model ----------------------------------------------------------------------------------------- */

#define N_BLOCKS 5000

struct shadow {
    unsigned char *p;
    size_t n_bytes;
    enum mem_domain domain;
    unsigned char fill;
};

static uint64_t seed;

static uint32_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static size_t
random_size(void)
{
    uint32_t kind = next_random() % 16;

    return kind < 11 ? next_random() % 512 : kind < 14 ? next_random() % 2048 : next_random() % 100000;
}

static void
fill(struct shadow *b, size_t from)
{
    if (from < b->n_bytes)
        memset(b->p + from, b->fill, b->n_bytes - from);
}

static void
assert_filled(const struct shadow *b, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i += 1 + i / 64)
        assert_int_equal(b->p[i], b->fill);
    if (n_bytes > 0)
        assert_int_equal(b->p[n_bytes - 1], b->fill);
}

static void
step(struct shadow *b, size_t sums[MEM_N_DOMAINS])
{
    size_t n_bytes = random_size(), old = b->n_bytes;

    if (b->p == NULL) {
        b->domain = (enum mem_domain)(next_random() % MEM_N_DOMAINS);
        b->n_bytes = n_bytes;
        b->fill = (unsigned char)next_random();
        b->p = next_random() % 2 ? mem_alloc(b->domain, n_bytes) : mem_zalloc(b->domain, n_bytes);
        assert_int_equal((uintptr_t)b->p % 16, 0);
        fill(b, 0);
        sums[b->domain] += mem_usable_bytes(b->p);
        return;
    }
    sums[b->domain] -= mem_usable_bytes(b->p);
    if (next_random() % 3 == 0) {
        b->p = mem_realloc(b->domain, b->p, n_bytes);
        b->n_bytes = n_bytes;
        assert_filled(b, ORB_MIN(old, n_bytes));
        fill(b, old);
        sums[b->domain] += mem_usable_bytes(b->p);
        return;
    }
    assert_filled(b, b->n_bytes);
    mem_free(b->domain, b->p);
    b->p = NULL;
}

TEST(mem__agrees_with_a_shadow_model_over_random_steps)
{
    static struct shadow blocks[N_BLOCKS];
    size_t sums[MEM_N_DOMAINS], before_blocks = mem_live_blocks();

    for (int d = 0; d < MEM_N_DOMAINS; d++)
        sums[d] = stats_of((enum mem_domain)d).live_bytes;
    for (unsigned i = 0; i < 400000; i++) {
        step(&blocks[next_random() % (i < 200000 ? N_BLOCKS : N_BLOCKS / 50)], sums);
        if (i % 100000 == 60000)
            mem_purge();
        if (i % 50000 == 0) {
            for (int d = 0; d < MEM_N_DOMAINS; d++)
                assert_int_equal(stats_of((enum mem_domain)d).live_bytes, sums[d]);
            assert_verified();
        }
        if (i % 5000 == 0)
            mem_tick(i);
    }
    for (unsigned i = 0; i < N_BLOCKS; i++)
        if (blocks[i].p != NULL) {
            assert_filled(&blocks[i], blocks[i].n_bytes);
            mem_free(blocks[i].domain, blocks[i].p);
        }
    assert_int_equal(mem_live_blocks(), before_blocks);
    assert_verified();
}

TEST(mem__a_failed_growth_leaves_the_block_as_it_was)
{
    size_t before = mem_live_blocks();

    for (size_t size = 1; size < 5000; size = size * 3 / 2 + 1) {
        char *p = mem_alloc(MEM_PAGE, size);

        memset(p, 7, size);
        mem_fail_nth(1, false, false);
        assert_null(mem_realloc(MEM_PAGE, p, size * 4));
        mem_fail_nth(0, false, false);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 7);
        mem_free(MEM_PAGE, p);
    }
    assert_int_equal(mem_live_blocks(), before);
    assert_verified();
}

TEST(mem__a_hard_limit_is_exact_and_concerns_one_domain)
{
    size_t live = stats_of(MEM_PLUGIN).live_bytes;
    void *blocks[101], *other;
    uint64_t n_failed = stats_of(MEM_PLUGIN).n_failed;

    mem_set_limits(MEM_PLUGIN, 0, live + 100 * 64);
    for (unsigned i = 0; i < 101; i++)
        blocks[i] = mem_alloc(MEM_PLUGIN, 64);
    for (unsigned i = 0; i < 100; i++)
        assert_non_null(blocks[i]);
    assert_null(blocks[100]);
    assert_int_equal(stats_of(MEM_PLUGIN).n_failed, n_failed + 1);
    other = mem_alloc(MEM_PAGE, 1 << 20);
    assert_non_null(other);
    mem_free(MEM_PAGE, other);
    mem_free(MEM_PLUGIN, blocks[0]);
    blocks[0] = mem_alloc(MEM_PLUGIN, 64);
    assert_non_null(blocks[0]);
    mem_set_limits(MEM_PLUGIN, 0, 0);
    for (unsigned i = 0; i < 100; i++)
        mem_free(MEM_PLUGIN, blocks[i]);
}

static size_t
walk_two_objects(enum mem_domain domain)
{
    return domain == MEM_OBJ ? 64 : 0;
}

/* A block is counted with what is set aside for it, and so it is when the limit is asked. */
TEST(mem__what_lives_never_exceeds_the_hard_limit)
{
    static const size_t sizes[] = { 1, 130, 900, 1000, 5000, 1100000 };

    for (unsigned i = 0; i < ORB_N_ELEMENTS(sizes); i++) {
        size_t live = stats_of(MEM_PLUGIN).live_bytes, limit = live + sizes[i] * 3;
        void *blocks[3], *grown;

        mem_set_limits(MEM_PLUGIN, 0, limit);
        for (unsigned k = 0; k < 3; k++)
            blocks[k] = mem_alloc(MEM_PLUGIN, sizes[i]);
        assert_true(stats_of(MEM_PLUGIN).live_bytes <= limit);
        grown = mem_realloc(MEM_PLUGIN, blocks[0], sizes[i] * 2 - 1);
        assert_true(stats_of(MEM_PLUGIN).live_bytes <= limit);
        mem_set_limits(MEM_PLUGIN, 0, 0);
        mem_free(MEM_PLUGIN, grown != NULL ? grown : blocks[0]);
        mem_free(MEM_PLUGIN, blocks[1]);
        mem_free(MEM_PLUGIN, blocks[2]);
        assert_int_equal(stats_of(MEM_PLUGIN).live_bytes, live);
    }
}

/* The C library gives a hole that is 16 bytes too large away whole: the limit must know before. */
TEST(mem__a_hole_a_little_too_large_does_not_exceed_the_hard_limit)
{
    void *hole = mem_alloc(MEM_PLUGIN, 5000 + 16), *behind = mem_alloc(MEM_PLUGIN, 5000), *again;
    size_t limit;

    assert_true(hole != NULL && behind != NULL);
    mem_free(MEM_PLUGIN, hole);
    for (size_t more = 0; more <= 64; more += 8) {
        limit = stats_of(MEM_PLUGIN).live_bytes + 5000 + more;
        mem_set_limits(MEM_PLUGIN, 0, limit);
        again = mem_alloc(MEM_PLUGIN, 5000);
        assert_true(stats_of(MEM_PLUGIN).live_bytes <= limit);
        mem_set_limits(MEM_PLUGIN, 0, 0);
        mem_free(MEM_PLUGIN, again);
    }
    mem_free(MEM_PLUGIN, behind);
}

TEST(mem__verify_names_the_domain_whose_counters_are_wrong)
{
    const char *names[MEM_N_DOMAINS];

    assert_verified();
    slab_count_live(MEM_OBJ, 64); /* what gc/ counts must be what it finds in its blocks */
    assert_int_equal(mem_verify(names, MEM_N_DOMAINS), 1);
    assert_string_equal(names[0], "obj");
    slab_set_walk(walk_two_objects);
    assert_verified();
    slab_count_live(MEM_OBJ, -64);
    assert_int_equal(mem_verify(NULL, 0), 1);
    slab_set_walk(NULL);
    assert_verified();
}

/* ---- what goes back to the kernel ----------------------------------------------------------------------------------- */

TEST(mem__domains_never_share_a_slab)
{
    char *page = mem_alloc(MEM_PAGE, 100), *host = mem_alloc(MEM_HOST, 100);

    if (HAS_SLABS)
        assert_int_not_equal((uintptr_t)page / SLAB_BYTES, (uintptr_t)host / SLAB_BYTES);
    mem_free(MEM_PAGE, page);
    mem_free(MEM_HOST, host);
}

/* One block in a hundred stays: its page must stay, most of the others must go, and all must come back to use. */
TEST(mem__purge_gives_free_pages_inside_slabs_back)
{
    enum { N = 20000, EVERY = 500 };
    static char *blocks[N];
    struct mem_stats s, purged;

    if (!HAS_SLABS)
        skip();
    mem_purge();
    for (unsigned i = 0; i < N; i++)
        memset(blocks[i] = mem_alloc(MEM_CACHE, 208), (int)i, 208);
    for (unsigned i = 0; i < N; i++)
        if (i % EVERY != 0)
            mem_free(MEM_CACHE, blocks[i]);
    s = stats_of(MEM_CACHE);
    mem_purge();
    purged = stats_of(MEM_CACHE);
    assert_int_equal(purged.live_bytes, s.live_bytes);
    assert_true(s.slack_bytes > N / 2 * 208);
    assert_true(purged.slack_bytes <= N / EVERY * 2 * 4096u);
    assert_verified();
    for (unsigned i = 0; i < N; i++) {
        if (i % EVERY != 0)
            memset(blocks[i] = mem_alloc(MEM_CACHE, 208), (int)i, 208);
    }
    assert_int_equal(stats_of(MEM_CACHE).slab_bytes, s.slab_bytes); /* into the same slabs, not into new ones */
    assert_verified();
    for (unsigned i = 0; i < N; i++) {
        for (unsigned k = 0; k < 208; k++)
            assert_int_equal(blocks[i][k], (char)i);
        mem_free(MEM_CACHE, blocks[i]);
    }
    mem_purge();
    assert_int_equal(stats_of(MEM_CACHE).slab_bytes, 0);
}

/* ---- threads -------------------------------------------------------------------------------------------------------- */

#define N_THREADS 6
#define N_MAILBOXES 512

static _Atomic(void *) mailboxes[N_MAILBOXES];

/* Puts its blocks into mailboxes and frees what it finds there, which others made. */
static void *
swap_blocks(void *arg)
{
    uint64_t state = (uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;

    for (unsigned i = 0; i < 20000; i++) {
        size_t size;
        void *p;

        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size = state >> 20 & 63 ? 16 + (state >> 26 & 511) : 3000 + (state >> 26 & 8191);
        p = mem_alloc(MEM_JSON, size);
        memset(p, (int)i, size);
        p = atomic_exchange(&mailboxes[(state >> 40) % N_MAILBOXES], p);
        mem_free(MEM_JSON, p);
    }
    return NULL;
}

TEST(mem__threads_free_each_others_blocks)
{
    enum { N_CLASSES_USED = 25, MOST_SLABS = (N_THREADS + 1) * N_CLASSES_USED * 3 };
    size_t before = stats_of(MEM_JSON).live_bytes;
    pthread_t threads[N_THREADS];

    for (int round = 0; round < 12; round++) {
        for (uintptr_t i = 0; i < N_THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, swap_blocks, (void *)(i + 1 + (uintptr_t)round * 8)), 0);
        if (round % 5 == 2)
            mem_purge(); /* in their midst */
        for (unsigned i = 0; i < N_THREADS; i++)
            pthread_join(threads[i], NULL);
        assert_verified();
    }
    assert_true(stats_of(MEM_JSON).slab_bytes <= MOST_SLABS * SLAB_BYTES); /* the slabs of a thread that ended serve the next */
    for (unsigned i = 0; i < N_MAILBOXES; i++)
        mem_free(MEM_JSON, mailboxes[i]);
    assert_int_equal(stats_of(MEM_JSON).live_bytes, before);
    mem_purge();
    assert_int_equal(stats_of(MEM_JSON).slab_bytes, 0);
    assert_verified();
}

static void *
free_all(void *arg)
{
    void **blocks = arg;

    for (unsigned i = 0; i < 3000; i++)
        mem_free(MEM_HTTP, blocks[i]);
    return NULL;
}

static pthread_barrier_t turn;

/* Holds an empty slab, waits, and asks for a block of another size. */
static void *
keep_an_empty_slab(void *arg)
{
    mem_free(MEM_LOG, mem_alloc(MEM_LOG, 100));
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    mem_free(MEM_PAGE, mem_alloc(MEM_PAGE, 100));
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    return NULL;
}

TEST(mem__a_thread_at_work_gives_back_when_it_comes_by_also_after_a_tick)
{
    size_t before;
    pthread_t thread;

    mem_purge();
    before = stats_of(MEM_LOG).slab_bytes;
    pthread_barrier_init(&turn, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, keep_an_empty_slab, NULL), 0);
    pthread_barrier_wait(&turn);
    mem_purge();
    mem_tick(1000);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    mem_purge(); /* what the thread has put back goes to the kernel */
    assert_int_equal(stats_of(MEM_LOG).slab_bytes, before);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&turn);
}

TEST(mem__what_another_thread_frees_is_used_again_by_its_owner)
{
    static void *blocks[3000];
    size_t slab_bytes = 0;
    pthread_t thread;

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 3000; i++)
            blocks[i] = mem_alloc(MEM_HTTP, 100);
        assert_int_equal(pthread_create(&thread, NULL, free_all, blocks), 0);
        pthread_join(thread, NULL);
        if (round == 2)
            slab_bytes = stats_of(MEM_HTTP).slab_bytes;
    }
    assert_true(stats_of(MEM_HTTP).slab_bytes <= slab_bytes);
    mem_tick(1);
    assert_verified();
}

/* ---- baseline, hooks ----------------------------------------------------------------------------------------------- */

TEST(mem__caches_of_the_allocator_are_not_somebodys_plain_malloc)
{
#ifdef ORB_HAVE_JEMALLOC
    void *blocks[64];
    size_t outside, caches = mem_cache_bytes();

    mem_look();
    outside = mem_outside_bytes();
    for (unsigned i = 0; i < ORB_N_ELEMENTS(blocks); i++)
        blocks[i] = mem_must(mem_alloc(MEM_HTTP, 5000));
    mem_look();
    assert_true(mem_cache_bytes() > caches);
    assert_in_range(mem_outside_bytes(), 0, outside + 1024);
    for (unsigned i = 0; i < ORB_N_ELEMENTS(blocks); i++)
        mem_free(MEM_HTTP, blocks[i]);
#else
    skip();
#endif
}

TEST(mem__remembers_the_baseline)
{
    void *p = mem_alloc(MEM_HOST, 500);
    size_t live = stats_of(MEM_HOST).live_bytes;

    mem_set_baseline();
    mem_free(MEM_HOST, p);
    assert_int_equal(stats_of(MEM_HOST).baseline_bytes, live);
    assert_true(stats_of(MEM_HOST).live_bytes < live);
}

TEST(mem__says_whether_a_hook_took)
{
    assert_int_equal(mem_hook_state(MEM_EV), MEM_HOOK_UNTRIED);
    mem_hook_begin(MEM_EV);
    assert_int_equal(mem_hook_end(MEM_EV), MEM_HOOK_FAILED);
    mem_hook_begin(MEM_EV);
    mem_ev_realloc(mem_ev_realloc(NULL, 10), 0);
    assert_int_equal(mem_hook_end(MEM_EV), MEM_HOOK_WORKS);
    assert_int_equal(mem_hook_state(MEM_EV), MEM_HOOK_FAILED); /* of two libraries in one domain the first does not take part */
    mem_hook_begin(MEM_XML);
    mem_xml_free(mem_xml_strdup("x"));
    assert_int_equal(mem_hook_end(MEM_XML), MEM_HOOK_WORKS);
    assert_int_equal(mem_hook_state(MEM_XML), MEM_HOOK_WORKS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(mem__caches_of_the_allocator_are_not_somebodys_plain_malloc), /* first: a domain makes its cache once */
        T(mem__agrees_with_a_shadow_model_over_random_steps), T(mem__a_failed_growth_leaves_the_block_as_it_was),
        T(mem__a_hard_limit_is_exact_and_concerns_one_domain),
        T(mem__what_lives_never_exceeds_the_hard_limit),
        T(mem__a_hole_a_little_too_large_does_not_exceed_the_hard_limit),
        T(mem__verify_names_the_domain_whose_counters_are_wrong), T(mem__domains_never_share_a_slab),
        T(mem__purge_gives_free_pages_inside_slabs_back), T(mem__a_thread_at_work_gives_back_when_it_comes_by_also_after_a_tick),
        T(mem__threads_free_each_others_blocks),
        T(mem__what_another_thread_frees_is_used_again_by_its_owner), T(mem__remembers_the_baseline),
        T(mem__says_whether_a_hook_took),
    };

    seed = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL) * 2654435761u | 1;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
