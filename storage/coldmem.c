#include "storage/coldmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COLDMEM_MAGIC 0xc01d
#define RANGE_BYTES ((size_t)64 << 30) /* of addresses, not of memory */

struct coldmem {
    uint32_t magic;
    int fd;
    size_t bytes;
    char *base;        /* a range of addresses, mapped from its beginning on: one call drops it all */
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
    *out = c;
    return 0;
}

void
coldmem_close(struct coldmem **cp)
{
    struct coldmem *c = *cp;

    if (c == NULL)
        return;
    CHECK_IS(c, COLDMEM_MAGIC);
    if (c->base != NULL)
        munmap(c->base, RANGE_BYTES);
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

static int
reserve_range(struct coldmem *c)
{
    void *p = mmap(NULL, RANGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return ORB_ENOMEM;
    c->base = p;
    return 0;
}

int
coldmem_add(struct coldmem *c, size_t n_bytes, void **out)
{
    size_t n = (n_bytes + 4095) & ~(size_t)4095;
    int err;

    CHECK_IS(c, COLDMEM_MAGIC);
    err = c->fd < 0 ? make_file(c) : 0;
    if (err == 0 && c->base == NULL)
        err = reserve_range(c);
    if (err == 0 && n > RANGE_BYTES - c->bytes)
        err = ORB_ETOOBIG;
    if (err != 0)
        return err;
    errno = posix_fallocate(c->fd, (off_t)c->bytes, (off_t)n);
    if (errno != 0)
        return orb_error_from_errno(errno);
    if (mmap(c->base + c->bytes, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, c->fd, (off_t)c->bytes) == MAP_FAILED)
        return ORB_ENOMEM;
    *out = c->base + c->bytes;
    c->bytes += n;
    return 0;
}

void
coldmem_drop(struct coldmem *c)
{
    CHECK_IS(c, COLDMEM_MAGIC);
    if (c->bytes > 0)
        madvise(c->base, c->bytes, MADV_DONTNEED); /* a shared mapping: the file keeps it */
}

size_t
coldmem_bytes(const struct coldmem *c)
{
    return c->bytes;
}
