#include "storage/warc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define PIECE_BYTES (1024 * 1024)
#define KEEP_BYTES (256 * 1024)
#define PUSH_BYTES (8 * 1024 * 1024)
#define TRIES 10000

int
warc_file_init(struct warc_file *f, const char *dir)
{
    *f = (struct warc_file){ .fd = -1 };
    buf_init_kept(&f->out, MEM_BUF, BUF_NO_CEILING);
    f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->dir_fd >= 0 ? 0 : orb_error_from_errno(errno);
}

void
warc_file_fini(struct warc_file *f)
{
    warc_file_close(f);
    if (f->dir_fd >= 0)
        close(f->dir_fd);
    f->dir_fd = -1;
    buf_fini(&f->out);
}

static void
marker_name(const struct warc_file *f, char text[WARC_NAME_BYTES + sizeof WARC_OPEN_SUFFIX])
{
    snprintf(text, WARC_NAME_BYTES + sizeof WARC_OPEN_SUFFIX, "%s" WARC_OPEN_SUFFIX, f->name);
}

static void
marker_remove(const struct warc_file *f)
{
    char marker[WARC_NAME_BYTES + sizeof WARC_OPEN_SUFFIX];

    marker_name(f, marker);
    unlinkat(f->dir_fd, marker, 0);
}

/* The marker first: a WARC file without one has been synced. O_EXCL on both keeps two writers apart. */
static int
create_both(struct warc_file *f)
{
    char marker[WARC_NAME_BYTES + sizeof WARC_OPEN_SUFFIX];
    int fd, saved_errno;

    marker_name(f, marker);
    fd = openat(f->dir_fd, marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    close(fd);
    fd = openat(f->dir_fd, f->name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        f->fd = fd;
        return 0;
    }
    saved_errno = errno;
    if (fd >= 0) {
        close(fd);
        unlinkat(f->dir_fd, f->name, 0);
    }
    unlinkat(f->dir_fd, marker, 0);
    return -saved_errno;
}

int
warc_file_open(struct warc_file *f, const char *stem, unsigned *serial)
{
    int failed = -EEXIST;

    CHECK(f->fd < 0);
    for (int i = 0; i < TRIES && failed == -EEXIST; i++) {
        snprintf(f->name, sizeof f->name, "%s-%05u.warc.gz", stem, ++*serial);
        failed = create_both(f);
    }
    if (failed != 0) {
        errno = -failed;
        return orb_error_from_errno(-failed);
    }
    f->good_bytes = f->begun_bytes = f->written_bytes = f->pushed_bytes = 0;
    return 0;
}

void
warc_file_close(struct warc_file *f)
{
    if (f->fd < 0)
        return;
    if (f->good_bytes == 0) {
        unlinkat(f->dir_fd, f->name, 0);
        marker_remove(f);
    } else if (fdatasync(f->fd) == 0) { /* else the marker stays, and the next start looks at the file */
        marker_remove(f);
    }
    close(f->fd);
    f->fd = -1;
}

void
warc_file_begin(struct warc_file *f)
{
    buf_clear(&f->out);
    f->begun_bytes = f->written_bytes = 0;
}

static int
write_out(struct warc_file *f)
{
    const char *p = f->out.p;
    size_t n = f->out.n;

    while (n > 0) {
        ssize_t done = write(f->fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno == EFBIG ? ORB_EFULL : orb_error_from_errno(errno);
        p += done;
        n -= (size_t)done;
        f->written_bytes += (uint64_t)done;
    }
    buf_clear(&f->out);
    return 0;
}

int
warc_file_add(void *arg, const void *bytes, size_t n_bytes)
{
    struct warc_file *f = arg;
    int err = buf_append(&f->out, bytes, n_bytes);

    if (err != 0)
        return err;
    f->begun_bytes += n_bytes;
    return f->out.n >= PIECE_BYTES ? write_out(f) : 0;
}

int
warc_file_end(struct warc_file *f)
{
    int err = write_out(f);

    if (err != 0)
        return err;
    f->good_bytes += f->begun_bytes;
    f->begun_bytes = f->written_bytes = 0;
    buf_trim(&f->out, KEEP_BYTES);
    if (f->good_bytes - f->pushed_bytes >= PUSH_BYTES) { /* so that the sync at rotation finds little to do */
        sync_file_range(f->fd, (off_t)f->pushed_bytes, (off_t)(f->good_bytes - f->pushed_bytes), SYNC_FILE_RANGE_WRITE);
        f->pushed_bytes = f->good_bytes;
    }
    return 0;
}

void
warc_file_abort(struct warc_file *f)
{
    int saved_errno = errno;

    buf_clear(&f->out);
    buf_trim(&f->out, KEEP_BYTES);
    if (f->fd >= 0 && f->written_bytes > 0 && ftruncate(f->fd, (off_t)f->good_bytes) != 0) {
        close(f->fd); /* the marker stays: warc_recover() cuts */
        f->fd = -1;
    }
    f->begun_bytes = f->written_bytes = 0;
    errno = saved_errno;
}
