/* trace.h - sampled allocation stacks of library domains
 *
 * Objects know their site exactly; a library's memory does not. One allocation in trace_mean_bytes() on average (Poisson) is
 * remembered while it lives: its stack (libunwind), its size, and the operation the process was at ("parse
 * https://example.org/..."). Live bytes by stack are estimates: each sample stands for 1 / (1 - exp(-size / mean)) blocks.
 *
 * Cost       512 KiB mean: within noise; 64 KiB ("magnify", one worker, some minutes): a few per cent. A free looks into a 64 KiB
 *            counting filter before it looks for its sample.
 * Threads    any may allocate and free.
 */
#ifndef ORB_GC_TRACE_H
#define ORB_GC_TRACE_H

#include "pool/buf.h"
#include "pool/error.h"

#define TRACE_MEAN_BYTES (512u * 1024)
#define TRACE_MAGNIFIED_MEAN_BYTES (64u * 1024)
#define TRACE_MAX_FRAMES 32
#define TRACE_OP_BYTES 120

int trace_start(size_t mean_bytes) ORB_MUST_USE; /* 0 = TRACE_MEAN_BYTES. ORB_ENOMEM; ORB_ENOTSUP: built without libunwind */
void trace_stop(void);                           /* forgets everything */
void trace_set_mean(size_t mean_bytes);          /* for samples from now on */
size_t trace_mean_bytes(void);                   /* 0 = not started */
/* What the process is doing, until the next call: kept with each sample. Cheap: two words; both BORROWED until the next call. */
void trace_set_operation(const char *verb, struct slice what);

struct trace_stats {
    uint64_t n_samples, n_live, n_dropped, ram_bytes;
};
void trace_stats(struct trace_stats *out);

/* Live samples: pprof's profile.proto (uncompressed), folded stacks ("a;b;c bytes" a line, for flame graphs), JSON by stack with
 * domain, operation of the largest, count and bytes. ORB_ENOMEM. */
int trace_pprof(struct buf *to) ORB_MUST_USE;
int trace_folded(struct buf *to) ORB_MUST_USE;
int trace_json(struct buf *to, unsigned max_stacks) ORB_MUST_USE;

#endif
