/* robots.c - the rules of one agent, compiled: who is meant, which rules, may it be asked
 *
 * Two readings of the file. The first finds out how well the best line fits our agent (enum fit); the second keeps the
 * rules under the lines that fit that well. Rules are stored once, normalised, longest first, so that the first that
 * matches is the answer. All of a host's robots.txt is one block:
 *
 *   | rules (8 bytes each) | sitemaps (8 bytes each) | their text |
 */
#include "crawler/robots.h"

#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "crawler/robots_line.h"
#include "pool/map.h"

#define STACK_PATH_BYTES 2048
#define DISALLOW_BIT 0x80000000u

struct robots_text {
    uint32_t offset;
    uint32_t n; /* of rules: with DISALLOW_BIT */
};

/* What one robots.txt came to. Hosts whose files came to the same share it: most have none, and many have their software's. */
struct rules {
    struct object object;
    uint32_t n_rules, n_sitemaps;
    uint32_t delay_ms;
    bool is_nothing_allowed;
    bool is_shared;            /* it stands in shared_rules */
    uint64_t key;
    size_t table_bytes;
    struct robots_text *table; /* rules, then sitemaps, then text; NULL when there are none */
};

struct robots { /* of one host */
    struct object object;
    struct rules *rules;
};

static struct map shared_rules = { .domain = MEM_CACHE }; /* by hash; BORROWED: they leave when the last host that has them goes */

static void
rules_release(struct object *o)
{
    struct rules *r = (struct rules *)(void *)o;

    if (r->is_shared)
        map_remove(&shared_rules, r->key);
    if (shared_rules.n == 0)
        map_fini(&shared_rules);
    MEM_FREE(MEM_HOST, &r->table);
}

static size_t
rules_owned_bytes(const struct object *o)
{
    const struct rules *r = (const struct rules *)(const void *)o;

    return r->table == NULL ? 0 : mem_usable_bytes(r->table);
}

static void
rules_describe(const struct object *o, char *to, size_t cap)
{
    const struct rules *r = (const struct rules *)(const void *)o;

    if (r->n_rules == 0)
        snprintf(to, cap, r->is_nothing_allowed ? "nothing allowed" : "everything allowed");
    else
        snprintf(to, cap, "%u rules", r->n_rules);
}

static struct object_type rules_type = {
    .name = "Rule",
    .object_bytes = sizeof(struct rules),
    .flags = OBJECT_ACYCLIC,
    .release = rules_release,
    .owned_bytes = rules_owned_bytes,
    .describe = rules_describe,
};

static const uint16_t robots_pointers[] = { offsetof(struct robots, rules) };

struct object_type robots_type = {
    .name = "Robots",
    .object_bytes = sizeof(struct robots),
    .flags = OBJECT_ACYCLIC,
    .pointer_offsets = robots_pointers,
    .n_pointers = ORB_N_ELEMENTS(robots_pointers),
};

enum fit { FIT_NONE, FIT_ANYBODY, FIT_STEM, FIT_WHOLE };

struct compiler {
    struct buf text, rules, sitemaps; /* the last two: struct robots_text */
    struct slice agent;
    enum fit wanted;
    bool has_rules;      /* a rule came since the last User-agent line: the next such line begins a group */
    bool has_delay;      /* likewise a Crawl-delay, which ends a group for delays only */
    bool is_ours;        /* the group's rules are for us */
    bool is_delay_ours;
    uint32_t delay_ms;
};

/* How well a User-agent line's value fits the agent. */
static enum fit
agent_fit(struct slice value, struct slice agent)
{
    struct slice token = robots_token(value);

    if (value.n > 0 && value.p[0] == '*')
        return value.n == 1 || value.p[1] == ' ' || value.p[1] == '\t' ? FIT_ANYBODY : FIT_NONE;
    if (agent.n == 0 || token.n < agent.n || !slice_eq_nocase(slice_sub(token, 0, agent.n), agent))
        return FIT_NONE;
    if (token.n == agent.n)
        return FIT_WHOLE;
    return token.p[agent.n] >= '0' && token.p[agent.n] <= '9' ? FIT_STEM : FIT_NONE;
}

static enum fit
best_fit(struct slice body, struct slice agent)
{
    enum fit best = FIT_NONE;
    enum robots_key key;
    struct slice value;

    while (robots_line_next(&body, &key, &value))
        if (key == ROBOTS_KEY_AGENT)
            best = ORB_MAX(best, agent_fit(value, agent));
    return best;
}

static void
compile_agent(struct compiler *c, struct slice value)
{
    bool fits = c->wanted != FIT_NONE && agent_fit(value, c->agent) == c->wanted;

    c->is_ours = (c->is_ours && !c->has_rules) || fits;
    c->is_delay_ours = (c->is_delay_ours && !c->has_rules && !c->has_delay) || fits;
    c->has_rules = c->has_delay = false;
}

/* Adds what stands in c->text from `offset` on to a table. */
static int
text_add(struct compiler *c, struct buf *table, size_t offset, uint32_t bits)
{
    struct robots_text t = { (uint32_t)offset, (uint32_t)(c->text.n - offset) | bits };

    return buf_append(table, &t, sizeof t);
}

static int
compile_rule(struct compiler *c, struct slice path, bool is_allow)
{
    static const struct slice index_html = { "/index.html", 11 }, index_htm = { "/index.htm", 10 };
    size_t offset = c->text.n, n_cut;
    int err;

    c->has_rules = true;
    if (!c->is_ours || path.n == 0 || (path.p[0] != '/' && path.p[0] != '*'))
        return 0; /* for others, empty, or a path that none can begin with */
    err = robots_path_append(&c->text, path, true);
    if (err == 0)
        err = text_add(c, &c->rules, offset, is_allow ? 0 : DISALLOW_BIT);
    n_cut = slice_ends_with(path, index_html) ? index_html.n - 1 : slice_ends_with(path, index_htm) ? index_htm.n - 1 : 0;
    if (err != 0 || !is_allow || n_cut == 0)
        return err;
    offset = c->text.n;
    err = robots_path_append(&c->text, slice_sub(path, 0, path.n - n_cut), true);
    if (err == 0)
        err = buf_append_char(&c->text, ROBOTS_END);
    return err != 0 ? err : text_add(c, &c->rules, offset, 0);
}

static int
compile_sitemap(struct compiler *c, struct slice value)
{
    const struct robots_text *known = (const struct robots_text *)(const void *)c->sitemaps.p;
    size_t n_known = c->sitemaps.n / sizeof *known, offset = c->text.n;
    int err;

    if (value.n == 0 || n_known >= ROBOTS_MAX_SITEMAPS)
        return 0;
    for (size_t i = 0; i < n_known; i++)
        if (slice_eq(value, slice_of(c->text.p + known[i].offset, known[i].n)))
            return 0;
    err = buf_append_slice(&c->text, value);
    return err != 0 ? err : text_add(c, &c->sitemaps, offset, 0);
}

static void
compile_delay(struct compiler *c, struct slice value)
{
    uint32_t ms;

    c->has_delay = true;
    if (c->is_delay_ours && robots_delay_parse(value, ROBOTS_MAX_DELAY_MS, &ms)
        && (c->delay_ms == ROBOTS_NO_DELAY || ms > c->delay_ms))
        c->delay_ms = ms;
}

static int
compile_lines(struct compiler *c, struct slice body)
{
    enum robots_key key;
    struct slice value;
    int err = 0;

    while (err == 0 && robots_line_next(&body, &key, &value)) {
        if (key == ROBOTS_KEY_AGENT)
            compile_agent(c, value);
        else if (key == ROBOTS_KEY_ALLOW || key == ROBOTS_KEY_DISALLOW)
            err = compile_rule(c, value, key == ROBOTS_KEY_ALLOW);
        else if (key == ROBOTS_KEY_DELAY)
            compile_delay(c, value);
        else if (key == ROBOTS_KEY_SITEMAP)
            err = compile_sitemap(c, value);
    }
    return err;
}

/* Longest first, allow before disallow, equal ones side by side. */
static int
rule_compare(const void *left, const void *right, void *text)
{
    const struct robots_text *a = left, *b = right;
    uint32_t a_n = a->n & ~DISALLOW_BIT, b_n = b->n & ~DISALLOW_BIT;

    if (a_n != b_n)
        return a_n > b_n ? -1 : 1;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp((const char *)text + a->offset, (const char *)text + b->offset, a_n);
}

static void
rules_sort(struct compiler *c)
{
    struct robots_text *rules = (struct robots_text *)(void *)c->rules.p;
    size_t n = c->rules.n / sizeof *rules, kept = 0;

    if (n == 0)
        return;
    qsort_r(rules, n, sizeof *rules, rule_compare, c->text.p);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || rule_compare(&rules[kept - 1], &rules[i], c->text.p) != 0)
            rules[kept++] = rules[i];
    c->rules.n = kept * sizeof *rules;
}

/* Moves the tables and the text that they name into one block. */
static int
rules_pack(struct rules *r, const struct compiler *c)
{
    const struct buf *tables[] = { &c->rules, &c->sitemaps };
    size_t n_table_bytes = c->rules.n + c->sitemaps.n, n_text = 0;
    struct robots_text *to;
    char *text;

    if (n_table_bytes == 0)
        return 0;
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < tables[t]->n / sizeof *to; i++)
            n_text += ((const struct robots_text *)(const void *)tables[t]->p)[i].n & ~DISALLOW_BIT;
    r->table_bytes = n_table_bytes + n_text;
    r->table = mem_alloc(MEM_HOST, r->table_bytes);
    if (r->table == NULL)
        return ORB_ENOMEM;
    to = r->table;
    text = (char *)r->table + n_table_bytes;
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < tables[t]->n / sizeof *to; i++, to++) {
            const struct robots_text *from = (const struct robots_text *)(const void *)tables[t]->p + i;
            size_t n = from->n & ~DISALLOW_BIT;

            memcpy(text, c->text.p + from->offset, n);
            *to = (struct robots_text){ (uint32_t)(text - (char *)r->table), from->n };
            text += n;
        }
    r->n_rules = (uint32_t)(c->rules.n / sizeof *to);
    r->n_sitemaps = (uint32_t)(c->sitemaps.n / sizeof *to);
    return 0;
}

static void
rules_unref(struct rules **rules)
{
    struct object *o = *rules == NULL ? NULL : &(*rules)->object;

    *rules = NULL;
    object_unref(&o);
}

static bool
rules_are_equal(const struct rules *a, const struct rules *b)
{
    return a->n_rules == b->n_rules && a->n_sitemaps == b->n_sitemaps && a->delay_ms == b->delay_ms
           && a->is_nothing_allowed == b->is_nothing_allowed && a->table_bytes == b->table_bytes
           && (a->table_bytes == 0 || memcmp(a->table, b->table, a->table_bytes) == 0);
}

/* Those that another host has already, when they are the same to the byte: *rules is exchanged for them. */
static void
rules_share(struct rules **rules)
{
    struct rules *r = *rules, *known;

    r->key = XXH3_64bits_withSeed(r->table, r->table_bytes, (uint64_t)r->delay_ms << 1 | r->is_nothing_allowed);
    known = map_get(&shared_rules, r->key);
    if (known == NULL) {
        r->is_shared = map_put(&shared_rules, r->key, r) == 0;
    } else if (rules_are_equal(known, r)) {
        object_ref(&known->object);
        rules_unref(rules);
        *rules = known;
    }
}

static struct rules *
rules_all(bool is_allowed)
{
    struct rules *r = OBJECT_NEW(&rules_type);

    if (r != NULL) {
        r->delay_ms = ROBOTS_NO_DELAY;
        r->is_nothing_allowed = !is_allowed;
    }
    return r;
}

/* STEALS the rules; NULL: out of memory, then or now. */
static struct robots *
robots_new(struct rules **rules)
{
    struct robots *r = *rules == NULL ? NULL : OBJECT_NEW(&robots_type);

    if (r == NULL) {
        rules_unref(rules);
        return NULL;
    }
    rules_share(rules);
    r->rules = *rules;
    *rules = NULL;
    return r;
}

struct robots *
robots_parse(struct slice body, struct slice agent)
{
    struct rules *r = rules_all(true);
    struct compiler c = { .agent = robots_token(agent), .delay_ms = ROBOTS_NO_DELAY };

    if (r == NULL)
        return NULL;
    buf_init(&c.text, MEM_HOST, BUF_NO_CEILING);
    buf_init(&c.rules, MEM_HOST, BUF_NO_CEILING);
    buf_init(&c.sitemaps, MEM_HOST, BUF_NO_CEILING);
    body = robots_skip_bom(slice_sub(body, 0, ROBOTS_MAX_BYTES));
    c.wanted = best_fit(body, c.agent);
    if (compile_lines(&c, body) != 0)
        goto fail;
    rules_sort(&c);
    if (rules_pack(r, &c) != 0)
        goto fail;
    r->delay_ms = c.delay_ms;
    goto done;
fail:
    rules_unref(&r);
done:
    buf_fini(&c.text);
    buf_fini(&c.rules);
    buf_fini(&c.sitemaps);
    return robots_new(&r);
}

struct robots *
robots_all(bool is_allowed)
{
    struct rules *r = rules_all(is_allowed);

    return robots_new(&r);
}

void
robots_unref(struct robots **r)
{
    struct object *o = (struct object *)*r;

    *r = NULL;
    object_unref(&o);
}

/* Does the pattern, which is cut into pieces by ROBOTS_ANY, match the path's beginning? Taking each piece at its first
 * place is enough, so no way has to be tried twice. *work goes down by what was looked at. */
static bool
pattern_matches(struct slice pattern, struct slice path, size_t *work)
{
    bool is_anchored = pattern.p[pattern.n - 1] == ROBOTS_END, is_first = true;
    const char *any;

    if (is_anchored)
        pattern.n--;
    while ((any = memchr(pattern.p, ROBOTS_ANY, pattern.n)) != NULL) {
        struct slice piece = slice_of(pattern.p, (size_t)(any - pattern.p));
        const char *at = path.p;

        if (is_first ? !slice_starts_with(path, piece)
                     : piece.n > 0 && (at = memmem(path.p, path.n, piece.p, piece.n)) == NULL) {
            *work -= ORB_MIN(*work, is_first ? piece.n : path.n);
            return false;
        }
        path = slice_sub(path, (size_t)(at - path.p) + piece.n, SIZE_MAX);
        pattern = slice_sub(pattern, piece.n + 1, SIZE_MAX);
        is_first = false;
    }
    *work -= ORB_MIN(*work, is_first ? pattern.n : path.n);
    if (is_first)
        return slice_starts_with(path, pattern) && (!is_anchored || path.n == pattern.n);
    if (is_anchored)
        return slice_ends_with(path, pattern);
    return pattern.n == 0 || memmem(path.p, path.n, pattern.p, pattern.n) != NULL;
}

static bool
rules_allow(const struct rules *r, struct slice path)
{
    size_t work = ROBOTS_MAX_WORK_BYTES;

    for (uint32_t i = 0; i < r->n_rules; i++) {
        const struct robots_text *t = &r->table[i];
        struct slice pattern = { (const char *)r->table + t->offset, t->n & ~DISALLOW_BIT };

        /* Most rules fail at their second byte. */
        if (pattern.n > 1 && path.n > 1 && pattern.p[1] != path.p[1] && pattern.p[0] == '/'
            && pattern.p[1] != ROBOTS_ANY && pattern.p[1] != ROBOTS_END)
            continue;
        if (pattern_matches(pattern, path, &work))
            return (t->n & DISALLOW_BIT) == 0;
        if (work == 0)
            return false;
    }
    return true;
}

bool
robots_allows(const struct robots *robots, struct slice path_query)
{
    const struct rules *r;
    char on_stack[STACK_PATH_BYTES];
    struct buf path = { .p = on_stack, .cap = sizeof on_stack - 1, .ceiling_bytes = sizeof on_stack - 1, .domain = MEM_HOST };
    bool is_on_stack = path_query.n <= (sizeof on_stack - 1) / 3, is_allowed = false;
    size_t n_path;
    const char *query;

    CHECK_OBJECT(robots, &robots_type);
    r = robots->rules;
    if (path_query.n == 0)
        path_query = SLICE_LITERAL("/");
    query = memchr(path_query.p, '?', path_query.n);
    n_path = query != NULL ? (size_t)(query - path_query.p) : path_query.n;
    if (slice_eq(slice_sub(path_query, 0, n_path), SLICE_LITERAL("/robots.txt")))
        return true;
    if (r->is_nothing_allowed)
        return false;
    if (r->n_rules == 0)
        return true;
    if (robots_path_is_normal(path_query))
        return rules_allow(r, path_query);
    if (!is_on_stack)
        buf_init(&path, MEM_HOST, BUF_NO_CEILING);
    if (robots_path_append(&path, path_query, false) == 0)
        is_allowed = rules_allow(r, buf_slice(&path));
    if (!is_on_stack)
        buf_fini(&path);
    return is_allowed;
}

uint32_t
robots_crawl_delay_ms(const struct robots *r)
{
    CHECK_OBJECT(r, &robots_type);
    return r->rules->delay_ms;
}

size_t
robots_n_rules(const struct robots *r)
{
    CHECK_OBJECT(r, &robots_type);
    return r->rules->n_rules;
}

size_t
robots_n_sitemaps(const struct robots *r)
{
    CHECK_OBJECT(r, &robots_type);
    return r->rules->n_sitemaps;
}

struct slice
robots_sitemap(const struct robots *r, size_t i)
{
    const struct rules *rules = r->rules;

    CHECK_OBJECT(r, &robots_type);
    CHECK(i < rules->n_sitemaps);
    return slice_of((const char *)rules->table + rules->table[rules->n_rules + i].offset, rules->table[rules->n_rules + i].n);
}
