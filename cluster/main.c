/* main.c - orb: picks the sub-command */
#include <stdio.h>
#include <string.h>

#include "cluster/cmd.h"
#include "pool/mem_hooks.h"
#include "cluster/libraries.h"

#define COMMAND_ROW(name, usage, sentence, hidden) { #name, cmd_##name, usage, sentence, hidden },
static const struct command commands[] = { COMMANDS(COMMAND_ROW) };
#undef COMMAND_ROW

static void
print_help(FILE *to)
{
    fprintf(to, "orb - a web crawler whose memory stays flat\n\nusage: orb COMMAND [ARGUMENT...]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!commands[i].is_hidden)
            fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].sentence);
    fprintf(to, "\n`orb COMMAND --help` explains a command. A first crawl:\n\n"
                "  orb crawl --contact you@example.org -o DIR https://example.org/\n\n"
                "exit codes: 0 done, 1 failed, 2 usage, 3 stopped by the user with state kept\n");
}

int
main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";

    mem_note_start();
    libraries_begin();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return argc > 1 ? EXIT_DONE : EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("orb %s\n", ORB_VERSION);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "orb: there is no command \"%s\"; `orb --help` lists them\n", name);
    return EXIT_USAGE;
}
