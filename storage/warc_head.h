/* warc_head.h - the named fields of a WARC record, as text; internal to the writer */
#ifndef ORB_STORAGE_WARC_HEAD_H
#define ORB_STORAGE_WARC_HEAD_H

#include "pool/buf.h"

#define WARC_ID_BYTES 48   /* "<urn:uuid:...>" and NUL */
#define WARC_DATE_BYTES 80 /* "2026-11-22T11:38:15.123Z" and NUL (the compiler reckons with wilder years) */

void warc_date(uint64_t unix_ms, char text[WARC_DATE_BYTES]);
/* A new random (version 4) id; ORB_EIO when the kernel has no random bytes. */
int warc_id(char text[WARC_ID_BYTES]) ORB_MUST_USE;

/* "Name: value\r\n"; control characters of the value become blanks, bad bytes of a URI %XX. Nothing for an empty value. */
int warc_field(struct buf *b, const char *name, struct slice value) ORB_MUST_USE;
int warc_field_uri(struct buf *b, const char *name, struct slice uri) ORB_MUST_USE;
int warc_field_number(struct buf *b, const char *name, uint64_t value) ORB_MUST_USE;

#endif
