/* seen.h - the part of the seen-set that lives in memory: a set of 64-bit fingerprints
 *
 * 256 shards of open-addressing tables that grow one by one, in steps of a quarter, so that no growth ever doubles the
 * whole. A fingerprint's slot is monotone in its value: sorted input (a run read back from disk) fills memory from front
 * to back. Fingerprints are keyed hashes, so nobody outside can aim at one slot.
 *
 * The whole seen-set is this table in front of sorted runs on disk (storage/seenrun.h); cluster/front_seen.c joins them.
 *
 * Errors     seen_add(): ORB_ENOMEM, or ORB_EFULL when the table may not grow within its limit; the set is unchanged.
 * Limits     seen_ram_bytes() <= the limit given, always.
 */
#ifndef ORB_CRAWLER_SEEN_H
#define ORB_CRAWLER_SEEN_H

#include "pool/error.h"
#include "pool/mem.h"

struct seen;

int seen_new(struct seen **out, size_t limit_bytes) ORB_MUST_USE;
void seen_free(struct seen **s);
bool seen_has(const struct seen *s, uint64_t fingerprint);
/* It will be asked for soon: its slot is fetched from memory meanwhile. A large table misses the cache and the TLB at nearly
 * every look-up, and a processor waits for a dozen such misses in the time of one. */
void seen_prefetch(const struct seen *s, uint64_t fingerprint);
int seen_add(struct seen *s, uint64_t fingerprint) ORB_MUST_USE; /* 1 = was new, 0 = was there */
/* Room for n more whatever their values: after 0, n seen_add() cannot fail. */
int seen_reserve(struct seen *s, const uint64_t *fingerprints, unsigned n) ORB_MUST_USE;
/* Grows at once to what n fingerprints in all will need. Before adding sorted ones: into a table that grows with them they
 * would crowd at its front. ORB_EFULL, ORB_ENOMEM: as far as it came. */
int seen_expect(struct seen *s, uint64_t n) ORB_MUST_USE;
void seen_clear(struct seen *s);      /* forgets everything, gives the memory back */
uint64_t seen_count(const struct seen *s);
size_t seen_ram_bytes(const struct seen *s);
size_t seen_limit(const struct seen *s);
void seen_set_limit(struct seen *s, size_t limit_bytes);

/* Of n distinct URLs, how many are expected to share a 64-bit fingerprint with another one. */
double seen_expected_collisions(uint64_t n);

#endif
