#include "cluster/cmd.h"

int
cmd_status(int argc, char **argv)
{
    return EXIT_FAILED;
}
