/* kill -9 at random moments, then recovery: every committed row has its record, every WARC file is whole. */
#include "storage/store.h"

#include "storage/warc_read.h"
#include "tests/support/store_sample.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_KILLS 40
#define N_WRITERS 2

/* Writes pages for ever; tells each committed batch's last id through the pipe. */
static void
writer(const struct sample_dirs *d, unsigned slot, uint64_t first_id, int report_fd)
{
    struct store_conf conf = sample_conf(d);
    struct store *s = NULL;
    struct buf body;

    conf.slot = slot;
    conf.max_warc_bytes = 300000; /* rotations happen as well */
    buf_init(&body, MEM_BUF, 1 << 22);
    assert_int_equal(store_open(&s, &conf, NULL), 0);
    for (uint64_t id = first_id;; id++) {
        char url[64];
        struct record r;

        snprintf(url, sizeof url, "http://example.org/%llu", (unsigned long long)id);
        sample_body(&body, (unsigned)(id / 3), id % 50 == 0 ? 2000000 : 1000 + id * 7919 % 40000);
        r = sample_page(id, url, buf_slice(&body));
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        if (store_n_pending(s) >= 7 && store_flush(s) == 0)
            assert_int_equal(write(report_fd, &id, sizeof id), sizeof id);
        while (store_is_full(s) && store_flush(s) != 0)
            usleep(1000);
    }
}

static unsigned
assert_all_whole(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n_records = 0;

    while ((e = readdir(d)) != NULL) {
        struct warc_reader *r = NULL;
        struct warc_record record;
        uint64_t at = 0;
        int err;

        assert_false(slice_ends_with(slice_str(e->d_name), SLICE_LITERAL(".open")));
        if (!slice_ends_with(slice_str(e->d_name), SLICE_LITERAL(".warc.gz")))
            continue;
        assert_int_equal(warc_reader_open(&r, dir, slice_str(e->d_name)), 0);
        for (; (err = warc_read_at(r, at, NULL, NULL, &record)) == 0; n_records++)
            at = record.end;
        assert_int_equal(err, ORB_ENOTFOUND);
        assert_true(at > 0);
        warc_reader_close(&r);
    }
    closedir(d);
    return n_records;
}

/* The last id that came through the pipe; what was not reported need not be there. */
static uint64_t
last_reported(int fd, uint64_t before)
{
    uint64_t id;

    while (read(fd, &id, sizeof id) == sizeof id)
        before = id;
    return before;
}

/* A checker that nobody here wrote; its structural half needs only Python. */
static void
assert_others_can_read(const char *dir)
{
    const char *shared = shared_dir();
    char command[1024];

    if (shared == NULL)
        return;
    snprintf(command, sizeof command, "python3 '%s/conformance/warc/warc-check' --no-node %s/*.warc.gz | grep -v ': ok'", shared, dir);
    assert_int_equal(system(command), 256); /* grep finds no other line */
}

TEST(store__kill_nine_costs_nothing_that_was_committed)
{
    struct sample_dirs d = sample_dirs_new();
    uint64_t first[N_WRITERS], last[N_WRITERS];
    unsigned seed = (unsigned)time(NULL), n_cut = 0;

    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < N_KILLS; round++) {
        struct warc_recovered found;
        struct pagedb *p = NULL;
        pid_t pids[N_WRITERS];
        int pipes[N_WRITERS][2];

        for (unsigned w = 0; w < N_WRITERS; w++) {
            first[w] = 1 + (uint64_t)round * 1000000 + w * 500000;
            assert_int_equal(pipe(pipes[w]), 0);
            pids[w] = fork();
            if (pids[w] == 0) {
                close(pipes[w][0]);
                writer(&d, w, first[w], pipes[w][1]);
            }
            close(pipes[w][1]);
        }
        usleep(2000 + (unsigned)rand() % 60000);
        for (unsigned w = 0; w < N_WRITERS; w++) {
            int status;

            assert_int_equal(kill(pids[w], SIGKILL), 0);
            assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            last[w] = last_reported(pipes[w][0], first[w] - 1);
            close(pipes[w][0]);
        }
        assert_int_equal(store_prepare(d.pages, d.warc, &found, NULL), 0);
        n_cut += found.n_cut;
        assert_int_equal(pagedb_open(&p, d.pages, DB_READ, NULL), 0);
        for (unsigned w = 0; w < N_WRITERS; w++)
            for (uint64_t id = first[w]; id <= last[w] + 400; id++) {
                int err = pagedb_verify(p, d.warc, id);
                /* reported: there; else: there as a whole, or not at all */
                assert_true(err == 0 || (err == ORB_ENOTFOUND && id > last[w]));
            }
        pagedb_close(&p);
    }
    print_message("%u records after %d kills, %u files were cut\n", assert_all_whole(d.warc), N_KILLS * N_WRITERS, n_cut);
    assert_others_can_read(d.warc);
}

TESTS(T(store__kill_nine_costs_nothing_that_was_committed))
