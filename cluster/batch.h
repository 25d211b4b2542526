/* batch.h - `--batch`: one JSON object a line in, one JSON object a line out, in order
 *
 * Every line is answered, also one that is no JSON, no object, empty or too long: then with {"error": why}, and the batch
 * goes on. Half a surrogate pair ("\ud800" alone) reads as U+FFFD; "\u0000" is a byte like any other. Answers are
 * written out before the next read, so that a program can hold a conversation.
 *
 * Ownership  requests are BORROWED by the answering function, answers are filled by it.
 * Limits     256 MiB a line; a longer one is read over and answered with an error.
 */
#ifndef ORB_CLUSTER_BATCH_H
#define ORB_CLUSTER_BATCH_H

#include <jansson.h>
#include <stdio.h>

#include "pool/buf.h"

#define BATCH_MAX_LINE_BYTES ((size_t)256 * 1024 * 1024)

/* Answers one request, an object, by filling `answer`, an empty object. A negative ORB_E code, or batch_fail(), makes
 * the answer an error whatever was filled in before. */
typedef int batch_fn(void *arg, const json_t *request, json_t *answer);

/* Until the end of in_fd. EXIT_DONE, or EXIT_FAILED when reading or writing fails or memory ends. */
int batch_run(int in_fd, FILE *out, batch_fn *fn, void *arg);

/* The bytes of field `name`, or of `name`_base64 decoded into scratch (cleared first). *out is BORROWED from one of them.
 * ORB_ENOTFOUND: neither is there; ORB_EINVAL: not a string, or no base64; ORB_ENOMEM, ORB_ETOOBIG. */
int batch_field(struct slice *out, struct buf *scratch, const json_t *request, const char *name) ORB_MUST_USE;

/* answer[name] = text, list += text; bytes that are no UTF-8 become U+FFFD. */
int batch_put(json_t *answer, const char *name, struct slice text) ORB_MUST_USE;
int batch_append(json_t *list, struct slice text) ORB_MUST_USE;

/* Makes the answer {"error": ...} and returns 0 (or ORB_ENOMEM), to be returned by a batch_fn. */
int batch_fail(json_t *answer, const char *fmt, ...) ORB_PRINTF(2, 3) ORB_MUST_USE;

/* For the one-shot commands: all of fd appended to b. 0, ORB_EIO, ORB_ENOMEM, ORB_ETOOBIG (b's ceiling). */
int batch_read_all(struct buf *b, int fd) ORB_MUST_USE;

#endif
