#include "cluster/cmd.h"

int
cmd_url(int argc, char **argv)
{
    return EXIT_FAILED;
}
