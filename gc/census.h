/* census.h - what is alive: count and bytes by type x site x age band; snapshots and what grew between two
 *
 * One pass over the slabs, no other memory than the rows. Exact.
 *
 * Ownership  NEW by census_take(); census_free(). Names are BORROWED from static types and sites.
 * Errors     NULL: out of memory.
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
    uint64_t owned_bytes;          /* type->owned_bytes, when asked for */
    uint64_t n_overdue;            /* older than the type's lifetime */
    uint32_t oldest_s;
};
struct census {
    uint64_t taken_at_ms;          /* the caller's */
    uint64_t n_objects, bytes;
    size_t n_rows;
    struct census_row rows[];      /* by bytes, descending */
};
struct census *census_take(uint64_t now_ms, bool with_owned_bytes) ORB_MUST_USE; /* NEW */
void census_free(struct census **c);

struct census_growth {
    const struct object_type *type;
    const struct object_site *site;
    int64_t n, bytes;
};
/* By bytes grown, descending; rows without change are left out. *n of them, in *out (NEW, mem_free(MEM_OBJ)). */
int census_diff(const struct census *before, const struct census *after, struct census_growth **out, size_t *n) ORB_MUST_USE;

int census_json(const struct census *c, struct buf *to) ORB_MUST_USE;
int census_diff_json(const struct census *before, const struct census *after, struct buf *to) ORB_MUST_USE;

/* The past: a ring of snapshots, one each minute for an hour and one each hour for two days, at most a few hundred KiB. */
struct census_history;
int census_history_new(struct census_history **out) ORB_MUST_USE;
void census_history_free(struct census_history **h);
int census_history_tick(struct census_history *h, uint64_t now_ms) ORB_MUST_USE; /* takes one when it is due */
const struct census *census_history_at(const struct census_history *h, uint64_t at_ms); /* BORROWED: the newest not after at_ms, or
                                                                                           the oldest; NULL: none yet */
#endif
