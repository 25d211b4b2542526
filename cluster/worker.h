/* worker.h - the process that fetches, parses and stores: what it inherits and how it is started
 *
 * `orb worker INDEX`, started by slot.c only. Descriptors: the channel, the stats page, the crawl directory's lock (held
 * so that no second coordinator starts while one worker still lives), and a hosts file that was a pipe, if any. Settings come as JSON over the channel.
 */
#ifndef ORB_CLUSTER_WORKER_H
#define ORB_CLUSTER_WORKER_H

enum { WORKER_CHANNEL_FD = 3, WORKER_STATS_FD = 4, WORKER_LOCK_FD = 5, WORKER_HOSTS_FD = 6 };
#define WORKER_HOSTS_PATH "/proc/self/fd/6" /* WORKER_HOSTS_FD: a hosts file that could be read only once */

#define WORKER_FLUSH_ROWS 200
#define WORKER_FLUSH_MS 50
#define WORKER_MAX_ROWS_PENDING 800

#endif
