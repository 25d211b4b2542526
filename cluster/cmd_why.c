#include "cluster/cmd.h"

int
cmd_why(int argc, char **argv)
{
    return EXIT_FAILED;
}
