/* census.h - what is alive: count and bytes by type x site x age band; snapshots and what grew between two
 *
 * One pass over the slabs that reads headers only; its memory is its rows. Exact, but for ages: births are dated to
 * GC_EPOCH_S (gc/collect.h). An object is overdue when it is older than its type's lifetime beyond doubt, and a lifetime
 * above two hours is never overdue.
 *
 * Ownership  NEW by census_take(); census_free(). Names are BORROWED from static types and sites.
 * Errors     NULL or ORB_ENOMEM: out of memory, nothing changed. ORB_ETOOBIG: the buf's ceiling, its contents as before.
 */
#ifndef ORB_GC_CENSUS_H
#define ORB_GC_CENSUS_H

#include "gc/object.h"
#include "pool/buf.h"

enum { CENSUS_AGE_BANDS = 5 }; /* < 10 s, < 1 min, < 10 min, < 1 h, longer */
const char *census_band_name(unsigned band);

struct census_row {
    const struct object_type *type;
    const struct object_site *site;
    uint64_t n[CENSUS_AGE_BANDS];
    uint64_t bytes;                /* slots */
    uint64_t owned_bytes;          /* type->owned_bytes, when asked for; else 0 */
    uint64_t n_overdue;            /* older than the type's lifetime */
    uint32_t oldest_s;             /* 7200 = or more */
};
struct census {
    uint64_t taken_at_ms;          /* the caller's */
    uint64_t n_objects, bytes;     /* of slots */
    uint64_t owned_bytes;
    size_t n_rows;
    bool has_owned_bytes;
    struct census_row rows[];      /* by bytes and owned bytes, descending */
};
struct census *census_take(uint64_t now_ms, bool with_owned_bytes) ORB_MUST_USE; /* NEW */
void census_free(struct census **c);
uint64_t census_row_count(const struct census_row *r); /* of all age bands */

struct census_growth {
    const struct object_type *type;
    const struct object_site *site;
    int64_t n, bytes;              /* owned bytes are in it when both censuses have them */
};
/* By bytes grown, descending; rows without change are left out. *n of them, in *out (NEW, mem_free(MEM_OBJ)). */
int census_diff(const struct census *before, const struct census *after, struct census_growth **out, size_t *n) ORB_MUST_USE;

int census_json(const struct census *c, struct buf *to) ORB_MUST_USE;
int census_diff_json(const struct census *before, const struct census *after, struct buf *to) ORB_MUST_USE;

/* The past: snapshots of each minute for an hour and of each hour for two days before that, with owned bytes. Above
 * CENSUS_HISTORY_MAX_BYTES every second one goes: the past becomes coarser, not shorter. */
#define CENSUS_HISTORY_MAX_BYTES (384u * 1024)
struct census_history;
int census_history_new(struct census_history **out) ORB_MUST_USE;
void census_history_free(struct census_history **h);
/* Takes one when it is due. ORB_ENOMEM: none was taken, the next tick tries again. */
int census_history_tick(struct census_history *h, uint64_t now_ms) ORB_MUST_USE;
/* BORROWED until the next tick: the newest not after at_ms, or the oldest; NULL: none yet. */
const struct census *census_history_at(const struct census_history *h, uint64_t at_ms);
size_t census_history_count(const struct census_history *h);
size_t census_history_ram_bytes(const struct census_history *h);

#endif
