#include "crawler/robots_meta.h"
#include "crawler/parse.h"

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

unsigned
robots_meta_policy(struct slice content)
{
    unsigned policy = 0;

    for (struct slice word; (word = next_word(&content)).n > 0;)
        policy |= policy_of(word);
    return policy;
}

/* "max-snippet:20" and "unavailable_after: ..." have a colon and name no agent. */
static bool
is_valued_directive(struct slice name)
{
    return (name.n > 4 && strncasecmp(name.p, "max-", 4) == 0) || slice_eq_nocase(name, SLICE_LITERAL("unavailable_after"));
}

unsigned
robots_header_policy(struct slice value, struct slice agent)
{
    unsigned policy = 0;
    bool is_ours = true;

    for (struct slice word; (word = next_word(&value)).n > 0;) {
        const char *colon = memchr(word.p, ':', word.n);
        struct slice name = slice_sub(word, 0, colon == NULL ? word.n : (size_t)(colon - word.p));

        if (colon != NULL && !is_valued_directive(name)) {
            is_ours = agent.n > 0 && slice_eq_nocase(name, agent);
            word = slice_sub(word, name.n + 1, word.n); /* "token:noindex" without a blank */
        }
        if (is_ours)
            policy |= policy_of(word);
    }
    return policy;
}
