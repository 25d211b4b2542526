#include "cluster/cmd.h"
#include "cluster/control_client.h"

int
cmd_pause(int argc, char **argv)
{
    static const struct control_command command = { .name = "pause", .usage = "[DIR]", .sentence = "stop asking servers; keep everything" };

    return control_simple(&command, argc, argv, "paused: requests under way end, no new ones begin; `orb resume` goes on");
}
