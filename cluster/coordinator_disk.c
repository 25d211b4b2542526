/* coordinator_disk.c - what the coordinator does for pages.db and the WARC files: prepared, rechecked, checkpointed, synced
 *
 * Workers write and never wait for the disk. The journal thread, which may, checkpoints pages.db about each second and syncs
 * all that workers wrote about each ten: what was reported before that is durable (7), so that a start after a power cut has only
 * the last seconds to check against the files.
 */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/log.h"
#include "storage/durable.h"
#include "storage/inventory.h"
#include "storage/store.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#define DISK_JOB_MS 1000
#define DISK_LOOK_MS 500
#define SYNC_EVERY_MS 10000
#define WAL_WARN_BYTES (256ull << 20)
#define WAL_PAUSE_BYTES (1ull << 30)

struct disk {
    const struct crawldir *dir;    /* BORROWED: it outlives the thread */
    char pages_dir[4200], warc_dir[4200];
    struct pagedb *pages;          /* the journal thread's from disk_start() on, which borrows no statement: their pool is the loop's */
    uint64_t checkpoint_at_ms, sync_at_ms; /* monotonic */
    uint64_t synced_since_s;
    _Atomic uint64_t durable_ms;   /* Unix time; 0 = nothing new */
    _Atomic uint64_t wal_bytes;
    _Atomic bool wants_sync;       /* at the next look */
    bool has_warned;
};

static struct disk *
disk_new(const struct coordinator *c)
{
    struct disk *d = mem_zalloc(MEM_DEFAULT, sizeof *d);

    if (d == NULL)
        return NULL;
    d->dir = &c->dir;
    snprintf(d->pages_dir, sizeof d->pages_dir, "%s/pages", c->dir.path);
    snprintf(d->warc_dir, sizeof d->warc_dir, "%s/warc", c->dir.path);
    return d;
}

/* A part that somebody took away is made anew, empty: refused where that would lose what is left, or ask for it again. */
static int
check_inventory(const struct coordinator *c, struct buf *error)
{
    const char *dir = c->dir.path;
    struct inventory v;
    int err = inventory_take(&v, dir);

    if (err != 0)
        return err;
    if (!v.has_frontier && v.n_pages + v.n_warc_files > 0) {
        if (buf_printf(error, "%s/coordinator/frontier.db is missing, and there are %" PRIu64 " page(s) and %" PRIu64 " WARC file(s) of this crawl: "
                       "going on would drop the pages' rows and ask for everything again; put it back, or begin again elsewhere with -o",
                       dir, v.n_pages, v.n_warc_files) != 0)
            buf_clear(error);
        return ORB_ENOTFOUND;
    }
    if (!v.has_pages && v.n_done > 0) {
        if (buf_printf(error, "%s/pages/" PAGEDB_FILE " is missing, and %" PRIu64 " URL(s) of this crawl are done: they would not be asked "
                       "again, and a new file would take its place; put it back, or begin again elsewhere with -o (to go on "
                       "without them: touch %s/pages/" PAGEDB_FILE ")", dir, v.n_done, dir) != 0)
            buf_clear(error);
        return ORB_ENOTFOUND;
    }
    if (v.n_warc_missing > 0)
        log_warning("%" PRIu64 " of %" PRIu64 " WARC files of this crawl are missing from %s/warc (such as %s): their pages can be neither "
                    "shown nor exported; put them back, and `orb audit %s` tells whether all is well", v.n_warc_missing, v.n_warc_named,
                    dir, v.warc_missing, dir);
    if (v.has_frontier && !crawldir_has_seeds(&c->dir))
        log_warning("%s/coordinator/seeds is missing: what `orb add` and the seeds' redirects added to the scope is not known any more; "
                    "give it again with `orb add`", dir);
    return 0;
}

int
disk_open(struct coordinator *c, struct buf *error)
{
    struct warc_recovered recovered = { 0 };
    struct disk *d = disk_new(c);
    int err;

    if (d == NULL)
        return ORB_ENOMEM;
    c->disk = d;
    err = c->dir.is_new ? 0 : check_inventory(c, error);
    if (err != 0)
        return err;
    err = store_prepare(d->pages_dir, d->warc_dir, &recovered, error);
    if (err == 0 && recovered.n_cut > 0)
        log_warning("%u WARC file(s) ended in a torn record; %" PRIu64 " bytes were cut", recovered.n_cut,
                    recovered.cut_bytes);
    if (err == 0)
        err = pagedb_open(&d->pages, d->pages_dir, DB_WRITE, error);
    return err;
}

/* Is it there, row and record? Asked for what became DONE since the last durable mark (7). */
static bool
is_stored(void *arg, uint64_t url_id)
{
    struct disk *d = arg;

    return pagedb_verify(d->pages, d->warc_dir, url_id) == 0;
}

int
disk_recheck(struct coordinator *c, uint64_t last_url_id)
{
    uint64_t n_missing = 0, n_gone = 0;
    int err = pagedb_forget_above(c->disk->pages, last_url_id, &n_gone);

    if (err == 0 && n_gone > 0)
        log_warning("the frontier lost the URLs of %" PRIu64 " page(s) with the power; they are found and asked again", n_gone);
    if (err == 0)
        err = front_recheck(c->front, is_stored, c->disk, &n_missing);
    if (err == 0 && n_missing > 0)
        log_warning("%" PRIu64 " page(s) were lost with the power and are asked again", n_missing);
    return err;
}

static void
sync_all(struct disk *d)
{
    uint64_t begun_ms = clock_wall_ms();

    if (durable_sync(d->warc_dir, ".gz", d->synced_since_s) != 0
        || durable_sync(d->pages_dir, "-wal", d->synced_since_s) != 0
        || crawldir_sync(d->dir, d->synced_since_s) != 0)
        return;
    d->synced_since_s = begun_ms / 1000 > 2 ? begun_ms / 1000 - 2 : 0; /* file times are coarse */
    atomic_store(&d->durable_ms, begun_ms);
}

/* A disk that takes its time gets more of it: waiting for it is to cost the journal thread a tenth of its time at most, for
 * leases are loaded there as well. */
static uint64_t
next_ms(uint64_t begun_ms, uint64_t every_ms)
{
    uint64_t now_ms = clock_now_ms();

    return now_ms + ORB_MAX(every_ms, (now_ms - begun_ms) * 10);
}

/* On the journal thread. */
static void
disk_job(void *arg)
{
    struct disk *d = arg;
    struct db_checkpoint checkpoint;
    uint64_t now_ms = clock_now_ms();

    /* first, whatever is wanted: seeds without end must not keep the WAL growing. What is wanted comes at the next look. */
    if (now_ms >= d->checkpoint_at_ms) {
        if (pagedb_checkpoint(d->pages, &checkpoint) == 0)
            atomic_store(&d->wal_bytes, checkpoint.wal_bytes);
        d->checkpoint_at_ms = next_ms(now_ms, DISK_JOB_MS);
    } else if (atomic_exchange(&d->wants_sync, false) || now_ms >= d->sync_at_ms) {
        sync_all(d);
        d->sync_at_ms = next_ms(now_ms, SYNC_EVERY_MS);
    }
}

void
disk_start(struct coordinator *c)
{
    c->disk->sync_at_ms = clock_now_ms() + SYNC_EVERY_MS;
    front_set_idle_job(c->front, disk_job, c->disk, DISK_LOOK_MS);
}

void
disk_sync_soon(struct coordinator *c)
{
    if (c->disk != NULL) /* not open (yet), as for disk_close() */
        atomic_store(&c->disk->wants_sync, true);
}

void
disk_tick(struct coordinator *c)
{
    struct disk *d = c->disk;
    uint64_t durable_ms = atomic_exchange(&d->durable_ms, 0), wal_bytes = atomic_load(&d->wal_bytes);

    if (durable_ms > 0)
        front_note_durable(c->front, durable_ms);
    if (wal_bytes > WAL_WARN_BYTES && !d->has_warned)
        log_warning("pages.db-wal has grown to %" PRIu64 " MiB: another program keeps %s/pages.db open for reading",
                    wal_bytes >> 20, d->pages_dir);
    d->has_warned = wal_bytes > WAL_WARN_BYTES;
    c->is_held_by_wal = wal_bytes > WAL_PAUSE_BYTES;
}

/* The front is closed: its thread, and with it the job, is gone. */
void
disk_close(struct coordinator *c)
{
    if (c->disk == NULL)
        return;
    pagedb_close(&c->disk->pages);
    MEM_FREE(MEM_DEFAULT, &c->disk);
}
