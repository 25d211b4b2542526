/* robots_meta.h - what <meta name="robots"> and X-Robots-Tag say to us */
#ifndef ORB_CRAWLER_ROBOTS_META_H
#define ORB_CRAWLER_ROBOTS_META_H

#include "pool/slice.h"

/* Bits of enum parse_policy. Both name lists of directives, in any case, separated by commas or blanks. */
unsigned robots_meta_policy(struct slice content);
/* Header values joined by ", ": directives for all, and behind "token:" for that agent up to the next token. */
unsigned robots_header_policy(struct slice value, struct slice agent);

#endif
