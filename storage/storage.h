/* storage.h - the folder's one start-up call: sqlite3's and libdeflate's memory gets its domain
 *
 * Call once at the start of every process, before threads and before anything of storage/ (db_open() calls it as well, for
 * programs that forgot). A hook that did not take is reported, never fatal.
 */
#ifndef ORB_STORAGE_STORAGE_H
#define ORB_STORAGE_STORAGE_H

#include <stdbool.h>

void storage_init(void);
bool storage_hooks_took(void); /* sqlite3's memory is counted under MEM_SQLITE */

#endif
