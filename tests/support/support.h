/* support.h - what every test program shares: cmocka with our names, scratch folders, the shared test data
 *
 * TEST(name) { ... } defines a test; TESTS(T(name), ...) makes main(). CHECKs of cmocka are assert_*.
 */
#ifndef ORB_TESTS_SUPPORT_H
#define ORB_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/buf.h"
#include "pool/mem.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define T(name) cmocka_unit_test(name)
#define TESTS(...)                                                                                                     \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

/* Runs the block once per allocation that it makes, failing the first, the second, ...; ends when a run had no failure. */
#define FAULT_SWEEP(nth)                                                                                               \
    for (uint64_t nth = 1, fault_counted = (mem_fail_nth(1, false, false), 1); fault_counted != 0;                    \
         fault_counted = mem_fail_nth(0, false, false) >= nth ? (mem_fail_nth(nth + 1, false, false), 1) : 0, nth++)

/* A new empty folder that is removed, with all in it, at exit; BORROWED until then. */
const char *scratch_dir(void);

/* The shared test data folder, or NULL (then skip_without_shared() ends the test as skipped). */
const char *shared_dir(void);

/* The whole file into b (cleared before); fails the test when it cannot be read. */
void read_file(struct buf *b, const char *path);
void write_file(const char *path, const void *bytes, size_t n_bytes);

void assert_slice_str(struct slice s, const char *expected);

#endif
