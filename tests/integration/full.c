/* full.c - LD_PRELOAD: every second write() to a WARC file finds the disk full; for meta_robots.py */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
is_warc(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    return n > 8 && memcmp(path + n - 8, ".warc.gz", 8) == 0;
}

ssize_t
write(int fd, const void *p, size_t n)
{
    static ssize_t (*real)(int, const void *, size_t);
    static unsigned n_writes;

    if (real == NULL)
        real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (is_warc(fd) && n_writes++ % 2 == 0) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, p, n);
}
