/* under_callgrind.c - preloaded into a coordinator: its worker 0 runs under callgrind (which does not know pidfd_open, so that the coordinator
 * itself cannot). CALLGRIND_OUT names the file. For memory_cost.py. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
execv(const char *path, char *const argv[])
{
    int (*real)(const char *, char *const *) = (int (*)(const char *, char *const *))dlsym(RTLD_NEXT, "execv");
    char out[600], exe[600];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *under[] = { "valgrind", "-q", "--tool=callgrind", out, exe, argv[1], argv[2], NULL };

    if (n < 0 || argv[1] == NULL || strcmp(argv[1], "worker") != 0)
        return real(path, argv);
    exe[n] = '\0';
    snprintf(out, sizeof out, "--callgrind-out-file=%s", getenv("CALLGRIND_OUT"));
    unsetenv("LD_PRELOAD");
    return real("/usr/bin/valgrind", under);
}
