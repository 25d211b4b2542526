/* conf_check.c - what one knob cannot see alone, and what follows from several */
#include "cluster/base64.h"
#include "cluster/conf_knob.h"
#include "cluster/heap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int ORB_PRINTF(2, 3)
refuse(struct buf *error, const char *fmt, ...)
{
    va_list ap;
    int err;

    va_start(ap, fmt);
    err = buf_vprintf(error, fmt, ap);
    va_end(ap);
    return err != 0 ? ORB_ENOMEM : ORB_EINVAL;
}

bool
conf_is_loopback_host(struct slice host)
{
    char text[64];
    struct in_addr v4;

    if (slice_ends_with(host, SLICE_LITERAL(".")))
        host.n--;
    if (slice_eq_nocase(host, SLICE_LITERAL("localhost")) || slice_eq(host, SLICE_LITERAL("[::1]"))
        || slice_eq(host, SLICE_LITERAL("::1")))
        return true;
    if (host.n > 10 && slice_eq_nocase(slice_sub(host, host.n - 10, 10), SLICE_LITERAL(".localhost")))
        return true;
    if (host.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, SLICE_FMT, SLICE_ARG(host));
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static int
check_contact(const struct conf *conf, bool is_loopback_only, struct buf *error)
{
    if (conf->contact == NULL) {
        if (is_loopback_only)
            return 0;
        return refuse(error, "--contact is missing: the owners of the sites must be able to reach you; "
                             "add --contact you@example.org (or the URL of a page about this crawl)");
    }
    if (strchr(conf->contact, '@') == NULL && strncmp(conf->contact, "http://", 7) != 0
        && strncmp(conf->contact, "https://", 8) != 0)
        return refuse(error, "--contact: \"%s\" is neither a mail address nor an http(s) URL", conf->contact);
    return 0;
}

static bool
is_cidr(const char *text)
{
    char address[64], *end;
    const char *slash = strchr(text, '/');
    unsigned char bytes[16];
    int family;
    long bits;

    if (strcmp(text, "any") == 0)
        return true;
    snprintf(address, sizeof address, "%.*s", (int)(slash == NULL ? strlen(text) : (size_t)(slash - text)), text);
    family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(family, address, bytes) != 1)
        return false;
    if (slash == NULL)
        return true;
    bits = strtol(slash + 1, &end, 10);
    return end != slash + 1 && *end == '\0' && bits >= 0 && bits <= (family == AF_INET ? 32 : 128);
}

/* 127.0.0.1, 127.0.0.1:5353, ::1, [::1], [::1]:53: what c-ares takes; it would say no more than "bad string". */
static bool
is_name_server(struct slice s)
{
    const char *colon = memchr(s.p, ':', s.n), *bracket = s.n > 0 && s.p[0] == '[' ? memchr(s.p, ']', s.n) : NULL;
    struct slice host = s, port = SLICE_NONE;
    unsigned char address[16];
    char text[64], *end;
    bool is_v6 = bracket != NULL;

    if (bracket != NULL) {
        host = slice_of(s.p + 1, (size_t)(bracket - s.p) - 1);
        port = slice_sub(s, host.n + 2, SIZE_MAX);
    } else if (colon != NULL && memchr(colon + 1, ':', s.n - (size_t)(colon + 1 - s.p)) != NULL) {
        is_v6 = true;
    } else if (colon != NULL) {
        host = slice_of(s.p, (size_t)(colon - s.p));
        port = slice_sub(s, host.n, SIZE_MAX);
    }
    if (host.n >= sizeof text || port.n == 1 || port.n > 6 || (port.n > 0 && port.p[0] != ':'))
        return false;
    snprintf(text, sizeof text, SLICE_FMT, SLICE_ARG(host));
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text, address) != 1)
        return false;
    if (port.n == 0)
        return true;
    snprintf(text, sizeof text, SLICE_FMT, SLICE_ARG(slice_sub(port, 1, SIZE_MAX)));
    return text[0] >= '0' && text[0] <= '9' && strtoul(text, &end, 10) - 1 < 65535 && *end == '\0';
}

static int
check_name_servers(const char *list, struct buf *error)
{
    for (struct slice rest = slice_str(list);;) {
        const char *comma = memchr(rest.p, ',', rest.n);
        struct slice one = slice_trim(comma == NULL ? rest : slice_of(rest.p, (size_t)(comma - rest.p)));

        if (!is_name_server(one))
            return refuse(error, "--dns: \"" SLICE_FMT "\" is no address; allowed: 127.0.0.1, 127.0.0.1:5353, [::1]:53",
                          SLICE_ARG(slice_sub(one, 0, 80)));
        if (comma == NULL)
            return 0;
        rest = slice_sub(rest, (size_t)(comma - rest.p) + 1, SIZE_MAX);
    }
}

static int
check_readable(const char *option, const char *path, struct buf *error)
{
    if (path == NULL || access(path, R_OK) == 0)
        return 0;
    return refuse(error, "%s: %s cannot be read: %s", option, path, strerror(errno));
}

static int
check_files(const struct conf *conf, struct buf *error)
{
    int err = check_readable("--hosts-file", conf->hosts_file, error);

    if (err == 0)
        err = check_readable("--ca-file", conf->ca_file, error);
    if (err == 0 && conf->dns_servers != NULL)
        err = check_name_servers(conf->dns_servers, error);
    return err;
}

static int
check_network(const struct conf *conf, struct buf *error)
{
    for (size_t i = 0; i < conf->allow_private.n; i++)
        if (!is_cidr(conf->allow_private.items[i]))
            return refuse(error, "--allow-private: \"%s\" is no address block; allowed: 10.0.0.0/8, fd00::/8, 127.0.0.1, any",
                          conf->allow_private.items[i]);
    if (conf->proxy != NULL && strncmp(conf->proxy, "http://", 7) != 0 && strncmp(conf->proxy, "https://", 8) != 0
        && strncmp(conf->proxy, "socks5://", 9) != 0 && strncmp(conf->proxy, "socks5h://", 10) != 0)
        return refuse(error, "--proxy: \"%s\" is no proxy URL; allowed: http://, https://, socks5://, socks5h://",
                      conf->proxy);
    if (conf->dashboard != NULL && strcmp(conf->dashboard, "off") != 0 && strchr(conf->dashboard, ':') == NULL)
        return refuse(error, "--dashboard: \"%s\" is no address; allowed: 127.0.0.1:7070, [::1]:7070, off", conf->dashboard);
    return 0;
}

static bool
is_token(const char *p, size_t n)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t i = 0; i < n; i++)
        if (memchr(allowed, p[i], sizeof allowed - 1) == NULL)
            return false;
    return n > 0;
}

/* Headers that orb itself writes: a second one would be a request that the server may read in two ways. */
static bool
is_own_header(struct slice name)
{
    static const char *const own[] = { "host", "connection", "content-length", "transfer-encoding", "accept-encoding",
                                       "user-agent", "cookie", "if-none-match", "if-modified-since", "te", "upgrade" };

    for (size_t i = 0; i < ORB_N_ELEMENTS(own); i++)
        if (slice_eq_nocase(name, slice_str(own[i])))
            return true;
    return false;
}

static int
check_headers(const struct conf *conf, struct buf *error)
{
    for (size_t i = 0; i < conf->headers.n; i++) {
        const char *line = conf->headers.items[i], *colon = strchr(line, ':');

        if (colon == NULL || !is_token(line, (size_t)(colon - line)))
            return refuse(error, "--header: \"%.80s\" is no header; allowed: \"Name: value\"", line);
        if (is_own_header(slice_of(line, (size_t)(colon - line))))
            return refuse(error, "--header: orb writes %.*s itself%s", (int)(colon - line), line,
                          strncasecmp(line, "user-agent", 10) == 0 ? "; use --user-agent" : "");
    }
    return 0;
}

/* What nobody gave gives way to what somebody did. */
static void
settle_defaults(struct conf *conf)
{
    if (conf->origin[CONF_KNOB_ip_delay_ms] == CONF_BY_DEFAULT)
        conf->ip_delay_ms = ORB_MIN(conf->ip_delay_ms, conf->delay_ms);
    if (conf->origin[CONF_KNOB_connect_timeout_ms] == CONF_BY_DEFAULT)
        conf->connect_timeout_ms = ORB_MIN(conf->connect_timeout_ms, conf->timeout_ms);
    if (conf->origin[CONF_KNOB_retry_delay_ms] == CONF_BY_DEFAULT)
        conf->retry_delay_ms = ORB_MIN(conf->retry_delay_ms, conf->retry_max_ms);
}

static int
check_memory(const struct conf *conf, struct buf *error)
{
    uint64_t n_pages, ms;

    if (conf->collect_every == NULL || heap_parse_rhythm(conf->collect_every, &n_pages, &ms))
        return 0;
    return refuse(error, "--collect-every: \"%s\" is no rhythm; allowed: \"5000 pages\", \"30s\", \"5m\"", conf->collect_every);
}

static int
check_relations(const struct conf *conf, struct buf *error)
{
    if (conf->origin[CONF_KNOB_max_delay_ms] != CONF_BY_DEFAULT && conf->delay_ms > conf->max_delay_ms)
        return refuse(error, "--delay is longer than --max-delay");
    if (conf->retry_delay_ms > conf->retry_max_ms)
        return refuse(error, "--retry-delay is longer than --retry-max");
    if (conf->connect_timeout_ms > conf->timeout_ms)
        return refuse(error, "--connect-timeout is longer than --timeout");
    if (conf->per_host > conf->concurrency)
        return refuse(error, "--per-host is larger than --concurrency");
    return 0;
}

/* JSON carries the settings to the workers, and JSON is UTF-8. Plain validity, by the shape of the bytes. */
static bool
is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p != '\0') {
        int more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : (*p & 0xf0) == 0xe0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;
        bool is_bad = more < 0 || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0)
                      || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90);

        if (is_bad)
            return false;
        for (p++; more > 0; more--, p++)
            if ((*p & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static int
check_utf8(const struct conf *conf, struct buf *error)
{
    for (size_t i = 0; i < CONF_N_KNOBS; i++) {
        const struct knob *k = &conf_knobs[i];
        const struct conf_list *list = knob_field_const(k, conf);
        const char *text = k->kind == KNOB_TEXT ? *(char *const *)knob_field_const(k, conf) : NULL;
        bool is_good = text == NULL || is_utf8(text);

        for (size_t j = 0; k->kind == KNOB_LIST && j < list->n; j++)
            is_good = is_good && is_utf8(list->items[j]);
        if (!is_good)
            return refuse(error, "--%s: the text is not UTF-8", k->name);
    }
    return 0;
}

/* ---- --auth ---- */

int
conf_add_auth(struct conf *conf, struct slice pattern, struct slice authorization)
{
    struct conf_auth *auths, a;

    if (conf->n_auths >= CONF_MAX_ITEMS)
        return ORB_ETOOBIG;
    auths = mem_realloc(MEM_DEFAULT, conf->auths, (conf->n_auths + 1) * sizeof *auths);
    if (auths == NULL)
        return ORB_ENOMEM;
    conf->auths = auths;
    a.pattern = mem_slicedup(MEM_DEFAULT, pattern);
    a.authorization = mem_slicedup(MEM_DEFAULT, authorization);
    if (a.pattern == NULL || a.authorization == NULL) {
        mem_free(MEM_DEFAULT, a.pattern);
        mem_free(MEM_DEFAULT, a.authorization);
        return ORB_ENOMEM;
    }
    auths[conf->n_auths++] = a;
    return 0;
}

/* "user:password" -> "Basic dXNl..."; "Bearer TOKEN" as it is. */
static int
authorization_of(struct slice line, struct buf *out)
{
    const char *blank = memchr(line.p, ' ', line.n), *colon = memchr(line.p, ':', line.n);
    int err;

    if (blank != NULL && (colon == NULL || blank < colon) && is_token(line.p, (size_t)(blank - line.p)))
        return buf_append_slice(out, line);
    if (colon == NULL)
        return ORB_EINVAL;
    err = buf_append_str(out, "Basic ");
    return err != 0 ? err : base64_append(out, line);
}

static int
read_auth(struct conf *conf, const char *item, struct buf *error)
{
    const char *equals = strchr(item, '=');
    char line[8192];
    struct buf value;
    FILE *f;
    int err;

    if (equals == NULL || equals == item || equals[1] == '\0')
        return refuse(error, "--auth: \"%.80s\" is not HOST=FILE", item);
    f = fopen(equals + 1, "re");
    if (f == NULL)
        return refuse(error, "--auth: %s cannot be read: %s", equals + 1, strerror(errno));
    if (fgets(line, sizeof line, f) == NULL)
        line[0] = '\0';
    fclose(f);
    line[strcspn(line, "\r\n")] = '\0';
    buf_init(&value, MEM_DEFAULT, 16384);
    err = line[0] == '\0' || !is_utf8(line) ? ORB_EINVAL : authorization_of(slice_str(line), &value);
    if (err == ORB_EINVAL)
        err = refuse(error, "--auth: the first line of %s is neither user:password nor `Bearer TOKEN`", equals + 1);
    else if (err == 0)
        err = conf_add_auth(conf, slice_of(item, (size_t)(equals - item)), buf_slice(&value));
    explicit_bzero(line, sizeof line);
    buf_fini(&value);
    return err;
}

static int
settle_user_agent(struct conf *conf)
{
    struct buf text;
    size_t n;
    int err;

    if (conf->user_agent != NULL)
        return 0;
    buf_init(&text, MEM_DEFAULT, 1024);
    err = buf_printf(&text, conf->contact == NULL ? "orbweaver/%s" : "orbweaver/%s (+%s)", ORB_VERSION, conf->contact);
    if (err == 0)
        conf->user_agent = buf_take(&text, &n);
    buf_fini(&text);
    return err;
}

int
conf_check(struct conf *conf, bool is_loopback_only, struct buf *error)
{
    int err;

    CHECK_IS(conf, CONF_MAGIC);
    settle_defaults(conf);
    err = check_utf8(conf, error);
    if (err == 0)
        err = check_contact(conf, is_loopback_only, error);
    if (err == 0)
        err = check_network(conf, error);
    if (err == 0)
        err = check_files(conf, error);
    if (err == 0)
        err = check_headers(conf, error);
    if (err == 0)
        err = check_memory(conf, error);
    if (err == 0)
        err = check_relations(conf, error);
    for (size_t i = conf->n_auths; err == 0 && i < conf->auth_files.n; i++)
        err = read_auth(conf, conf->auth_files.items[i], error);
    return err != 0 ? err : settle_user_agent(conf);
}
