/* control_client.c - the client side of orb.sock
 *
 * A socket's name holds 107 bytes and a path may be longer: it is reached through the directory's descriptor.
 */
#include "cluster/control_client.h"
#include "cluster/cmd.h"
#include "cluster/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_ANSWER_BYTES (16 * 1024 * 1024)

/* ---- arguments ---- */

static int
print_help(const struct control_command *c)
{
    printf("orb %s - %s\n\nusage: orb %s %s\n\nDIR is the crawl's directory [./orb-crawl].\n", c->name, c->sentence,
           c->name, c->usage);
    return EXIT_DONE;
}

static int
refuse_usage(const struct control_command *c, const char *what, const char *word)
{
    fprintf(stderr, "orb %s: %s%s%s\nusage: orb %s %s\n", c->name, what, word[0] == '\0' ? "" : " ", word, c->name, c->usage);
    return EXIT_USAGE;
}

int
control_parse(const struct control_command *c, int argc, char **argv, struct control_args *out)
{
    int n = 0;

    *out = (struct control_args){ .dir = "./orb-crawl" };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return print_help(c);
        if (c->has_json && strcmp(argv[i], "--json") == 0)
            out->is_json = true;
        else if (c->has_now && strcmp(argv[i], "--now") == 0)
            out->is_now = true;
        else if (argv[i][0] == '-')
            return refuse_usage(c, "there is no option", argv[i]);
        else
            argv[n++] = argv[i]; /* arguments move to the front; argv[0] is not needed any more */
    }
    if (n > 0 && strstr(argv[0], "://") == NULL) {
        out->dir = argv[0];
        argv++;
        n--;
    }
    if (n < c->n_urls_min)
        return refuse_usage(c, "a URL (with its scheme) is missing", "");
    if (c->n_urls_max >= 0 && n > c->n_urls_max)
        return refuse_usage(c, "too many arguments from", argv[c->n_urls_max]);
    out->urls = argv;
    out->n_urls = n;
    return -1;
}

void
control_print_text(const char *text)
{
    char piece[1024];
    struct slice rest = slice_str(text);

    while (rest.n > 0) {
        struct slice some = slice_sub(rest, 0, 128);

        while (some.n < rest.n && ((unsigned char)rest.p[some.n] & 0xc0) == 0x80) /* whole characters */
            some.n++;
        fwrite(piece, 1, log_escape(piece, sizeof piece, some, false), stdout);
        rest = slice_sub(rest, some.n, rest.n);
    }
}

/* ---- the connection ---- */

int
control_say_unreachable(const char *command, const char *dir, int why)
{
    char escaped[512];
    size_t n = log_escape(escaped, sizeof escaped - 1, slice_str(dir), false);

    escaped[n] = '\0';
    if (why == ENOENT && access(dir, F_OK) != 0)
        fprintf(stderr, "orb %s: there is no directory %s; name the crawl's directory: orb %s DIR\n", command, escaped, command);
    else if (why == ENOENT || why == ENOTDIR)
        fprintf(stderr, "orb %s: no crawl is running in %s; start it, or go on with it: orb crawl -o %s ...\n", command, escaped, escaped);
    else if (why == ECONNREFUSED)
        fprintf(stderr, "orb %s: the crawl in %s is not running any more (it ended without tidying up); go on with it: orb crawl -o %s ...\n",
                command, escaped, escaped);
    else if (why == EACCES || why == EPERM)
        fprintf(stderr, "orb %s: the crawl in %s belongs to another user; ask as that user or as root\n", command, escaped);
    else
        fprintf(stderr, "orb %s: the crawl in %s cannot be reached: %s\n", command, escaped, strerror(why));
    return EXIT_FAILED;
}

static void
say_trouble(const char *command, const char *dir, const char *trouble)
{
    char escaped[2048];
    size_t n = log_escape(escaped, sizeof escaped - 1, slice_str(dir), false);

    escaped[n] = '\0';
    fprintf(stderr, "orb %s: the crawl in %s: ", command, escaped);
    n = log_escape(escaped, sizeof escaped - 1, slice_str(trouble), false);
    escaped[n] = '\0';
    fprintf(stderr, "%s\n", escaped);
}

static int
connect_to(const char *dir, int *out)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct timeval patience = { CONTROL_PATIENCE_S, 0 };
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, saved;

    if (dir_fd < 0)
        return errno;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/coordinator/orb.sock", dir_fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    saved = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ? errno : 0;
    close(dir_fd);
    if (saved != 0 && fd >= 0)
        close(fd);
    *out = fd;
    return saved;
}

static bool
send_all(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = slice_sub(s, (size_t)n, s.n);
    }
    return true;
}

/* Up to the newline. NULL, or why there is no answer. */
static const char *
receive_line(int fd, struct buf *line)
{
    for (;;) {
        ssize_t n;

        if (buf_reserve(line, 16384) != 0)
            return "its answer is too long";
        n = recv(fd, line->p + line->n, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != ECONNRESET)
            return errno == EAGAIN ? "it does not answer; its log is in DIR/coordinator/log" : strerror(errno);
        if (n <= 0)
            return "it closed the connection without an answer: it is ending, is asked by too many, or is another user's";
        line->n += (size_t)n;
        line->p[line->n] = '\0';
        if (memchr(line->p + line->n - n, '\n', (size_t)n) != NULL)
            return NULL;
    }
}

static int
dump_to_buf(const char *bytes, size_t n_bytes, void *arg)
{
    return buf_append(arg, bytes, n_bytes) == 0 ? 0 : -1;
}

static const char *
exchange(int fd, const json_t *request, json_t **answer)
{
    const char *trouble = "out of memory";
    struct buf text;

    buf_init(&text, MEM_JSON, MAX_ANSWER_BYTES);
    if (json_dump_callback(request, dump_to_buf, &text, JSON_COMPACT) == 0 && buf_append_char(&text, '\n') == 0) {
        /* a crawl that refuses us hangs up at once: what it said, or did not say, is still to be read */
        trouble = send_all(fd, buf_slice(&text)) || errno == EPIPE || errno == ECONNRESET ? NULL : strerror(errno);
        buf_clear(&text);
        if (trouble == NULL)
            trouble = receive_line(fd, &text);
        if (trouble == NULL)
            *answer = json_loadb(text.p, text.n, 0, NULL);
        if (trouble == NULL && !json_is_object(*answer))
            trouble = "its answer is no JSON object";
    }
    buf_fini(&text);
    return trouble;
}

int
control_ask(const char *command, const char *dir, json_t *request, json_t **answer)
{
    int why, code = control_try(command, dir, request, answer, &why);

    return code == CONTROL_NOBODY ? control_say_unreachable(command, dir, why) : code;
}

int
control_try(const char *command, const char *dir, json_t *request, json_t **answer, int *why)
{
    json_t *got = NULL;
    const char *trouble, *refusal;
    int fd = -1;

    *why = request == NULL ? ENOMEM : connect_to(dir, &fd);
    if (*why != 0) {
        json_decref(request);
        return CONTROL_NOBODY;
    }
    trouble = exchange(fd, request, &got);
    close(fd);
    json_decref(request);
    if (trouble == NULL && json_is_true(json_object_get(got, "ok"))) {
        *answer = got;
        return EXIT_DONE;
    }
    refusal = json_string_value(json_object_get(got, "error"));
    if (trouble == NULL)
        trouble = refusal == NULL ? "refused, without a reason" : refusal;
    say_trouble(command, dir, trouble);
    json_decref(got);
    return EXIT_FAILED;
}

int
control_simple(const struct control_command *c, int argc, char **argv, const char *done)
{
    struct control_args args;
    json_t *answer = NULL, *request;
    int code = control_parse(c, argc, argv, &args);

    if (code >= 0)
        return code;
    request = json_pack("{s:s}", "cmd", c->name);
    if (request != NULL && c->has_now)
        json_object_set_new(request, "now", json_boolean(args.is_now));
    code = control_ask(c->name, args.dir, request, &answer);
    if (code == EXIT_DONE)
        printf("%s\n", done);
    json_decref(answer);
    return code;
}
