/* cmd_why.c - `orb why`: the whole life of one URL, as the running crawl tells it, or else as its files do */
#include "cluster/cmd.h"
#include "cluster/control_client.h"
#include "cluster/crawl_read.h"
#include "crawler/outcome.h"
#include "crawler/url.h"

#include <stdio.h>
#include <string.h>

static void
print_value(const json_t *value)
{
    if (json_is_string(value))
        control_print_text(json_string_value(value));
    else
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
}

/* One level of nesting; anything deeper is printed as JSON. */
static void
print_flat(const json_t *value)
{
    const char *comma = "", *key;
    json_t *object = (json_t *)value, *item;
    size_t i;

    if (json_is_array(value)) {
        json_array_foreach(value, i, item) {
            printf("%s", comma);
            print_value(item);
            comma = ", ";
        }
        return;
    }
    json_object_foreach(object, key, item) {
        printf("%s%s ", comma, key);
        print_value(item);
        comma = ", ";
    }
}

/* ---- from the files ------------------------------------------------------------------------------------------------- */

struct table {
    json_t *object; /* the last row */
};

static int
on_row(void *arg, const char *const *names, const struct sql_cell *cells, int n)
{
    struct table *t = arg;

    for (int i = 0; cells != NULL && i < n; i++) {
        if (cells[i].type == SQL_NULL)
            continue;
        json_object_set_new(t->object, names[i], cells[i].type == SQL_INT ? json_integer((json_int_t)cells[i].number)
                                                                         : json_stringn(cells[i].bytes.p, cells[i].bytes.n));
    }
    return 0;
}

/* The query with every '?' replaced by the URL as an SQL text. */
static int
run_for_url(struct crawl_read *c, const char *query, struct slice url, struct table *t)
{
    struct buf text;
    int err = 0;

    buf_init(&text, MEM_DEFAULT, 1 << 20);
    for (; err == 0 && *query != '\0'; query++) {
        if (*query != '?') {
            err = buf_append_char(&text, *query);
            continue;
        }
        err = buf_append_char(&text, '\'');
        for (size_t i = 0; err == 0 && i < url.n; i++)
            err = buf_append_str(&text, url.p[i] == '\'' ? "\'\'" : (char[]){ url.p[i], '\0' });
        if (err == 0)
            err = buf_append_char(&text, '\'');
    }
    if (err == 0)
        err = sql_run(c->sql, buf_slice(&text), on_row, t, &c->error);
    buf_fini(&text);
    return err;
}

/* What the journal knows of the URL's host; what a running crawl has said of it stays. */
static int
read_host(struct crawl_read *c, json_t *into)
{
    struct table row = { json_object() };
    json_t *host = json_object_get(into, "host");
    char query[800];
    int err;

    snprintf(query, sizeof query,
             "SELECT host_id, origin, CASE WHEN fails > 0 AND retry_at > unixepoch() * 1000 THEN 'backing off' "
             "WHEN coalesce(robots_until, 0) = 0 THEN 'new' ELSE 'open' END AS state, "
             "CASE WHEN crawl_delay >= 0 THEN crawl_delay END AS crawl_delay_ms, coalesce(robots_status, 0) AS robots_status, "
             "coalesce(robots_until, 0) AS robots_until, addresses, coalesce(fails, 0) AS failures, "
             "strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', retry_at / 1000, 'unixepoch') AS next_at "
             "FROM frontier.host WHERE host_id = (SELECT host_id FROM frontier.url WHERE url_id = %" JSON_INTEGER_FORMAT ")",
             json_integer_value(json_object_get(into, "url_id")));
    err = sql_run(c->sql, slice_str(query), on_row, &row, &c->error);
    if (host != NULL)
        json_object_update_missing(host, row.object);
    else if (json_object_size(row.object) > 0)
        json_object_set(into, "host", row.object);
    json_decref(row.object);
    return err;
}

/* A URL may end, or wait, without having been asked itself: its attempts say nothing then. */
static void
add_note(json_t *into)
{
    const char *state = json_string_value(json_object_get(into, "state"));
    json_int_t n = json_integer_value(json_object_get(json_object_get(into, "host"), "failures"));
    bool is_over = state != NULL && strcmp(state, "failed") == 0;

    if (n == 0 || state == NULL || json_integer_value(json_object_get(into, "attempts")) > 0)
        return;
    if (is_over || strcmp(state, "queued") == 0 || strcmp(state, "ready") == 0)
        json_object_set_new(into, "note", json_sprintf("not asked itself%s: its host was tried %" JSON_INTEGER_FORMAT
                                                       " time%s and could not be reached",
                                                       is_over ? "" : " yet", n, n == 1 ? "" : "s"));
}

/* The journal's row and the page's; ORB_ENOTFOUND. */
static int
read_files(struct crawl_read *c, const char *text, json_t *into, bool want_journal)
{
    struct table row = { into };
    size_t n_before = json_object_size(into);
    const char *outcome_name_text;
    enum outcome outcome;
    int err = url_parse(&c->url, slice_str(text), NULL);

    if (err != 0)
        return err;
    url_drop_fragment(&c->url);
    if (want_journal)
        err = run_for_url(c,
                          "SELECT u.url_id, u.url, state(u.state) AS state, outcome(u.outcome) AS outcome, u.status, "
                          "coalesce(u.attempts, 0) AS attempts, coalesce(u.depth, 0) AS depth, "
                          "coalesce(u.hops, 0) AS redirect_hops, u.retry_at, "
                          "strftime('%Y-%m-%dT%H:%M:%SZ', u.ended_at / 1000, 'unixepoch') AS ended_at, "
                          "v.url AS found_by "
                          "FROM frontier.url u LEFT JOIN frontier.url v ON v.url_id = u.via WHERE u.url = ?",
                          url_href(&c->url), &row);
    if (err == 0)
        err = run_for_url(c,
                          "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', fetched_at / 1000, 'unixepoch') AS fetched_at, fetch_ms, content_type, "
                          "charset, title, body_bytes, redirect_to, error, withheld || ': the page asked not to be kept' AS withheld, "
                          "warc_file, warc_offset, warc_bytes "
                          "FROM page WHERE url = ?",
                          url_href(&c->url), &row);
    if (err == 0 && sql_has_frontier(c->sql))
        err = read_host(c, into);
    outcome_name_text = json_string_value(json_object_get(into, "outcome"));
    if (outcome_name_text != NULL && outcome_from_name(slice_str(outcome_name_text), &outcome))
        json_object_set_new(into, "because", json_string(outcome_sentence(outcome)));
    return err != 0 ? err : json_object_size(into) == n_before && want_journal ? ORB_ENOTFOUND : 0;
}

static int
why_from_files(const struct control_args *args, json_t *into, bool want_journal)
{
    struct crawl_read c;
    int code = EXIT_DONE, err;

    if (crawl_read_open(&c, "why", args->dir, false) != 0) {
        crawl_read_close(&c);
        return EXIT_FAILED;
    }
    err = read_files(&c, args->urls[0], into, want_journal);
    if (err == ORB_EINVAL && c.error.n == 0) {
        fprintf(stderr, "orb why: \"%s\" is no URL; give it with its scheme: https://example.org/page\n", args->urls[0]);
        code = EXIT_USAGE;
    } else if (err == ORB_ENOTFOUND) {
        fprintf(stderr, "orb why: this crawl has never met %s\n", args->urls[0]);
        code = EXIT_FAILED;
    } else if (err != 0) {
        code = crawl_read_fail(&c, err);
    }
    crawl_read_close(&c);
    return code;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------- */

static void
print_answer(const json_t *answer, bool is_json)
{
    json_t *object = (json_t *)answer, *value;
    const char *key;

    if (is_json) {
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        printf("\n");
        return;
    }
    json_object_foreach(object, key, value) {
        printf("%-16s ", key);
        if (json_is_object(value) || json_is_array(value))
            print_flat(value);
        else
            print_value(value);
        printf("\n");
    }
}

int
cmd_why(int argc, char **argv)
{
    static const struct control_command command = {
        .name = "why", .usage = "[DIR] URL [--json]", .sentence = "the whole life of one URL", .has_json = true,
        .n_urls_min = 1, .n_urls_max = 1,
    };
    struct control_args args;
    json_t *answer = NULL;
    int why, code = control_parse(&command, argc, argv, &args);

    if (code >= 0)
        return code;
    code = control_try("why", args.dir, json_pack("{s:s,s:s}", "cmd", "why", "url", args.urls[0]), &answer, &why);
    if (code == CONTROL_NOBODY) {
        answer = json_object();
        code = why_from_files(&args, answer, true);
    } else if (code == EXIT_DONE && crawl_is_running(args.dir)) {
        code = why_from_files(&args, answer, false);
    }
    json_object_del(answer, "ok");
    add_note(answer);
    if (code == EXIT_DONE)
        print_answer(answer, args.is_json);
    json_decref(answer);
    return code;
}
