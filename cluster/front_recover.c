/* front_recover.c - from the files to a front: hosts, queues of the mark, rows younger than mark or runs
 *
 *   after a clean stop    hosts, mark, runs: nothing to replay
 *   after a kill          ... and every row above the mark is queued by its state, every row above the runs is hashed (9)
 *
 * Runs on the loop's thread before the journal thread exists. What was leased is READY in its row, so nothing is lost;
 * what has ended since the mark is still in a queue, and is dropped when its window is loaded (front_lease.c).
 */
#include "cluster/front_internal.h"

#include "pool/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int
read_meta(struct front *f, const char *key, struct buf *text)
{
    int err;

    buf_clear(text);
    err = urldb_get_meta(f->db.db, key, text);
    if (err == 0)
        err = buf_append(text, "", 0); /* NUL-terminated even when empty */
    return err;
}

static int
read_number(struct front *f, const char *key, struct buf *text, uint64_t *out)
{
    int err = read_meta(f, key, text);

    *out = err == 0 && text->n > 0 ? strtoull(text->p, NULL, 10) : 0;
    return err == ORB_ENOTFOUND ? 0 : err;
}

static int
make_key(struct front *f, unsigned char key[FINGERPRINT_KEY_BYTES])
{
    char hex[2 * FINGERPRINT_KEY_BYTES];
    int err;

    if (getrandom(key, FINGERPRINT_KEY_BYTES, 0) != FINGERPRINT_KEY_BYTES)
        return ORB_EIO;
    for (int i = 0; i < FINGERPRINT_KEY_BYTES; i++)
        hex_put(hex + 2 * i, key[i]);
    err = urldb_set_meta(f->db.db, "fingerprint_key", slice_of(hex, sizeof hex));
    return err != 0 ? err : urldb_set_meta(f->db.db, "schema", SLICE_LITERAL("1"));
}

static int
read_key(struct front *f, struct buf *text, struct front_recovery *out)
{
    unsigned char key[FINGERPRINT_KEY_BYTES];
    int err = read_meta(f, "fingerprint_key", text);

    if (err == ORB_ENOTFOUND) {
        out->is_new = true;
        err = urldb_max_url(f->db.db) == 0 ? make_key(f, key) : ORB_ECORRUPT;
    } else if (err == 0) {
        for (size_t i = 0; i < sizeof key; i++) {
            int high = text->n == 2 * sizeof key ? hex_value(text->p[2 * i]) : -1;
            int low = high >= 0 ? hex_value(text->p[2 * i + 1]) : -1;

            if (low < 0)
                return ORB_ECORRUPT;
            key[i] = (unsigned char)(high << 4 | low);
        }
    }
    if (err == 0)
        fingerprint_key_init(&f->key, key);
    return err;
}

/* Books and rows were committed together, so they agree, or the file was tampered with. */
static int
read_books(struct front *f, struct buf *text)
{
    uint64_t n_rows = 0;
    int err = read_meta(f, "books", text);

    if (err == 0)
        err = front_counts_parse(&f->counts, buf_slice(text));
    if (err == 0) {
        err = read_meta(f, "excluded_dropped", text);
        if (err == 0)
            err = front_dropped_parse(&f->counts, buf_slice(text));
    }
    if (err != 0 && err != ORB_ENOTFOUND)
        return err;
    for (int s = 0; s < URLDB_STATES; s++)
        n_rows += f->counts.state[s];
    return n_rows == f->last_url_id ? 0 : ORB_ECORRUPT;
}

static int
read_numbers(struct front *f, struct buf *text, struct front_recovery *out)
{
    uint64_t epoch = 0, clean = 0;
    int err = read_number(f, "epoch", text, &epoch);

    if (err == 0)
        err = read_number(f, "clean", text, &clean);
    if (err == 0)
        err = read_number(f, "mark_url_id", text, &f->marked_url_id);
    if (err == 0)
        err = read_number(f, "mark_chunk_id", text, &f->marked_chunk_id);
    if (err == 0)
        err = read_number(f, "checked_to", text, &f->checked_to_ms);
    if (err == 0)
        err = read_number(f, "last_ended", text, &f->last_ended_ms);
    f->last_ended_ms = ORB_MAX(f->last_ended_ms, f->checked_to_ms);
    f->epoch = (uint32_t)epoch + 1;
    f->last_url_id = urldb_max_url(f->db.db);
    out->was_unclean = !out->is_new && clean == 0;
    return err;
}

/* --- hosts -------------------------------------------------------------------------------------------------------------------- */

/* (8): each waits a full delay. No row says which ones a worker was asking just now. */
static int
on_host(void *arg, const struct urldb_host *row)
{
    struct front *f = arg;
    uint64_t wall_s = f->wall_ms / 1000, fp = fingerprint(&f->key, row->origin);
    struct host *h;
    uint32_t id;
    int err;

    if (hosts_find(f->hosts, fp) != 0 || row->host_id != hosts_count(f->hosts) + 1)
        return ORB_ECORRUPT;
    err = frontier_add_host(f->frontier, fp, &id);
    if (err != 0)
        return err;
    front_host_configure(f, id, row->origin);
    h = hosts_get(f->hosts, id);
    front_host_delay(f, h, row->crawl_delay_ms);
    h->robots_until_s = (uint32_t)ORB_MIN(row->robots_until_s, (uint64_t)UINT32_MAX);
    h->n_fails = (uint8_t)ORB_MIN(row->fails, 255u);
    h->next_at_ms = h->delay_ms > f->conf.delay_ms ? f->now_ms + h->delay_ms : 0; /* hold_until_ms covers the others */
    if (row->retry_at_ms > f->wall_ms)
        h->next_at_ms = ORB_MAX(h->next_at_ms, f->now_ms + (row->retry_at_ms - f->wall_ms));
    hostq_set_backs_off(f->hosts, h, h->n_fails > 0 && row->retry_at_ms > f->wall_ms);
    front_drop_cold(f);
    return row->addresses.n > 0 && row->addresses_until_s > wall_s ? front_host_join(f, id, row->addresses) : 0;
}

/* --- rows --------------------------------------------------------------------------------------------------------------------- */

static int
add_fingerprints(struct front *f, const struct urldb_url *u)
{
    uint64_t fps[3];
    unsigned n = 0;
    int err = url_parse_canonical(&f->url, u->url);

    if (err == 0)
        err = front_fingerprints(f, &f->url, u->url, fps, &n);
    if (err == 0 && (u->flags & URLDB_SEED) && u->state != URLDB_EXCLUDED)
        err = front_seed_mark(f, &fps[n++]);
    if (err == 0)
        err = front_seen_reserve(f, fps, n);
    for (unsigned i = 0; i < n && err == 0; i++)
        front_seen_add(f, fps[i]);
    return err == ORB_EINVAL ? 0 : err; /* admitted by an orb that read URLs otherwise: it stands in the journal */
}

static void
queue_row(struct front *f, const struct urldb_url *u)
{
    uint32_t id = (uint32_t)u->host_id;

    if (id == 0 || id > hosts_count(f->hosts))
        return;
    if (u->state != URLDB_EXCLUDED || u->attempts > 0)
        hosts_get(f->hosts, id)->n_admitted++;
    if (u->state == URLDB_READY)
        front_requeue(f, id, u->url_id, false);
    else if (u->state == URLDB_WAITING)
        front_pend_retry(f, id, u->url_id, u->retry_at_ms);
}

static int
on_row(void *arg, const struct urldb_url *u)
{
    struct front *f = arg;

    if (u->url_id > f->marked_url_id)
        queue_row(f, u);
    front_drop_cold(f);
    return f->is_derailed ? ORB_ENOMEM : u->url_id > front_seen_covered(f) ? add_fingerprints(f, u) : 0;
}

/* Chunks of a recovery are written at once; those above the mark are dropped by the next one. */
void
front_spill_directly(struct front *f, uint32_t host_id)
{
    struct hostq_spill s;
    uint8_t ids[HOSTQ_WINDOW * 5];

    while (hostq_spill(f->hosts, host_id, f->last_chunk_id + 1, &s)) {
        f->last_chunk_id++;
        for (unsigned i = 0; i < s.n; i++)
            for (unsigned k = 0; k < 5; k++)
                ids[i * 5 + k] = (uint8_t)(s.url_ids[i] >> (8 * k));
        if (urldb_add_chunk(f->db.db, s.chunk_id, s.next, slice_of(ids, s.n * 5)) != 0
            || (s.link_from != 0 && urldb_link_chunk(f->db.db, s.link_from, s.chunk_id) != 0))
            f->is_derailed = true; /* front_recover() fails */
    }
}

static void
wake_all(struct front *f)
{
    for (uint32_t id = 1; id <= hosts_count(f->hosts); id++) {
        if (host_has_work(hosts_get(f->hosts, id)))
            frontier_wake(f->frontier, id, f->now_ms);
        front_drop_cold(f);
    }
    coldmem_drop(f->cold);
}

static int
more_hosts(void *arg, size_t n_bytes, void **out)
{
    return coldmem_add(arg, n_bytes, out);
}

/* In sixteenths of the budget: eight for the seen-set (front.c), three for queues, six for hosts. One too many, for the
 * seen-set's tables are seldom full. */
static int
new_frontier(struct front *f)
{
    size_t share = f->conf.ram_budget_bytes / 16;
    int err;

    frontier_free(&f->frontier);
    coldmem_close(&f->cold);
    f->hosts = NULL;
    err = coldmem_open(&f->cold, f->dir);
    if (err == 0)
        err = frontier_new(&f->frontier, f->conf.ip_delay_ms, share * 3, share / 2 / sizeof(struct frontier_retry) + 64);
    if (err != 0)
        return err;
    f->hosts = frontier_hosts(f->frontier);
    hosts_set_more(f->hosts, share * 6, more_hosts, f->cold);
    return 0;
}

static int
read_queues(struct front *f)
{
    int err = new_frontier(f);

    f->last_chunk_id = (uint32_t)f->marked_chunk_id;
    if (err == 0)
        err = urldb_drop_chunks_above(f->db.db, f->marked_chunk_id);
    if (err == 0)
        err = urldb_each_host(f->db.db, 1, on_host, f);
    return err != 0 ? err : front_read_mark(f);
}

static int
recover(struct front *f, struct front_recovery *out, struct buf *text)
{
    uint64_t from;
    int err = urldb_begin(f->db.db);

    if (err == 0)
        err = read_key(f, text, out);
    if (err == 0)
        err = read_numbers(f, text, out);
    if (err == 0)
        err = read_books(f, text);
    if (err == 0 && f->conf.refetch)
        err = front_refetch(f, &out->n_again);
    if (err == 0)
        err = front_seen_open(f);
    if (err == 0 && (err = read_queues(f)) == ORB_ECORRUPT) { /* derived, so the journal makes it again */
        err = front_forget_mark(f);
        if (err == 0)
            err = read_queues(f);
    }
    from = ORB_MIN(f->marked_url_id, front_seen_covered(f)) + 1;
    if (err == 0 && from <= f->last_url_id)
        err = urldb_each_url(f->db.db, from, 0, on_row, f);
    if (err == 0 && f->is_derailed)
        err = ORB_ENOMEM;
    if (err == 0)
        err = urldb_set_meta(f->db.db, "clean", SLICE_LITERAL("0"));
    if (err == 0) {
        buf_clear(text);
        err = buf_printf(text, "%u", f->epoch);
    }
    if (err == 0)
        err = urldb_set_meta(f->db.db, "epoch", buf_slice(text));
    return err == 0 ? urldb_commit(f->db.db) : err;
}

int
front_recover(struct front *f, struct front_recovery *out, struct buf *error)
{
    struct timespec t0, t1;
    struct buf text;
    int err;

    *out = (struct front_recovery){ 0 };
    clock_gettime(CLOCK_MONOTONIC, &t0);
    buf_init(&text, MEM_FRONTIER, BUF_NO_CEILING);
    err = recover(f, out, &text);
    buf_fini(&text);
    if (err != 0) {
        (void)!buf_printf(error, "%s/frontier.db: %s%s", f->dir, orb_strerror(err),
                          err == ORB_ECORRUPT ? ": restore the folder from a copy, or start a new crawl directory" : "");
        urldb_rollback(f->db.db);
        return err;
    }
    wake_all(f);
    f->hold_until_ms = out->is_new ? 0 : f->now_ms + f->conf.delay_ms + (f->conf.delay_ms > 0 ? FRONT_ON_ITS_WAY_MS : 0);
    f->db.counts = f->counts;
    f->db.last_ended_ms = f->db.saved_ended_ms = f->last_ended_ms;
    clock_gettime(CLOCK_MONOTONIC, &t1);
    out->n_urls = f->last_url_id;
    out->n_hosts = hosts_count(f->hosts);
    out->first_unchecked_url = out->was_unclean ? 1 : f->last_url_id + 1;
    out->seconds = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    return 0;
}
