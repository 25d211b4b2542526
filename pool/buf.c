#include "pool/buf.h"
#include "pool/hex.h"

#include <stdio.h>

void
buf_init(struct buf *b, enum mem_domain domain, size_t ceiling_bytes)
{
    *b = (struct buf){ .ceiling_bytes = ceiling_bytes, .domain = domain };
}

void
buf_fini(struct buf *b)
{
    MEM_FREE(b->domain, &b->p);
    b->n = b->cap = 0;
}

void
buf_clear(struct buf *b)
{
    b->n = 0;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void
buf_trim(struct buf *b, size_t keep_bytes)
{
    if (b->n == 0 && b->cap > keep_bytes)
        buf_fini(b);
}

int
buf_reserve(struct buf *b, size_t more_bytes)
{
    size_t need, cap;
    char *p;

    if (more_bytes > b->ceiling_bytes || b->n > b->ceiling_bytes - more_bytes)
        return ORB_ETOOBIG;
    need = b->n + more_bytes;
    if (b->p != NULL && need <= b->cap)
        return 0;
    cap = b->cap < 48 ? 48 : b->cap + b->cap / 2;
    if (cap < need)
        cap = need;
    if (cap > b->ceiling_bytes)
        cap = b->ceiling_bytes;
    if (cap > SIZE_MAX - 1)
        return ORB_ETOOBIG;
    p = mem_realloc(b->domain, b->p, cap + 1);
    if (p == NULL)
        return ORB_ENOMEM;
    p[b->n] = '\0';
    b->p = p;
    b->cap = cap;
    return 0;
}

int
buf_append(struct buf *b, const void *bytes, size_t n_bytes)
{
    int err = buf_reserve(b, n_bytes);

    if (err != 0)
        return err;
    if (n_bytes > 0)
        memcpy(b->p + b->n, bytes, n_bytes);
    b->n += n_bytes;
    b->p[b->n] = '\0';
    return 0;
}

int
buf_append_slice(struct buf *b, struct slice s)
{
    return buf_append(b, s.p, s.n);
}

int
buf_append_str(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int
buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int
buf_append_number(struct buf *b, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return buf_append(b, digits + at, sizeof digits - at);
}

int
buf_append_hex(struct buf *b, struct slice bytes)
{
    int err = buf_reserve(b, 2 * bytes.n);

    if (err != 0)
        return err;
    for (size_t i = 0; i < bytes.n; i++)
        hex_put(b->p + b->n + 2 * i, (unsigned char)bytes.p[i]);
    b->n += 2 * bytes.n;
    b->p[b->n] = '\0';
    return 0;
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int err, n;
    size_t room = b->p == NULL ? 0 : b->cap - b->n + 1;

    va_copy(again, ap);
    n = vsnprintf(room == 0 ? NULL : b->p + b->n, room, fmt, again); /* mostly it fits at once */
    va_end(again);
    if (n < 0 || (size_t)n >= room) {
        if (room > 0)
            b->p[b->n] = '\0';
        err = n < 0 ? ORB_EINVAL : buf_reserve(b, (size_t)n);
        if (err != 0)
            return err;
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    }
    b->n += (size_t)n;
    return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int err;

    va_start(ap, fmt);
    err = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return err;
}

void
buf_drop_front(struct buf *b, size_t n_bytes)
{
    if (n_bytes > b->n)
        n_bytes = b->n;
    if (n_bytes == 0)
        return;
    memmove(b->p, b->p + n_bytes, b->n - n_bytes);
    buf_truncate(b, b->n - n_bytes);
}

void
buf_truncate(struct buf *b, size_t n_bytes)
{
    if (n_bytes >= b->n)
        return;
    b->n = n_bytes;
    b->p[n_bytes] = '\0';
}

char *
buf_take(struct buf *b, size_t *n_bytes)
{
    char *p = b->p;

    if (n_bytes != NULL)
        *n_bytes = b->n;
    b->p = NULL;
    b->n = b->cap = 0;
    return p;
}
