/* synced.c - LD_PRELOAD: notes what has been synced, or makes syncing slow; for powercut.py and slow_disk.py
 *
 * SYNC_LOG=FILE    each fsync and fdatasync of a file or a folder appends "size path" to FILE
 * SYNC_SLEEP_MS=N  each of them takes N ms longer
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int out = -1;

/* At once: a worker that has entered its sandbox could not open it any more. */
__attribute__((constructor)) static void
open_log(void)
{
    const char *log = getenv("SYNC_LOG");

    if (log != NULL)
        out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void
note(int fd)
{
    const char *sleep_ms = getenv("SYNC_SLEEP_MS");
    char link[64], path[4096], line[4200];
    struct stat st;
    ssize_t n;

    if (sleep_ms != NULL)
        usleep((useconds_t)atoi(sleep_ms) * 1000);
    if (out < 0 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    n = snprintf(line, sizeof line, "%lld %s\n", (long long)st.st_size, path);
    if (write(out, line, (size_t)n) != n)
        abort();
}

static int
real(const char *name, int fd)
{
    int (*f)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    note(fd);
    return f(fd);
}

int
fsync(int fd)
{
    return real("fsync", fd);
}

int
fdatasync(int fd)
{
    return real("fdatasync", fd);
}
