/* frontier.h - which host may be asked next: groups, clocks, retries. Pure: no I/O, no clock, no texts
 *
 * The unit that is leased is a group (hosts that share an IP address) or, while its address is not known, a single host.
 * Units that may be leased now stand in a ring, first come first served; units that must wait in a heap by due time.
 *
 *            frontier_wake               frontier_pick
 *      IDLE ----------------> READY ----------------------> LEASED
 *       ^ |                     ^                             |
 *       | +---> TIMED ----------+  due time                   | frontier_release
 *       +---------------------------- nothing queued ---------+---> READY | TIMED
 *
 *   IDLE    none of its hosts has anything to ask for.
 *   READY   in the ring.        TIMED   in the heap.
 *   LEASED  with one worker, which runs its clocks; next_at_ms is set again when it comes back.
 *
 * What a host wants comes in this order: nothing (doomed), another host's robots.txt that redirects here (an errand; in turn
 * with its own URLs), its own robots.txt, its URLs. A host whose robots.txt is an errand elsewhere wants nothing until then.
 *
 * A group holds at most FRONTIER_GROUP_HOSTS hosts: an address with more has k sub-groups, each spaced by k x ip-delay.
 *
 * Time       now_ms monotonic, wall_s Unix seconds: arguments.
 * Errors     ORB_ENOMEM, nothing changed. frontier_release() and frontier_wake() cannot fail for a unit that exists.
 */
#ifndef ORB_CRAWLER_FRONTIER_H
#define ORB_CRAWLER_FRONTIER_H

#include "crawler/host.h"

#define FRONTIER_GROUP_HOSTS 256
#define FRONTIER_PICK_HOSTS 32

struct frontier;

enum frontier_pick_kind { PICK_URLS, PICK_ROBOTS, PICK_ERRAND, PICK_DOOMED, PICK_SUSPECT };

struct frontier_pick {
    enum frontier_pick_kind kind;
    uint32_t unit;
    uint64_t group_id;    /* stable while the process lives */
    uint32_t ip_delay_ms;
    uint64_t ip_next_at_ms;
    unsigned n_hosts;
    uint32_t host_ids[FRONTIER_PICK_HOSTS];
};

int frontier_new(struct frontier **out, uint32_t ip_delay_ms, size_t queue_limit_bytes, size_t max_retries) ORB_MUST_USE;
void frontier_free(struct frontier **f);
struct hosts *frontier_hosts(const struct frontier *f); /* BORROWED */

/* A new host, scheduled alone. */
int frontier_add_host(struct frontier *f, uint64_t fingerprint, uint32_t *host_id) ORB_MUST_USE;
/* The host's address is known (its keyed fingerprint): it joins that address's group, and leaves another. 0 = none. */
int frontier_join(struct frontier *f, uint32_t host_id, uint64_t address) ORB_MUST_USE;
/* Something was queued, or a clock was changed, for this host. */
void frontier_wake(struct frontier *f, uint32_t host_id, uint64_t now_ms);

/* The next unit that is due, and at most window_ms ahead its hosts; false = none. The unit is LEASED. */
bool frontier_pick(struct frontier *f, uint64_t now_ms, uint64_t wall_s, uint32_t window_ms, struct frontier_pick *out);
/* Hosts of a unit that is LEASED with something queued (only PICK_URLS); false = nothing for it. */
bool frontier_more(struct frontier *f, uint32_t unit, uint64_t now_ms, uint64_t wall_s, struct frontier_pick *out);
void frontier_take_host(struct frontier *f, uint32_t host_id);    /* now in a lease */
void frontier_drop_host(struct frontier *f, uint32_t host_id, uint64_t now_ms);    /* in no lease any more */
/* The lease of the unit is over; its address may be asked again at ip_next_at_ms. */
void frontier_release(struct frontier *f, uint32_t unit, uint64_t ip_next_at_ms, uint64_t now_ms);

/* Has a host of the unit an errand that is due? The lease that holds the unit should come to its end, then. */
bool frontier_has_errand(const struct frontier *f, uint32_t unit, uint64_t now_ms);

/* URLs that wait for their retry. */
bool frontier_has_retry_room(const struct frontier *f);
int frontier_retry_reserve(struct frontier *f) ORB_MUST_USE;
int frontier_retry_at(struct frontier *f, uint32_t host_id, uint64_t url_id, uint64_t due_ms) ORB_MUST_USE;
bool frontier_retry_take(struct frontier *f, uint64_t now_ms, uint32_t *host_id, uint64_t *url_id);
struct frontier_retry {
    uint64_t due_ms, url_id;
    uint32_t host_id;
};
const struct frontier_retry *frontier_retries(const struct frontier *f, size_t *n); /* BORROWED, in no order */

bool frontier_has_ready(const struct frontier *f);      /* somebody stands in the ring */
uint64_t frontier_next_due_ms(const struct frontier *f); /* 0 = now, UINT64_MAX = never */
uint32_t frontier_n_groups(const struct frontier *f);
uint64_t frontier_n_scheduled(const struct frontier *f); /* units that are not IDLE */
size_t frontier_ram_bytes(const struct frontier *f);

static inline bool
host_has_own_work(const struct host *h)
{
    return !(h->flags & HOST_AWAITS_ROBOTS) && (!hostq_is_empty(h) || (h->flags & HOST_HAS_SUSPECT) != 0);
}

/* It is leased, for an errand or for itself: the other comes next. */
static inline void
host_note_turn(struct host *h, bool is_errand)
{
    h->flags = (uint8_t)(is_errand ? h->flags | HOST_WAS_ERRAND : h->flags & ~HOST_WAS_ERRAND);
}

static inline bool
host_has_work(const struct host *h)
{
    return (h->flags & HOST_HAS_ERRAND) != 0 || host_has_own_work(h);
}

#endif
