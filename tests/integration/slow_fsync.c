/* slow_fsync.c - preloaded: every fsync and fdatasync takes three seconds longer, as on a disk that is dying */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

static int
delayed(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    usleep(3000000);
    return real(fd);
}

int
fsync(int fd)
{
    return delayed("fsync", fd);
}

int
fdatasync(int fd)
{
    return delayed("fdatasync", fd);
}
