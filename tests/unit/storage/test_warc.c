#include "storage/warc.h"

#include "storage/gzip.h"
#include "storage/warc_read.h"
#include "tests/support/store_sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

static struct warc *
open_warc(const char *dir)
{
    struct warc_conf conf = { .dir = dir, .crawl = "t", .software = "orbweaver/test", .contact = "operator@example.org" };
    struct warc *w = NULL;

    assert_int_equal(warc_open(&w, &conf), 0);
    return w;
}


static int
gather(void *arg, const struct warc_record *record, const void *bytes, size_t n_bytes)
{
    return buf_append(arg, bytes, n_bytes);
}

/* Reads the record at `place` into block; returns the open reader. */
static struct warc_reader *
read_place(const char *dir, const struct warc_place *place, struct warc_record *record, struct buf *block)
{
    struct warc_reader *r = NULL;

    buf_clear(block);
    assert_int_equal(warc_reader_open(&r, dir, slice_str(place->file)), 0);
    assert_int_equal(warc_read_at(r, place->offset, gather, block, record), 0);
    assert_int_equal(record->end - record->offset, place->bytes);
    return r;
}

static unsigned
count_records(const char *dir, const char *file, const char *type)
{
    struct warc_reader *r = NULL;
    struct warc_record record;
    uint64_t at = 0;
    unsigned n = 0;
    int err;

    assert_int_equal(warc_reader_open(&r, dir, slice_str(file)), 0);
    while ((err = warc_read_at(r, at, NULL, NULL, &record)) == 0) {
        n += type == NULL || slice_eq(record.type, slice_str(type));
        at = record.end;
    }
    assert_int_equal(err, ORB_ENOTFOUND);
    warc_reader_close(&r);
    return n;
}

static void
gzip_bytes(struct buf *out, struct slice in)
{
    z_stream z = { 0 };

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    buf_clear(out);
    assert_int_equal(buf_reserve(out, deflateBound(&z, in.n)), 0);
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = (Bytef *)out->p;
    z.avail_out = (uInt)out->cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n = z.total_out;
    deflateEnd(&z);
}

TEST(warc__a_response_is_what_crossed_the_wire)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_page(1, "http://example.org/a", SLICE_LITERAL("5\r\nhello\r\n0\r\n\r\n"));
    struct warc_record record;
    struct warc_place place;
    struct warc_reader *reader;
    struct buf block;

    buf_init(&block, MEM_BUF, 1 << 20);
    r.head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    r.payload = r.body = SLICE_LITERAL("hello");
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_string_equal(place.payload_digest, "sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N"); /* of "hello" */
    reader = read_place(dir, &place, &record, &block);
    assert_slice_str(record.type, "response");
    assert_slice_str(record.url, "http://example.org/a");
    assert_slice_str(record.payload_digest, place.payload_digest);
    assert_slice_str(buf_slice(&block), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_true(record.has_block_digest);
    assert_slice_str(warc_record_field(reader, "WARC-IP-Address"), "127.0.0.1");
    assert_slice_str(warc_record_field(reader, "WARC-Date"), "2026-11-22T11:38:15.124Z");
    assert_int_equal(warc_record_field(reader, "WARC-Truncated").n, 0);
    assert_int_equal(warc_record_field(reader, "WARC-Protocol").n, 0);
    warc_reader_close(&reader);
    assert_int_equal(count_records(dir, place.file, "warcinfo"), 1);
    assert_int_equal(count_records(dir, place.file, "request"), 1);
    assert_int_equal(count_records(dir, place.file, NULL), 3);
    warc_close(&w);
    buf_fini(&block);
}

TEST(warc__http2_is_told_by_its_own_field)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_page(1, "https://example.org/a", SLICE_LITERAL("hello"));
    struct warc_record record;
    struct warc_place place;
    struct warc_reader *reader;
    struct buf block;

    buf_init(&block, MEM_BUF, 1 << 20);
    r.http_version = 20;
    r.request = SLICE_LITERAL("GET /a HTTP/2\r\nHost: example.org\r\n\r\n");
    r.head = SLICE_LITERAL("HTTP/2 200 \r\ncontent-type: text/plain\r\n\r\n");
    r.truncated = "length";
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    reader = read_place(dir, &place, &record, &block);
    assert_slice_str(buf_slice(&block), "HTTP/1.1 200 \r\ncontent-type: text/plain\r\n\r\nhello");
    assert_slice_str(warc_record_field(reader, "warc-protocol"), "h2");
    assert_slice_str(warc_record_field(reader, "WARC-Truncated"), "length");
    warc_reader_close(&reader);
    warc_close(&w);
    buf_fini(&block);
}

TEST(warc__the_same_payload_again_is_a_revisit_that_names_the_first)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record a = sample_page(1, "http://example.org/a", SLICE_LITERAL("the same")), b = a;
    struct warc_place first, second;
    struct warc_record record;
    struct warc_reader *reader;
    struct slice file;
    uint64_t offset;
    struct buf block;
    struct warc_expect expect;

    buf_init(&block, MEM_BUF, 1 << 20);
    b.url = SLICE_LITERAL("http://mirror.example.org/a");
    assert_int_equal(warc_put(w, &a, 0, SAMPLE_NOW_MS, &first), 0);
    assert_int_equal(warc_put(w, &b, 0, SAMPLE_NOW_MS, &second), 0);
    assert_false(first.is_revisit);
    assert_true(second.is_revisit);
    reader = read_place(dir, &second, &record, &block);
    assert_slice_str(record.type, "revisit");
    assert_slice_str(buf_slice(&block), "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n");
    assert_slice_str(warc_record_field(reader, "WARC-Profile"), WARC_PROFILE_IDENTICAL);
    assert_slice_str(warc_record_field(reader, "WARC-Refers-To-Target-URI"), "http://example.org/a");
    assert_slice_str(warc_record_field(reader, "WARC-Refers-To-Date"), "2026-11-22T11:38:15.124Z");
    assert_true(warc_refers_to(reader, &file, &offset));
    assert_slice_str(file, first.file);
    assert_int_equal(offset, first.offset);
    expect = (struct warc_expect){ b.url, slice_str(second.payload_digest), second.offset, second.bytes };
    assert_int_equal(warc_verify(dir, slice_str(second.file), &expect), 0);
    expect.url = a.url;
    assert_int_equal(warc_verify(dir, slice_str(second.file), &expect), ORB_ECORRUPT);
    warc_reader_close(&reader);
    warc_close(&w);
    buf_fini(&block);
}

TEST(warc__a_cut_body_and_an_empty_one_are_never_revisits)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_page(1, "http://example.org/a", SLICE_LITERAL("half of"));
    struct warc_place place;

    r.truncated = "disconnect";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
        assert_false(place.is_revisit);
    }
    r.truncated = NULL;
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_false(place.is_revisit); /* the cut one must not stand for the whole one */
    r.wire_body = r.payload = r.body = SLICE_NONE;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
        assert_false(place.is_revisit);
        assert_string_equal(place.payload_digest, "");
    }
    warc_close(&w);
}

TEST(warc__no_answer_is_a_metadata_record)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_failure(1, "http://example.org/\r\nX: y");
    struct warc_record record;
    struct warc_place place;
    struct warc_reader *reader;
    struct buf block;

    buf_init(&block, MEM_BUF, 1 << 20);
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    reader = read_place(dir, &place, &record, &block);
    assert_slice_str(record.type, "metadata");
    assert_slice_str(record.url, "http://example.org/%0D%0AX:%20y"); /* no field can be smuggled in */
    assert_slice_str(buf_slice(&block), "outcome: connect_timeout\r\nerror: no answer from 192.0.2.1:80  for 5 s\r\nfetchTimeMs: 5000\r\n");
    warc_reader_close(&reader);
    warc_close(&w);
    buf_fini(&block);
}

TEST(warc__a_withheld_answer_is_a_metadata_record_that_nothing_refers_to)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_page(1, "http://example.org/a", SLICE_LITERAL("a secret"));
    struct warc_record record;
    struct warc_place place;
    struct warc_reader *reader;
    struct buf block;

    buf_init(&block, MEM_BUF, 1 << 20);
    r.withheld = RECORD_NOARCHIVE;
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_string_equal(place.payload_digest, "");
    reader = read_place(dir, &place, &record, &block);
    assert_slice_str(record.type, "metadata");
    assert_slice_str(record.url, "http://example.org/a");
    assert_int_equal(record.payload_digest.n, 0);
    assert_slice_str(buf_slice(&block), "outcome: ok\r\nfetchTimeMs: 12\r\nwithheld: noarchive\r\nstatus: 200\r\n");
    warc_reader_close(&reader);
    r.withheld = RECORD_KEPT; /* the same payload, of a page that does not mind: there is no first one to refer to */
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_false(place.is_revisit);
    r.withheld = RECORD_NOINDEX; /* and no revisit, whatever was stored before */
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_false(place.is_revisit);
    assert_int_equal(count_records(dir, place.file, "response"), 1);
    assert_int_equal(count_records(dir, place.file, "metadata"), 2);
    assert_int_equal(count_records(dir, place.file, "revisit"), 0);
    warc_close(&w);
    buf_fini(&block);
}

TEST(warc__compressed_bodies_are_stored_not_deflated_again)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct buf body, packed, block;
    struct warc_record record;
    struct warc_place place;
    struct warc_reader *reader;
    struct record r;

    buf_init(&body, MEM_BUF, 1 << 22);
    buf_init(&packed, MEM_BUF, 1 << 22);
    buf_init(&block, MEM_BUF, 1 << 22);
    sample_body(&body, 1, 900000);
    gzip_bytes(&packed, buf_slice(&body));
    r = sample_page(1, "http://example.org/a", buf_slice(&packed));
    r.head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    r.content_encoding = SLICE_LITERAL("gzip");
    r.body = buf_slice(&body);
    assert_true(packed.n > 65535); /* more than one stored block */
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_in_range(place.bytes, packed.n, packed.n + 1024);
    reader = read_place(dir, &place, &record, &block);
    assert_true(slice_ends_with(buf_slice(&block), buf_slice(&packed)));
    warc_reader_close(&reader);
    warc_close(&w);
    buf_fini(&body);
    buf_fini(&packed);
    buf_fini(&block);
}

TEST(warc__a_large_body_streams)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct buf body, block;
    struct warc_record record;
    struct warc_place place;
    struct warc_reader *reader;
    struct record r;

    buf_init(&body, MEM_BUF, 1 << 24);
    buf_init(&block, MEM_BUF, 1 << 24);
    sample_body(&body, 5, 9000001);
    r = sample_page(1, "http://example.org/a", buf_slice(&body));
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    assert_true(place.bytes < body.n / 2);
    reader = read_place(dir, &place, &record, &block);
    assert_true(slice_ends_with(buf_slice(&block), buf_slice(&body)));
    warc_reader_close(&reader);
    warc_close(&w);
    buf_fini(&body);
    buf_fini(&block);
}

/* One file with every kind of record, read by a checker that nobody here wrote (its structural half needs only Python). */
TEST(warc__an_independent_reader_accepts_every_kind_of_record)
{
    const char *dir = scratch_dir(), *shared = shared_dir();
    struct warc *w;
    struct buf body, packed;
    struct warc_place place;
    struct record r;
    char command[1024];

    if (shared == NULL)
        skip();
    w = open_warc(dir);
    buf_init(&body, MEM_BUF, 1 << 22);
    buf_init(&packed, MEM_BUF, 1 << 22);
    for (unsigned i = 0; i < 40; i++) {
        char url[64];

        snprintf(url, sizeof url, "http://example.org/%u?q=%%20", i);
        sample_body(&body, i / 2 * 2, 100 + i * 7919 % 70000);
        if (i % 2 == 1)
            sample_body(&body, i - 1, 100 + (i - 1) * 7919 % 70000); /* every second one is a revisit */
        r = sample_page(i, url, buf_slice(&body));
        if (i % 8 == 4) {
            gzip_bytes(&packed, buf_slice(&body));
            r.wire_body = r.payload = buf_slice(&packed);
            r.content_encoding = SLICE_LITERAL("gzip");
            r.head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
        } else if (i % 8 == 6) {
            r.http_version = 20;
            r.head = SLICE_LITERAL("HTTP/2 404 \r\ncontent-type: text/html\r\n\r\n");
            r.request = SLICE_LITERAL("GET /a HTTP/2\r\nHost: example.org\r\n\r\n");
            r.status = 404;
        } else if (i % 8 == 2) {
            r.wire_body = SLICE_LITERAL("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n");
            r.payload = r.body = SLICE_LITERAL("hello world");
            r.head = SLICE_LITERAL("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        } else if (i == 0) {
            r.wire_body = r.payload = r.body = SLICE_NONE;
        } else if (i == 16) {
            r = sample_failure(i, url);
        } else if (i == 24) {
            r.truncated = "disconnect";
        } else if (i == 32) {
            r.outcome = SLICE_LITERAL("not_modified");
            r.head = SLICE_LITERAL("HTTP/1.1 304 Not Modified\r\n\r\n");
            r.wire_body = r.payload = r.body = SLICE_NONE;
        }
        assert_int_equal(warc_put(w, &r, i == 32 ? SAMPLE_NOW_MS : 0, SAMPLE_NOW_MS, &place), 0);
    }
    warc_close(&w);
    snprintf(command, sizeof command,
             "python3 '%s/conformance/warc/warc-check' --no-node --require warcinfo,request,response,revisit,metadata %s/*.warc.gz%s",
             shared, dir, getenv("ORB_KEEP_WARC") != NULL ? " && cp " : "");
    if (getenv("ORB_KEEP_WARC") != NULL)
        snprintf(command + strlen(command), sizeof command - strlen(command), "%s/*.warc.gz %s", dir, getenv("ORB_KEEP_WARC"));
    assert_int_equal(system(command), 0);
    buf_fini(&body);
    buf_fini(&packed);
}

TEST(warc__recover_cuts_at_every_possible_tear)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_page(1, "http://example.org/a", SLICE_LITERAL("one"));
    struct warc_place first, second;
    struct buf whole;
    char path[512], marker[520];

    buf_init(&whole, MEM_BUF, 1 << 20);
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &first), 0);
    r = sample_page(2, "http://example.org/b", SLICE_LITERAL("two"));
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &second), 0);
    warc_close(&w);
    snprintf(path, sizeof path, "%s/%s", dir, first.file);
    snprintf(marker, sizeof marker, "%s.open", path);
    read_file(&whole, path);
    assert_int_equal(whole.n, second.offset + second.bytes);
    for (size_t n = 0; n <= whole.n; n++) {
        uint64_t expected = n == whole.n ? whole.n : n >= first.offset + first.bytes ? first.offset + first.bytes : 0;
        struct warc_recovered found;
        struct buf left;

        buf_init(&left, MEM_BUF, 1 << 20);
        write_file(path, whole.p, n);
        write_file(marker, "", 0);
        assert_int_equal(warc_recover(dir, NULL, NULL, &found, NULL), 0);
        assert_int_equal(access(marker, F_OK), -1);
        if (access(path, F_OK) == 0)
            read_file(&left, path);
        if (left.n < first.offset + first.bytes) /* a warcinfo alone, or nothing */
            assert_true(left.n == 0 || count_records(dir, first.file, NULL) == 1);
        else
            assert_int_equal(left.n, expected);
        buf_fini(&left);
    }
    buf_fini(&whole);
}

TEST(warc_read__damage_anywhere_is_noticed)
{
    const char *dir = scratch_dir();
    struct warc *w = open_warc(dir);
    struct record r = sample_page(1, "http://example.org/a", SLICE_LITERAL("one"));
    struct warc_place place;
    struct buf whole;
    char path[512];

    buf_init(&whole, MEM_BUF, 1 << 20);
    assert_int_equal(warc_put(w, &r, 0, SAMPLE_NOW_MS, &place), 0);
    warc_close(&w);
    snprintf(path, sizeof path, "%s/%s", dir, place.file);
    read_file(&whole, path);
    for (size_t i = place.offset; i < place.offset + place.bytes; i++) {
        struct warc_expect expect = { r.url, slice_str(place.payload_digest), place.offset, place.bytes };
        bool is_free = i >= place.offset + 4 && i <= place.offset + 9; /* gzip's time, flags, system: nobody reads them */
        int fd = open(path, O_WRONLY);
        char bad = (char)(whole.p[i] ^ 0x41);

        assert_int_equal(pwrite(fd, &bad, 1, (off_t)i), 1);
        if (!is_free)
            assert_int_equal(warc_verify(dir, slice_str(place.file), &expect), ORB_ECORRUPT);
        assert_int_equal(pwrite(fd, &whole.p[i], 1, (off_t)i), 1);
        close(fd);
        assert_int_equal(warc_verify(dir, slice_str(place.file), &expect), 0);
    }
    buf_fini(&whole);
}

TEST(warc_read__a_name_never_leads_out_of_the_folder)
{
    struct warc_reader *r = NULL;

    assert_int_equal(warc_reader_open(&r, "/etc", SLICE_LITERAL("../etc/passwd")), ORB_ECORRUPT);
    assert_int_equal(warc_reader_open(&r, "/etc", SLICE_LITERAL("..")), ORB_ECORRUPT);
    assert_int_equal(warc_reader_open(&r, "/etc", SLICE_NONE), ORB_ECORRUPT);
    assert_null(r);
}

TESTS(T(warc__a_response_is_what_crossed_the_wire), T(warc__http2_is_told_by_its_own_field),
      T(warc__the_same_payload_again_is_a_revisit_that_names_the_first), T(warc__a_cut_body_and_an_empty_one_are_never_revisits),
      T(warc__no_answer_is_a_metadata_record), T(warc__a_withheld_answer_is_a_metadata_record_that_nothing_refers_to),
      T(warc__compressed_bodies_are_stored_not_deflated_again),
      T(warc__a_large_body_streams), T(warc__an_independent_reader_accepts_every_kind_of_record),
      T(warc__recover_cuts_at_every_possible_tear), T(warc_read__damage_anywhere_is_noticed),
      T(warc_read__a_name_never_leads_out_of_the_folder))
