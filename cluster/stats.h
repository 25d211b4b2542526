/* stats.h - the stats page: what a worker tells of itself without being asked
 *
 * A memfd made and sealed by the coordinator before exec, written by the worker under a sequence lock, read by the
 * coordinator as untrusted bytes: copied first (at most 8 tries), then range-checked. Still readable when the worker hangs,
 * and after it died.
 *
 * Errors     stats_read(): ORB_EAGAIN (being written 8 times in a row), ORB_EPROTO (a value out of range).
 */
#ifndef ORB_CLUSTER_STATS_H
#define ORB_CLUSTER_STATS_H

#include "crawler/outcome.h"
#include "pool/mem.h"

#define STATS_PAGE_BYTES 16384
#define STATS_MAGIC 0x6f726273u
#define STATS_VERSION 2
#define STATS_MAX (1ull << 53) /* of any count: what every reader of JSON can tell apart */

enum worker_op { OP_IDLE, OP_DECODE, OP_PARSE, OP_STORE, OP_N };

struct stats { /* all of it a worker's word */
    uint32_t magic, version;
    uint32_t pid;
    uint32_t op;                     /* enum worker_op: what the worker is at, inside one turn of its loop */
    uint64_t op_url_id;              /* ... and for which URL */
    uint64_t updated_ms;             /* monotonic */
    uint64_t n_pages, n_requests, n_wire_bytes, n_connections_opened, n_connections_reused;
    uint32_t n_in_flight, n_leases, n_urls_held, n_rows_pending;
    uint64_t n_live_hosts, n_live_pages, n_live_fetches; /* objects, as the census counts them */
    uint64_t n_gc_collections, n_gc_collected;           /* of all generations: collections, objects found */
    uint64_t n_gc_periodic, n_gc_periodic_yield;         /* ... of those that --collect-every asked for */
    uint64_t n_cache_hits, n_cache_misses, n_cache_url_hits, cache_saved_bytes, cache_bytes, n_cached; /* parsed pages */
    uint64_t live_bytes[MEM_N_DOMAINS];
    uint64_t hooks_failed;           /* bit per domain: a library's memory is not counted there (libraries.h) */
    uint64_t outcomes[OUTCOME_N];
};

struct stats_page;

int stats_page_make(int *fd, struct stats_page **page) ORB_MUST_USE;  /* coordinator: NEW fd and NEW mapping (read-only) */
int stats_page_attach(int fd, struct stats_page **page) ORB_MUST_USE; /* worker: NEW mapping (writable) */
void stats_page_unmap(struct stats_page **page);
void stats_write(struct stats_page *page, const struct stats *stats);
/* Only the operation, at every change: cheap. */
void stats_set_op(struct stats_page *page, enum worker_op op, uint64_t url_id);
const char *stats_op_name(enum worker_op op); /* "parse"; BORROWED, static */
int stats_read(const struct stats_page *page, struct stats *out) ORB_MUST_USE;

/* Private anonymous and dirty bytes of a process, from /proc/PID/smaps_rollup; 0 when it is gone. */
uint64_t stats_private_bytes(int pid);

#endif
