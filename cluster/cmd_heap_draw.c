/* cmd_heap_draw.c - a reference graph as a picture: DOT goes to Graphviz's `dot`, its output to a file or standard output */
#include "cluster/cmd_heap.h"

#include "cluster/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_INSTALLED 127

static noreturn void
run_dot(int in, int out, const char *format)
{
    char option[16];

    snprintf(option, sizeof option, "-T%s", format);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(1);
    execlp("dot", "dot", option, (char *)NULL);
    _exit(errno == ENOENT ? NOT_INSTALLED : 1);
}

/* The text in a file of memory, so that nobody waits for a pipe. -1: errno. */
static int
file_of(struct slice text)
{
    int fd = memfd_create("orb-graph", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < text.n) {
        ssize_t n = write(fd, text.p + done, text.n - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int
wait_for(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int
heap_draw(struct slice dot, const char *format, const char *path)
{
    int in = file_of(dot), out = path == NULL ? dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    pid_t child = in < 0 || out < 0 ? -1 : fork();
    int code, saved = errno;

    if (in >= 0 && out < 0 && path != NULL) {
        fprintf(stderr, "orb heap: %s cannot be written: %s\n", path, strerror(saved));
        close(in);
        return EXIT_FAILED;
    }
    if (child == 0)
        run_dot(in, out, format);
    code = child < 0 ? -1 : wait_for(child);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    if (code == 0)
        return EXIT_DONE;
    if (code == NOT_INSTALLED && path != NULL)
        unlink(path); /* it is empty */
    if (code == NOT_INSTALLED)
        fprintf(stderr, "orb heap: --format %s needs Graphviz's `dot`, which is not installed: apt install graphviz; "
                        "--format dot prints the graph itself\n", format);
    else
        fprintf(stderr, "orb heap: the picture could not be drawn: %s\n", code < 0 ? strerror(saved) : "`dot` failed");
    return EXIT_FAILED;
}
