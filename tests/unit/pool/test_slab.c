#include "pool/slab.h"
#include "tests/support/support.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* How many of the block's pages are in memory. */
static unsigned
resident_pages(void *block)
{
    unsigned char pages[SLAB_BYTES / 4096];
    unsigned n = 0;

    assert_int_equal(mincore(block, SLAB_BYTES, pages), 0);
    for (unsigned i = 0; i < sizeof pages; i++)
        n += pages[i] & 1;
    return n;
}

static size_t
slab_bytes_of(enum mem_domain domain)
{
    struct mem_stats s;

    mem_stats(domain, &s);
    return s.slab_bytes;
}

TEST(slab__blocks_are_aligned_apart_and_counted_in_their_domain)
{
    char *blocks[100];
    size_t before = slab_bytes_of(MEM_OBJ);

    for (unsigned i = 0; i < 100; i++) {
        blocks[i] = slab_block_get(MEM_OBJ);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % SLAB_BYTES, 0);
        memset(blocks[i], (int)i, SLAB_BYTES);
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(blocks[i][0], (char)i);
        assert_int_equal(blocks[i][SLAB_BYTES - 1], (char)i);
    }
    assert_int_equal(slab_bytes_of(MEM_OBJ) - before, 100 * SLAB_BYTES);
    for (unsigned i = 0; i < 100; i++)
        slab_block_put(MEM_OBJ, blocks[i]);
    mem_purge();
    assert_int_equal(slab_bytes_of(MEM_OBJ), before);
}

TEST(slab__an_empty_block_comes_back_to_its_own_domain_only)
{
    void *of_cache = slab_block_get(MEM_CACHE), *of_host, *again;

    slab_block_put(MEM_CACHE, of_cache);
    of_host = slab_block_get(MEM_HOST);
    assert_ptr_not_equal(of_host, of_cache);
    again = slab_block_get(MEM_CACHE);
    assert_ptr_equal(again, of_cache);
    slab_block_put(MEM_CACHE, again);
    slab_block_put(MEM_HOST, of_host);
    mem_purge();
}

TEST(slab__empty_blocks_beyond_one_megabyte_go_to_the_kernel_after_the_decay)
{
    enum { N = 48, KEPT = SLAB_KEEP_BYTES / SLAB_BYTES };
    void *blocks[N];
    unsigned resident = 0;
    size_t before;

    mem_purge();
    before = slab_bytes_of(MEM_CACHE);
    for (unsigned i = 0; i < N; i++)
        memset(blocks[i] = slab_block_get(MEM_CACHE), 1, SLAB_BYTES);
    mem_tick(1000);
    for (unsigned i = 0; i < N; i++)
        slab_block_put(MEM_CACHE, blocks[i]);
    mem_tick(1000 + MEM_DECAY_MS - 1);
    assert_int_equal(slab_bytes_of(MEM_CACHE) - before, N * SLAB_BYTES);
    mem_tick(1000 + MEM_DECAY_MS);
    assert_int_equal(slab_bytes_of(MEM_CACHE) - before, SLAB_KEEP_BYTES);
    for (unsigned i = 0; i < N; i++)
        resident += resident_pages(blocks[i]);
    assert_int_equal(resident, KEPT * SLAB_BYTES / 4096);
    mem_purge();
    assert_int_equal(slab_bytes_of(MEM_CACHE), before);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(resident_pages(blocks[i]), 0);
}

TEST(slab__a_hard_limit_refuses_a_block)
{
    struct mem_stats s;

    slab_count_live(MEM_PLUGIN, 1000);
    mem_stats(MEM_PLUGIN, &s);
    mem_set_limits(MEM_PLUGIN, 0, s.live_bytes);
    assert_null(slab_block_get(MEM_PLUGIN));
    mem_set_limits(MEM_PLUGIN, 0, 0);
    slab_count_live(MEM_PLUGIN, -1000);
}

/* In a process of its own, since the blocks of a range never leave it. */
TEST(slab__a_range_that_is_used_up_is_a_counted_refusal)
{
    struct mem_stats before, s;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        mem_stats(MEM_PLUGIN, &before);
        while (slab_block_get(MEM_PLUGIN) != NULL) /* costs addresses, and headers */
            continue;
        mem_stats(MEM_PLUGIN, &s);
        _exit(s.n_failed - before.n_failed == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

TESTS(T(slab__blocks_are_aligned_apart_and_counted_in_their_domain),
      T(slab__an_empty_block_comes_back_to_its_own_domain_only),
      T(slab__empty_blocks_beyond_one_megabyte_go_to_the_kernel_after_the_decay),
      T(slab__a_hard_limit_refuses_a_block), T(slab__a_range_that_is_used_up_is_a_counted_refusal))
