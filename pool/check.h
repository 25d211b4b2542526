/* check.h - assertions that stay on in release
 *
 * CHECK(cond) is for our own bugs: the process says where it stands and dies, the supervisor writes the obituary and
 * starts another. It is never used on input from the network, a worker or a file.
 * Every struct that outlives a call begins with `uint32_t magic`, set at birth, wiped at death, looked at by CHECK_IS
 * on public entry.
 */
#ifndef ORB_POOL_CHECK_H
#define ORB_POOL_CHECK_H

#include <stdint.h>
#include <stdnoreturn.h>

noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (__builtin_expect(!(cond), 0))                                                                              \
            check_failed(__FILE__, __LINE__, #cond);                                                                   \
    } while (0)

#define CHECK_IS(ptr, expected_magic) CHECK((ptr) != NULL && (ptr)->magic == (expected_magic))
#define CHECK_NEVER(why) check_failed(__FILE__, __LINE__, why)

#define ORB_BIT(n) (1u << (n))
#define ORB_N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
/* Arguments are evaluated twice: no calls in them. */
#define ORB_MIN(a, b) ((a) < (b) ? (a) : (b))
#define ORB_MAX(a, b) ((a) > (b) ? (a) : (b))

#define ORB_MUST_USE __attribute__((warn_unused_result))
#define ORB_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

#endif
