#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gc/collect.h"
#include "gc/heap_slab.h"
#include "tests/support/support.h"

/* As many types as the table has room for, and one more: a program of its own, since a full table stays full. */

#define N_TYPES (HEAP_MAX_TYPES - 1)

struct thing {
    struct object object;
    struct object *next;
};
static const uint16_t pointers[] = { offsetof(struct thing, next) };
static struct object_type types[N_TYPES + 1];
static char names[N_TYPES + 1][24];

static struct object *
make(unsigned i)
{
    struct thing *t = mem_must(OBJECT_NEW(&types[i]));

    return &t->object;
}

static void
make_types(void)
{
    for (unsigned i = 0; i <= N_TYPES; i++) {
        snprintf(names[i], sizeof names[i], "number %u", i + 1);
        types[i] = (struct object_type){ .name = names[i], .object_bytes = sizeof(struct thing), .pointer_offsets = pointers,
                                         .n_pointers = 1 };
    }
}

/* One ring through objects of all types. */
static void
garbage_of_all_types(void)
{
    struct object *first = make(0), *last = first;

    for (unsigned i = 1; i < N_TYPES; i++) {
        struct object *o = make(i);

        ((struct thing *)(void *)last)->next = o;
        last = o;
    }
    ((struct thing *)(void *)last)->next = first;
}

/* What a process says that makes an object of one type too many. */
static int
dying_words(char *to, size_t cap)
{
    int ends[2], status;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        make(N_TYPES);
        _exit(0);
    }
    close(ends[1]);
    n = read(ends[0], to, cap - 1);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    to[n < 0 ? 0 : n] = '\0';
    return status;
}

TEST(object_type__a_full_table_works_and_says_which_type_is_one_too_many)
{
    struct object_type_stats last;
    char words[512];
    int status;

    make_types();
    garbage_of_all_types();
    gc_check();
    assert_int_equal(object_census(&last, 1), N_TYPES);
    assert_int_equal(heap_n_objects(), N_TYPES);
    status = dying_words(words, sizeof words);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(words, "no place for object type \"number 512\" beside the 511 others: raise HEAP_MAX_TYPES"));
    assert_int_equal(gc_collect(2).n_collected, N_TYPES);
    assert_int_equal(gc_collected_of_type(N_TYPES), 1);
    gc_check();
}

TESTS(T(object_type__a_full_table_works_and_says_which_type_is_one_too_many))
