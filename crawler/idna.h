/* idna.h - domain names in ASCII, by UTS #46 as the URL Standard asks for it
 *
 * "Domain to ASCII" with CheckHyphens = false, VerifyDnsLength = false, UseSTD3ASCIIRules = false, CheckBidi and
 * CheckJoiners = true, non-transitional. libidn2 maps and validates; what it does differently is mended in idna.c.
 */
#ifndef ORB_CRAWLER_IDNA_H
#define ORB_CRAWLER_IDNA_H

#include "pool/buf.h"

/* Appends; domain is well-formed UTF-8, escapes decoded. ORB_EINVAL: not a valid name. Forbidden ASCII is the caller's. */
int idna_to_ascii(struct buf *out, struct slice domain) ORB_MUST_USE;

/* idna_valid.c: valid by UTS #46 and refused by libidn2 (or a neighbour that both take) */
bool idna_is_valid_beyond_libidn2(uint32_t point);

#endif
