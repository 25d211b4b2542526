/* base64.h - bytes as text that stands in a header or in JSON (RFC 4648 section 4, with padding)
 *
 * Errors     ORB_ENOMEM, ORB_ETOOBIG; decoding: ORB_EINVAL, what was decoded before stays in `out`.
 */
#ifndef ORB_CLUSTER_BASE64_H
#define ORB_CLUSTER_BASE64_H

#include "pool/buf.h"

int base64_append(struct buf *out, struct slice bytes) ORB_MUST_USE;
int base64_decode(struct buf *out, struct slice text) ORB_MUST_USE;

#endif
