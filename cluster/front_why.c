/* front_why.c - the life of one URL: a scan of the journal in slices between transactions, then JSON on the loop */
#include "cluster/front_internal.h"

#include <jansson.h>

#define SLICE_ROWS 100000
#define MAX_VIA 16

static const char *const state_names[] = { "queued", "done", "waiting", "failed", "excluded", "quarantined" };

/* --- the thread ---------------------------------------------------------------------------------------------------------------- */

static int
keep_row(struct urldb *db, struct why *w, uint64_t url_id)
{
    int err = urldb_get_url(db, url_id, &w->row);

    if (err == 0)
        err = buf_append_slice(&w->text, w->row.url);
    for (uint64_t via = w->row.via, n = 0; err == 0 && via != 0 && n < MAX_VIA; n++) {
        struct urldb_url row;

        err = urldb_get_url(db, via, &row);
        if (err == 0)
            err = buf_append(&w->via, row.url.p, row.url.n);
        if (err == 0)
            err = buf_append_char(&w->via, '\n');
        via = err == 0 ? row.via : 0;
    }
    if (err == 0 && w->row.host_id != 0)
        err = urldb_get_host(db, w->row.host_id, &w->host);
    return err;
}

static bool
why_step(struct urldb *db, struct why *w)
{
    uint64_t url_id;
    int err = urldb_find_url(db, buf_slice(&w->url), w->scanned_to + 1, SLICE_ROWS, &url_id);

    if (err == 0)
        err = keep_row(db, w, url_id);
    else if (err == ORB_ENOTFOUND) {
        w->scanned_to += SLICE_ROWS;
        if (w->scanned_to < urldb_max_url(db))
            return false;
    }
    w->answer.err = err;
    return true;
}

/* One slice a turn, so that commits go on in between. */
void
front_db_why(struct front_db *d)
{
    struct list *node = list_take_front(&d->whys);

    if (why_step(d->db, LIST_ELEMENT(node, struct why, answer.node)))
        journal_post(d->journal, node);
    else
        list_push_front(&d->whys, node);
}

/* --- the loop ------------------------------------------------------------------------------------------------------------------ */

void
front_why_free(struct why *w)
{
    if (w == NULL)
        return;
    buf_fini(&w->url);
    buf_fini(&w->text);
    buf_fini(&w->via);
    mem_free(MEM_FRONTIER, w);
}

static json_t *
via_list(struct slice lines)
{
    json_t *list = json_array();

    while (lines.n > 0) {
        const char *end = memchr(lines.p, '\n', lines.n);
        size_t n = end == NULL ? lines.n : (size_t)(end - lines.p);

        json_array_append_new(list, json_stringn(lines.p, n));
        lines = slice_sub(lines, n + 1, lines.n);
    }
    return list;
}

static const char *
host_state(const struct front *f, const struct host *h)
{
    return h->doom != 0 && h->next_at_ms > f->now_ms ? "unreachable"
         : h->flags & HOST_IN_LEASE                  ? "leased"
         : h->flags & HOST_BACKS_OFF                 ? "backing off"
         : h->robots_until_s == 0                    ? "new"
                                                     : "open";
}

static json_t *
host_json(const struct front *f, const struct why *w)
{
    const struct host *h = hosts_get(f->hosts, (uint32_t)w->row.host_id);

    return json_pack("{s:I,s:s,s:i,s:i,s:I,s:i,s:I,s:I}", "host_id", (json_int_t)w->row.host_id, "state", host_state(f, h),
                     "delay_ms", (int)h->delay_ms, "robots_status", (int)w->host.robots_status, "robots_until",
                     (json_int_t)h->robots_until_s, "failures", (int)h->n_fails, "queued", (json_int_t)h->n_queued, "wait_ms",
                     (json_int_t)(h->next_at_ms > f->now_ms ? h->next_at_ms - f->now_ms : 0));
}

static json_t *
to_json(struct front *f, const struct why *w)
{
    const struct urldb_url *u = &w->row;
    const struct lease *l = map_get(&f->leased, u->url_id);
    json_t *o = json_object();
    const char *state = l != NULL ? "leased" : u->state < URLDB_STATES ? state_names[u->state] : "?";

    json_object_set_new(o, "ok", json_true()); /* an answer of the control socket */
    json_object_set_new(o, "url_id", json_integer((json_int_t)u->url_id));
    json_object_set_new(o, "url", json_stringn(w->text.p, w->text.n));
    json_object_set_new(o, "state", json_string(state));
    json_object_set_new(o, "outcome", json_string(outcome_name((enum outcome)u->outcome)));
    json_object_set_new(o, "because", json_string(outcome_sentence((enum outcome)u->outcome)));
    json_object_set_new(o, "status", json_integer(u->status));
    json_object_set_new(o, "attempts", json_integer(u->attempts));
    json_object_set_new(o, "depth", json_integer(u->depth));
    json_object_set_new(o, "redirect_hops", json_integer(u->hops));
    json_object_set_new(o, "is_seed", json_boolean((u->flags & URLDB_SEED) != 0));
    json_object_set_new(o, "is_sitemap", json_boolean((u->flags & URLDB_SITEMAP) != 0));
    json_object_set_new(o, "is_suspect", json_boolean((u->flags & URLDB_SUSPECT) != 0));
    if (u->retry_at_ms != 0)
        json_object_set_new(o, "retry_at", json_integer((json_int_t)u->retry_at_ms));
    if (u->ended_at_ms != 0)
        json_object_set_new(o, "ended_at", json_integer((json_int_t)u->ended_at_ms));
    json_object_set_new(o, "found_by", via_list(buf_slice(&w->via)));
    if (l != NULL)
        json_object_set_new(o, "slot", json_integer((json_int_t)l->slot));
    if (u->host_id != 0 && u->host_id <= hosts_count(f->hosts))
        json_object_set_new(o, "host", host_json(f, w));
    return o;
}

void
front_on_why(struct front *f, struct why *w)
{
    json_t *o = w->answer.err == 0 ? to_json(f, w) : NULL;
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    int err = w->answer.err != 0 ? w->answer.err : text == NULL ? ORB_ENOMEM : 0;
    json_malloc_t alloc_fn;
    json_free_t free_fn;

    w->done(w->arg, err, slice_str(text));
    json_get_alloc_funcs(&alloc_fn, &free_fn);
    if (text != NULL)
        free_fn(text);
    json_decref(o);
    front_why_free(w);
}

void
front_why(struct front *f, struct slice url, front_why_fn *done, void *arg)
{
    struct why *w;

    CHECK_IS(f, FRONT_MAGIC);
    if (!front_seen_has(f, fingerprint(&f->key, url))) {
        done(arg, ORB_ENOTFOUND, SLICE_NONE);
        return;
    }
    w = mem_zalloc(MEM_FRONTIER, sizeof *w);
    if (w != NULL) {
        w->answer.kind = ANSWER_WHY;
        w->done = done;
        w->arg = arg;
        buf_init(&w->url, MEM_FRONTIER, BUF_NO_CEILING);
        buf_init(&w->text, MEM_FRONTIER, BUF_NO_CEILING);
        buf_init(&w->via, MEM_FRONTIER, BUF_NO_CEILING);
    }
    if (w == NULL || buf_append_slice(&w->url, url) != 0 || journal_reserve(f->journal, sizeof w, 1) != 0) {
        front_why_free(w);
        done(arg, ORB_ENOMEM, SLICE_NONE);
        return;
    }
    memcpy(journal_put(f->journal, REC_WHY, sizeof w), &w, sizeof w);
    journal_publish(f->journal);
}
