#include "cluster/cmd.h"

int
cmd_worker(int argc, char **argv)
{
    return EXIT_FAILED;
}
