#include "crawler/scope_patterns.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define PATTERNS_MAGIC 0x73637074u
#define MATCH_LIMIT 100000u  /* steps of backtracking: about a millisecond */
#define DEPTH_LIMIT 1000u    /* nested ones, without JIT */
#define HEAP_LIMIT_KIB 1024u /* without JIT */
#define JIT_STACK_MAX_BYTES ((size_t)256 * 1024)

struct scope_patterns {
    uint32_t magic;
    unsigned n;
    pcre2_code **codes;
    pcre2_general_context *general;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

static void *
pattern_alloc(size_t n_bytes, void *arg)
{
    return mem_alloc(MEM_DEFAULT, n_bytes);
}

static void
pattern_free(void *p, void *arg)
{
    mem_free(MEM_DEFAULT, p);
}

static int
make_contexts(struct scope_patterns *p)
{
    p->general = pcre2_general_context_create(pattern_alloc, pattern_free, NULL);
    if (p->general == NULL)
        return ORB_ENOMEM;
    p->limits = pcre2_match_context_create(p->general);
    p->data = pcre2_match_data_create(1, p->general);
    if (p->limits == NULL || p->data == NULL)
        return ORB_ENOMEM;
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    p->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX_BYTES, p->general);
    if (p->stack != NULL) /* else the machine's stack: 32 KiB of it */
        pcre2_jit_stack_assign(p->limits, NULL, p->stack);
    return 0;
}

static int
compile(struct scope_patterns *p, const char *text, const char *what, struct buf *error)
{
    pcre2_compile_context *context = pcre2_compile_context_create(p->general);
    PCRE2_SIZE offset = 0;
    int code = 0, err = 0;
    pcre2_code *made;

    if (context == NULL)
        return ORB_ENOMEM;
    pcre2_set_parens_nest_limit(context, 100);
    made = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C, &code,
                         &offset, context);
    pcre2_compile_context_free(context);
    if (made != NULL) {
        (void)pcre2_jit_compile(made, PCRE2_JIT_COMPLETE); /* without it patterns are slower, no more */
        p->codes[p->n++] = made;
        return 0;
    }
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return ORB_ENOMEM;
    if (error != NULL) {
        char why[128];

        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        err = buf_printf(error, "%s \"%.200s\": %s, at character %zu", what, text, why, offset + 1);
    }
    return err != 0 ? err : ORB_EINVAL;
}

int
scope_patterns_new(struct scope_patterns **out, const char *const *texts, const char *what, struct buf *error)
{
    struct scope_patterns *p = mem_zalloc(MEM_DEFAULT, sizeof *p);
    size_t n = 0;
    int err = ORB_ENOMEM;

    if (p == NULL)
        return ORB_ENOMEM;
    p->magic = PATTERNS_MAGIC;
    while (texts != NULL && texts[n] != NULL)
        n++;
    p->codes = mem_array(MEM_DEFAULT, n, sizeof p->codes[0]);
    if (p->codes == NULL)
        goto fail;
    err = make_contexts(p);
    for (size_t i = 0; i < n && err == 0; i++)
        err = compile(p, texts[i], what, error);
    if (err != 0)
        goto fail;
    *out = p;
    return 0;
fail:
    scope_patterns_free(&p);
    return err;
}

void
scope_patterns_free(struct scope_patterns **patterns)
{
    struct scope_patterns *p = *patterns;

    if (p == NULL)
        return;
    CHECK_IS(p, PATTERNS_MAGIC);
    for (unsigned i = 0; i < p->n; i++)
        pcre2_code_free(p->codes[i]);
    MEM_FREE(MEM_DEFAULT, &p->codes);
    pcre2_jit_stack_free(p->stack);
    pcre2_match_data_free(p->data);
    pcre2_match_context_free(p->limits);
    pcre2_general_context_free(p->general);
    p->magic = 0;
    MEM_FREE(MEM_DEFAULT, patterns);
}

unsigned
scope_patterns_n(const struct scope_patterns *p)
{
    return p->n;
}

enum scope_match
scope_patterns_match(const struct scope_patterns *p, struct slice text)
{
    enum scope_match answer = SCOPE_NO_MATCH;

    CHECK_IS(p, PATTERNS_MAGIC);
    for (unsigned i = 0; i < p->n; i++) {
        int n = pcre2_match(p->codes[i], (PCRE2_SPTR)(text.n == 0 ? "" : text.p), text.n, 0, 0, p->data, p->limits);

        if (n >= 0)
            return SCOPE_MATCH;
        if (n != PCRE2_ERROR_NOMATCH)
            answer = SCOPE_OVERRUN;
    }
    return answer;
}
