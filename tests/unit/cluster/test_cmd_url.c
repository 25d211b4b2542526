/* `orb url` as a program: what it prints, and its exit codes. */
#include <stdio.h>
#include <sys/wait.h>

#include "tests/support/support.h"

#define ORB ORB_BINARY_DIR "/orb url "

/* The exit code; what it prints, standard error too, is in `out`. */
static int
run(const char *command, char *out, size_t out_bytes)
{
    FILE *f = popen(command, "r");
    size_t n;
    int status;

    assert_non_null(f);
    n = fread(out, 1, out_bytes - 1, f);
    out[n] = '\0';
    status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
assert_prints(const char *command, int code, const char *expected)
{
    char out[4096];

    assert_int_equal(run(command, out, sizeof out), code);
    assert_string_equal(out, expected);
}

TEST(cmd_url__prints_one_url)
{
    assert_prints(ORB "HTTP://Example.com", 0, "http://example.com/\n");
    assert_prints(ORB "--base http://h/a/b ../c#d", 0, "http://h/c#d\n");
    assert_prints(ORB "--key 'http://u@h/?utm_source=x#d'", 0, "http://h/\n");
}

TEST(cmd_url__says_what_is_wrong)
{
    assert_prints(ORB "http://a:b/ 2>&1", 1, "orb url: \"http://a:b/\": not a valid URL\n");
    assert_prints(ORB "--base x y 2>&1", 1, "orb url: --base \"x\": not a valid URL\n");
    assert_prints(ORB "2>&1", 2, "orb url: want one HREF; `orb url --help` explains\n");
    assert_prints(ORB "--nonsense 2>&1", 2, "orb url: unknown option, or one without its value; `orb url --help` explains\n");
    assert_prints(ORB "--key-rules /nonexistent x 2>&1", 1, "orb url: --key-rules /nonexistent: No such file or directory\n");
}

TEST(cmd_url__answers_every_line_of_a_batch)
{
    assert_prints("printf '%s\\n' '{\"href\":\"http://h/\\u0000\\ud800\"}' nonsense '{\"href\":\"x\"}' '{\"href\":1}' '{}' "
                  "'{\"href\":\"x\",\"base\":\"http://h/a\"}' '{\"href\":\"x\",\"base\":\"y\"}' | " ORB "--batch",
                  0,
                  "{\"href\":\"http://h/%00%EF%BF%BD\"}\n"
                  "{\"error\":\"not JSON: '[' or '{' expected near 'nonsense'\"}\n"
                  "{\"error\":\"not a valid URL\"}\n"
                  "{\"error\":\"href: malformed input\"}\n"
                  "{\"error\":\"href: missing\"}\n"
                  "{\"href\":\"http://h/x\"}\n"
                  "{\"error\":\"base: not a valid URL\"}\n");
}

TEST(cmd_url__takes_rules_of_the_user)
{
    char command[4400], path[4200];

    snprintf(path, sizeof path, "%s/rules", scratch_dir());
    write_file(path, "keep sid\ndrop ref\n", 18);
    snprintf(command, sizeof command, ORB "--key-rules %s 'http://h/?sid=1&ref=2&gclid=3'", path);
    assert_prints(command, 0, "http://h/?sid=1\n");
    write_file(path, "keep sid\nlose ref\n", 18);
    snprintf(command, sizeof command, ORB "--key-rules %s x 2>/dev/null", path);
    assert_prints(command, 1, "");
}

TESTS(T(cmd_url__prints_one_url), T(cmd_url__says_what_is_wrong), T(cmd_url__answers_every_line_of_a_batch),
      T(cmd_url__takes_rules_of_the_user))
