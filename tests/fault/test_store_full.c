/* A disk that fills up: ORB_EFULL, nothing torn, and it goes on when there is room again. */
#include "storage/store.h"

#include "storage/warc_read.h"
#include "tests/support/store_sample.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every WARC file in the folder, whole, from the first byte to the last. */
static void
assert_all_whole(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        struct warc_reader *r = NULL;
        struct warc_record record;
        uint64_t at = 0;
        int err;

        if (!slice_ends_with(slice_str(e->d_name), SLICE_LITERAL(".warc.gz")))
            continue;
        assert_int_equal(warc_reader_open(&r, dir, slice_str(e->d_name)), 0);
        while ((err = warc_read_at(r, at, NULL, NULL, &record)) == 0)
            at = record.end;
        assert_int_equal(err, ORB_ENOTFOUND);
        warc_reader_close(&r);
    }
    closedir(d);
}

/* Puts pages until one is refused; returns how many went in. */
static unsigned
put_until_full(struct store *s, struct buf *body, uint64_t first_id, int *err)
{
    unsigned n = 0;

    *err = 0;
    while (*err == 0 && n < 5000) {
        char url[64];
        struct record r;

        snprintf(url, sizeof url, "http://example.org/%llu", (unsigned long long)first_id + n);
        sample_body(body, (unsigned)first_id + n, 30000);
        r = sample_page(first_id + n, url, buf_slice(body));
        *err = store_put(s, &r, SAMPLE_NOW_MS);
        if (*err == ORB_EAGAIN) {
            *err = store_flush(s);
            continue;
        }
        if (*err == 0)
            n++;
    }
    return n;
}

static void
assert_rows_have_records(const struct sample_dirs *d, uint64_t first, uint64_t last)
{
    struct pagedb *p = NULL;

    assert_int_equal(pagedb_open(&p, d->pages, DB_READ, NULL), 0);
    for (uint64_t id = first; id <= last; id++)
        assert_int_equal(pagedb_verify(p, d->warc, id), 0);
    pagedb_close(&p);
}

static void
limit_file_bytes(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(store__a_write_that_stops_half_way_is_cut_off)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct buf body;
    unsigned n, more;
    int err;

    buf_init(&body, MEM_BUF, 1 << 20);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    limit_file_bytes(400000); /* the write that crosses it is short, the next one fails */
    n = put_until_full(s, &body, 1, &err);
    assert_int_equal(err, ORB_EFULL);
    assert_in_range(n, 10, 199);
    assert_all_whole(d.warc);
    limit_file_bytes(RLIM_INFINITY); /* room again: the same store goes on */
    assert_int_equal(store_flush(s), 0);
    more = 20;
    for (unsigned i = 0; i < more; i++) {
        char url[64];
        struct record r;

        snprintf(url, sizeof url, "http://example.org/%u", n + 1 + i);
        sample_body(&body, n + 1 + i, 30000);
        r = sample_page(n + 1 + i, url, buf_slice(&body));
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    }
    assert_int_equal(store_close(&s), 0);
    assert_all_whole(d.warc);
    assert_rows_have_records(&d, 1, n + more);
    buf_fini(&body);
}

TEST(store__a_commit_on_a_full_disk_keeps_the_batch)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct store *s = NULL;
    struct buf body;
    int err = 0;

    buf_init(&body, MEM_BUF, 1 << 20);
    signal(SIGXFSZ, SIG_IGN);
    conf.max_warc_bytes = 20000; /* small WARC files: only the database meets the limit */
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    limit_file_bytes(60000);
    for (unsigned i = 1; i <= 3000 && err == 0; i++) {
        char url[64];
        struct record r;

        snprintf(url, sizeof url, "http://example.org/%u", i);
        sample_body(&body, i, 500);
        r = sample_page(i, url, buf_slice(&body));
        err = store_put(s, &r, SAMPLE_NOW_MS);
        if (err == 0 && i % 10 == 0)
            err = store_flush(s);
    }
    assert_int_equal(err, ORB_EFULL);
    assert_int_equal(store_n_pending(s), 10);
    assert_int_equal(store_flush(s), ORB_EFULL);
    assert_int_equal(store_n_pending(s), 10);
    limit_file_bytes(RLIM_INFINITY);
    assert_int_equal(store_flush(s), 0);
    assert_int_equal(store_n_pending(s), 0);
    assert_int_equal(store_close(&s), 0);
    assert_rows_have_records(&d, 1, 10);
    buf_fini(&body);
}

/* A real small disk, where the system lets us make one. */
TEST(store__a_full_file_system_loses_nothing_that_was_committed)
{
    struct sample_dirs d = sample_dirs_new();
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct store_conf conf = sample_conf(&d);
        struct store *s = NULL;
        struct buf body;
        unsigned n;
        int err;

        limit_file_bytes(RLIM_INFINITY);
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
            || mount("tmpfs", d.root, "tmpfs", 0, "size=3m") != 0)
            _exit(77);
        assert_int_equal(mkdir(d.pages, 0755), 0);
        assert_int_equal(mkdir(d.warc, 0755), 0);
        buf_init(&body, MEM_BUF, 1 << 20);
        conf.batch_rows = 20;
        assert_int_equal(store_open(&s, &conf, NULL), 0);
        n = put_until_full(s, &body, 1, &err);
        assert_int_equal(err, ORB_EFULL);
        assert_all_whole(d.warc);
        store_close(&s);
        assert_all_whole(d.warc);
        n = n - n % 20;
        assert_true(n > 40);
        assert_rows_have_records(&d, 1, n - 20);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

TESTS(T(store__a_write_that_stops_half_way_is_cut_off), T(store__a_commit_on_a_full_disk_keeps_the_batch),
      T(store__a_full_file_system_loses_nothing_that_was_committed))
