/* html_reference.h - character references: "&amp;", "&#163;" and the like (https://html.spec.whatwg.org/#character-reference-state)
 *
 * libxml2 2.9 resolves those of HTML 4, with their ';'. What else the standard resolves is put before it in a form that it
 * knows; what is no reference at all, and would end an attribute's value there, is told from one.
 *
 *   "&COPY" "&copy"    the old names without ';' (but not before '=' or a letter: "?a=1&copy=2" is a query)
 *   "&colon;" "&sol;"  names of HTML 5 for what stands in ASCII
 *   "&#12;" "&#150;" "&#0;"   control characters, windows-1252 where C1 was meant, U+FFFD for what is no character
 *   "&#top"            no digits: an ampersand
 *
 * Names of HTML 5 beyond ASCII stay as they are: they are text, not markup of links.
 * Errors     ORB_ENOMEM, ORB_ETOOBIG (the buffer's ceiling).
 */
#ifndef ORB_CRAWLER_HTML_REFERENCE_H
#define ORB_CRAWLER_HTML_REFERENCE_H

#include "pool/buf.h"

/* The document with such references mended; out stays empty when there are none. By the rules of attributes, everywhere. */
int html_mend(struct buf *out, struct slice document) ORB_MUST_USE;

#endif
