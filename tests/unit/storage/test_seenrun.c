#include "storage/seenrun.h"

#include "tests/support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* DIR/from-to.run with mix(from) .. mix(to - 1), each twice. */
static void
make(const char *dir, uint64_t from, uint64_t to)
{
    size_t n = (size_t)(to - from) * 2;
    uint64_t *values = mem_array(MEM_DEFAULT, n, sizeof *values);

    for (size_t i = 0; i < n; i++)
        values[i] = mix(from + i / 2);
    assert_int_equal(seenrun_write(dir, from, to, values, n), 0);
    mem_free(MEM_DEFAULT, values);
}

static void
path_of(char *path, const char *dir, uint64_t from, uint64_t to, const char *end)
{
    sprintf(path, "%s/%016lx-%016lx%s", dir, (unsigned long)from, (unsigned long)to, end);
}

TEST(seenrun__finds_each_entry_and_no_other)
{
    const char *dir = scratch_dir();
    struct seenrun *r = NULL;

    make(dir, 0, 200000);
    assert_int_equal(seenrun_open(&r, dir, 0, 200000), 0);
    assert_int_equal(seenrun_count(r), 200000);
    for (uint64_t i = 0; i < 200000; i += 7) {
        assert_int_equal(seenrun_has(r, mix(i)), 1);
        assert_int_equal(seenrun_has(r, mix(i + 200000)), 0);
    }
    assert_int_equal(seenrun_has(r, 0), 0);
    assert_int_equal(seenrun_has(r, UINT64_MAX), 0);
    assert_true(seenrun_ram_bytes(r) < 4096);
    seenrun_close(&r);
}

/* Interpolation expects uniform keys; others may cost more reads, but the answer is right. */
TEST(seenrun__finds_entries_that_are_not_uniform)
{
    const char *dir = scratch_dir();
    enum { N = 40000 };
    static uint64_t values[N];
    struct seenrun *r = NULL;

    for (uint64_t i = 0; i < N; i++)
        values[i] = i < N / 2 ? i * 3 + 5 : UINT64_MAX - i * 7;
    assert_int_equal(seenrun_write(dir, 0, 9, values, N), 0);
    assert_int_equal(seenrun_open(&r, dir, 0, 9), 0);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t v = i < N / 2 ? i * 3 + 5 : UINT64_MAX - i * 7;
        assert_int_equal(seenrun_has(r, v), 1);
        assert_int_equal(seenrun_has(r, v + 1), 0);
    }
    seenrun_close(&r);
}

static int
count_block(void *arg, const uint64_t *values, size_t n)
{
    *(uint64_t *)arg += n;
    return 0;
}

TEST(seenrun__merges_neighbours_into_one)
{
    const char *dir = scratch_dir();
    struct seenrun *runs[8], *all[8];
    unsigned n;
    uint64_t counted = 0;

    for (unsigned i = 0; i < 5; i++)
        make(dir, i * 10000, (i + 1) * 10000);
    assert_int_equal(seenrun_scan(dir, 50000, runs, 8, &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(seenrun_merge(dir, runs, 5), 0);
    for (unsigned i = 0; i < 5; i++)
        seenrun_close(&runs[i]);
    assert_int_equal(seenrun_scan(dir, 50000, all, 8, &n), 0); /* as after a kill before the old ones were removed */
    assert_int_equal(n, 1);
    assert_int_equal(seenrun_count(all[0]), 50000);
    assert_int_equal(seenrun_each(all[0], count_block, &counted), 0);
    assert_int_equal(counted, 50000);
    for (uint64_t i = 0; i < 50000; i += 11)
        assert_int_equal(seenrun_has(all[0], mix(i)), 1);
    seenrun_close(&all[0]);
}

TEST(seenrun__a_scan_leaves_out_what_must_not_count)
{
    const char *dir = scratch_dir();
    struct seenrun *runs[8];
    char path[300];
    unsigned n;

    make(dir, 0, 100);
    make(dir, 100, 200);
    make(dir, 300, 400); /* behind a gap */
    path_of(path, dir, 200, 300, ".tmp");
    write_file(path, "torn", 4);
    assert_int_equal(seenrun_scan(dir, 1000, runs, 8, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(access(path, F_OK), -1);
    path_of(path, dir, 300, 400, ".run");
    assert_int_equal(access(path, F_OK), -1);
    seenrun_close(&runs[0]);
    seenrun_close(&runs[1]);
    assert_int_equal(seenrun_scan(dir, 150, runs, 8, &n), 0); /* names rows that were lost (9) */
    assert_int_equal(n, 1);
    seenrun_close(&runs[0]);
}

TEST(seenrun__a_damaged_file_is_noticed)
{
    const char *dir = scratch_dir();
    struct seenrun *r = NULL;
    struct buf bytes;
    char path[300];
    uint64_t counted = 0;

    make(dir, 0, 5000);
    path_of(path, dir, 0, 5000, ".run");
    buf_init(&bytes, MEM_DEFAULT, BUF_NO_CEILING);
    read_file(&bytes, path);
    bytes.p[4096 + 12345] ^= 1;
    write_file(path, bytes.p, bytes.n);
    assert_int_equal(seenrun_open(&r, dir, 0, 5000), 0);
    assert_int_equal(seenrun_each(r, count_block, &counted), ORB_ECORRUPT);
    seenrun_close(&r);
    write_file(path, bytes.p, bytes.n - 8);
    assert_int_equal(seenrun_open(&r, dir, 0, 5000), ORB_ECORRUPT);
    write_file(path, "", 0);
    assert_int_equal(seenrun_open(&r, dir, 0, 5000), ORB_ECORRUPT);
    assert_null(r);
    buf_fini(&bytes);
}

TEST(seenrun__an_empty_run_holds_nothing)
{
    const char *dir = scratch_dir();
    struct seenrun *r = NULL;
    uint64_t none[1];

    assert_int_equal(seenrun_write(dir, 0, 3, none, 0), 0);
    assert_int_equal(seenrun_open(&r, dir, 0, 3), 0);
    assert_int_equal(seenrun_has(r, 5), 0);
    seenrun_close(&r);
}

TEST(seenrun__survives_any_failed_allocation)
{
    const char *dir = scratch_dir();
    size_t before;

    make(dir, 0, 100);
    make(dir, 100, 200);
    before = mem_live_blocks();
    FAULT_SWEEP(nth) {
        struct seenrun *runs[4];
        unsigned n = 0;
        int err = seenrun_scan(dir, 200, runs, 4, &n);

        assert_true((err == 0 && n > 0) || err == ORB_ENOMEM);
        if (err == 0 && n == 2) {
            err = seenrun_merge(dir, runs, n);
            assert_true(err == 0 || err == ORB_ENOMEM);
        }
        while (n > 0)
            seenrun_close(&runs[--n]);
        assert_int_equal(mem_live_blocks(), before);
    }
}

TESTS(T(seenrun__finds_each_entry_and_no_other), T(seenrun__finds_entries_that_are_not_uniform),
      T(seenrun__merges_neighbours_into_one), T(seenrun__a_scan_leaves_out_what_must_not_count),
      T(seenrun__a_damaged_file_is_noticed), T(seenrun__an_empty_run_holds_nothing),
      T(seenrun__survives_any_failed_allocation))
