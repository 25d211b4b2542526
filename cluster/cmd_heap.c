/* cmd_heap.c - `orb heap`: asks a worker of a running crawl (or its coordinator) what its memory holds */
#include "cluster/cmd_heap.h"

#include "cluster/base64.h"
#include "cluster/cmd.h"
#include "cluster/control_client.h"
#include "cluster/heap.h"
#include "cluster/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_MAX_DIGITS 5

static const struct heap_command commands[] = {
    { "types", 0, NULL, show_types, "what is alive, by type, beside what the crawl's own books expect" },
    { "sites", 0, NULL, show_sites, "the same by the line of source that made it" },
    { "census", 0, NULL, show_census, "the same by type, line and age" },
    { "diff", HEAP_HAS_SINCE, NULL, show_diff, "what grew and shrank: --since 10m [10m], up to two days back" },
    { "domains", HEAP_HAS_ALL, NULL, show_domains, "every byte by its owner: libraries, pages, buffers, caches ..." },
    { "pools", HEAP_HAS_ALL, NULL, show_pools, "things kept for reuse: handles, parsers, decoders" },
    { "gc", HEAP_HAS_ALL, NULL, show_gc, "the collector: runs, pauses, what only it could free" },
    { "roots", HEAP_HAS_ALL, NULL, show_roots, "who holds objects from outside, and what nobody accounts for" },
    { "retained", HEAP_HAS_TARGET | HEAP_HAS_ALL, NULL, show_retained, "what would go if a type or an object went" },
    { "graph", HEAP_HAS_TARGET | HEAP_HAS_EXTENT, "dot|json|svg|png", NULL, "a picture of who holds whom (--format dot|json|svg|png)" },
    { "referrers", HEAP_NEEDS_TARGET, NULL, show_neighbours, "who holds this object" },
    { "referents", HEAP_NEEDS_TARGET, NULL, show_neighbours, "whom this object holds" },
    { "chain", HEAP_NEEDS_TARGET, NULL, show_chain, "the shortest way from a root to this object" },
    { "errors", 0, NULL, show_errors, "the last errors of the hosts at hand" },
    { "trace", 0, "folded|json|pprof", show_trace, "sampled stacks of the libraries' live memory (--format pprof|folded|json)" },
    { "magnify", HEAP_HAS_MINUTES, NULL, show_magnify, "sample eight times as often for some minutes [5]; 0 ends it" },
    { "collect", 0, NULL, show_collect, "run a full collection now" },
};

const struct heap_command *
heap_command_at(size_t i)
{
    return i < ORB_N_ELEMENTS(commands) ? &commands[i] : NULL;
}

const struct heap_command *
heap_command_find(const char *what)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(commands); i++)
        if (strcmp(commands[i].what, what) == 0)
            return &commands[i];
    return NULL;
}

/* ---- arguments -------------------------------------------------------------------------------------------------------- */

static int ORB_PRINTF(1, 2)
refuse(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "orb heap: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n`orb heap --help` shows how to ask.\n");
    return EXIT_USAGE;
}

static bool
is_slot(const char *word)
{
    return strcmp(word, "coordinator") == 0 || (word[0] != '\0' && strlen(word) <= SLOT_MAX_DIGITS && word[strspn(word, "0123456789")] == '\0');
}

/* "600", "10m", "2h": seconds; -1 = neither. */
static int64_t
seconds_of(const char *text)
{
    char *end;
    long long n = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : -1;
    int64_t factor;

    if (n < 0 || n > 1000000)
        return -1;
    factor = strcmp(end, "") == 0 || strcmp(end, "s") == 0 ? 1
             : strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : strcmp(end, "d") == 0 ? 86400 : 0;
    return factor == 0 ? -1 : n * factor;
}

static bool
is_one_of(const char *word, const char *list)
{
    size_t n = strlen(word);

    for (const char *at = list; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, word, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
    }
    return false;
}

/* An option with a value; -1 = taken, else the exit code. */
static int
take_option(struct heap_args *a, const char *name, const char *value)
{
    int64_t *number = strcmp(name, "--depth") == 0 ? &a->depth : strcmp(name, "--nodes") == 0 ? &a->nodes : NULL;

    if (value == NULL)
        return refuse("%s needs a value", name);
    if (strcmp(name, "--format") == 0) {
        a->format = value;
    } else if (strcmp(name, "-o") == 0) {
        a->out_path = value;
    } else if (strcmp(name, "--since") == 0) {
        a->since_s = seconds_of(value);
        if (a->since_s < 1)
            return refuse("--since: \"%.40s\" is no time; allowed: 90s, 10m, 2h, 1d", value);
    } else if (number != NULL) {
        *number = value[strspn(value, "0123456789")] == '\0' && strlen(value) < 7 ? atoi(value) : -1;
        if (*number < 1)
            return refuse("%s: \"%.40s\" is no number from 1 on", name, value);
    }
    return -1;
}

static int
take_options(struct heap_args *a, int argc, char **argv, const char **words, int *n_words)
{
    for (int i = 1; i < argc; i++) {
        const char *w = argv[i];
        int code;

        if (strcmp(w, "--json") == 0) {
            a->is_json = true;
        } else if (strcmp(w, "--referrers") == 0) {
            a->wants_referrers = true;
        } else if (strcmp(w, "--all") == 0) {
            a->wants_all = true;
        } else if (is_one_of(w, "--format|-o|--since|--depth|--nodes")) {
            code = take_option(a, w, i + 1 < argc ? argv[i + 1] : NULL);
            if (code >= 0)
                return code;
            i++;
        } else if (w[0] == '-' && w[1] != '\0') {
            return refuse("there is no option %.60s", w);
        } else if (*n_words == 4) {
            return refuse("too many arguments from \"%.60s\" on", w);
        } else {
            words[(*n_words)++] = w;
        }
    }
    return -1;
}

/* An option that the question does not use was meant for another one. */
static int
check_options(const struct heap_args *a)
{
    const struct heap_command *c = a->command;

    if (a->format != NULL && (c->formats == NULL || !is_one_of(a->format, c->formats)))
        return refuse("--format: \"%.40s\" is no format of \"%s\"; allowed: %s", a->format, c->what,
                      c->formats == NULL ? "none, but --json" : c->formats);
    if (a->is_json && a->format != NULL && strcmp(a->format, "json") != 0)
        return refuse("--json and --format %s: which of them?", a->format);
    if (a->since_s >= 0 && !(c->options & HEAP_HAS_SINCE))
        return refuse("--since is for \"diff\", \"%s\" does not use it", c->what);
    if ((a->depth >= 0 || a->nodes >= 0) && !(c->options & HEAP_HAS_EXTENT))
        return refuse("%s is for \"graph\", \"%s\" does not use it", a->depth >= 0 ? "--depth" : "--nodes", c->what);
    if (a->wants_referrers && !(c->options & HEAP_HAS_EXTENT))
        return refuse("--referrers is for \"graph\", \"%s\" does not use it", c->what);
    if (a->wants_referrers && a->target == NULL)
        return refuse("--referrers of what? Give \"graph\" an address (0x..., from another answer) or a type, such as Page");
    if (a->wants_all && !(c->options & HEAP_HAS_ALL))
        return refuse("--all is for \"domains\", \"pools\", \"gc\", \"roots\" and \"retained\", \"%s\" does not use it", c->what);
    if (a->wants_all && a->is_json)
        return refuse("--all is for tables: --json has every row");
    return -1;
}

static int
check_question(struct heap_args *a)
{
    const struct heap_command *c = a->command;

    if (a->target != NULL && !(c->options & (HEAP_HAS_TARGET | HEAP_NEEDS_TARGET | HEAP_HAS_MINUTES)))
        return refuse("\"%s\" takes no argument such as \"%.60s\"", c->what, a->target);
    if (a->target == NULL && (c->options & HEAP_NEEDS_TARGET))
        return refuse("\"%s\" of what? Give an address (0x..., from another answer) or a type, such as Page", c->what);
    if ((c->options & HEAP_HAS_MINUTES) && a->target != NULL) {
        a->minutes = a->target[strspn(a->target, "0123456789")] == '\0' && strlen(a->target) < 6 ? atoi(a->target) : -1;
        if (a->minutes < 0 || a->minutes > HEAP_MAX_MAGNIFY_MINUTES)
            return refuse("\"%.40s\" is no number of minutes; allowed: 0 to %d", a->target, HEAP_MAX_MAGNIFY_MINUTES);
        a->target = NULL;
    }
    return check_options(a);
}

/* [DIR] SLOT [QUESTION [ARGUMENT]] */
static int
parse_args(struct heap_args *a, int argc, char **argv)
{
    const char *words[4];
    int n = 0, at = 0, code;

    *a = (struct heap_args){ .dir = "./orb-crawl", .since_s = -1, .minutes = -1, .depth = -1, .nodes = -1 };
    code = take_options(a, argc, argv, words, &n);
    if (code >= 0)
        return code;
    if (n > 0 && !is_slot(words[0]))
        a->dir = words[at++];
    if (at == n || !is_slot(words[at]))
        return refuse("%s%.60s%s: which process? 0, 1, ... is a worker (`orb status` lists them), or \"coordinator\"",
                      at < n ? "\"" : "", at < n ? words[at] : "nobody is asked", at < n ? "\" is none" : "");
    a->slot = words[at++];
    a->command = heap_command_find(at < n ? words[at] : "types");
    if (a->command == NULL)
        return refuse("there is no question \"%.60s\"", words[at]);
    at += at < n;
    a->target = at < n ? words[at++] : NULL;
    if (at < n)
        return refuse("too many arguments from \"%.60s\" on", words[at]);
    return check_question(a);
}

/* ---- asking ----------------------------------------------------------------------------------------------------------- */

static void
put_number(json_t *object, const char *key, int64_t value)
{
    if (value >= 0)
        json_object_set_new(object, key, json_integer((json_int_t)value));
}

static bool
is_picture(const struct heap_args *a)
{
    return a->format != NULL && (strcmp(a->format, "svg") == 0 || strcmp(a->format, "png") == 0);
}

static json_t *
make_request(const struct heap_args *a)
{
    bool is_graph = strcmp(a->command->what, "graph") == 0;
    const char *format = is_picture(a) || (is_graph && a->format == NULL && !a->is_json) ? "dot" : a->format;
    json_t *question = json_pack("{s:s,s:b}", "what", a->command->what, "referrers", a->wants_referrers);
    json_t *slot = strcmp(a->slot, "coordinator") == 0 ? json_string(a->slot) : json_integer(atoi(a->slot));

    if (format != NULL)
        json_object_set_new(question, "format", json_string(format));
    if (a->target != NULL)
        json_object_set_new(question, "target", json_string(a->target));
    put_number(question, "since_s", a->since_s);
    put_number(question, "minutes", a->minutes);
    put_number(question, "depth", a->depth);
    put_number(question, "nodes", a->nodes);
    return json_pack("{s:s,s:o,s:o}", "cmd", "heap", "slot", slot, "question", question);
}

static bool shows_all; /* --all */

void
heap_hide_zeros(struct table *t)
{
    if (!shows_all)
        table_hide_zeros(t);
}

/* ---- the answer --------------------------------------------------------------------------------------------------------- */

static int
write_out(struct slice bytes, const char *path)
{
    FILE *f = path == NULL ? stdout : fopen(path, "we");
    bool is_written = f != NULL && fwrite(bytes.p, 1, bytes.n, f) == bytes.n && fflush(f) == 0;

    if (!is_written)
        fprintf(stderr, "orb heap: %s cannot be written: %s\n", path == NULL ? "standard output" : path, strerror(errno));
    if (f != NULL && f != stdout)
        fclose(f);
    return is_written ? EXIT_DONE : EXIT_FAILED;
}

/* As write_out(): what a table prints goes to standard output, which becomes the file. */
static int
write_table(const struct heap_args *a, const json_t *answer)
{
    const char *path = a->out_path == NULL ? "standard output" : a->out_path;
    bool is_open = a->out_path == NULL || freopen(a->out_path, "we", stdout) != NULL;

    if (is_open)
        a->command->show(answer);
    if (is_open && fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "orb heap: %s cannot be written: %s\n", path, strerror(errno));
    return EXIT_FAILED;
}

/* JSON of a worker: parsed before it is printed, so that nothing but JSON comes out. */
static int
show_json(const struct heap_args *a, struct slice bytes)
{
    json_t *answer = json_loadb(bytes.p, bytes.n, 0, NULL);
    struct buf text;
    char *dumped;
    int code = EXIT_FAILED;

    if (!json_is_object(answer)) {
        fprintf(stderr, "orb heap: the answer is no JSON object; that worker is not to be trusted\n");
        json_decref(answer);
        return EXIT_FAILED;
    }
    if (!a->is_json && a->format == NULL && a->command->show != NULL) {
        code = write_table(a, answer);
        json_decref(answer);
        return code;
    }
    buf_init(&text, MEM_JSON, BUF_NO_CEILING);
    dumped = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (dumped != NULL && buf_append_str(&text, dumped) == 0 && buf_append_char(&text, '\n') == 0)
        code = write_out(buf_slice(&text), a->out_path);
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    if (dumped != NULL)
        release(dumped);
    buf_fini(&text);
    json_decref(answer);
    return code;
}

static bool
is_dot(const struct heap_args *a)
{
    return strcmp(a->command->what, "graph") == 0 && !a->is_json && (a->format == NULL || strcmp(a->format, "dot") == 0);
}

static bool
is_raw_trace(const struct heap_args *a)
{
    return a->format != NULL && (strcmp(a->format, "pprof") == 0 || strcmp(a->format, "folded") == 0);
}

static int
show_answer(const struct heap_args *a, const json_t *answer)
{
    const json_t *text = json_object_get(answer, "base64");
    struct buf bytes;
    int code;

    buf_init(&bytes, MEM_JSON, HEAP_MAX_ANSWER_BYTES);
    if (!json_is_string(text) || base64_decode(&bytes, slice_of(json_string_value(text), json_string_length(text))) != 0) {
        fprintf(stderr, "orb heap: the answer cannot be read\n");
        code = EXIT_FAILED;
    } else if (is_picture(a)) {
        code = heap_draw(buf_slice(&bytes), a->format, a->out_path);
    } else if (is_dot(a) || is_raw_trace(a)) {
        code = write_out(buf_slice(&bytes), a->out_path);
    } else {
        code = show_json(a, buf_slice(&bytes));
    }
    buf_fini(&bytes);
    return code;
}

int
cmd_heap(int argc, char **argv)
{
    struct heap_args args;
    json_t *answer = NULL;
    int code;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return heap_help();
    code = parse_args(&args, argc, argv);
    if (code >= 0)
        return code;
    shows_all = args.wants_all;
    code = control_ask("heap", args.dir, make_request(&args), &answer);
    if (code == EXIT_DONE)
        code = show_answer(&args, answer);
    json_decref(answer);
    return code;
}
