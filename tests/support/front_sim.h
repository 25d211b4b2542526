/* front_sim.h - a coordinator, its workers and the web in a few lines, to drive cluster/front.h in tests
 *
 * Keeps a shadow of what the front must hold: every URL offered, its state, which lease it is in; checks on each lease that
 * nothing is leased twice, that no host or address is asked earlier than its clock allows, and that the books balance.
 */
#ifndef ORB_TESTS_FRONT_SIM_H
#define ORB_TESTS_FRONT_SIM_H

#include "cluster/front.h"
#include "pool/map.h"

#define SIM_MAX_LEASES 256

struct sim_lease {
    uint64_t lease_id;
    uint32_t epoch;
    unsigned slot;
    uint32_t ip_delay_ms;
    bool is_open;
    unsigned n_hosts, n_urls;
    struct {
        uint64_t host_id;
        bool needs_robots;
        bool is_apart;       /* its robots.txt is elsewhere, or it was asked for another's: no URL of it in this lease */
        uint64_t next_at_ms; /* the worker's clock */
        uint32_t delay_ms;
        char origin[64];
        char robots_url[128], robots_body[128];
        int robots_status;
        unsigned robots_hops; /* > 0: an errand, nothing but robots_url is asked for */
    } hosts[300];
    struct {
        uint64_t url_id;
        uint32_t host;
        char url[300];
        bool is_suspect, is_again;
        uint16_t depth;
    } urls[64];
};

struct sim {
    struct front *front;
    struct front_conf conf;
    char dir[256];
    uint64_t now_ms, wall_ms;
    uint64_t seed;
    struct sim_lease leases[SIM_MAX_LEASES];
    struct map leased;      /* url_id -> 1 */
    struct map last_end;    /* host_id -> when its last request ended + 1 */
    struct front_recovery recovery;
    uint64_t n_leases, n_urls_leased, n_topups, n_robots;
    uint64_t committed;
    int trouble;
    unsigned redirected_of_16; /* so many answers for robots.txt lead to another host */
    uint64_t n_errands;
    unsigned excluded_of_16; /* this share of offers is out of scope */
};

void sim_init(struct sim *s, const char *dir, uint64_t seed);
int sim_open(struct sim *s);                 /* conf as set */
void sim_close(struct sim *s);               /* clean */
uint64_t sim_random(struct sim *s, uint64_t below);
enum front_verdict sim_seed(struct sim *s, const char *url); /* a report of its own */
void sim_books(struct sim *s, struct front_books *out);     /* asserts that they balance */
void sim_deliver(struct sim *s);             /* commits and delivers */
struct sim_lease *sim_any_lease(struct sim *s); /* an open one, or NULL */
/* Reports robots for the hosts that need it, or results for up to n URLs; links: that many new ones on each page. */
void sim_report(struct sim *s, struct sim_lease *l, unsigned n, unsigned links, enum outcome outcome);
/* Runs to the end: leases, reports, advances time. Returns the number of URLs that ended. */
uint64_t sim_run(struct sim *s, unsigned links, uint64_t max_urls);
void sim_forget(struct sim *s);              /* what workers held: after a death or a restart */

#endif
