#include "pool/buf.h"
#include "pool/hex.h"

#include "pool/buf_ring.h"

#include <stdio.h>

/* The class of the ring that p came from; 0: none. cap + 1 lies in one class whatever the ceiling made of it. */
static size_t
ring_class(const struct buf *b)
{
    return b->p == NULL || b->domain != MEM_BUF ? 0 : buf_ring_class_bytes(b->cap + 1);
}

void
buf_init_at(struct buf *b, enum mem_domain domain, size_t ceiling_bytes, const char *site)
{
    *b = (struct buf){ .ceiling_bytes = ceiling_bytes, .domain = domain, .site = site };
}

void
buf_fini(struct buf *b)
{
    size_t class_bytes = ring_class(b);

    if (class_bytes != 0)
        buf_ring_put(b->p, class_bytes, b->lease);
    else
        mem_free(b->domain, b->p);
    b->p = NULL;
    b->lease = 0;
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

/* Bytes to ask for, the NUL included, so that `need` fit and the next growth is some way off. */
static size_t
grown(const struct buf *b, size_t need)
{
    size_t cap = b->cap, step = cap / 2, want;

    if (b->domain == MEM_BUF && cap >= BUF_RING_MOST_BYTES - 1)
        step = cap / 4; /* a large block is often extended where it is, and what it does not need is much */
    else if (b->domain == MEM_BUF && cap >= BUF_RING_LEAST_BYTES - 1)
        step = cap;
    want = cap < 48 ? 48 : cap + step;
    return ORB_MIN(ORB_MAX(want, need), b->ceiling_bytes) + 1;
}

/* Into another block of the ring, or out of it, or into it. */
static char *
change_class(struct buf *b, size_t old_class, size_t new_class, size_t n_bytes)
{
    uint16_t lease = 0;
    char *p = new_class != 0 ? buf_ring_get(new_class, b->is_kept ? NULL : b->site, &lease) : mem_alloc(b->domain, n_bytes);

    if (p == NULL)
        return NULL;
    if (b->n > 0)
        memcpy(p, b->p, b->n);
    if (old_class != 0)
        buf_ring_put(b->p, old_class, b->lease);
    else
        mem_free(b->domain, b->p);
    b->lease = lease;
    return p;
}

/* Moves the bytes to a block for n_bytes, the NUL included; false: no memory, and all is as it was. */
static bool
move(struct buf *b, size_t n_bytes)
{
    size_t old_class = ring_class(b), new_class = b->domain != MEM_BUF ? 0 : buf_ring_class_bytes(n_bytes);
    char *p;

    if (old_class != 0 || new_class != 0)
        p = change_class(b, old_class, new_class, n_bytes);
    else
        p = mem_realloc(b->domain, b->p, n_bytes);
    if (p == NULL)
        return false;
    p[b->n] = '\0';
    b->p = p;
    b->cap = new_class != 0 ? ORB_MIN(new_class - 1, b->ceiling_bytes) : n_bytes - 1;
    return true;
}

void
buf_fit(struct buf *b)
{
    size_t class_bytes = ring_class(b);

    if (b->p == NULL || (class_bytes != 0 && class_bytes == buf_ring_class_bytes(b->n + 1)))
        return;
    (void)!move(b, b->n + 1);
}

int
buf_reserve(struct buf *b, size_t more_bytes)
{
    if (more_bytes > b->ceiling_bytes || b->n > b->ceiling_bytes - more_bytes || b->n + more_bytes > PTRDIFF_MAX)
        return ORB_ETOOBIG;
    if (b->p != NULL && b->n + more_bytes <= b->cap)
        return 0;
    return move(b, grown(b, b->n + more_bytes)) ? 0 : ORB_ENOMEM;
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

    if (ring_class(b) != 0)
        buf_ring_lose(buf_ring_class_bytes(b->cap + 1), b->lease);
    if (n_bytes != NULL)
        *n_bytes = b->n;
    b->p = NULL;
    b->lease = 0;
    b->n = b->cap = 0;
    return p;
}
