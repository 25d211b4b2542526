/* audit.h - do the books, the rows and the WARC files of a crawl agree?
 *
 *   books   the journal's rows per state add up to its highest url_id and to the live counters; every URL that is DONE has
 *           a page, every page a URL, under the same name; no two URLs have one crawl key
 *   warc    every member of every file is one whole record with the right digests; every page's record stands where its row
 *           says, with its URL and payload digest, and is a metadata record where the row says that the answer is withheld;
 *           records that no row points to are counted as superseded
 *   links   every link that a stored page offered is in the journal - or was excluded when the journal had no room for
 *           excluded URLs any more (their number is in the books)
 *
 * Reads only. Memory is bounded: rows are sorted on disk, crawl keys are compared in slices of memory_bytes.
 *
 * Findings come one by one, at most AUDIT_MAX_SENTENCES of a kind (all are counted). Errors: what reading failed with;
 * disagreement is a finding, never an error.
 */
#ifndef ORB_STORAGE_AUDIT_H
#define ORB_STORAGE_AUDIT_H

#include "storage/sql.h"
#include "storage/urldb.h"

#define AUDIT_MAX_SENTENCES 20
#define AUDIT_STATES (URLDB_QUARANTINED + 1)

#define AUDIT_KINDS(X)                                                                                                 \
    X(BOOKS, "books") X(NO_PAGE, "done_without_page") X(NO_URL, "page_without_url") X(DUPLICATE, "duplicate_url")      \
    X(BAD_RECORD, "damaged_warc_record") X(NO_RECORD, "row_without_record") X(WRONG_RECORD, "row_and_record_differ")   \
    X(NO_ORIGINAL, "revisit_without_original") X(LINK, "link_not_in_journal") X(BAD_LINKS, "damaged_links")

enum audit_kind {
#define AUDIT_ENUM(id, name) AUDIT_##id,
    AUDIT_KINDS(AUDIT_ENUM)
#undef AUDIT_ENUM
    AUDIT_N_KINDS
};

struct audit {
    /* set by the caller */
    struct sql *sql;
    const char *dir;
    size_t memory_bytes;          /* for the crawl keys; 0 = 256 MiB */
    bool is_running;              /* a crawl is at work: live counters and open files are not judged */
    void (*finding)(void *arg, enum audit_kind kind, const char *sentence);
    void *arg;
    /* filled by the audit */
    uint64_t n_findings[AUDIT_N_KINDS];
    uint64_t n_urls, n_excluded_dropped, n_state[AUDIT_STATES];
    bool has_counters;            /* the journal had live counters to compare */
    uint64_t n_pages, n_warc_files, warc_bytes, n_records, n_requests, n_responses, n_revisits, n_metadata, n_superseded, n_not_modified;
    uint64_t n_torn_tails;        /* of files that were not closed: cut at the next start */
    uint64_t n_links, n_links_followed, n_links_dropped;
    /* private */
    struct buf sentence;
};

const char *audit_kind_name(enum audit_kind kind); /* BORROWED, static */
int audit_run(struct audit *a, struct buf *error) ORB_MUST_USE;
uint64_t audit_n_findings(const struct audit *a);

/* The three parts; internal. */
int audit_books(struct audit *a) ORB_MUST_USE;
int audit_warc(struct audit *a) ORB_MUST_USE;
int audit_links(struct audit *a) ORB_MUST_USE;
int audit_find(struct audit *a, enum audit_kind kind, const char *fmt, ...) ORB_PRINTF(3, 4) ORB_MUST_USE;

#endif
