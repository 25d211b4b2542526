/* conf_value.c - texts to values and back, one knob at a time */
#include "cluster/conf_knob.h"

#include <inttypes.h>
#include <unistd.h>

struct suffix {
    const char *text;
    uint64_t factor;
};

/* The largest first: printing takes the first that divides. */
static const struct suffix byte_suffixes[] = { { "T", 1ull << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 },
                                               { "", 1 } };
static const struct suffix ms_suffixes[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
                                             { "ms", 1 }, { "", 1 } };
static const struct suffix count_suffixes[] = { { "", 1 } };

static const struct suffix *
suffixes_of(enum knob_kind kind, size_t *n)
{
    if (kind == KNOB_BYTES) {
        *n = ORB_N_ELEMENTS(byte_suffixes);
        return byte_suffixes;
    }
    if (kind == KNOB_MS) {
        *n = ORB_N_ELEMENTS(ms_suffixes);
        return ms_suffixes;
    }
    *n = ORB_N_ELEMENTS(count_suffixes);
    return count_suffixes;
}

static bool
parse_digits(struct slice *text, uint64_t *out)
{
    size_t i = 0;
    uint64_t value = 0;

    for (; i < text->n && text->p[i] >= '0' && text->p[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(text->p[i] - '0'), &value))
            return false;
    if (i == 0)
        return false;
    *text = slice_sub(*text, i, text->n);
    *out = value;
    return true;
}

static bool
parse_number(const struct knob *k, struct slice text, uint64_t *out)
{
    size_t n;
    const struct suffix *suffixes = suffixes_of(k->kind, &n);
    uint64_t value;
    long cores;

    if ((k->flags & (CONF_NONE_IS_0 | CONF_NONE_IS_MAX)) && slice_eq_nocase(text, SLICE_LITERAL("none"))) {
        *out = k->flags & CONF_NONE_IS_0 ? 0 : k->max;
        return true;
    }
    if ((k->flags & CONF_CORES) && slice_eq_nocase(text, SLICE_LITERAL("cores"))) {
        cores = sysconf(_SC_NPROCESSORS_ONLN);
        *out = cores < 1 ? 1 : ORB_MIN((uint64_t)cores, k->max);
        return true;
    }
    if (!parse_digits(&text, &value))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!slice_eq_nocase(text, slice_str(suffixes[i].text)))
            continue;
        if (__builtin_mul_overflow(value, suffixes[i].factor, &value) || value < k->min || value > k->max)
            return false;
        *out = value;
        return true;
    }
    return false;
}

static bool
parse_choice(const struct knob *k, struct slice text, int *out)
{
    const char *p = k->argument;

    for (int i = 0;; i++) {
        size_t n = strcspn(p, "|");

        if (slice_eq_nocase(text, slice_of(p, n))) {
            *out = i;
            return true;
        }
        if (p[n] == '\0')
            return false;
        p += n + 1;
    }
}

static bool
parse_bool(struct slice text, bool *out)
{
    if (!slice_eq_nocase(text, SLICE_LITERAL("on")) && !slice_eq_nocase(text, SLICE_LITERAL("off")))
        return false;
    *out = text.n == 2;
    return true;
}

/* Control characters would end up in request lines, log lines and terminals. */
static bool
is_clean_text(const struct knob *k, struct slice text)
{
    if (text.n < k->min || text.n > k->max)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    return true;
}

int
conf_list_add(struct conf_list *list, struct slice item)
{
    char *copy;
    char **items;

    if (list->n >= CONF_MAX_ITEMS)
        return ORB_ETOOBIG;
    copy = mem_slicedup(MEM_DEFAULT, item);
    if (copy == NULL)
        return ORB_ENOMEM;
    items = mem_realloc(MEM_DEFAULT, list->items, (list->n + 2) * sizeof *items);
    if (items == NULL) {
        mem_free(MEM_DEFAULT, copy);
        return ORB_ENOMEM;
    }
    items[list->n++] = copy;
    items[list->n] = NULL;
    list->items = items;
    return 0;
}

void
conf_list_fini(struct conf_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        mem_free(MEM_DEFAULT, list->items[i]);
    MEM_FREE(MEM_DEFAULT, &list->items);
    list->n = 0;
}

static int
set_text(char **field, struct slice text)
{
    char *copy = mem_slicedup(MEM_DEFAULT, text);

    if (copy == NULL)
        return ORB_ENOMEM;
    mem_free(MEM_DEFAULT, *field);
    *field = copy;
    return 0;
}

static int
refuse(const struct knob *k, struct slice text, struct buf *error)
{
    size_t shown = ORB_MIN(text.n, (size_t)80);

    if (buf_printf(error, "\"" SLICE_FMT "%s\" is not allowed; ", (int)shown, text.p, shown < text.n ? "..." : "") != 0)
        return ORB_ENOMEM;
    return knob_print_allowed(k, error) != 0 ? ORB_ENOMEM : ORB_EINVAL;
}

int
knob_set(const struct knob *k, struct conf *conf, struct slice text, struct buf *error)
{
    void *field = knob_field(k, conf);
    bool is_good = false;
    int err;

    switch (k->kind) {
    case KNOB_COUNT:
    case KNOB_BYTES:
    case KNOB_MS:
        is_good = parse_number(k, text, field);
        break;
    case KNOB_CHOICE:
        is_good = parse_choice(k, text, field);
        break;
    case KNOB_SWITCH:
    case KNOB_FLAG:
        is_good = parse_bool(text, field);
        break;
    case KNOB_TEXT:
    case KNOB_LIST:
        if (!is_clean_text(k, text))
            break;
        err = k->kind == KNOB_TEXT ? set_text(field, text) : conf_list_add(field, text);
        if (err == ORB_ETOOBIG)
            return buf_printf(error, "more than %d of them", CONF_MAX_ITEMS) != 0 ? ORB_ENOMEM : ORB_EINVAL;
        return err;
    }
    return is_good ? 0 : refuse(k, text, error);
}

int
knob_print_number(const struct knob *k, uint64_t value, struct buf *out)
{
    size_t n;
    const struct suffix *suffixes = suffixes_of(k->kind, &n);

    if ((k->flags & CONF_NONE_IS_0 && value == 0) || (k->flags & CONF_NONE_IS_MAX && value == k->max))
        return buf_append_str(out, "none");
    for (size_t i = 0; i < n; i++)
        if (value % suffixes[i].factor == 0 && (value != 0 || suffixes[i].factor == 1))
            return buf_printf(out, "%" PRIu64 "%s", value / suffixes[i].factor, value == 0 ? "" : suffixes[i].text);
    CHECK_NEVER("the last suffix is 1");
}

int
knob_print(const struct knob *k, const struct conf *conf, struct buf *out)
{
    const void *field = knob_field_const(k, conf);
    const char *p = k->argument;

    switch (k->kind) {
    case KNOB_COUNT:
    case KNOB_BYTES:
    case KNOB_MS:
        return knob_print_number(k, *(const uint64_t *)field, out);
    case KNOB_SWITCH:
    case KNOB_FLAG:
        return buf_append_str(out, *(const bool *)field ? "on" : "off");
    case KNOB_CHOICE:
        for (int i = *(const int *)field; i > 0; i--)
            p += strcspn(p, "|") + 1;
        return buf_append(out, p, strcspn(p, "|"));
    case KNOB_TEXT:
        return *(char *const *)field == NULL ? 0 : buf_append_str(out, *(char *const *)field);
    case KNOB_LIST:
        break;
    }
    CHECK_NEVER("a list is printed item by item");
}

static int
print_allowed_number(const struct knob *k, struct buf *out)
{
    struct knob bare = *k;
    int err = buf_append_str(out, "allowed: ");

    bare.flags = 0;
    if (err == 0)
        err = knob_print_number(&bare, k->min, out);
    if (err == 0)
        err = buf_append_str(out, k->max >= INT64_MAX ? " or more" : " to ");
    if (err == 0 && k->max < INT64_MAX)
        err = knob_print_number(&bare, k->max, out);
    if (err == 0 && k->flags & (CONF_NONE_IS_0 | CONF_NONE_IS_MAX))
        err = buf_append_str(out, ", or none");
    if (err == 0 && k->flags & CONF_CORES)
        err = buf_append_str(out, ", or cores");
    if (err == 0 && k->kind == KNOB_BYTES)
        err = buf_append_str(out, "; K, M, G and T are powers of 1024");
    if (err == 0 && k->kind == KNOB_MS)
        err = buf_append_str(out, "; such as 500ms, 2s, 5m, 1h; without a unit: milliseconds");
    return err;
}

int
knob_print_allowed(const struct knob *k, struct buf *out)
{
    switch (k->kind) {
    case KNOB_COUNT:
    case KNOB_BYTES:
    case KNOB_MS:
        return print_allowed_number(k, out);
    case KNOB_CHOICE:
        return buf_printf(out, "allowed: %s", k->argument);
    case KNOB_SWITCH:
    case KNOB_FLAG:
        return buf_append_str(out, "allowed: on|off");
    case KNOB_TEXT:
    case KNOB_LIST:
        break;
    }
    return buf_printf(out, "allowed: %" PRIu64 " to %" PRIu64 " bytes without control characters", k->min, k->max);
}

void
knob_fini(const struct knob *k, struct conf *conf)
{
    void *field = knob_field(k, conf);

    if (k->kind == KNOB_TEXT)
        MEM_FREE(MEM_DEFAULT, (char **)field);
    else if (k->kind == KNOB_LIST)
        conf_list_fini(field);
}
