/* buf.h - growing bytes with a ceiling
 *
 * A buf is born with a ceiling and refuses to grow past it, so that no peer can flood us. Bodies (MEM_BUF) grow through buffers
 * of fixed sizes that are handed from one body to the next (buf_ring.h), and above 256 KiB by a quarter.
 *
 * A body's buffer is lent by its class, to the line that called buf_init(), and overdue when it is held for longer than
 * buf_lease_ms() says; one that stays with its owner begins with buf_init_kept() and is never overdue.
 *
 * Ownership  the buf owns its bytes; buf_slice() is BORROWED until the next call that may grow it;
 *            buf_take() hands the bytes over (mem_free() of the buf's domain takes them back).
 * Errors     ORB_ENOMEM, ORB_ETOOBIG; the contents are as before the call.
 * Invariant  p[n] == '\0' whenever p != NULL: contents may be read as a C string.
 */
#ifndef ORB_POOL_BUF_H
#define ORB_POOL_BUF_H

#include <stdarg.h>

#include "pool/error.h"
#include "pool/mem.h"
#include "pool/pool.h"

#define BUF_NO_CEILING SIZE_MAX

struct buf {
    char *p;
    size_t n;             /* bytes used */
    size_t cap;           /* bytes that fit without growing, the NUL apart */
    size_t ceiling_bytes;
    enum mem_domain domain;
    uint16_t lease;       /* in the ring's table; 0: none */
    bool is_kept;         /* for as long as its owner lives: no lease runs */
    const char *site;     /* of buf_init() */
};

/* The macros note the borrower's line. */
#define buf_init(b, domain, ceiling_bytes) buf_init_at((b), (domain), (ceiling_bytes), POOL_SITE)
#define buf_init_kept(b, domain, ceiling_bytes) (buf_init((b), (domain), (ceiling_bytes)), (void)((b)->is_kept = true))
void buf_init_at(struct buf *b, enum mem_domain domain, size_t ceiling_bytes, const char *site);
void buf_fini(struct buf *b);  /* frees; the buf may be used again */
void buf_clear(struct buf *b); /* n = 0, keeps the memory */
void buf_trim(struct buf *b, size_t keep_bytes); /* gives memory beyond keep_bytes back when the buf is empty */
void buf_fit(struct buf *b);   /* gives memory behind what is used back, as far as it can; never by hand: cap says where p is from */
int buf_reserve(struct buf *b, size_t more_bytes) ORB_MUST_USE; /* room for that many more */
int buf_append(struct buf *b, const void *bytes, size_t n_bytes) ORB_MUST_USE;
int buf_append_slice(struct buf *b, struct slice s) ORB_MUST_USE;
int buf_append_str(struct buf *b, const char *text) ORB_MUST_USE;
int buf_append_char(struct buf *b, char c) ORB_MUST_USE;
int buf_append_number(struct buf *b, uint64_t number) ORB_MUST_USE; /* in decimal; a tenth of what buf_printf() costs */
int buf_append_hex(struct buf *b, struct slice bytes) ORB_MUST_USE;     /* "00ff" */
int buf_printf(struct buf *b, const char *fmt, ...) ORB_PRINTF(2, 3) ORB_MUST_USE;
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) ORB_MUST_USE;
void buf_drop_front(struct buf *b, size_t n_bytes);
void buf_truncate(struct buf *b, size_t n_bytes);
char *buf_take(struct buf *b, size_t *n_bytes); /* NEW or NULL when nothing was ever stored; the buf is empty then */

/* Buffers of MEM_BUF between 4 KiB and 256 KiB are kept for the next body: the figures of the class-th size, which is returned;
 * 0: there are no more. They decay with pool_tick_all() and go with pool_flush_all(); pool_each() shows each size as a pool. */
size_t buf_ring_stats(unsigned class, struct pool_stats *out);
void buf_lease_ms(uint64_t lease_ms); /* of all bodies of the process; 0, the beginning: may be lent for ever */

static inline struct slice
buf_slice(const struct buf *b)
{
    return (struct slice){ b->p, b->n };
}

#endif
