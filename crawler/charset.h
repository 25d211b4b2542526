/* charset.h - which encoding a document is in, and its bytes as clean UTF-8
 *
 * Encodings, labels and the order of the evidence are those of the WHATWG Encoding and HTML standards; where HTML leaves
 * the last resort open: bytes that are valid UTF-8 and not all ASCII are UTF-8, others windows-1252.
 *
 * Single-byte encodings go through a table made once by iconv and corrected where the standard differs; the others
 * through an iconv descriptor that is kept. `replacement` encodings (hz-gb-2312, iso-2022-kr ...) give one U+FFFD.
 *
 * Ownership  struct charset is static: BORROWED for ever. Output bufs are the caller's.
 * Errors     ORB_ENOMEM, ORB_ETOOBIG (the buf's ceiling). Bad bytes are no error: they become U+FFFD.
 * Threads    one.
 */
#ifndef ORB_CRAWLER_CHARSET_H
#define ORB_CRAWLER_CHARSET_H

#include "pool/buf.h"

#define CHARSET_PRESCAN_BYTES 1024

struct charset;

/* Where the knowledge comes from, surest first; a declaration met while parsing overrules only CHARSET_GUESSED. */
enum charset_source { CHARSET_BOM, CHARSET_HEADER, CHARSET_META, CHARSET_GUESSED };

struct charset_verdict {
    const struct charset *charset;
    enum charset_source source;
    uint8_t bom_bytes; /* to be skipped */
};

/* What one look at the bytes tells. */
struct charset_scan {
    bool is_ascii, is_utf8, has_nul;
};

const struct charset *charset_find(struct slice label);     /* any case, blanks around it allowed; NULL = unknown */
const char *charset_name(const struct charset *c);          /* in lower case, static */
const struct charset *charset_utf8(void);
bool charset_is_utf8(const struct charset *c);

/* ASCII bytes mean ASCII in it: an all-ASCII document needs no decoding. */
bool charset_is_ascii_superset(const struct charset *c);

/* The charset parameter of a Content-Type value, the first one that is a known label; NULL = none. */
const struct charset *charset_of_content_type(struct slice content_type);
/* HTML's "algorithm for extracting a character encoding from a meta element". */
const struct charset *charset_of_meta_content(struct slice content);
/* What a declaration inside the document may mean: UTF-16 is UTF-8, x-user-defined windows-1252. NULL stays NULL. */
const struct charset *charset_as_declared(const struct charset *c);
/* HTML's prescan of the first CHARSET_PRESCAN_BYTES; NULL = nothing found. */
const struct charset *charset_prescan(struct slice body);

struct charset_scan charset_scan(struct slice bytes);
struct charset_verdict charset_detect(struct slice body, struct slice content_type, struct charset_scan scan);

/* bytes -> UTF-8 without NULs (U+FFFD), appended to out. */
int charset_decode(const struct charset *c, struct slice bytes, struct buf *out) ORB_MUST_USE;

/* UTF-8 -> the encoding, for a URL's query; a character that does not fit becomes "&#NNN;" in percent-encoding. The shape
 * is url_encode_fn's with the charset as arg. UTF-16 and replacement encode as UTF-8. */
int charset_encode(struct buf *out, struct slice utf8, void *charset) ORB_MUST_USE;
/* True when charset_encode() changes nothing: url_parse() will do. */
bool charset_encodes_as_utf8(const struct charset *c);

/* Closes the kept iconv descriptors. */
void charset_fini(void);

#endif
