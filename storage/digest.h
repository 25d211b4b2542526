/* digest.h - the two digests of a page
 *
 * SHA-1 in base32 for WARC and CDX (what their readers expect), XXH3 with 128 bits for the parsed-page cache and pages.db.
 */
#ifndef ORB_STORAGE_DIGEST_H
#define ORB_STORAGE_DIGEST_H

#include "pool/slice.h"

#define DIGEST_SHA1_TEXT_BYTES 38 /* "sha1:" + 32 characters of base32 + NUL */
#define DIGEST_BODY_BYTES 16

void digest_sha1_text(struct slice bytes, char text[DIGEST_SHA1_TEXT_BYTES]);
void digest_sha1_text2(struct slice first, struct slice second, char text[DIGEST_SHA1_TEXT_BYTES]); /* of both, one behind the other */
void digest_sha1_parts(const struct slice *parts, unsigned n_parts, char text[DIGEST_SHA1_TEXT_BYTES]);
void digest_body(struct slice body, uint8_t out[DIGEST_BODY_BYTES]); /* big-endian canonical form */

/* Piece by piece. Begin and end are paired; ORB_ENOMEM at the begin. */
struct digest_sha1 {
    struct evp_md_ctx_st *ctx;
};
int digest_sha1_begin(struct digest_sha1 *d);
void digest_sha1_update(struct digest_sha1 *d, const void *bytes, size_t n_bytes);
void digest_sha1_end(struct digest_sha1 *d, char text[DIGEST_SHA1_TEXT_BYTES]);

#endif
