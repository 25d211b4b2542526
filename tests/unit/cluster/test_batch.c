#include "cluster/batch.h"

#include <stdlib.h>
#include <unistd.h>

#include "cluster/cmd.h"
#include "tests/support/support.h"

/* Answers with the length and the bytes of field "x"; fails when the request says so. */
static int
answer_echo(void *arg, const json_t *request, json_t *answer)
{
    struct buf scratch;
    struct slice x = SLICE_NONE;
    int err;

    ++*(int *)arg;
    buf_init(&scratch, MEM_BUF, BUF_NO_CEILING);
    err = batch_field(&x, &scratch, request, "x");
    if (err == 0)
        err = batch_put(answer, "x", x);
    if (err == 0 && json_object_set_new(answer, "n", json_integer((json_int_t)x.n)) != 0)
        err = ORB_ENOMEM;
    if (err == 0 && json_object_get(request, "fail") != NULL)
        err = batch_fail(answer, "as asked: %d", 7);
    buf_fini(&scratch);
    return err;
}

static int n_asked;

/* What a batch of that input answers. */
static void
run(struct buf *out, const void *input, size_t n)
{
    char in_path[128], out_path[128];
    const char *dir = scratch_dir();
    FILE *in, *to;

    snprintf(in_path, sizeof in_path, "%s/in", dir);
    snprintf(out_path, sizeof out_path, "%s/out", dir);
    write_file(in_path, input, n);
    in = fopen(in_path, "rb");
    to = fopen(out_path, "wb");
    assert_true(in != NULL && to != NULL);
    n_asked = 0;
    assert_int_equal(batch_run(fileno(in), to, answer_echo, &n_asked), EXIT_DONE);
    fclose(in);
    fclose(to);
    read_file(out, out_path);
}

static void
expect(const char *input, const char *output)
{
    struct buf out;

    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    run(&out, input, strlen(input));
    assert_slice_str(buf_slice(&out), output);
    buf_fini(&out);
}

TEST(batch__answers_each_line_in_order)
{
    expect("{\"x\":\"a\"}\n{\"x\":\"bc\"}\n", "{\"x\":\"a\",\"n\":1}\n{\"x\":\"bc\",\"n\":2}\n");
    expect("{\"x\":\"a\"}\r\n{\"x\":\"no line end\"}", "{\"x\":\"a\",\"n\":1}\n{\"x\":\"no line end\",\"n\":11}\n");
    expect("", "");
}

TEST(batch__decodes_base64_fields)
{
    expect("{\"x_base64\":\"AGFi\"}\n", "{\"x\":\"\\u0000ab\",\"n\":3}\n");
    expect("{\"x_base64\":\"/w==\"}\n", "{\"x\":\"\\uFFFD\",\"n\":1}\n"); /* no UTF-8: shown as U+FFFD */
    expect("{\"x_base64\":\"\"}\n", "{\"x\":\"\",\"n\":0}\n");
    expect("{\"x_base64\":\"A*==\"}\n", "{\"error\":\"malformed input\"}\n");
}

TEST(batch__a_bad_line_is_answered_and_the_batch_goes_on)
{
    struct buf out;
    const char *input = "nonsense\n\n[1]\n{\"x\":1}\n{\"y\":\"\"}\n{\"x\":\"\xff\"}\n{\"x\":\"a\",\"fail\":1}\n{\"x\":\"z\"}\n";
    int n_lines = 0, n_errors = 0;

    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    run(&out, input, strlen(input));
    for (char *line = strtok(out.p, "\n"); line != NULL; line = strtok(NULL, "\n"), n_lines++)
        n_errors += strncmp(line, "{\"error\":\"", 10) == 0;
    assert_int_equal(n_lines, 8);
    assert_int_equal(n_errors, 7);
    assert_int_equal(n_asked, 4);
    buf_fini(&out);
}

TEST(batch__lone_surrogates_become_replacement_characters)
{
    expect("{\"x\":\"\\ud800\"}\n", "{\"x\":\"\\uFFFD\",\"n\":3}\n");
    expect("{\"x\":\"\\udc00\\ud800x\"}\n", "{\"x\":\"\\uFFFD\\uFFFDx\",\"n\":7}\n");
    expect("{\"x\":\"\\ud83d\\ude00\"}\n", "{\"x\":\"\\uD83D\\uDE00\",\"n\":4}\n");
    expect("{\"x\":\"\\ud83d\\ud83d\\ude00\"}\n", "{\"x\":\"\\uFFFD\\uD83D\\uDE00\",\"n\":7}\n");
    expect("{\"x\":\"\\\\ud800\"}\n", "{\"x\":\"\\\\ud800\",\"n\":6}\n"); /* an escaped backslash, no escape */
    expect("{\"x\":\"a\\u0000b\"}\n", "{\"x\":\"a\\u0000b\",\"n\":3}\n");
}

TEST(batch__takes_lines_of_many_megabytes)
{
    size_t n = 20 * 1024 * 1024;
    struct buf in, out;

    buf_init(&in, MEM_BUF, BUF_NO_CEILING);
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_append_str(&in, "{\"x\":\""), 0);
    assert_int_equal(buf_reserve(&in, n + 16), 0);
    memset(in.p + in.n, 'a', n);
    in.n += n;
    assert_int_equal(buf_append_str(&in, "\"}\n{\"x\":\"b\"}\n"), 0);
    run(&out, in.p, in.n);
    assert_int_equal(out.n, n + strlen("{\"x\":\"\",\"n\":20971520}\n{\"x\":\"b\",\"n\":1}\n"));
    assert_true(slice_ends_with(buf_slice(&out), SLICE_LITERAL("{\"x\":\"b\",\"n\":1}\n")));
    buf_fini(&in);
    buf_fini(&out);
}

TEST(batch__reads_over_a_line_beyond_the_ceiling)
{
    struct buf in, out;

    buf_init(&in, MEM_BUF, BUF_NO_CEILING);
    buf_init(&out, MEM_BUF, BUF_NO_CEILING);
    assert_int_equal(buf_reserve(&in, BATCH_MAX_LINE_BYTES + 100), 0);
    memset(in.p, ' ', BATCH_MAX_LINE_BYTES + 1);
    in.n = BATCH_MAX_LINE_BYTES + 1;
    assert_int_equal(buf_append_str(&in, "\n{\"x\":\"b\"}\n"), 0);
    run(&out, in.p, in.n);
    assert_slice_str(buf_slice(&out),
                     "{\"error\":\"the line is longer than 268435456 bytes\"}\n{\"x\":\"b\",\"n\":1}\n");
    buf_fini(&in);
    buf_fini(&out);
}

TEST(batch__leaves_nothing_behind)
{
    size_t before = mem_live_blocks();

    expect("{\"x\":\"a\"}\n[1]\n{\"x_base64\":\"AGFi\"}\n{\"x_base64\":\"///\"}\n{\"x\":\"a\",\"fail\":1}\n",
           "{\"x\":\"a\",\"n\":1}\n{\"error\":\"not a JSON object\"}\n{\"x\":\"\\u0000ab\",\"n\":3}\n"
           "{\"error\":\"malformed input\"}\n{\"error\":\"as asked: 7\"}\n");
    assert_int_equal(mem_live_blocks(), before);
}

TESTS(T(batch__answers_each_line_in_order), T(batch__decodes_base64_fields),
      T(batch__a_bad_line_is_answered_and_the_batch_goes_on), T(batch__lone_surrogates_become_replacement_characters),
      T(batch__takes_lines_of_many_megabytes), T(batch__reads_over_a_line_beyond_the_ceiling),
      T(batch__leaves_nothing_behind))
