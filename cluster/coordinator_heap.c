/* coordinator_heap.c - questions about memory on their way to a worker and back
 *
 *   control.c --coordinator_heap_ask--> WAITING (the HEAP frame is sent) --HEAP_ANSWER parts, the last--> done(answer)
 *                                          | the worker died, or lied; HEAP_PATIENCE_MS are over
 *                                          `------------------------------------------------------> done(why not)
 *
 * A worker has one question at a time, so what waits is bounded by the number of slots, and each answer by
 * HEAP_MAX_ANSWER_BYTES. Its bytes are a worker's word: they are kept and handed on, never read. An answer that comes too late is
 * dropped, as long as it is no larger than an answer may be; one to a question that was never asked is a lie.
 */
#include "cluster/coordinator_internal.h"

#include "cluster/clock.h"

#include <stdio.h>

#define ANSWER_PART_BYTES 64 /* that a part counts for beside its bytes: empty ones are no way out */
#define HEAP_PATIENCE_MS 8000 /* less than CONTROL_PATIENCE_S, so that the sentence arrives */

struct heap_ask {
    uint32_t id;
    uint64_t deadline_ms;
    struct buf answer;
    heap_done_fn *done;
    void *arg;
};

static void
ask_end(struct desk *d, const char *why)
{
    struct heap_ask *a = d->ask;

    d->ask = NULL; /* first: done() may ask again */
    a->done(a->arg, why, why == NULL ? buf_slice(&a->answer) : SLICE_NONE);
    buf_fini(&a->answer);
    mem_free(MEM_LOG, a);
}

static int
send_question(struct coordinator *c, struct desk *d, uint32_t id, struct slice question)
{
    struct wire_out out;
    int err;

    wire_begin(&out, &c->frame, WIRE_HEAP);
    wire_u32(&out, id);
    wire_text(&out, question);
    err = wire_finish(&out);
    return err != 0 ? err : slot_send(&d->slot, &c->frame);
}

static void
ask_worker(struct coordinator *c, struct desk *d, struct slice question, heap_done_fn *done, void *arg)
{
    struct heap_ask *a = mem_zalloc(MEM_LOG, sizeof *a);

    if (a == NULL) {
        done(arg, "out of memory", SLICE_NONE);
        return;
    }
    buf_init(&a->answer, MEM_LOG, HEAP_MAX_ANSWER_BYTES);
    a->id = ++c->next_ask_id == 0 ? ++c->next_ask_id : c->next_ask_id;
    a->deadline_ms = clock_now_ms() + HEAP_PATIENCE_MS;
    a->done = done;
    a->arg = arg;
    d->ask = a;
    d->last_ask_id = a->id;
    d->answer_bytes = 0;
    if (send_question(c, d, a->id, question) != 0)
        ask_end(d, "the worker cannot be reached; it is about to be replaced");
}

static void
answer_here(struct coordinator *c, struct slice question, heap_done_fn *done, void *arg)
{
    struct buf answer;
    bool is_answer;

    buf_init(&answer, MEM_LOG, HEAP_MAX_ANSWER_BYTES);
    is_answer = heap_answer(&c->heap, question, clock_now_ms(), &answer);
    done(arg, is_answer ? NULL : answer.p == NULL ? "out of memory" : answer.p, buf_slice(&answer));
    buf_fini(&answer);
}

void
coordinator_heap_ask(struct coordinator *c, int slot, struct slice question, heap_done_fn *done, void *arg)
{
    char why[200];
    struct desk *d;

    if (slot < 0) {
        answer_here(c, question, done, arg);
        return;
    }
    if ((unsigned)slot >= c->n_desks) {
        snprintf(why, sizeof why, "there is no worker %d: this crawl has workers 0 to %u, and \"coordinator\"", slot, c->n_desks - 1);
        done(arg, why, SLICE_NONE);
        return;
    }
    d = &c->desks[slot];
    if (d->slot.state != SLOT_RUNNING && d->slot.state != SLOT_DRAINING) {
        snprintf(why, sizeof why, "worker %d is %s: it cannot be asked now; `orb status` shows when it runs", slot,
                 slot_state_name(d->slot.state));
        done(arg, why, SLICE_NONE);
    } else if (d->ask != NULL) {
        done(arg, "somebody else's question is being answered by this worker; ask again in a moment", SLICE_NONE);
    } else {
        ask_worker(c, d, question, done, arg);
    }
}

/* The worker's own refusal: its sentence, cut. */
static void
end_refused(struct desk *d)
{
    char why[512];

    snprintf(why, sizeof why, "%.*s", (int)ORB_MIN(d->ask->answer.n, sizeof why - 1), d->ask->answer.p == NULL ? "" : d->ask->answer.p);
    ask_end(d, why);
}

const char *
coordinator_heap_on_answer(struct coordinator *c, struct desk *d, struct wire_in *in)
{
    uint32_t id = wire_get_u32(in);
    bool is_last = wire_get_bool(in), is_answer = wire_get_bool(in);
    struct slice part = wire_get_text(in, WIRE_MAX_TEXT_BYTES);
    int err;

    if (!wire_at_end(in))
        return "a damaged frame";
    if (id == 0 || d->last_ask_id == 0 || id > d->last_ask_id)
        return "an answer to a question that nobody asked";
    d->answer_bytes += part.n + ANSWER_PART_BYTES;
    if (d->answer_bytes > 2 * (uint64_t)HEAP_MAX_ANSWER_BYTES) /* the one before may have come late, and this one */
        return "an answer about memory that is too large";
    if (d->ask == NULL || d->ask->id != id)
        return NULL; /* too late */
    err = buf_append_slice(&d->ask->answer, part);
    if (err == ORB_ETOOBIG)
        return "an answer about memory that is too large";
    if (err != 0)
        ask_end(d, orb_strerror(err));
    else if (is_last && is_answer)
        ask_end(d, NULL);
    else if (is_last)
        end_refused(d);
    return NULL;
}

void
coordinator_heap_gone(struct coordinator *c, struct desk *d, const char *why)
{
    if (d->ask != NULL)
        ask_end(d, why);
}

void
coordinator_heap_tick(struct coordinator *c, uint64_t now_ms)
{
    static const char *const ops[OP_N] = { "waiting for the network or the disk", "decoding", "parsing", "storing" };
    char why[300];

    for (unsigned i = 0; i < c->n_desks; i++) {
        struct desk *d = &c->desks[i];
        struct stats s;

        if (d->ask == NULL || now_ms < d->ask->deadline_ms)
            continue;
        if (d->slot.stats_page == NULL || stats_read(d->slot.stats_page, &s) != 0)
            s = (struct stats){ .op = OP_IDLE };
        snprintf(why, sizeof why, "worker %u has not come to a safe point of its loop for %u s (it is %s); "
                                  "its last figures: `orb status`", i, HEAP_PATIENCE_MS / 1000, ops[s.op]);
        ask_end(d, why);
    }
}
