/* trace.h - sampled allocation stacks of library domains
 *
 * Objects know their site exactly; a library's memory does not. One byte in trace_mean_bytes() on average (Poisson) has its block
 * remembered while it lives: the stack (libunwind), the bytes set aside, and the operation the thread was at ("parse
 * https://example.org/..."). Live bytes by stack are estimates: each sample stands for 1 / (1 - exp(-size / mean)) blocks; of B
 * bytes the standard error is about sqrt(B x mean) when blocks are smaller than the mean.
 *
 * Cost       512 KiB mean: within noise; 64 KiB ("magnify", one worker, some minutes): a few per cent. A free looks into a 64 KiB
 *            counting filter (pool/mem_sample.h) before it looks for its sample; only samples and what passes the filter lock.
 * Limits     TRACE_MAX_SAMPLES alive: those beyond, and those that find no memory, are n_dropped. 9 MiB at most,
 *            and as much again while they are exported.
 * Threads    any may allocate and free; trace_set_operation() counts for its own thread. The rest is for one thread at a time.
 */
#ifndef ORB_GC_TRACE_H
#define ORB_GC_TRACE_H

#include "pool/buf.h"
#include "pool/error.h"

#define TRACE_MEAN_BYTES (512u * 1024)
#define TRACE_MAGNIFIED_MEAN_BYTES (64u * 1024)
#define TRACE_MAX_FRAMES 32
#define TRACE_OP_BYTES 120 /* with its NUL; longer ones are cut */
#define TRACE_MAX_SAMPLES 16384

/* 0 = TRACE_MEAN_BYTES, 1 = every block. Started already: trace_set_mean(). ORB_ENOTSUP: built without libunwind. */
int trace_start(size_t mean_bytes) ORB_MUST_USE;
void trace_stop(void);                           /* forgets everything */
void trace_set_mean(size_t mean_bytes);          /* for samples from now on; 0 = TRACE_MEAN_BYTES. Not started: does nothing */
size_t trace_mean_bytes(void);                   /* 0 = not started */
/* What this thread is doing, until its next call: kept with each sample. Cheap: three words, BORROWED until the next call.
 * trace_set_operation(NULL, SLICE_NONE): nothing that has a name. */
void trace_set_operation(const char *verb, struct slice what);

struct trace_stats {
    uint64_t n_samples; /* taken since the start */
    uint64_t n_live;
    uint64_t n_dropped; /* taken and not kept: estimates miss them */
    uint64_t ram_bytes; /* of samples, stacks, names */
};
void trace_stats(struct trace_stats *out);

/* Live samples, as estimates. A function without a symbol is "libxyz.so.1+0x1a2b0": where it begins in its file.
 *   pprof   profile.proto, not compressed: live_objects/count and live_space/bytes, labels domain and operation; a comment when
 *           samples were dropped
 *   folded  "domain;outermost;...;innermost bytes", a line per stack: for flame graphs
 *   json    {"mean_bytes", "n_samples", "n_live", "n_dropped", "ram_bytes", "count", "bytes", "n_stacks", "stacks": [{"domain",
 *           "count", "bytes", "n_samples", "operation" (of the largest sample), "frames": [innermost, ...]}]}: the largest
 *           max_stacks stacks; the rest is in the totals
 * They append. ORB_ENOMEM, ORB_ETOOBIG: `to` is as before. */
int trace_pprof(struct buf *to) ORB_MUST_USE;
int trace_folded(struct buf *to) ORB_MUST_USE;
int trace_json(struct buf *to, unsigned max_stacks) ORB_MUST_USE;

#endif
