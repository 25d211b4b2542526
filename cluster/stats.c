#include "cluster/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/error.h"

struct stats_page {
    _Atomic uint32_t sequence; /* odd while being written */
    uint32_t unused;
    _Atomic uint32_t op;       /* outside the lock: one store */
    uint32_t unused2;
    _Atomic uint64_t op_url_id;
    struct stats stats;
};
_Static_assert(sizeof(struct stats_page) <= STATS_PAGE_BYTES, "the stats page holds its struct");

static int
map(int fd, int protection, struct stats_page **out)
{
    void *p = mmap(NULL, STATS_PAGE_BYTES, protection, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return orb_error_from_errno(errno);
    *out = p;
    return 0;
}

int
stats_page_make(int *out_fd, struct stats_page **page)
{
    int fd = memfd_create("orb-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int err;

    if (fd < 0)
        return orb_error_from_errno(errno);
    if (ftruncate(fd, STATS_PAGE_BYTES) != 0
        || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        err = orb_error_from_errno(errno);
        close(fd);
        return err;
    }
    err = map(fd, PROT_READ, page);
    if (err != 0) {
        close(fd);
        return err;
    }
    *out_fd = fd;
    return 0;
}

int
stats_page_attach(int fd, struct stats_page **page)
{
    return map(fd, PROT_READ | PROT_WRITE, page);
}

void
stats_page_unmap(struct stats_page **page)
{
    if (*page != NULL)
        munmap(*page, STATS_PAGE_BYTES);
    *page = NULL;
}

void
stats_write(struct stats_page *page, const struct stats *stats)
{
    uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);

    atomic_store_explicit(&page->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(&page->stats, stats, sizeof *stats);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&page->sequence, sequence + 2, memory_order_release);
}

void
stats_set_op(struct stats_page *page, enum worker_op op, uint64_t url_id)
{
    atomic_store_explicit(&page->op_url_id, url_id, memory_order_relaxed);
    atomic_store_explicit(&page->op, op, memory_order_release);
}

const char *
stats_op_name(enum worker_op op)
{
    static const char *const names[OP_N] = { "idle", "decode", "parse", "store" };

    return op < OP_N ? names[op] : "?";
}

static bool
is_sane(const struct stats *s)
{
    bool is_sane = s->magic == STATS_MAGIC && s->version == STATS_VERSION && s->op < OP_N && s->n_in_flight < 1000000
                   && s->n_leases < 10000000 && s->n_urls_held < 100000000 && s->n_pages <= STATS_MAX
                   && s->n_requests <= STATS_MAX && s->n_wire_bytes <= STATS_MAX && s->n_connections_opened <= STATS_MAX
                   && s->n_connections_reused <= STATS_MAX;

    const uint64_t *memory = &s->n_live_hosts;

    for (; memory < s->live_bytes; memory++)
        is_sane &= *memory <= STATS_MAX;
    for (int d = 0; d < MEM_N_DOMAINS; d++)
        is_sane &= s->live_bytes[d] <= STATS_MAX;
    return is_sane;
}

int
stats_read(const struct stats_page *page, struct stats *out)
{
    for (int i = 0; i < 8; i++) {
        uint32_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);
        struct stats copy;

        if (before & 1)
            continue;
        memcpy(&copy, (const void *)&page->stats, sizeof copy);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&page->sequence, memory_order_relaxed) != before)
            continue;
        copy.op = atomic_load_explicit(&page->op, memory_order_relaxed);
        copy.op_url_id = atomic_load_explicit(&page->op_url_id, memory_order_relaxed);
        if (!is_sane(&copy))
            return ORB_EPROTO;
        *out = copy;
        return 0;
    }
    return ORB_EAGAIN;
}

uint64_t
stats_private_bytes(int pid)
{
    char path[64], text[4096];
    uint64_t kib = 0;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    for (char *line = strstr(text, "Private_"); line != NULL; line = strstr(line + 1, "Private_")) {
        char *colon = strchr(line, ':');
        if (colon != NULL && strncmp(line, "Private_Hugetlb", 15) != 0)
            kib += strtoull(colon + 1, NULL, 10);
    }
    return kib * 1024;
}
