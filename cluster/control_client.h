/* control_client.h - how `orb status`, pause, resume, stop, add and why reach a running crawl
 *
 * One JSON line to DIR/coordinator/orb.sock, one JSON line back (control.h holds the vocabulary).
 *
 * Ownership  control_ask() STEALS the request, gives a NEW answer.
 * Errors     EXIT_* codes; what went wrong was said on standard error, and what to do.
 * Limits     answers up to 16 MiB, within CONTROL_PATIENCE_S.
 */
#ifndef ORB_CLUSTER_CONTROL_CLIENT_H
#define ORB_CLUSTER_CONTROL_CLIENT_H

#include <jansson.h>

#include "pool/buf.h"

#define CONTROL_PATIENCE_S 10

struct control_command {
    const char *name, *usage, *sentence; /* for --help */
    bool has_json, has_now;              /* which options it knows */
    int n_urls_min, n_urls_max;          /* arguments besides DIR; -1 = any number */
};

struct control_args {
    const char *dir;
    char **urls;
    int n_urls;
    bool is_json, is_now;
};

/* -1: go on with *out; else the exit code (help was printed, or the usage error said). The first argument is DIR when it
 * is no URL (has no "://"). */
int control_parse(const struct control_command *command, int argc, char **argv, struct control_args *out);

/* EXIT_DONE and the answer (its "ok" is true), or the exit code. */
int control_ask(const char *command, const char *dir, json_t *request, json_t **answer);

/* The same; CONTROL_NOBODY, and nothing said, when nobody listens (*why: the errno). */
#define CONTROL_NOBODY (-1)
int control_try(const char *command, const char *dir, json_t *request, json_t **answer, int *why);

/* What that errno means to a person; EXIT_FAILED. */
int control_say_unreachable(const char *command, const char *dir, int why);

/* A command that sends {"cmd":name} and prints `done`. */
int control_simple(const struct control_command *command, int argc, char **argv, const char *done);

/* Text from the crawl onto a terminal: control characters escaped. */
void control_print_text(const char *text);

#endif
