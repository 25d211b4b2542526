#include "cluster/crawldir.h"

#include "cluster/clock.h"
#include "cluster/log.h"
#include "storage/durable.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEEDS_MAX_BYTES (1u << 30)

/* In the order in which they are made; DIR itself is the first. */
static const char *const folders[] = { "", "coordinator", "coordinator/seen", "coordinator/log", "pages", "warc" };
#define FOLDER_COORDINATOR 1

static int
say(struct buf *error, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (buf_vprintf(error, fmt, ap) != 0)
        buf_clear(error);
    va_end(ap);
    return err;
}

static int
make_dir(const char *path, bool *is_made, struct buf *error)
{
    *is_made = mkdir(path, 0755) == 0;
    if (*is_made || errno == EEXIST)
        return 0;
    return say(error, orb_error_from_errno(errno), "cannot make the folder %s: %s", path, strerror(errno));
}

static bool
is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* names: those that do not count. Also true when there is no such folder. */
static bool
holds_only(const char *path, const char *const *names)
{
    DIR *d = opendir(path);
    struct dirent *e;
    bool is_any = false;

    if (d == NULL)
        return true;
    while (!is_any && (e = readdir(d)) != NULL) {
        is_any = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        for (const char *const *name = names; is_any && *name != NULL; name++)
            is_any = strcmp(e->d_name, *name) != 0;
    }
    closedir(d);
    return !is_any;
}

static char *
path_of(const struct crawldir *d, const char *below)
{
    struct buf b;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    if (buf_printf(&b, "%s%s%s", d->path, below[0] == '\0' ? "" : "/", below) != 0)
        buf_fini(&b);
    return buf_take(&b, NULL);
}

static int
make_folders(struct crawldir *d, struct buf *error)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < ORB_N_ELEMENTS(folders); i++) {
        char *path = path_of(d, folders[i]);
        bool is_made = false;

        err = path == NULL ? ORB_ENOMEM : make_dir(path, &is_made, error);
        d->made |= is_made ? 1u << i : 0;
        if (err == 0 && i == FOLDER_COORDINATOR)
            chmod(path, 0700); /* the control socket and cookies live here */
        mem_free(MEM_DEFAULT, path);
    }
    return err;
}

/* The pids that hold the lock, as far as /proc/locks tells: inode match on FLOCK lines. */
static void
name_holders(int fd, struct buf *error)
{
    char line[256];
    struct stat st;
    FILE *f = fopen("/proc/locks", "re");
    bool is_any = false;

    if (f == NULL || fstat(fd, &st) != 0) {
        if (f != NULL)
            fclose(f);
        return;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        int pid;
        unsigned long inode;
        if (sscanf(line, "%*d: FLOCK %*s %*s %d %*x:%*x:%lu", &pid, &inode) == 2 && inode == st.st_ino && pid > 0) {
            if (buf_printf(error, "%s%d", is_any ? ", " : " (taken by pid ", pid) == 0)
                is_any = true;
        }
    }
    if (is_any && buf_append_str(error, ")") != 0)
        buf_clear(error);
    fclose(f);
}

static int
take_lock(struct crawldir *d, struct buf *error)
{
    char *path = path_of(d, "coordinator/lock");
    uint64_t until_ms = clock_now_ms() + CRAWLDIR_LOCK_WAIT_MS;
    bool has_said = false;
    struct stat st;
    int err;

    if (path == NULL)
        return ORB_ENOMEM;
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    mem_free(MEM_DEFAULT, path);
    if (d->lock_fd < 0)
        return say(error, orb_error_from_errno(errno), "cannot open the lock of %s: %s", d->path, strerror(errno));
    while (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return say(error, orb_error_from_errno(errno), "cannot lock %s: %s", d->path, strerror(errno));
        if (!has_said) /* after a kill the last workers are gone within a moment */
            log_info("%s is in use by another orb; waiting up to %d s for it to end", d->path, CRAWLDIR_LOCK_WAIT_MS / 1000);
        has_said = true;
        if (clock_now_ms() >= until_ms) {
            err = say(error, ORB_EBUSY, "%s is in use by another orb", d->path);
            name_holders(d->lock_fd, error);
            if (buf_printf(error, "; `orb status %s` shows it, `orb stop %s` ends it", d->path, d->path) != 0)
                buf_clear(error);
            return err;
        }
        usleep(50000);
    }
    if (fstat(d->lock_fd, &st) == 0 && st.st_nlink == 0)
        return say(error, ORB_EBUSY, "%s was taken away by another orb, whose start has failed; try again", d->path);
    return 0;
}

/* SQLite's unix VFS takes 512 bytes for a whole path, its own "-journal" behind it; it says "unable to open" no more. */
static int
check_path_length(const struct crawldir *d, struct buf *error)
{
    char whole[PATH_MAX];

    if (realpath(d->path, whole) == NULL)
        return say(error, orb_error_from_errno(errno), "%s: %s", d->path, strerror(errno));
    if (strlen(whole) > CRAWLDIR_MAX_PATH_BYTES)
        return say(error, ORB_ETOOBIG, "the path of the crawl's directory has %zu bytes, SQLite allows %d; choose a shorter one with -o",
                   strlen(whole), CRAWLDIR_MAX_PATH_BYTES);
    return 0;
}

/* Under the lock: has nobody come first since crawldir_open() looked, and begun the same new crawl? */
static bool
is_still_new(const struct crawldir *d)
{
    static const char *const nothing[] = { NULL }, *const our_own[] = { "lock", "log", "seen", NULL };
    bool is_new = true;

    for (unsigned i = FOLDER_COORDINATOR; is_new && i < ORB_N_ELEMENTS(folders); i++) {
        char *path = path_of(d, folders[i]);

        is_new = path != NULL && holds_only(path, i == FOLDER_COORDINATOR ? our_own : nothing);
        mem_free(MEM_DEFAULT, path);
    }
    return is_new;
}

int
crawldir_open(struct crawldir *d, const char *path, struct buf *error)
{
    static const char *const nothing[] = { NULL };
    int err = ORB_ENOMEM;

    *d = (struct crawldir){ .lock_fd = -1, .seeds_fd = -1 };
    d->path = mem_strdup(MEM_DEFAULT, path);
    if (d->path == NULL)
        goto fail;
    d->coordinator_path = path_of(d, "coordinator");
    if (d->coordinator_path == NULL)
        goto fail;
    d->is_new = !is_dir(d->coordinator_path);
    if (d->is_new && is_dir(path) && !holds_only(path, nothing)) {
        err = say(error, ORB_EEXIST, "%s is not empty and holds no crawl; choose another folder with -o", path);
        goto fail;
    }
    err = make_folders(d, error);
    if (err == 0)
        err = check_path_length(d, error);
    if (err == 0)
        err = take_lock(d, error);
    d->has_lock = err == 0;
    d->is_new = d->is_new && (!d->has_lock || is_still_new(d));
    if (err == ORB_EBUSY) /* the crawl is somebody else's, the empty folders too */
        d->made = 0;
    if (err == 0) /* whoever had the lock may have taken all away that it had made: crawldir_undo() */
        err = make_folders(d, error);
    if (err != 0)
        goto fail;
    return 0;
fail:
    crawldir_undo(d);
    crawldir_close(d);
    return err;
}

/* Files alone: folders in it, and what they hold, are not ours, or have gone before. */
static void
empty_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

/* Without the lock - another orb may have taken the same new folder - only what is empty goes. */
void
crawldir_undo(struct crawldir *d)
{
    for (unsigned i = ORB_N_ELEMENTS(folders); d->is_new && i-- > 0;) {
        char *path = (d->made & 1u << i) == 0 ? NULL : path_of(d, folders[i]);

        if (path == NULL)
            continue;
        if (i >= FOLDER_COORDINATOR && d->has_lock)
            empty_folder(path);
        rmdir(path);
        mem_free(MEM_DEFAULT, path);
    }
    d->made = 0;
}

void
crawldir_close(struct crawldir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    if (d->seeds_fd >= 0)
        close(d->seeds_fd);
    d->lock_fd = d->seeds_fd = -1;
    MEM_FREE(MEM_DEFAULT, &d->path);
    MEM_FREE(MEM_DEFAULT, &d->coordinator_path);
}

/* ---- seeds -------------------------------------------------------------------------------------------------------- */

int
crawldir_read_seeds(const struct crawldir *d, struct buf *out)
{
    char *path = path_of(d, "coordinator/seeds"), chunk[65536];
    ssize_t n;
    int fd, err = 0;

    if (path == NULL)
        return ORB_ENOMEM;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    mem_free(MEM_DEFAULT, path);
    if (fd < 0)
        return errno == ENOENT ? 0 : orb_error_from_errno(errno);
    while (err == 0 && (n = read(fd, chunk, sizeof chunk)) != 0)
        err = n < 0 ? orb_error_from_errno(errno)
                    : out->n > SEEDS_MAX_BYTES ? ORB_ETOOBIG : buf_append(out, chunk, (size_t)n);
    close(fd);
    return err;
}

/* What follows the last newline is half a seed, left by a power cut: another one would be glued to it. */
static int
cut_half_line(int fd)
{
    char last[4096]; /* longer than any seed */
    off_t size = lseek(fd, 0, SEEK_END), from = size > (off_t)sizeof last ? size - (off_t)sizeof last : 0;
    ssize_t n = size < 0 ? -1 : pread(fd, last, sizeof last, from), kept = n;

    while (kept > 0 && last[kept - 1] != '\n')
        kept--;
    return n < 0 || (kept < n && ftruncate(fd, from + kept) != 0) ? orb_error_from_errno(errno) : 0;
}

/* Once: opening it for each of a million seeds takes longer than all the rest. */
static int
open_seeds(struct crawldir *d)
{
    char *path = path_of(d, "coordinator/seeds");
    int fd, err;

    if (path == NULL)
        return ORB_ENOMEM;
    fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    mem_free(MEM_DEFAULT, path);
    if (fd < 0)
        return orb_error_from_errno(errno);
    err = cut_half_line(fd);
    if (err != 0)
        close(fd);
    else
        d->seeds_fd = fd;
    return err;
}

/* Or nothing: half a seed would be another one. */
static int
write_whole(int fd, struct slice line)
{
    ssize_t n = write(fd, line.p, line.n);
    int err = n < 0 ? orb_error_from_errno(errno) : (size_t)n < line.n ? ORB_EFULL : 0;
    off_t after = n > 0 && err != 0 ? lseek(fd, 0, SEEK_CUR) : -1;

    if (after >= n && ftruncate(fd, after - n) != 0)
        err = orb_error_from_errno(errno);
    return err;
}

int
crawldir_add_seed(struct crawldir *d, struct slice url)
{
    struct buf line;
    int err = d->seeds_fd >= 0 ? 0 : open_seeds(d);

    if (err != 0)
        return err;
    buf_init(&line, MEM_DEFAULT, BUF_NO_CEILING);
    err = buf_printf(&line, SLICE_FMT "\n", SLICE_ARG(url));
    if (err == 0)
        err = write_whole(d->seeds_fd, buf_slice(&line));
    buf_fini(&line);
    return err;
}

/* The names of what crawldir_open() made, and of the folder itself. */
static int
sync_names(const struct crawldir *d)
{
    char *above = (d->made & 1u) == 0 ? NULL : path_of(d, "..");
    int err = durable_sync_names(d->path);

    if (err == 0 && above != NULL) {
        err = durable_sync_names(above);
        err = err == ORB_EPERM ? 0 : err; /* a folder that may be written to, but not read */
    }
    mem_free(MEM_DEFAULT, above);
    return err;
}

int
crawldir_sync(const struct crawldir *d, uint64_t since_s)
{
    int err = durable_sync(d->coordinator_path, "seeds", since_s);

    return err == 0 && since_s == 0 && d->made != 0 ? sync_names(d) : err;
}

bool
crawldir_has_seeds(const struct crawldir *d)
{
    char *path = path_of(d, "coordinator/seeds");
    bool is_there = path != NULL && access(path, F_OK) == 0;

    mem_free(MEM_DEFAULT, path);
    return is_there;
}

/* ---- notes -------------------------------------------------------------------------------------------------------- */

int
crawldir_read_note(const struct crawldir *d, const char *name, struct buf *out)
{
    char path[4200], chunk[4096];
    ssize_t n;
    int fd, err = 0;

    snprintf(path, sizeof path, "%s/%s", d->coordinator_path, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return orb_error_from_errno(errno);
    while (err == 0 && (n = read(fd, chunk, sizeof chunk)) != 0)
        err = n < 0 ? orb_error_from_errno(errno) : buf_append(out, chunk, (size_t)n);
    close(fd);
    return err;
}

int
crawldir_write_note(const struct crawldir *d, const char *name, struct slice text)
{
    char path[4200], made[4220];
    int fd, err = 0;

    snprintf(path, sizeof path, "%s/%s", d->coordinator_path, name);
    snprintf(made, sizeof made, "%s.new", path);
    fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return orb_error_from_errno(errno);
    if (write(fd, text.p, text.n) != (ssize_t)text.n || fsync(fd) != 0)
        err = orb_error_from_errno(errno);
    close(fd);
    if (err == 0 && rename(made, path) != 0)
        err = orb_error_from_errno(errno);
    return err;
}

/* ---- room --------------------------------------------------------------------------------------------------------- */

static uint64_t
dir_bytes(const char *path, int depth)
{
    DIR *d = opendir(path);
    struct dirent *e;
    uint64_t sum = 0;

    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL) {
        char below[8192];
        struct stat st;
        if (e->d_name[0] == '.'
            || snprintf(below, sizeof below, "%s/%s", path, e->d_name) >= (int)sizeof below || lstat(below, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0)
            sum += dir_bytes(below, depth - 1);
        else
            sum += (uint64_t)st.st_blocks * 512;
    }
    closedir(d);
    return sum;
}

uint64_t
crawldir_used_bytes(const struct crawldir *d)
{
    return dir_bytes(d->path, 4);
}

uint64_t
crawldir_free_bytes(const struct crawldir *d)
{
    struct statvfs v;

    return statvfs(d->path, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
}
