/* scope_patterns.h - the user's PCRE2 patterns over URLs, with a bound on the work of a match
 *
 * Compiled once, with JIT where the machine allows it; a match that runs over its limit is neither yes nor no.
 */
#ifndef ORB_CRAWLER_SCOPE_PATTERNS_H
#define ORB_CRAWLER_SCOPE_PATTERNS_H

#include "pool/buf.h"

struct scope_patterns;

enum scope_match { SCOPE_NO_MATCH, SCOPE_MATCH, SCOPE_OVERRUN };

/* NEW; texts is NULL-terminated, or NULL: none. ORB_EINVAL: *error names `what`, the pattern and the place. */
int scope_patterns_new(struct scope_patterns **out, const char *const *texts, const char *what,
                       struct buf *error) ORB_MUST_USE;
void scope_patterns_free(struct scope_patterns **patterns);
unsigned scope_patterns_n(const struct scope_patterns *p);
/* Does any of them match? An overrun counts only when none does. */
enum scope_match scope_patterns_match(const struct scope_patterns *p, struct slice text);

#endif
