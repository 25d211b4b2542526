/* urldb_internal.h - what urldb.c and urldb_read.c share */
#ifndef ORB_STORAGE_URLDB_INTERNAL_H
#define ORB_STORAGE_URLDB_INTERNAL_H

#include "storage/urldb.h"

#include <sqlite3.h>

#define URLDB_MAGIC 0x041db041

#define URLDB_STATEMENTS(X)                                                                                            \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                        \
    X(COMMIT, "COMMIT")                                                                                                \
    X(ADD_URL, "INSERT INTO url(url_id,url,host_id,via,depth,hops,kind,flags,state,outcome,ended_at) "                 \
               "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")                                                           \
    X(OLD_URL, "SELECT state,outcome FROM url WHERE url_id=?1")                                                        \
    X(END_URL, "UPDATE url SET state=?2,outcome=?3,status=?4,attempts=?5,retry_at=?6,ended_at=?7,flags=?8 "            \
               "WHERE url_id=?1")                                                                                      \
    X(QUEUE_URL, "UPDATE url SET state=0,outcome=NULL,status=NULL,attempts=NULL,retry_at=NULL,ended_at=NULL,depth=NULL," \
                 "hops=NULL,host_id=?2,flags=?3 WHERE url_id=?1")                                                      \
    X(REFETCH, "UPDATE url SET flags=CASE state WHEN 1 THEN coalesce(flags,0)|4 ELSE flags END,state=0,outcome=NULL,"  \
               "status=NULL,attempts=NULL,retry_at=NULL,ended_at=NULL WHERE state IN (1,3)")                           \
    X(FLAG_URL, "UPDATE url SET flags=?2 WHERE url_id=?1")                                                             \
    X(GET_URL, "SELECT url_id,url,host_id,via,depth,hops,kind,flags,state,outcome,status,attempts,retry_at,ended_at "  \
               "FROM url WHERE url_id=?1")                                                                             \
    X(ADD_HOST, "INSERT OR IGNORE INTO host(host_id,origin) VALUES(?1,?2)")                                            \
    X(GET_HOST, "SELECT host_id,origin,addresses,addresses_until,robots_status,robots_until,crawl_delay,fails,"        \
                "retry_at,robots,cookies FROM host WHERE host_id=?1")                                                  \
    X(SET_ADDRESSES, "UPDATE host SET addresses=?2,addresses_until=?3 WHERE host_id=?1")                               \
    X(SET_ROBOTS, "UPDATE host SET robots_status=?2,robots_until=?3,crawl_delay=?4,robots=?5 WHERE host_id=?1")        \
    X(SET_COOKIES, "UPDATE host SET cookies=?2 WHERE host_id=?1")                                                      \
    X(SET_FAILS, "UPDATE host SET fails=?2,retry_at=?3 WHERE host_id=?1")                                              \
    X(ADD_CHUNK, "INSERT OR REPLACE INTO chunk(id,next,urls) VALUES(?1,?2,?3)")                                        \
    X(LINK_CHUNK, "UPDATE chunk SET next=?2 WHERE id=?1")                                                              \
    X(GET_CHUNK, "SELECT next,urls FROM chunk WHERE id=?1")                                                            \
    X(DROP_CHUNK, "DELETE FROM chunk WHERE id=?1")                                                                     \
    X(DROP_ABOVE, "DELETE FROM chunk WHERE id>?1")                                                                     \
    X(CLEAR_QUEUE, "DELETE FROM queue")                                                                                \
    X(ADD_QUEUE, "INSERT INTO queue(bytes) VALUES(?1)")                                                                \
    X(EACH_QUEUE, "SELECT bytes FROM queue ORDER BY id")                                                               \
    X(SET_META, "INSERT OR REPLACE INTO meta(key,value) VALUES(?1,?2)")                                                \
    X(GET_META, "SELECT value FROM meta WHERE key=?1")                                                                 \
    X(MAX_URL, "SELECT max(url_id) FROM url")                                                                          \
    X(MAX_HOST, "SELECT max(host_id) FROM host")                                                                       \
    X(EACH_URL, "SELECT url_id,url,host_id,via,depth,hops,kind,flags,state,outcome,status,attempts,retry_at,ended_at " \
                "FROM url WHERE url_id>=?1 ORDER BY url_id LIMIT ?2")                                                  \
    X(EACH_HOST, "SELECT host_id,origin,addresses,addresses_until,robots_status,robots_until,crawl_delay,fails,"       \
                 "retry_at FROM host WHERE host_id>=?1 ORDER BY host_id")                                              \
    X(EACH_ENDED, "SELECT url_id,url,host_id,via,depth,hops,kind,flags,state,outcome,status,attempts,retry_at,"        \
                  "ended_at FROM url WHERE state=?1 AND ended_at>=?2 ORDER BY url_id")                                 \
    X(EACH_LOST, "SELECT url_id,url,host_id,via,depth,hops,kind,flags,state,outcome,status,attempts,retry_at,"         \
                 "ended_at FROM url WHERE url_id>=?1 AND url_id<?2 AND state IN (3,4) ORDER BY url_id")                \
    X(FIND_URL, "SELECT url_id FROM url WHERE url_id>=?1 AND url_id<?2 AND url=?3 LIMIT 1")

#define URLDB_STATEMENT_ENUM(id, sql) STMT_##id,
enum urldb_statement { URLDB_STATEMENTS(URLDB_STATEMENT_ENUM) STMT_N };
#undef URLDB_STATEMENT_ENUM

struct urldb {
    uint32_t magic;
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_N];
    uint64_t wal_bytes;
    bool is_in_row; /* the statement last stepped holds a row that the caller looks at */
    enum urldb_statement row_of;
};

sqlite3_stmt *urldb_stmt(struct urldb *db, enum urldb_statement id); /* reset, what was lent before is gone */
int urldb_run(struct urldb *db, sqlite3_stmt *stmt);                 /* steps to the end and resets */
int urldb_row(struct urldb *db, enum urldb_statement id);            /* steps to a row that stays lent; ORB_ENOTFOUND */
void urldb_unlend(struct urldb *db);

#endif
