#include "cluster/crawl_read.h"

#include "cluster/batch.h"
#include "cluster/cmd.h"
#include "cluster/crawldir.h"
#include "crawler/fingerprint.h"
#include "crawler/outcome.h"
#include "crawler/parse.h"
#include "storage/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *
name_of_outcome(int n)
{
    return n >= 0 && n < OUTCOME_N ? outcome_name((enum outcome)n) : NULL;
}

static const char *
name_of_kind(int n)
{
    return n >= 0 && n < LINK_N ? link_kind_name((enum link_kind)n) : NULL;
}

/* Not by the crawl's secret: only for comparing within one command. */
static uint64_t
key_of(void *arg, struct slice url)
{
    struct crawl_read *c = arg;

    if (url_parse(&c->url, url, NULL) != 0 || url_key(&c->key, &c->url, c->key_rules) != 0)
        return 0;
    return fingerprint(&c->fingerprint_key, buf_slice(&c->key));
}

int
crawl_read_fail(struct crawl_read *c, int err)
{
    if (err == ORB_ECORRUPT && c->sql != NULL) /* met while reading: SQLite does not say in which file */
        fprintf(stderr, "orb %s: %s: a database of this crawl is damaged (%s); restore it, or move the folder away and begin again\n",
                c->command, c->dir, c->error.n > 0 ? c->error.p : orb_strerror(err));
    else
        fprintf(stderr, "orb %s: %s\n", c->command, c->error.n > 0 ? c->error.p : orb_strerror(err));
    buf_clear(&c->error);
    return EXIT_FAILED;
}

int
crawl_read_open(struct crawl_read *c, const char *command, const char *dir, bool may_write)
{
    struct sql_conf conf = { .dir = dir, .may_write = may_write, .outcome_name = name_of_outcome, .kind_name = name_of_kind,
                             .key = key_of, .arg = c };
    static const unsigned char not_secret[FINGERPRINT_KEY_BYTES];
    char rules[4096];
    int err;

    *c = (struct crawl_read){ .command = command, .dir = dir };
    fingerprint_key_init(&c->fingerprint_key, not_secret);
    url_init(&c->url, MEM_DEFAULT);
    buf_init(&c->key, MEM_DEFAULT, 4 * URL_MAX_BYTES);
    buf_init(&c->error, MEM_DEFAULT, 64 * 1024);
    if (!crawl_is_here(dir)) {
        fprintf(stderr, "orb %s: %s: there is no crawl here (no pages/pages.db); name the folder that `orb crawl -o` was given\n",
                command, dir);
        return ORB_ENOTFOUND;
    }
    err = sql_open(&c->sql, &conf, &c->error);
    if (err != 0) {
        crawl_read_fail(c, err);
        return err;
    }
    snprintf(rules, sizeof rules, "%s/coordinator/" CRAWLDIR_KEY_RULES, dir);
    return access(rules, R_OK) == 0 ? crawl_read_key_rules(c, rules) : 0;
}

int
crawl_read_key_rules(struct crawl_read *c, const char *file)
{
    struct buf text;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? orb_error_from_errno(errno) : 0;

    buf_init(&text, MEM_DEFAULT, 1024 * 1024);
    if (err == 0)
        err = batch_read_all(&text, fd);
    if (err == 0) {
        urlkey_rules_free(&c->key_rules);
        err = urlkey_rules_new(&c->key_rules, buf_slice(&text), &c->error);
    }
    if (err != 0) {
        fprintf(stderr, "orb %s: --key-rules %s: %s\n", c->command, file, c->error.n > 0 ? c->error.p : orb_strerror(err));
        buf_clear(&c->error);
    }
    if (fd >= 0)
        close(fd);
    buf_fini(&text);
    return err;
}

void
crawl_read_close(struct crawl_read *c)
{
    urlkey_rules_free(&c->key_rules);
    sql_close(&c->sql);
    url_fini(&c->url);
    buf_fini(&c->key);
    buf_fini(&c->error);
}

bool
crawl_is_here(const char *dir)
{
    struct stat st;
    char path[4096];

    return snprintf(path, sizeof path, "%s/pages/pages.db", dir) < (int)sizeof path && stat(path, &st) == 0;
}

bool
crawl_is_running(const char *dir)
{
    char path[4096];
    bool is_held;
    int fd;

    snprintf(path, sizeof path, "%s/coordinator/lock", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    is_held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return is_held;
}

/* What must not reach a terminal as it is: C0, C1 (U+0080 .. U+009F), line separators, and what turns the direction of
 * the text around (U+200E .. U+200F, U+2028 .. U+202E, U+2066 .. U+2069). n_seq: bytes of the valid sequence at p. */
static bool
steers_terminal(const char *p, size_t n_seq, unsigned *code)
{
    const unsigned char *b = (const unsigned char *)p;

    *code = b[0];
    if (n_seq == 2)
        *code = (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    else if (n_seq == 3)
        *code = (b[0] & 0xfu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    else if (n_seq == 4)
        return false;
    return *code < 0x20 || (*code >= 0x7f && *code < 0xa0) || *code == 0x200e || *code == 0x200f
           || (*code >= 0x2028 && *code <= 0x202e) || (*code >= 0x2066 && *code <= 0x2069);
}

int
text_append_printable(struct buf *out, struct slice s)
{
    int err = 0;

    while (s.n > 0 && err == 0) {
        size_t n = 0, n_seq;
        unsigned code = 0;

        while ((n_seq = text_utf8_bytes(slice_sub(s, n, SIZE_MAX))) > 0 && !steers_terminal(s.p + n, n_seq, &code))
            n += n_seq;
        err = buf_append(out, s.p, n);
        s = slice_sub(s, n, SIZE_MAX);
        if (err != 0 || s.n == 0)
            break;
        if (n_seq == 0)
            err = buf_append_str(out, "\xef\xbf\xbd");
        else if (code == '\n' || code == '\t' || code == '\r')
            err = buf_append_str(out, code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r");
        else
            err = buf_printf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
        s = slice_sub(s, ORB_MAX(n_seq, (size_t)1), SIZE_MAX);
    }
    return err;
}
