/* encode.h - the encodings that decode.c takes off, put on, for tests and benchmarks: appended to `out` */
#ifndef ORB_TESTS_ENCODE_H
#define ORB_TESTS_ENCODE_H

#include "pool/buf.h"

#define ENCODE_GZIP 31 /* zlib's windowBits */
#define ENCODE_ZLIB 15
#define ENCODE_RAW (-15)

void encode_deflate(struct buf *out, struct slice in, int window_bits);
void encode_gzip_full_header(struct buf *out, struct slice in); /* extra field, name, comment, header checksum */
void encode_br(struct buf *out, struct slice in);
void encode_zstd(struct buf *out, struct slice in, int window_log, bool is_size_named);
void encode_chunked(struct buf *out, struct slice in, size_t chunk_bytes);

/* n bytes that look like HTML and compress like it; the same for the same seed. */
void encode_sample(struct buf *out, size_t n, unsigned seed);

#endif
