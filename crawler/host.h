/* host.h - the table of hosts and their queues of url_ids, as small as a million of them asks for
 *
 * host_id is dense from 1: the table is an array in segments, plus an index from the keyed fingerprint of the origin
 * ("https://example.org:8443"). The origin's text, robots.txt, addresses and cookies stay in frontier.db.
 *
 * A host's queue, first in first out:
 *
 *      head (RAM) --> chunk --> chunk --> ... --> chunk (frontier.db) --> tail (RAM)
 *
 * New ids go to the tail when there is anything behind the head, else to the head. RAM parts are lists of 32-byte blocks
 * of 5 ids out of one pool; when the pool is at its limit, or a part holds HOSTQ_WINDOW ids, a part becomes a chunk.
 *
 * Memory     80 bytes a host, which may lie in a file behind a limit, and 10-16 bytes of index, which may not.
 * Errors     ORB_ENOMEM, nothing changed. a push after hostq_reserve() cannot fail.
 * Limits     url_id < 2^40, chunk ids and host ids < 2^32.
 */
#ifndef ORB_CRAWLER_HOST_H
#define ORB_CRAWLER_HOST_H

#include "pool/error.h"
#include "pool/mem.h"

#define HOSTQ_WINDOW 128 /* ids of one part of a queue in RAM, and of one chunk */
#define HOST_ID_MAX UINT32_MAX

enum host_state { HOST_IDLE, HOST_READY, HOST_TIMED, HOST_LEASED }; /* of hosts that are scheduled alone; see frontier.c */
enum host_flags {
    HOST_HAS_CLOCK = 1, HOST_IN_LEASE = 2, HOST_HAS_SUSPECT = 4, HOST_OWN_DELAY = 8,
    HOST_HAS_ERRAND = 16,     /* another host's robots.txt redirects here: one request, for that host */
    HOST_AWAITS_ROBOTS = 32,  /* its robots.txt is such an errand elsewhere: nothing of its own until that is over */
    HOST_WAS_ERRAND = 64,     /* it was leased for an errand last: now its own turn, if it has anything */
    HOST_BACKS_OFF = 128      /* it failed, and waits; what it has queued waits with it */
};

struct host { /* 80 bytes */
    uint64_t fingerprint;     /* of its origin; 0 = no such host */
    uint64_t next_at_ms;      /* monotonic: its next request may start then */
    uint32_t group;           /* 0 = its address is not known: scheduled alone */
    union {
        uint32_t next_in_group;
        uint32_t heap_pos;    /* frontier.c, while it is HOST_TIMED, and so in no group */
    };
    uint32_t head_first, head_last; /* blocks; 0 = none */
    uint32_t tail_first, tail_last;
    uint32_t first_chunk, last_chunk;
    uint32_t loading_chunk;   /* taken out of the chain, its ids are on their way to the head */
    uint16_t n_head, n_tail;
    uint32_t n_queued;        /* head, chunks and tail */
    uint32_t n_admitted;      /* URLs that count against max_urls */
    uint32_t max_urls;        /* 0 = no limit */
    uint32_t delay_ms;
    uint32_t robots_until_s;  /* Unix time up to which its robots.txt is valid; 0 = never fetched */
    uint8_t state;            /* enum host_state */
    uint8_t n_fails;          /* consecutive failures to reach it */
    uint8_t doom;             /* enum outcome that all its URLs get, until next_at_ms; 0 = none */
    uint8_t flags;
};

struct hosts;

/* more: where segments come from once host_limit_bytes are in RAM (storage/coldmem.h); NULL = RAM without limit. */
typedef int hosts_more_fn(void *arg, size_t n_bytes, void **out);

int hosts_new(struct hosts **out, size_t queue_limit_bytes) ORB_MUST_USE;
void hosts_set_more(struct hosts *hosts, size_t host_limit_bytes, hosts_more_fn *more, void *arg);
void hosts_free(struct hosts **hosts);
uint32_t hosts_count(const struct hosts *hosts);
uint32_t hosts_find(const struct hosts *hosts, uint64_t fingerprint); /* host_id, 0 = unknown */
int hosts_add(struct hosts *hosts, uint64_t fingerprint, uint32_t *host_id) ORB_MUST_USE; /* the next id */
/* How often hosts behind the limit were looked at since the last call with reset: a measure of what they hold of RAM now. */
uint64_t hosts_cold_touches(struct hosts *hosts, bool reset);
struct host *hosts_get(const struct hosts *hosts, uint32_t host_id);  /* BORROWED; stays where it is */
size_t hosts_ram_bytes(const struct hosts *hosts);

/* --- queues --- */
int hostq_reserve(struct hosts *hosts) ORB_MUST_USE;     /* one push of one id cannot fail then */
int hostq_push(struct hosts *hosts, struct host *h, uint64_t url_id) ORB_MUST_USE;
int hostq_push_front(struct hosts *hosts, struct host *h, uint64_t url_id) ORB_MUST_USE;
int hostq_push_part(struct hosts *hosts, struct host *h, uint64_t url_id, bool to_tail) ORB_MUST_USE; /* a snapshot, read back */
bool hostq_pop(struct hosts *hosts, struct host *h, uint64_t *url_id); /* from RAM; false: nothing, or a chunk comes first */
bool hostq_is_empty(const struct host *h);               /* nothing in RAM, in chunks, or on its way */
bool hostq_wants_chunk(const struct host *h);            /* the head is empty and a chunk is next */

struct hostq_spill {
    uint32_t host_id;
    uint32_t chunk_id;    /* of the new chunk */
    uint32_t next;        /* what comes behind it; 0 = nothing yet */
    uint32_t link_from;   /* this chunk's next becomes chunk_id; 0 = none */
    unsigned n;
    uint64_t url_ids[HOSTQ_WINDOW];
};

/* Does h's push call for a chunk to be written? First h itself (a full window), then, when the pool is at its limit,
 * another host by a clock hand. chunk_id is taken for it. The caller writes it down; the ids are gone from RAM. */
bool hostq_spill(struct hosts *hosts, uint32_t host_id, uint32_t chunk_id, struct hostq_spill *out);

/* The chunk to load next, taken out of the chain; 0 = none. Its ids come by hostq_loaded(). */
uint32_t hostq_take_chunk(struct host *h);
/* The chunk's `next` as stored, and how many ids it held; those that were not leased follow by hostq_push_front(), last
 * first. */
void hostq_loaded(struct hosts *hosts, struct host *h, uint32_t next, uint32_t n_ids);
/* What a snapshot, read back, says of ids in chunks. */
void hostq_count_chunked(struct hosts *hosts, struct host *h, uint32_t n_ids);

/* HOST_BACKS_OFF: it could not be reached, and what is queued for it waits for its next try. */
void hostq_set_backs_off(struct hosts *hosts, struct host *h, bool backs_off);
struct hostq_waiting {
    uint64_t n_hosts, n_urls; /* that back off and have something queued; what is queued for them */
};
struct hostq_waiting hostq_waiting(const struct hosts *hosts);

/* Visits head, then tail, for a snapshot. */
void hostq_each(const struct hosts *hosts, const struct host *h, bool tail, void (*each)(void *arg, uint64_t url_id), void *arg);

#endif
