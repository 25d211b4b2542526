/* linkblob.h - the links of a page as one blob: front-coded, a page's 76 links of 60 bytes fit in about 1.5 KB
 *
 *   blob  = version(1) link*                         version 1
 *   link  = tag(1) [flags(1) not_followed(1)] shared(varint) n_rest(varint) rest
 *   tag   = kind, plus 128 when flags and not_followed follow (else both are 0)
 *   shared = bytes that the URL has in common with the one before; the first has none
 *
 * Ownership  linkblob_next() hands out a URL that is BORROWED until the next call.
 * Errors     decoding is total: ORB_ECORRUPT for anything that linkblob_append() does not write, ORB_ENOMEM.
 * Limits     a URL has at most LINKBLOB_URL_BYTES (ORB_ETOOBIG when encoding), a kind is below 128.
 */
#ifndef ORB_STORAGE_LINKBLOB_H
#define ORB_STORAGE_LINKBLOB_H

#include "pool/buf.h"
#include "storage/record.h"

#define LINKBLOB_URL_BYTES (64 * 1024)

/* Appends; nothing at all for no links. After an error out is as it was. */
int linkblob_append(struct buf *out, const struct record_link *links, size_t n_links) ORB_MUST_USE;

struct linkblob_reader {
    struct slice left;
    struct buf url;
    bool is_begun;
};
void linkblob_reader_init(struct linkblob_reader *r, struct slice blob); /* BORROWS blob */
void linkblob_reader_fini(struct linkblob_reader *r);
int linkblob_next(struct linkblob_reader *r, struct record_link *out) ORB_MUST_USE; /* 1 = a link, 0 = no more, negative */

#endif
