/* decode_layer.h - inside decode.c: one encoding's decoder, and the sink that bounds what it gives
 *
 * A layer turns a whole input into the sink's buf. The sink is the only one that grows the buf; at its ceiling it lends
 * one byte of its own, so that a stream which fits exactly is told from one that goes on.
 */
#ifndef ORB_CRAWLER_DECODE_LAYER_H
#define ORB_CRAWLER_DECODE_LAYER_H

#include "crawler/decode.h"

struct decode_sink {
    struct buf *out;
    size_t ceiling_bytes;
    size_t n_input_bytes; /* a hint at how much will come */
    uint8_t spill[1];
};

/* OUTCOME_OK: *at has room for *n_bytes >= 1. OUTCOME_TOO_MUCH_MEMORY. */
enum outcome decode_sink_room(struct decode_sink *sink, uint8_t **at, size_t *n_bytes);
/* n_bytes were written at `at`. OUTCOME_OK, or OUTCOME_DECODED_TOO_LARGE: one of them was the spill. */
enum outcome decode_sink_commit(struct decode_sink *sink, const uint8_t *at, size_t n_bytes);
/* At the end: gives back what a leap took too much. */
void decode_sink_trim(struct decode_sink *sink);
/* The stream says that it will give n_bytes more: room for them at once, when the ceiling allows. */
enum outcome decode_sink_expect(struct decode_sink *sink, size_t n_bytes);

typedef enum outcome decode_layer_fn(struct decode_sink *sink, struct slice in);

decode_layer_fn decode_gzip, decode_deflate, decode_br, decode_zstd;

bool decode_is_gzip(struct slice s); /* by its first bytes (RFC 1952 section 2.3.1) */
bool decode_is_zlib(struct slice s); /* weaker: two bytes with a checksum of 5 bits */
bool decode_is_zstd(struct slice s); /* a frame or a skippable frame (RFC 8878 section 3.1) */

/* Text, an image, a PDF ...: something that no encoding of ours yields. Judged by the first 1,024 bytes. */
bool decode_is_plain(struct slice s);

/* The pools, made when first asked for; NULL: out of memory. */
#define DECODE_LEASE_MS 60000 /* a body is decoded within a turn of the loop */

enum decode_pool_id { DECODE_POOL_INFLATE, DECODE_POOL_WHOLE, DECODE_POOL_ZSTD, DECODE_N_POOLS };
struct pool *decode_pool_of(enum decode_pool_id id);

extern const struct pool_type decode_inflate_type, decode_whole_type, decode_zstd_type;

#endif
