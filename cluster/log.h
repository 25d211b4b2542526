/* log.h - what happened, one line each: to standard error and to DIR/coordinator/log/orb.log
 *
 *   2026-11-22T11:50:03.123Z warning coordinator: worker 1 (pid 4711) died: signal 9
 *   {"time":"2026-11-22T11:50:03.123Z","level":"warning","process":"coordinator","message":"..."}
 *
 * Whatever a server, a file or a URL put into a message cannot forge a line or drive a terminal: control characters,
 * text-direction overrides and bytes that are no UTF-8 are written as \xNN.
 *
 * Threads    any thread may log; each line is one write().
 * Errors     none reported: a line that cannot be written, or diverted, is counted (log_n_lost()).
 * Limits     a message over LOG_MAX_MESSAGE_BYTES is cut; files are rotated at LOG_FILE_BYTES, LOG_FILES are kept.
 */
#ifndef ORB_CLUSTER_LOG_H
#define ORB_CLUSTER_LOG_H

#include <stdarg.h>

#include "pool/buf.h"

#define LOG_MAX_MESSAGE_BYTES 4000
#define LOG_LONGEST_BYTES (LOG_MAX_MESSAGE_BYTES + 3) /* of a message, with the dots of a cut one */
#define LOG_FILE_BYTES (16 * 1024 * 1024)
#define LOG_FILES 4

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG }; /* the order of --log-level */

void log_set_process(const char *fmt, ...) ORB_PRINTF(1, 2); /* "coordinator", "worker 3"; "orb" until then */
void log_set_level(enum log_level most);
void log_set_json(bool is_json);
void log_set_stderr(bool is_on);
/* Also to `dir`/orb.log; makes dir. Negative ORB_E code when it cannot be opened: then only standard error is used. */
int log_open_file(const char *dir) ORB_MUST_USE;
void log_close_file(void);
uint64_t log_n_lost(void);

/* From now on this thread's lines go to `to` instead; other threads' lines stay as they are. NULL ends that. `to` answers 0;
 * ORB_ECLOSED: the line is written here after all; another ORB_E code: it is lost. What `to` itself logs is lost. */
typedef int log_divert_fn(void *arg, enum log_level level, struct slice message);
void log_divert(log_divert_fn *to, void *arg);
/* A line that another process has diverted, under its name; the level is kept to, and no message is trusted. */
void log_relay(const char *process, enum log_level level, struct slice message);

void log_vline(enum log_level level, const char *fmt, va_list ap);
void log_error(const char *fmt, ...) ORB_PRINTF(1, 2);
void log_warning(const char *fmt, ...) ORB_PRINTF(1, 2);
void log_info(const char *fmt, ...) ORB_PRINTF(1, 2);
void log_debug(const char *fmt, ...) ORB_PRINTF(1, 2);

/* A line at the bottom of the terminal that log lines do not tear: drawn again below each. "" removes it. Does nothing
 * when standard error is no terminal. */
void log_progress(const char *text);

/* Appends text as a log line shows it, at most n_most bytes; JSON: with JSON's escapes and no quotes around. */
size_t log_escape(char *out, size_t n_most, struct slice text, bool is_json);

#endif
