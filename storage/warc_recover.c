/* warc_recover.c - cutting torn tails after an unclean end */
#include "storage/warc.h"

#include "storage/warc_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Walks whole records from `from`; *end is where they stop. A request whose response did not follow is left out too: the
 * two were written as one. ORB_ECORRUPT: not even the first one is whole. */
static int
find_end(struct warc_reader *r, uint64_t from, uint64_t *end)
{
    struct warc_record record;
    uint64_t at = from, n_records = 0, request_at = UINT64_MAX;
    int err;

    while ((err = warc_read_at(r, at, NULL, NULL, &record)) == 0) {
        request_at = slice_eq(record.type, SLICE_LITERAL("request")) ? at : UINT64_MAX;
        at = record.end;
        n_records++;
    }
    if (err != ORB_ECORRUPT && err != ORB_ENOTFOUND)
        return err;
    if (n_records == 0 && from > 0)
        return ORB_ECORRUPT;
    *end = ORB_MIN(at, request_at);
    return 0;
}

static int
good_end(int fd, uint64_t begin, uint64_t end, uint64_t *out)
{
    struct warc_reader *r = NULL;
    int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

    if (own_fd < 0)
        return orb_error_from_errno(errno);
    err = warc_reader_open_fd(&r, own_fd);
    if (err != 0) {
        close(own_fd);
        return err;
    }
    err = end > begin ? find_end(r, begin, out) : ORB_ECORRUPT;
    if (err == ORB_ECORRUPT || (err == 0 && *out < end)) /* not what the table says: trust nothing */
        err = find_end(r, 0, out);
    warc_reader_close(&r);
    return err;
}

static int
cut(int fd, uint64_t end, struct warc_recovered *out)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return orb_error_from_errno(errno);
    if ((uint64_t)st.st_size > end) {
        if (ftruncate(fd, (off_t)end) != 0)
            return orb_error_from_errno(errno);
        out->n_cut++;
        out->cut_bytes += (uint64_t)st.st_size - end;
    }
    return fdatasync(fd) == 0 ? 0 : orb_error_from_errno(errno);
}

static int
recover_file(int dir_fd, const char *file, warc_good_fn *good, void *arg, struct warc_recovered *out)
{
    uint64_t begin = 0, known_end = 0, end = 0;
    int fd = openat(dir_fd, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW), err;

    if (fd < 0)
        return errno == ENOENT ? 0 : orb_error_from_errno(errno);
    err = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : ORB_EBUSY;
    if (err == 0 && good != NULL)
        err = good(arg, file, &begin, &known_end);
    if (err == 0)
        err = good_end(fd, begin, known_end, &end);
    if (err == 0)
        err = cut(fd, end, out);
    if (err == 0) {
        out->n_files++;
        if (end == 0 && unlinkat(dir_fd, file, 0) == 0)
            out->n_removed++;
    }
    close(fd);
    return err;
}

static int
recover_marked(int dir_fd, const char *marker, warc_good_fn *good, void *arg, struct warc_recovered *out, struct buf *error)
{
    char file[256];
    int err;

    snprintf(file, sizeof file, "%.*s", (int)(strlen(marker) - strlen(WARC_OPEN_SUFFIX)), marker);
    err = recover_file(dir_fd, file, good, arg, out);
    if (err == 0 && unlinkat(dir_fd, marker, 0) != 0 && errno != ENOENT)
        err = orb_error_from_errno(errno);
    if (err != 0 && error != NULL
        && buf_printf(error, "%s: cannot be repaired: %s", file,
                      err == ORB_EBUSY ? "another process is writing it; is this crawl running already?" : orb_strerror(err)) != 0)
        return ORB_ENOMEM;
    return err;
}

int
warc_recover(const char *dir, warc_good_fn *good, void *arg, struct warc_recovered *out, struct buf *error)
{
    struct warc_recovered found = { 0 };
    struct dirent *entry;
    DIR *d = opendir(dir);
    int err = 0;

    if (d == NULL) {
        err = orb_error_from_errno(errno);
        return error != NULL && buf_printf(error, "%s: %s", dir, orb_strerror(err)) != 0 ? ORB_ENOMEM : err;
    }
    while (err == 0 && (entry = readdir(d)) != NULL)
        if (slice_ends_with(slice_str(entry->d_name), SLICE_LITERAL(".warc.gz" WARC_OPEN_SUFFIX)))
            err = recover_marked(dirfd(d), entry->d_name, good, arg, &found, error);
    closedir(d);
    if (err != 0)
        return err;
    *out = found;
    return 0;
}
