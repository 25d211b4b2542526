/* Any bytes as a WARC file: first as they are, then as the content of one gzip member, so that the grammar behind the
 * compression is reached. */
#include "storage/gzip.h"
#include "storage/warc_read.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static int
count_bytes(void *arg, const struct warc_record *record, const void *bytes, size_t n_bytes)
{
    volatile uint8_t touched = ((const uint8_t *)bytes)[n_bytes - 1];

    (void)touched;
    *(uint64_t *)arg += n_bytes;
    return 0;
}

static void
read_all(const void *bytes, size_t n_bytes)
{
    struct warc_reader *r = NULL;
    struct warc_record record;
    uint64_t at = 0, n_block = 0, offset;
    struct slice file;
    int fd = memfd_create("warc", MFD_CLOEXEC);

    if (fd < 0 || write(fd, bytes, n_bytes) != (ssize_t)n_bytes || warc_reader_open_fd(&r, fd) != 0)
        abort();
    while (warc_read_at(r, at, count_bytes, &n_block, &record) == 0) {
        if (record.end <= at || record.end > n_bytes || n_block != record.block_bytes)
            abort();
        (void)warc_refers_to(r, &file, &offset);
        at = record.end;
        n_block = 0;
    }
    warc_reader_close(&r);
}

static int
keep(void *arg, const void *bytes, size_t n_bytes)
{
    return buf_append(arg, bytes, n_bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    static struct gzip *g;
    struct slice part = slice_of(bytes, n_bytes);
    struct buf member;

    if (g == NULL && gzip_new(&g) != 0)
        abort();
    buf_init(&member, MEM_BUF, BUF_NO_CEILING);
    read_all(bytes, n_bytes);
    if (gzip_member(g, &part, 1, 1, keep, &member) != 0)
        abort();
    read_all(member.p, member.n);
    buf_fini(&member);
    return 0;
}
