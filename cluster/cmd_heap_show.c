/* cmd_heap_show.c - answers as tables: what is alive, what grew, whose the bytes are */
#include "cluster/cmd_heap.h"

#include "cluster/clock.h"
#include "cluster/control_client.h"
#include "cluster/log.h"
#include "cluster/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 200 /* of a table; --json has them all */
#define SHOWN_FRAMES 6
#define MAX_BANDS 8 /* of age */

static void
say_cut(size_t n)
{
    if (n > MAX_ROWS)
        printf("(%zu more: --json has them)\n", n - MAX_ROWS);
}

/* ---- types, sites, census --------------------------------------------------------------------------------------------- */

struct sum {
    const char *key, *type, *function; /* BORROWED from the answer */
    int64_t n, bytes, owned_bytes, n_overdue, oldest_s, lifetime_ms;
};

static int
compare_sums(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    int64_t left = x->bytes + x->owned_bytes, right = y->bytes + y->owned_bytes;

    return left != right ? (left < right ? 1 : -1) : strcmp(x->key, y->key);
}

static void
add_row(struct sum *s, const json_t *row)
{
    s->n += heap_int(row, "n");
    s->bytes += heap_int(row, "bytes");
    s->owned_bytes += heap_int(row, "owned_bytes");
    s->n_overdue += heap_int(row, "n_overdue");
    s->oldest_s = ORB_MAX(s->oldest_s, heap_int(row, "oldest_s"));
    s->lifetime_ms = heap_int(row, "lifetime_ms");
}

/* The census's rows, added up by type, or by site and type. NEW; NULL: none, or out of memory. */
static struct sum *
add_up(const json_t *rows, bool by_site, size_t *n_sums)
{
    struct sum *sums = mem_array(MEM_DEFAULT, json_array_size(rows) + 1, sizeof *sums);
    size_t i, k, n = 0;
    json_t *row;

    json_array_foreach(rows, i, row) {
        const char *type = heap_text(row, "type"), *key = by_site ? heap_text(row, "site") : type;

        if (sums == NULL || type == NULL || key == NULL)
            continue;
        for (k = 0; k < n; k++)
            if (strcmp(sums[k].key, key) == 0 && strcmp(sums[k].type, type) == 0)
                break;
        if (k == n)
            sums[n++] = (struct sum){ .key = key, .type = type, .function = heap_text(row, "function") };
        add_row(&sums[k], row);
    }
    if (n > 0)
        qsort(sums, n, sizeof *sums, compare_sums);
    *n_sums = n;
    return sums;
}

static void
put_sum(struct table *t, const struct sum *s)
{
    table_number(t, s->n);
    table_bytes(t, s->bytes);
    table_bytes(t, s->owned_bytes);
    table_seconds(t, s->oldest_s);
    if (s->lifetime_ms > 0)
        table_seconds(t, s->lifetime_ms / 1000);
    else
        table_text(t, NULL);
    table_number(t, s->n_overdue);
    if (s->n_overdue > 0)
        table_alarm(t);
}

static void
show_balance(const json_t *balance)
{
    size_t i;
    json_t *row;

    if (json_array_size(balance) == 0)
        return;
    printf("\nbalance     ");
    json_array_foreach(balance, i, row) {
        int64_t live = heap_int(row, "live"), expected = heap_int(row, "expected");

        printf("%s", i == 0 ? "" : ", ");
        control_print_text(heap_text(row, "type") == NULL ? "?" : heap_text(row, "type"));
        printf(" %lld of %lld", (long long)live, (long long)expected);
        if (live != expected)
            printf(table_has_colours() ? " \033[31m(!)\033[0m" : " (!)");
    }
    printf("   (alive, of those that the crawl's books account for)\n");
}

static void
show_total(const json_t *census)
{
    char n[32], bytes[32], owned[32];

    printf("\n%s objects in %s of slots, with %s of buffers and texts\n", table_group(n, heap_int(census, "n_objects")),
           table_size(bytes, (double)heap_int(census, "bytes")), table_size(owned, (double)heap_int(census, "owned_bytes")));
}

void
show_types(const json_t *answer)
{
    static const struct table_column columns[] = {
        { "type", false }, { "alive", true }, { "slots", true }, { "owned", true }, { "oldest", true }, { "promised", true },
        { "overdue", true },
    };
    const json_t *census = json_object_get(answer, "census");
    struct table t;
    size_t n;
    struct sum *sums = add_up(json_object_get(census, "rows"), false, &n);

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    for (size_t i = 0; i < n; i++) {
        table_text(&t, sums[i].type);
        put_sum(&t, &sums[i]);
    }
    table_end(&t);
    mem_free(MEM_DEFAULT, sums);
    show_total(census);
    show_balance(json_object_get(answer, "balance"));
}

void
show_sites(const json_t *answer)
{
    static const struct table_column columns[] = {
        { "site", false }, { "function", false }, { "type", false }, { "alive", true }, { "slots", true }, { "owned", true },
        { "oldest", true }, { "promised", true }, { "overdue", true },
    };
    const json_t *census = json_object_get(answer, "census");
    struct table t;
    size_t n;
    struct sum *sums = add_up(json_object_get(census, "rows"), true, &n);
    char unnamed[32];

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    for (size_t i = 0; i < ORB_MIN(n, (size_t)MAX_ROWS); i++) {
        table_text(&t, sums[i].key);
        table_text(&t, sums[i].function);
        table_text(&t, sums[i].type);
        put_sum(&t, &sums[i]);
    }
    table_end(&t);
    say_cut(n);
    if (heap_int(census, "n_sites_unnamed") > 0)
        printf("(other sites): %s that came when the table of sites was full\n",
               table_group(unnamed, heap_int(census, "n_sites_unnamed")));
    mem_free(MEM_DEFAULT, sums);
    show_total(census);
}

void
show_census(const json_t *answer)
{
    struct table_column columns[TABLE_MAX_COLUMNS] = { { "type", false }, { "site", false } };
    char heads[MAX_BANDS][64]; /* a worker's word as well */
    const json_t *census = json_object_get(answer, "census"), *bands = json_object_get(census, "bands");
    const json_t *rows = json_object_get(census, "rows"), *by_age;
    unsigned n_bands = (unsigned)ORB_MIN(json_array_size(bands), (size_t)MAX_BANDS), n = 2;
    struct table t;
    size_t i;
    json_t *row;

    for (unsigned k = 0; k < n_bands; k++) {
        const char *name = json_string_value(json_array_get(bands, k));

        heads[k][log_escape(heads[k], sizeof heads[k] - 1, slice_str(name == NULL ? "?" : name), false)] = '\0';
        columns[n++] = (struct table_column){ heads[k], true };
    }
    columns[n++] = (struct table_column){ "slots", true };
    columns[n++] = (struct table_column){ "owned", true };
    table_begin(&t, columns, n);
    json_array_foreach(rows, i, row) {
        if (i == MAX_ROWS)
            break;
        table_text(&t, heap_text(row, "type"));
        table_text(&t, heap_text(row, "site"));
        by_age = json_object_get(row, "n_by_age");
        for (unsigned k = 0; k < n_bands; k++)
            table_number(&t, (int64_t)json_integer_value(json_array_get(by_age, k)));
        table_bytes(&t, heap_int(row, "bytes"));
        table_bytes(&t, heap_int(row, "owned_bytes"));
    }
    table_end(&t);
    say_cut(json_array_size(rows));
    show_total(census);
}

/* "63 min", or "47 s": as far back as the comparison goes, and why it is not what was asked for. */
static void
show_span(int64_t since_s, int64_t asked_s)
{
    char since[32], asked[32];

    printf("changes of the last %s", table_span(since, since_s));
    if (since_s < asked_s)
        printf(": the past begins there, %s were asked for", table_span(asked, asked_s));
    else if (since_s > asked_s)
        printf(": the nearest census that is %s old or older (one a minute, and one an hour beyond the last hour)", table_span(asked, asked_s));
    printf("\n\n");
}

void
show_diff(const json_t *answer)
{
    static const struct table_column columns[] = {
        { "type", false }, { "site", false }, { "objects", true }, { "bytes", true },
    };
    const json_t *rows = json_object_get(json_object_get(answer, "diff"), "rows");
    int64_t asked_s = heap_int(answer, "asked_s"), since_s = heap_int(answer, "since_s");
    struct table t;
    size_t i;
    json_t *row;

    show_span(since_s, asked_s);
    if (json_array_size(rows) == 0) {
        printf("nothing grew, nothing shrank\n");
        return;
    }
    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(rows, i, row) {
        if (i == MAX_ROWS)
            break;
        table_text(&t, heap_text(row, "type"));
        table_text(&t, heap_text(row, "site"));
        table_signed(&t, heap_int(row, "n"));
        table_signed(&t, heap_int(row, "bytes"));
    }
    table_end(&t);
    say_cut(json_array_size(rows));
}

void
show_errors(const json_t *answer)
{
    static const struct table_column columns[] = {
        { "host", false }, { "ago", true }, { "outcome", false }, { "status", true }, { "what", false },
    };
    const json_t *hosts = json_object_get(answer, "hosts");
    int64_t now_ms = (int64_t)clock_wall_ms();
    struct table t;
    size_t i, k;
    json_t *host, *error;

    if (json_array_size(hosts) == 0) {
        printf("no host that this worker holds has had an error\n");
        return;
    }
    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(hosts, i, host) {
        json_array_foreach(json_object_get(host, "errors"), k, error) {
            table_text(&t, heap_text(host, "host"));
            table_seconds(&t, ORB_MAX(now_ms / 1000 - heap_int(error, "at_ms") / 1000, 0));
            table_text(&t, heap_text(error, "outcome"));
            table_number(&t, heap_int(error, "status"));
            table_text(&t, heap_text(error, "what"));
        }
    }
    table_end(&t);
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------- */

void
show_domains(const json_t *answer)
{
    static const struct table_column columns[] = {
        { "domain", false }, { "live", true }, { "peak", true }, { "slack", true }, { "baseline", true }, { "blocks", true },
        { "allocated", true }, { "refused", true }, { "limit", true }, { "hook", false },
    };
    const json_t *rows = json_object_get(answer, "domains");
    int64_t all = heap_int(answer, "live_bytes"), outside_bytes = heap_int(answer, "outside_bytes");
    char live[32], outside[32];
    struct table t;
    size_t i;
    json_t *row;

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(rows, i, row) {
        const char *hook = heap_text(row, "hook");

        table_text(&t, heap_text(row, "domain"));
        table_bytes(&t, heap_int(row, "live_bytes"));
        table_bytes(&t, heap_int(row, "peak_bytes"));
        table_bytes(&t, heap_int(row, "slack_bytes"));
        table_bytes(&t, heap_int(row, "baseline_bytes"));
        table_number(&t, heap_int(row, "allocs") - heap_int(row, "frees"));
        table_number(&t, heap_int(row, "allocs"));
        table_number(&t, heap_int(row, "failed"));
        if (heap_int(row, "hard_limit_bytes") > 0)
            table_bytes(&t, heap_int(row, "hard_limit_bytes"));
        else
            table_text(&t, NULL);
        table_text(&t, hook);
        if (hook != NULL && strcmp(hook, "failed") == 0)
            table_alarm(&t);
    }
    heap_hide_zeros(&t);
    table_end(&t);
    printf("\n%s live in all domains\n%s by the constructors of libraries, before main()\n", table_size(live, (double)all),
           table_size(outside, (double)heap_int(answer, "start_bytes")));
    printf("%s by the allocator, for caches of freed blocks\n", table_size(outside, (double)heap_int(answer, "allocator_bytes")));
    printf("%s (%.1f %%) outside of any: the C library's own, and others' plain malloc\n", table_size(outside, (double)outside_bytes),
           all + outside_bytes == 0 ? 0.0 : 100.0 * (double)outside_bytes / (double)(all + outside_bytes));
}

static void
show_overdue(const json_t *pools)
{
    size_t i, k;
    json_t *pool, *lease;

    json_array_foreach(pools, i, pool) {
        json_array_foreach(json_object_get(pool, "overdue"), k, lease) {
            printf("overdue     ");
            control_print_text(heap_text(pool, "pool") == NULL ? "?" : heap_text(pool, "pool"));
            printf(", lent %lld s ago to ", (long long)heap_int(lease, "lent_ms") / 1000);
            control_print_text(heap_text(lease, "borrower") == NULL ? "?" : heap_text(lease, "borrower"));
            printf("\n");
        }
    }
}

void
show_pools(const json_t *answer)
{
    static const struct table_column columns[] = {
        { "pool", false }, { "in use", true }, { "idle", true }, { "most", true }, { "overdue", true }, { "hits", true },
        { "misses", true }, { "trimmed", true }, { "refused", true },
    };
    const json_t *pools = json_object_get(answer, "pools");
    struct table t;
    size_t i;
    json_t *row;

    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    json_array_foreach(pools, i, row) {
        table_text(&t, heap_text(row, "pool"));
        table_number(&t, heap_int(row, "in_use"));
        table_number(&t, heap_int(row, "idle"));
        table_number(&t, heap_int(row, "high_water"));
        table_number(&t, heap_int(row, "n_overdue"));
        if (heap_int(row, "n_overdue") > 0)
            table_alarm(&t);
        table_number(&t, heap_int(row, "hits"));
        table_number(&t, heap_int(row, "misses"));
        table_number(&t, heap_int(row, "trims"));
        table_number(&t, heap_int(row, "refused"));
    }
    heap_hide_zeros(&t);
    table_end(&t);
    show_overdue(pools);
}

/* ---- stacks ------------------------------------------------------------------------------------------------------------- */

void
show_trace(const json_t *answer)
{
    const json_t *frames;
    char bytes[32], mean[32], dropped[32];
    size_t i;
    json_t *stack;

    printf("about %s live in sampled domains, one block sampled in %s\n\n",
           table_size(bytes, (double)heap_int(answer, "bytes")), table_size(mean, (double)heap_int(answer, "mean_bytes")));
    if (heap_int(answer, "n_dropped") > 0)
        printf("%s samples found no place or no memory: the figures may be too low\n\n",
               table_group(dropped, heap_int(answer, "n_dropped")));
    json_array_foreach(json_object_get(answer, "stacks"), i, stack) {
        if (i == 20)
            break;
        printf("%10s  ", table_size(bytes, (double)heap_int(stack, "bytes")));
        control_print_text(heap_text(stack, "domain") == NULL ? "?" : heap_text(stack, "domain"));
        printf(", about %lld blocks", (long long)heap_int(stack, "count"));
        if (heap_text(stack, "operation") != NULL && heap_text(stack, "operation")[0] != '\0') {
            printf(", at: ");
            control_print_text(heap_text(stack, "operation"));
        }
        printf("\n");
        frames = json_object_get(stack, "frames");
        for (size_t k = 0; k < ORB_MIN(json_array_size(frames), (size_t)SHOWN_FRAMES); k++) {
            const char *frame = json_string_value(json_array_get(frames, k));
            printf("            ");
            control_print_text(frame == NULL ? "?" : frame);
            printf("\n");
        }
    }
    if (json_array_size(json_object_get(answer, "stacks")) == 0)
        printf("nothing was sampled yet; `magnify` samples eight times as often\n");
}

void
show_magnify(const json_t *answer)
{
    char mean[32];

    printf("one block is sampled in %s", table_size(mean, (double)heap_int(answer, "mean_bytes")));
    if (heap_int(answer, "minutes") > 0)
        printf(", for %lld minute%s", (long long)heap_int(answer, "minutes"), heap_int(answer, "minutes") == 1 ? "" : "s");
    printf("\n");
}
