#include "pool/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not stdio: the heap may be what is broken. */
noreturn void
check_failed(const char *file, int line, const char *what)
{
    char text[512];
    int n = snprintf(text, sizeof text, "orb[%d]: CHECK failed at %s:%d: %s\n", (int)getpid(), file, line, what);

    if (n > 0) {
        ssize_t ignored = write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
        (void)ignored;
    }
    abort();
}
