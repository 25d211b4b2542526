/* table.h - columns that line up, for people: numbers to the right and grouped, text as it came but harmless
 *
 *   table_begin(&t, columns, n); table_text(&t, "Page"); table_number(&t, 1284); ... table_end(&t);   one cell after the other
 *
 * Cells fill rows from left to right; table_end() prints them to standard output and frees everything. Control characters
 * of texts are escaped. On a terminal heads are bold, and what table_alarm() marked is red; NO_COLOR switches that off.
 *
 * Rows of nothing but zeros say nothing: table_hide_zeros() leaves them out, and says how many there were.
 *
 * Errors     out of memory: the table is printed as far as it came, and says that it is cut.
 */
#ifndef ORB_CLUSTER_TABLE_H
#define ORB_CLUSTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MAX_COLUMNS 16
#define TABLE_MAX_TEXT_BYTES 400 /* longer texts are cut with an ellipsis */

struct table_column {
    const char *head;
    bool is_number;
};

struct table {
    const struct table_column *columns;
    unsigned n_columns;
    char **cells;      /* row by row */
    bool *alarms;
    size_t n_cells, cap_cells;
    bool is_cut, hides_zeros;
};

void table_begin(struct table *t, const struct table_column *columns, unsigned n_columns);
void table_text(struct table *t, const char *text); /* NULL = "-" */
void table_number(struct table *t, int64_t number); /* "1,284" */
void table_signed(struct table *t, int64_t number); /* "+1,284" */
void table_bytes(struct table *t, int64_t n_bytes); /* "1.2 MiB" */
void table_seconds(struct table *t, int64_t s);     /* "42 s", "5 min", "1.5 h" */
void table_alarm(struct table *t);                  /* the cell put last calls for attention */
void table_hide_zeros(struct table *t); /* rows whose numbers are all 0 or "-", and that have no alarm */
void table_end(struct table *t);

bool table_has_colours(void);
const char *table_group(char to[32], int64_t number);
const char *table_span(char to[32], int64_t s); /* as table_seconds() */
const char *table_size(char to[32], double n_bytes);

#endif
