#include "cluster/table.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <unistd.h>

TEST(table_group__groups_thousands_and_keeps_the_sign)
{
    char to[32];

    assert_string_equal(table_group(to, 0), "0");
    assert_string_equal(table_group(to, 1284), "1,284");
    assert_string_equal(table_group(to, -1284), "-1,284");
    assert_string_equal(table_group(to, INT64_MIN), "-9,223,372,036,854,775,808");
}

TEST(table_size__says_bytes_as_the_heap_does)
{
    char to[32];

    assert_string_equal(table_size(to, 1023), "1023 B");
    assert_string_equal(table_size(to, 1048575), "1.0 MiB"); /* not "1024.0 KiB" */
    assert_string_equal(table_size(to, -1258291), "-1.2 MiB");
    assert_string_equal(table_size(to, 1e300), "8388608.0 TiB");
}

/* Three domains, of which the second is unused and the third calls for attention; what is printed, in `to`. */
static void
print_domains(bool hides_zeros, char *to, size_t cap)
{
    static const struct table_column columns[] = { { "domain", false }, { "live", true }, { "limit", true }, { "hook", false } };
    FILE *file = tmpfile();
    int out = dup(STDOUT_FILENO);
    struct table t;
    size_t n;

    assert_true(file != NULL && out >= 0);
    fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    table_begin(&t, columns, ORB_N_ELEMENTS(columns));
    table_text(&t, "page"), table_bytes(&t, 2048), table_text(&t, NULL), table_text(&t, "works");
    table_text(&t, "a long name"), table_bytes(&t, 0), table_text(&t, NULL), table_text(&t, "works");
    table_text(&t, "zlib"), table_bytes(&t, 0), table_number(&t, 0), table_text(&t, "failed"), table_alarm(&t);
    if (hides_zeros)
        table_hide_zeros(&t);
    table_end(&t);
    fflush(stdout);
    assert_true(dup2(out, STDOUT_FILENO) >= 0);
    close(out);
    rewind(file);
    n = fread(to, 1, cap - 1, file);
    to[n] = '\0';
    fclose(file);
}

TEST(table__lines_columns_up)
{
    char text[1024];

    print_domains(false, text, sizeof text);
    assert_string_equal(text, "domain          live  limit  hook\n"
                              "page         2.0 KiB      -  works\n"
                              "a long name      0 B      -  works\n"
                              "zlib             0 B      0  failed\n");
}

TEST(table__leaves_rows_of_zeros_out_and_says_so)
{
    char text[1024];

    print_domains(true, text, sizeof text);
    assert_string_equal(text, "domain     live  limit  hook\n"
                              "page    2.0 KiB      -  works\n"
                              "zlib        0 B      0  failed\n" /* an alarm is shown whatever the numbers are */
                              "(1 row of zeros is not shown: --all)\n");
}

TEST(table__tells_spans_of_time)
{
    char text[32];

    assert_string_equal(table_span(text, 47), "47 s");
    assert_string_equal(table_span(text, 600), "10 min");
    assert_string_equal(table_span(text, 7200), "2.0 h");
}

TESTS(T(table_group__groups_thousands_and_keeps_the_sign), T(table_size__says_bytes_as_the_heap_does),
      T(table__lines_columns_up), T(table__leaves_rows_of_zeros_out_and_says_so), T(table__tells_spans_of_time))
