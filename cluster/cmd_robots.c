#include "cluster/cmd.h"

int
cmd_robots(int argc, char **argv)
{
    return EXIT_FAILED;
}
