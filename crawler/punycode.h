/* punycode.h - RFC 3492 for one label, without "xn--"
 *
 * libidn2 2.3.3 keeps its own to itself and refuses labels over 63 bytes, which are URLs nevertheless.
 */
#ifndef ORB_CRAWLER_PUNYCODE_H
#define ORB_CRAWLER_PUNYCODE_H

#include "pool/buf.h"

#define PUNYCODE_MAX_POINTS 1024 /* encoding is quadratic */

/* Appends lower-case ASCII. ORB_EINVAL: too many points, or overflow. */
int punycode_encode(struct buf *out, const uint32_t *points, size_t n_points) ORB_MUST_USE;
/* Writes at most max points. ORB_EINVAL: malformed or too long. */
int punycode_decode(struct slice in, uint32_t *points, size_t max, size_t *n_points) ORB_MUST_USE;

#endif
