#include "cluster/cmd.h"
#include "cluster/control_client.h"

int
cmd_stop(int argc, char **argv)
{
    static const struct control_command command = {
        .name = "stop",
        .usage = "[DIR] [--now]",
        .sentence = "end a running crawl; state is kept (--now: without waiting for requests under way)",
        .has_now = true,
    };

    return control_simple(&command, argc, argv, "stopping; the same `orb crawl` goes on later");
}
