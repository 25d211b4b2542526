#include "cluster/cmd.h"

int
cmd_resume(int argc, char **argv)
{
    return EXIT_FAILED;
}
