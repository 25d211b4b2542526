/* crawl_read.h - what the commands that read a crawl directory share: its database, names of numbers, crawl keys
 *
 * crawl_read_open() says itself on stderr what is wrong, where, and what to do. close accepts half-built ones.
 */
#ifndef ORB_CLUSTER_CRAWL_READ_H
#define ORB_CLUSTER_CRAWL_READ_H

#include "crawler/fingerprint.h"
#include "crawler/url.h"
#include "crawler/urlkey.h"
#include "storage/sql.h"

struct crawl_read {
    struct sql *sql;
    struct fingerprint_key fingerprint_key;
    struct urlkey_rules *key_rules; /* NULL = built-in */
    struct url url;
    struct buf key, error;
    const char *command, *dir;
};

int crawl_read_open(struct crawl_read *c, const char *command, const char *dir, bool may_write); /* 0 or a negative code */
/* The crawl's own --key-rules; says what is wrong. */
int crawl_read_key_rules(struct crawl_read *c, const char *file);
void crawl_read_close(struct crawl_read *c);
/* Says "orb COMMAND: DIR: what c->error holds, or the code's phrase" and returns EXIT_FAILED. */
int crawl_read_fail(struct crawl_read *c, int err);
bool crawl_is_here(const char *dir); /* there is a pages.db to open */
bool crawl_is_running(const char *dir); /* somebody holds DIR/coordinator/lock */

/* Text from the web for a terminal or a TSV file: control characters become escapes, bad UTF-8 U+FFFD. */
int text_append_printable(struct buf *out, struct slice s) ORB_MUST_USE;

#endif
