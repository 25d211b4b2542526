#include "cluster/cmd.h"

int
cmd_links(int argc, char **argv)
{
    return EXIT_FAILED;
}
