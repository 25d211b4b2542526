/* gzip.h - one gzip member from pieces of bytes
 *
 * Small members are made in one piece by libdeflate (level 1); larger than GZIP_WHOLE_BYTES they stream through zlib, so
 * that memory stays bounded. Bytes that are compressed already go in as stored blocks: deflating them again costs 1 ms per
 * page and saves nothing.
 *
 * Ownership  BORROWS everything for the call. Errors: ORB_ENOMEM, or what the sink returns; the sink may have been given
 *            part of the member by then.
 */
#ifndef ORB_STORAGE_GZIP_H
#define ORB_STORAGE_GZIP_H

#include "pool/buf.h"

#define GZIP_WHOLE_BYTES (512 * 1024)

struct gzip;
typedef int gzip_sink_fn(void *arg, const void *bytes, size_t n_bytes);

int gzip_new(struct gzip **out) ORB_MUST_USE;
void gzip_free(struct gzip **g);

/* parts[0 .. n_deflated - 1] are deflated, the rest is stored. */
int gzip_member(struct gzip *g, const struct slice *parts, unsigned n_parts, unsigned n_deflated, gzip_sink_fn *sink,
                void *arg) ORB_MUST_USE;
/* Gives back what a large member needed. */
void gzip_trim(struct gzip *g);

/* Do these bytes begin as a compressed format does (gzip, zstd, png, jpeg, webp, zip, woff2, mp4 ...)? */
bool gzip_is_compressed(struct slice bytes);

#endif
