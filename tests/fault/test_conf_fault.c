#include "cluster/conf.h"
#include "tests/support/support.h"

TEST(conf__survives_any_failed_allocation)
{
    static const char text[] = "delay = 2s\ninclude = a\ninclude = b\n[host \"*.example.org\"]\ndelay = 1s\n";
    char *argv[] = { "crawl", "--contact", "a@b.example", "-s", "x", "https://example.org/", NULL };

    FAULT_SWEEP(nth) {
        struct conf conf;
        struct buf error, json;
        int err = conf_init(&conf);

        buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
        buf_init(&json, MEM_DEFAULT, BUF_NO_CEILING);
        if (err == 0)
            err = conf_parse_argv(&conf, 6, argv, &error);
        if (err == 0)
            err = conf_read_text(&conf, "t", slice_str(text), &error);
        if (err == 0)
            err = conf_check(&conf, false, &error);
        if (err == 0)
            err = conf_to_json(&conf, true, &json);
        if (err == 0)
            err = conf_from_json(&conf, buf_slice(&json), &error);
        if (err != 0 && err != ORB_ENOMEM)
            fail_msg("allocation %d: %d %s", (int)nth, err, error.n > 0 ? error.p : "");
        conf_fini(&conf);
        buf_fini(&error);
        buf_fini(&json);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

TESTS(T(conf__survives_any_failed_allocation))
