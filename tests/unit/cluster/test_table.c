#include "cluster/table.h"
#include "tests/support/support.h"

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

TESTS(T(table_group__groups_thousands_and_keeps_the_sign), T(table_size__says_bytes_as_the_heap_does))
