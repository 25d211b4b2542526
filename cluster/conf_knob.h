/* conf_knob.h - one row of the knob table as data; for conf_*.c and the dashboard's settings page
 *
 * Errors   knob_set(): ORB_EINVAL with a sentence appended to error (without a prefix), ORB_ENOMEM; the value is as before.
 */
#ifndef ORB_CLUSTER_CONF_KNOB_H
#define ORB_CLUSTER_CONF_KNOB_H

#include "cluster/conf.h"

#define CONF_MAGIC 0xc0f10e55u
#define CONF_MAX_ITEMS 10000
#define CONF_MAX_HOSTS 1000
#define CONF_MAX_FILE_BYTES (1024 * 1024)

enum {
    CONF_PER_HOST = 1,
    CONF_NONE_IS_0 = 2,
    CONF_NONE_IS_MAX = 4,
    CONF_CORES = 8,
    CONF_LOCAL = 16,
    CONF_CLI_ONLY = 32,
};

enum knob_kind { KNOB_COUNT, KNOB_BYTES, KNOB_MS, KNOB_TEXT, KNOB_LIST, KNOB_CHOICE, KNOB_SWITCH, KNOB_FLAG };

enum knob_section {
#define CONF_SECTION_ENUM(id, title) SECTION_##id,
#define KNOB(...)
#include "cluster/conf_table.h"
#undef KNOB
    CONF_SECTIONS(CONF_SECTION_ENUM) SECTION_N
#undef CONF_SECTION_ENUM
};

struct knob {
    const char *name, *default_text, *argument, *sentence;
    uint64_t min, max;
    size_t offset; /* in struct conf */
    enum knob_kind kind;
    enum knob_section section;
    unsigned flags;
    char letter; /* 0 = none */
};

extern const struct knob conf_knobs[CONF_N_KNOBS];

const struct knob *knob_find(struct slice name);      /* BORROWED or NULL */
const char *knob_nearest(const char *name);           /* the knob somebody may have meant, or NULL */
const char *knob_section_title(enum knob_section section);
/* Parses and stores; a list grows by one item. */
int knob_set(const struct knob *k, struct conf *conf, struct slice text, struct buf *error) ORB_MUST_USE;
/* The value as knob_set() reads it; not for lists. An unset text gives "". */
int knob_print(const struct knob *k, const struct conf *conf, struct buf *out) ORB_MUST_USE;
/* "0 to 1h, such as 500ms": what is allowed. */
int knob_print_allowed(const struct knob *k, struct buf *out) ORB_MUST_USE;
int knob_print_number(const struct knob *k, uint64_t value, struct buf *out) ORB_MUST_USE;
void knob_fini(const struct knob *k, struct conf *conf);
int conf_list_add(struct conf_list *list, struct slice item) ORB_MUST_USE;
void conf_list_fini(struct conf_list *list);
/* A new section (or the one with that very pattern); NULL: out of memory or too many. BORROWED. */
struct conf_host *conf_add_host(struct conf *conf, struct slice pattern);
int conf_add_auth(struct conf *conf, struct slice pattern, struct slice authorization) ORB_MUST_USE;
/* Sets one knob with its rules on origin; `prefix` ("--delay", "crawl.conf:3: delay") begins the message. */
int conf_apply(struct conf *conf, const struct knob *k, struct slice text, enum conf_origin origin, const char *prefix,
               struct buf *error) ORB_MUST_USE;

static inline void *
knob_field(const struct knob *k, struct conf *conf)
{
    return (char *)conf + k->offset;
}

static inline const void *
knob_field_const(const struct knob *k, const struct conf *conf)
{
    return (const char *)conf + k->offset;
}

#endif
