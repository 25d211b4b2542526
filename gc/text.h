/* text.h - writing answers about the heap: JSON and DOT that stay well-formed whatever a description holds
 *
 * A describe() shows bytes of the web. They are cut, ill-formed UTF-8 becomes U+FFFD, and what could end a string or
 * turn a terminal's line around is escaped.
 *
 *     text_start(&t, to); text_put(&t, "{"); ... return text_end(&t);
 *
 * Errors     the first one sticks and what follows is not written; text_end() returns it and cuts `to` back to what it
 *            held at text_start(). ORB_ENOMEM; ORB_ETOOBIG: the buf's ceiling.
 */
#ifndef ORB_GC_TEXT_H
#define ORB_GC_TEXT_H

#include "gc/object.h"
#include "pool/buf.h"

#define TEXT_SITE_BYTES 96
#define TEXT_SIZE_BYTES 32

struct text {
    struct buf *to;
    size_t n_before;
    int err;
};

void text_start(struct text *t, struct buf *to);
int text_end(struct text *t) ORB_MUST_USE;
void text_put(struct text *t, const char *text);
void text_printf(struct text *t, const char *fmt, ...) ORB_PRINTF(2, 3);
void text_json(struct text *t, const char *value); /* with its quotes; NULL is null */
void text_dot(struct text *t, const char *value);  /* for the inside of a quoted DOT label */

/* "crawler/page.c:93": the last two parts of the path, however the compiler was called. NULL is "?". Returns `to`. */
const char *text_site(char to[TEXT_SITE_BYTES], const struct object_site *site);
/* "1,284"; "1.2 MiB". */
const char *text_number(char to[TEXT_SIZE_BYTES], uint64_t number);
const char *text_bytes(char to[TEXT_SIZE_BYTES], uint64_t n_bytes);

#endif
