#include "crawler/frontier.h"

#include "crawler/frontier_heap.h"
#include "crawler/frontier_retry.h"
#include "pool/map.h"

#define FRONTIER_MAGIC 0xf407e3
#define GROUP_BIT 0x80000000u

struct group {
    uint64_t address;
    uint64_t next_at_ms;
    uint32_t first_host, n_hosts;
    uint32_t next;       /* the next sub-group of this address; 0 = none */
    uint32_t first;      /* the first sub-group of this address: the one with n_sub */
    uint32_t n_sub;
    uint32_t heap_pos;
    uint8_t state;       /* enum host_state */
};

struct frontier {
    uint32_t magic;
    uint32_t ip_delay_ms;
    struct hosts *hosts;
    struct group *groups;  /* from 1 */
    uint32_t n_groups, cap_groups;
    struct map addresses;  /* address -> first sub-group */
    uint32_t *ring;
    uint32_t ring_head, ring_n, ring_cap; /* cap: power of two */
    struct due_heap timed;
    struct retry_heap retries;
    size_t max_retries;
    uint64_t n_scheduled;
};

int
frontier_new(struct frontier **out, uint32_t ip_delay_ms, size_t queue_limit_bytes, size_t max_retries)
{
    struct frontier *f = mem_zalloc(MEM_HOST, sizeof *f);
    int err = ORB_ENOMEM;

    if (f == NULL)
        return err;
    f->magic = FRONTIER_MAGIC;
    f->ip_delay_ms = ip_delay_ms;
    f->max_retries = max_retries;
    map_init(&f->addresses, MEM_HOST);
    err = hosts_new(&f->hosts, queue_limit_bytes);
    if (err != 0)
        goto fail;
    *out = f;
    return 0;
fail:
    frontier_free(&f);
    return err;
}

void
frontier_free(struct frontier **fp)
{
    struct frontier *f = *fp;

    if (f == NULL)
        return;
    CHECK_IS(f, FRONTIER_MAGIC);
    hosts_free(&f->hosts);
    map_fini(&f->addresses);
    mem_free(MEM_HOST, f->groups);
    mem_free(MEM_HOST, f->ring);
    due_heap_fini(&f->timed);
    retry_heap_fini(&f->retries);
    f->magic = 0;
    MEM_FREE(MEM_HOST, fp);
}

struct hosts *
frontier_hosts(const struct frontier *f)
{
    return f->hosts;
}

/* --- units: the one way to read and write the state of either kind ---------------------------------------------------- */

static uint32_t
unit_of(const struct host *h, uint32_t host_id)
{
    return h->group != 0 ? h->group | GROUP_BIT : host_id;
}

static uint8_t *
unit_state(struct frontier *f, uint32_t unit)
{
    return unit & GROUP_BIT ? &f->groups[unit & ~GROUP_BIT].state : &hosts_get(f->hosts, unit)->state;
}

static uint32_t *
unit_heap_pos(void *arg, uint32_t unit)
{
    struct frontier *f = arg;

    return unit & GROUP_BIT ? &f->groups[unit & ~GROUP_BIT].heap_pos : &hosts_get(f->hosts, unit)->heap_pos;
}

/* Room in the ring for every unit, so that moving into it never fails. */
static int
units_reserve(struct frontier *f)
{
    uint64_t n_units = (uint64_t)hosts_count(f->hosts) + f->n_groups + 2;
    uint32_t cap = f->ring_cap == 0 ? 1024 : f->ring_cap * 2, *bigger;

    if (n_units <= f->ring_cap)
        return 0;
    bigger = mem_array(MEM_HOST, cap, sizeof *bigger);
    if (bigger == NULL)
        return ORB_ENOMEM;
    for (uint32_t i = 0; i < f->ring_n; i++)
        bigger[i] = f->ring[(f->ring_head + i) & (f->ring_cap - 1)];
    mem_free(MEM_HOST, f->ring);
    f->ring = bigger;
    f->ring_cap = cap;
    f->ring_head = 0;
    return 0;
}

/* A host that joins a group while it is READY leaves an entry behind: dropped when it comes to the front, or here. */
static void
ring_compact(struct frontier *f)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < f->ring_n; i++) {
        uint32_t unit = f->ring[(f->ring_head + i) & (f->ring_cap - 1)];

        if (*unit_state(f, unit) == HOST_READY)
            f->ring[(f->ring_head + kept++) & (f->ring_cap - 1)] = unit;
    }
    f->ring_n = kept;
}

static void
ring_push(struct frontier *f, uint32_t unit)
{
    if (f->ring_n == f->ring_cap)
        ring_compact(f);
    CHECK(f->ring_n < f->ring_cap);
    f->ring[(f->ring_head + f->ring_n++) & (f->ring_cap - 1)] = unit;
}

/* The only writer of a unit's state. */
static void
unit_enter(struct frontier *f, uint32_t unit, enum host_state to, uint64_t due_ms)
{
    uint8_t *state = unit_state(f, unit);

    if (*state == HOST_TIMED)
        due_heap_remove(&f->timed, unit, unit_heap_pos, f);
    if (*state == HOST_IDLE && to != HOST_IDLE)
        f->n_scheduled++;
    if (*state != HOST_IDLE && to == HOST_IDLE)
        f->n_scheduled--;
    if (to == HOST_TIMED && !due_heap_push(&f->timed, unit, due_ms, unit_heap_pos, f))
        to = HOST_READY; /* no memory for the heap: it is looked at too early and put back */
    *state = HOST_IDLE; /* not READY while ring_push() may compact */
    if (to == HOST_READY)
        ring_push(f, unit);
    *state = (uint8_t)to;
}

static uint64_t
host_due_ms(const struct host *h)
{
    return h->doom != 0 ? 0 : h->next_at_ms;
}

/* When the unit may be asked for something; UINT64_MAX = it has nothing. */
static uint64_t
unit_due_ms(struct frontier *f, uint32_t unit)
{
    uint64_t due = UINT64_MAX;
    const struct group *g;

    if (!(unit & GROUP_BIT)) {
        const struct host *h = hosts_get(f->hosts, unit);
        return host_has_work(h) ? host_due_ms(h) : UINT64_MAX;
    }
    g = &f->groups[unit & ~GROUP_BIT];
    for (uint32_t id = g->first_host; id != 0; id = hosts_get(f->hosts, id)->next_in_group) {
        const struct host *h = hosts_get(f->hosts, id);
        if (host_has_work(h) && !(h->flags & HOST_IN_LEASE) && host_due_ms(h) < due)
            due = host_due_ms(h);
    }
    return due == UINT64_MAX ? due : ORB_MAX(due, g->next_at_ms);
}

static void
unit_reschedule(struct frontier *f, uint32_t unit, uint64_t now_ms)
{
    uint64_t due = unit_due_ms(f, unit);

    unit_enter(f, unit, due == UINT64_MAX ? HOST_IDLE : due <= now_ms ? HOST_READY : HOST_TIMED, due);
}

void
frontier_wake(struct frontier *f, uint32_t host_id, uint64_t now_ms)
{
    const struct host *h = hosts_get(f->hosts, host_id);
    uint32_t unit = unit_of(h, host_id);
    uint8_t state = *unit_state(f, unit);

    if (h->flags & HOST_IN_LEASE)
        return; /* looked at when its lease gives it back */
    if (state == HOST_IDLE || state == HOST_TIMED)
        unit_reschedule(f, unit, now_ms);
}

/* --- hosts and groups ------------------------------------------------------------------------------------------------- */

int
frontier_add_host(struct frontier *f, uint64_t fingerprint, uint32_t *host_id)
{
    int err;

    CHECK_IS(f, FRONTIER_MAGIC);
    err = units_reserve(f);
    return err != 0 ? err : hosts_add(f->hosts, fingerprint, host_id);
}

static int
group_new(struct frontier *f, uint64_t address, uint32_t *out)
{
    int err = units_reserve(f);

    if (err != 0)
        return err;
    if (f->n_groups + 1 >= f->cap_groups) {
        uint32_t cap = f->cap_groups == 0 ? 64 : f->cap_groups * 2;
        struct group *bigger = mem_realloc(MEM_HOST, f->groups, cap * sizeof *bigger);

        if (bigger == NULL)
            return ORB_ENOMEM;
        f->groups = bigger;
        f->cap_groups = cap;
    }
    memset(&f->groups[f->n_groups + 1], 0, sizeof *f->groups);
    f->groups[f->n_groups + 1].address = address;
    *out = ++f->n_groups;
    return 0;
}

/* A sub-group of the address with room; a new one when all are full. */
static int
group_with_room(struct frontier *f, uint64_t address, uint32_t *out)
{
    uint32_t first = (uint32_t)(uintptr_t)map_get(&f->addresses, address), last = 0, made;
    int err;

    for (uint32_t g = first; g != 0; last = g, g = f->groups[g].next)
        if (f->groups[g].n_hosts < FRONTIER_GROUP_HOSTS) {
            *out = g;
            return 0;
        }
    err = group_new(f, address, &made);
    if (err != 0)
        return err;
    if (first == 0) {
        err = map_put(&f->addresses, address, (void *)(uintptr_t)made);
        if (err != 0) {
            f->n_groups--;
            return err;
        }
        f->groups[made].first = made;
    } else {
        f->groups[last].next = made;
        f->groups[made].first = first;
        f->groups[made].next_at_ms = f->groups[last].next_at_ms;
    }
    f->groups[f->groups[made].first].n_sub++;
    *out = made;
    return 0;
}

static void
group_unlink(struct frontier *f, uint32_t host_id)
{
    struct host *h = hosts_get(f->hosts, host_id);
    struct group *g = &f->groups[h->group];
    uint32_t *at = &g->first_host;

    while (*at != host_id)
        at = &hosts_get(f->hosts, *at)->next_in_group;
    *at = h->next_in_group;
    h->next_in_group = 0;
    g->n_hosts--;
    h->group = 0;
}

/* To the end of its list: the next pick begins with the others. */
static void
group_append(struct frontier *f, uint32_t group, uint32_t host_id)
{
    struct host *h = hosts_get(f->hosts, host_id);
    uint32_t *at = &f->groups[group].first_host;

    while (*at != 0)
        at = &hosts_get(f->hosts, *at)->next_in_group;
    *at = host_id;
    h->next_in_group = 0;
    h->group = group;
    f->groups[group].n_hosts++;
}

int
frontier_join(struct frontier *f, uint32_t host_id, uint64_t address)
{
    struct host *h = hosts_get(f->hosts, host_id);
    uint32_t group = 0;
    int err;

    CHECK_IS(f, FRONTIER_MAGIC);
    if (address == 0 || (h->group != 0 && f->groups[h->group].address == address))
        return 0;
    err = group_with_room(f, address, &group);
    if (err != 0)
        return err;
    if (h->group != 0)
        group_unlink(f, host_id);
    else if (h->state != HOST_LEASED)
        unit_enter(f, host_id, HOST_IDLE, 0); /* what is left of it in the ring is stale */
    group_append(f, group, host_id);
    return 0;
}

/* --- picking ---------------------------------------------------------------------------------------------------------- */

static uint32_t
group_delay_ms(const struct frontier *f, const struct group *g)
{
    uint64_t delay = (uint64_t)f->ip_delay_ms * ORB_MAX(f->groups[g->first].n_sub, 1u);

    return (uint32_t)ORB_MIN(delay, (uint64_t)UINT32_MAX);
}

static void
take_due(struct frontier *f, uint64_t now_ms)
{
    uint32_t unit;

    while (due_heap_peek(&f->timed, &unit) <= now_ms)
        unit_reschedule(f, unit, now_ms);
}

/* What this host would be leased for; false = it cannot be leased now. A doom that has run out is lifted. */
static bool
host_kind(struct host *h, uint64_t now_ms, uint64_t wall_s, uint32_t window_ms, enum frontier_pick_kind *out)
{
    if (!host_has_work(h) || (h->flags & HOST_IN_LEASE))
        return false;
    if (h->doom != 0 && h->next_at_ms > now_ms) {
        *out = PICK_DOOMED;
        return true;
    }
    h->doom = 0;
    if (h->next_at_ms > now_ms + window_ms)
        return false;
    if ((h->flags & HOST_HAS_ERRAND) && (!(h->flags & HOST_WAS_ERRAND) || !host_has_own_work(h)))
        *out = PICK_ERRAND; /* in turn with its own URLs: neither starves the other */
    else
        *out = h->robots_until_s <= wall_s ? PICK_ROBOTS : h->flags & HOST_HAS_SUSPECT ? PICK_SUSPECT : PICK_URLS;
    return *out == PICK_URLS || h->next_at_ms <= now_ms;
}

static void
pick_add(struct frontier_pick *p, enum frontier_pick_kind kind, uint32_t host_id)
{
    bool is_alone = kind == PICK_DOOMED || kind == PICK_SUSPECT;

    if (kind != p->kind && p->n_hosts > 0 && kind > p->kind)
        p->n_hosts = 0; /* robots before URLs, and what must be alone before both */
    else if (kind < p->kind && p->n_hosts > 0)
        return;
    if (p->n_hosts == (is_alone ? 1 : FRONTIER_PICK_HOSTS))
        return;
    p->kind = kind;
    p->host_ids[p->n_hosts++] = host_id;
}

static bool
group_pick(struct frontier *f, uint32_t unit, uint64_t now_ms, uint64_t wall_s, uint32_t window_ms, struct frontier_pick *out)
{
    uint32_t group = unit & ~GROUP_BIT;
    enum frontier_pick_kind kind;

    out->ip_delay_ms = group_delay_ms(f, &f->groups[group]);
    out->ip_next_at_ms = f->groups[group].next_at_ms;
    for (uint32_t id = f->groups[group].first_host; id != 0; id = hosts_get(f->hosts, id)->next_in_group)
        if (host_kind(hosts_get(f->hosts, id), now_ms, wall_s, window_ms, &kind))
            pick_add(out, kind, id);
    return out->n_hosts > 0;
}

static bool
unit_pick(struct frontier *f, uint32_t unit, uint64_t now_ms, uint64_t wall_s, uint32_t window_ms, struct frontier_pick *out)
{
    enum frontier_pick_kind kind;

    *out = (struct frontier_pick){ .unit = unit, .group_id = unit, .ip_delay_ms = f->ip_delay_ms };
    if (unit & GROUP_BIT)
        return group_pick(f, unit, now_ms, wall_s, window_ms, out);
    if (!host_kind(hosts_get(f->hosts, unit), now_ms, wall_s, window_ms, &kind))
        return false;
    pick_add(out, kind, unit);
    return true;
}

bool
frontier_pick(struct frontier *f, uint64_t now_ms, uint64_t wall_s, uint32_t window_ms, struct frontier_pick *out)
{
    CHECK_IS(f, FRONTIER_MAGIC);
    take_due(f, now_ms);
    for (uint32_t n = f->ring_n; n > 0; n--) {
        uint32_t unit = f->ring[f->ring_head];

        f->ring_head = (f->ring_head + 1) & (f->ring_cap - 1);
        f->ring_n--;
        if (*unit_state(f, unit) != HOST_READY)
            continue;
        if (unit_due_ms(f, unit) <= now_ms && unit_pick(f, unit, now_ms, wall_s, window_ms, out)) {
            unit_enter(f, unit, HOST_LEASED, 0);
            return true;
        }
        unit_enter(f, unit, HOST_IDLE, 0);
        unit_reschedule(f, unit, now_ms);
    }
    return false;
}

/* The worker that holds the unit runs its clocks: hosts that are in the lease already, and any other that is near due. */
bool
frontier_more(struct frontier *f, uint32_t unit, uint64_t now_ms, uint64_t wall_s, struct frontier_pick *out)
{
    bool is_group = (unit & GROUP_BIT) != 0;
    uint32_t id = is_group ? f->groups[unit & ~GROUP_BIT].first_host : unit;

    *out = (struct frontier_pick){ .kind = PICK_URLS, .unit = unit, .group_id = unit, .ip_delay_ms = f->ip_delay_ms };
    if (is_group)
        out->ip_delay_ms = group_delay_ms(f, &f->groups[unit & ~GROUP_BIT]);
    else if (hosts_get(f->hosts, id)->group != 0)
        return false; /* it has joined a group: from now on it is leased with that */
    for (; id != 0 && out->n_hosts < FRONTIER_PICK_HOSTS; id = is_group ? hosts_get(f->hosts, id)->next_in_group : 0) {
        const struct host *h = hosts_get(f->hosts, id);

        if (hostq_is_empty(h) || (h->flags & (HOST_AWAITS_ROBOTS | HOST_HAS_SUSPECT)) || h->doom != 0 || h->robots_until_s <= wall_s)
            continue;
        if (!(h->flags & HOST_IN_LEASE) && h->next_at_ms > now_ms)
            continue;
        out->host_ids[out->n_hosts++] = id;
    }
    return out->n_hosts > 0;
}

bool
frontier_has_errand(const struct frontier *f, uint32_t unit, uint64_t now_ms)
{
    bool is_group = (unit & GROUP_BIT) != 0;
    uint32_t id = is_group ? f->groups[unit & ~GROUP_BIT].first_host : unit;

    for (; id != 0; id = is_group ? hosts_get(f->hosts, id)->next_in_group : 0) {
        const struct host *h = hosts_get(f->hosts, id);

        if ((h->flags & HOST_HAS_ERRAND) && h->next_at_ms <= now_ms)
            return true;
    }
    return false;
}

void
frontier_take_host(struct frontier *f, uint32_t host_id)
{
    struct host *h = hosts_get(f->hosts, host_id);

    hostq_set_backs_off(f->hosts, h, false);
    h->flags |= HOST_IN_LEASE;
}

void
frontier_drop_host(struct frontier *f, uint32_t host_id, uint64_t now_ms)
{
    struct host *h = hosts_get(f->hosts, host_id);
    uint32_t group = h->group;

    h->flags &= (uint8_t)~HOST_IN_LEASE;
    if (group != 0) { /* behind the others */
        group_unlink(f, host_id);
        group_append(f, group, host_id);
    }
    frontier_wake(f, host_id, now_ms);
}

void
frontier_release(struct frontier *f, uint32_t unit, uint64_t ip_next_at_ms, uint64_t now_ms)
{
    CHECK(*unit_state(f, unit) == HOST_LEASED);
    unit_enter(f, unit, HOST_IDLE, 0);
    if (unit & GROUP_BIT) {
        struct group *g = &f->groups[unit & ~GROUP_BIT];
        g->next_at_ms = ORB_MAX(g->next_at_ms, ip_next_at_ms);
        unit_reschedule(f, unit, now_ms);
    } else {
        const struct host *h = hosts_get(f->hosts, unit);
        if (h->group != 0) { /* joined while it was leased: its request was one to that address */
            struct group *g = &f->groups[h->group];
            g->next_at_ms = ORB_MAX(g->next_at_ms, ip_next_at_ms);
        }
        frontier_wake(f, unit, now_ms);
    }
}

/* --- retries ------------------------------------------------------------------------------------------------------------ */

bool
frontier_has_retry_room(const struct frontier *f)
{
    return f->retries.n < f->max_retries;
}

int
frontier_retry_reserve(struct frontier *f)
{
    return retry_heap_reserve(&f->retries);
}

int
frontier_retry_at(struct frontier *f, uint32_t host_id, uint64_t url_id, uint64_t due_ms)
{
    return retry_heap_push(&f->retries, (struct frontier_retry){ due_ms, url_id, host_id });
}

bool
frontier_retry_take(struct frontier *f, uint64_t now_ms, uint32_t *host_id, uint64_t *url_id)
{
    struct frontier_retry r;

    if (retry_heap_peek(&f->retries) > now_ms)
        return false;
    retry_heap_pop(&f->retries, &r);
    *host_id = r.host_id;
    *url_id = r.url_id;
    return true;
}

const struct frontier_retry *
frontier_retries(const struct frontier *f, size_t *n)
{
    *n = f->retries.n;
    return f->retries.entries;
}

/* --- figures ----------------------------------------------------------------------------------------------------------- */

bool
frontier_has_ready(const struct frontier *f)
{
    return f->ring_n > 0;
}

uint64_t
frontier_next_due_ms(const struct frontier *f)
{
    uint32_t unit;
    uint64_t due = due_heap_peek(&f->timed, &unit);

    if (f->ring_n > 0)
        return 0;
    return ORB_MIN(due, retry_heap_peek(&f->retries));
}

uint32_t
frontier_n_groups(const struct frontier *f)
{
    return f->n_groups;
}

uint64_t
frontier_n_scheduled(const struct frontier *f)
{
    return f->n_scheduled;
}

size_t
frontier_ram_bytes(const struct frontier *f)
{
    return hosts_ram_bytes(f->hosts) + f->cap_groups * sizeof *f->groups + f->ring_cap * sizeof *f->ring
           + due_heap_bytes(&f->timed) + retry_heap_bytes(&f->retries) + f->addresses.cap * sizeof(struct map_slot);
}
