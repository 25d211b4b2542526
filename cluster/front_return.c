/* front_return.c - leases that come back unfinished: handed back, or left by a worker that died
 *
 * A death is not an attempt. What may have killed the worker is in probation: leased alone (front_lease.c, PICK_SUSPECT);
 * two deaths there end it.
 *
 *   READY, WAITING --suspected--> probation --death--> probation (1) --death--> QUARANTINED
 *                                     `------ any report -----> its outcome
 */
#include "cluster/front_internal.h"

static struct lease *
find_lease(struct front *f, uint64_t lease_id, uint32_t epoch)
{
    struct lease *l = map_get(&f->leases, lease_id);

    return l == NULL || l->epoch != epoch || l->is_dead ? NULL : l;
}

int
front_return(struct front *f, uint64_t lease_id, uint32_t epoch, const uint64_t *url_ids, unsigned n, bool is_all,
             uint64_t now_ms)
{
    struct lease *l = find_lease(f, lease_id, epoch);

    CHECK_IS(f, FRONT_MAGIC);
    f->now_ms = ORB_MAX(f->now_ms, now_ms);
    if (l == NULL)
        return ORB_ENOTFOUND;
    l->no_topup = true;
    for (unsigned k = n; k > 0; k--)
        for (unsigned i = 0; i < l->n_urls; i++)
            if (l->urls[i].url_id == url_ids[k - 1]) {
                front_give_back(f, l, i);
                break;
            }
    for (unsigned i = 0; i < l->n_hosts && is_all && l->is_sent; i++) /* what was begun of robots.txt has been reported */
        l->hosts[i].needs_robots = false;
    journal_publish(f->journal);
    front_lease_settle(f, l);
    return 0;
}

void
front_stop_topup(struct front *f, uint64_t lease_id)
{
    struct lease *l = map_get(&f->leases, lease_id);

    if (l != NULL) {
        l->no_topup = true;
        front_lease_settle(f, l);
    }
}

static bool
is_among(const uint64_t *ids, unsigned n, uint64_t id)
{
    for (unsigned i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void
put_flags(struct front *f, uint64_t url_id, uint32_t flags)
{
    struct rec_flags *r;

    if (journal_reserve(f->journal, sizeof *r, 1) != 0)
        return; /* a suspect forgotten at a restart is suspected again */
    r = journal_put(f->journal, REC_FLAGS, sizeof *r);
    *r = (struct rec_flags){ url_id, flags };
}

void
front_add_suspect(struct front *f, uint32_t host_id, uint64_t url_id, unsigned flags)
{
    struct suspect *s = mem_zalloc(MEM_HOST, sizeof *s);

    if (s == NULL || map_put(&f->suspects, url_id, s) != 0) {
        mem_free(MEM_HOST, s);
        front_requeue(f, host_id, url_id, true); /* the row's flag, if any, makes it one at its next lease */
        return;
    }
    *s = (struct suspect){ .url_id = url_id, .host_id = host_id, .flags = (uint8_t)(flags | URLDB_SUSPECT),
                           .deaths = (flags & URLDB_DEATHS_MASK) >> URLDB_DEATHS_SHIFT };
    hosts_get(f->hosts, host_id)->flags |= HOST_HAS_SUSPECT;
    front_wake(f, host_id);
}

/* A second death in probation ends it; the first one counts. */
static void
suspect_died(struct front *f, struct lease *l, unsigned i, struct suspect *s)
{
    struct leased_url u = l->urls[i];
    struct urldb_end end = {
        .url_id = u.url_id, .ended_at_ms = front_ended_ms(f), .state = URLDB_QUARANTINED, .outcome = OUTCOME_QUARANTINED,
        .attempts = u.attempts, .flags = s->flags,
    };

    s->deaths = (uint8_t)ORB_MIN(s->deaths + 1, 3);
    s->flags = (uint8_t)((s->flags & ~URLDB_DEATHS_MASK) | s->deaths << URLDB_DEATHS_SHIFT);
    end.flags = s->flags;
    if (s->deaths < 2 || front_put_end(f, u.url_id, u.state, OUTCOME_NONE, &end) != 0) {
        put_flags(f, u.url_id, s->flags);
        front_give_back(f, l, i);
        return;
    }
    front_lease_remove_url(f, l, i);
    s = map_remove(&f->suspects, u.url_id);
    mem_free(MEM_HOST, s);
}

static void
lease_died(struct front *f, struct lease *l, const uint64_t *suspects, unsigned n_suspects)
{
    l->is_dead = true;
    while (l->n_urls > 0) {
        unsigned i = l->n_urls - 1;
        struct leased_url u = l->urls[i];
        uint32_t host_id = l->hosts[u.host].host_id;
        struct suspect *s = map_get(&f->suspects, u.url_id);

        if (s != NULL && is_among(suspects, n_suspects, u.url_id)) {
            suspect_died(f, l, i, s);
        } else if (s == NULL && is_among(suspects, n_suspects, u.url_id)) {
            front_lease_remove_url(f, l, i);
            put_flags(f, u.url_id, u.flags | URLDB_SUSPECT);
            front_add_suspect(f, host_id, u.url_id, u.flags);
        } else {
            front_give_back(f, l, i);
        }
    }
    for (unsigned i = 0; i < l->n_hosts; i++) { /* nobody knows when they were last asked */
        struct host *h = hosts_get(f->hosts, l->hosts[i].host_id);
        l->hosts[i].needs_robots = false;
        l->hosts[i].not_before_ms = f->now_ms + h->delay_ms + (h->delay_ms > 0 ? FRONT_ON_ITS_WAY_MS : 0);
    }
    l->ip_last_end_ms = f->now_ms;
    if (l->n_loads == 0)
        front_lease_over(f, l);
}

void
front_slot_died(struct front *f, unsigned slot, const uint64_t *suspects, unsigned n_suspects, uint64_t now_ms)
{
    bool found;

    CHECK_IS(f, FRONT_MAGIC);
    f->now_ms = ORB_MAX(f->now_ms, now_ms);
    do { /* a lease that ends changes the map */
        found = false;
        MAP_EACH (at, &f->leases) {
            struct lease *l = at->value;
            if (l->slot == slot && !l->is_dead && l->kind != PICK_DOOMED) {
                lease_died(f, l, suspects, n_suspects);
                found = true;
                break;
            }
        }
    } while (found);
    journal_publish(f->journal);
}

/* At the end of the process: everything leased is queued again; loads on their way were waited for. */
void
front_leases_return_all(struct front *f)
{
    bool found;

    do {
        found = false;
        MAP_EACH (at, &f->leases) {
            struct lease *l = at->value;
            while (l->n_urls > 0)
                front_give_back(f, l, l->n_urls - 1);
            for (unsigned i = 0; i < l->n_hosts; i++)
                l->hosts[i].needs_robots = false;
            l->n_loads = 0;
            front_lease_over(f, l);
            found = true;
            break;
        }
    } while (found);
}
