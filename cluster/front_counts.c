/* front_counts.c - what the journal's rows add up to, and how that is stored beside them */
#include "cluster/front_internal.h"

#include <jansson.h>

static const char *const state_names[URLDB_STATES] = { "queued", "done", "waiting", "failed", "excluded", "quarantined" };

/* Outcomes are counted of rows that have ended; those that wait have had one too, but not for good. */
static bool
has_ended(unsigned state)
{
    return state != URLDB_READY && state != URLDB_WAITING;
}

void
front_count_add(struct front_counts *c, unsigned state, unsigned outcome)
{
    CHECK(state < URLDB_STATES && outcome < OUTCOME_N);
    c->state[state]++;
    if (has_ended(state))
        c->by_outcome[state][outcome]++;
}

void
front_count_move(struct front_counts *c, unsigned from_state, unsigned from_outcome, unsigned to_state, unsigned to_outcome)
{
    CHECK(from_state < URLDB_STATES && c->state[from_state] > 0);
    c->state[from_state]--;
    if (has_ended(from_state) && from_outcome < OUTCOME_N)
        c->by_outcome[from_state][from_outcome]--;
    front_count_add(c, to_state, to_outcome);
}

static int
print_outcomes(const uint64_t *counts, struct buf *json)
{
    int err = buf_append_char(json, '{');
    bool is_first = true;

    for (int o = 0; o < OUTCOME_N && err == 0; o++) {
        if (counts[o] == 0)
            continue;
        err = buf_printf(json, "%s\"%s\":%llu", is_first ? "" : ",", outcome_name((enum outcome)o), (unsigned long long)counts[o]);
        is_first = false;
    }
    return err != 0 ? err : buf_append_char(json, '}');
}

/* {"discovered":n,"queued":n,...,"by":{"queued":{"none":n},...}}: rows per state, "excluded" with those only counted. */
int
front_counts_print(const struct front_counts *c, struct buf *json)
{
    uint64_t discovered = c->n_dropped;
    int err;

    for (int s = 0; s < URLDB_STATES; s++)
        discovered += c->state[s];
    err = buf_printf(json, "{\"discovered\":%llu", (unsigned long long)discovered);
    for (int s = 0; s < URLDB_STATES && err == 0; s++)
        err = buf_printf(json, ",\"%s\":%llu", state_names[s],
                         (unsigned long long)(c->state[s] + (s == URLDB_EXCLUDED ? c->n_dropped : 0)));
    if (err == 0)
        err = buf_append_str(json, ",\"by\":{");
    for (int s = 0; s < URLDB_STATES && err == 0; s++) {
        err = buf_printf(json, "%s\"%s\":", s == 0 ? "" : ",", state_names[s]);
        if (err == 0)
            err = print_outcomes(c->by_outcome[s], json);
    }
    return err != 0 ? err : buf_append_str(json, "}}");
}

int
front_dropped_print(const struct front_counts *c, struct buf *json)
{
    return print_outcomes(c->dropped, json);
}

static void
read_outcomes(json_t *object, uint64_t *counts)
{
    const char *name;
    json_t *value;
    enum outcome o;

    json_object_foreach (object, name, value)
        if (outcome_from_name(slice_str(name), &o))
            counts[o] = (uint64_t)json_integer_value(value);
}

static int
parse(struct slice text, json_t **out)
{
    *out = json_loadb(text.p, text.n, 0, NULL);
    if (*out != NULL && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
    }
    return *out == NULL ? ORB_ECORRUPT : 0;
}

/* Before front_dropped_parse(). */
int
front_counts_parse(struct front_counts *c, struct slice text)
{
    json_t *root;
    int err = parse(text, &root);

    if (err != 0)
        return err;
    for (int s = 0; s < URLDB_STATES; s++) {
        c->state[s] = (uint64_t)json_integer_value(json_object_get(root, state_names[s]));
        read_outcomes(json_object_get(json_object_get(root, "by"), state_names[s]), c->by_outcome[s]);
    }
    json_decref(root);
    return 0;
}

int
front_dropped_parse(struct front_counts *c, struct slice text)
{
    json_t *root;
    int err = parse(text, &root);

    if (err != 0)
        return err;
    read_outcomes(root, c->dropped);
    json_decref(root);
    for (int o = 0; o < OUTCOME_N; o++)
        c->n_dropped += c->dropped[o];
    c->state[URLDB_EXCLUDED] -= ORB_MIN(c->n_dropped, c->state[URLDB_EXCLUDED]);
    return 0;
}
