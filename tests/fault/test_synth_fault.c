#include "cluster/synth_http.h"
#include "tests/support/support.h"

TEST(synth__survives_any_failed_allocation)
{
    static const struct synth_web web = { .seed = 1, .n_hosts = 9, .n_pages = 20, .text_bytes = 500, .large_bytes = 5000, .port = 80 };
    static const char *const paths[] = { "/", "/p/3", "/p/7", "/old/2", "/flaky", "/flaky", "/sitemap-1.xml.gz", "/robots.txt", "/nope" };

    FAULT_SWEEP(nth) {
        struct synth_site site;
        struct buf out;
        int err = synth_site_init(&site, &web);

        buf_init(&out, MEM_DEFAULT, BUF_NO_CEILING);
        for (size_t i = 0; i < ORB_N_ELEMENTS(paths) && err == 0; i++) {
            struct synth_request r = { .method = SLICE_LITERAL("GET"), .path = slice_str(paths[i]),
                                       .host = SLICE_LITERAL("h7.synth.test"), .accepts_gzip = true };
            struct synth_answer a;

            err = synth_answer(&site, &r, &out, &a);
            assert_true(err == 0 || err == ORB_ENOMEM);
        }
        if (err == 0 || site.web != NULL)
            synth_site_fini(&site);
        buf_fini(&out);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

static int
count(void *arg, struct synth_url url, unsigned status)
{
    ++*(unsigned *)arg;
    return 0;
}

TEST(synth_list__survives_any_failed_allocation)
{
    static const struct synth_web web = { .seed = 1, .n_hosts = 3, .n_pages = 20, .port = 80 };

    FAULT_SWEEP(nth) {
        unsigned n = 0;
        int err = synth_list(&web, count, &n);

        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_true(err != 0 || n > 60);
        assert_int_equal(mem_live_blocks(), 0);
    }
}

TESTS(T(synth__survives_any_failed_allocation), T(synth_list__survives_any_failed_allocation))
