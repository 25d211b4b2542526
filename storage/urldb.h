/* urldb.h - frontier.db: the append-only journal of URLs, hosts, and the derived queues
 *
 * Schema (user_version 1; WAL). The journal has no secondary index on purpose (measured: 470,000 rows/s flat without,
 * 26,000 and falling with one).
 *
 *   url(url_id INTEGER PRIMARY KEY, url TEXT NOT NULL, host_id INTEGER, via INTEGER, depth INTEGER, hops INTEGER,
 *       kind INTEGER, flags INTEGER,     -- 1 sitemap, 2 seed, 4 asked before (ask conditionally), 8 suspect
 *       state INTEGER NOT NULL,          -- enum urldb_state; LEASED is never stored: after a crash it is READY
 *       outcome INTEGER, status INTEGER, -- enum outcome; HTTP status
 *       attempts INTEGER, retry_at INTEGER, -- Unix ms, of WAITING
 *       ended_at INTEGER)                -- Unix ms of the last outcome
 *   host(host_id INTEGER PRIMARY KEY, origin TEXT, ...)
 *   chunk(id INTEGER PRIMARY KEY, next, urls BLOB)
 *   meta(key TEXT PRIMARY KEY, value)
 */
#ifndef ORB_STORAGE_URLDB_H
#define ORB_STORAGE_URLDB_H

enum urldb_state { URLDB_READY = 0, URLDB_DONE = 1, URLDB_WAITING = 2, URLDB_FAILED = 3, URLDB_EXCLUDED = 4, URLDB_QUARANTINED = 5 };

#endif
