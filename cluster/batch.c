/* batch.c - JSON lines: reading of any length, repair of lone surrogates, base64 fields */
#include "cluster/batch.h"

#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "cluster/cmd.h"
#include "pool/hex.h"
#include "pool/mem_hooks.h"

#define READ_BYTES ((size_t)64 * 1024)

struct batch {
    struct buf in;      /* bytes read; those before `start` are answered */
    size_t start;
    size_t looked;      /* up to here there is no line end */
    bool is_skipping;   /* inside a line that is too long */
    bool is_end;
    int in_fd;
    FILE *out;
    batch_fn *fn;
    void *arg;
};

/* The code unit of the \uXXXX at p, or -1. */
static int
escaped_unit(const char *p, const char *end)
{
    int unit = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int v = hex_value(p[i]);
        if (v < 0)
            return -1;
        unit = unit * 16 + v;
    }
    return unit;
}

/* Writes \ufffd over every half of a surrogate pair that stands alone: jansson would refuse the whole line. */
static void
repair_surrogates(char *p, size_t n)
{
    char *end = p + n;

    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
        int unit = escaped_unit(p, end);
        bool is_pair = unit >= 0xD800 && unit < 0xDC00 && escaped_unit(p + 6, end) >= 0xDC00
                       && escaped_unit(p + 6, end) < 0xE000;

        if (unit >= 0xD800 && unit < 0xE000 && !is_pair)
            memcpy(p + 2, "fffd", 4);
        p += is_pair ? 12 : unit >= 0 ? 6 : 2;
        if (p >= end)
            return;
    }
}

/* How many bytes of well-formed UTF-8 character stand at p; 0: none does. */
static size_t
utf8_character(const unsigned char *p, size_t n)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;

    if (length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90)
        || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return length;
}

static json_t * /* NEW or NULL */
text_to_json(struct slice text)
{
    json_t *made = json_stringn(text.n == 0 ? "" : text.p, text.n);
    struct buf clean;

    if (made != NULL)
        return made;
    buf_init(&clean, MEM_JSON, BUF_NO_CEILING);
    for (size_t i = 0; i < text.n;) {
        size_t length = utf8_character((const unsigned char *)text.p + i, text.n - i);
        int err = length > 0 ? buf_append(&clean, text.p + i, length) : buf_append_str(&clean, "\xEF\xBF\xBD");

        if (err != 0)
            goto fail;
        i += length > 0 ? length : 1;
    }
    made = json_stringn_nocheck(clean.n == 0 ? "" : clean.p, clean.n);
fail:
    buf_fini(&clean);
    return made;
}

int
batch_put(json_t *answer, const char *name, struct slice text)
{
    return json_object_set_new_nocheck(answer, name, text_to_json(text)) == 0 ? 0 : ORB_ENOMEM;
}

int
batch_append(json_t *list, struct slice text)
{
    return json_array_append_new(list, text_to_json(text)) == 0 ? 0 : ORB_ENOMEM;
}

int
batch_fail(json_t *answer, const char *fmt, ...)
{
    struct buf why;
    va_list ap;
    int err;

    buf_init(&why, MEM_JSON, BUF_NO_CEILING);
    va_start(ap, fmt);
    err = buf_vprintf(&why, fmt, ap);
    va_end(ap);
    json_object_clear(answer);
    if (err == 0)
        err = batch_put(answer, "error", buf_slice(&why));
    buf_fini(&why);
    return err;
}

static int
base64_decode(struct buf *out, const char *text, size_t n)
{
    EVP_ENCODE_CTX *ctx;
    int err = 0, n_body = 0, n_tail = 0;

    if (n > BATCH_MAX_LINE_BYTES)
        return ORB_ETOOBIG;
    err = buf_reserve(out, n / 4 * 3 + 64);
    if (err != 0)
        return err;
    ctx = EVP_ENCODE_CTX_new();
    if (ctx == NULL)
        return ORB_ENOMEM;
    EVP_DecodeInit(ctx);
    if (EVP_DecodeUpdate(ctx, (unsigned char *)out->p, &n_body, (const unsigned char *)text, (int)n) < 0
        || EVP_DecodeFinal(ctx, (unsigned char *)out->p + n_body, &n_tail) < 0)
        err = ORB_EINVAL;
    else {
        out->n = (size_t)n_body + (size_t)n_tail;
        out->p[out->n] = '\0';
    }
    EVP_ENCODE_CTX_free(ctx);
    return err;
}

int
batch_field(struct slice *out, struct buf *scratch, const json_t *request, const char *name)
{
    const json_t *value = json_object_get(request, name);
    char encoded_name[64];
    int err;

    if (json_is_string(value)) {
        *out = slice_of(json_string_value(value), json_string_length(value));
        return 0;
    }
    if (value != NULL && !json_is_null(value))
        return ORB_EINVAL;
    snprintf(encoded_name, sizeof encoded_name, "%s_base64", name);
    value = json_object_get(request, encoded_name);
    if (value == NULL)
        return ORB_ENOTFOUND;
    if (!json_is_string(value))
        return ORB_EINVAL;
    buf_clear(scratch);
    err = base64_decode(scratch, json_string_value(value), json_string_length(value));
    if (err == 0)
        *out = buf_slice(scratch);
    return err;
}

/* Fills the answer of one line; only ORB_ENOMEM comes back. */
static int
answer_make(struct batch *b, struct slice line, json_t *answer)
{
    json_error_t error;
    json_t *request = json_loadb(line.n == 0 ? "" : line.p, line.n, JSON_ALLOW_NUL, &error);
    int err;

    if (request == NULL)
        return batch_fail(answer, "not JSON: %s", error.text);
    if (!json_is_object(request))
        err = batch_fail(answer, "not a JSON object");
    else {
        err = b->fn(b->arg, request, answer);
        if (err != 0)
            err = batch_fail(answer, "%s", orb_strerror(err));
    }
    json_decref(request);
    return err;
}

static int
answer_write(const char *bytes, size_t n, void *out)
{
    return fwrite(bytes, 1, n, out) == n ? 0 : -1;
}

static int
line_answer(struct batch *b, char *line, size_t n, bool is_too_long)
{
    json_t *answer = json_object();
    int err = answer == NULL ? ORB_ENOMEM : 0;

    if (err == 0 && is_too_long)
        err = batch_fail(answer, "the line is longer than %zu bytes", BATCH_MAX_LINE_BYTES);
    else if (err == 0) {
        repair_surrogates(line, n);
        err = answer_make(b, slice_of(line, n), answer);
    }
    if (err == 0
        && (json_dump_callback(answer, answer_write, b->out, JSON_COMPACT | JSON_ENSURE_ASCII) != 0
            || putc('\n', b->out) == EOF))
        err = ORB_EIO;
    json_decref(answer);
    return err;
}

static int
more_read(struct batch *b)
{
    ssize_t n;
    int err;

    buf_drop_front(&b->in, b->start);
    buf_trim(&b->in, 16 * READ_BYTES);
    b->start = 0;
    b->looked = b->in.n;
    if (b->in.n > BATCH_MAX_LINE_BYTES || b->is_skipping) {
        b->is_skipping = true;
        buf_clear(&b->in);
        b->looked = 0;
    }
    if (fflush(b->out) != 0)
        return ORB_EIO;
    err = buf_reserve(&b->in, READ_BYTES);
    if (err != 0)
        return err;
    while ((n = read(b->in_fd, b->in.p + b->in.n, READ_BYTES)) < 0 && errno == EINTR)
        continue;
    if (n < 0)
        return ORB_EIO;
    b->in.n += (size_t)n;
    b->in.p[b->in.n] = '\0';
    b->is_end = n == 0;
    return 0;
}

/* One turn: answers a line, or reads more. The last line may lack its line end. */
static int
batch_turn(struct batch *b)
{
    char *line_end = b->in.n > b->looked ? memchr(b->in.p + b->looked, '\n', b->in.n - b->looked) : NULL;
    size_t from = b->start, to;
    bool is_too_long;

    if (line_end == NULL && !b->is_end)
        return more_read(b);
    to = line_end != NULL ? (size_t)(line_end - b->in.p) : b->in.n;
    is_too_long = b->is_skipping || to - from > BATCH_MAX_LINE_BYTES;
    b->start = b->looked = line_end != NULL ? to + 1 : to;
    b->is_skipping = false;
    if (line_end == NULL && to == from && !is_too_long)
        return 0;
    return line_answer(b, b->in.p + from, to - from, is_too_long);
}

int
batch_run(int in_fd, FILE *out, batch_fn *fn, void *arg)
{
    struct batch b = { .in_fd = in_fd, .out = out, .fn = fn, .arg = arg };
    int err = 0;

    json_set_alloc_funcs(mem_json_malloc, mem_json_free);
    buf_init(&b.in, MEM_BUF, BUF_NO_CEILING);
    while (err == 0 && (!b.is_end || b.start < b.in.n || b.is_skipping))
        err = batch_turn(&b);
    buf_fini(&b.in);
    if (err == 0 && fflush(out) != 0)
        err = ORB_EIO;
    if (err != 0)
        fprintf(stderr, "orb: --batch stopped: %s\n", orb_strerror(err));
    return err == 0 ? EXIT_DONE : EXIT_FAILED;
}

int
batch_read_all(struct buf *b, int fd)
{
    for (;;) {
        int err = buf_reserve(b, READ_BYTES);
        ssize_t n;

        if (err != 0)
            return err;
        n = read(fd, b->p + b->n, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : ORB_EIO;
        b->n += (size_t)n;
        b->p[b->n] = '\0';
    }
}
