/* cmd_status.c - `orb status`: a running crawl on one screen, or its JSON as it is; of one that has stopped, its books */
#include "cluster/cmd.h"
#include "cluster/control_client.h"
#include "cluster/crawl_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static json_int_t
number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static double
real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *
bytes_text(double bytes, char out[static 32])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    unsigned u = 0;

    for (; bytes >= 1024 && u < 4; u++)
        bytes /= 1024;
    snprintf(out, 32, u == 0 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
    return out;
}

static const char *
time_text(double seconds, char out[static 32])
{
    unsigned long s = seconds < 0 ? 0 : (unsigned long)seconds;

    if (s >= 86400)
        snprintf(out, 32, "%lud%02luh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, 32, "%luh%02lum", s / 3600, s / 60 % 60);
    else
        snprintf(out, 32, "%lum%02lus", s / 60, s % 60);
    return out;
}

/* The equation that always holds; people see at once when it does not. */
static void
print_books(const json_t *books)
{
    static const char *const states[] = { "queued", "leased", "waiting", "done", "failed", "excluded", "quarantined" };
    json_int_t sum = 0, discovered = number(books, "discovered");

    printf("books       %" JSON_INTEGER_FORMAT " discovered", discovered);
    for (size_t i = 0; i < ORB_N_ELEMENTS(states); i++) {
        sum += number(books, states[i]);
        printf(" %s %" JSON_INTEGER_FORMAT " %s", i == 0 ? "=" : "+", number(books, states[i]), states[i]);
    }
    printf(sum == discovered ? "\n" : "   !! THE BOOKS DO NOT BALANCE\n");
}

static void
print_counts(const char *title, const json_t *counts)
{
    json_t *object = (json_t *)counts, *value;
    const char *key, *comma = "";

    if (json_object_size(counts) == 0)
        return;
    printf("%-11s ", title);
    json_object_foreach(object, key, value) {
        printf("%s", comma);
        control_print_text(key);
        printf(" %" JSON_INTEGER_FORMAT, json_integer_value(value));
        comma = ", ";
    }
    printf("\n");
}

static void
print_workers(const json_t *workers)
{
    size_t i;
    json_t *w;

    printf("\nworker  pid      state     private      in flight  leases  pages      conn reused  deaths\n");
    json_array_foreach(workers, i, w) {
        char private[32];
        const char *state = json_string_value(json_object_get(w, "state"));
        json_int_t opened = number(w, "connections_opened"), reused = number(w, "connections_reused");

        printf("%-7" JSON_INTEGER_FORMAT " %-8" JSON_INTEGER_FORMAT " ", number(w, "slot"), number(w, "pid"));
        printf("%-9.20s %-12s ", state == NULL ? "?" : state, bytes_text(real(w, "private_bytes"), private));
        printf("%-10" JSON_INTEGER_FORMAT " %-7" JSON_INTEGER_FORMAT " %-10" JSON_INTEGER_FORMAT " ", number(w, "in_flight"),
               number(w, "leases"), number(w, "pages"));
        printf("%5.1f %%      %" JSON_INTEGER_FORMAT "\n",
               opened + reused == 0 ? 0.0 : 100.0 * (double)reused / (double)(opened + reused), number(w, "deaths"));
    }
}

static void
print_memory(const json_t *a)
{
    const json_t *workers = json_object_get(a, "workers");
    double of_workers = 0;
    char all[32], coordinator[32], frontier[32], seen[32];
    size_t i;
    json_t *w;

    json_array_foreach(workers, i, w)
        of_workers += real(w, "private_bytes");
    printf("memory      %s private in all, %s of it the coordinator's", bytes_text(of_workers + real(a, "private_bytes"), all),
           bytes_text(real(a, "private_bytes"), coordinator));
    printf(" (frontier %s, seen-set %s)\n", bytes_text(real(a, "frontier_bytes"), frontier), bytes_text(real(a, "seen_bytes"), seen));
}

/* Of the pages that were parsed or found, by all workers of this run. */
static void
print_cache(const json_t *cache)
{
    json_int_t hits = number(cache, "hits"), all = hits + number(cache, "misses");
    char saved[32];

    printf("page cache  %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " bodies were known (%.1f %%), %s not parsed again", hits,
           all, all == 0 ? 0.0 : 100.0 * (double)hits / (double)all, bytes_text(real(cache, "saved_bytes"), saved));
    if (number(cache, "not_modified") > 0)
        printf("; %" JSON_INTEGER_FORMAT " known ones were not modified", number(cache, "not_modified"));
    printf("\n");
}

static void
print_collector(const json_t *gc)
{
    if (number(gc, "on_request") > 0)
        printf("collector   --collect-every ran %" JSON_INTEGER_FORMAT " times and found %" JSON_INTEGER_FORMAT " objects\n",
               number(gc, "on_request"), number(gc, "collected_on_request"));
}

static void
print_status(const char *dir, const json_t *a)
{
    const char *state = json_string_value(json_object_get(a, "state"));
    char text[32];

    printf("crawl       %s: %.60s for %s, pid %" JSON_INTEGER_FORMAT "\n", dir, state == NULL ? "?" : state,
           time_text(real(a, "seconds"), text), number(a, "pid"));
    printf("pages       %" JSON_INTEGER_FORMAT " stored, %.1f/s, %s received\n", number(a, "pages"), real(a, "pages_per_s"),
           bytes_text(real(a, "wire_bytes"), text));
    print_books(json_object_get(a, "books"));
    if (number(a, "hosts_backing_off") > 0)
        printf("            of which %" JSON_INTEGER_FORMAT " queued wait for their host: %" JSON_INTEGER_FORMAT
               " hosts could not be reached and are tried again\n", number(a, "queued_backing_off"), number(a, "hosts_backing_off"));
    printf("hosts       %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " of them with something to do\n", number(a, "hosts"),
           number(a, "hosts_active"));
    print_memory(a);
    print_cache(json_object_get(a, "page_cache"));
    print_collector(json_object_get(a, "gc"));
    printf("collisions  %.2g URLs expected to share a fingerprint with another\n", real(a, "expected_collisions"));
    print_counts("done", json_object_get(a, "done_by_outcome"));
    print_counts("failed", json_object_get(a, "failed_by_reason"));
    print_counts("excluded", json_object_get(a, "excluded_by_reason"));
    print_workers(json_object_get(a, "workers"));
}

/* ---- a crawl that does not run: what frontier.db keeps in each transaction ---- */

static int
on_books(void *arg, const char *const *names, const struct sql_cell *cells, int n)
{
    json_t **books = arg;

    if (cells != NULL && n == 1 && *books == NULL)
        *books = json_loadb(cells[0].bytes.p, cells[0].bytes.n, 0, NULL);
    return 0;
}

static json_t *
status_of_books(json_t *books)
{
    static const char *const by[][2] = {
        { "done", "done_by_outcome" }, { "failed", "failed_by_reason" }, { "excluded", "excluded_by_reason" },
    };
    bool has_more = number(books, "queued") + number(books, "waiting") > 0;
    json_t *status = json_pack("{s:b,s:s}", "ok", 0, "state", has_more ? "stopped" : "finished");

    for (size_t i = 0; i < ORB_N_ELEMENTS(by); i++)
        json_object_set(status, by[i][1], json_object_get(json_object_get(books, "by"), by[i][0]));
    json_object_del(books, "by");
    json_object_set_new(books, "leased", json_integer(0));
    json_object_set(status, "books", books);
    return status;
}

/* NULL: there is nothing to read, and why was said. */
static json_t *
status_from_files(const char *dir)
{
    static const char query[] = "SELECT value FROM frontier.meta WHERE key = 'books'";
    json_t *books = NULL, *status = NULL;
    struct crawl_read c;
    int err = crawl_read_open(&c, "status", dir, false);

    if (err == 0 && sql_has_frontier(c.sql))
        err = sql_run(c.sql, SLICE_LITERAL(query), on_books, &books, &c.error);
    if (c.sql != NULL && err != 0)
        crawl_read_fail(&c, err);
    if (json_is_object(books))
        status = status_of_books(books);
    json_decref(books);
    crawl_read_close(&c);
    return status;
}

static void
print_stopped(const char *dir, const json_t *a)
{
    printf("crawl       %s: %s\n", dir, json_string_value(json_object_get(a, "state")));
    print_books(json_object_get(a, "books"));
    print_counts("done", json_object_get(a, "done_by_outcome"));
    print_counts("failed", json_object_get(a, "failed_by_reason"));
    print_counts("excluded", json_object_get(a, "excluded_by_reason"));
}

static void
print_json(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    printf("\n");
}

/* Nobody listens. Whoever asks whether a crawl runs is told so by the exit code; whoever looks sees where it stands. */
static int
status_without_crawl(const struct control_args *args, int why)
{
    bool is_stopped = (why == ENOENT || why == ECONNREFUSED) && !crawl_is_running(args->dir)
                      && crawl_is_here(args->dir);
    json_t *status = is_stopped ? status_from_files(args->dir) : NULL;

    if (status != NULL && args->is_json)
        print_json(status);
    else if (status != NULL)
        print_stopped(args->dir, status);
    fflush(stdout);
    json_decref(status);
    return control_say_unreachable("status", args->dir, why);
}

int
cmd_status(int argc, char **argv)
{
    static const struct control_command command = {
        .name = "status", .usage = "[DIR] [--json]", .has_json = true,
        .sentence = "how a crawl is doing; of one that is not running (exit code 1) the books as it left them",
    };
    struct control_args args;
    json_t *answer = NULL;
    int why, code = control_parse(&command, argc, argv, &args);

    if (code >= 0)
        return code;
    code = control_try("status", args.dir, json_pack("{s:s}", "cmd", "status"), &answer, &why);
    if (code == CONTROL_NOBODY)
        code = status_without_crawl(&args, why);
    else if (code == EXIT_DONE && args.is_json)
        print_json(answer);
    else if (code == EXIT_DONE)
        print_status(args.dir, answer);
    json_decref(answer);
    return code;
}
