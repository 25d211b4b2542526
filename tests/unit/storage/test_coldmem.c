#include "storage/coldmem.h"

#include "tests/support/support.h"

#include <dirent.h>

TEST(coldmem__keeps_what_was_written_when_it_is_dropped)
{
    const char *dir = scratch_dir();
    struct coldmem *c = NULL;
    uint64_t *blocks[10];
    struct dirent *e;
    DIR *d;

    assert_int_equal(coldmem_open(&c, dir), 0);
    coldmem_drop(c);
    for (uint64_t i = 0; i < 10; i++) {
        void *p;
        assert_int_equal(coldmem_add(c, 100000, &p), 0);
        blocks[i] = p;
        for (uint64_t k = 0; k < 12500; k++) {
            assert_int_equal(blocks[i][k], 0);
            blocks[i][k] = i * 1000000 + k;
        }
        coldmem_drop(c);
    }
    for (uint64_t i = 0; i < 10; i++)
        for (uint64_t k = 0; k < 12500; k++)
            assert_int_equal(blocks[i][k], i * 1000000 + k);
    assert_true(coldmem_bytes(c) >= 1000000);
    d = opendir(dir); /* it has no name: nothing is left behind, whatever happens */
    while ((e = readdir(d)) != NULL)
        assert_int_equal(e->d_name[0], '.');
    closedir(d);
    coldmem_close(&c);
    assert_null(c);
}

TEST(coldmem__says_when_there_is_no_folder)
{
    struct coldmem *c = NULL;
    void *p = NULL;

    assert_int_equal(coldmem_open(&c, "/nonexistent/folder"), 0);
    assert_true(coldmem_add(c, 4096, &p) < 0);
    assert_null(p);
    coldmem_close(&c);
}

TESTS(T(coldmem__keeps_what_was_written_when_it_is_dropped), T(coldmem__says_when_there_is_no_folder))
