/* conf.h - the settings of one crawl: command line, config file, JSON to the workers - all from one table
 *
 * conf_table.h lists every knob; it makes the fields of struct conf, --help, the config file's keys, validation with a
 * sentence, and the JSON form. A later source wins over an earlier one: default < config file < command line.
 *
 *   # crawl.conf
 *   contact = you@example.org
 *   delay = 2s
 *   [host "*.example.org"]
 *   delay = 500ms
 *
 * Ownership  a struct conf owns its texts and lists: conf_init ... conf_fini. Fields are BORROWED by readers.
 * Errors     ORB_EINVAL: `error` holds one sentence that names the option (or file and line) and what is allowed;
 *            ORB_ENOMEM. After an error the conf may be read in part and must still be given to conf_fini().
 * Limits     config files up to 1 MiB, 10,000 items per list, 1,000 [host] sections.
 */
#ifndef ORB_CLUSTER_CONF_H
#define ORB_CLUSTER_CONF_H

#include "pool/buf.h"

struct conf_list {
    char **items; /* NULL-terminated when n > 0 */
    size_t n;
};

#define CONF_TYPE_COUNT uint64_t
#define CONF_TYPE_BYTES uint64_t
#define CONF_TYPE_MS uint64_t
#define CONF_TYPE_TEXT char *
#define CONF_TYPE_LIST struct conf_list
#define CONF_TYPE_CHOICE int
#define CONF_TYPE_SWITCH bool
#define CONF_TYPE_FLAG bool

enum conf_knob {
#define KNOB(kind, field, ...) CONF_KNOB_##field,
#include "cluster/conf_table.h"
#undef KNOB
    CONF_N_KNOBS
};

enum conf_robots { CONF_OBEY, CONF_IGNORE };
enum conf_meta_robots { CONF_META_OBEY, CONF_META_NOFOLLOW, CONF_META_IGNORE };
enum conf_cookies { CONF_COOKIES_OFF, CONF_COOKIES_HOST };
enum conf_origin { CONF_BY_DEFAULT, CONF_BY_FILE, CONF_BY_COMMAND_LINE, CONF_BY_COORDINATOR };

struct conf_host { /* one [host "pattern"] section */
    char *pattern;
    struct conf *values; /* only what has an origin other than default counts */
};

struct conf_auth { /* what --auth files said */
    char *pattern;
    char *authorization; /* the header's value: "Basic ..." */
};

struct conf {
    uint32_t magic;
    uint8_t origin[CONF_N_KNOBS]; /* enum conf_origin */
#define KNOB(kind, field, ...) CONF_TYPE_##kind field;
#include "cluster/conf_table.h"
#undef KNOB
    struct conf_list seeds; /* URLs given as arguments */
    struct conf_host *hosts;
    size_t n_hosts;
    struct conf_auth *auths; /* made by conf_check() */
    size_t n_auths;
    bool wants_help;
};

int conf_init(struct conf *conf) ORB_MUST_USE; /* the defaults; ORB_ENOMEM */
void conf_fini(struct conf *conf);

/* argv[0] is the command's name; options and seeds may stand in any order, "--" ends options. Reads --config first. */
int conf_parse_argv(struct conf *conf, int argc, char **argv, struct buf *error) ORB_MUST_USE;
int conf_read_file(struct conf *conf, const char *path, struct buf *error) ORB_MUST_USE;
/* The same from memory; `name` stands in messages. */
int conf_read_text(struct conf *conf, const char *name, struct slice text, struct buf *error) ORB_MUST_USE;
/* One knob, as in a config file: for tests and for constructed crawls. */
int conf_set(struct conf *conf, const char *name, const char *value, struct buf *error) ORB_MUST_USE;

/* What one knob cannot see alone: --contact (unless all seeds are on loopback), addresses, header syntax, delays that
 * contradict; reads the --auth files; fills what follows from other knobs (user_agent; ip_delay_ms <= delay_ms,
 * connect_timeout_ms <= timeout_ms, retry_delay_ms <= retry_max_ms where the smaller one is the default). */
int conf_check(struct conf *conf, bool is_loopback_only, struct buf *error) ORB_MUST_USE;
/* "127.x.y.z", "[::1]", "localhost", "x.localhost": for conf_check()'s argument. */
bool conf_is_loopback_host(struct slice host);

struct conf_host_settings { /* what counts for one host; BORROWED from the conf */
    uint64_t delay_ms, max_per_host, per_host;
    int meta_robots;           /* enum conf_meta_robots */
    const char *authorization; /* NULL = none */
};

/* Sections are looked at in the file's order, a later one wins. "*.example.org" matches example.org and all below it,
 * "example.org:8080" that port only. */
void conf_host_settings(const struct conf *conf, struct slice host, uint16_t port, struct conf_host_settings *out);

/* What workers need, as one JSON object of texts: {"delay":"1s",...,"hosts":[...],"authorizations":[...]}. It holds
 * secrets when with_secrets. conf_from_json() starts from defaults and checks as a config file is checked. */
int conf_to_json(const struct conf *conf, bool with_secrets, struct buf *out) ORB_MUST_USE;
int conf_from_json(struct conf *conf, struct slice json, struct buf *error) ORB_MUST_USE;

/* The text of --help for `orb crawl`. */
int conf_help(struct buf *out) ORB_MUST_USE;

#endif
