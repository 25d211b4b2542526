/* cmd_add.c - `orb add`: seeds for a running crawl, through the same door as all other links */
#include "cluster/cmd.h"
#include "cluster/control_client.h"

#include <stdio.h>

static void
print_refused(const json_t *refused)
{
    size_t i;
    json_t *item;

    json_array_foreach(refused, i, item) {
        const char *url = json_string_value(json_object_get(item, "url")), *why = json_string_value(json_object_get(item, "why"));

        printf("refused: ");
        control_print_text(url == NULL ? "?" : url);
        printf(": ");
        control_print_text(why == NULL ? "no reason given" : why);
        printf("\n");
    }
}

int
cmd_add(int argc, char **argv)
{
    static const struct control_command command = {
        .name = "add", .usage = "[DIR] URL...", .sentence = "add seeds to a running crawl", .n_urls_min = 1, .n_urls_max = -1,
    };
    struct control_args args;
    json_t *answer = NULL, *urls, *refused;
    int code = control_parse(&command, argc, argv, &args);

    if (code >= 0)
        return code;
    urls = json_array();
    for (int i = 0; i < args.n_urls; i++)
        if (json_array_append_new(urls, json_string(args.urls[i])) != 0) {
            fprintf(stderr, "orb add: \"%s\" is not UTF-8\n", args.urls[i]);
            json_decref(urls);
            return EXIT_USAGE;
        }
    code = control_ask("add", args.dir, json_pack("{s:s,s:o}", "cmd", "add", "urls", urls), &answer);
    if (code != EXIT_DONE)
        return code;
    refused = json_object_get(answer, "refused");
    printf("%" JSON_INTEGER_FORMAT " added, %" JSON_INTEGER_FORMAT " known already, %zu refused\n",
           json_integer_value(json_object_get(answer, "added")), json_integer_value(json_object_get(answer, "seen")),
           json_array_size(refused));
    print_refused(refused);
    code = json_array_size(refused) == 0 ? EXIT_DONE : EXIT_FAILED;
    json_decref(answer);
    return code;
}
