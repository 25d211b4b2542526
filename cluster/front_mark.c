/* front_mark.c - the RAM part of the queues, written into frontier.db at a mark and read back at a start
 *
 * A mark is one transaction: all windows as they are, the chunks read since the last mark deleted, and "everything up to
 * url_id N and chunk C is in here". Rows above N and chunks above C are younger than the mark: rows are queued again from
 * the journal, chunks dropped. Ids that were leased are written as queued; a start filters what has ended since.
 *
 *   blob = entry...          numbers as base-128 varints, ids of a list as zigzag differences
 *   entry = 1 host_id n_admitted first_chunk last_chunk n head-ids n tail-ids
 *         | 2 host_id n ids                               (leased, being loaded, suspects: to the front)
 *         | 3 host_id url_id retry_at                      (waiting; Unix ms. Queued again since the mark: 0)
 *         | 4 host_id n                                    (ids in the host's chunks; for the figures only)
 */
#include "cluster/front_internal.h"

#define BLOB_BYTES 60000

enum { ENTRY_HOST = 1, ENTRY_FRONT, ENTRY_RETRY, ENTRY_CHUNKED };

/* --- writing ----------------------------------------------------------------------------------------------------------------- */

struct mark_writer {
    struct front *f;
    struct buf blob;
    uint64_t last_id;
    int err;
};

/* At most ten bytes. */
static size_t
put_number(unsigned char *bytes, uint64_t value)
{
    size_t n = 0;

    for (; value >= 128; value >>= 7)
        bytes[n++] = (unsigned char)(value | 128);
    bytes[n++] = (unsigned char)value;
    return n;
}

static void
put(struct mark_writer *w, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = put_number(bytes, value);

    if (w->err == 0)
        w->err = buf_append(&w->blob, bytes, n);
}

static void
put_id(void *arg, uint64_t url_id)
{
    struct mark_writer *w = arg;
    int64_t step = (int64_t)(url_id - w->last_id);

    put(w, (uint64_t)step << 1 ^ (uint64_t)(step >> 63));
    w->last_id = url_id;
}

static void
flush(struct mark_writer *w, size_t at_least)
{
    if (w->err != 0 || w->blob.n < at_least || w->blob.n == 0)
        return;
    w->err = journal_reserve(w->f->journal, w->blob.n, 1);
    if (w->err == 0)
        memcpy(journal_put(w->f->journal, REC_QUEUE, w->blob.n), w->blob.p, w->blob.n);
    buf_clear(&w->blob);
}

static void
put_host(struct mark_writer *w, uint32_t id)
{
    const struct host *h = hosts_get(w->f->hosts, id);

    if (h->n_admitted == 0 && hostq_is_empty(h))
        return;
    put(w, ENTRY_HOST);
    put(w, id);
    put(w, h->n_admitted);
    put(w, h->loading_chunk != 0 ? h->loading_chunk : h->first_chunk);
    put(w, h->last_chunk != 0 ? h->last_chunk : h->loading_chunk);
    w->last_id = 0;
    put(w, h->n_head);
    hostq_each(w->f->hosts, h, false, put_id, w);
    put(w, h->n_tail);
    hostq_each(w->f->hosts, h, true, put_id, w);
    if (h->n_queued > (uint32_t)h->n_head + h->n_tail) {
        put(w, ENTRY_CHUNKED);
        put(w, id);
        put(w, h->n_queued - h->n_head - h->n_tail);
    }
    flush(w, BLOB_BYTES);
}

static void
put_front(struct mark_writer *w, uint32_t host_id, uint64_t url_id)
{
    put(w, ENTRY_FRONT);
    put(w, host_id);
    put(w, 1);
    w->last_id = 0;
    put_id(w, url_id);
    flush(w, BLOB_BYTES);
}

static void
put_leased(struct mark_writer *w, const struct lease *l)
{
    for (unsigned i = 0; i < l->n_urls; i++)
        if (map_get(&w->f->suspects, l->urls[i].url_id) == NULL)
            put_front(w, l->hosts[l->urls[i].host].host_id, l->urls[i].url_id);
    for (size_t at = 0; at < l->pending.n; at += sizeof(struct pending_url)) {
        struct pending_url p;

        memcpy(&p, l->pending.p + at, sizeof p);
        if (map_get(&w->f->suspects, p.url_id) == NULL)
            put_front(w, p.host_id, p.url_id);
    }
}

static void
put_all(struct mark_writer *w)
{
    struct front *f = w->f;
    const struct frontier_retry *retries;
    size_t n;

    for (uint32_t id = 1; id <= hosts_count(f->hosts) && w->err == 0; id++) {
        put_host(w, id);
        front_drop_cold(f);
    }
    MAP_EACH (at, &f->leases)
        put_leased(w, at->value);
    MAP_EACH (at, &f->suspects) {
        const struct suspect *s = at->value;
        put_front(w, s->host_id, s->url_id);
    }
    retries = frontier_retries(f->frontier, &n);
    for (size_t i = 0; i < n; i++) {
        put(w, ENTRY_RETRY);
        put(w, retries[i].host_id);
        put(w, retries[i].url_id);
        put(w, f->wall_ms + (retries[i].due_ms > f->now_ms ? retries[i].due_ms - f->now_ms : 0));
        flush(w, BLOB_BYTES);
    }
    flush(w, 1);
}

static int
put_dead_chunks(struct front *f)
{
    enum { PIECE = 8192 * (int)sizeof(uint32_t) };

    for (size_t at = 0; at < f->dead_chunks.n; at += PIECE) {
        size_t n = ORB_MIN(f->dead_chunks.n - at, (size_t)PIECE);
        int err = journal_reserve(f->journal, n, 1);

        if (err != 0)
            return err;
        memcpy(journal_put(f->journal, REC_DROP_CHUNKS, n), f->dead_chunks.p + at, n);
    }
    return 0;
}

/* In one bracket, so that it is one transaction. A mark that fails half-way puts the old queue's rows at risk, so the
 * bracket then stays open: journal.c does not commit it, and front_close() says that the stop was not clean. */
int
front_put_mark(struct front *f, bool is_clean)
{
    struct mark_writer w = { .f = f };
    struct rec_mark *m;

    if (f->is_derailed)
        return ORB_ENOMEM;
    buf_init(&w.blob, MEM_FRONTIER, BUF_NO_CEILING);
    w.err = journal_reserve(f->journal, 0, 2);
    if (w.err == 0) {
        journal_put(f->journal, JOURNAL_BEGIN, 0);
        journal_put(f->journal, REC_QUEUE_CLEAR, 0);
        put_all(&w);
        if (w.err == 0)
            w.err = put_dead_chunks(f);
        if (w.err == 0)
            w.err = journal_reserve(f->journal, sizeof *m, 2);
        f->is_derailed = w.err != 0;
    }
    if (w.err == 0) {
        m = journal_put(f->journal, REC_MARK, sizeof *m);
        if (is_clean) /* what ends from now on ends later */
            f->checked_to_ms = ++f->last_ended_ms;
        *m = (struct rec_mark){ f->last_url_id, f->last_chunk_id, is_clean ? f->checked_to_ms : 0, f->epoch, is_clean };
        journal_put(f->journal, JOURNAL_END, 0);
        f->marked_url_id = f->last_url_id;
        buf_clear(&f->dead_chunks);
    }
    buf_fini(&w.blob);
    return w.err;
}

void
front_put_queued(struct front *f, uint32_t host_id, uint64_t url_id)
{
    unsigned char bytes[FRONT_QUEUED_BYTES];
    size_t n = 0;

    if (url_id > f->marked_url_id) /* a start reads that row anyway */
        return;
    n += put_number(bytes + n, ENTRY_RETRY);
    n += put_number(bytes + n, host_id);
    n += put_number(bytes + n, url_id);
    n += put_number(bytes + n, 0);
    memcpy(journal_put(f->journal, REC_QUEUE, n), bytes, n);
}

int
front_forget_mark(struct front *f)
{
    int err = urldb_clear_queue(f->db.db);

    f->marked_url_id = f->marked_chunk_id = 0;
    if (err == 0)
        err = urldb_set_meta(f->db.db, "mark_url_id", SLICE_LITERAL("0"));
    return err != 0 ? err : urldb_set_meta(f->db.db, "mark_chunk_id", SLICE_LITERAL("0"));
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

struct mark_reader {
    struct front *f;
    const unsigned char *p, *end;
    uint64_t last_id;
    bool is_bad;
};

static uint64_t
get(struct mark_reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->p == r->end)
            break;
        value |= (uint64_t)(*r->p & 127) << shift;
        if (*r->p++ < 128)
            return value;
    }
    r->is_bad = true;
    return 0;
}

static uint64_t
get_id(struct mark_reader *r)
{
    uint64_t step = get(r);

    r->last_id += step >> 1 ^ (0 - (step & 1));
    if (r->last_id == 0 || r->last_id > r->f->last_url_id)
        r->is_bad = true;
    return r->last_id;
}

static struct host *
get_host(struct mark_reader *r, uint32_t *host_id)
{
    uint64_t id = get(r);

    if (id == 0 || id > hosts_count(r->f->hosts))
        r->is_bad = true;
    *host_id = (uint32_t)id;
    return r->is_bad ? NULL : hosts_get(r->f->hosts, *host_id);
}

/* The chunks are set first: then hostq_push() puts the tail's ids where they were. */
static int
read_host(struct mark_reader *r)
{
    uint32_t id;
    struct host *h = get_host(r, &id);
    uint64_t n, first, last;
    int err = 0;

    if (h == NULL)
        return ORB_ECORRUPT;
    h->n_admitted = (uint32_t)get(r);
    first = get(r);
    last = get(r);
    if (first > r->f->last_chunk_id || last > r->f->last_chunk_id || (first == 0) != (last == 0))
        return ORB_ECORRUPT;
    r->last_id = 0;
    for (n = get(r); n > 0 && !r->is_bad && err == 0; n--)
        err = hostq_push_part(r->f->hosts, h, get_id(r), false);
    h->first_chunk = (uint32_t)first;
    h->last_chunk = (uint32_t)last;
    for (n = get(r); n > 0 && !r->is_bad && err == 0; n--)
        err = hostq_push_part(r->f->hosts, h, get_id(r), true);
    return r->is_bad ? ORB_ECORRUPT : err;
}

static int
read_front(struct mark_reader *r)
{
    uint32_t id;
    struct host *h = get_host(r, &id);
    int err = 0;

    if (h == NULL)
        return ORB_ECORRUPT;
    r->last_id = 0;
    for (uint64_t n = get(r); n > 0 && !r->is_bad && err == 0; n--)
        err = hostq_push_front(r->f->hosts, h, get_id(r));
    return r->is_bad ? ORB_ECORRUPT : err;
}

static int
read_chunked(struct mark_reader *r)
{
    uint32_t id;
    struct host *h = get_host(r, &id);
    uint64_t n = get(r);

    if (h == NULL || r->is_bad || n > r->f->last_url_id)
        return ORB_ECORRUPT;
    hostq_count_chunked(r->f->hosts, h, (uint32_t)n);
    return 0;
}

/* What its row says now counts: after a kill the mark is older than that. */
static int
read_retry(struct mark_reader *r)
{
    uint32_t id;
    struct host *h = get_host(r, &id);
    uint64_t url_id = get(r), at = get(r);
    struct urldb_url row;
    int err;

    if (h == NULL || r->is_bad)
        return ORB_ECORRUPT;
    err = urldb_get_url(r->f->db.db, url_id, &row);
    if (err != 0)
        return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
    if (row.state == URLDB_WAITING)
        front_pend_retry(r->f, id, url_id, row.retry_at_ms != 0 ? row.retry_at_ms : at);
    else if (row.state == URLDB_READY)
        front_requeue(r->f, id, url_id, false);
    return 0;
}

static int
read_blob(void *arg, struct slice bytes)
{
    struct mark_reader *r = arg;
    int err = 0;

    r->p = (const unsigned char *)bytes.p;
    r->end = r->p + bytes.n;
    while (r->p < r->end && err == 0) {
        uint64_t kind = get(r);

        err = r->is_bad             ? ORB_ECORRUPT
            : kind == ENTRY_HOST  ? read_host(r)
            : kind == ENTRY_FRONT ? read_front(r)
            : kind == ENTRY_RETRY ? read_retry(r)
            : kind == ENTRY_CHUNKED ? read_chunked(r)
                                  : ORB_ECORRUPT;
    }
    return err;
}

int
front_read_mark(struct front *f)
{
    struct mark_reader r = { .f = f };

    return urldb_each_queue(f->db.db, read_blob, &r);
}
