/* conf.c - the table, its defaults, the command line, and what counts for one host */
#include "cluster/conf_knob.h"

#include <getopt.h>
#include <stdio.h>

#define KNOB(kind_, field_, name_, letter_, default_, min_, max_, section_, flags_, argument_, sentence_)              \
    [CONF_KNOB_##field_] = { .name = name_,                                                                            \
                             .default_text = default_,                                                                 \
                             .argument = argument_,                                                                    \
                             .sentence = sentence_,                                                                    \
                             .min = min_,                                                                              \
                             .max = max_,                                                                              \
                             .offset = offsetof(struct conf, field_),                                                  \
                             .kind = KNOB_##kind_,                                                                     \
                             .section = SECTION_##section_,                                                            \
                             .flags = flags_,                                                                          \
                             .letter = letter_ },
const struct knob conf_knobs[CONF_N_KNOBS] = {
#include "cluster/conf_table.h"
};
#undef KNOB

#define CONF_SECTION_TITLE(id, title) title,
static const char *const section_titles[] = { CONF_SECTIONS(CONF_SECTION_TITLE) };

const char *
knob_section_title(enum knob_section section)
{
    return section_titles[section];
}

const struct knob *
knob_find(struct slice name)
{
    for (size_t i = 0; i < CONF_N_KNOBS; i++)
        if (slice_eq(name, slice_str(conf_knobs[i].name)))
            return &conf_knobs[i];
    return NULL;
}

/* Levenshtein's distance of two short words, by one row. */
static unsigned
edit_distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n_b = strlen(b);

    if (n_b >= ORB_N_ELEMENTS(row))
        return UINT32_MAX;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned change = diagonal + (a[i] != b[j - 1]);

            diagonal = row[j];
            row[j] = ORB_MIN(change, 1 + ORB_MIN(row[j], row[j - 1]));
        }
    }
    return row[n_b];
}

const char *
knob_nearest(const char *name)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)ORB_MIN(strlen(name) / 2, (size_t)4); /* more is another word */

    if (strlen(name) > 40)
        return NULL;
    for (size_t i = 0; i < CONF_N_KNOBS; i++) {
        unsigned distance = edit_distance(name, conf_knobs[i].name);

        if (distance < best_distance || (distance == best_distance && best == NULL)) {
            best_distance = distance;
            best = conf_knobs[i].name;
        }
    }
    return best;
}

int
conf_init(struct conf *conf)
{
    struct buf error;
    int err = 0;

    *conf = (struct conf){ .magic = CONF_MAGIC };
    buf_init(&error, MEM_DEFAULT, 4096);
    for (size_t i = 0; i < CONF_N_KNOBS && err == 0; i++)
        if (conf_knobs[i].default_text != NULL)
            err = knob_set(&conf_knobs[i], conf, slice_str(conf_knobs[i].default_text), &error);
    CHECK(err != ORB_EINVAL); /* the table contradicts itself */
    buf_fini(&error);
    if (err != 0)
        conf_fini(conf);
    return err;
}

static void
host_fini(struct conf_host *h)
{
    if (h->values != NULL)
        conf_fini(h->values);
    MEM_FREE(MEM_DEFAULT, &h->values);
    MEM_FREE(MEM_DEFAULT, &h->pattern);
}

void
conf_fini(struct conf *conf)
{
    if (conf->magic != CONF_MAGIC)
        return;
    for (size_t i = 0; i < CONF_N_KNOBS; i++)
        knob_fini(&conf_knobs[i], conf);
    conf_list_fini(&conf->seeds);
    for (size_t i = 0; i < conf->n_hosts; i++)
        host_fini(&conf->hosts[i]);
    MEM_FREE(MEM_DEFAULT, &conf->hosts);
    for (size_t i = 0; i < conf->n_auths; i++) {
        mem_free(MEM_DEFAULT, conf->auths[i].pattern);
        mem_free(MEM_DEFAULT, conf->auths[i].authorization);
    }
    MEM_FREE(MEM_DEFAULT, &conf->auths);
    *conf = (struct conf){ 0 };
}

struct conf_host *
conf_add_host(struct conf *conf, struct slice pattern)
{
    struct conf_host *hosts, h = { NULL, NULL };

    for (size_t i = 0; i < conf->n_hosts; i++)
        if (slice_eq_nocase(slice_str(conf->hosts[i].pattern), pattern))
            return &conf->hosts[i];
    if (conf->n_hosts >= CONF_MAX_HOSTS)
        return NULL;
    hosts = mem_realloc(MEM_DEFAULT, conf->hosts, (conf->n_hosts + 1) * sizeof *hosts);
    if (hosts == NULL)
        return NULL;
    conf->hosts = hosts;
    h.pattern = mem_slicedup(MEM_DEFAULT, pattern);
    h.values = mem_zalloc(MEM_DEFAULT, sizeof *h.values);
    if (h.pattern == NULL || h.values == NULL || conf_init(h.values) != 0) {
        host_fini(&h);
        return NULL;
    }
    hosts[conf->n_hosts] = h;
    return &hosts[conf->n_hosts++];
}

int
conf_apply(struct conf *conf, const struct knob *k, struct slice text, enum conf_origin origin, const char *prefix,
           struct buf *error)
{
    size_t at = error->n;
    uint8_t *had = &conf->origin[k - conf_knobs];
    int err;

    if (*had > origin && k->kind != KNOB_LIST)
        return 0;
    if (buf_printf(error, "%s: ", prefix) != 0)
        return ORB_ENOMEM;
    err = knob_set(k, conf, text, error);
    if (err != 0)
        return err;
    buf_truncate(error, at);
    *had = (uint8_t)origin;
    return 0;
}

int
conf_set(struct conf *conf, const char *name, const char *value, struct buf *error)
{
    const struct knob *k = knob_find(slice_str(name));

    CHECK_IS(conf, CONF_MAGIC);
    CHECK(k != NULL);
    return conf_apply(conf, k, slice_str(value), CONF_BY_COMMAND_LINE, name, error);
}

/* ---- the command line ---- */

#define OPTION_HELP 255

static void
make_options(struct option *options, char *letters)
{
    size_t n = 0;

    letters[n++] = ':'; /* a missing value is told apart from an unknown option */
    letters[n++] = 'h';
    for (int i = 0; i < CONF_N_KNOBS; i++) {
        const struct knob *k = &conf_knobs[i];

        options[i] = (struct option){ k->name, k->kind == KNOB_FLAG ? no_argument : required_argument, NULL, 256 + i };
        if (k->letter != 0) {
            letters[n++] = k->letter;
            if (k->kind != KNOB_FLAG)
                letters[n++] = ':';
        }
    }
    options[CONF_N_KNOBS] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
    options[CONF_N_KNOBS + 1] = (struct option){ NULL, 0, NULL, 0 };
    letters[n] = '\0';
}

static const struct knob *
knob_of_option(int option)
{
    if (option >= 256)
        return &conf_knobs[option - 256];
    for (size_t i = 0; i < CONF_N_KNOBS; i++)
        if (conf_knobs[i].letter != 0 && conf_knobs[i].letter == option)
            return &conf_knobs[i];
    return NULL;
}

static int
refuse_option(int found, char **argv, struct buf *error)
{
    const struct knob *k = found == ':' ? knob_of_option(optopt) : NULL;
    const char *text = argv[optind - 1], *nearest;
    char name[64];
    int err;

    if (k != NULL) {
        err = buf_printf(error, "--%s needs a value; ", k->name);
        if (err == 0)
            err = k->kind == KNOB_TEXT || k->kind == KNOB_LIST ? buf_printf(error, "--%s %s", k->name, k->argument)
                                                              : knob_print_allowed(k, error);
        return err != 0 ? ORB_ENOMEM : ORB_EINVAL;
    }
    if (optopt >= 256)
        err = buf_printf(error, "--%s takes no value", knob_of_option(optopt)->name);
    else if (optopt != 0 && optopt != OPTION_HELP)
        err = buf_printf(error, "there is no option -%c", optopt);
    else {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
        nearest = strncmp(name, "--", 2) == 0 ? knob_nearest(name + 2) : NULL;
        err = buf_printf(error, "there is no option %s", name);
        if (err == 0 && nearest != NULL)
            err = buf_printf(error, "; did you mean --%s?", nearest);
    }
    if (err == 0)
        err = buf_append_str(error, " (--help lists them)");
    return err != 0 ? ORB_ENOMEM : ORB_EINVAL;
}

/* One pass over argv; only_config: nothing but --config counts. */
static int
scan_argv(struct conf *conf, int argc, char **argv, bool only_config, struct buf *error)
{
    struct option options[CONF_N_KNOBS + 2];
    char letters[64], prefix[64];
    int found, err;

    make_options(options, letters);
    opterr = 0;
    optind = 0;
    while ((found = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        const struct knob *k;

        if (found == '?' || found == ':')
            return refuse_option(found, argv, error);
        if (found == 'h' || found == OPTION_HELP) {
            conf->wants_help = true;
            continue;
        }
        k = knob_of_option(found);
        if (only_config != (k == &conf_knobs[CONF_KNOB_config_file]))
            continue;
        snprintf(prefix, sizeof prefix, "--%s", k->name);
        err = conf_apply(conf, k, slice_str(k->kind == KNOB_FLAG ? "on" : optarg), CONF_BY_COMMAND_LINE, prefix, error);
        if (err != 0)
            return err;
    }
    return 0;
}

int
conf_parse_argv(struct conf *conf, int argc, char **argv, struct buf *error)
{
    int err;

    CHECK_IS(conf, CONF_MAGIC);
    err = scan_argv(conf, argc, argv, true, error);
    if (err == 0 && conf->config_file != NULL && !conf->wants_help)
        err = conf_read_file(conf, conf->config_file, error);
    if (err == 0)
        err = scan_argv(conf, argc, argv, false, error);
    for (int i = optind; err == 0 && i < argc; i++)
        err = conf_list_add(&conf->seeds, slice_str(argv[i]));
    return err;
}

/* ---- one host ---- */

static bool
host_matches(struct slice pattern, struct slice host, uint16_t port)
{
    const char *colon = memrchr(pattern.p, ':', pattern.n);
    unsigned wanted = 0;

    if (colon != NULL && memchr(colon, ']', (size_t)(pattern.p + pattern.n - colon)) == NULL) {
        for (const char *p = colon + 1; p < pattern.p + pattern.n && wanted < 65536; p++)
            wanted = wanted * 10 + (unsigned)(*p - '0');
        if (wanted != port)
            return false;
        pattern.n = (size_t)(colon - pattern.p);
    }
    if (slice_eq(pattern, SLICE_LITERAL("*")))
        return true;
    if (!slice_starts_with(pattern, SLICE_LITERAL("*.")))
        return slice_eq_nocase(pattern, host);
    pattern = slice_sub(pattern, 2, pattern.n);
    if (host.n > pattern.n && host.p[host.n - pattern.n - 1] == '.')
        host = slice_sub(host, host.n - pattern.n, pattern.n);
    return slice_eq_nocase(pattern, host);
}

void
conf_host_settings(const struct conf *conf, struct slice host, uint16_t port, struct conf_host_settings *out)
{
    CHECK_IS(conf, CONF_MAGIC);
    *out = (struct conf_host_settings){ conf->delay_ms, conf->max_per_host, conf->per_host, conf->meta_robots, NULL };
    for (size_t i = 0; i < conf->n_hosts; i++) {
        const struct conf *v = conf->hosts[i].values;

        if (!host_matches(slice_str(conf->hosts[i].pattern), host, port))
            continue;
        if (v->origin[CONF_KNOB_delay_ms] != CONF_BY_DEFAULT)
            out->delay_ms = v->delay_ms;
        if (v->origin[CONF_KNOB_max_per_host] != CONF_BY_DEFAULT)
            out->max_per_host = v->max_per_host;
        if (v->origin[CONF_KNOB_per_host] != CONF_BY_DEFAULT)
            out->per_host = v->per_host;
        if (v->origin[CONF_KNOB_meta_robots] != CONF_BY_DEFAULT)
            out->meta_robots = v->meta_robots;
    }
    for (size_t i = 0; i < conf->n_auths; i++)
        if (host_matches(slice_str(conf->auths[i].pattern), host, port))
            out->authorization = conf->auths[i].authorization;
}
