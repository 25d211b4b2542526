#include "cluster/crawldir.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
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

static bool
is_there(const char *path, const char *below)
{
    char whole[400];

    snprintf(whole, sizeof whole, "%s/%s", path, below);
    return access(whole, F_OK) == 0;
}

TEST(crawldir__takes_back_what_it_made)
{
    struct crawldir d;
    struct buf error;
    char path[256], file[300];

    buf_init(&error, MEM_DEFAULT, 4096);
    snprintf(path, sizeof path, "%s/crawl", scratch_dir());
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    assert_int_equal(crawldir_add_seed(&d, SLICE_LITERAL("http://a/")), 0);
    assert_int_equal(crawldir_sync(&d, 0), 0);
    assert_int_equal(crawldir_write_note(&d, CRAWLDIR_KEY_RULES, SLICE_LITERAL("x")), 0);
    snprintf(file, sizeof file, "%s/pages/pages.db", path);
    write_file(file, "x", 1);
    crawldir_undo(&d);
    crawldir_close(&d);
    assert_int_not_equal(access(path, F_OK), 0);

    /* a folder that was there, empty, stays */
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    crawldir_undo(&d);
    crawldir_close(&d);
    assert_int_equal(access(path, F_OK), 0);
    assert_false(is_there(path, "coordinator"));

    /* and so does what somebody else has put there meanwhile */
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    snprintf(file, sizeof file, "%s/thesis.txt", path);
    write_file(file, "x", 1);
    snprintf(file, sizeof file, "%s/warc/mine", path);
    assert_int_equal(mkdir(file, 0755), 0);
    crawldir_undo(&d);
    crawldir_close(&d);
    assert_true(is_there(path, "thesis.txt") && is_there(path, "warc/mine"));
    assert_false(is_there(path, "coordinator") || is_there(path, "pages"));
    buf_fini(&error);
}

TEST(crawldir__takes_nothing_back_of_a_crawl_that_was_there)
{
    struct crawldir d;
    struct buf error;
    char path[256], file[300];

    buf_init(&error, MEM_DEFAULT, 4096);
    snprintf(path, sizeof path, "%s/crawl", scratch_dir());
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    assert_int_equal(crawldir_add_seed(&d, SLICE_LITERAL("http://a/")), 0);
    crawldir_close(&d);
    snprintf(file, sizeof file, "%s/warc", path);
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(crawldir_open(&d, path, &error), 0);
    crawldir_undo(&d);
    crawldir_close(&d);
    assert_true(is_there(path, "coordinator/seeds") && is_there(path, "warc"));
    buf_fini(&error);
}

struct rival {
    char dir[256];
    bool has_won;
};

/* Takes the lock as soon as the other one has made the folders, stores a page, and ends. */
static void *
come_first(void *arg)
{
    struct rival *r = arg;
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s/warc", r->dir);
    while (access(path, F_OK) != 0)
        sched_yield();
    snprintf(path, sizeof path, "%s/coordinator/lock", r->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    r->has_won = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (r->has_won) {
        snprintf(path, sizeof path, "%s/pages/pages.db", r->dir);
        write_file(path, "pages", 5);
    }
    close(fd);
    return NULL;
}

TEST(crawldir__takes_nothing_back_of_a_crawl_that_came_first)
{
    struct rival rival = { .has_won = false };
    struct crawldir d;
    struct buf error;
    pthread_t thread;

    buf_init(&error, MEM_DEFAULT, 4096);
    for (int i = 0; i < 500 && !rival.has_won; i++) {
        snprintf(rival.dir, sizeof rival.dir, "%s/%d", scratch_dir(), i);
        assert_int_equal(pthread_create(&thread, NULL, come_first, &rival), 0);
        assert_int_equal(crawldir_open(&d, rival.dir, &error), 0);
        pthread_join(thread, NULL);
        if (rival.has_won) {
            assert_false(d.is_new);
            crawldir_undo(&d);
            assert_true(is_there(rival.dir, "pages/pages.db") && is_there(rival.dir, "warc"));
        }
        crawldir_close(&d);
    }
    buf_fini(&error);
}

TEST(crawldir__leaves_nothing_where_its_path_is_too_long)
{
    struct crawldir d;
    struct buf error;
    const char *top = scratch_dir();
    char path[800];

    buf_init(&error, MEM_DEFAULT, 4096);
    snprintf(path, sizeof path, "%s/%0200d", top, 0);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/%0200d/%0250d", top, 0, 0);
    assert_int_equal(crawldir_open(&d, path, &error), ORB_ETOOBIG);
    assert_int_not_equal(access(path, F_OK), 0);
    buf_fini(&error);
}

TESTS(T(crawldir__takes_back_what_it_made), T(crawldir__takes_nothing_back_of_a_crawl_that_came_first), T(crawldir__takes_nothing_back_of_a_crawl_that_was_there),
      T(crawldir__leaves_nothing_where_its_path_is_too_long), T(crawldir__makes_its_folders_and_remembers_seeds), T(crawldir__half_a_seed_does_not_spoil_the_next), T(crawldir__refuses_a_folder_of_something_else),
      T(crawldir__counts_what_is_used))
