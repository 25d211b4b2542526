#include "tests/support/support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_path[64];
static pid_t scratch_owner;

static int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static void
scratch_remove(void)
{
    if (getpid() == scratch_owner) /* not in a child that the test forked */
        nftw(scratch_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
scratch_dir(void)
{
    static unsigned n;
    static char sub[96];

    if (scratch_path[0] == '\0') {
        strcpy(scratch_path, "/tmp/orb-test-XXXXXX");
        assert_non_null(mkdtemp(scratch_path));
        scratch_owner = getpid();
        atexit(scratch_remove);
    }
    snprintf(sub, sizeof sub, "%s/%u", scratch_path, ++n);
    assert_int_equal(mkdir(sub, 0755), 0);
    return sub;
}

const char *
shared_dir(void)
{
    static char path[4096];
    const char *env = getenv("ORB_SHARED");

    snprintf(path, sizeof path, "%s", env != NULL ? env : ORB_SOURCE_DIR "/../shared");
    if (access(path, R_OK) == 0)
        return path;
    print_message("skipped: no shared test data (set ORB_SHARED to its folder)\n");
    return NULL;
}

void
read_file(struct buf *b, const char *path)
{
    FILE *f = fopen(path, "rb");
    char chunk[65536];
    size_t n;

    if (f == NULL)
        fail_msg("cannot read %s", path);
    buf_clear(b);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        assert_int_equal(buf_append(b, chunk, n), 0);
    fclose(f);
}

void
write_file(const char *path, const void *bytes, size_t n_bytes)
{
    FILE *f = fopen(path, "wb");

    if (f == NULL)
        fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(bytes, 1, n_bytes, f), n_bytes);
    assert_int_equal(fclose(f), 0);
}

void
assert_slice_str(struct slice s, const char *expected)
{
    if (!slice_eq(s, slice_str(expected)))
        fail_msg("\"" SLICE_FMT "\" is not \"%s\"", SLICE_ARG(s), expected);
}
