/* seenrun_scan.c - which run files of a folder count after a crash
 *
 * A merge leaves its inputs behind when it dies between rename and unlink; a write leaves a .tmp. Neither may count twice.
 */
#include "storage/seenrun.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct range {
    uint64_t from, to;
};

static void
unlink_range(const char *dir, struct range r)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%016" PRIx64 "-%016" PRIx64 ".run", dir, r.from, r.to);
    unlink(path);
}

/* All NAME.run of dir into ranges; .tmp files go. */
static int
list_ranges(const char *dir, struct buf *ranges)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int err = 0;

    if (d == NULL)
        return orb_error_from_errno(errno);
    while (err == 0 && (e = readdir(d)) != NULL) {
        struct range r;
        char path[4096], end[8];

        if (sscanf(e->d_name, "%16" SCNx64 "-%16" SCNx64 ".%4s", &r.from, &r.to, end) != 3)
            continue;
        if (strcmp(end, "run") == 0) {
            err = buf_append(ranges, &r, sizeof r);
        } else if (strcmp(end, "tmp") == 0) {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            unlink(path);
        }
    }
    closedir(d);
    return err;
}

/* The widest run that begins at `from`; false = none. */
static bool
widest_from(const struct range *ranges, size_t n, uint64_t from, uint64_t max_to, struct range *out)
{
    bool found = false;

    for (size_t i = 0; i < n; i++)
        if (ranges[i].from == from && ranges[i].to > from && ranges[i].to <= max_to
            && (!found || ranges[i].to > out->to)) {
            *out = ranges[i];
            found = true;
        }
    return found;
}

static bool
is_among(struct seenrun *const *runs, unsigned n, struct range r)
{
    for (unsigned i = 0; i < n; i++)
        if (seenrun_from(runs[i]) == r.from && seenrun_to(runs[i]) == r.to)
            return true;
    return false;
}

int
seenrun_scan(const char *dir, uint64_t max_to, struct seenrun **runs, unsigned max, unsigned *n_out)
{
    struct buf bytes;
    struct range next = { 0, 0 };
    const struct range *ranges;
    size_t n_ranges;
    unsigned n = 0;
    int err;

    buf_init(&bytes, MEM_FRONTIER, BUF_NO_CEILING);
    err = mkdir(dir, 0755) != 0 && errno != EEXIST ? orb_error_from_errno(errno) : list_ranges(dir, &bytes);
    if (err != 0)
        goto done;
    ranges = (const struct range *)(const void *)bytes.p;
    n_ranges = bytes.n / sizeof *ranges;
    for (uint64_t from = 0; n < max && widest_from(ranges, n_ranges, from, max_to, &next); from = next.to) {
        err = seenrun_open(&runs[n], dir, next.from, next.to);
        if (err == ORB_ECORRUPT) {
            err = 0;
            break; /* its rows are replayed from the journal, and those behind it */
        }
        if (err != 0)
            goto done;
        n++;
    }
    for (size_t i = 0; i < n_ranges; i++)
        if (!is_among(runs, n, ranges[i]))
            unlink_range(dir, ranges[i]);
done:
    buf_fini(&bytes);
    if (err != 0)
        while (n > 0)
            seenrun_close(&runs[--n]);
    *n_out = n;
    return err;
}
