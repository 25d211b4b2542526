/* durable.h - brings to the disk what others have written: WARC files, the WAL of pages.db, the seeds of the crawl
 *
 * Workers never wait for the disk; whoever keeps the durable mark (invariant 7) syncs their files for them, now and then,
 * from a thread that may wait.
 *
 * Errors     ORB_EIO, ORB_ENOTFOUND (no such folder): then nothing may be taken for durable.
 */
#ifndef ORB_STORAGE_DURABLE_H
#define ORB_STORAGE_DURABLE_H

#include "pool/error.h"
#include "pool/mem.h"

/* Syncs the files of dir whose name ends in suffix and that changed at since_s (Unix time) or later, and dir itself.
 * Never to be used on a SQLite database itself: closing any descriptor of it drops the process's locks. */
int durable_sync(const char *dir, const char *suffix, uint64_t since_s) ORB_MUST_USE;
/* The names in dir alone: what was made, renamed or removed there. */
int durable_sync_names(const char *dir) ORB_MUST_USE;

#endif
