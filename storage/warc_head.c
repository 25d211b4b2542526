#include "storage/warc_head.h"

#include "pool/hex.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

void
warc_date(uint64_t unix_ms, char text[WARC_DATE_BYTES])
{
    time_t seconds = (time_t)ORB_MIN(unix_ms / 1000, (uint64_t)253402300799); /* year 9999 */
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(text, WARC_DATE_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(unix_ms % 1000));
}

int
warc_id(char text[WARC_ID_BYTES])
{
    uint8_t r[16];
    char *at = text;

    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        return ORB_EIO;
    r[6] = (r[6] & 0x0f) | 0x40;
    r[8] = (r[8] & 0x3f) | 0x80;
    memcpy(at, "<urn:uuid:", 10);
    at += 10;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        hex_put(at, r[i]);
        at += 2;
    }
    *at++ = '>';
    *at = '\0';
    return 0;
}

static int
field_begin(struct buf *b, const char *name, size_t room)
{
    size_t n = strlen(name);
    int err = buf_reserve(b, n + room + 4);

    if (err == 0)
        err = buf_append(b, name, n);
    return err == 0 ? buf_append(b, ": ", 2) : err;
}

int
warc_field(struct buf *b, const char *name, struct slice value)
{
    size_t from;
    int err;

    if (value.n == 0)
        return 0;
    err = field_begin(b, name, value.n);
    from = b->n;
    if (err == 0)
        err = buf_append_slice(b, value);
    if (err != 0)
        return err;
    for (; from < b->n; from++)
        if ((unsigned char)b->p[from] < 0x20 || b->p[from] == 0x7f)
            b->p[from] = ' ';
    return buf_append(b, "\r\n", 2);
}

int
warc_field_uri(struct buf *b, const char *name, struct slice uri)
{
    char escape[3];
    int err;

    if (uri.n == 0)
        return 0;
    err = field_begin(b, name, uri.n);
    for (size_t i = 0, from = 0; i <= uri.n && err == 0; i++) {
        unsigned char c = i < uri.n ? (unsigned char)uri.p[i] : 0;

        if (i < uri.n && c > 0x20 && c < 0x7f)
            continue;
        err = buf_append(b, uri.p + from, i - from);
        from = i + 1;
        hex_put_escape(escape, c);
        if (err == 0 && i < uri.n)
            err = buf_append(b, escape, sizeof escape);
    }
    return err == 0 ? buf_append(b, "\r\n", 2) : err;
}

int
warc_field_number(struct buf *b, const char *name, uint64_t value)
{
    int err = field_begin(b, name, 20);

    if (err == 0)
        err = buf_append_number(b, value);
    return err == 0 ? buf_append(b, "\r\n", 2) : err;
}
