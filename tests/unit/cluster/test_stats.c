#include "cluster/stats.h"
#include "pool/error.h"
#include "tests/support/support.h"

#include <sys/mman.h>
#include <unistd.h>

TEST(stats_page__the_coordinator_reads_what_the_worker_wrote)
{
    struct stats_page *reader, *writer;
    struct stats s = { .magic = STATS_MAGIC, .version = STATS_VERSION, .n_pages = 12 }, got;
    int fd;

    assert_int_equal(stats_page_make(&fd, &reader), 0);
    assert_int_equal(stats_page_attach(fd, &writer), 0);
    stats_write(writer, &s);
    stats_set_op(writer, OP_PARSE, 99);
    assert_int_equal(stats_read(reader, &got), 0);
    assert_int_equal(got.n_pages, 12);
    assert_int_equal(got.op, OP_PARSE);
    assert_int_equal(got.op_url_id, 99);
    stats_page_unmap(&reader);
    stats_page_unmap(&writer);
    close(fd);
}

TEST(stats_page__bytes_of_a_liar_are_refused)
{
    struct stats_page *reader, *writer;
    struct stats got;
    int fd;

    assert_int_equal(stats_page_make(&fd, &reader), 0);
    assert_int_equal(stats_page_attach(fd, &writer), 0);
    assert_int_equal(stats_read(reader, &got), ORB_EPROTO); /* nothing written yet */
    memset((void *)writer, 0xff, STATS_PAGE_BYTES);
    assert_int_equal(stats_read(reader, &got), ORB_EAGAIN); /* for ever being written */
    memset((void *)writer, 0xfe, STATS_PAGE_BYTES);
    assert_int_equal(stats_read(reader, &got), ORB_EPROTO);
    assert_int_not_equal(ftruncate(fd, 0), 0); /* sealed: it cannot be pulled from under the reader */
    stats_page_unmap(&reader);
    stats_page_unmap(&writer);
    close(fd);
}

TEST(stats__private_bytes_grow_with_what_is_touched)
{
    uint64_t before = stats_private_bytes(getpid());
    size_t n = 32 << 20;
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(before > 0);
    memset(p, 1, n);
    /* clean pages of libraries stop being private as soon as another process maps them: not below n by much */
    assert_true(stats_private_bytes(getpid()) >= before + n - (4 << 20));
    munmap(p, n);
    assert_int_equal(stats_private_bytes(1 << 30), 0);
}

TESTS(T(stats_page__the_coordinator_reads_what_the_worker_wrote), T(stats_page__bytes_of_a_liar_are_refused),
      T(stats__private_bytes_grow_with_what_is_touched))
