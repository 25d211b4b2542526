#include "cluster/cmd.h"

int
cmd_stop(int argc, char **argv)
{
    return EXIT_FAILED;
}
