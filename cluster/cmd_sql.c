#include "cluster/cmd.h"

int
cmd_sql(int argc, char **argv)
{
    return EXIT_FAILED;
}
