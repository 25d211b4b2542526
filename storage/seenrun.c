#include "storage/seenrun.h"

#include "storage/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define SEENRUN_MAGIC 0x5ee1f11e
#define SEENRUN_TAG "ORBSEEN1"
#define HEADER_BYTES 4096
#define FENCE_EVERY 16384 /* entries between two keys in memory: interpolation misses by about 64 entries */
#define PAGE_ENTRIES 512
#define BLOCK_ENTRIES 32768

struct seenrun_header {
    char tag[8];
    uint64_t n, from, to, checksum;
};

struct seenrun {
    uint32_t magic;
    int fd;
    struct seenrun_header h;
    uint64_t *fences;     /* fences[i] is entry i * FENCE_EVERY */
    size_t n_fences;
    char dir[];
};

static void
run_path(char *path, size_t cap, const char *dir, uint64_t from, uint64_t to, const char *end)
{
    snprintf(path, cap, "%s/%016" PRIx64 "-%016" PRIx64 "%s", dir, from, to, end);
}

static int
write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return orb_error_from_errno(done < 0 ? errno : EIO);
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int
read_at(int fd, void *bytes, size_t n, off_t at)
{
    char *p = bytes;

    while (n > 0) {
        ssize_t done = pread(fd, p, n, at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return orb_error_from_errno(errno);
        if (done == 0)
            return ORB_ECORRUPT; /* shorter than its header says */
        p += done;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

/* A run being written: the header goes in last, so that a torn file never looks whole. */
struct writer {
    int fd;
    struct seenrun_header h;
    XXH64_state_t sum;
    char path[4096], tmp[4096];
};

static int
writer_begin(struct writer *w, const char *dir, uint64_t from, uint64_t to)
{
    static const char zeros[HEADER_BYTES];
    int err;

    memset(&w->h, 0, sizeof w->h);
    memcpy(w->h.tag, SEENRUN_TAG, 8);
    w->h.from = from;
    w->h.to = to;
    XXH64_reset(&w->sum, 0);
    run_path(w->path, sizeof w->path, dir, from, to, ".run");
    run_path(w->tmp, sizeof w->tmp, dir, from, to, ".tmp");
    w->fd = open(w->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (w->fd < 0)
        return orb_error_from_errno(errno);
    err = write_all(w->fd, zeros, sizeof zeros);
    if (err != 0) {
        close(w->fd);
        unlink(w->tmp);
    }
    return err;
}

static int
writer_put(struct writer *w, const uint64_t *fingerprints, size_t n)
{
    XXH64_update(&w->sum, fingerprints, n * sizeof *fingerprints);
    w->h.n += n;
    return write_all(w->fd, fingerprints, n * sizeof *fingerprints);
}

/* err != 0 gives up. */
static int
writer_end(struct writer *w, const char *dir, int err)
{
    w->h.checksum = XXH64_digest(&w->sum);
    if (err == 0 && pwrite(w->fd, &w->h, sizeof w->h, 0) != (ssize_t)sizeof w->h)
        err = orb_error_from_errno(errno);
    if (err == 0 && fsync(w->fd) != 0)
        err = orb_error_from_errno(errno);
    close(w->fd);
    if (err == 0 && rename(w->tmp, w->path) != 0)
        err = orb_error_from_errno(errno);
    if (err == 0)
        err = durable_sync_names(dir);
    if (err != 0)
        unlink(w->tmp);
    return err;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

int
seenrun_write(const char *dir, uint64_t from, uint64_t to, uint64_t *fingerprints, size_t n)
{
    struct writer w;
    size_t kept = 0;
    int err = writer_begin(&w, dir, from, to);

    if (err != 0)
        return err;
    qsort(fingerprints, n, sizeof *fingerprints, compare);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || fingerprints[kept - 1] != fingerprints[i])
            fingerprints[kept++] = fingerprints[i];
    return writer_end(&w, dir, writer_put(&w, fingerprints, kept));
}

static int
load_fences(struct seenrun *r)
{
    r->n_fences = (size_t)((r->h.n + FENCE_EVERY - 1) / FENCE_EVERY);
    r->fences = mem_array(MEM_FRONTIER, r->n_fences + 1, sizeof *r->fences);
    if (r->fences == NULL)
        return ORB_ENOMEM;
    for (size_t i = 0; i < r->n_fences; i++) {
        int err = read_at(r->fd, &r->fences[i], 8, HEADER_BYTES + (off_t)(i * FENCE_EVERY * 8));

        if (err != 0)
            return err;
        if (i > 0 && r->fences[i] <= r->fences[i - 1])
            return ORB_ECORRUPT;
    }
    r->fences[r->n_fences] = UINT64_MAX;
    return 0;
}

int
seenrun_open(struct seenrun **out, const char *dir, uint64_t from, uint64_t to)
{
    struct seenrun *r = mem_zalloc(MEM_FRONTIER, sizeof *r + strlen(dir) + 1);
    char path[4096];
    struct stat st;
    int err = ORB_ENOMEM;

    if (r == NULL)
        return err;
    r->magic = SEENRUN_MAGIC;
    strcpy(r->dir, dir);
    run_path(path, sizeof path, dir, from, to, ".run");
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    err = r->fd < 0 || fstat(r->fd, &st) != 0 ? orb_error_from_errno(errno) : read_at(r->fd, &r->h, sizeof r->h, 0);
    if (err != 0)
        goto fail;
    err = ORB_ECORRUPT;
    if (memcmp(r->h.tag, SEENRUN_TAG, 8) != 0 || r->h.from != from || r->h.to != to
        || r->h.n > (uint64_t)st.st_size / 8 || (uint64_t)st.st_size != HEADER_BYTES + r->h.n * 8)
        goto fail;
    err = load_fences(r);
    if (err != 0)
        goto fail;
    *out = r;
    return 0;
fail:
    seenrun_close(&r);
    return err;
}

void
seenrun_close(struct seenrun **rp)
{
    struct seenrun *r = *rp;

    if (r == NULL)
        return;
    CHECK_IS(r, SEENRUN_MAGIC);
    if (r->fd >= 0)
        close(r->fd);
    mem_free(MEM_FRONTIER, r->fences);
    r->magic = 0;
    MEM_FREE(MEM_FRONTIER, rp);
}

/* The last fence at or below the value; the value is not below the first. */
static size_t
fence_of(const struct seenrun *r, uint64_t value)
{
    size_t low = 0, high = r->n_fences;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (r->fences[mid] <= value)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static bool
page_has(const uint64_t *page, size_t n, uint64_t value)
{
    size_t a = 0;

    for (size_t b = n; b - a > 1;) {
        size_t mid = a + (b - a) / 2;

        if (page[mid] <= value)
            a = mid;
        else
            b = mid;
    }
    return page[a] == value;
}

struct span { /* the value, if it is there, is in entries [low, high), which begin with low_key and end before high_key */
    uint64_t low, high, low_key, high_key;
};

/* Reads a page around where the value should be, were they evenly spread; narrows the span. *found: only when it is empty. */
static int
narrow(struct seenrun *r, struct span *s, uint64_t value, bool *found)
{
    uint64_t page[PAGE_ENTRIES];
    double share = s->high_key > s->low_key ? (double)(value - s->low_key) / (double)(s->high_key - s->low_key) : 0;
    uint64_t guess = s->low + (uint64_t)(share * (double)(s->high - s->low));
    uint64_t from = guess > s->low + PAGE_ENTRIES / 2 ? guess - PAGE_ENTRIES / 2 : s->low;
    size_t n = (size_t)ORB_MIN(s->high - from, (uint64_t)PAGE_ENTRIES);
    int err = read_at(r->fd, page, n * 8, HEADER_BYTES + (off_t)(from * 8));

    if (err != 0)
        return err;
    if (value < page[0]) {
        s->high = from;
        s->high_key = page[0];
    } else if (value > page[n - 1]) {
        s->low = from + n;
        s->low_key = page[n - 1];
    } else {
        *found = page_has(page, n, value);
        s->low = s->high;
    }
    return 0;
}

/* Interpolates between two fences until a page holds the answer. */
int
seenrun_has(struct seenrun *r, uint64_t value)
{
    struct span s;
    bool found = false;
    size_t fence;
    int err = 0;

    CHECK_IS(r, SEENRUN_MAGIC);
    if (value == 0)
        value = 1; /* as seen.c keeps it */
    if (r->h.n == 0 || value < r->fences[0])
        return 0;
    fence = fence_of(r, value);
    s = (struct span){ .low = (uint64_t)fence * FENCE_EVERY, .low_key = r->fences[fence], .high_key = r->fences[fence + 1] };
    s.high = ORB_MIN(s.low + FENCE_EVERY, r->h.n);
    while (err == 0 && s.low < s.high)
        err = narrow(r, &s, value, &found);
    return err != 0 ? err : found;
}

uint64_t
seenrun_from(const struct seenrun *r)
{
    return r->h.from;
}

uint64_t
seenrun_to(const struct seenrun *r)
{
    return r->h.to;
}

uint64_t
seenrun_count(const struct seenrun *r)
{
    return r->h.n;
}

size_t
seenrun_disk_bytes(const struct seenrun *r)
{
    return HEADER_BYTES + (size_t)r->h.n * 8;
}

size_t
seenrun_ram_bytes(const struct seenrun *r)
{
    return sizeof *r + (r->n_fences + 1) * 8;
}

int
seenrun_each(struct seenrun *r, int (*each)(void *arg, const uint64_t *fingerprints, size_t n), void *arg)
{
    uint64_t *block = mem_array(MEM_FRONTIER, BLOCK_ENTRIES, sizeof *block);
    XXH64_state_t sum;
    int err = block == NULL ? ORB_ENOMEM : 0;

    XXH64_reset(&sum, 0);
    for (uint64_t i = 0; i < r->h.n && err == 0; i += BLOCK_ENTRIES) {
        size_t n = (size_t)ORB_MIN(r->h.n - i, (uint64_t)BLOCK_ENTRIES);

        err = read_at(r->fd, block, n * 8, HEADER_BYTES + (off_t)(i * 8));
        if (err == 0) {
            XXH64_update(&sum, block, n * 8);
            err = each(arg, block, n);
        }
    }
    if (err == 0 && XXH64_digest(&sum) != r->h.checksum)
        err = ORB_ECORRUPT;
    mem_free(MEM_FRONTIER, block);
    return err;
}

/* One input of a merge, read in blocks. */
struct reader {
    struct seenrun *run;
    uint64_t *block;
    uint64_t next; /* the entry behind the block */
    size_t n, at;
};

static int
reader_fill(struct reader *r)
{
    r->n = (size_t)ORB_MIN(r->run->h.n - r->next, (uint64_t)BLOCK_ENTRIES);
    r->at = 0;
    r->next += r->n;
    return r->n == 0 ? 0 : read_at(r->run->fd, r->block, r->n * 8, HEADER_BYTES + (off_t)((r->next - r->n) * 8));
}

#define MERGE_MAX 16

static int
merge_into(struct writer *w, struct reader *readers, unsigned n, uint64_t *out)
{
    size_t n_out = 0;
    uint64_t last = 0;
    int err = 0;

    while (err == 0) {
        struct reader *least = NULL;

        for (unsigned i = 0; i < n; i++)
            if (readers[i].at < readers[i].n
                && (least == NULL || readers[i].block[readers[i].at] < least->block[least->at]))
                least = &readers[i];
        if (least == NULL)
            break;
        if (least->block[least->at] != last) /* 0 is never stored */
            last = out[n_out++] = least->block[least->at];
        if (++least->at == least->n)
            err = reader_fill(least);
        if (n_out == BLOCK_ENTRIES && err == 0) {
            err = writer_put(w, out, n_out);
            n_out = 0;
        }
    }
    return err != 0 || n_out == 0 ? err : writer_put(w, out, n_out);
}

int
seenrun_merge(const char *dir, struct seenrun *const *runs, unsigned n)
{
    struct reader readers[MERGE_MAX];
    uint64_t *blocks;
    struct writer w;
    int err;

    CHECK(n > 0 && n <= MERGE_MAX);
    blocks = mem_array(MEM_FRONTIER, (size_t)(n + 1) * BLOCK_ENTRIES, sizeof *blocks);
    if (blocks == NULL)
        return ORB_ENOMEM;
    err = writer_begin(&w, dir, runs[0]->h.from, runs[n - 1]->h.to);
    if (err != 0)
        goto done;
    for (unsigned i = 0; i < n && err == 0; i++) {
        readers[i] = (struct reader){ .run = runs[i], .block = blocks + (size_t)i * BLOCK_ENTRIES };
        err = reader_fill(&readers[i]);
    }
    if (err == 0)
        err = merge_into(&w, readers, n, blocks + (size_t)n * BLOCK_ENTRIES);
    err = writer_end(&w, dir, err);
done:
    mem_free(MEM_FRONTIER, blocks);
    return err;
}

int
seenrun_remove(struct seenrun **run)
{
    char path[4096];
    int err = 0;

    run_path(path, sizeof path, (*run)->dir, (*run)->h.from, (*run)->h.to, ".run");
    seenrun_close(run);
    if (unlink(path) != 0)
        err = orb_error_from_errno(errno);
    return err;
}
