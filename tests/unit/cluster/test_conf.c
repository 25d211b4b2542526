#include "cluster/conf_knob.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <unistd.h>

static struct conf conf;
static struct buf error;

static void
begin(void)
{
    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(conf_init(&conf), 0);
}

static void
end(void)
{
    conf_fini(&conf);
    buf_fini(&error);
    assert_int_equal(mem_live_blocks(), 0);
}

static int
parse(const char *line)
{
    static char copy[4096];
    static char *argv[64];
    int argc = 0;

    snprintf(copy, sizeof copy, "crawl %s", line);
    for (char *p = strtok(copy, " "); p != NULL; p = strtok(NULL, " "))
        argv[argc++] = p;
    argv[argc] = NULL;
    buf_clear(&error);
    return conf_parse_argv(&conf, argc, argv, &error);
}

static void
assert_says(const char *part)
{
    if (error.n == 0 || strstr(error.p, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.n == 0 ? "" : error.p, part);
}

TEST(conf__defaults_are_those_of_the_table)
{
    begin();
    assert_string_equal(conf.output_dir, "./orb-crawl");
    assert_int_equal(conf.workers, sysconf(_SC_NPROCESSORS_ONLN));
    assert_int_equal(conf.delay_ms, 1000);
    assert_int_equal(conf.ip_delay_ms, 250);
    assert_int_equal(conf.frontier_memory_bytes, 256 << 20);
    assert_int_equal(conf.max_pages, 0);
    assert_int_equal(conf.max_depth, UINT32_MAX);
    assert_int_equal(conf.timeout_ms, 120000);
    assert_true(conf.use_http2);
    assert_true(conf.use_sitemaps);
    assert_false(conf.is_insecure);
    assert_null(conf.contact);
    end();
}

TEST(conf_parse_argv__reads_every_kind_and_seeds_in_any_order)
{
    begin();
    assert_int_equal(parse("https://a.example/ --delay 500 -w 3 --timeout=90s --max-body-bytes 2M --scope domain --insecure "
                           "--http2 off -s x -s - -q --depth 0 --header A:b -- --not-an-option"), 0);
    assert_int_equal(conf.delay_ms, 500);
    assert_int_equal(conf.workers, 3);
    assert_int_equal(conf.timeout_ms, 90000);
    assert_int_equal(conf.max_body_bytes, 2 << 20);
    assert_int_equal(conf.scope, 1);
    assert_true(conf.is_insecure);
    assert_false(conf.use_http2);
    assert_true(conf.is_quiet);
    assert_int_equal(conf.max_depth, 0);
    assert_int_equal(conf.seed_files.n, 2);
    assert_string_equal(conf.seed_files.items[1], "-");
    assert_null(conf.seed_files.items[2]);
    assert_int_equal(conf.seeds.n, 2);
    assert_string_equal(conf.seeds.items[1], "--not-an-option");
    end();
}

TEST(conf_parse_argv__names_the_option_and_what_is_allowed)
{
    static const struct { const char *line, *says; } cases[] = {
        { "--delay x", "--delay: \"x\" is not allowed; allowed: 0 to 1h" },
        { "--delay 2h", "allowed: 0 to 1h" },
        { "--delay -5", "--delay" },
        { "--delay 99999999999999999999", "--delay" },
        { "--workers 0", "allowed: 1 to 256, or cores" },
        { "--max-body-bytes 5X", "powers of 1024" },
        { "--scope galaxy", "allowed: host|domain|prefix|any" },
        { "--sitemaps maybe", "allowed: on|off" },
        { "--dealy 5", "there is no option --dealy; did you mean --delay?" },
        { "--max-page=5 x", NULL },
        { "--maxpages=5", "there is no option --maxpages; did you mean --max-pages?" },
        { "--zzzzzzzzzzzzzzzzzzzz", "there is no option --zzzzzzzzzzzzzzzzzzzz (--help" },
        { "-Z", "there is no option -Z" },
        { "--insecure=on", "--insecure takes no value" },
        { "--delay", "--delay needs a value; allowed: 0 to 1h" },
        { "-o", "--output needs a value; --output DIR" },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        begin();
        assert_int_equal(parse(cases[i].line), cases[i].says == NULL ? 0 : ORB_EINVAL);
        if (cases[i].says != NULL)
            assert_says(cases[i].says);
        end();
    }
}

TEST(conf_parse_argv__refuses_control_characters)
{
    begin();
    assert_int_equal(conf_set(&conf, "user-agent", "a\r\nX: y", &error), ORB_EINVAL);
    assert_int_equal(conf_set(&conf, "header", "A: b\nC: d", &error), ORB_EINVAL);
    assert_null(conf.user_agent);
    end();
}

TEST(conf_read_text__reads_knobs_comments_quotes_and_sections)
{
    begin();
    assert_int_equal(conf_read_text(&conf, "t", slice_str("# c\n\n delay = 2s # why\r\nuser-agent = \"a # b\"\nlinks = on\n"
                                                          "header = A: b=c\nheader = D: e\n[host \"*.example.org\"]\n"
                                                          "delay = 5s\nmax-per-host = 7\n[ host slow.example.org:8080 ]\n"
                                                          "delay = 9s\nper-host=4"), &error), 0);
    assert_int_equal(conf.delay_ms, 2000);
    assert_string_equal(conf.user_agent, "a # b");
    assert_true(conf.follow_assets);
    assert_int_equal(conf.headers.n, 2);
    assert_string_equal(conf.headers.items[0], "A: b=c");
    assert_int_equal(conf.n_hosts, 2);
    end();
}

TEST(conf_host_settings__later_sections_win_and_only_what_they_set)
{
    struct conf_host_settings s;

    begin();
    assert_int_equal(conf_read_text(&conf, "t", slice_str("per-host = 2\n[host \"*.example.org\"]\ndelay = 5s\nmax-per-host = 7\n"
                                                          "meta-robots = nofollow\n"
                                                          "[host \"slow.example.org:8080\"]\ndelay = 9s\n"), &error), 0);
    conf_host_settings(&conf, slice_str("slow.EXAMPLE.org"), 8080, &s);
    assert_int_equal(s.delay_ms, 9000);
    assert_int_equal(s.max_per_host, 7);
    assert_int_equal(s.meta_robots, CONF_META_NOFOLLOW);
    assert_int_equal(s.per_host, 2);
    conf_host_settings(&conf, slice_str("slow.example.org"), 80, &s);
    assert_int_equal(s.delay_ms, 5000);
    conf_host_settings(&conf, slice_str("example.org"), 80, &s);
    assert_int_equal(s.delay_ms, 5000);
    conf_host_settings(&conf, slice_str("badexample.org"), 80, &s);
    assert_int_equal(s.delay_ms, 1000);
    conf_host_settings(&conf, slice_str("[::1]"), 80, &s);
    assert_int_equal(s.max_per_host, 0);
    assert_int_equal(s.meta_robots, CONF_META_OBEY);
    end();
}

TEST(conf_read_text__names_file_line_and_key)
{
    static const struct { const char *text, *says; } cases[] = {
        { "delay = 1s\nfoo = 3\n", "t:2: there is no knob \"foo\"" },
        { "dealy = 1s\n", "did you mean \"delay\"?" },
        { "delay\n", "t:1: this is no `key = value` line" },
        { "delay = soon\n", "t:1: delay: \"soon\" is not allowed; allowed: 0 to 1h" },
        { "config = x\n", "config is for the command line only" },
        { "[host \"a b\"]\n", "t:1: [host \"a b\"] names no host" },
        { "[host \"a:x\"]\n", "names no host" },
        { "[host \"a*\"]\n", "names no host" },
        { "[hosts\n", "a section is written [host" },
        { "[server \"x\"]\n", "a section is written [host" },
        { "[", "a section is written [host" },
        { "[host \"a\"]\nscope = any\n", "t:2: scope holds for the whole crawl" },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(cases); i++) {
        begin();
        assert_int_equal(conf_read_text(&conf, "t", slice_str(cases[i].text), &error), ORB_EINVAL);
        assert_says(cases[i].says);
        end();
    }
}

TEST(conf_parse_argv__the_command_line_wins_over_the_file_and_lists_add_up)
{
    char line[256], path[128];

    begin();
    snprintf(path, sizeof path, "%s/crawl.conf", scratch_dir());
    write_file(path, "delay = 3s\nworkers = 7\nheader = X: y\n", 37);
    snprintf(line, sizeof line, "--delay 4s --config %s --header A:b", path);
    assert_int_equal(parse(line), 0);
    assert_int_equal(conf.delay_ms, 4000);
    assert_int_equal(conf.workers, 7);
    assert_int_equal(conf.headers.n, 2);
    assert_int_equal(conf.origin[CONF_KNOB_workers], CONF_BY_FILE);
    assert_int_equal(parse("-c /nonexistent/file"), ORB_EINVAL);
    assert_says("/nonexistent/file cannot be read: No such file");
    end();
}

TEST(conf_check__wants_a_contact_unless_all_is_loopback)
{
    begin();
    assert_int_equal(conf_check(&conf, false, &error), ORB_EINVAL);
    assert_says("--contact");
    assert_int_equal(conf_check(&conf, true, &error), 0);
    assert_string_equal(conf.user_agent, "orbweaver/" ORB_VERSION);
    end();
    begin();
    assert_int_equal(parse("--contact me@example.org"), 0);
    assert_int_equal(conf_check(&conf, false, &error), 0);
    assert_string_equal(conf.user_agent, "orbweaver/" ORB_VERSION " (+me@example.org)");
    end();
    begin();
    assert_int_equal(parse("--contact nobody"), 0);
    assert_int_equal(conf_check(&conf, false, &error), ORB_EINVAL);
    end();
}

TEST(conf_is_loopback_host__knows_names_and_addresses)
{
    assert_true(conf_is_loopback_host(slice_str("localhost")));
    assert_true(conf_is_loopback_host(slice_str("a.LOCALHOST.")));
    assert_true(conf_is_loopback_host(slice_str("127.9.8.7")));
    assert_true(conf_is_loopback_host(slice_str("[::1]")));
    assert_false(conf_is_loopback_host(slice_str("127.example.org")));
    assert_false(conf_is_loopback_host(slice_str("notlocalhost")));
    assert_false(conf_is_loopback_host(slice_str("10.0.0.1")));
    assert_false(conf_is_loopback_host(slice_str("")));
}

TEST(conf_check__finds_what_contradicts)
{
    static const char *const bad[] = {
        "--allow-private 10.0.0.0/33", "--allow-private fd00::/129", "--allow-private host",    "--proxy ftp://x:1",
        "--dashboard 7070",            "--header nocolon",           "--header Host:x",         "--header user-agent:x",
        "--delay 5s --max-delay 1s",   "--retry-delay 2h",           "--connect-timeout 3m",    "--per-host 9 --concurrency 8",
        "--auth nofile",               "--auth a=/nonexistent/f",
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++) {
        begin();
        assert_int_equal(parse(bad[i]), 0);
        if (conf_check(&conf, true, &error) != ORB_EINVAL)
            fail_msg("accepted: %s", bad[i]);
        assert_true(error.n > 0);
        end();
    }
    begin();
    assert_int_equal(parse("--allow-private 10.0.0.0/8 --allow-private ::1 --allow-private any --dashboard [::1]:1 --header A:"), 0);
    assert_int_equal(conf_check(&conf, true, &error), 0);
    end();
}

TEST(conf_check__ip_delay_follows_delay_unless_it_is_given)
{
    begin();
    assert_int_equal(parse("--delay 0"), 0);
    assert_int_equal(conf_check(&conf, true, &error), 0);
    assert_int_equal(conf.ip_delay_ms, 0);
    end();
    begin();
    assert_int_equal(parse("--delay 0 --ip-delay 250"), 0);
    assert_int_equal(conf_check(&conf, true, &error), 0);
    assert_int_equal(conf.ip_delay_ms, 250);
    end();
}

TEST(conf_check__a_default_gives_way_to_what_is_given)
{
    begin();
    assert_int_equal(parse("--timeout 5s --retry-max 3s"), 0);
    assert_int_equal(conf_check(&conf, true, &error), 0);
    assert_int_equal(conf.connect_timeout_ms, 5000);
    assert_int_equal(conf.retry_delay_ms, 3000);
    end();
    begin();
    assert_int_equal(parse("--timeout 5s --connect-timeout 6s"), 0);
    assert_int_equal(conf_check(&conf, true, &error), ORB_EINVAL);
    end();
}

TEST(conf_check__auth_files_become_headers_and_sections_name_them)
{
    char basic[128], bearer[128], text[512];
    struct conf_host_settings s;

    begin();
    snprintf(basic, sizeof basic, "%s/basic", scratch_dir());
    snprintf(bearer, sizeof bearer, "%s/bearer", scratch_dir());
    write_file(basic, "Aladdin:open sesame\nrest", 24);
    write_file(bearer, "Bearer abc:def\r\n", 16);
    snprintf(text, sizeof text, "auth = a.example=%s\n[host \"*.b.example\"]\nauth = %s\n", basic, bearer);
    assert_int_equal(conf_read_text(&conf, "t", slice_str(text), &error), 0);
    assert_int_equal(conf_check(&conf, true, &error), 0);
    conf_host_settings(&conf, slice_str("a.example"), 80, &s);
    assert_string_equal(s.authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    conf_host_settings(&conf, slice_str("x.b.example"), 80, &s);
    assert_string_equal(s.authorization, "Bearer abc:def");
    conf_host_settings(&conf, slice_str("c.example"), 80, &s);
    assert_null(s.authorization);
    end();
}

TEST(conf_json__round_trip_keeps_every_value)
{
    struct conf back;
    struct buf json, again;
    struct conf_host_settings s;

    begin();
    buf_init(&json, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&again, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(parse("--contact a@b.example --delay 1234 --max-body-bytes 12345678 --include ^a.*\\\\b --include \"x\" "
                           "--max-pages 18446744073709551615 --depth none --scope any --insecure --http2 off --header A:ü"), 0);
    assert_int_equal(conf_read_text(&conf, "t", slice_str("[host \"*.x.example\"]\ndelay = 3s\n"), &error), 0);
    assert_int_equal(conf_add_auth(&conf, slice_str("s.example"), slice_str("Bearer secret")), 0);
    assert_int_equal(conf_check(&conf, false, &error), 0);
    assert_int_equal(conf_to_json(&conf, true, &json), 0);
    assert_int_equal(conf_init(&back), 0);
    if (conf_from_json(&back, buf_slice(&json), &error) != 0)
        fail_msg("%s", error.p);
    assert_int_equal(conf_to_json(&back, true, &again), 0);
    assert_string_equal(json.p, again.p);
    assert_int_equal(back.delay_ms, 1234);
    assert_int_equal(back.max_body_bytes, 12345678);
    assert_true(back.max_pages == UINT64_MAX);
    assert_int_equal(back.max_depth, UINT32_MAX);
    assert_true(back.is_insecure);
    assert_string_equal(back.includes.items[0], conf.includes.items[0]);
    assert_string_equal(back.user_agent, conf.user_agent);
    conf_host_settings(&back, slice_str("x.example"), 80, &s);
    assert_int_equal(s.delay_ms, 3000);
    conf_host_settings(&back, slice_str("s.example"), 80, &s);
    assert_string_equal(s.authorization, "Bearer secret");
    buf_clear(&again);
    assert_int_equal(conf_to_json(&conf, false, &again), 0);
    assert_null(strstr(again.p, "secret"));
    conf_fini(&back);
    buf_fini(&json);
    buf_fini(&again);
    end();
}

TEST(conf_from_json__refuses_what_is_no_settings)
{
    static const char *const bad[] = { "", "[]", "{\"delay\":5}", "{\"delay\":\"soon\"}", "{\"nope\":\"1\"}", "{\"include\":\"x\"}",
                                       "{\"hosts\":[{}]}", "{\"hosts\":[{\"pattern\":\"a\",\"delay\":[]}]}",
                                       "{\"authorizations\":[{\"pattern\":1}]}", "{\"delay\":\"1s\"", "{\"seeds\":[]}" };

    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++) {
        begin();
        if (conf_from_json(&conf, slice_str(bad[i]), &error) != ORB_EINVAL)
            fail_msg("accepted: %s", bad[i]);
        end();
    }
}

TEST(conf_help__names_every_knob_and_fits_the_terminal)
{
    struct buf help;
    size_t width = 0;

    buf_init(&help, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(conf_help(&help), 0);
    for (size_t i = 0; i < CONF_N_KNOBS; i++) {
        char name[64];

        snprintf(name, sizeof name, "--%s", conf_knobs[i].name);
        assert_non_null(strstr(help.p, name));
        assert_true(conf_knobs[i].min <= conf_knobs[i].max);
    }
    for (const char *p = help.p; *p != '\0'; p += width + (p[width] == '\n')) {
        width = strcspn(p, "\n");
        if (width > 88)
            fail_msg("too wide: %.*s", (int)width, p);
    }
    buf_fini(&help);
}

TEST(knob_print__is_read_back_as_the_same_number)
{
    static const uint64_t values[] = { 0, 1, 999, 1000, 1024, 1500, 60000, 3600000, 1 << 20, 86400000, (1 << 20) + 1 };
    struct buf text;

    begin();
    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    for (size_t i = 0; i < CONF_N_KNOBS; i++)
        for (size_t j = 0; j < ORB_N_ELEMENTS(values) && conf_knobs[i].kind <= KNOB_MS; j++) {
            if (values[j] < conf_knobs[i].min || values[j] > conf_knobs[i].max)
                continue;
            buf_clear(&text);
            assert_int_equal(knob_print_number(&conf_knobs[i], values[j], &text), 0);
            assert_int_equal(knob_set(&conf_knobs[i], &conf, buf_slice(&text), &error), 0);
            assert_int_equal(*(uint64_t *)knob_field(&conf_knobs[i], &conf), values[j]);
        }
    buf_fini(&text);
    end();
}

TESTS(T(conf__defaults_are_those_of_the_table), T(conf_parse_argv__reads_every_kind_and_seeds_in_any_order),
      T(conf_parse_argv__names_the_option_and_what_is_allowed), T(conf_parse_argv__refuses_control_characters),
      T(conf_read_text__reads_knobs_comments_quotes_and_sections), T(conf_host_settings__later_sections_win_and_only_what_they_set),
      T(conf_read_text__names_file_line_and_key), T(conf_parse_argv__the_command_line_wins_over_the_file_and_lists_add_up),
      T(conf_check__wants_a_contact_unless_all_is_loopback), T(conf_is_loopback_host__knows_names_and_addresses),
      T(conf_check__finds_what_contradicts), T(conf_check__ip_delay_follows_delay_unless_it_is_given),
      T(conf_check__a_default_gives_way_to_what_is_given),
      T(conf_check__auth_files_become_headers_and_sections_name_them), T(conf_json__round_trip_keeps_every_value),
      T(conf_from_json__refuses_what_is_no_settings), T(conf_help__names_every_knob_and_fits_the_terminal),
      T(knob_print__is_read_back_as_the_same_number))
