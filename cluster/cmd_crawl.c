/* cmd_crawl.c - `orb crawl`: settings checked, then the coordinator runs */
#include "cluster/cmd.h"
#include "cluster/conf.h"
#include "cluster/coordinator.h"
#include "cluster/log.h"
#include "crawler/url.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Only seeds on this machine need no --contact. What a seed file holds is not looked at: it needs one. */
static bool
is_loopback_only(const struct conf *conf)
{
    struct url u;
    bool is_loopback = conf->seeds.n > 0 || conf->seed_files.n > 0;

    url_init(&u, MEM_DEFAULT);
    for (size_t i = 0; is_loopback && i < conf->seeds.n; i++)
        is_loopback = url_parse(&u, slice_str(conf->seeds.items[i]), NULL) == 0 && conf_is_loopback_host(url_host(&u));
    url_fini(&u);
    return is_loopback && conf->seed_files.n == 0;
}

static int
usage(struct buf *error)
{
    fprintf(stderr, "orb crawl: %s\n`orb crawl --help` explains the options\n",
            error->n > 0 ? error->p : "the settings could not be read");
    return EXIT_USAGE;
}

static int
print_help(void)
{
    struct buf text;
    int err;

    buf_init(&text, MEM_DEFAULT, 1 << 20);
    err = conf_help(&text);
    if (err == 0)
        fputs(text.p, stdout);
    buf_fini(&text);
    return err == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
crawl(struct conf *conf)
{
    log_set_level((enum log_level)conf->log_level);
    log_set_json(conf->is_json);
    if (conf->origin[CONF_KNOB_dashboard] != CONF_BY_DEFAULT && strcmp(conf->dashboard, "off") != 0)
        log_info("the dashboard comes with a later version; nothing is opened at %s", conf->dashboard);
    return coordinator_run(conf);
}

int
cmd_crawl(int argc, char **argv)
{
    struct conf conf;
    struct buf error;
    int code;

    buf_init(&error, MEM_DEFAULT, 16384);
    if (conf_init(&conf) != 0) {
        fprintf(stderr, "orb crawl: out of memory\n");
        return EXIT_FAILED;
    }
    if (conf_parse_argv(&conf, argc, argv, &error) != 0)
        code = usage(&error);
    else if (conf.wants_help)
        code = print_help();
    else if (conf_check(&conf, is_loopback_only(&conf), &error) != 0)
        code = usage(&error);
    else
        code = crawl(&conf);
    buf_fini(&error);
    conf_fini(&conf);
    return code;
}
