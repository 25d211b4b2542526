/* coordinator_seed.c - seeds: read, checked, remembered, brought to the door */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"
#include "cluster/log.h"
#include "crawler/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SEED_LINE_MAX_BYTES (64 * 1024)

static bool
is_remembered(const struct coordinator *c, struct slice url)
{
    struct buf known;
    struct slice rest;
    bool is_found = false;

    buf_init(&known, MEM_DEFAULT, BUF_NO_CEILING);
    if (crawldir_read_seeds(&c->dir, &known) != 0)
        buf_clear(&known);
    for (rest = buf_slice(&known); rest.n > 0 && !is_found;) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p);
        is_found = slice_eq(slice_sub(rest, 0, n), url);
        rest = slice_sub(rest, n + 1, SIZE_MAX);
    }
    buf_fini(&known);
    return is_found;
}

/* A seed's redirect leads elsewhere: that belongs to the crawl as well. */
bool
scope_widen(struct coordinator *c, const struct url *target)
{
    /* what is remembered is in the scope already; reading the file for each of many seeds would take for ever */
    if (scope_judge(c->scope, target, 0) != OUTCOME_OUT_OF_SCOPE || scope_add_seed(c->scope, target) != 0)
        return false;
    if (crawldir_add_seed(&c->dir, url_href(target)) != 0)
        log_warning("the scope's new seed could not be written down: at the next start it is not known");
    disk_sync_soon(c);
    log_info("a seed redirects to " SLICE_FMT ": the crawl's scope includes it now",
              SLICE_ARG(url_href(target)));
    return true;
}

int
scope_restore(struct coordinator *c, struct buf *error)
{
    struct buf known;
    struct url u;
    int err;

    buf_init(&known, MEM_DEFAULT, BUF_NO_CEILING);
    url_init(&u, MEM_DEFAULT);
    err = crawldir_read_seeds(&c->dir, &known);
    for (struct slice rest = buf_slice(&known); err == 0 && rest.n > 0;) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p);
        if (url_parse(&u, slice_sub(rest, 0, n), NULL) == 0)
            err = scope_add_seed(c->scope, &u);
        rest = slice_sub(rest, n + 1, SIZE_MAX);
    }
    if (err != 0 && buf_printf(error, "cannot read the seeds of %s: %s", c->dir.path, orb_strerror(err)) != 0)
        buf_clear(error);
    url_fini(&u);
    buf_fini(&known);
    return err;
}

static int
say(struct buf *why, const char *text)
{
    buf_clear(why);
    return buf_append_str(why, text);
}

enum front_verdict
seed_offer(struct coordinator *c, struct slice text, bool is_wanted, struct buf *why)
{
    struct front_link link = { .kind = LINK_SEED, .is_seed = true, .is_wanted = is_wanted };
    enum front_verdict verdict = FRONT_ERROR;
    struct url u;
    bool is_wider, is_known;
    int err;

    buf_clear(why);
    url_init(&u, MEM_DEFAULT);
    err = url_parse(&u, text, NULL);
    if (err == ORB_ENOMEM)
        goto done;
    if (err != 0 || !url_is_http(&u)) {
        if (say(why, "is no http or https URL") != 0)
            buf_clear(why);
        verdict = FRONT_NOT_CANONICAL;
        goto done;
    }
    url_drop_fragment(&u);
    is_wider = scope_judge(c->scope, &u, 0) == OUTCOME_OUT_OF_SCOPE;
    if (scope_add_seed(c->scope, &u) != 0)
        goto done;
    link.url = url_href(&u);
    if (front_report_begin(c->front, 0, 0) != 0)
        goto done;
    verdict = front_offer(c->front, &link);
    /* Before the journal has it: one that is known there, but not in the file, would lose its scope at the next start. One
     * that a power cut has taken from the file alone is SEEN, and is_wider. */
    is_known = verdict != FRONT_NEW && !(is_wider && (verdict == FRONT_AGAIN || verdict == FRONT_SEEN));
    if (!is_known && crawldir_add_seed(&c->dir, link.url) != 0)
        verdict = FRONT_ERROR;
    if (is_wanted)
        disk_sync_soon(c);
    if (front_report_end(c->front, clock_now_ms(), clock_wall_ms()) != 0)
        verdict = FRONT_ERROR;
    if (verdict == FRONT_EXCLUDED && say(why, "is excluded by the crawl's own rules (--exclude, --include, traps)") != 0)
        buf_clear(why);
done:
    url_fini(&u);
    return verdict;
}

/* While the journal has more than it can take: its completions come through the loop. A journal that cannot write any more
 * ends the crawl. */
static int
wait_for_journal(struct coordinator *c, struct buf *error)
{
    while (front_is_congested(c->front) && c->end != END_FAILED)
        ev_run(c->loop, EVRUN_ONCE);
    if (c->end != END_FAILED)
        return 0;
    if (buf_append_str(error, c->end_sentence) != 0)
        buf_clear(error);
    return ORB_EIO;
}

/* The same command goes on with a crawl; another list of seeds is another crawl, and its folder another one. The first
 * seed tells. */
static int
check_first_seed(struct coordinator *c, struct slice text, struct buf *error)
{
    struct buf known;
    struct url u;
    int err = 0;

    if (c->has_first_seed)
        return 0;
    url_init(&u, MEM_DEFAULT);
    buf_init(&known, MEM_DEFAULT, BUF_NO_CEILING);
    if (url_parse(&u, text, NULL) == 0 && url_is_http(&u)) {
        c->has_first_seed = true;
        url_drop_fragment(&u);
        err = crawldir_read_seeds(&c->dir, &known);
        if (err == 0 && known.n > 0 && !is_remembered(c, url_href(&u))) {
            size_t n = strcspn(known.p, "\n");
            err = ORB_EEXIST;
            if (buf_printf(error, "%s holds another crawl, of " SLICE_FMT "; choose another folder with -o, or add to it with `orb add`",
                           c->dir.path, SLICE_ARG(slice_sub(buf_slice(&known), 0, n))) != 0)
                buf_clear(error);
        }
    }
    url_fini(&u);
    buf_fini(&known);
    return err;
}

static int
take_line(struct coordinator *c, const char *file, unsigned line_number, struct slice line, struct buf *error)
{
    struct buf why;
    int err;

    if (line_number == 1 && slice_starts_with(line, SLICE_LITERAL("\xef\xbb\xbf"))) /* some editors begin with it */
        line = slice_sub(line, 3, SIZE_MAX);
    line = slice_trim(line);
    if (line.n == 0 || line.p[0] == '#')
        return 0;
    err = check_first_seed(c, line, error);
    if (err != 0)
        return err;
    buf_init(&why, MEM_DEFAULT, 4096);
    switch (seed_offer(c, line, false, &why)) {
    case FRONT_NEW:
    case FRONT_SEEN:
    case FRONT_AGAIN:
        break;
    default:
        c->seeds_refused++;
        if (line_number > 0)
            log_warning("%s:%u: \"" SLICE_FMT "\" %s; skipped", file, line_number,
                      SLICE_ARG(slice_sub(line, 0, 200)), why.n > 0 ? why.p : "could not be taken");
        else
            log_warning("seed \"" SLICE_FMT "\" %s; skipped", SLICE_ARG(slice_sub(line, 0, 200)),
                      why.n > 0 ? why.p : "could not be taken");
    }
    buf_fini(&why);
    if (++c->n_seed_lines % 256 == 0)
        ev_run(c->loop, EVRUN_NOWAIT); /* orb status is answered while a long list is read */
    return wait_for_journal(c, error);
}

/* The whole lines of `pending`. */
static int
take_lines(struct coordinator *c, const char *path, unsigned *line_number, struct buf *pending, struct buf *error)
{
    const char *end;
    size_t from = 0;
    int err = 0;

    while (err == 0 && (end = memchr(pending->p + from, '\n', pending->n - from)) != NULL) {
        size_t line_bytes = (size_t)(end - pending->p) - from;

        err = take_line(c, path, ++*line_number, slice_of(pending->p + from, line_bytes), error);
        from += line_bytes + 1;
    }
    buf_drop_front(pending, from);
    return err;
}

static int
read_error(const char *path, struct buf *error)
{
    int err = orb_error_from_errno(errno);

    if (buf_printf(error, "cannot read the seed file %s: %s", path, strerror(errno)) != 0)
        buf_clear(error);
    return err;
}

/* What follows the end of a line that is too long; it stays `is_skipping` while that has not come. */
static struct slice
rest_after_line(struct slice bytes, bool *is_skipping, unsigned *line_number)
{
    const char *end = memchr(bytes.p, '\n', bytes.n);

    *is_skipping = end == NULL;
    *line_number += end != NULL;
    return end == NULL ? SLICE_NONE : slice_sub(bytes, (size_t)(end - bytes.p) + 1, SIZE_MAX);
}

static int
read_seed_file(struct coordinator *c, const char *path, struct buf *error)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC), err = 0;
    unsigned line_number = 0;
    struct buf pending;
    char chunk[65536];
    bool is_skipping = false;
    ssize_t n;

    if (fd < 0)
        return read_error(path, error);
    buf_init(&pending, MEM_DEFAULT, SEED_LINE_MAX_BYTES + sizeof chunk);
    while (err == 0 && (n = read(fd, chunk, sizeof chunk)) != 0) {
        struct slice more = slice_of(chunk, (size_t)n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err = read_error(path, error);
            break;
        }
        if (is_skipping)
            more = rest_after_line(more, &is_skipping, &line_number);
        err = buf_append_slice(&pending, more);
        if (err == 0)
            err = take_lines(c, path, &line_number, &pending, error);
        if (err == 0 && pending.n > SEED_LINE_MAX_BYTES) {
            log_warning("%s:%u: a line of over %d bytes; skipped", path, line_number + 1, SEED_LINE_MAX_BYTES);
            c->seeds_refused++;
            buf_clear(&pending);
            is_skipping = true;
        }
    }
    if (err == 0)
        err = take_line(c, path, line_number + 1, buf_slice(&pending), error);
    buf_fini(&pending);
    close(fd);
    return err;
}

int
seed_files_read(struct coordinator *c, struct buf *error)
{
    int err = 0;

    for (size_t i = 0; err == 0 && i < c->conf->seeds.n; i++)
        err = take_line(c, "seed", 0, slice_str(c->conf->seeds.items[i]), error);
    for (size_t i = 0; err == 0 && i < c->conf->seed_files.n; i++)
        err = read_seed_file(c, c->conf->seed_files.items[i], error);
    return err;
}
