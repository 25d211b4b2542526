#include "crawler/outcome.h"

#include "pool/check.h"

#include <ctype.h>

struct outcome_row {
    const char *name;
    const char *sentence;
    enum outcome_class class;
};

#define OUTCOME_ROW(id, class, text) { #id, text, OUTCOME_##class },
static const struct outcome_row rows[] = { OUTCOMES(OUTCOME_ROW) };
#undef OUTCOME_ROW

/* Identifiers are upper case in the table; made lower once. */
static char names[OUTCOME_N][32];

static void
names_make(void)
{
    for (int o = 0; o < OUTCOME_N; o++)
        for (size_t i = 0; rows[o].name[i] != '\0' && i + 1 < sizeof names[o]; i++)
            names[o][i] = (char)tolower((unsigned char)rows[o].name[i]);
}

const char *
outcome_name(enum outcome o)
{
    if ((unsigned)o >= OUTCOME_N)
        return "?";
    if (names[0][0] == '\0')
        names_make();
    return names[o];
}

const char *
outcome_sentence(enum outcome o)
{
    return (unsigned)o < OUTCOME_N ? rows[o].sentence : "?";
}

enum outcome_class
outcome_class(enum outcome o)
{
    return (unsigned)o < OUTCOME_N ? rows[o].class : OUTCOME_FAILED;
}

bool
outcome_from_name(struct slice name, enum outcome *out)
{
    for (int o = 0; o < OUTCOME_N; o++)
        if (slice_eq(name, slice_str(outcome_name((enum outcome)o)))) {
            *out = (enum outcome)o;
            return true;
        }
    return false;
}
