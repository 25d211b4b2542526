#include "storage/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int
sync_file(int dir_fd, const char *name, uint64_t since_s)
{
    struct stat st;
    int fd, err = 0;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)
        || (uint64_t)st.st_mtim.tv_sec < since_s)
        return 0; /* gone meanwhile, or synced before */
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : orb_error_from_errno(errno);
    if (fsync(fd) != 0)
        err = orb_error_from_errno(errno);
    close(fd);
    return err;
}

int
durable_sync(const char *dir, const char *suffix, uint64_t since_s)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int err = 0;

    if (d == NULL)
        return orb_error_from_errno(errno);
    while (err == 0 && (e = readdir(d)) != NULL)
        if (slice_ends_with(slice_str(e->d_name), slice_str(suffix)))
            err = sync_file(dirfd(d), e->d_name, since_s);
    if (err == 0 && fsync(dirfd(d)) != 0)
        err = orb_error_from_errno(errno);
    closedir(d);
    return err;
}

int
durable_sync_names(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return orb_error_from_errno(errno);
    if (fsync(fd) != 0)
        err = orb_error_from_errno(errno);
    close(fd);
    return err;
}
