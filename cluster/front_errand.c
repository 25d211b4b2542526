/* front_errand.c - robots.txt that is at another authority: asked for in a lease of that one, kept as the first one's
 *
 *   A's robots.txt redirects to B --news--> an errand: it waits at B, and A awaits its robots.txt
 *                                               |  B's turn, by B's clock and its address's clock: PICK_ERRAND
 *                                               v
 *                                   a lease of B, for this one request --+-- redirect to C --> an errand at C, one hop more
 *                                               |                        +-- no answer ------> A's robots.txt is unreachable
 *                                               +-- a worker died, or handed it back: it still waits at B
 *                                               v
 *                                   its answer is A's robots.txt; A goes on by its own clock
 *
 * Nothing of it is written down: a new process asks A's robots.txt again. B gets a row as a host if it had none, and no
 * URL; what an errand finds says nothing about B but its addresses. Hosts that want the same URL at the same hop share the
 * request. Hops are counted here, so that no worker can make a loop endless.
 *
 * Limits     FRONT_ROBOTS_HOPS redirects; then robots.txt counts as missing, as with redirects within one authority.
 *            ERRANDS_BYTES of errands; what does not fit asks its own robots.txt again after the first backoff.
 * Invariant  a host has HOST_HAS_ERRAND if and only if it has a queue here, and HOST_AWAITS_ROBOTS if and only if it is the
 *            source of exactly one errand.
 */
#include "cluster/front_internal.h"

#define ERRANDS_BYTES ((size_t)16 << 20)
#define ERRANDS_TOGETHER 16 /* answered by one request: each takes the body to the journal */

struct errand_queue { /* at one host */
    struct list errands;
};

static struct errand *
first_of(const struct errand_queue *q)
{
    return q == NULL ? NULL : LIST_ELEMENT(q->errands.next, struct errand, node);
}

const struct errand *
front_errand_of(const struct front *f, uint32_t host_id)
{
    return first_of(map_get(&f->errands, host_id));
}

static struct errand_queue *
queue_at(struct front *f, uint32_t host_id)
{
    struct errand_queue *q = map_get(&f->errands, host_id);

    if (q != NULL)
        return q;
    q = mem_alloc(MEM_HOST, sizeof *q);
    if (q == NULL)
        return NULL;
    list_init(&q->errands);
    if (map_put(&f->errands, host_id, q) != 0)
        MEM_FREE(MEM_HOST, &q);
    return q;
}

/* A queue that is empty is none. */
static void
settle_queue(struct front *f, uint32_t host_id)
{
    struct errand_queue *q = map_get(&f->errands, host_id);

    if (q == NULL || !list_is_empty(&q->errands))
        return;
    map_remove(&f->errands, host_id);
    mem_free(MEM_HOST, q);
    hosts_get(f->hosts, host_id)->flags &= (uint8_t)~HOST_HAS_ERRAND;
}

static void
errand_remove(struct front *f, struct errand *e)
{
    list_remove(&e->node);
    f->errand_bytes -= sizeof *e + e->n_url;
    mem_free(MEM_HOST, e);
}

/* An errand of source at the host that the URL names. ORB_ENOMEM: none, nothing changed but that the host is known. */
static int
errand_add(struct front *f, uint32_t source_id, struct slice url, unsigned hops)
{
    struct errand *e = NULL;
    struct errand_queue *q;
    uint32_t target_id;
    int err = url_parse_canonical(&f->url, url);

    if (err == 0)
        err = front_host_of(f, &f->url, true, &target_id);
    if (err != 0)
        return err;
    q = queue_at(f, target_id);
    if (q != NULL)
        e = mem_alloc(MEM_HOST, sizeof *e + url.n);
    if (e == NULL) {
        settle_queue(f, target_id);
        return ORB_ENOMEM;
    }
    *e = (struct errand){ .source_id = source_id, .hops = (uint8_t)hops, .n_url = (uint32_t)url.n };
    memcpy(e->url, url.p, url.n);
    list_push_back(&q->errands, &e->node);
    f->errand_bytes += sizeof *e + url.n;
    hosts_get(f->hosts, target_id)->flags |= HOST_HAS_ERRAND;
    hosts_get(f->hosts, source_id)->flags |= HOST_AWAITS_ROBOTS;
    front_wake(f, target_id);
    return 0;
}

/* It has its answer, or there is none to be had. */
static void
errand_over(struct front *f, struct errand *e)
{
    uint32_t source_id = e->source_id;

    hosts_get(f->hosts, source_id)->flags &= (uint8_t)~HOST_AWAITS_ROBOTS;
    errand_remove(f, e);
    front_wake(f, source_id);
}

static bool
has_room(const struct front *f)
{
    return f->errand_bytes < ERRANDS_BYTES;
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

/* A worker counts the redirects that it follows itself; it cannot count backwards. */
static unsigned
next_hop(const struct errand *e, const struct front_host_news *n)
{
    return ORB_MAX((unsigned)n->robots_hops, e->hops + 1u);
}

/* What the answer means for the host that waits for it. A redirect comes here only when it is not followed. */
static struct front_host_news
answer_of(const struct errand *e, const struct front_host_news *n)
{
    struct front_host_news a = { .host_id = e->source_id, .has_robots = true, .crawl_delay_ms = UINT32_MAX };

    if (n->robots_url.n > 0 && next_hop(e, n) > FRONT_ROBOTS_HOPS) { /* too many: as if there were none */
        a.robots_status = 404;
        a.robots_outcome = OUTCOME_OK;
        a.robots_ttl_s = FRONT_ROBOTS_TTL_S;
    } else if (n->robots_url.n > 0 || n->robots_outcome != OUTCOME_OK) {
        a.robots_outcome = OUTCOME_ROBOTS_UNREACHABLE; /* that another authority fails is no failure to reach this one */
    } else {
        a.robots_status = n->robots_status;
        a.robots_outcome = OUTCOME_OK;
        a.robots_ttl_s = n->robots_ttl_s;
        a.robots_body = n->robots_body;
        a.crawl_delay_ms = n->crawl_delay_ms;
    }
    return a;
}

static int
errand_answer(struct front *f, struct errand *e, const struct front_host_news *n)
{
    bool goes_on = n->robots_url.n > 0 && next_hop(e, n) <= FRONT_ROBOTS_HOPS && has_room(f);
    struct front_host_news answer;
    int err;

    if (goes_on) {
        err = errand_add(f, e->source_id, n->robots_url, next_hop(e, n));
        if (err == 0)
            errand_remove(f, e);
    } else {
        answer = answer_of(e, n);
        err = front_robots_news(f, &answer);
        if (err == 0)
            errand_over(f, e);
    }
    return err;
}

static bool
is_same_request(const struct errand *a, const struct errand *b)
{
    return a->hops == b->hops && slice_eq(slice_of(a->url, a->n_url), slice_of(b->url, b->n_url));
}

/* The host's own robots.txt redirects: it awaits it from now on. No room: it asks again later. */
static int
errand_begin(struct front *f, uint32_t host_id, const struct front_host_news *n)
{
    struct host *h = hosts_get(f->hosts, host_id);

    if (has_room(f))
        return errand_add(f, host_id, n->robots_url, n->robots_hops);
    h->next_at_ms = ORB_MAX(h->next_at_ms, f->now_ms + front_backoff_ms(f, 1));
    return 0;
}

int
front_errand_news(struct front *f, const struct lease_host *lh, const struct front_host_news *n)
{
    struct errand_queue *q = map_get(&f->errands, lh->host_id);
    struct errand *first = first_of(q);
    unsigned n_others = 0;
    int err = 0;

    if (!lh->is_apart)
        return errand_begin(f, lh->host_id, n);
    if (first == NULL) /* failed meanwhile */
        return 0;
    LIST_EACH_SAFE (node, &q->errands) {
        struct errand *e = LIST_ELEMENT(node, struct errand, node);

        if (err == 0 && e != first && n_others + 1 < ERRANDS_TOGETHER && is_same_request(e, first)) {
            err = errand_answer(f, e, n);
            n_others++;
        }
    }
    if (err == 0)
        err = errand_answer(f, first, n);
    settle_queue(f, lh->host_id);
    return err;
}

void
front_errands_fail(struct front *f, uint32_t host_id)
{
    const struct front_host_news none = { .robots_outcome = OUTCOME_ROBOTS_UNREACHABLE, .crawl_delay_ms = UINT32_MAX };
    struct errand_queue *q = map_get(&f->errands, host_id);

    if (q == NULL)
        return;
    LIST_EACH_SAFE (node, &q->errands)
        if (errand_answer(f, LIST_ELEMENT(node, struct errand, node), &none) != 0)
            break; /* no memory: the rest at the host's next turn */
    settle_queue(f, host_id);
}

void
front_errands_free(struct front *f)
{
    MAP_EACH (at, &f->errands) {
        struct errand_queue *q = at->value;

        LIST_EACH_SAFE (node, &q->errands)
            errand_remove(f, LIST_ELEMENT(node, struct errand, node));
        mem_free(MEM_HOST, q);
    }
    map_fini(&f->errands);
}
