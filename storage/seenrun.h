/* seenrun.h - a sorted run of fingerprints on disk, the cold part of the seen-set
 *
 * File: 4,096 bytes of header (magic, count, first and last url_id, checksum), then the fingerprints, ascending,
 * 8 bytes little-endian each. Its name, FROM-TO.run in hex, says which journal rows it covers: (from, to].
 * A run is written whole to a temporary name, synced and renamed, and only after the rows it covers are committed and
 * synced (durability, 9). Fingerprints are uniform, so a look-up interpolates between fences (one key in 16,384 is held
 * in memory) and reads one page of 4 KiB.
 *
 * Errors     ORB_EIO, ORB_EFULL, ORB_ENOMEM; ORB_ECORRUPT when header, length or checksum do not fit.
 * Threads    seenrun_has() only preads: any thread may call it. A set is opened, merged and written by one thread.
 */
#ifndef ORB_STORAGE_SEENRUN_H
#define ORB_STORAGE_SEENRUN_H

#include "pool/buf.h"

struct seenrun;

/* Sorts `fingerprints` in place, drops repetitions and writes DIR/FROM-TO.run. */
int seenrun_write(const char *dir, uint64_t from, uint64_t to, uint64_t *fingerprints, size_t n) ORB_MUST_USE;
int seenrun_open(struct seenrun **out, const char *dir, uint64_t from, uint64_t to) ORB_MUST_USE; /* NEW */
void seenrun_close(struct seenrun **run);
int seenrun_has(struct seenrun *run, uint64_t fingerprint); /* 1, 0 or an error */

uint64_t seenrun_from(const struct seenrun *run);
uint64_t seenrun_to(const struct seenrun *run);
uint64_t seenrun_count(const struct seenrun *run);
size_t seenrun_disk_bytes(const struct seenrun *run);
size_t seenrun_ram_bytes(const struct seenrun *run);

/* All fingerprints in order, in blocks; checks the checksum at the end. each() != 0 stops with that value. */
int seenrun_each(struct seenrun *run, int (*each)(void *arg, const uint64_t *fingerprints, size_t n), void *arg) ORB_MUST_USE;

/* One run out of several neighbours, which stay open and on disk: the caller opens the new one, then removes the old. */
int seenrun_merge(const char *dir, struct seenrun *const *runs, unsigned n) ORB_MUST_USE;
int seenrun_remove(struct seenrun **run); /* closes and unlinks */

/* The runs in dir (made when missing) that cover (0, to] without a gap and with to <= max_to, in order; what is
 * temporary, covered by another, behind a gap or above max_to is unlinked. At most max runs. */
int seenrun_scan(const char *dir, uint64_t max_to, struct seenrun **runs, unsigned max, unsigned *n) ORB_MUST_USE;

#endif
