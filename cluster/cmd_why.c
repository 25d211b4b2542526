/* cmd_why.c - `orb why`: the whole life of one URL, as the running crawl tells it */
#include "cluster/cmd.h"
#include "cluster/control_client.h"

#include <stdio.h>
#include <string.h>

static void
print_value(const json_t *value)
{
    if (json_is_string(value))
        control_print_text(json_string_value(value));
    else
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
}

/* One level of nesting; anything deeper is printed as JSON. */
static void
print_flat(const json_t *value)
{
    const char *comma = "", *key;
    json_t *object = (json_t *)value, *item;
    size_t i;

    if (json_is_array(value)) {
        json_array_foreach(value, i, item) {
            printf("%s", comma);
            print_value(item);
            comma = ", ";
        }
        return;
    }
    json_object_foreach(object, key, item) {
        printf("%s%s ", comma, key);
        print_value(item);
        comma = ", ";
    }
}

int
cmd_why(int argc, char **argv)
{
    static const struct control_command command = {
        .name = "why", .usage = "[DIR] URL [--json]", .sentence = "the whole life of one URL", .has_json = true,
        .n_urls_min = 1, .n_urls_max = 1,
    };
    struct control_args args;
    json_t *answer = NULL, *value;
    const char *key;
    int code = control_parse(&command, argc, argv, &args);

    if (code >= 0)
        return code;
    code = control_ask("why", args.dir, json_pack("{s:s,s:s}", "cmd", "why", "url", args.urls[0]), &answer);
    if (code != EXIT_DONE)
        return code;
    json_object_del(answer, "ok");
    if (args.is_json) {
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        printf("\n");
    } else {
        json_object_foreach(answer, key, value) {
            printf("%-16s ", key);
            if (json_is_object(value) || json_is_array(value))
                print_flat(value);
            else
                print_value(value);
            printf("\n");
        }
    }
    json_decref(answer);
    return EXIT_DONE;
}
