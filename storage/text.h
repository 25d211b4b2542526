/* text.h - text from the web, as a database and its readers can bear it */
#ifndef ORB_STORAGE_TEXT_H
#define ORB_STORAGE_TEXT_H

#include "pool/buf.h"

bool text_is_clean(struct slice s); /* valid UTF-8 without NUL */
/* Appends s; every byte that is not part of valid UTF-8, and NUL, becomes U+FFFD. */
int text_append_clean(struct buf *out, struct slice s) ORB_MUST_USE;
/* s as a JSON string with its quotes; bad bytes become U+FFFD. */
int text_append_json(struct buf *out, struct slice s) ORB_MUST_USE;
/* The bytes of the valid UTF-8 sequence that s begins with; 0 = none. */
size_t text_utf8_bytes(struct slice s);

#endif
