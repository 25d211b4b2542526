/* log.c - formats on the stack, writes once: logging allocates nothing, so that it works when memory is gone */
#include "cluster/log.h"
#include "cluster/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES (6 * LOG_MAX_MESSAGE_BYTES + 256) /* an escape makes at most six bytes of one */
#define PROGRESS_BYTES 512

static struct {
    pthread_mutex_t lock;
    char process[48];
    char dir[1024];
    char progress[PROGRESS_BYTES];
    uint64_t n_lost;
    uint64_t file_bytes;
    int fd;
    enum log_level level;
    bool is_json, is_stderr_off;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .process = "orb", .fd = -1, .level = LOG_LEVEL_INFO };

static _Thread_local struct {
    log_divert_fn *to;
    void *arg;
    bool is_busy;
} divert;

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const char *const level_colours[] = { "\33[31m", "\33[33m", "", "\33[2m" };

/* ---- escaping ---- */

/* Bytes of the well-formed UTF-8 character at p, or 0. */
static size_t
utf8_length(const unsigned char *p, size_t n, uint32_t *code)
{
    size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : 9;

    if (more >= n)
        return 0;
    *code = more == 0 ? *p : *p & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    if ((more == 2 && *code < 0x800) || (more == 3 && *code < 0x10000) || *code > 0x10ffff
        || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return more + 1;
}

/* C0, C1, line separators and what turns the direction of the text around. */
static bool
is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e)
           || (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f || code == 0xfeff;
}

size_t
log_escape(char *out, size_t n_most, struct slice text, bool is_json)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n;) {
        const unsigned char *p = (const unsigned char *)text.p + i;
        uint32_t code = 0;
        size_t n_char = utf8_length(p, text.n - i, &code), n_raw = n_char == 0 ? 1 : n_char;
        char piece[32];
        size_t n_piece = 0;

        if (n_char != 0 && !is_dangerous(code)) {
            if (is_json && (code == '"' || code == '\\'))
                piece[n_piece++] = '\\';
            memcpy(piece + n_piece, p, n_char);
            n_piece += n_char;
        } else {
            for (size_t j = 0; j < n_raw; j++)
                n_piece += (size_t)snprintf(piece + n_piece, sizeof piece - n_piece, is_json ? "\\\\x%02x" : "\\x%02x", p[j]);
        }
        if (n + n_piece > n_most)
            break;
        memcpy(out + n, piece, n_piece);
        n += n_piece;
        i += n_raw;
    }
    return n;
}

/* ---- one line ---- */

struct log_line { /* the same in the file and on the terminal */
    char time[CLOCK_TEXT_BYTES];
    const char *process;
    enum log_level level;
    struct slice message;
};

static size_t
format_line(char *line, const struct log_line *l, bool is_coloured)
{
    const char *colour = is_coloured ? level_colours[l->level] : "";
    size_t n;

    if (state.is_json) {
        n = (size_t)snprintf(line, LINE_BYTES, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"message\":\"", l->time,
                             level_names[l->level], l->process);
        n += log_escape(line + n, LINE_BYTES - n - 8, l->message, true);
        memcpy(line + n, "\"}\n", 3);
        return n + 3;
    }
    n = (size_t)snprintf(line, LINE_BYTES, "%s %s%s%s %s: ", l->time, colour, level_names[l->level],
                         colour[0] != '\0' ? "\33[0m" : "", l->process);
    n += log_escape(line + n, LINE_BYTES - n - 8, l->message, false);
    line[n++] = '\n';
    return n;
}

static void
write_line(int fd, const char *line, size_t n)
{
    ssize_t done;

    do
        done = write(fd, line, n);
    while (done < 0 && errno == EINTR);
    if (done != (ssize_t)n)
        state.n_lost++;
}

static void
open_current(void)
{
    char path[1100];
    struct stat st;

    snprintf(path, sizeof path, "%s/orb.log", state.dir);
    state.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    state.file_bytes = state.fd >= 0 && fstat(state.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* orb.log.2 -> orb.log.3, ..., orb.log -> orb.log.1; a rename that fails costs an old file, never the new lines. */
static void
rotate(void)
{
    char from[1100], to[1100];

    for (int i = LOG_FILES - 2; i >= 0; i--) {
        snprintf(from, sizeof from, i == 0 ? "%s/orb.log" : "%s/orb.log.%d", state.dir, i);
        snprintf(to, sizeof to, "%s/orb.log.%d", state.dir, i + 1);
        rename(from, to);
    }
    close(state.fd);
    open_current();
}

static void
write_to_file(const struct log_line *l)
{
    char line[LINE_BYTES];
    size_t n;

    if (state.fd < 0)
        return;
    n = format_line(line, l, false);
    if (state.file_bytes + n > LOG_FILE_BYTES && state.file_bytes > 0)
        rotate();
    if (state.fd < 0) {
        state.n_lost++;
        return;
    }
    write_line(state.fd, line, n);
    state.file_bytes += n;
}

/* The progress line is wiped, the log line written and the progress line drawn again, all in one write. */
static void
write_to_stderr(const struct log_line *l)
{
    char line[LINE_BYTES + PROGRESS_BYTES + 16];
    bool is_terminal = isatty(STDERR_FILENO) != 0;
    size_t n = 0;

    if (state.progress[0] != '\0') {
        memcpy(line, "\r\33[K", 4);
        n = 4;
    }
    n += format_line(line + n, l, is_terminal && !state.is_json);
    if (state.progress[0] != '\0') {
        memcpy(line + n, state.progress, strlen(state.progress));
        n += strlen(state.progress);
    }
    write_line(STDERR_FILENO, line, n);
}

static void
write_everywhere(const char *process, enum log_level level, struct slice message)
{
    struct log_line l = { .process = process, .level = level, .message = message };

    clock_print(clock_wall_ms(), l.time);
    pthread_mutex_lock(&state.lock);
    if (!state.is_stderr_off)
        write_to_stderr(&l);
    write_to_file(&l);
    pthread_mutex_unlock(&state.lock);
}

/* false: the line is still to be written here. */
static bool
was_diverted(enum log_level level, struct slice message)
{
    int err = ORB_EBUSY;

    if (divert.to == NULL)
        return false;
    if (!divert.is_busy) {
        divert.is_busy = true;
        err = divert.to(divert.arg, level, message);
        divert.is_busy = false;
    }
    if (err != 0 && err != ORB_ECLOSED) {
        pthread_mutex_lock(&state.lock);
        state.n_lost++;
        pthread_mutex_unlock(&state.lock);
    }
    return err != ORB_ECLOSED;
}

void
log_vline(enum log_level level, const char *fmt, va_list ap)
{
    char message[LOG_MAX_MESSAGE_BYTES + 8];
    int saved_errno = errno, n;

    if (level > state.level)
        return;
    n = vsnprintf(message, LOG_MAX_MESSAGE_BYTES + 1, fmt, ap);
    if (n < 0)
        return;
    if (n > LOG_MAX_MESSAGE_BYTES) {
        memcpy(message + LOG_MAX_MESSAGE_BYTES, "...", 4);
        n = LOG_MAX_MESSAGE_BYTES + 3;
    }
    if (!was_diverted(level, slice_of(message, (size_t)n)))
        write_everywhere(state.process, level, slice_of(message, (size_t)n));
    errno = saved_errno;
}

void
log_relay(const char *process, enum log_level level, struct slice message)
{
    int saved_errno = errno;

    if (level <= state.level)
        write_everywhere(process, level, slice_sub(message, 0, LOG_LONGEST_BYTES));
    errno = saved_errno;
}

#define LOG_FUNCTION(name, level)                                                                                      \
    void log_##name(const char *fmt, ...)                                                                              \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
                                                                                                                       \
        va_start(ap, fmt);                                                                                             \
        log_vline(level, fmt, ap);                                                                                     \
        va_end(ap);                                                                                                    \
    }

LOG_FUNCTION(error, LOG_LEVEL_ERROR)
LOG_FUNCTION(warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(info, LOG_LEVEL_INFO)
LOG_FUNCTION(debug, LOG_LEVEL_DEBUG)

void
log_progress(const char *text)
{
    char line[PROGRESS_BYTES + 8];
    size_t n;

    if (!isatty(STDERR_FILENO) || state.is_stderr_off)
        return;
    pthread_mutex_lock(&state.lock);
    n = log_escape(state.progress, PROGRESS_BYTES - 1, slice_str(text), false);
    state.progress[n] = '\0';
    memcpy(line, "\r\33[K", 4);
    memcpy(line + 4, state.progress, n);
    write_line(STDERR_FILENO, line, n + 4);
    pthread_mutex_unlock(&state.lock);
}

/* ---- settings ---- */

void
log_divert(log_divert_fn *to, void *arg)
{
    divert.to = to;
    divert.arg = arg;
}

void
log_set_process(const char *fmt, ...)
{
    char raw[sizeof state.process];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&state.lock);
    n = log_escape(state.process, sizeof state.process - 1, slice_str(raw), true);
    state.process[n] = '\0';
    pthread_mutex_unlock(&state.lock);
}

void
log_set_level(enum log_level most)
{
    state.level = most;
}

void
log_set_json(bool is_json)
{
    state.is_json = is_json;
}

void
log_set_stderr(bool is_on)
{
    state.is_stderr_off = !is_on;
}

int
log_open_file(const char *dir)
{
    int err = 0;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return orb_error_from_errno(errno);
    pthread_mutex_lock(&state.lock);
    if (strlen(dir) >= sizeof state.dir)
        err = ORB_ETOOBIG;
    else {
        strcpy(state.dir, dir);
        if (state.fd >= 0)
            close(state.fd);
        open_current();
        err = state.fd < 0 ? orb_error_from_errno(errno) : 0;
    }
    pthread_mutex_unlock(&state.lock);
    return err;
}

void
log_close_file(void)
{
    pthread_mutex_lock(&state.lock);
    if (state.fd >= 0)
        close(state.fd);
    state.fd = -1;
    pthread_mutex_unlock(&state.lock);
}

uint64_t
log_n_lost(void)
{
    return state.n_lost;
}
