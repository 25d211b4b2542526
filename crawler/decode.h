/* decode.h - from wire bytes to the body: chunking off, Content-Encoding off, under ceilings
 *
 * Total: any bytes give an outcome. The encodings: gzip (several members), x-gzip, deflate (zlib or raw, by looking),
 * br, zstd, identity, and up to 4 of them stacked. A wrong label (gzip announced, plain text sent) is noticed by the
 * magic bytes and the body is taken as it is, or decoded as what it is.
 *
 * Ownership  outputs go into bufs of the caller, cleared first; when there is nothing to take off, the output slice is
 *            BORROWED from the input and the buf stays empty.
 * Memory     at most twice the ceiling for stacked encodings, once otherwise; output grows as bytes come, never by what
 *            a header promises beyond it. Decoders are pooled for the process (decode_release).
 * Threads    one thread of a process decodes: the pools are not locked.
 */
#ifndef ORB_CRAWLER_DECODE_H
#define ORB_CRAWLER_DECODE_H

#include "crawler/outcome.h"
#include "pool/buf.h"
#include "pool/pool.h"

/* RFC 9112 section 7.1: chunked -> payload. is_truncated: the last chunk is missing (what came before is given).
 * Trailers are skipped, and so is what follows them. OUTCOME_OK, OUTCOME_PROTOCOL, OUTCOME_BODY_TOO_LARGE (`out` holds
 * the first max_bytes, or what came of them) or OUTCOME_TOO_MUCH_MEMORY. */
enum outcome decode_chunked(struct buf *out, struct slice wire, size_t max_bytes, bool *is_truncated);

/* Takes the Content-Encodings off. *body is the result. `was_mislabelled` may be NULL.
 * OUTCOME_OK, OUTCOME_DECODE_FAILED, OUTCOME_DECODED_TOO_LARGE (also: ratio over 1:2000 beyond 1 MiB; *body holds the
 * bytes up to the ceiling), OUTCOME_UNSUPPORTED_ENCODING (an unknown name, or more than 4), OUTCOME_TRUNCATED (the
 * stream ends early; *body holds what came) or OUTCOME_TOO_MUCH_MEMORY. With the others *body is empty. */
enum outcome decode_content(struct buf *out, struct slice payload, struct slice content_encoding, size_t max_bytes,
                            struct slice *body, bool *was_mislabelled);

/* What we send as Accept-Encoding. */
#define DECODE_ACCEPT_ENCODING "gzip, deflate, br, zstd"

#define DECODE_MAX_STACKED 4
#define DECODE_MAX_RATIO 2000           /* decoded : wire */
#define DECODE_RATIO_FREE_BYTES 1048576 /* up to here any ratio is fine */

void decode_release(void); /* all idle decoders and the pools go; the next decode makes new ones */
const struct pool *decode_pool(unsigned i); /* BORROWED: the i-th pool, for statistics; NULL past the last */

#endif
