#include "cluster/cmd.h"

int
cmd_audit(int argc, char **argv)
{
    return EXIT_FAILED;
}
