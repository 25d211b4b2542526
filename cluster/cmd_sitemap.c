#include "cluster/cmd.h"

int
cmd_sitemap(int argc, char **argv)
{
    return EXIT_FAILED;
}
