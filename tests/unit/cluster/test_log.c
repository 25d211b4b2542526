#include "cluster/clock.h"
#include "cluster/log.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256];
static struct buf text;

static void
begin(void)
{
    snprintf(dir, sizeof dir, "%s/log", scratch_dir());
    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    log_set_stderr(false);
    log_set_json(false);
    log_set_level(LOG_LEVEL_INFO);
    log_set_process("worker %d", 3);
    assert_int_equal(log_open_file(dir), 0);
}

static void
end(void)
{
    log_close_file();
    buf_fini(&text);
}

static const char *
lines(void)
{
    char path[300];

    snprintf(path, sizeof path, "%s/orb.log", dir);
    read_file(&text, path);
    return text.n == 0 ? "" : text.p;
}

TEST(log__writes_time_level_process_and_message)
{
    const char *line;

    begin();
    log_warning("%s has %d legs", "a spider", 8);
    line = lines();
    assert_int_equal(strlen(line), 24 + strlen(" warning worker 3: a spider has 8 legs\n"));
    assert_string_equal(line + 24, " warning worker 3: a spider has 8 legs\n");
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    end();
}

TEST(log__keeps_to_its_level)
{
    begin();
    log_debug("unseen");
    log_info("seen");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("unseen");
    log_error("seen too");
    assert_null(strstr(lines(), "unseen"));
    assert_non_null(strstr(text.p, "error worker 3: seen too"));
    end();
}

TEST(log__a_message_cannot_forge_a_line_or_drive_a_terminal)
{
    begin();
    log_info("%s", "GET /\r\n2026 error coordinator: gone\33[2J\x7f\xc2\x9b" "31m\xe2\x80\xae\xff\xc3 \xc3\xbc");
    assert_non_null(strstr(lines(), "GET /\\x0d\\x0a2026 error coordinator: gone\\x1b[2J\\x7f\\xc2\\x9b31m\\xe2\\x80\\xae\\xff\\xc3 \xc3\xbc\n"));
    assert_ptr_equal(strchr(text.p, '\n'), text.p + text.n - 1);
    end();
}

TEST(log__json_lines_are_json_whatever_the_message)
{
    json_t *object;

    begin();
    log_set_json(true);
    log_set_process("a\"b\n");
    log_info("%s", "say \"hi\" \\ \n \xff \xed\xa0\x80 \xc3\xbc");
    lines();
    object = json_loadb(text.p, text.n, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "message")), "say \"hi\" \\ \\x0a \\xff \\xed\\xa0\\x80 \xc3\xbc");
    assert_string_equal(json_string_value(json_object_get(object, "level")), "info");
    json_decref(object);
    end();
}

TEST(log__cuts_a_message_that_is_too_long)
{
    static char big[3 * LOG_MAX_MESSAGE_BYTES];

    begin();
    memset(big, 1, sizeof big - 1);
    log_info("%s", big);
    lines();
    assert_true(text.n < 4 * LOG_MAX_MESSAGE_BYTES + 200);
    assert_true(slice_ends_with(buf_slice(&text), SLICE_LITERAL("\\x01...\n")));
    end();
}

TEST(log__rotates_and_keeps_four_files)
{
    static char big[LOG_MAX_MESSAGE_BYTES];
    char path[300];
    struct stat st;

    begin();
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 5 * (LOG_FILE_BYTES / LOG_MAX_MESSAGE_BYTES) + 10; i++)
        log_info("%s", big);
    for (int i = 0; i < LOG_FILES; i++) {
        snprintf(path, sizeof path, i == 0 ? "%s/orb.log" : "%s/orb.log.%d", dir, i);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size <= LOG_FILE_BYTES);
    }
    snprintf(path, sizeof path, "%s/orb.log.%d", dir, LOG_FILES);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(log_n_lost(), 0);
    end();
}

TEST(log__counts_what_it_could_not_write)
{
    int saved = dup(STDERR_FILENO), full = open("/dev/full", O_WRONLY);
    uint64_t before = log_n_lost(), after;

    begin();
    log_set_stderr(true);
    dup2(full, STDERR_FILENO);
    log_info("lost on standard error, kept in the file");
    after = log_n_lost();
    dup2(saved, STDERR_FILENO);
    close(full);
    close(saved);
    assert_int_equal(after, before + 1);
    assert_non_null(strstr(lines(), "kept in the file"));
    end();
}

static struct diverted {
    int answer;
    unsigned n;
    char last[LOG_LONGEST_BYTES + 1];
} diverted;

static int
on_diverted(void *arg, enum log_level level, struct slice message)
{
    struct diverted *d = arg;

    d->n++;
    memcpy(d->last, message.p, message.n);
    d->last[message.n] = '\0';
    log_warning("from inside"); /* neither again from the start nor a line of its own */
    return d->answer;
}

static void *
log_from_a_thread(void *arg)
{
    log_warning("of another thread");
    return NULL;
}

TEST(log_divert__takes_this_threads_lines_and_no_other)
{
    uint64_t before = log_n_lost();
    pthread_t thread;

    begin();
    diverted = (struct diverted){ 0 };
    log_divert(on_diverted, &diverted);
    log_warning("for %s", "elsewhere");
    log_debug("unseen");
    assert_int_equal(pthread_create(&thread, NULL, log_from_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    log_divert(NULL, NULL);
    log_warning("here again");
    assert_int_equal(diverted.n, 1);
    assert_string_equal(diverted.last, "for elsewhere");
    assert_null(strstr(lines(), "elsewhere"));
    assert_null(strstr(text.p, "from inside"));
    assert_non_null(strstr(text.p, "of another thread"));
    assert_non_null(strstr(text.p, "here again"));
    assert_int_equal(log_n_lost(), before + 1); /* the one from inside */
    end();
}

TEST(log_divert__writes_here_what_has_nowhere_else_to_go_and_counts_what_is_lost)
{
    uint64_t before = log_n_lost();

    begin();
    diverted = (struct diverted){ .answer = ORB_ECLOSED };
    log_divert(on_diverted, &diverted);
    log_warning("nobody listens");
    diverted.answer = ORB_ETOOBIG;
    log_warning("no room");
    log_divert(NULL, NULL);
    assert_int_equal(diverted.n, 2);
    assert_non_null(strstr(lines(), "nobody listens"));
    assert_null(strstr(text.p, "no room"));
    assert_int_equal(log_n_lost(), before + 3);
    end();
}

TEST(log_relay__names_the_other_process_and_keeps_to_the_level)
{
    begin();
    log_relay("worker 7", LOG_LEVEL_ERROR, SLICE_LITERAL("flood\n\x1b[2J"));
    log_relay("worker 7", LOG_LEVEL_DEBUG, SLICE_LITERAL("unseen"));
    assert_non_null(strstr(lines(), " error worker 7: flood\\x0a\\x1b[2J\n"));
    assert_null(strstr(text.p, "unseen"));
    end();
}

TEST(log_open_file__says_when_there_is_no_folder)
{
    assert_true(log_open_file("/nonexistent/folder/log") < 0);
}

TEST(clock_print__is_iso_8601_and_total)
{
    char out[CLOCK_TEXT_BYTES];

    clock_print(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    clock_print(1732275003123, out);
    assert_string_equal(out, "2024-11-22T11:30:03.123Z");
    clock_print(UINT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    assert_true(clock_wall_ms() > 1700000000000);
    assert_true(clock_now_ms() <= clock_now_ms());
}

TESTS(T(log__writes_time_level_process_and_message), T(log__keeps_to_its_level),
      T(log__a_message_cannot_forge_a_line_or_drive_a_terminal), T(log__json_lines_are_json_whatever_the_message),
      T(log__cuts_a_message_that_is_too_long), T(log__rotates_and_keeps_four_files), T(log__counts_what_it_could_not_write),
      T(log_divert__takes_this_threads_lines_and_no_other),
      T(log_divert__writes_here_what_has_nowhere_else_to_go_and_counts_what_is_lost),
      T(log_relay__names_the_other_process_and_keeps_to_the_level),
      T(log_open_file__says_when_there_is_no_folder), T(clock_print__is_iso_8601_and_total))
