/* front_window.c - what the journal thread read for a lease: what of it still is to be asked, and sending that
 *
 *   READY  --> leased                          WAITING, retry not due --> waits on (retries heap)
 *   WAITING, retry due --> leased              anything else          --> dropped: a queue older than its row (restart)
 */
#include "cluster/front_internal.h"

static void
take_back(struct front *f, struct load *load, unsigned i)
{
    struct suspect *s = map_get(&f->suspects, load->urls[i].url_id);

    if (s != NULL) {
        s->is_leased = false;
        hosts_get(f->hosts, s->host_id)->flags |= HOST_HAS_SUSPECT;
    } else {
        front_requeue(f, load->hosts[load->urls[i].host].host_id, load->urls[i].url_id, true);
    }
}

/* The rest of a chunk goes in front of the queue it came from, in its order. */
static void
keep_rest(struct front *f, struct load *load)
{
    for (unsigned i = 0; i < load->n_hosts; i++) {
        struct load_host *h = &load->hosts[i];

        if (h->chunk == 0)
            continue;
        hostq_loaded(f->hosts, hosts_get(f->hosts, h->host_id), (uint32_t)h->next, h->n_ids);
        (void)!buf_append(&f->dead_chunks, &h->chunk, sizeof h->chunk); /* else a chunk that nobody refers to stays */
        for (unsigned k = h->n_left; k > 0; k--)
            front_requeue(f, h->host_id, h->left[k - 1], true);
    }
}

/* Is this row still to be asked? What waits goes where it waits. */
static bool
is_wanted(struct front *f, struct lease *l, struct load *load, struct load_url *u)
{
    uint32_t host_id = load->hosts[u->host].host_id;

    if (map_get(&f->leased, u->url_id) != NULL)
        return false;
    if (u->state == URLDB_WAITING && u->retry_at_ms > f->wall_ms && l->kind != PICK_DOOMED) {
        front_pend_retry(f, host_id, u->url_id, u->retry_at_ms);
        l->hosts[load->hosts[u->host].index].not_before_ms = f->now_ms + 1000; /* no turning in circles over those */
        return false;
    }
    if (u->state != URLDB_READY && u->state != URLDB_WAITING) {
        struct suspect *s = map_remove(&f->suspects, u->url_id);
        mem_free(MEM_HOST, s);
        return false;
    }
    if ((u->flags & URLDB_SUSPECT) && map_get(&f->suspects, u->url_id) == NULL) { /* of an earlier process */
        front_add_suspect(f, host_id, u->url_id, u->flags);
        return false;
    }
    return true;
}

static struct leased_url *
lease_add_url(struct front *f, struct lease *l, struct load *load, struct load_url *u)
{
    if (l->n_urls == l->cap_urls || map_put(&f->leased, u->url_id, l) != 0)
        return NULL;
    l->urls[l->n_urls] = (struct leased_url){
        .url_id = u->url_id, .host = load->hosts[u->host].index, .attempts = u->attempts, .state = (uint8_t)u->state,
        .flags = (uint8_t)u->flags,
    };
    f->n_leased[u->state]++;
    l->n_given++;
    return &l->urls[l->n_urls++];
}

static void
describe_host(struct front *f, const struct lease *l, const struct load *load, const struct load_host *h, struct front_host *out)
{
    const struct host *host = hosts_get(f->hosts, h->host_id);
    const char *text = load->text.p;
    uint64_t wall_s = f->wall_ms / 1000;
    const struct errand *errand = l->hosts[h->index].is_apart ? front_errand_of(f, h->host_id) : NULL;

    *out = (struct front_host){
        .host_id = h->host_id,
        .origin = slice_of(text + h->origin_at, h->origin_n),
        .needs_robots = l->hosts[h->index].needs_robots,
        .robots_url = errand == NULL ? SLICE_NONE : slice_of(errand->url, errand->n_url),
        .robots_hops = errand == NULL ? 0 : errand->hops,
        .robots_body = slice_of(text + h->robots_at, h->robots_n),
        .robots_status = (int)h->row.robots_status,
        .cookies = slice_of(text + h->cookies_at, h->cookies_n),
        .delay_ms = host->delay_ms,
        .wait_ms = host->next_at_ms > load->asked_ms ? (uint32_t)(host->next_at_ms - load->asked_ms) : 0,
    };
    if (h->row.addresses_until_s > wall_s) { /* else the worker resolves anew */
        out->addresses = slice_of(text + h->addresses_at, h->addresses_n);
        out->addresses_ttl_s = (uint32_t)ORB_MIN(h->row.addresses_until_s - wall_s, (uint64_t)86400);
    }
}

static void
describe_url(struct front *f, const struct load *load, const struct load_url *u, struct front_url *out)
{
    *out = (struct front_url){
        .url_id = u->url_id,
        .host = load->hosts[u->host].index,
        .url = slice_of(load->text.p + u->text_at, u->text_n),
        .depth = (uint16_t)u->depth,
        .attempts = (uint8_t)ORB_MIN(u->attempts, 255u),
        .redirect_hops = (uint8_t)u->hops,
        .is_sitemap = (u->flags & URLDB_SITEMAP) != 0,
        .is_seed = (u->flags & URLDB_SEED) != 0,
        .is_again = (u->flags & URLDB_AGAIN) != 0,
        .is_suspect = map_get(&f->suspects, u->url_id) != NULL,
    };
}

static void
send_lease(struct front *f, struct lease *l, struct load *load, const struct front_host *hosts, unsigned n_hosts,
           const struct front_url *urls, unsigned n_urls)
{
    struct front_lease lease = {
        .lease_id = l->id, .epoch = l->epoch, .group_id = l->group_id, .ip_delay_ms = l->ip_delay_ms,
        .ip_wait_ms = l->ip_next_at_ms > load->asked_ms ? (uint32_t)(l->ip_next_at_ms - load->asked_ms) : 0,
        .hosts = hosts, .n_hosts = n_hosts, .urls = urls, .n_urls = n_urls, .is_topup = load->is_topup,
    };

    l->is_sent = true;
    if (f->conf.on_lease != NULL)
        f->conf.on_lease(f->conf.arg, l->slot, &lease);
}

static void
deliver(struct front *f, struct lease *l, struct load *load, struct front_host *hosts, struct front_url *urls)
{
    unsigned n_hosts = 0, n_urls = 0;

    for (unsigned i = 0; i < load->n_urls; i++) {
        struct load_url *u = &load->urls[i];

        if (!is_wanted(f, l, load, u))
            continue;
        if (lease_add_url(f, l, load, u) == NULL)
            take_back(f, load, i);
        else
            describe_url(f, load, u, &urls[n_urls++]);
    }
    for (unsigned i = 0; i < load->n_hosts; i++)
        if (load->hosts[i].is_described)
            describe_host(f, l, load, &load->hosts[i], &hosts[n_hosts++]);
    /* hosts are announced even when none of their URLs was wanted: the next top-up's indexes count them */
    if (n_urls > 0 || front_lease_has_robots(l) || (n_hosts > 0 && l->is_sent))
        send_lease(f, l, load, hosts, n_hosts, urls, n_urls);
}

/* All that is queued for a host that cannot be asked gets its outcome, a window at a time. */
static void
fail_all(struct front *f, struct lease *l, struct load *load)
{
    enum outcome doom = (enum outcome)hosts_get(f->hosts, l->hosts[0].host_id)->doom;
    bool is_excluded = outcome_class(doom) == OUTCOME_EXCLUDED;

    for (unsigned i = 0; i < load->n_urls; i++) {
        struct load_url *u = &load->urls[i];
        struct urldb_end end = {
            .url_id = u->url_id, .ended_at_ms = front_ended_ms(f), .outcome = doom, .attempts = u->attempts,
            .state = is_excluded ? URLDB_EXCLUDED : URLDB_FAILED, .flags = u->flags & ~URLDB_SUSPECT,
        };
        uint32_t host_id = load->hosts[u->host].host_id;
        struct suspect *s;

        if (doom == OUTCOME_NONE) { /* lifted meanwhile */
            take_back(f, load, i);
            continue;
        }
        if (u->state != URLDB_READY && u->state != URLDB_WAITING)
            continue;
        if (front_put_end(f, u->url_id, u->state, u->outcome, &end) != 0) {
            front_requeue(f, host_id, u->url_id, true);
            continue;
        }
        s = map_remove(&f->suspects, u->url_id);
        mem_free(MEM_HOST, s);
    }
    if (doom != OUTCOME_NONE)
        front_errands_fail(f, l->hosts[0].host_id);
    journal_publish(f->journal);
}

static void
return_load(struct front *f, struct load *load)
{
    for (unsigned i = load->n_urls; i > 0; i--)
        take_back(f, load, i - 1);
}

void
front_on_load(struct front *f, struct load *load)
{
    struct lease *l = map_get(&f->leases, load->lease_id);
    struct front_host *hosts;
    struct front_url *urls;

    CHECK_IS(l, LEASE_MAGIC); /* a lease outlives its loads */
    if (load->answer.err != 0) {
        list_push_back(&f->failed_loads, &load->answer.node);
        return;
    }
    l->n_loads--;
    buf_clear(&l->pending);
    keep_rest(f, load);
    hosts = mem_array(MEM_HOST, load->n_hosts, sizeof *hosts);
    urls = mem_array(MEM_HOST, ORB_MAX(load->n_urls, 1u), sizeof *urls);
    if (hosts == NULL || urls == NULL) {
        return_load(f, load);
        for (unsigned i = 0; i < load->n_hosts; i++)
            l->hosts[load->hosts[i].index].needs_robots = false; /* nobody was told: the lease is given up */
        l->no_topup = true;
    } else if (l->kind == PICK_DOOMED) {
        fail_all(f, l, load);
    } else if (l->is_dead || (load->is_topup && l->no_topup)) {
        return_load(f, load);
    } else {
        deliver(f, l, load, hosts, urls);
    }
    mem_free(MEM_HOST, hosts);
    mem_free(MEM_HOST, urls);
    l = map_get(&f->leases, load->lease_id); /* on_lease may have ended it */
    front_load_free(load);
    if (l == NULL)
        return;
    if (l->kind == PICK_ROBOTS || l->kind == PICK_ERRAND)
        front_lease_settle(f, l);
    else if (l->n_loads == 0 && l->n_urls == 0 && !front_lease_has_robots(l))
        front_lease_over(f, l);
}
