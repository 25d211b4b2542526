#include "cluster/cmd.h"

int
cmd_cat(int argc, char **argv)
{
    return EXIT_FAILED;
}
