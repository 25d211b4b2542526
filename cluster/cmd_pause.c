#include "cluster/cmd.h"

int
cmd_pause(int argc, char **argv)
{
    return EXIT_FAILED;
}
