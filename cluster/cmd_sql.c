/* cmd_sql.c - `orb sql`: pages.db and frontier.db under one roof */
#include "cluster/cmd.h"

#include "cluster/batch.h"
#include "cluster/crawl_read.h"
#include "storage/text.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#define SAMPLE_ROWS 200   /* of a table on a terminal: their widths are the columns' */
#define MAX_WIDTH 60
#define MAX_COLUMNS 200

static const char help[] =
    "usage: orb sql DIR [QUERY] [--json] [--write]\n\n"
    "Asks a crawl's databases. Without QUERY it is read from standard input. Aligned columns on a terminal, else one row\n"
    "a line with tabs between (tab, newline and control characters as \\t, \\n, \\xNN); --json: one object a line.\n\n"
    "  page            one row per answered URL: url, status, title, outcome, fetched_at, body_bytes, links, warc_file ...\n"
    "  frontier.url    one row per URL ever seen: url_id, url, via, depth, state, outcome, status, attempts ...\n"
    "  frontier.host   hosts: origin, addresses, robots_status, crawl_delay ...\n"
    "  links(blob)     the links of a page: url, kind, flags, not_followed\n"
    "  outcome(n), state(n), kind(n)   names of the frontier's numbers; surt(url) sorts by site\n\n"
    "  orb sql DIR \"SELECT status, count(*) FROM page GROUP BY 1\"\n"
    "  orb sql DIR \"SELECT state(state), outcome(outcome), count(*) FROM frontier.url GROUP BY 1, 2\"\n"
    "  orb sql DIR \"SELECT p.url, l.url FROM page p, links(p.links) l WHERE l.kind = 'canonical'\"\n"
    "  orb sql DIR \".schema\"   prints the tables\n\n"
    "A running crawl may be asked too. --write allows changes: only while no crawl runs.\n\n"
    "exit codes: 0 done, 1 failed, 2 usage\n";

struct printer {
    bool is_json, is_table;
    struct buf line;              /* being made */
    /* a table's first rows, held back until their widths are known */
    struct buf sample;            /* cells, each ended by NUL */
    unsigned n_sample, n_columns, width[MAX_COLUMNS];
    bool is_right[MAX_COLUMNS];
};

static unsigned
n_characters(const char *p, size_t n)
{
    unsigned count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

static int
append_cell(struct buf *out, const struct sql_cell *cell)
{
    return cell->type == SQL_BLOB ? buf_append_hex(out, cell->bytes) : text_append_printable(out, cell->bytes);
}

static int
append_json_cell(struct buf *out, const struct sql_cell *cell)
{
    int err;

    switch (cell->type) {
    case SQL_NULL: return buf_append_str(out, "null");
    case SQL_INT: return buf_append_slice(out, cell->bytes);
    case SQL_REAL: /* JSON has no infinity */
        return cell->real - cell->real == 0 ? buf_append_slice(out, cell->bytes) : buf_append_str(out, "null");
    case SQL_BLOB:
        err = buf_append_char(out, '"');
        if (err == 0)
            err = buf_append_hex(out, cell->bytes);
        return err == 0 ? buf_append_char(out, '"') : err;
    default: return text_append_json(out, cell->bytes);
    }
}

static int
write_line(struct printer *p)
{
    bool is_written = fwrite(p->line.p, 1, p->line.n, stdout) == p->line.n && putc('\n', stdout) != EOF;

    buf_clear(&p->line);
    return is_written ? 0 : ORB_EIO;
}

static int
print_json(struct printer *p, const char *const *names, const struct sql_cell *cells, int n)
{
    int err = 0;

    if (cells == NULL)
        return 0;
    for (int i = 0; i < n && err == 0; i++) {
        err = buf_append_str(&p->line, i == 0 ? "{" : ", ");
        if (err == 0)
            err = text_append_json(&p->line, slice_str(names[i]));
        if (err == 0)
            err = buf_append_str(&p->line, ": ");
        if (err == 0)
            err = append_json_cell(&p->line, &cells[i]);
    }
    if (err == 0)
        err = buf_append_char(&p->line, '}');
    return err == 0 ? write_line(p) : err;
}

static int
print_tsv(struct printer *p, const char *const *names, const struct sql_cell *cells, int n)
{
    int err = 0;

    if (cells == NULL)
        return 0;
    for (int i = 0; i < n && err == 0; i++) {
        if (i > 0)
            err = buf_append_char(&p->line, '\t');
        if (err == 0)
            err = append_cell(&p->line, &cells[i]);
    }
    return err == 0 ? write_line(p) : err;
}

/* --- a table on a terminal ------------------------------------------------------------------------------------------ */

static int
put_aligned(struct printer *p, unsigned column, const char *text, size_t n_bytes)
{
    unsigned n = n_characters(text, n_bytes), pad = n < p->width[column] ? p->width[column] - n : 0;
    bool is_last = column + 1 == p->n_columns;
    int err = column > 0 ? buf_append_str(&p->line, "  ") : 0;

    for (unsigned i = 0; i < pad && p->is_right[column] && err == 0; i++)
        err = buf_append_char(&p->line, ' ');
    if (err == 0)
        err = buf_append(&p->line, text, n_bytes);
    for (unsigned i = 0; i < pad && !p->is_right[column] && !is_last && err == 0; i++)
        err = buf_append_char(&p->line, ' ');
    return err;
}

static int
flush_sample(struct printer *p)
{
    const char *at = p->sample.p;
    int err = 0;

    for (unsigned row = 0; row < p->n_sample && err == 0; row++) {
        for (unsigned i = 0; i < p->n_columns && err == 0; i++, at += strlen(at) + 1)
            err = put_aligned(p, i, at, strlen(at));
        if (err == 0)
            err = write_line(p);
    }
    buf_clear(&p->sample);
    p->n_sample = 0;
    return err;
}

static int
begin_table(struct printer *p, const char *const *names, int n)
{
    int err = flush_sample(p);

    p->n_columns = (unsigned)n;
    for (int i = 0; i < n && err == 0; i++) {
        p->width[i] = ORB_MIN(n_characters(names[i], strlen(names[i])), MAX_WIDTH);
        p->is_right[i] = true;
        err = text_append_printable(&p->sample, slice_str(names[i]));
        if (err == 0)
            err = buf_append_char(&p->sample, '\0');
    }
    p->n_sample = 1;
    return err;
}

static int
print_table(struct printer *p, const char *const *names, const struct sql_cell *cells, int n)
{
    int err = 0;

    if (cells == NULL)
        return begin_table(p, names, n);
    for (int i = 0; i < n && err == 0; i++) {
        size_t from = p->sample.n;

        err = append_cell(&p->sample, &cells[i]);
        if (p->n_sample <= SAMPLE_ROWS && p->sample.p != NULL)
            p->width[i] = ORB_MAX(p->width[i], ORB_MIN(n_characters(p->sample.p + from, p->sample.n - from), MAX_WIDTH));
        p->is_right[i] &= cells[i].type == SQL_INT || cells[i].type == SQL_REAL || cells[i].type == SQL_NULL;
        if (err == 0)
            err = buf_append_char(&p->sample, '\0');
    }
    p->n_sample++;
    return err == 0 && p->n_sample > SAMPLE_ROWS ? flush_sample(p) : err;
}

static int
on_row(void *arg, const char *const *names, const struct sql_cell *cells, int n)
{
    struct printer *p = arg;

    if (p->is_json)
        return print_json(p, names, cells, n);
    return p->is_table && n <= MAX_COLUMNS ? print_table(p, names, cells, n) : print_tsv(p, names, cells, n);
}

/* --- the command ---------------------------------------------------------------------------------------------------- */

static int
run(struct crawl_read *c, struct printer *p, struct slice query)
{
    int err;

    if (slice_eq(slice_trim(query), SLICE_LITERAL(".schema")))
        query = SLICE_LITERAL("SELECT sql || ';' AS tables FROM main.sqlite_master WHERE sql IS NOT NULL");
    err = sql_run(c->sql, query, on_row, p, &c->error);
    if (err == 0)
        err = flush_sample(p);
    if (err == 0 && fflush(stdout) != 0)
        err = ORB_EIO;
    return err == 0 ? EXIT_DONE : crawl_read_fail(c, err);
}

static int
usage_error(const char *why)
{
    fprintf(stderr, "orb sql: %s; `orb sql --help` explains\n", why);
    return EXIT_USAGE;
}

int
cmd_sql(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' }, { "write", no_argument, NULL, 'w' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
    };
    struct printer p = { .is_table = isatty(STDOUT_FILENO) };
    struct crawl_read c;
    struct buf query;
    bool may_write = false;
    int option, code;

    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        switch (option) {
        case 'j': p.is_json = true; break;
        case 'w': may_write = true; break;
        case 'h': fputs(help, stdout); return EXIT_DONE;
        default: return usage_error("bad option");
        }
    if (argc - optind < 1 || argc - optind > 2)
        return usage_error("want DIR and at most one QUERY (in quotes)");
    if (may_write && crawl_is_running(argv[optind])) {
        fprintf(stderr, "orb sql: %s: a crawl is running here; stop it (`orb stop`) before you change its databases\n", argv[optind]);
        return EXIT_FAILED;
    }
    buf_init(&query, MEM_DEFAULT, 1024 * 1024);
    buf_init(&p.line, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&p.sample, MEM_DEFAULT, BUF_NO_CEILING);
    code = crawl_read_open(&c, "sql", argv[optind], may_write) == 0 ? EXIT_DONE : EXIT_FAILED;
    if (code == EXIT_DONE && argc - optind == 1) {
        int err = batch_read_all(&query, STDIN_FILENO);

        if (err != 0)
            code = crawl_read_fail(&c, err);
    }
    if (code == EXIT_DONE)
        code = run(&c, &p, argc - optind == 2 ? slice_str(argv[optind + 1]) : buf_slice(&query));
    crawl_read_close(&c);
    buf_fini(&query);
    buf_fini(&p.line);
    buf_fini(&p.sample);
    return code;
}
