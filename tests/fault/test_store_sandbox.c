/* A process that may write only DIR/pages and DIR/warc (Landlock) stores pages, rotates, reads back. */
#include "storage/store.h"

#include "tests/support/store_sample.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int
allow(int ruleset, const char *path)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = 0x1ffe /* all of ABI 1 but execute */ };
    int rc;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    rc = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return rc;
}

static void
sandboxed(const struct sample_dirs *d)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = 0x1fff };
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    struct store_conf conf = sample_conf(d);
    struct store *s = NULL;
    struct pagedb *p = NULL;
    struct buf body, error;
    char other[256];

    if (ruleset < 0)
        _exit(77);
    assert_int_equal(allow(ruleset, d->pages), 0);
    assert_int_equal(allow(ruleset, d->warc), 0);
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal((int)syscall(SYS_landlock_restrict_self, ruleset, 0), 0);
    snprintf(other, sizeof other, "%s/elsewhere", d->root);
    assert_int_equal(open(other, O_WRONLY | O_CREAT, 0644), -1); /* the fence stands */
    buf_init(&body, MEM_BUF, 1 << 20);
    buf_init(&error, MEM_BUF, 1 << 20);
    conf.max_warc_bytes = 50000;
    if (store_open(&s, &conf, &error) != 0)
        fail_msg("%s", error.p);
    for (unsigned i = 1; i <= 500; i++) {
        char url[64];
        struct record r;

        snprintf(url, sizeof url, "http://example.org/%u", i);
        sample_body(&body, i, 10000);
        r = sample_page(i, url, buf_slice(&body));
        assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
        if (store_is_full(s))
            assert_int_equal(store_flush(s), 0);
    }
    assert_int_equal(store_close(&s), 0);
    assert_int_equal(pagedb_open(&p, d->pages, DB_READ, NULL), 0);
    for (unsigned i = 1; i <= 500; i++)
        assert_int_equal(pagedb_verify(p, d->warc, i), 0);
    pagedb_close(&p);
    _exit(0);
}

TEST(store__works_with_its_two_folders_alone)
{
    struct sample_dirs d = sample_dirs_new();
    pid_t pid = fork();
    int status;

    if (pid == 0)
        sandboxed(&d);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* a kernel without Landlock */
    assert_int_equal(status, 0);
}

TESTS(T(store__works_with_its_two_folders_alone))
