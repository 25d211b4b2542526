#include "cluster/cmd.h"

int
cmd_crawl(int argc, char **argv)
{
    return EXIT_FAILED;
}
