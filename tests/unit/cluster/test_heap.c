/* test_heap.c - questions about memory: rhythm, answers as JSON, refusals that say what to do; base64 and tables beside them */
#include "cluster/base64.h"
#include "cluster/heap.h"
#include "gc/collect.h"
#include "gc/roots.h"
#include "tests/support/support.h"

#include <jansson.h>
#include <stdio.h>

struct thing {
    struct object object;
    struct object *other;
};
static const uint16_t thing_pointers[] = { offsetof(struct thing, other) };

static void
thing_describe(const struct object *o, char *to, size_t cap)
{
    snprintf(to, cap, "a \"thing\"\n\x1b[2J\xff");
}

static struct object_type thing_type = { .name = "Thing", .object_bytes = sizeof(struct thing), .pointer_offsets = thing_pointers,
                                         .n_pointers = 1, .describe = thing_describe };
static struct object *held;
static struct gc_root root = { .name = "test.held", .reference = &held };
static struct heap heap;

/* NEW. */
static json_t *
ask(const char *question, uint64_t now_ms, bool is_ok)
{
    struct buf answer;
    json_t *json = NULL;

    buf_init(&answer, MEM_LOG, HEAP_MAX_ANSWER_BYTES);
    assert_int_equal(heap_answer(&heap, slice_str(question), now_ms, &answer), is_ok);
    assert_true(answer.n > 0);
    if (is_ok) {
        json = json_loadb(answer.p, answer.n, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
    }
    buf_fini(&answer);
    return json;
}

static void
refuses(const char *question, const char *words)
{
    struct buf answer;

    buf_init(&answer, MEM_LOG, HEAP_MAX_ANSWER_BYTES);
    assert_false(heap_answer(&heap, slice_str(question), 1000, &answer));
    if (strstr(answer.p, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", question, answer.p, words);
    buf_fini(&answer);
}

static void
set_up(void)
{
    struct thing *a, *b;

    assert_int_equal(heap_open(&heap, NULL), 0);
    a = OBJECT_NEW(&thing_type);
    b = OBJECT_NEW(&thing_type);
    assert_true(a != NULL && b != NULL);
    a->other = &b->object;
    held = &a->object;
    gc_root_add(&root);
}

static void
tear_down(void)
{
    gc_root_remove(&root);
    object_unref(&held);
    heap_close(&heap);
}

TEST(heap__every_question_is_answered_with_json)
{
    static const char *const questions[] = {
        "{\"what\":\"census\"}", "{\"what\":\"types\"}", "{\"what\":\"sites\"}", "{\"what\":\"gc\"}", "{\"what\":\"roots\"}",
        "{\"what\":\"domains\"}", "{\"what\":\"pools\"}", "{\"what\":\"errors\"}", "{\"what\":\"collect\"}", "{\"what\":\"graph\"}",
        "{\"what\":\"graph\",\"target\":\"thing\",\"referrers\":true}", "{\"what\":\"referents\",\"target\":\"Thing\"}",
        "{\"what\":\"referrers\",\"target\":\"Thing\"}", "{\"what\":\"chain\",\"target\":\"Thing\"}", "{\"what\":\"retained\"}",
        "{\"what\":\"retained\",\"target\":\"Thing\"}",
    };

    set_up();
    for (size_t i = 0; i < ORB_N_ELEMENTS(questions); i++)
        json_decref(ask(questions[i], 1000, true));
    tear_down();
}

TEST(heap__the_domains_add_up_to_what_lives_in_all)
{
    json_t *answer, *row;
    int64_t sum = 0;
    size_t i;

    set_up();
    answer = ask("{\"what\":\"domains\"}", 1000, true);
    json_array_foreach(json_object_get(answer, "domains"), i, row)
        sum += (int64_t)json_integer_value(json_object_get(row, "live_bytes"));
    assert_int_equal(sum, json_integer_value(json_object_get(answer, "live_bytes")));
    json_decref(answer);
    tear_down();
}

TEST(heap__the_chain_leads_from_the_root_to_the_address_that_was_asked_for)
{
    json_t *answer, *chain;
    char question[100];

    set_up();
    snprintf(question, sizeof question, "{\"what\":\"chain\",\"target\":\"0x%llx\"}",
             (unsigned long long)(uintptr_t)((struct thing *)(void *)held)->other);
    answer = ask(question, 1000, true);
    chain = json_object_get(answer, "chain");
    assert_string_equal(json_string_value(json_object_get(answer, "root")), "test.held");
    assert_int_equal(json_array_size(chain), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(chain, 1), "type")), "Thing");
    json_decref(answer);
    tear_down();
}

TEST(heap__a_reference_that_nobody_accounts_for_is_named)
{
    json_t *answer;

    set_up();
    object_ref(held); /* the mistake */
    answer = ask("{\"what\":\"roots\"}", 1000, true);
    assert_int_equal(json_integer_value(json_object_get(answer, "n_unexplained")), 1);
    json_decref(answer);
    object_unref(&(struct object *){ held });
    answer = ask("{\"what\":\"roots\"}", 1000, true);
    assert_int_equal(json_integer_value(json_object_get(answer, "n_unexplained")), 0);
    json_decref(answer);
    tear_down();
}

TEST(heap__diff_tells_what_grew_since_the_past)
{
    json_t *answer, *rows;
    struct object *more;

    set_up();
    refuses("{\"what\":\"diff\"}", "no past yet");
    heap_tick(&heap, 1000000);
    heap_tick(&heap, 1061000);
    more = &((struct thing *)OBJECT_NEW(&thing_type))->object;
    answer = ask("{\"what\":\"diff\",\"since_s\":3600}", 1090000, true);
    rows = json_object_get(json_object_get(answer, "diff"), "rows");
    assert_int_equal(json_array_size(rows), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "n")), 1);
    json_decref(answer);
    object_unref(&more);
    tear_down();
}

TEST(heap__what_cannot_be_answered_is_refused_with_a_hint)
{
    set_up();
    refuses("", "orb heap --help");
    refuses("[]", "orb heap --help");
    refuses("{\"what\":\"everything\"}", "orb heap --help");
    refuses("{\"what\":\"chain\"}", "say of what");
    refuses("{\"what\":\"chain\",\"target\":\"Nothing\"}", "types here: ");
    refuses("{\"what\":\"chain\",\"target\":\"0x10\"}", "no object lives at");
    refuses("{\"what\":\"chain\",\"target\":\"0xzz\"}", "no object lives at");
    refuses("{\"what\":\"trace\"}", "no stacks are sampled");
    tear_down();
}

TEST(heap__an_answer_that_does_not_fit_is_refused)
{
    struct buf small;

    set_up();
    buf_init(&small, MEM_LOG, 200);
    assert_false(heap_answer(&heap, SLICE_LITERAL("{\"what\":\"domains\"}"), 1000, &small));
    assert_non_null(strstr(small.p, "too large"));
    buf_fini(&small);
    tear_down();
}

TEST(heap__collect_every_has_a_rhythm_of_pages_or_of_time)
{
    struct gc_result result;
    uint64_t pages, ms;

    assert_true(heap_parse_rhythm("5000 pages", &pages, &ms) && pages == 5000 && ms == 0);
    assert_true(heap_parse_rhythm("1page", &pages, &ms) && pages == 1 && ms == 0);
    assert_true(heap_parse_rhythm("30s", &pages, &ms) && pages == 0 && ms == 30000);
    assert_true(heap_parse_rhythm("2 m", &pages, &ms) && ms == 120000);
    static const char *const bad[] = { "", "0 pages", "pages", "5", "5 leaves", "-1s", "5s5", "99999999999s" };
    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++)
        assert_false(heap_parse_rhythm(bad[i], &pages, &ms));
    set_up();
    assert_false(heap_safe_point(&heap, 1000, 100, &result)); /* none was asked for */
    heap_set_rhythm(&heap, 50, 0);
    assert_true(heap_safe_point(&heap, 1000, 100, &result));
    assert_false(heap_safe_point(&heap, 1000, 149, &result));
    assert_true(heap_safe_point(&heap, 1000, 150, &result));
    heap_set_rhythm(&heap, 0, 5000);
    heap.next_collect_ms = 0;
    assert_false(heap_safe_point(&heap, 10000, 0, &result));
    assert_false(heap_safe_point(&heap, 14999, 0, &result));
    assert_true(heap_safe_point(&heap, 15000, 0, &result));
    assert_int_equal(heap.n_periodic, 3);
    tear_down();
}

TEST(base64__comes_back_as_it_went)
{
    struct buf text, back;
    char bytes[300];

    buf_init(&text, MEM_LOG, BUF_NO_CEILING);
    buf_init(&back, MEM_LOG, BUF_NO_CEILING);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37);
    for (size_t n = 0; n < sizeof bytes; n++) {
        buf_clear(&text);
        buf_clear(&back);
        assert_int_equal(base64_append(&text, slice_of(bytes, n)), 0);
        assert_int_equal(base64_decode(&back, buf_slice(&text)), 0);
        assert_true(slice_eq(buf_slice(&back), slice_of(bytes, n)));
    }
    buf_clear(&text);
    assert_int_equal(base64_append(&text, SLICE_LITERAL("user:pass")), 0);
    assert_string_equal(text.p, "dXNlcjpwYXNz");
    static const char *const bad[] = { "a", "ab=", "ab=c", "a===", "====", "ab\nc", "=abc", "ab==cdef" };
    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++)
        assert_int_equal(base64_decode(&back, slice_str(bad[i])), ORB_EINVAL);
    buf_fini(&text);
    buf_fini(&back);
}

TESTS(T(heap__every_question_is_answered_with_json), T(heap__the_domains_add_up_to_what_lives_in_all),
      T(heap__the_chain_leads_from_the_root_to_the_address_that_was_asked_for),
      T(heap__a_reference_that_nobody_accounts_for_is_named), T(heap__diff_tells_what_grew_since_the_past),
      T(heap__what_cannot_be_answered_is_refused_with_a_hint), T(heap__an_answer_that_does_not_fit_is_refused),
      T(heap__collect_every_has_a_rhythm_of_pages_or_of_time), T(base64__comes_back_as_it_went))
