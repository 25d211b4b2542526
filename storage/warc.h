/* warc.h - writing WARC 1.1 (ISO 28500): what crossed the wire, one gzip member per record
 *
 * One struct warc = one process' file at a time, DIR/warc/orb-CRAWL-SLOT-TIME-N.warc.gz, begun at the first record and
 * rotated at max_bytes. Every file begins with a warcinfo record. An answer is a request record and a response record; a
 * payload that this writer stored a short while ago is a revisit (identical-payload-digest, its Refers-To fields naming the
 * first one, file and offset included); a 304 is a revisit (server-not-modified); a fetch without an answer, and an answer
 * that is withheld (record.h), is a metadata record.
 *
 *   nothing --warc_put--> X.warc.gz.open, then X.warc.gz (locked) --max_bytes or warc_close--> synced, X.warc.gz.open gone
 *
 * The marker X.warc.gz.open stands while the file may have a torn tail: warc_recover() looks at exactly those.
 *
 * Errors     ORB_EFULL, ORB_EIO ...: what the failed call had written is cut off again, the file is as before the call.
 * Limits     a record streams: a body of any size takes bounded memory beyond the caller's own.
 * Invariant  bytes [0, good end) of the file are whole records.
 */
#ifndef ORB_STORAGE_WARC_H
#define ORB_STORAGE_WARC_H

#include "storage/digest.h"
#include "storage/record.h"

#include "pool/buf.h"

#define WARC_NAME_BYTES 128
#define WARC_DEFAULT_MAX_BYTES (1024ull * 1024 * 1024)
#define WARC_OPEN_SUFFIX ".open"
#define WARC_PROFILE_IDENTICAL "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
#define WARC_PROFILE_NOT_MODIFIED "http://netpreserve.org/warc/1.1/revisit/server-not-modified"

struct warc;

struct warc_conf {              /* strings: KEEPS copies; NULL = left out */
    const char *dir;            /* exists */
    const char *crawl;          /* part of the file name; letters, digits, '-' and '_' are kept */
    const char *software;       /* "orbweaver/0.1.0" */
    const char *contact;        /* of the operator: mail address or URL */
    const char *user_agent;
    unsigned slot;
    uint64_t max_bytes;         /* 0 = WARC_DEFAULT_MAX_BYTES */
};

struct warc_place {             /* of the response, revisit or metadata record */
    char file[WARC_NAME_BYTES]; /* name without folder */
    uint64_t offset, bytes;
    char payload_digest[DIGEST_SHA1_TEXT_BYTES]; /* "" = no payload */
    bool is_revisit;
};

int warc_open(struct warc **out, const struct warc_conf *conf) ORB_MUST_USE;
void warc_close(struct warc **w);    /* syncs; an empty file is removed */
/* refers_to_ms: for outcome "not_modified", when the page that is still current was fetched; 0 = unknown. */
int warc_put(struct warc *w, const struct record *r, uint64_t refers_to_ms, uint64_t now_ms, struct warc_place *place) ORB_MUST_USE;
uint64_t warc_end(const struct warc *w); /* good end of the present file; 0 = none */

struct warc_recovered {
    unsigned n_files, n_cut, n_removed;
    uint64_t cut_bytes;
};
/* Up to which byte a file is known to hold whole records: *begin of the last known record and *end behind it; both 0 =
 * nothing is known. */
typedef int warc_good_fn(void *arg, const char *file, uint64_t *begin, uint64_t *end);
/* Cuts the torn tail of every file that was not closed; a file without a whole record goes. No writer may be alive:
 * ORB_EBUSY names the file that is still locked. Reads from the last known record on, or all when that one is damaged. */
int warc_recover(const char *dir, warc_good_fn *good, void *arg, struct warc_recovered *out, struct buf *error) ORB_MUST_USE;

#endif
