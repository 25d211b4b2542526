#include "cluster/sandbox.h"
#include "gc/trace.h"
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int
try_create(const char *dir, const char *name)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        return errno;
    close(fd);
    return unlink(path) == 0 ? 0 : errno;
}

/* Exit codes of the child: 0 all as it should be, 77 no Landlock here, else which step went wrong. */
static int
child(const char *dir)
{
    char secret[512];

    if (!sandbox_enter_worker(dir, NULL, NULL))
        return 77;
    if (try_create(dir, "pages/x") != 0)
        return 1;
    if (try_create(dir, "warc/x") != 0)
        return 2;
    if (try_create(dir, "coordinator/x") != EACCES)
        return 3;
    if (try_create(dir, "x") != EACCES)
        return 4;
    if (try_create("/tmp", "orb-sandbox-test") != EACCES)
        return 5;
    snprintf(secret, sizeof secret, "%s/coordinator/secret", dir);
    return open(secret, O_RDONLY) >= 0 ? 6 : 0;
}

/* The worker's own functions have names in traces only if it may read its own program: 8, not 7. */
static int
name_own_functions(const char *dir)
{
    struct buf text;
    void *p;
    bool has_name;

    if (trace_start(1) != 0 || !sandbox_enter_worker(dir, NULL, NULL))
        return 77;
    p = mem_alloc(MEM_XML, 100);
    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    if (p == NULL || trace_folded(&text) != 0)
        return 9;
    has_name = strstr(text.p, ";name_own_functions ") != NULL;
    buf_fini(&text);
    mem_free(MEM_XML, p);
    trace_stop();
    return has_name ? 8 : 7;
}

/* Its exit code. */
static int
run_child(int (*child_main)(const char *dir), const char *dir)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(child_main(dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    return WEXITSTATUS(status);
}

TEST(sandbox__a_worker_writes_pages_and_warc_and_nothing_else)
{
    const char *dir = scratch_dir();
    char path[512];

    for (int i = 0; i < 3; i++) {
        static const char *const below[] = { "pages", "warc", "coordinator" };
        snprintf(path, sizeof path, "%s/%s", dir, below[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    snprintf(path, sizeof path, "%s/coordinator/secret", dir);
    write_file(path, "x", 1);
    assert_int_equal(run_child(child, dir), 0);
}

TEST(sandbox__lets_a_worker_name_its_own_functions)
{
    assert_int_equal(run_child(name_own_functions, scratch_dir()), 8);
}

TESTS(T(sandbox__a_worker_writes_pages_and_warc_and_nothing_else), T(sandbox__lets_a_worker_name_its_own_functions))
