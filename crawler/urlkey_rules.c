/* The rule table of crawl keys: its text, and the question whether a parameter goes. */
#include "crawler/urlkey_rules.h"

#include <pthread.h>

#define N_BUILTIN 80 /* room for them */

static const char builtin_text[] =
    /* campaigns and clicks */
    "drop utm_*\ndrop gclid\ndrop gclsrc\ndrop gbraid\ndrop wbraid\ndrop dclid\ndrop fbclid\ndrop fb_action_ids\n"
    "drop fb_action_types\ndrop fb_source\ndrop msclkid\ndrop yclid\ndrop ysclid\ndrop twclid\ndrop ttclid\ndrop igshid\n"
    "drop igsh\ndrop li_fat_id\ndrop mc_cid\ndrop mc_eid\ndrop mkt_tok\ndrop _hsenc\ndrop _hsmi\ndrop __hssc\ndrop __hstc\n"
    "drop __hsfp\ndrop hsctatracking\ndrop _openstat\ndrop vero_id\ndrop vero_conv\ndrop wickedid\ndrop oly_anon_id\n"
    "drop oly_enc_id\ndrop rb_clickid\ndrop s_cid\ndrop _ga\ndrop _gl\ndrop pk_campaign\ndrop pk_kwd\ndrop piwik_campaign\n"
    "drop piwik_kwd\ndrop mtm_*\ndrop srsltid\ndrop epik\ndrop zanpid\ndrop irclickid\n"
    /* sessions */
    "drop jsessionid\ndrop phpsessid\ndrop phpsessionid\ndrop aspsessionid*\ndrop asp.net_sessionid\ndrop sessionid\n"
    "drop session_id\ndrop sessid\ndrop sid\ndrop cfid\ndrop cftoken\ndrop oscsid\ndrop zenid\n"
    "drop ;jsessionid\ndrop ;phpsessid\ndrop ;sessionid\ndrop ;sid\n";

const char *
urlkey_builtin_rules(void)
{
    return builtin_text;
}

static void
note_first(struct urlkey_rules *r, const struct urlkey_rule *rule)
{
    if (rule->name_bytes == 0)
        memset(r->may_begin[rule->is_path], 1, sizeof r->may_begin[0]);
    else {
        r->may_begin[rule->is_path][(unsigned char)rule->name[0]] = true;
        r->may_begin[rule->is_path][(unsigned char)rule->name[0] & ~0x20u] |= url_is_alpha(rule->name[0]);
    }
}

/* One line, trimmed and not empty. */
static bool
parse_rule(struct slice line, struct urlkey_rule *rule)
{
    bool is_drop = slice_starts_with(line, SLICE_LITERAL("drop "));
    struct slice name;

    if (!is_drop && !slice_starts_with(line, SLICE_LITERAL("keep ")))
        return false;
    name = slice_trim(slice_sub(line, 5, SIZE_MAX));
    *rule = (struct urlkey_rule){ .is_drop = is_drop };
    if (name.n > 0 && name.p[0] == ';') {
        rule->is_path = true;
        name = slice_sub(name, 1, SIZE_MAX);
    }
    if (name.n > 0 && name.p[name.n - 1] == '*') {
        rule->is_prefix = true;
        name.n--;
    }
    if (name.n > URLKEY_MAX_NAME_BYTES || (name.n == 0 && !rule->is_prefix))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == '*')
            return false;
        rule->name[i] = url_lower(name.p[i]);
    }
    rule->name_bytes = (uint8_t)name.n;
    return true;
}

static int
add_text(struct urlkey_rules *r, struct slice text, struct buf *error)
{
    for (unsigned line_number = 1; text.n > 0; line_number++) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t line_bytes = end == NULL ? text.n : (size_t)(end - text.p);
        struct slice line = slice_sub(text, 0, line_bytes);
        const char *comment = line.n == 0 ? NULL : memchr(line.p, '#', line.n);

        if (comment != NULL)
            line.n = (size_t)(comment - line.p);
        line = slice_trim(line);
        text = slice_sub(text, line_bytes + 1, SIZE_MAX);
        if (line.n == 0)
            continue;
        if (r->n == r->cap || !parse_rule(line, &r->rules[r->n])) {
            if (error != NULL && buf_printf(error, "rule line %u: %s: \"" SLICE_FMT "\"", line_number,
                                            r->n == r->cap ? "too many rules"
                                                                     : "not \"drop NAME\" or \"keep NAME\"",
                                            (int)ORB_MIN(line.n, (size_t)80), line.p) != 0)
                return ORB_ENOMEM;
            return ORB_EINVAL;
        }
        note_first(r, &r->rules[r->n++]);
    }
    return 0;
}

static struct urlkey_rule builtin_table[N_BUILTIN];
static struct urlkey_rules builtin = { .magic = URLKEY_RULES_MAGIC, .cap = N_BUILTIN, .rules = builtin_table };

static void
builtin_make(void)
{
    CHECK(add_text(&builtin, slice_str(builtin_text), NULL) == 0);
}

const struct urlkey_rules *
urlkey_rules_builtin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, builtin_make);
    return &builtin;
}

static unsigned
count_lines(struct slice text)
{
    unsigned n = 1;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

int
urlkey_rules_new(struct urlkey_rules **out, struct slice text, struct buf *error)
{
    const struct urlkey_rules *base = urlkey_rules_builtin();
    struct urlkey_rules *r = mem_zalloc(MEM_DEFAULT, sizeof *r);
    int err = ORB_ENOMEM;

    if (r == NULL)
        return ORB_ENOMEM;
    *r = *base;
    r->cap = ORB_MIN(base->n + count_lines(text), (unsigned)URLKEY_MAX_RULES);
    r->rules = mem_array(MEM_DEFAULT, r->cap, sizeof r->rules[0]);
    if (r->rules == NULL)
        goto fail;
    memcpy(r->rules, base->rules, base->n * sizeof r->rules[0]);
    err = add_text(r, text, error);
    if (err != 0)
        goto fail;
    *out = r;
    return 0;
fail:
    urlkey_rules_free(&r);
    return err;
}

void
urlkey_rules_free(struct urlkey_rules **rules)
{
    if (*rules == NULL)
        return;
    CHECK_IS(*rules, URLKEY_RULES_MAGIC);
    (*rules)->magic = 0;
    MEM_FREE(MEM_DEFAULT, &(*rules)->rules);
    MEM_FREE(MEM_DEFAULT, rules);
}

bool
urlkey_rules_drop(const struct urlkey_rules *r, struct slice name, bool is_path)
{
    if (name.n == 0 || !r->may_begin[is_path][(unsigned char)name.p[0]])
        return false;
    for (unsigned i = r->n; i-- > 0;) {
        const struct urlkey_rule *rule = &r->rules[i];

        if (rule->is_path == is_path && (rule->is_prefix ? name.n >= rule->name_bytes : name.n == rule->name_bytes)
            && strncasecmp(name.p, rule->name, rule->name_bytes) == 0)
            return rule->is_drop;
    }
    return false;
}
