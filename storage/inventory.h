/* inventory.h - what a crawl's folder ought to hold and does not: looked at before anything is made anew
 *
 * The journal, the rows and the records each know of the others. A part that somebody took away would be made anew, empty,
 * and the crawl go on as if nothing had been.
 *
 * Errors     ORB_ENOMEM. A database that cannot be read says nothing here: whoever opens it to write says what is wrong.
 */
#ifndef ORB_STORAGE_INVENTORY_H
#define ORB_STORAGE_INVENTORY_H

#include "storage/warc.h"

struct inventory {
    bool has_frontier, has_pages;         /* DIR/coordinator/frontier.db, DIR/pages/pages.db: there, even if empty */
    uint64_t n_done;                      /* without pages.db: URLs that the journal has as done */
    uint64_t n_pages, n_warc_files;       /* without frontier.db: rows, and files *.warc.gz */
    uint64_t n_warc_named, n_warc_missing; /* of the WARC files that pages.db names */
    char warc_missing[WARC_NAME_BYTES];   /* the first of those */
};

/* dir: the crawl directory. */
int inventory_take(struct inventory *out, const char *dir) ORB_MUST_USE;

#endif
