#include "cluster/cmd.h"

int
cmd_demo(int argc, char **argv)
{
    return EXIT_FAILED;
}
