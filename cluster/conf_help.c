/* conf_help.c - the text of `orb crawl --help`, made from the knob table */
#include "cluster/conf_knob.h"

#include <stdio.h>

#define HELP_INDENT 6
#define HELP_WIDTH 80

static const char help_head[] =
    "orb crawl - crawl from seeds, or go on with what the directory holds\n\n"
    "usage: orb crawl --contact you@example.org [OPTION...] [-s FILE] [SEED...]\n\n"
    "A first crawl of one site, gently, one request a second:\n\n"
    "  orb crawl --contact you@example.org -o DIR https://example.org/\n\n"
    "Stop it with Ctrl-C (twice: at once); the same command goes on where it stopped.\n"
    "`orb status DIR` looks at it from another terminal, `orb sql DIR` at its pages.\n"
    "TIME is a number with ms, s, m, h or d (without: milliseconds); BYTES a number\n"
    "with K, M, G or T. Every option but -c may stand in a config file as `name = value`.\n";

static const char help_tail[] =
    "\nConfig file\n\n"
    "  # comments begin with #; lists (seeds, include, header ...) may be repeated\n"
    "  contact = you@example.org\n"
    "  delay = 2s\n"
    "  insecure = off\n\n"
    "  [host \"*.example.org\"]      # example.org and all below it\n"
    "  delay = 500ms                # also here: ";

static const char help_exit[] =
    "\n\nexit codes: 0 the crawl is complete or reached its limit, 1 failed, 2 usage,\n"
    "3 stopped by the user with state kept\n";

/* The sentence, wrapped. */
static int
print_wrapped(struct buf *out, const char *text)
{
    size_t column = HELP_INDENT;
    int err = buf_printf(out, "%*s", HELP_INDENT, "");

    while (err == 0 && *text != '\0') {
        size_t n = strcspn(text, " ");

        if (column > HELP_INDENT && column + 1 + n > HELP_WIDTH) {
            err = buf_printf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            err = buf_append_char(out, ' ');
            column++;
        }
        if (err == 0)
            err = buf_append(out, text, n);
        column += n;
        text += n + strspn(text + n, " ");
    }
    return err != 0 ? err : buf_append_char(out, '\n');
}

static int
print_sentence(const struct knob *k, struct buf *out)
{
    struct buf text;
    int err;

    buf_init(&text, MEM_DEFAULT, 4096);
    err = buf_append_str(&text, k->sentence);
    if (err == 0 && k->default_text != NULL && k->kind != KNOB_FLAG)
        err = buf_printf(&text, " [%s]", k->default_text);
    if (err == 0 && k->kind == KNOB_LIST)
        err = buf_append_str(&text, " (repeatable)");
    if (err == 0 && k->kind <= KNOB_MS && k->min > 1) { /* 0 and 1 go without saying */
        err = buf_append_str(&text, "; at least ");
        if (err == 0)
            err = knob_print_number(k, k->min, &text);
    }
    if (err == 0)
        err = print_wrapped(out, text.p);
    buf_fini(&text);
    return err;
}

static int
print_knob(const struct knob *k, struct buf *out)
{
    int err = k->letter != 0 ? buf_printf(out, "  -%c, --%s", k->letter, k->name) : buf_printf(out, "  --%s", k->name);

    if (err == 0 && k->kind == KNOB_SWITCH)
        err = buf_append_str(out, " on|off");
    else if (err == 0 && k->argument != NULL)
        err = buf_printf(out, " %s", k->argument);
    if (err == 0)
        err = buf_append_char(out, '\n');
    return err != 0 ? err : print_sentence(k, out);
}

int
conf_help(struct buf *out)
{
    int err = buf_append_str(out, help_head);
    const char *comma = "";

    for (unsigned s = 0; s < SECTION_N && err == 0; s++) {
        err = buf_printf(out, "\n%s\n\n", knob_section_title(s));
        for (size_t i = 0; i < CONF_N_KNOBS && err == 0; i++)
            if (conf_knobs[i].section == s)
                err = print_knob(&conf_knobs[i], out);
    }
    if (err == 0)
        err = buf_append_str(out, help_tail);
    for (size_t i = 0; i < CONF_N_KNOBS && err == 0; i++)
        if (conf_knobs[i].flags & CONF_PER_HOST && i != CONF_KNOB_delay_ms) {
            err = buf_printf(out, "%s%s", comma, conf_knobs[i].name);
            comma = ", ";
        }
    return err != 0 ? err : buf_append_str(out, help_exit);
}
