/* front_lease.c - windows: picked, loaded, handed to a slot, topped up, taken back
 *
 * A pick takes url_ids out of its hosts' queues and sends them to the journal thread, which answers with their texts
 * (front_load.c). Only then is it known which of them still are to be asked (front_window.c), so the books move then.
 */
#include "cluster/front_internal.h"

/* --- loads ------------------------------------------------------------------------------------------------------------------ */

void
front_load_free(struct load *load)
{
    if (load == NULL)
        return;
    for (unsigned i = 0; i < load->n_hosts; i++)
        mem_free(MEM_HOST, load->hosts[i].left);
    mem_free(MEM_HOST, load->hosts);
    mem_free(MEM_HOST, load->urls);
    buf_fini(&load->text);
    mem_free(MEM_HOST, load);
}

static struct load *
load_new(unsigned n_hosts, unsigned n_urls)
{
    struct load *load = mem_zalloc(MEM_HOST, sizeof *load);

    if (load == NULL)
        return NULL;
    load->answer.kind = ANSWER_LOAD;
    buf_init(&load->text, MEM_HOST, BUF_NO_CEILING);
    load->hosts = mem_array(MEM_HOST, n_hosts, sizeof *load->hosts);
    load->urls = mem_array(MEM_HOST, ORB_MAX(n_urls, 1u), sizeof *load->urls);
    load->cap_urls = n_urls;
    if (load->hosts == NULL || load->urls == NULL) {
        front_load_free(load);
        return NULL;
    }
    return load;
}

static int
load_send(struct front *f, struct load *load)
{
    int err = journal_reserve(f->journal, sizeof load, 1);

    if (err != 0)
        return err;
    memcpy(journal_put(f->journal, REC_LOAD, sizeof load), &load, sizeof load);
    journal_publish(f->journal);
    return 0;
}

/* --- leases ----------------------------------------------------------------------------------------------------------------- */

static void
lease_free(struct front *f, struct lease *l)
{
    if (l == NULL)
        return;
    map_remove(&f->leases, l->id);
    mem_free(MEM_HOST, l->hosts);
    mem_free(MEM_HOST, l->urls);
    buf_fini(&l->pending);
    l->magic = 0;
    mem_free(MEM_HOST, l);
}

static struct lease *
lease_new(struct front *f, unsigned slot, const struct frontier_pick *pick)
{
    struct lease *l = mem_zalloc(MEM_HOST, sizeof *l);

    if (l == NULL)
        return NULL;
    *l = (struct lease){
        .magic = LEASE_MAGIC, .id = ++f->last_lease_id, .epoch = f->epoch, .slot = slot, .kind = pick->kind,
        .unit = pick->unit, .group_id = pick->group_id, .ip_delay_ms = pick->ip_delay_ms,
        .ip_next_at_ms = pick->ip_next_at_ms, .began_ms = f->now_ms,
    };
    buf_init(&l->pending, MEM_HOST, BUF_NO_CEILING);
    if (map_put(&f->leases, l->id, l) != 0) {
        mem_free(MEM_HOST, l);
        return NULL;
    }
    return l;
}

static int
lease_reserve(struct lease *l, unsigned more_hosts, unsigned more_urls)
{
    if (l->n_hosts + more_hosts > l->cap_hosts) {
        unsigned cap = l->n_hosts + more_hosts + 4;
        void *bigger = mem_realloc(MEM_HOST, l->hosts, cap * sizeof *l->hosts);

        if (bigger == NULL)
            return ORB_ENOMEM;
        l->hosts = bigger;
        l->cap_hosts = cap;
    }
    if (l->n_urls + more_urls > l->cap_urls) {
        unsigned cap = ORB_MAX(l->n_urls + more_urls, (unsigned)FRONT_WINDOW_URLS);
        void *bigger = mem_realloc(MEM_HOST, l->urls, cap * sizeof *l->urls);

        if (bigger == NULL)
            return ORB_ENOMEM;
        l->urls = bigger;
        l->cap_urls = cap;
    }
    return 0;
}

static unsigned
lease_host_index(struct lease *l, uint32_t host_id)
{
    for (unsigned i = 0; i < l->n_hosts; i++)
        if (l->hosts[i].host_id == host_id)
            return i;
    return UINT32_MAX;
}

static unsigned
outstanding_of(const struct lease *l, uint32_t host)
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->n_urls; i++)
        n += l->urls[i].host == host;
    return n;
}

bool
front_lease_has_robots(const struct lease *l)
{
    for (unsigned i = 0; i < l->n_hosts; i++)
        if (l->hosts[i].needs_robots)
            return true;
    return false;
}

/* URLs that fit FRONT_WINDOW_MS at this spacing; at least one. */
static unsigned
window_at(uint32_t delay_ms)
{
    return delay_ms == 0 ? FRONT_WINDOW_URLS : ORB_MAX(ORB_MIN(FRONT_WINDOW_MS / delay_ms, FRONT_WINDOW_URLS), 1u);
}

/* How many more URLs may be leased before --max-pages is reached, should each become a page. */
static unsigned
pages_left(const struct front *f)
{
    const uint64_t *done = f->counts.by_outcome[URLDB_DONE];
    uint64_t n = done[OUTCOME_OK] + done[OUTCOME_HTTP_STATUS] + done[OUTCOME_NOT_MODIFIED] + done[OUTCOME_NOINDEX];

    if (f->conf.max_pages == 0)
        return UINT32_MAX;
    MAP_EACH (slot, &f->leases) {
        const struct lease *l = slot->value;
        n += l->n_urls + l->pending.n / sizeof(struct pending_url);
    }
    return n >= f->conf.max_pages ? 0 : (unsigned)ORB_MIN(f->conf.max_pages - n, UINT32_MAX);
}

static unsigned
lease_window(const struct front *f, const struct lease *l)
{
    return l->kind == PICK_DOOMED ? HOSTQ_WINDOW : l->kind == PICK_SUSPECT ? 1 : window_at(l->ip_delay_ms);
}

static unsigned
host_room(const struct front *f, const struct lease *l, uint32_t host_id, unsigned index)
{
    unsigned window, used;

    if (l->kind == PICK_DOOMED)
        return HOSTQ_WINDOW;
    window = window_at(hosts_get(f->hosts, host_id)->delay_ms);
    used = index == UINT32_MAX ? 0 : outstanding_of(l, index);
    return window > used ? window - used : 0;
}

/* --- what is asked for ------------------------------------------------------------------------------------------------------ */

static void
fill_from_queue(struct front *f, struct load *load, unsigned i, unsigned want)
{
    struct load_host *h = &load->hosts[i];
    struct host *host = hosts_get(f->hosts, h->host_id);
    uint64_t url_id;

    for (; want > 0 && load->n_urls < load->cap_urls && hostq_pop(f->hosts, host, &url_id); want--)
        load->urls[load->n_urls++] = (struct load_url){ .url_id = url_id, .host = i };
    if (want > 0 && hostq_wants_chunk(host)) {
        h->chunk = hostq_take_chunk(host);
        h->want = want;
    }
}

static void
fill_suspects(struct front *f, struct load *load, uint32_t host_id)
{
    bool is_left = false;

    MAP_EACH (slot, &f->suspects) {
        struct suspect *s = slot->value;

        if (s->host_id != host_id || s->is_leased)
            continue;
        if (load->n_urls == load->cap_urls) { /* the others: another time */
            is_left = true;
            break;
        }
        s->is_leased = true;
        load->urls[load->n_urls++] = (struct load_url){ .url_id = s->url_id, .host = 0 };
    }
    if (!is_left)
        hosts_get(f->hosts, host_id)->flags &= (uint8_t)~HOST_HAS_SUSPECT;
}

static bool
is_for_robots(enum frontier_pick_kind kind)
{
    return kind == PICK_ROBOTS || kind == PICK_ERRAND;
}

static void
fill(struct front *f, struct lease *l, struct load *load, const struct frontier_pick *pick, unsigned room)
{
    for (unsigned i = 0; i < pick->n_hosts; i++) {
        uint32_t id = pick->host_ids[i];
        unsigned index = lease_host_index(l, id), left = pick->n_hosts - i;
        unsigned n_before = load->n_urls, share;

        load->hosts[i] = (struct load_host){ .host_id = id, .index = index, .is_described = index == UINT32_MAX };
        load->n_hosts = i + 1;
        if (index == UINT32_MAX) {
            load->hosts[i].index = l->n_hosts;
            l->hosts[l->n_hosts++] = (struct lease_host){
                .host_id = id, .needs_robots = is_for_robots(pick->kind), .is_apart = pick->kind == PICK_ERRAND,
            };
            frontier_take_host(f->frontier, id);
            host_note_turn(hosts_get(f->hosts, id), pick->kind == PICK_ERRAND);
        }
        if (pick->kind == PICK_SUSPECT || pick->kind == PICK_DOOMED)
            fill_suspects(f, load, id);
        if (pick->kind == PICK_SUSPECT || is_for_robots(pick->kind) || room == 0)
            continue;
        share = ORB_MIN(host_room(f, l, id, load->hosts[i].is_described ? UINT32_MAX : index), (room + left - 1) / left);
        fill_from_queue(f, load, i, share);
        room -= ORB_MIN(room, load->hosts[i].chunk != 0 ? share : load->n_urls - n_before);
    }
}

/* Asks for the hosts of pick; 0, or ORB_ENOMEM with nothing taken. */
static int
lease_load(struct front *f, struct lease *l, const struct frontier_pick *pick, bool is_topup)
{
    unsigned window = lease_window(f, l), room = window > l->n_urls ? window - l->n_urls : 0;
    struct load *load = load_new(pick->n_hosts, pick->kind == PICK_DOOMED ? 2 * HOSTQ_WINDOW : room);
    int err = ORB_ENOMEM;

    if (pick->kind != PICK_DOOMED)
        room = ORB_MIN(room, pages_left(f));
    if (load == NULL || lease_reserve(l, pick->n_hosts, load->cap_urls) != 0
        || buf_reserve(&l->pending, load->cap_urls * sizeof(struct pending_url)) != 0
        || (err = journal_reserve(f->journal, sizeof load, 1)) != 0) {
        front_load_free(load);
        return err;
    }
    load->lease_id = l->id;
    load->is_topup = is_topup;
    load->asked_ms = f->now_ms;
    fill(f, l, load, pick, room);
    for (unsigned i = 0; i < load->n_urls; i++) {
        struct pending_url p = { load->urls[i].url_id, load->hosts[load->urls[i].host].host_id };
        (void)!buf_append(&l->pending, &p, sizeof p); /* reserved */
    }
    l->n_loads++;
    return load_send(f, load); /* reserved: cannot fail */
}

bool
front_lease(struct front *f, unsigned slot, uint64_t now_ms)
{
    struct frontier_pick pick;

    CHECK_IS(f, FRONT_MAGIC);
    f->now_ms = ORB_MAX(f->now_ms, now_ms);
    if (f->now_ms < f->hold_until_ms || pages_left(f) == 0)
        return false;
    while (!front_is_congested(f)
           && frontier_pick(f->frontier, f->now_ms, f->wall_ms / 1000, FRONT_WINDOW_MS, &pick)) {
        struct lease *l = lease_new(f, slot, &pick);

        if (l == NULL || lease_load(f, l, &pick, false) != 0) {
            if (l != NULL)
                lease_free(f, l);
            frontier_release(f->frontier, pick.unit, 0, f->now_ms);
            return false;
        }
        if (pick.kind != PICK_DOOMED) /* those never reach a worker */
            return true;
    }
    return false;
}

/* --- the end of a lease ----------------------------------------------------------------------------------------------------- */

/* Each host's clock: the end of its last request + delay (never earlier than it was). */
void
front_lease_over(struct front *f, struct lease *l)
{
    uint64_t ip_next_at_ms = l->ip_last_end_ms == 0 ? l->ip_next_at_ms : l->ip_last_end_ms + l->ip_delay_ms;
    unsigned slot = l->slot;
    uint64_t id = l->id;
    bool was_sent = l->is_sent && !l->is_dead;

    CHECK(l->n_loads == 0 && l->n_urls == 0);
    for (unsigned i = 0; i < l->n_hosts; i++) {
        struct host *h = hosts_get(f->hosts, l->hosts[i].host_id);

        if (l->hosts[i].last_end_ms != 0)
            h->next_at_ms = ORB_MAX(h->next_at_ms, l->hosts[i].last_end_ms + h->delay_ms);
        h->next_at_ms = ORB_MAX(h->next_at_ms, l->hosts[i].not_before_ms);
        hostq_set_backs_off(f->hosts, h, h->n_fails > 0 && h->doom == 0);
    }
    for (unsigned i = 0; i < l->n_hosts; i++)
        frontier_drop_host(f->frontier, l->hosts[i].host_id, f->now_ms);
    frontier_release(f->frontier, l->unit, ip_next_at_ms, f->now_ms);
    if (f->report_lease == l)
        f->report_lease = NULL;
    lease_free(f, l);
    if (was_sent && f->conf.on_lease_end != NULL)
        f->conf.on_lease_end(f->conf.arg, slot, id);
}

void
front_lease_remove_url(struct front *f, struct lease *l, unsigned i)
{
    f->n_leased[l->urls[i].state]--;
    map_remove(&f->leased, l->urls[i].url_id);
    l->urls[i] = l->urls[--l->n_urls];
}

/* Back where it came from; not an attempt. */
void
front_give_back(struct front *f, struct lease *l, unsigned i)
{
    uint64_t url_id = l->urls[i].url_id;
    uint32_t host_id = l->hosts[l->urls[i].host].host_id;
    struct suspect *s = map_get(&f->suspects, url_id);

    front_lease_remove_url(f, l, i);
    if (s != NULL) {
        s->is_leased = false;
        hosts_get(f->hosts, host_id)->flags |= HOST_HAS_SUSPECT;
    } else {
        front_requeue(f, host_id, url_id, true);
    }
}

/* Somebody else's turn: others wait, or an errand at one of the lease's own hosts, which nobody else can be given. */
static bool
should_give_way(const struct front *f, const struct lease *l)
{
    bool is_greedy = l->n_given >= FRONT_FAIR_URLS || f->now_ms - l->began_ms >= FRONT_FAIR_MS;

    return (is_greedy && frontier_has_ready(f->frontier))
           || (f->errands.n > 0 && frontier_has_errand(f->frontier, l->unit, f->now_ms));
}

/* While one host's robots.txt keeps the lease, the others of its address go on; they could not be leased elsewhere. */
static bool
may_topup(const struct front *f, const struct lease *l)
{
    bool is_held = front_lease_has_robots(l);

    return pages_left(f) > 0 && (l->kind == PICK_URLS || (is_for_robots(l->kind) && is_held)) && !l->is_dead && !l->no_topup
           && l->n_loads == 0 && !front_is_congested(f) && l->n_urls <= lease_window(f, l) / 2
           && (is_held || !should_give_way(f, l));
}

/* A host that does not answer gets no more until its backoff is over. */
static void
drop_failing(struct front *f, const struct lease *l, struct frontier_pick *pick)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < pick->n_hosts; i++) {
        unsigned index = lease_host_index((struct lease *)(uintptr_t)l, pick->host_ids[i]);
        const struct host *h = hosts_get(f->hosts, pick->host_ids[i]);

        if (index == UINT32_MAX && (h->flags & HOST_IN_LEASE))
            continue; /* it has moved here from another address, and is leased with that yet */
        if (index != UINT32_MAX && l->hosts[index].is_apart)
            continue;
        if (h->n_fails > 0 || (index != UINT32_MAX && l->hosts[index].not_before_ms > f->now_ms))
            continue;
        if (host_room(f, l, pick->host_ids[i], index) > 0)
            pick->host_ids[kept++] = pick->host_ids[i];
    }
    pick->n_hosts = kept;
}

void
front_lease_settle(struct front *f, struct lease *l)
{
    struct frontier_pick pick;

    if (may_topup(f, l) && frontier_more(f->frontier, l->unit, f->now_ms, f->wall_ms / 1000, &pick)) {
        drop_failing(f, l, &pick);
        if (pick.n_hosts > 0)
            (void)!lease_load(f, l, &pick, true); /* no memory: the next report tries again, or the lease ends */
    }
    if (l->n_loads == 0 && l->n_urls == 0 && !front_lease_has_robots(l))
        front_lease_over(f, l);
}
