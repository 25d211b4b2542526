/* fuzz_wire.c - what a worker may say: bytes as a sequence of frames, through the coordinator's report reader
 *
 * Input: u16 length + frame, again and again. The front, the slots and the rest of the coordinator are replaced by what
 * follows, which checks that coordinator_report.c keeps their contracts: reports are begun and ended in turn, nothing of a
 * process counts after a lie, texts are inside the frames that were given, links and news arrive within their limits.
 */
#include "cluster/coordinator_internal.h"

#include "cluster/log.h"
#include "crawler/cookies.h"
#include "crawler/parse.h"
#include "crawler/robots.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static bool is_in_report, is_killed;
static unsigned n_widened;

#define HELD_LEASE 7
#define HELD_URL 3
#define HELD_SEED 4
#define HELD_HOST 5

/* ---- the front ---------------------------------------------------------------------------------------------------- */

static uint8_t
touch(struct slice s)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < s.n; i++)
        sum = (uint8_t)(sum + (uint8_t)s.p[i]);
    return sum;
}

int
front_report_begin(struct front *f, uint64_t lease_id, uint32_t epoch)
{
    CHECK(!is_in_report && !is_killed && lease_id != 0);
    is_in_report = lease_id == HELD_LEASE && epoch != UINT32_MAX;
    return is_in_report ? 0 : lease_id == HELD_LEASE ? ORB_ENOMEM : ORB_ENOTFOUND;
}

bool
front_report_holds(const struct front *f, uint64_t url_id, bool *is_seed)
{
    CHECK(is_in_report);
    *is_seed = url_id == HELD_SEED;
    return url_id == HELD_URL || url_id == HELD_SEED;
}

void
front_foresee(const struct front *f, struct front_link *link)
{
    CHECK(is_in_report);
    link->fingerprint = touch(link->url) + 1u;
}

enum front_verdict
front_offer(struct front *f, const struct front_link *link)
{
    CHECK(is_in_report && link->url.n <= URL_MAX_BYTES && link->kind < LINK_N && link->refused == OUTCOME_NONE);
    CHECK(link->via_url_id == 0 || link->via_url_id == HELD_URL || link->via_url_id == HELD_SEED);
    CHECK(!link->is_seed || (link->kind == LINK_REDIRECT && link->via_url_id == HELD_SEED));
    return touch(link->url) % 2 == 0 ? FRONT_NEW : FRONT_NOT_CANONICAL;
}

int
front_result(struct front *f, const struct front_result *r)
{
    CHECK(is_in_report && (unsigned)r->outcome < OUTCOME_N);
    return r->url_id == HELD_URL || r->url_id == HELD_SEED ? 0 : ORB_ENOTFOUND;
}

int
front_host_news(struct front *f, const struct front_host_news *news)
{
    CHECK(is_in_report && news->addresses.n <= 4096 && news->cookies.n <= COOKIES_MAX_BYTES * 4);
    CHECK(news->robots_body.n <= ROBOTS_MAX_BYTES && (unsigned)news->robots_outcome < OUTCOME_N);
    CHECK(news->robots_ttl_s <= 24 * 3600);
    CHECK(news->robots_url.n <= FRONT_ROBOTS_URL_BYTES);
    (void)(touch(news->addresses) + touch(news->cookies) + touch(news->robots_body) + touch(news->robots_url));
    return news->host_id == HELD_HOST ? 0 : ORB_ENOTFOUND;
}

int
front_report_end(struct front *f, uint64_t now_ms, uint64_t wall_ms)
{
    CHECK(is_in_report);
    is_in_report = false;
    return wall_ms % 16 == 0 ? ORB_ENOMEM : 0;
}

void
front_report_abort(struct front *f)
{
    CHECK(is_in_report);
    is_in_report = false;
}

int
front_return(struct front *f, uint64_t lease_id, uint32_t epoch, const uint64_t *url_ids, unsigned n, bool is_all, uint64_t now_ms)
{
    CHECK(!is_in_report && !is_killed);
    (void)touch(slice_of(url_ids, n * sizeof *url_ids));
    return lease_id == HELD_LEASE ? 0 : ORB_ENOTFOUND;
}

/* ---- the rest ----------------------------------------------------------------------------------------------------- */

bool
scope_widen(struct coordinator *c, const struct url *target)
{
    n_widened++;
    return true;
}

void
coordinator_pause(struct coordinator *c, bool by_user, bool is_paused)
{
}

void
coordinator_lease_more(struct coordinator *c)
{
    CHECK(!is_in_report);
}

void
slot_kill(struct slot *s, uint64_t now_ms)
{
    is_killed = true;
}

void
slot_stop(struct slot *s, uint64_t now_ms)
{
}

void
slot_set_ready(struct slot *s, uint64_t now_ms)
{
}

void
slot_sign_of_life(struct slot *s)
{
    CHECK(!is_killed);
}

int
slot_send(struct slot *s, struct buf *f)
{
    CHECK(f->n <= WIRE_MAX_FRAME_BYTES);
    return 0;
}

const char *
slot_state_name(enum slot_state s)
{
    return "?";
}

/* ---- a question about memory that waits for its answer --------------------------------------------------------------- */

static bool is_answered;

static void
on_heap_answer(void *arg, const char *why, struct slice answer)
{
    CHECK(!is_answered && answer.n <= HEAP_MAX_ANSWER_BYTES && (why == NULL || answer.n == 0));
    is_answered = true;
    (void)(touch(answer) + (why == NULL ? 0 : strlen(why)));
}

/* What log.c would print goes nowhere; its own fuzzing is elsewhere. */
void
log_error(const char *fmt, ...)
{
}

void
log_warning(const char *fmt, ...)
{
}

void
log_info(const char *fmt, ...)
{
}

void
log_debug(const char *fmt, ...)
{
}

void
log_relay(const char *process, enum log_level level, struct slice message)
{
    CHECK(level <= LOG_LEVEL_DEBUG && message.n <= LOG_LONGEST_BYTES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct coordinator c = { .n_desks = 1 };
    struct desk desk = { .n_urls = 2 };
    struct slice rest = slice_of(bytes, n_bytes);

    c.desks = &desk;
    buf_init(&desk.report, MEM_LOG, WIRE_MAX_REPORT_BYTES);
    is_in_report = is_killed = is_answered = false;
    desk.slot.state = SLOT_RUNNING;
    buf_init(&c.frame, MEM_LOG, WIRE_MAX_FRAME_BYTES);
    coordinator_heap_ask(&c, 0, SLICE_LITERAL("{}"), on_heap_answer, NULL);
    while (rest.n >= 2) {
        size_t n = ORB_MIN((size_t)(uint8_t)rest.p[0] | (size_t)(uint8_t)rest.p[1] << 8, rest.n - 2);
        char *frame = mem_dup(MEM_LOG, rest.p + 2, n); /* of its own, so that ASan sees a byte too far */

        if (n > 0)
            coordinator_on_frame(&c, &desk.slot, slice_of(frame, n));
        mem_free(MEM_LOG, frame);
        CHECK(!is_in_report && desk.n_urls <= 2);
        CHECK(!is_killed || (desk.is_distrusted && desk.report.n == 0));
        rest = slice_sub(rest, n + 2, SIZE_MAX);
    }
    coordinator_heap_gone(&c, &desk, "gone");
    CHECK(is_answered);
    buf_fini(&c.frame);
    buf_fini(&desk.report);
    return 0;
}
