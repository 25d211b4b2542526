/* sandbox.h - what a worker process may touch on disk: DIR/pages and DIR/warc to write, a few files to read
 *
 * Landlock (Linux 5.13); where the kernel has none, a log line says so and the crawl goes on.
 */
#ifndef ORB_CLUSTER_SANDBOX_H
#define ORB_CLUSTER_SANDBOX_H

#include <stdbool.h>

/* hosts_file and ca_file may be NULL. Returns whether the sandbox is in place. */
bool sandbox_enter_worker(const char *crawl_dir, const char *hosts_file, const char *ca_file);

#endif
