#include "storage/coldmem.h"

#include "pool/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COLDMEM_MAGIC 0xc01d

struct cold_block {
    void *p;
    size_t n;
};

struct coldmem {
    uint32_t magic;
    int fd;
    off_t bytes;
    struct buf blocks; /* struct cold_block */
    char dir[];
};

int
coldmem_open(struct coldmem **out, const char *dir)
{
    struct coldmem *c = mem_zalloc(MEM_HOST, sizeof *c + strlen(dir) + 1);

    if (c == NULL)
        return ORB_ENOMEM;
    c->magic = COLDMEM_MAGIC;
    c->fd = -1;
    strcpy(c->dir, dir);
    buf_init(&c->blocks, MEM_HOST, BUF_NO_CEILING);
    *out = c;
    return 0;
}

static struct cold_block
block_at(const struct coldmem *c, size_t at)
{
    struct cold_block b;

    memcpy(&b, c->blocks.p + at, sizeof b);
    return b;
}

void
coldmem_close(struct coldmem **cp)
{
    struct coldmem *c = *cp;

    if (c == NULL)
        return;
    CHECK_IS(c, COLDMEM_MAGIC);
    for (size_t at = 0; at < c->blocks.n; at += sizeof(struct cold_block))
        munmap(block_at(c, at).p, block_at(c, at).n);
    buf_fini(&c->blocks);
    if (c->fd >= 0)
        close(c->fd);
    c->magic = 0;
    MEM_FREE(MEM_HOST, cp);
}

/* Without a name from the start where the file system can; else it loses it at once. */
static int
make_file(struct coldmem *c)
{
    char path[4096];

    c->fd = open(c->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (c->fd >= 0)
        return 0;
    snprintf(path, sizeof path, "%s/cold.tmp", c->dir);
    c->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (c->fd < 0)
        return orb_error_from_errno(errno);
    unlink(path);
    return 0;
}

int
coldmem_add(struct coldmem *c, size_t n_bytes, void **out)
{
    struct cold_block b = { NULL, (n_bytes + 4095) & ~(size_t)4095 };
    int err;

    CHECK_IS(c, COLDMEM_MAGIC);
    err = c->fd < 0 ? make_file(c) : 0;
    if (err == 0)
        err = buf_reserve(&c->blocks, sizeof b);
    if (err != 0)
        return err;
    errno = posix_fallocate(c->fd, c->bytes, (off_t)b.n);
    if (errno != 0)
        return orb_error_from_errno(errno);
    b.p = mmap(NULL, b.n, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, c->bytes);
    if (b.p == MAP_FAILED)
        return ORB_ENOMEM;
    madvise(b.p, b.n, MADV_RANDOM); /* a fault brings one page, not its neighbourhood */
    c->bytes += (off_t)b.n;
    *out = b.p;
    return buf_append(&c->blocks, &b, sizeof b);
}

void
coldmem_drop(struct coldmem *c)
{
    CHECK_IS(c, COLDMEM_MAGIC);
    for (size_t at = 0; at < c->blocks.n; at += sizeof(struct cold_block))
        madvise(block_at(c, at).p, block_at(c, at).n, MADV_DONTNEED); /* a shared mapping: the file keeps it */
}

size_t
coldmem_bytes(const struct coldmem *c)
{
    return (size_t)c->bytes;
}
