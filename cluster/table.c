#include "cluster/table.h"

#include "cluster/log.h"
#include "gc/text.h"
#include "pool/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GAP 2

bool
table_has_colours(void)
{
    const char *no_colour = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0');
}

const char *
table_group(char to[32], int64_t number)
{
    char digits[TEXT_SIZE_BYTES];
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    snprintf(to, 32, "%s%.30s", number < 0 ? "-" : "", text_number(digits, size));
    return to;
}

const char *
table_size(char to[32], double bytes)
{
    char text[TEXT_SIZE_BYTES];
    double size = bytes < 0 ? -bytes : bytes;

    snprintf(to, 32, "%s%.30s", bytes < 0 ? "-" : "", text_bytes(text, size < 0x1p63 ? (uint64_t)size : (uint64_t)1 << 63));
    return to;
}

void
table_begin(struct table *t, const struct table_column *columns, unsigned n_columns)
{
    CHECK(n_columns > 0 && n_columns <= TABLE_MAX_COLUMNS);
    *t = (struct table){ .columns = columns, .n_columns = n_columns };
}

static bool
has_room(struct table *t)
{
    size_t cap = t->cap_cells == 0 ? 128 : t->cap_cells * 2;
    char **cells;
    bool *alarms;

    if (t->n_cells < t->cap_cells)
        return true;
    cells = mem_realloc(MEM_DEFAULT, t->cells, cap * sizeof *cells);
    if (cells == NULL)
        return false;
    t->cells = cells;
    alarms = mem_realloc(MEM_DEFAULT, t->alarms, cap * sizeof *alarms);
    if (alarms == NULL)
        return false;
    t->alarms = alarms;
    t->cap_cells = cap;
    return true;
}

static void
put(struct table *t, const char *text)
{
    char *copy = t->is_cut || !has_room(t) ? NULL : mem_strdup(MEM_DEFAULT, text);

    t->is_cut |= copy == NULL;
    if (copy == NULL)
        return;
    t->alarms[t->n_cells] = false;
    t->cells[t->n_cells++] = copy;
}

void
table_text(struct table *t, const char *text)
{
    char harmless[TABLE_MAX_TEXT_BYTES * 4 + 8];
    struct slice all = slice_str(text == NULL || text[0] == '\0' ? "-" : text), some = slice_sub(all, 0, TABLE_MAX_TEXT_BYTES);
    size_t n;

    while (some.n > 0 && some.n < all.n && ((unsigned char)all.p[some.n] & 0xc0) == 0x80) /* whole characters */
        some.n--;
    n = log_escape(harmless, sizeof harmless - 4, some, false);
    memcpy(harmless + n, some.n < all.n ? "..." : "", some.n < all.n ? 4 : 1);
    put(t, harmless);
}

void
table_number(struct table *t, int64_t number)
{
    char text[32];

    put(t, table_group(text, number));
}

void
table_signed(struct table *t, int64_t number)
{
    char text[32], with_sign[34];

    snprintf(with_sign, sizeof with_sign, "%s%s", number > 0 ? "+" : "", table_group(text, number));
    put(t, with_sign);
}

void
table_bytes(struct table *t, int64_t n_bytes)
{
    char text[32];

    put(t, table_size(text, (double)n_bytes));
}

void
table_seconds(struct table *t, int64_t s)
{
    char text[32];

    if (s < 120)
        snprintf(text, sizeof text, "%lld s", (long long)s);
    else if (s < 7200)
        snprintf(text, sizeof text, "%lld min", (long long)s / 60);
    else
        snprintf(text, sizeof text, "%.1f h", (double)s / 3600);
    put(t, text);
}

void
table_alarm(struct table *t)
{
    if (!t->is_cut && t->n_cells > 0)
        t->alarms[t->n_cells - 1] = true;
}

static size_t
width_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void
print_cell(const struct table *t, unsigned column, const char *text, size_t width, const char *style)
{
    size_t blanks = width - width_of(text);
    bool is_last = column + 1 == t->n_columns;

    if (t->columns[column].is_number)
        printf("%*s", (int)blanks, "");
    printf("%s%s%s", style, text, style[0] == '\0' ? "" : "\033[0m");
    if (!is_last)
        printf("%*s", (int)(t->columns[column].is_number ? GAP : blanks + GAP), "");
}

void
table_end(struct table *t)
{
    bool has_colours = table_has_colours();
    size_t widths[TABLE_MAX_COLUMNS];

    for (unsigned i = 0; i < t->n_columns; i++)
        widths[i] = width_of(t->columns[i].head);
    for (size_t i = 0; i < t->n_cells; i++)
        widths[i % t->n_columns] = ORB_MAX(widths[i % t->n_columns], width_of(t->cells[i]));
    for (unsigned i = 0; i < t->n_columns; i++)
        print_cell(t, i, t->columns[i].head, widths[i], has_colours ? "\033[1m" : "");
    printf("\n");
    for (size_t i = 0; i < t->n_cells; i++) {
        unsigned column = (unsigned)(i % t->n_columns);

        print_cell(t, column, t->cells[i], widths[column], has_colours && t->alarms[i] ? "\033[31m" : "");
        if (column + 1 == t->n_columns)
            printf("\n");
        mem_free(MEM_DEFAULT, t->cells[i]);
    }
    if (t->is_cut)
        printf("\n(cut: out of memory)\n");
    mem_free(MEM_DEFAULT, t->cells);
    mem_free(MEM_DEFAULT, t->alarms);
}
