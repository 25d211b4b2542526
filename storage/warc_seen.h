/* warc_seen.h - the payloads that this writer stored lately: digest -> where
 *
 * A bounded table, oldest use out first; it costs at most WARC_SEEN_ENTRIES x (entry + URL of 1 KiB), about 1 MB in use.
 * Ownership: copies what it is given; warc_seen_get() is BORROWED until the next put. A failed allocation means a payload
 * is stored once more: nothing is reported.
 */
#ifndef ORB_STORAGE_WARC_SEEN_H
#define ORB_STORAGE_WARC_SEEN_H

#include "pool/list.h"
#include "pool/map.h"
#include "storage/warc.h"

#define WARC_SEEN_ENTRIES 4096
#define WARC_SEEN_URL_BYTES 1024

struct warc_seen_entry {
    struct list lru;
    uint64_t key;
    char digest[DIGEST_SHA1_TEXT_BYTES];
    char record_id[48];
    char file[WARC_NAME_BYTES];
    uint64_t offset, fetched_at_ms;
    size_t n_url;
    char url[];
};

struct warc_seen {
    struct map by_digest;
    struct list lru; /* oldest use first */
};

void warc_seen_init(struct warc_seen *s);
void warc_seen_fini(struct warc_seen *s);
const struct warc_seen_entry *warc_seen_get(struct warc_seen *s, const char *digest);
void warc_seen_put(struct warc_seen *s, const struct warc_place *place, const char *record_id, struct slice url,
                   uint64_t fetched_at_ms);

#endif
