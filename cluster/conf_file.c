/* conf_file.c - the config file: `key = value` lines, `#` comments, [host "pattern"] sections
 *
 * A value runs to the end of the line, without the blanks around it; `"a # b"` keeps what is between the quotes.
 * A `#` begins a comment at the start of a line or after a blank.
 */
#include "cluster/conf_knob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct reader {
    struct conf *conf;
    struct conf_host *host; /* NULL above the first section */
    const char *name;
    unsigned line;
    struct buf *error;
};

static int ORB_PRINTF(2, 3)
refuse_line(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    int err = buf_printf(r->error, "%s:%u: ", r->name, r->line);

    va_start(ap, fmt);
    if (err == 0)
        err = buf_vprintf(r->error, fmt, ap);
    va_end(ap);
    return err != 0 ? ORB_ENOMEM : ORB_EINVAL;
}

static struct slice
without_comment(struct slice line)
{
    bool is_quoted = false;

    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '"')
            is_quoted = !is_quoted;
        else if (line.p[i] == '#' && !is_quoted && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
            return slice_sub(line, 0, i);
    }
    return line;
}

static struct slice
unquote(struct slice s)
{
    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? slice_sub(s, 1, s.n - 2) : s;
}

static bool
is_host_pattern(struct slice pattern)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:*[]";
    const char *colon = memrchr(pattern.p, ':', pattern.n);

    if (pattern.n == 0 || pattern.n > 300)
        return false;
    for (size_t i = 0; i < pattern.n; i++)
        if (memchr(allowed, pattern.p[i], sizeof allowed - 1) == NULL || (pattern.p[i] == '*' && i > 0))
            return false;
    if (colon == NULL || memchr(colon, ']', (size_t)(pattern.p + pattern.n - colon)) != NULL)
        return true;
    for (const char *p = colon + 1; p < pattern.p + pattern.n; p++)
        if (*p < '0' || *p > '9')
            return false;
    return colon + 1 < pattern.p + pattern.n && colon > pattern.p;
}

static int
enter_section(struct reader *r, struct slice line)
{
    struct slice inner = slice_trim(slice_sub(line, 1, line.n - 2));

    if (line.p[line.n - 1] != ']' || !slice_starts_with(inner, SLICE_LITERAL("host")))
        return refuse_line(r, "a section is written [host \"*.example.org\"]");
    inner = unquote(slice_trim(slice_sub(inner, 4, inner.n)));
    if (!is_host_pattern(inner))
        return refuse_line(r, "[host \"" SLICE_FMT "\"] names no host; allowed: \"example.org\", \"example.org:8080\", "
                              "\"*.example.org\" (and example.org itself), \"*\"",
                           (int)ORB_MIN(inner.n, (size_t)80), inner.p);
    if (r->conf->n_hosts >= CONF_MAX_HOSTS)
        return refuse_line(r, "more than %d [host] sections", CONF_MAX_HOSTS);
    r->host = conf_add_host(r->conf, inner);
    return r->host == NULL ? ORB_ENOMEM : 0;
}

static int
refuse_key(struct reader *r, struct slice key)
{
    char name[64];
    const char *nearest;

    snprintf(name, sizeof name, "%.*s", (int)ORB_MIN(key.n, sizeof name - 1), key.p);
    nearest = knob_nearest(name);
    return refuse_line(r, "there is no knob \"%s\"%s%s%s (`orb crawl --help` lists them)", name,
                       nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest,
                       nearest == NULL ? "" : "\"?");
}

/* auth in a section is --auth PATTERN=FILE. */
static int
apply_host_auth(struct reader *r, const struct knob *k, struct slice value, const char *prefix)
{
    struct buf joined;
    int err;

    buf_init(&joined, MEM_DEFAULT, 8192);
    err = buf_printf(&joined, "%s=" SLICE_FMT, r->host->pattern, SLICE_ARG(value)) != 0 ? ORB_ENOMEM : 0;
    if (err == 0)
        err = conf_apply(r->conf, k, buf_slice(&joined), CONF_BY_FILE, prefix, r->error);
    buf_fini(&joined);
    return err;
}

static int
read_line(struct reader *r, struct slice line)
{
    const struct knob *k;
    struct slice key, value;
    const char *equals;
    char prefix[512];

    line = slice_trim(without_comment(line));
    if (line.n == 0)
        return 0;
    if (line.p[0] == '[')
        return enter_section(r, line);
    equals = memchr(line.p, '=', line.n);
    if (equals == NULL)
        return refuse_line(r, "this is no `key = value` line");
    key = slice_trim(slice_of(line.p, (size_t)(equals - line.p)));
    value = unquote(slice_trim(slice_of(equals + 1, (size_t)(line.p + line.n - equals - 1))));
    k = knob_find(key);
    if (k == NULL)
        return refuse_key(r, key);
    if (k->flags & CONF_CLI_ONLY)
        return refuse_line(r, "%s is for the command line only", k->name);
    if (r->host != NULL && !(k->flags & CONF_PER_HOST))
        return refuse_line(r, "%s holds for the whole crawl; it cannot stand in a [host] section", k->name);
    snprintf(prefix, sizeof prefix, "%s:%u: %s", r->name, r->line, k->name);
    if (r->host != NULL && k == &conf_knobs[CONF_KNOB_auth_files])
        return apply_host_auth(r, k, value, prefix);
    return conf_apply(r->host != NULL ? r->host->values : r->conf, k, value, CONF_BY_FILE, prefix, r->error);
}

int
conf_read_text(struct conf *conf, const char *name, struct slice text, struct buf *error)
{
    struct reader r = { .conf = conf, .name = name, .error = error };
    int err = 0;

    CHECK_IS(conf, CONF_MAGIC);
    if (slice_starts_with(text, SLICE_LITERAL("\xef\xbb\xbf")))
        text = slice_sub(text, 3, text.n);
    while (text.n > 0 && err == 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end == NULL ? text.n : (size_t)(end - text.p);

        r.line++;
        err = read_line(&r, slice_of(text.p, n));
        text = slice_sub(text, n + (end != NULL), text.n);
    }
    return err;
}

static int
read_all(int fd, struct buf *text)
{
    for (;;) {
        ssize_t n;

        if (text->n >= CONF_MAX_FILE_BYTES)
            return ORB_ETOOBIG;
        if (buf_reserve(text, 16384) != 0)
            return ORB_ENOMEM;
        n = read(fd, text->p + text->n, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? ORB_EIO : 0;
        text->n += (size_t)n;
        text->p[text->n] = '\0';
    }
}

int
conf_read_file(struct conf *conf, const char *path, struct buf *error)
{
    struct buf text;
    int err, fd = open(path, O_RDONLY | O_CLOEXEC);

    buf_init(&text, MEM_DEFAULT, 2 * CONF_MAX_FILE_BYTES);
    err = fd < 0 ? ORB_EIO : read_all(fd, &text);
    if (err == ORB_EIO || err == ORB_ETOOBIG) {
        if (buf_printf(error, "the config file %s cannot be read: %s", path,
                       err == ORB_EIO ? strerror(errno) : "it is larger than 1 MiB") != 0)
            err = ORB_ENOMEM;
        else
            err = ORB_EINVAL;
    } else if (err == 0)
        err = conf_read_text(conf, path, buf_slice(&text), error);
    if (fd >= 0)
        close(fd);
    buf_fini(&text);
    return err;
}
