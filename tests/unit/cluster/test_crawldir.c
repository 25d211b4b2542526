#include "cluster/crawldir.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(crawldir__makes_its_folders_and_remembers_seeds)
{
    struct crawldir d;
    struct buf error, seeds;
    char path[256], below[300];

    buf_init(&error, MEM_DEFAULT, 4096);
    buf_init(&seeds, MEM_DEFAULT, 4096);
    snprintf(path, sizeof path, "%s/crawl", scratch_dir());
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    assert_true(d.is_new);
    assert_int_equal(crawldir_add_seed(&d, SLICE_LITERAL("http://a/")), 0);
    assert_int_equal(crawldir_add_seed(&d, SLICE_LITERAL("http://b/")), 0);
    assert_int_equal(crawldir_read_seeds(&d, &seeds), 0);
    assert_slice_str(buf_slice(&seeds), "http://a/\nhttp://b/\n");
    crawldir_close(&d);
    snprintf(below, sizeof below, "%s/warc", path);
    assert_int_equal(access(below, R_OK), 0);
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    assert_false(d.is_new);
    crawldir_close(&d);
    buf_fini(&seeds);
    buf_fini(&error);
}

TEST(crawldir__half_a_seed_does_not_spoil_the_next)
{
    struct crawldir d;
    struct buf error, seeds;
    char path[256], file[300];

    buf_init(&error, MEM_DEFAULT, 4096);
    buf_init(&seeds, MEM_DEFAULT, 4096);
    snprintf(path, sizeof path, "%s/crawl", scratch_dir());
    snprintf(file, sizeof file, "%s/coordinator/seeds", path);
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    write_file(file, "http://a/\nhttp://b/x", 20);
    assert_int_equal(crawldir_add_seed(&d, SLICE_LITERAL("http://c/")), 0);
    assert_int_equal(crawldir_read_seeds(&d, &seeds), 0);
    assert_slice_str(buf_slice(&seeds), "http://a/\nhttp://c/\n");
    crawldir_close(&d);
    buf_fini(&seeds);
    buf_fini(&error);
}

TEST(crawldir__refuses_a_folder_of_something_else)
{
    struct crawldir d;
    struct buf error;
    const char *path = scratch_dir();
    char file[300];

    buf_init(&error, MEM_DEFAULT, 4096);
    snprintf(file, sizeof file, "%s/thesis.txt", path);
    write_file(file, "x", 1);
    assert_int_equal(crawldir_open(&d, path, &error), ORB_EEXIST);
    assert_non_null(strstr(error.p, "holds no crawl"));
    buf_clear(&error);
    assert_int_equal(crawldir_open(&d, "/proc/nowhere/x", &error), ORB_ENOTFOUND);
    assert_non_null(strstr(error.p, "/proc/nowhere/x"));
    buf_fini(&error);
}

TEST(crawldir__counts_what_is_used)
{
    struct crawldir d;
    struct buf error;
    char path[256], file[300];
    static char bytes[100000];
    uint64_t before;

    buf_init(&error, MEM_DEFAULT, 4096);
    snprintf(path, sizeof path, "%s/crawl", scratch_dir());
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    before = crawldir_used_bytes(&d);
    snprintf(file, sizeof file, "%s/warc/x", path);
    write_file(file, bytes, sizeof bytes);
    assert_true(crawldir_used_bytes(&d) >= before + sizeof bytes / 2);
    assert_true(crawldir_free_bytes(&d) > 0);
    crawldir_close(&d);
    buf_fini(&error);
}

TESTS(T(crawldir__makes_its_folders_and_remembers_seeds), T(crawldir__half_a_seed_does_not_spoil_the_next), T(crawldir__refuses_a_folder_of_something_else),
      T(crawldir__counts_what_is_used))
