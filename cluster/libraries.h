/* libraries.h - every library's memory in its domain, in the one order that all of them accept
 *
 *   libraries_begin()       first thing in main(): OpenSSL and jansson, before either has allocated a byte
 *   a process of its own    storage_init(), curl_init_libraries(), xml_init(), libraries_loop()
 *   libraries_report()      once all are set up: a warning for each hook that did not take
 *
 * A hook that did not take is never fatal: the library works on, its bytes are in no domain, and `orb status --json` says so.
 */
#ifndef ORB_CLUSTER_LIBRARIES_H
#define ORB_CLUSTER_LIBRARIES_H

#include <ev.h>

#include "pool/buf.h"

void libraries_begin(void);
struct ev_loop *libraries_loop(void); /* NEW (ev_loop_destroy), never libev's default loop; NULL: out of memory or descriptors */
void libraries_report(void);
uint32_t libraries_failed(void);      /* bit per domain whose hook did not take */
/* ,"hooks_failed":["xml"] - bits that no domain has are left out */
int libraries_put_failed(uint32_t domains, struct buf *out) ORB_MUST_USE;

#endif
