#include "crawler/robots_meta.h"
#include "crawler/parse.h"
#include "crawler/robots_line.h"

static unsigned
policy_of(struct slice directive)
{
    static const struct {
        const char *name;
        unsigned policy;
    } known[] = {
        { "noindex", PARSE_NOINDEX },     { "nofollow", PARSE_NOFOLLOW }, { "none", PARSE_NOINDEX | PARSE_NOFOLLOW },
        { "noarchive", PARSE_NOARCHIVE }, { "nocache", PARSE_NOARCHIVE },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(known); i++)
        if (slice_eq_nocase(directive, slice_str(known[i].name)))
            return known[i].policy;
    return 0;
}

static bool
is_separator(char c)
{
    return c == ',' || c == ';' || c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* The next run of other bytes; empty at the end. */
static struct slice
next_word(struct slice *s)
{
    size_t from = 0, end;

    while (from < s->n && is_separator(s->p[from]))
        from++;
    for (end = from; end < s->n && !is_separator(s->p[end]); end++)
        ;
    struct slice word = slice_sub(*s, from, end - from);
    *s = slice_sub(*s, end, s->n);
    return word;
}

/* "max-snippet: 20", "max-image-preview: none", "unavailable_after: DATE": they name no agent, and a value is no directive. */
static bool
takes_value(struct slice name)
{
    return (name.n > 4 && strncasecmp(name.p, "max-", 4) == 0) || slice_eq_nocase(name, SLICE_LITERAL("unavailable_after"));
}

static bool
names_agent(struct slice name)
{
    return name.n > 0 && ((name.p[0] >= 'a' && name.p[0] <= 'z') || (name.p[0] >= 'A' && name.p[0] <= 'Z'));
}

static void
skip_to_comma(struct slice *s)
{
    const char *comma = s->n == 0 ? NULL : memchr(s->p, ',', s->n);

    *s = comma == NULL ? SLICE_NONE : slice_of(comma, (size_t)(s->p + s->n - comma));
}

/* may_name: "token:" says whom the directives behind it are for; of a meta element its name does. */
static unsigned
policy_of_line(struct slice line, struct slice agent, bool may_name)
{
    const char *end = line.p + line.n;
    unsigned policy = 0;
    bool is_ours = true;

    for (struct slice word; (word = next_word(&line)).n > 0;) {
        const char *colon = memchr(word.p, ':', word.n);
        struct slice name = slice_sub(word, 0, colon == NULL ? word.n : (size_t)(colon - word.p));

        if (colon != NULL && (name.n == 0 || takes_value(name))) {
            if (colon + 1 == word.p + word.n)
                skip_to_comma(&line);
        } else if (colon != NULL && may_name && names_agent(name)) {
            is_ours = agent.n > 0 && slice_eq_nocase(name, agent);
            line = slice_of(colon + 1, (size_t)(end - colon) - 1); /* "token:noindex" without a blank */
        } else if (is_ours) {
            policy |= policy_of(word);
        }
    }
    return policy;
}

unsigned
robots_meta_policy(struct slice content)
{
    return policy_of_line(content, SLICE_NONE, false);
}

unsigned
robots_header_policy(struct slice values, struct slice user_agent)
{
    struct slice agent = robots_token(user_agent);
    unsigned policy = 0;

    while (values.n > 0) {
        const char *end = memchr(values.p, '\n', values.n);
        size_t n = end == NULL ? values.n : (size_t)(end - values.p);

        policy |= policy_of_line(slice_sub(values, 0, n), agent, true);
        values = slice_sub(values, n + 1, values.n);
    }
    return policy;
}
