/* urlkey_rules.h - between urlkey.c and urlkey_rules.c */
#ifndef ORB_CRAWLER_URLKEY_RULES_H
#define ORB_CRAWLER_URLKEY_RULES_H

#include "crawler/url_chars.h"
#include "crawler/urlkey.h"

#define URLKEY_RULES_MAGIC 0x6b657972u

struct urlkey_rule {
    bool is_drop, is_path, is_prefix;
    uint8_t name_bytes;
    char name[URLKEY_MAX_NAME_BYTES]; /* lower case */
};

struct urlkey_rules {
    uint32_t magic;
    unsigned n, cap;
    bool may_begin[2][256]; /* [is_path]: a name with this first byte is worth the walk */
    struct urlkey_rule *rules;
};

const struct urlkey_rules *urlkey_rules_builtin(void); /* BORROWED, static */

/* name as it stands in the key: escapes normalised */
bool urlkey_rules_drop(const struct urlkey_rules *r, struct slice name, bool is_path);

#endif
