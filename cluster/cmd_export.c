#include "cluster/cmd.h"

int
cmd_export(int argc, char **argv)
{
    return EXIT_FAILED;
}
