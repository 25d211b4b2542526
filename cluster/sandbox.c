#include "cluster/sandbox.h"

#include "cluster/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE)
#define ALL_RIGHTS                                                                                                     \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE                          \
     | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE                      \
     | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG                          \
     | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK                       \
     | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define WRITE_RIGHTS                                                                                                   \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | READ_RIGHTS | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)

/* A path that is not there needs no rule. */
static void
allow(int ruleset, const char *path, unsigned long long rights)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = rights };
    struct stat st;

    if (path == NULL)
        return;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= FILE_RIGHTS;
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
}

bool
sandbox_enter_worker(const char *crawl_dir, const char *hosts_file, const char *ca_file)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = ALL_RIGHTS };
    char path[4200];
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    int rc;

    if (ruleset < 0) {
        log_info("no Landlock in this kernel: workers run without a file sandbox");
        return false;
    }
    snprintf(path, sizeof path, "%s/pages", crawl_dir);
    allow(ruleset, path, WRITE_RIGHTS);
    snprintf(path, sizeof path, "%s/warc", crawl_dir);
    allow(ruleset, path, WRITE_RIGHTS);
    allow(ruleset, "/etc", READ_RIGHTS);       /* resolv.conf, hosts, ssl */
    allow(ruleset, "/usr/share", READ_RIGHTS); /* certificates, locale data, gconv */
    allow(ruleset, "/usr/lib", READ_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE); /* gconv modules */
    allow(ruleset, "/proc/self", READ_RIGHTS);
    allow(ruleset, "/proc/self/exe", LANDLOCK_ACCESS_FS_READ_FILE); /* names of its own functions, gc/trace.h */
    allow(ruleset, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE);
    allow(ruleset, hosts_file, LANDLOCK_ACCESS_FS_READ_FILE);
    allow(ruleset, ca_file, LANDLOCK_ACCESS_FS_READ_FILE);
    rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (rc == 0)
        rc = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    if (rc != 0)
        log_warning("the worker's file sandbox could not be entered: %s", strerror(errno));
    return rc == 0;
}
