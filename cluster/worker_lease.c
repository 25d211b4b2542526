/* worker_lease.c - what the coordinator lends: leases, their hosts, their URLs
 *
 *   LEASE --> arriving --HOST, ROBOTS, URLS--> LEASE_END --> held --top-ups--> held ... --LEASE_OVER--> released
 *
 * A lease is held until the coordinator says LEASE_OVER, for top-ups cross reports; it goes at the next sweep after that.
 * An empty lease starts nothing.
 */
#include "cluster/worker_internal.h"

#include "cluster/front.h"
#include "cluster/log.h"

static struct wlease *
lease_new(struct worker *w, uint64_t lease_id)
{
    struct wlease *l = mem_must(mem_zalloc(MEM_HOST, sizeof *l));

    l->worker = w;
    l->lease_id = lease_id;
    list_init(&l->hosts);
    list_push_back(&w->leases, &l->node);
    if (map_put(&w->lease_by_id, lease_id, l) != 0)
        worker_die(w, "no memory for a lease", ORB_ENOMEM);
    return l;
}

static void
lease_free(struct wlease *l)
{
    struct worker *w = l->worker;

    LIST_EACH_SAFE (node, &l->hosts)
        host_leave(LIST_ELEMENT(node, struct whost, node));
    list_remove(&l->node);
    map_remove(&w->lease_by_id, l->lease_id);
    if (w->arriving == l)
        w->arriving = NULL;
    mem_free(MEM_HOST, l->by_index);
    mem_free(MEM_HOST, l);
}

/* A host that is at something (DNS, robots.txt) reports once it is done. */
bool
lease_has_busy_host(const struct wlease *l)
{
    LIST_EACH (node, &l->hosts) {
        const struct whost *h = LIST_ELEMENT(node, struct whost, node);
        if (h->needs_robots || h->fetch != NULL || h->is_resolving)
            return true;
    }
    return false;
}

static void say_all_returned(struct wlease *l);

static bool
is_empty(const struct wlease *l)
{
    return l != l->worker->arriving && l->n_ready == 0 && l->n_in_flight == 0 && l->n_unreported == 0
           && !lease_has_busy_host(l);
}

/* Only what the coordinator has ended goes: a top-up must find clocks and robots.txt still here. */
void
worker_sweep_leases(struct worker *w)
{
    LIST_EACH_SAFE (node, &w->leases) {
        struct wlease *l = LIST_ELEMENT(node, struct wlease, node);

        say_all_returned(l);
        if (l->is_over && is_empty(l))
            lease_free(l);
    }
}

void
worker_on_lease_over(struct worker *w, struct wire_in *in)
{
    struct wlease *l = map_get(&w->lease_by_id, wire_get_u64(in));

    if (l != NULL)
        l->is_over = true;
}

void
worker_free_leases(struct worker *w)
{
    LIST_EACH_SAFE (node, &w->leases)
        lease_free(LIST_ELEMENT(node, struct wlease, node));
}

static void
on_lease(struct worker *w, struct wire_in *in)
{
    uint64_t now_ms = worker_now_ms(w), lease_id = wire_get_u64(in);
    uint32_t epoch = wire_get_u32(in);
    uint64_t group_id = wire_get_u64(in);
    uint32_t ip_delay_ms = wire_get_u32(in), ip_wait_ms = wire_get_u32(in);
    bool is_topup = wire_get_bool(in);
    struct wlease *l = map_get(&w->lease_by_id, lease_id);

    if (l == NULL) {
        l = lease_new(w, lease_id);
        l->ip_next_at_ms = now_ms + whole_ms(ip_wait_ms);
    }
    (void)is_topup; /* a top-up that crossed our last report finds its lease gone: it is a lease like any other then */
    l->epoch = epoch;
    l->is_over = false;
    l->group_id = group_id;
    l->ip_delay_ms = whole_ms(ip_delay_ms);
    w->arriving = l;
    w->arriving_host = NULL;
}

static void
read_addresses(struct whost *h, struct slice text, uint32_t ttl_s)
{
    struct worker *w = h->lease->worker;

    if (text.n == 0 || !address_list_from_text(&h->addresses, text))
        return;
    h->addresses.ttl_s = ttl_s;
    h->addresses_until_ms = worker_now_ms(w) + (uint64_t)ttl_s * 1000;
    if (h->state == WHOST_NEEDS_NAME)
        h->state = WHOST_NEEDS_ROBOTS;
}

static struct whost *
host_find(struct wlease *l, uint64_t host_id)
{
    LIST_EACH (node, &l->hosts) {
        struct whost *h = LIST_ELEMENT(node, struct whost, node);
        if (h->host_id == host_id)
            return h;
    }
    return NULL;
}

static struct whost *
host_new(struct wlease *l, uint64_t host_id, struct slice origin)
{
    struct whost *h = mem_must(OBJECT_NEW(&host_type));

    h->lease = l;
    h->host_id = host_id;
    list_init(&h->ready);
    url_init(&h->origin, MEM_HOST);
    url_init(&h->robots_url, MEM_HOST);
    buf_init(&h->robots_body, MEM_HOST, ROBOTS_MAX_BYTES);
    if (url_parse(&h->origin, origin, NULL) != 0)
        worker_die(l->worker, "the coordinator sent a host that is none", ORB_EPROTO);
    list_push_back(&l->hosts, &h->node);
    return h;
}

static void
index_host(struct wlease *l, struct whost *h)
{
    if (l->n_hosts == l->hosts_cap) {
        l->hosts_cap = l->hosts_cap == 0 ? 8 : l->hosts_cap * 2;
        l->by_index = mem_must(mem_realloc(MEM_HOST, l->by_index, l->hosts_cap * sizeof *l->by_index));
    }
    l->by_index[l->n_hosts++] = h;
}

static void
on_host(struct worker *w, struct wire_in *in)
{
    struct wlease *l = w->arriving;
    uint64_t host_id = wire_get_u64(in);
    struct slice origin = wire_get_text(in, WIRE_MAX_TEXT_BYTES);
    bool needs_robots = wire_get_bool(in);
    struct slice robots_url = wire_get_text(in, FRONT_ROBOTS_URL_BYTES);
    uint8_t robots_hops = wire_get_u8(in);
    uint16_t robots_status = wire_get_u16(in);
    struct slice addresses = wire_get_text(in, 4096);
    uint32_t ttl_s = wire_get_u32(in);
    struct slice cookies = wire_get_text(in, COOKIES_MAX_BYTES * 4);
    uint32_t delay_ms = wire_get_u32(in), wait_ms = wire_get_u32(in);
    struct whost *h = host_find(l, host_id);
    struct conf_host_settings settings;

    if (h == NULL) {
        h = host_new(l, host_id, origin);
        h->next_at_ms = worker_now_ms(w) + whole_ms(wait_ms);
        if (cookies.n > 0 && cookies_new(&h->cookies) == 0 && cookies_load(h->cookies, cookies) != 0)
            log_warning("a cookie jar could not be read: " SLICE_FMT, SLICE_ARG(origin));
    }
    index_host(l, h);
    conf_host_settings(&w->conf, url_host(&h->origin), url_effective_port(&h->origin), &settings);
    h->per_host = (unsigned)settings.per_host;
    h->authorization = settings.authorization;
    h->meta_robots = settings.meta_robots;
    h->delay_ms = whole_ms(delay_ms);
    if (needs_robots && !h->needs_robots && h->fetch == NULL) {
        h->needs_robots = true;
        h->has_asked_robots = false;
        h->state = WHOST_NEEDS_NAME;
        h->robots_hops = robots_hops;
        if (robots_hops > 0 && url_parse(&h->robots_url, robots_url, NULL) != 0)
            worker_die(w, "the coordinator sent a robots.txt whose URL is none", ORB_EPROTO);
    }
    read_addresses(h, addresses, ttl_s);
    if (!needs_robots && h->robots == NULL)
        h->robots_status = robots_status;
    w->arriving_host = h;
    buf_clear(&h->robots_body);
}

static void
add_url(struct wlease *l, struct wire_in *in)
{
    uint64_t url_id = wire_get_u64(in);
    uint32_t host = wire_get_u32(in);
    uint16_t depth = wire_get_u16(in);
    uint8_t attempts = wire_get_u8(in), redirect_hops = wire_get_u8(in), flags = wire_get_u8(in);
    struct slice url = wire_get_text(in, WIRE_MAX_TEXT_BYTES);
    struct wurl *u;

    if (in->is_bad || host >= l->n_hosts)
        worker_die(l->worker, "a damaged lease", ORB_EPROTO);
    u = mem_must(mem_alloc(MEM_HOST, sizeof *u + url.n + 1));
    *u = (struct wurl){
        .host = l->by_index[host],
        .url_id = url_id,
        .depth = depth,
        .attempts = attempts,
        .redirect_hops = redirect_hops,
        .is_sitemap = (flags & 1) != 0,
        .is_seed = (flags & 2) != 0,
        .is_again = (flags & 4) != 0,
        .is_suspect = (flags & 8) != 0,
    };
    memcpy(u->url, url.p, url.n);
    u->url[url.n] = '\0';
    list_push_back(&u->host->ready, &u->node);
    l->n_ready++;
}

/* Robots bodies are complete and URLs may start. */
static void
on_lease_end(struct worker *w)
{
    struct wlease *l = w->arriving;

    LIST_EACH (node, &l->hosts) {
        struct whost *h = LIST_ELEMENT(node, struct whost, node);
        if (!h->needs_robots && h->robots == NULL) {
            host_learn_robots(h, h->robots_status, buf_slice(&h->robots_body));
            buf_fini(&h->robots_body);
        }
    }
    l->is_dirty = true;
    w->arriving = NULL;
    w->arriving_host = NULL;
    if (w->is_draining)
        worker_take_back(w, l->lease_id);
    else
        worker_pump_soon(w);
}

void
worker_on_lease_frame(struct worker *w, unsigned type, struct wire_in *in)
{
    int err;

    if (type != WIRE_LEASE && w->arriving == NULL)
        worker_die(w, "a lease without its beginning", ORB_EPROTO);
    switch (type) {
    case WIRE_LEASE:
        on_lease(w, in);
        break;
    case WIRE_HOST:
        on_host(w, in);
        break;
    case WIRE_ROBOTS:
        if (w->arriving_host == NULL)
            worker_die(w, "a robots.txt without its host", ORB_EPROTO);
        err = buf_append_slice(&w->arriving_host->robots_body, wire_get_text(in, WIRE_MAX_TEXT_BYTES));
        if (err != 0)
            worker_die(w, "a robots.txt that cannot be kept", err);
        break;
    case WIRE_URLS:
        for (unsigned n = wire_get_u16(in); n > 0; n--)
            add_url(w->arriving, in);
        break;
    case WIRE_LEASE_END:
        on_lease_end(w);
        return;
    }
    if (in->is_bad)
        worker_die(w, "a damaged lease", ORB_EPROTO);
}

/* ---- handing back ----------------------------------------------------------------------------------------------- */

static void
begin_returned(struct worker *w, struct wire_out *out, struct wlease *l)
{
    wire_begin(out, &w->frame, WIRE_RETURNED);
    wire_u64(out, l->lease_id);
    wire_u32(out, l->epoch);
    wire_u8(out, is_empty(l));
}

/* Not asked, or between two redirects of it. */
static bool
awaits_robots_turn(const struct whost *h)
{
    return h->needs_robots && h->fetch == NULL && !h->is_resolving;
}

/* Once nothing is under way any more: until then the coordinator cannot tell a robots.txt that was never begun from one
 * that comes. */
static void
say_all_returned(struct wlease *l)
{
    struct wire_out out;

    if (!l->owes_return || l->is_over || !is_empty(l))
        return;
    l->owes_return = false;
    begin_returned(l->worker, &out, l);
    worker_send(l->worker, &out);
}

static void
give_back(struct wlease *l)
{
    struct worker *w = l->worker;
    struct wire_out out;

    LIST_EACH (node, &l->hosts) { /* the delay runs: whoever begins with it again must know */
        struct whost *h = LIST_ELEMENT(node, struct whost, node);
        if (awaits_robots_turn(h) && h->has_asked_robots)
            worker_report_host(h, OUTCOME_NOT_STARTED, 0);
    }
    begin_returned(w, &out, l);
    LIST_EACH (node, &l->hosts) {
        struct whost *h = LIST_ELEMENT(node, struct whost, node);
        struct list *u_node;

        while ((u_node = list_take_front(&h->ready)) != NULL) {
            struct wurl *u = LIST_ELEMENT(u_node, struct wurl, node);
            if (!wire_has_room(&out, 8)) {
                worker_send(w, &out);
                begin_returned(w, &out, l);
            }
            wire_u64(&out, u->url_id);
            mem_free(MEM_HOST, u);
            l->n_ready--;
        }
        if (awaits_robots_turn(h))
            h->needs_robots = false; /* the coordinator leases it again, from its beginning */
    }
    worker_send(w, &out);
    l->owes_return = true;
    say_all_returned(l);
}

void
worker_take_back(struct worker *w, uint64_t lease_id)
{
    LIST_EACH_SAFE (node, &w->leases) {
        struct wlease *l = LIST_ELEMENT(node, struct wlease, node);
        if (lease_id == 0 || l->lease_id == lease_id)
            give_back(l);
    }
}
