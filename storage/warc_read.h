/* warc_read.h - reading WARC files of one gzip member per record, at any offset; total over any bytes
 *
 * warc_read_at() reads one record: the head is gathered and its fields can be asked for; the block streams to a sink in
 * pieces of at most 64 KiB; CRC, length, closing empty lines and WARC-Block-Digest (sha1) are checked on the way.
 *
 * Ownership  slices of a record and its fields are BORROWED until the next read.
 * Errors     ORB_ENOTFOUND: nothing stands at or behind that offset (the end of the file). ORB_ECORRUPT: what stands there is
 *            no whole record - what the sink was given until then is not to be trusted. Else what reading or the sink failed with.
 * Limits     a head has at most WARC_HEAD_BYTES; memory is bounded whatever the file holds.
 */
#ifndef ORB_STORAGE_WARC_READ_H
#define ORB_STORAGE_WARC_READ_H

#include "pool/buf.h"

#define WARC_HEAD_BYTES (512 * 1024)

struct warc_reader;

struct warc_record {
    uint64_t offset, end;             /* of the gzip member */
    struct slice type, id, url;       /* empty = no such field */
    struct slice payload_digest;
    uint64_t block_bytes;
    bool has_block_digest;            /* it was there, and it is right */
};

typedef int warc_block_fn(void *arg, const struct warc_record *record, const void *bytes, size_t n_bytes);

int warc_reader_open(struct warc_reader **out, const char *dir, struct slice file) ORB_MUST_USE; /* file: a bare name */
int warc_reader_open_fd(struct warc_reader **out, int fd) ORB_MUST_USE;                          /* STEALS fd, on success */
void warc_reader_close(struct warc_reader **r);
int warc_read_at(struct warc_reader *r, uint64_t offset, warc_block_fn *sink, void *arg, struct warc_record *out) ORB_MUST_USE; /* sink may be NULL */
/* A named field of the record read last (or being read); names ignore case; empty = absent. */
struct slice warc_record_field(const struct warc_reader *r, const char *name);

struct slice warc_record_head(const struct warc_reader *r); /* version line and fields, empty line included; BORROWED */

struct warc_expect {
    struct slice url, payload_digest; /* payload_digest empty = none */
    uint64_t offset, bytes;
};
/* Does the record stand there, whole, with this URL and digest? A revisit's original as well, when it is named by file.
 * 0, ORB_ECORRUPT (no), or what reading failed with. */
int warc_verify(const char *dir, struct slice file, const struct warc_expect *expect) ORB_MUST_USE;
/* Is there a whole response record with this payload digest? As warc_verify(). */
int warc_verify_original(const char *dir, struct slice file, uint64_t offset, struct slice payload_digest) ORB_MUST_USE;
/* Where the payload of the revisit read last stands: false when it is not named. */
bool warc_refers_to(const struct warc_reader *r, struct slice *file, uint64_t *offset);

#endif
