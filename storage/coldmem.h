/* coldmem.h - memory that lives in a file when nobody looks at it
 *
 * Shared mappings of a nameless file in DIR: what does not fit the RAM budget is written to in place and dropped from the
 * process (coldmem_drop) whenever it likes; the next access finds it again, in the page cache or on the disk. For state that
 * is derived and big, and touched here and there (hosts). Nothing of it outlives the process.
 *
 * Ownership  blocks belong to the coldmem and stay where they are until coldmem_close().
 * Errors     coldmem_add(): ORB_EFULL (room is allocated beforehand: no access faults for want of it), ORB_ENOMEM, ORB_EIO, ORB_ETOOBIG
 *            (64 GiB).
 */
#ifndef ORB_STORAGE_COLDMEM_H
#define ORB_STORAGE_COLDMEM_H

#include "pool/error.h"
#include "pool/mem.h"

struct coldmem;

int coldmem_open(struct coldmem **out, const char *dir) ORB_MUST_USE; /* the file is made with the first block */
void coldmem_close(struct coldmem **c);
int coldmem_add(struct coldmem *c, size_t n_bytes, void **out) ORB_MUST_USE; /* zeroed */
void coldmem_drop(struct coldmem *c);           /* out of this process's RSS */
size_t coldmem_bytes(const struct coldmem *c);  /* on the disk */

#endif
