/* idna.h - domain names in ASCII, by UTS #46 as the URL Standard asks for it
 *
 * "Domain to ASCII" with CheckHyphens = false, VerifyDnsLength = false, UseSTD3ASCIIRules = false, CheckBidi and
 * CheckJoiners = true, non-transitional. libidn2 maps and validates; what it does differently is mended here.
 */
#ifndef ORB_CRAWLER_IDNA_H
#define ORB_CRAWLER_IDNA_H

#include "pool/buf.h"

/* Appends; domain is well-formed UTF-8, escapes decoded. ORB_EINVAL: not valid. Forbidden ASCII is the caller's. */
int idna_to_ascii(struct buf *out, struct slice domain) ORB_MUST_USE;

#endif
