/* page_get.h - one stored page: its row, and the bytes of its WARC record
 *
 * Errors  ORB_ENOTFOUND (no such row), ORB_ECORRUPT (its record is not there, or damaged), or as in db.h and warc_read.h.
 */
#ifndef ORB_STORAGE_PAGE_GET_H
#define ORB_STORAGE_PAGE_GET_H

#include "storage/sql.h"
#include "storage/warc.h"

struct page_place {
    uint64_t url_id;
    int status;                /* 0 = no answer */
    char outcome[48], error[256];
    char withheld[16];         /* what the page asked not to be kept (record.h): there are no bytes; "" = they are kept */
    char warc_file[WARC_NAME_BYTES];
    uint64_t warc_offset, warc_bytes;
};

struct page_bytes {            /* ceilings are the caller's: buf_init() before, buf_fini() after */
    struct buf warc_head;      /* of the record that the row points to */
    struct buf head;           /* HTTP head, empty line included; of metadata records: the whole block */
    struct buf wire_body;      /* as it crossed the wire; of a revisit: the original's */
    bool is_http2;
    bool is_answer;            /* false: a metadata record */
};

/* By the exact URL, through the journal when there is one (it is compact), else by reading pages.db. */
int page_find(struct sql *s, struct slice url, struct page_place *out) ORB_MUST_USE;
/* wants_original: a revisit's body is read from the record that it refers to. */
int page_read(const char *dir, const struct page_place *place, bool wants_original, struct page_bytes *out) ORB_MUST_USE;

/* Every page whose answer is kept, in order of url_id; each() != 0 stops with that value. */
typedef int page_each_fn(void *arg, struct slice url, struct slice content_type, const struct page_place *place);
int page_each(struct sql *s, page_each_fn *each, void *arg) ORB_MUST_USE;

#endif
