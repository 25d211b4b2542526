#include "cluster/cmd.h"
#include "cluster/control_client.h"
#include "tests/support/support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buf said, asked;
static char dir[1024];

/* A crawl directory whose path is longer than a socket's name may be, with a listener where the coordinator's would be. */
static int
listen_in_long_dir(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char path[1100];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), len;

    len = snprintf(dir, sizeof dir, "%s/", scratch_dir());
    memset(dir + len, 'd', 150);
    dir[len + 150] = '\0';
    assert_int_equal(mkdir(dir, 0755), 0);
    snprintf(path, sizeof path, "%s/coordinator", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    if (chdir(path) != 0)
        fail_msg("chdir");
    strcpy(address.sun_path, "orb.sock");
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(chdir(ORB_SOURCE_DIR), 0);
    return fd;
}

/* Runs a command in a child whose output goes to `said`; meanwhile answers one request with `answer` (NULL: hangs up). */
static int
run(int (*command)(int, char **), char **argv, int listener, const char *answer)
{
    char path[1100], chunk[4096];
    int argc = 0, status, fd;
    pid_t child;
    ssize_t n;

    while (argv[argc] != NULL)
        argc++;
    snprintf(path, sizeof path, "%s/said", scratch_dir());
    child = fork();
    if (child == 0) {
        if (freopen(path, "w", stdout) == NULL || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
            _exit(99);
        status = command(argc, argv);
        fflush(stdout);
        _exit(status);
    }
    buf_clear(&asked);
    if (listener >= 0) {
        fd = accept(listener, NULL, NULL);
        while (answer != NULL && (asked.n == 0 || memchr(asked.p, '\n', asked.n) == NULL) && (n = recv(fd, chunk, sizeof chunk, 0)) > 0)
            assert_int_equal(buf_append(&asked, chunk, (size_t)n), 0);
        if (answer != NULL)
            assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
        close(fd);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    read_file(&said, path);
    assert_int_equal(buf_append(&said, "", 0), 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
assert_said(const char *part)
{
    if (strstr(said.p, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", said.p, part);
}

static int
setup(void **state)
{
    buf_init(&said, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&asked, MEM_DEFAULT, BUF_NO_CEILING);
    return 0;
}

TEST(control__pause_resume_and_stop_send_their_command_to_a_path_of_any_length)
{
    int fd = listen_in_long_dir();

    assert_int_equal(run(cmd_pause, (char *[]){ "pause", dir, NULL }, fd, "{\"ok\":true}\n"), EXIT_DONE);
    assert_slice_str(buf_slice(&asked), "{\"cmd\":\"pause\"}\n");
    assert_int_equal(run(cmd_resume, (char *[]){ "resume", dir, NULL }, fd, "{\"ok\":true}\n"), EXIT_DONE);
    assert_slice_str(buf_slice(&asked), "{\"cmd\":\"resume\"}\n");
    assert_int_equal(run(cmd_stop, (char *[]){ "stop", "--now", dir, NULL }, fd, "{\"ok\":true}\n"), EXIT_DONE);
    assert_slice_str(buf_slice(&asked), "{\"cmd\":\"stop\",\"now\":true}\n");
    assert_int_equal(run(cmd_stop, (char *[]){ "stop", dir, NULL }, fd, "{\"ok\":false,\"error\":\"no\\u001b[2J\"}\n"), EXIT_FAILED);
    assert_said(": no\\x1b[2J\n");
    close(fd);
}

TEST(control__status_shows_books_workers_and_errors)
{
    static const char answer[] =
        "{\"ok\":true,\"state\":\"running\",\"pid\":42,\"seconds\":3725.5,\"pages\":1234,\"pages_per_s\":45.25,\"wire_bytes\":5242880,"
        "\"private_bytes\":1048576,\"books\":{\"discovered\":10,\"queued\":1,\"leased\":2,\"waiting\":0,\"done\":4,\"failed\":1,"
        "\"excluded\":2,\"quarantined\":0},\"failed_by_reason\":{\"reset\":1},\"excluded_by_reason\":{\"out_of_scope\":2},"
        "\"workers\":[{\"slot\":0,\"pid\":43,\"state\":\"running\",\"private_bytes\":3145728,\"in_flight\":7,\"leases\":3,\"pages\":1000,"
        "\"connections_opened\":1,\"connections_reused\":99,\"deaths\":0}]}\n";
    int fd = listen_in_long_dir();

    assert_int_equal(run(cmd_status, (char *[]){ "status", dir, NULL }, fd, answer), EXIT_DONE);
    assert_said("running for 1h02m, pid 42");
    assert_said("1234 stored, 45.2/s, 5.0 MiB received");
    assert_said("10 discovered = 1 queued + 2 leased + 0 waiting + 4 done + 1 failed + 2 excluded + 0 quarantined\n");
    assert_said("4.0 MiB private in all, 1.0 MiB of it the coordinator's");
    assert_said("reset 1");
    assert_said("out_of_scope 2");
    assert_said("99.0 %");
    assert_int_equal(run(cmd_status, (char *[]){ "status", "--json", dir, NULL }, fd, answer), EXIT_DONE);
    assert_slice_str(buf_slice(&said), answer);
    assert_int_equal(run(cmd_status, (char *[]){ "status", dir, NULL }, fd, "{\"ok\":true,\"books\":{\"discovered\":3}}\n"), EXIT_DONE);
    assert_said("THE BOOKS DO NOT BALANCE");
    close(fd);
}

TEST(control__add_sends_all_urls_and_says_which_were_refused)
{
    int fd = listen_in_long_dir();

    assert_int_equal(run(cmd_add, (char *[]){ "add", dir, "http://a.example/", "x://b", NULL }, fd,
                         "{\"ok\":true,\"added\":1,\"seen\":0,\"refused\":[{\"url\":\"x://b\",\"why\":\"neither http nor https\"}]}\n"),
                     EXIT_FAILED);
    assert_slice_str(buf_slice(&asked), "{\"cmd\":\"add\",\"urls\":[\"http://a.example/\",\"x://b\"]}\n");
    assert_said("1 added, 0 known already, 1 refused\nrefused: x://b: neither http nor https\n");
    close(fd);
}

TEST(control__why_tells_the_life_of_a_url)
{
    int fd = listen_in_long_dir();

    assert_int_equal(run(cmd_why, (char *[]){ "why", dir, "http://a.example/", NULL }, fd,
                         "{\"ok\":true,\"state\":\"done\",\"attempts\":2,\"via\":{\"url\":\"http://b.example/\"}}\n"), EXIT_DONE);
    assert_slice_str(buf_slice(&asked), "{\"cmd\":\"why\",\"url\":\"http://a.example/\"}\n");
    assert_said("state            done\nattempts         2\nvia              url http://b.example/\n");
    close(fd);
}

TEST(control__each_failure_says_what_to_do)
{
    char path[1100];
    int fd = listen_in_long_dir();

    assert_int_equal(run(cmd_status, (char *[]){ "status", dir, NULL }, fd, NULL), EXIT_FAILED);
    assert_said("closed the connection without an answer");
    assert_int_equal(run(cmd_status, (char *[]){ "status", dir, NULL }, fd, "nonsense\n"), EXIT_FAILED);
    assert_said("no JSON object");
    close(fd);
    assert_int_equal(run(cmd_status, (char *[]){ "status", dir, NULL }, -1, NULL), EXIT_FAILED);
    assert_said("not running any more");
    snprintf(path, sizeof path, "%s/coordinator/orb.sock", dir);
    unlink(path);
    assert_int_equal(run(cmd_status, (char *[]){ "status", dir, NULL }, -1, NULL), EXIT_FAILED);
    assert_said("no crawl is running in");
    assert_int_equal(run(cmd_status, (char *[]){ "status", "/nonexistent/dir", NULL }, -1, NULL), EXIT_FAILED);
    assert_said("there is no directory /nonexistent/dir");
    assert_int_equal(run(cmd_add, (char *[]){ "add", dir, NULL }, -1, NULL), EXIT_USAGE);
    assert_said("a URL (with its scheme) is missing");
    assert_int_equal(run(cmd_status, (char *[]){ "status", "--frob", NULL }, -1, NULL), EXIT_USAGE);
    assert_said("there is no option --frob");
    assert_int_equal(run(cmd_why, (char *[]){ "why", "http://a/", "http://b/", NULL }, -1, NULL), EXIT_USAGE);
    assert_int_equal(run(cmd_pause, (char *[]){ "pause", "--help", NULL }, -1, NULL), EXIT_DONE);
    assert_said("usage: orb pause [DIR]");
}

static int
teardown(void **state)
{
    buf_fini(&said);
    buf_fini(&asked);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(control__pause_resume_and_stop_send_their_command_to_a_path_of_any_length),
        T(control__status_shows_books_workers_and_errors),
        T(control__add_sends_all_urls_and_says_which_were_refused),
        T(control__why_tells_the_life_of_a_url),
        T(control__each_failure_says_what_to_do),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
