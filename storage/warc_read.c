/* warc_read.c
 *
 *   HEAD --"\r\n\r\n"--> BLOCK --Content-Length bytes--> TAIL --"\r\n\r\n"--> WHOLE --end of the member--> done
 *
 * Anything else on the way is ORB_ECORRUPT.
 */
#include "storage/warc_read.h"

#include "pool/mem_hooks.h"
#include "storage/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#define READER_MAGIC 0x77726472u
#define CHUNK_BYTES (64 * 1024)
#define BLOCK_MAX_BYTES ((uint64_t)1 << 50)

enum stage { HEAD, BLOCK, TAIL, WHOLE };

struct warc_reader {
    uint32_t magic;
    int fd;
    uint64_t in_offset;            /* of in[0] in the file */
    size_t n_in;
    z_stream z;
    bool has_z;
    struct buf head;
    /* of the record being read */
    enum stage stage;
    uint64_t left_bytes;           /* of the block, then of the tail */
    struct digest_sha1 sha1;
    struct warc_record record;
    warc_block_fn *sink;
    void *arg;
    uint8_t in[CHUNK_BYTES], out[CHUNK_BYTES];
};

int
warc_reader_open_fd(struct warc_reader **out, int fd)
{
    struct warc_reader *r = mem_zalloc(MEM_BUF, sizeof *r);

    if (r == NULL)
        return ORB_ENOMEM;
    r->magic = READER_MAGIC;
    r->fd = -1;
    buf_init_kept(&r->head, MEM_BUF, WARC_HEAD_BYTES);
    r->z = (z_stream){ .zalloc = mem_zlib_alloc, .zfree = mem_zlib_free };
    r->has_z = inflateInit2(&r->z, 15 + 16) == Z_OK;
    if (!r->has_z) {
        warc_reader_close(&r);
        return ORB_ENOMEM;
    }
    r->fd = fd;
    *out = r;
    return 0;
}

int
warc_reader_open(struct warc_reader **out, const char *dir, struct slice file)
{
    char path[4096];
    int fd, err;

    /* the name comes out of a database or a WARC field: never lead out of the folder */
    if (file.n == 0 || file.n > 255 || file.p[0] == '.' || memchr(file.p, '/', file.n) != NULL || memchr(file.p, 0, file.n) != NULL)
        return ORB_ECORRUPT;
    if (snprintf(path, sizeof path, "%s/" SLICE_FMT, dir, SLICE_ARG(file)) >= (int)sizeof path)
        return ORB_ETOOBIG;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return orb_error_from_errno(errno);
    err = warc_reader_open_fd(out, fd);
    if (err != 0)
        close(fd);
    return err;
}

void
warc_reader_close(struct warc_reader **rp)
{
    struct warc_reader *r = *rp;

    if (r == NULL)
        return;
    CHECK_IS(r, READER_MAGIC);
    if (r->has_z)
        inflateEnd(&r->z);
    if (r->fd >= 0)
        close(r->fd);
    buf_fini(&r->head);
    r->magic = 0;
    MEM_FREE(MEM_BUF, rp);
}

/* --- the head ------------------------------------------------------------------------------------------------------- */

struct slice
warc_record_field(const struct warc_reader *r, const char *name)
{
    struct slice rest = buf_slice(&r->head), wanted = slice_str(name);

    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p) + 1;
        struct slice line = slice_sub(rest, 0, n);

        if (line.n > wanted.n && line.p[wanted.n] == ':' && slice_eq_nocase(slice_sub(line, 0, wanted.n), wanted))
            return slice_trim(slice_sub(line, wanted.n + 1, SIZE_MAX));
        rest = slice_sub(rest, n, SIZE_MAX);
    }
    return SLICE_NONE;
}

struct slice
warc_record_head(const struct warc_reader *r)
{
    return buf_slice(&r->head);
}

static bool
read_number(struct slice s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.n == 0 || s.n > 18)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.p[i] - '0');
    }
    *out = value;
    return true;
}

bool
warc_refers_to(const struct warc_reader *r, struct slice *file, uint64_t *offset)
{
    *file = warc_record_field(r, "WARC-Refers-To-Filename");
    return file->n > 0 && read_number(warc_record_field(r, "WARC-Refers-To-File-Offset"), offset);
}

static int
head_done(struct warc_reader *r)
{
    struct slice head = buf_slice(&r->head);

    if (!slice_starts_with(head, SLICE_LITERAL("WARC/1.1\r\n")) && !slice_starts_with(head, SLICE_LITERAL("WARC/1.0\r\n")))
        return ORB_ECORRUPT;
    if (!read_number(warc_record_field(r, "Content-Length"), &r->record.block_bytes) || r->record.block_bytes > BLOCK_MAX_BYTES)
        return ORB_ECORRUPT;
    r->record.type = warc_record_field(r, "WARC-Type");
    r->record.id = warc_record_field(r, "WARC-Record-ID");
    r->record.url = warc_record_field(r, "WARC-Target-URI");
    r->record.payload_digest = warc_record_field(r, "WARC-Payload-Digest");
    if (r->record.type.n == 0)
        return ORB_ECORRUPT;
    r->left_bytes = r->record.block_bytes;
    r->stage = r->left_bytes > 0 ? BLOCK : TAIL;
    if (r->stage == TAIL)
        r->left_bytes = 4;
    return slice_starts_with(warc_record_field(r, "WARC-Block-Digest"), SLICE_LITERAL("sha1:")) ? digest_sha1_begin(&r->sha1) : 0;
}

/* The head ends at the first empty line; what follows it in `bytes` belongs to the block. */
static int
feed_head(struct warc_reader *r, struct slice *bytes)
{
    size_t before = r->head.n, from = before < 3 ? 0 : before - 3, room = WARC_HEAD_BYTES - before;
    size_t n = ORB_MIN(bytes->n, room);
    const char *end;
    int err = buf_append(&r->head, bytes->p, n);

    if (err != 0)
        return err;
    end = memmem(r->head.p + from, r->head.n - from, "\r\n\r\n", 4);
    if (end == NULL) {
        *bytes = slice_sub(*bytes, n, SIZE_MAX);
        return bytes->n > 0 ? ORB_ECORRUPT : 0; /* the ceiling */
    }
    n = (size_t)(end - r->head.p) + 4;
    *bytes = slice_sub(*bytes, n - before, SIZE_MAX);
    buf_truncate(&r->head, n);
    return head_done(r);
}

/* --- block and tail ------------------------------------------------------------------------------------------------- */

static int
feed_block(struct warc_reader *r, struct slice *bytes)
{
    size_t n = (size_t)ORB_MIN((uint64_t)bytes->n, r->left_bytes);
    int err = r->sink == NULL ? 0 : r->sink(r->arg, &r->record, bytes->p, n);

    if (r->sha1.ctx != NULL)
        digest_sha1_update(&r->sha1, bytes->p, n);
    *bytes = slice_sub(*bytes, n, SIZE_MAX);
    r->left_bytes -= n;
    if (r->left_bytes == 0) {
        r->stage = TAIL;
        r->left_bytes = 4;
    }
    return err;
}

static int
feed_tail(struct warc_reader *r, struct slice *bytes)
{
    if (bytes->p[0] != "\n\r\n\r"[r->left_bytes - 1])
        return ORB_ECORRUPT;
    *bytes = slice_sub(*bytes, 1, SIZE_MAX);
    if (--r->left_bytes == 0)
        r->stage = WHOLE;
    return 0;
}

static int
feed(struct warc_reader *r, struct slice bytes)
{
    int err = 0;

    while (bytes.n > 0 && err == 0) {
        switch (r->stage) {
        case HEAD: err = feed_head(r, &bytes); break;
        case BLOCK: err = feed_block(r, &bytes); break;
        case TAIL: err = feed_tail(r, &bytes); break;
        case WHOLE: return ORB_ECORRUPT; /* a second record in the member, or rubbish */
        }
    }
    return err;
}

/* --- the member ----------------------------------------------------------------------------------------------------- */

/* Makes next_in/avail_in stand at `offset`; avail_in stays 0 at the end of the file. */
static int
fill(struct warc_reader *r, uint64_t offset)
{
    if (offset < r->in_offset || offset >= r->in_offset + r->n_in) {
        ssize_t n;

        do
            n = pread(r->fd, r->in, sizeof r->in, (off_t)offset);
        while (n < 0 && errno == EINTR);
        r->in_offset = offset;
        r->n_in = n < 0 ? 0 : (size_t)n;
        if (n < 0)
            return orb_error_from_errno(errno);
    }
    r->z.next_in = r->in + (offset - r->in_offset);
    r->z.avail_in = (uInt)(r->in_offset + r->n_in - offset);
    return 0;
}

static int
read_member(struct warc_reader *r, uint64_t *offset)
{
    for (;;) {
        size_t before;
        int rc, err = fill(r, *offset);

        if (err != 0)
            return err;
        if (r->z.avail_in == 0)
            return ORB_ECORRUPT; /* cut */
        before = r->z.avail_in;
        r->z.next_out = r->out;
        r->z.avail_out = sizeof r->out;
        rc = inflate(&r->z, Z_NO_FLUSH);
        *offset += before - r->z.avail_in;
        if (rc == Z_MEM_ERROR)
            return ORB_ENOMEM;
        if (rc != Z_OK && rc != Z_STREAM_END)
            return ORB_ECORRUPT;
        err = feed(r, slice_of(r->out, sizeof r->out - r->z.avail_out));
        if (err != 0)
            return err;
        if (rc == Z_STREAM_END)
            return r->stage == WHOLE ? 0 : ORB_ECORRUPT;
    }
}

static int
check_block_digest(struct warc_reader *r)
{
    char digest[DIGEST_SHA1_TEXT_BYTES];

    if (r->sha1.ctx == NULL)
        return 0;
    digest_sha1_end(&r->sha1, digest);
    r->record.has_block_digest = slice_eq_nocase(warc_record_field(r, "WARC-Block-Digest"), slice_str(digest));
    return r->record.has_block_digest ? 0 : ORB_ECORRUPT;
}

int
warc_read_at(struct warc_reader *r, uint64_t offset, warc_block_fn *sink, void *arg, struct warc_record *out)
{
    uint64_t at = offset;
    int err;

    CHECK_IS(r, READER_MAGIC);
    if (offset > BLOCK_MAX_BYTES)
        return ORB_ECORRUPT;
    err = fill(r, offset);
    if (err != 0)
        return err;
    if (r->z.avail_in == 0)
        return ORB_ENOTFOUND;
    buf_clear(&r->head);
    r->record = (struct warc_record){ .offset = offset };
    r->stage = HEAD;
    r->sink = sink;
    r->arg = arg;
    CHECK(inflateReset(&r->z) == Z_OK);
    err = read_member(r, &at);
    if (err == 0)
        err = check_block_digest(r);
    if (r->sha1.ctx != NULL)
        digest_sha1_end(&r->sha1, (char[DIGEST_SHA1_TEXT_BYTES]){ 0 });
    r->sink = NULL;
    if (err != 0)
        return err;
    r->record.end = at;
    *out = r->record;
    return 0;
}

/* --- one row's record ----------------------------------------------------------------------------------------------- */

int
warc_verify_original(const char *dir, struct slice file, uint64_t offset, struct slice payload_digest)
{
    struct warc_reader *r = NULL;
    struct warc_record record;
    int err = warc_reader_open(&r, dir, file);

    if (err == 0)
        err = warc_read_at(r, offset, NULL, NULL, &record);
    if (err == 0 && (!slice_eq(record.type, SLICE_LITERAL("response")) || !slice_eq(record.payload_digest, payload_digest)))
        err = ORB_ECORRUPT;
    warc_reader_close(&r);
    return err;
}

static bool
is_expected(const struct warc_record *record, const struct warc_expect *expect)
{
    return record->has_block_digest && slice_eq(record->url, expect->url) && slice_eq(record->payload_digest, expect->payload_digest)
           && record->end - record->offset == expect->bytes;
}

int
warc_verify(const char *dir, struct slice file, const struct warc_expect *expect)
{
    struct warc_reader *r = NULL;
    struct warc_record record;
    struct slice original;
    uint64_t offset;
    int err = warc_reader_open(&r, dir, file);

    if (err == 0)
        err = warc_read_at(r, expect->offset, NULL, NULL, &record);
    if (err == 0 && !is_expected(&record, expect))
        err = ORB_ECORRUPT;
    if (err == 0 && slice_eq(record.type, SLICE_LITERAL("revisit")) && warc_refers_to(r, &original, &offset))
        err = warc_verify_original(dir, original, offset, record.payload_digest);
    warc_reader_close(&r);
    return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
}
