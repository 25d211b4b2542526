/* Any bytes as a config file and as JSON settings; what is accepted must survive the way to a worker. */
#include "cluster/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct conf *conf, struct buf *error)
{
    struct conf back;
    struct buf first, second;

    buf_init(&first, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&second, MEM_DEFAULT, BUF_NO_CEILING);
    CHECK(conf_init(&back) == 0);
    CHECK(conf_to_json(conf, true, &first) == 0);
    CHECK(conf_from_json(&back, buf_slice(&first), error) == 0);
    CHECK(conf_to_json(&back, true, &second) == 0);
    CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
    conf_fini(&back);
    buf_fini(&first);
    buf_fini(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf conf;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    if (conf_init(&conf) != 0)
        return 0;
    if (size > 0 && data[0] == '{')
        (void)!conf_from_json(&conf, slice_of(data, size), &error);
    else if (conf_read_text(&conf, "fuzz", slice_of(data, size), &error) == 0 && conf.auth_files.n == 0
             && conf_check(&conf, true, &error) == 0)
        check_round_trip(&conf, &error);
    conf_fini(&conf);
    buf_fini(&error);
    return 0;
}
