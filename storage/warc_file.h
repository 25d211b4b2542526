/* warc_file.h - the file under a WARC writer: bytes go in as a whole or not at all; internal to the writer
 *
 * Between warc_file_begin() and warc_file_end() bytes are gathered and written in one piece (in pieces of 1 MiB when there
 * are more); after an error warc_file_abort() cuts off what was written. A file that cannot even be cut is left to
 * warc_recover() - its marker stands - and the next begin opens another.
 *
 *   CLOSED --warc_file_open--> OPEN (marker, lock) --begin--> WRITING --end--> OPEN
 *      ^                          |                              `--abort--> OPEN, or CLOSED with the marker left
 *      `------warc_file_close-----+
 */
#ifndef ORB_STORAGE_WARC_FILE_H
#define ORB_STORAGE_WARC_FILE_H

#include "storage/warc.h"

struct warc_file {
    int dir_fd, fd;             /* fd -1 = CLOSED */
    char name[WARC_NAME_BYTES];
    uint64_t good_bytes;        /* whole records */
    uint64_t begun_bytes;       /* of the piece being written: bytes given so far */
    uint64_t written_bytes;     /* ... of them in the file */
    uint64_t pushed_bytes;      /* write-back was asked for up to here */
    struct buf out;
};

int warc_file_init(struct warc_file *f, const char *dir) ORB_MUST_USE;
void warc_file_fini(struct warc_file *f); /* closes */
/* A new file: stem-N.warc.gz with the first free N from *serial on, which moves on. */
int warc_file_open(struct warc_file *f, const char *stem, unsigned *serial) ORB_MUST_USE;
void warc_file_close(struct warc_file *f);

void warc_file_begin(struct warc_file *f);
int warc_file_add(void *warc_file, const void *bytes, size_t n_bytes); /* a gzip_sink_fn */
int warc_file_end(struct warc_file *f) ORB_MUST_USE;
void warc_file_abort(struct warc_file *f);
/* Where the next byte goes. */
static inline uint64_t
warc_file_at(const struct warc_file *f)
{
    return f->good_bytes + f->begun_bytes;
}

#endif
