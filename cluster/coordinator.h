/* coordinator.h - one crawl from start to end, in this process
 *
 * coordinator_run() opens the directory, recovers, starts the workers, and comes back when the crawl is finished, stopped
 * or failed; everything is on disk then. Ownership: BORROWS conf. Returns an exit code (cluster/cmd.h).
 */
#ifndef ORB_CLUSTER_COORDINATOR_H
#define ORB_CLUSTER_COORDINATOR_H

struct conf;

int coordinator_run(struct conf *conf);

#endif
