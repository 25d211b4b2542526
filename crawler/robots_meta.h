/* robots_meta.h - what <meta name="robots"> and X-Robots-Tag say to us
 *
 * Total: any bytes give bits of enum parse_policy. Directives in any case, separated by commas or blanks; those that take a
 * value (max-snippet, unavailable_after ...) and unknown ones say nothing.
 */
#ifndef ORB_CRAWLER_ROBOTS_META_H
#define ORB_CRAWLER_ROBOTS_META_H

#include "pool/slice.h"

unsigned robots_meta_policy(struct slice content);
/* Header values joined by newlines. In each: directives for all, and behind "token:" for that agent up to the next token.
 * user_agent: our product token, or a whole User-Agent value whose leading token counts. */
unsigned robots_header_policy(struct slice values, struct slice user_agent);

#endif
