/* idna_internal.h - between idna.c (names), idna_label.c, idna_text.c and idna_valid.c */
#ifndef ORB_CRAWLER_IDNA_INTERNAL_H
#define ORB_CRAWLER_IDNA_INTERNAL_H

#include "crawler/punycode.h"

#define IDNA_PREFIX_BYTES 4 /* "xn--" */

struct idna_points {
    uint32_t p[PUNYCODE_MAX_POINTS];
    size_t n;
};

/* Appends one label, mapped and checked. ORB_EINVAL: not valid. */
int idna_append_label(struct buf *out, struct slice label) ORB_MUST_USE;

/* The code point at *i of well-formed UTF-8; *i goes behind it. */
uint32_t idna_next_point(struct slice s, size_t *i);
int idna_append_point(struct buf *out, uint32_t c) ORB_MUST_USE;
int idna_append_lower(struct buf *out, struct slice s) ORB_MUST_USE; /* ASCII */
bool idna_is_ascii(struct slice s);
bool idna_is_encoded(struct slice label); /* begins with "xn--" */
bool idna_is_right_to_left(uint32_t c);   /* Bidi class R, AL or AN, by blocks */

/* Valid by UTS #46 and refused by libidn2. */
bool idna_is_valid_beyond_libidn2(uint32_t point);

#endif
