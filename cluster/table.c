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

const char *
table_span(char to[32], int64_t s)
{
    if (s < 120)
        snprintf(to, 32, "%lld s", (long long)s);
    else if (s < 7200)
        snprintf(to, 32, "%lld min", (long long)s / 60);
    else
        snprintf(to, 32, "%.1f h", (double)s / 3600);
    return to;
}

void
table_seconds(struct table *t, int64_t s)
{
    char text[32];

    put(t, table_span(text, s));
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
table_hide_zeros(struct table *t)
{
    t->hides_zeros = true;
}

static bool
is_zero(const char *cell)
{
    static const char *const zeros[] = { "0", "-", "0 B", "0 s" };

    for (size_t i = 0; i < ORB_N_ELEMENTS(zeros); i++)
        if (strcmp(cell, zeros[i]) == 0)
            return true;
    return false;
}

/* row: its first cell. The last row may be cut. */
static bool
is_shown(const struct table *t, size_t row)
{
    if (!t->hides_zeros)
        return true;
    for (size_t i = 0; i < t->n_columns && row + i < t->n_cells; i++)
        if (t->alarms[row + i] || (t->columns[i].is_number && !is_zero(t->cells[row + i])))
            return true;
    return false;
}

static void
print_row(const struct table *t, size_t row, const size_t *widths, bool has_colours)
{
    for (unsigned i = 0; i < t->n_columns && row + i < t->n_cells; i++)
        print_cell(t, i, t->cells[row + i], widths[i], has_colours && t->alarms[row + i] ? "\033[31m" : "");
    printf("\n");
}

static void
free_cells(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        mem_free(MEM_DEFAULT, t->cells[i]);
    mem_free(MEM_DEFAULT, t->cells);
    mem_free(MEM_DEFAULT, t->alarms);
}

void
table_end(struct table *t)
{
    bool has_colours = table_has_colours();
    size_t widths[TABLE_MAX_COLUMNS], n_hidden = 0;

    for (unsigned i = 0; i < t->n_columns; i++)
        widths[i] = width_of(t->columns[i].head);
    for (size_t i = 0; i < t->n_cells; i++)
        if (is_shown(t, i - i % t->n_columns))
            widths[i % t->n_columns] = ORB_MAX(widths[i % t->n_columns], width_of(t->cells[i]));
    for (unsigned i = 0; i < t->n_columns; i++)
        print_cell(t, i, t->columns[i].head, widths[i], has_colours ? "\033[1m" : "");
    printf("\n");
    for (size_t row = 0; row < t->n_cells; row += t->n_columns) {
        if (is_shown(t, row))
            print_row(t, row, widths, has_colours);
        else
            n_hidden++;
    }
    if (n_hidden > 0)
        printf("(%zu %s of zeros %s not shown: --all)\n", n_hidden, n_hidden == 1 ? "row" : "rows", n_hidden == 1 ? "is" : "are");
    if (t->is_cut)
        printf("\n(cut: out of memory)\n");
    free_cells(t);
}
