#include "cluster/cmd.h"
#include "cluster/control_client.h"

int
cmd_resume(int argc, char **argv)
{
    static const struct control_command command = { .name = "resume", .usage = "[DIR]", .sentence = "go on after a pause" };

    return control_simple(&command, argc, argv, "going on");
}
