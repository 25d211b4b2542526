#include "cluster/cmd.h"

int
cmd_synth(int argc, char **argv)
{
    return EXIT_FAILED;
}
