#include "cluster/cmd.h"

int
cmd_add(int argc, char **argv)
{
    return EXIT_FAILED;
}
