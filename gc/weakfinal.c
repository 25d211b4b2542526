#include "gc/object_internal.h"

/* weak_finalize(): a watch of its own, in a list of all, newest first. */

struct weak_finalizer {
    struct weak_watch watch;
    struct list node;
    void (*fn)(void *arg);
    void *arg;
};

static struct list finalizers = { &finalizers, &finalizers };

static void
run(struct weak_finalizer *f)
{
    void (*fn)(void *) = f->fn;
    void *arg = f->arg;

    list_remove(&f->node);
    weak_watch_stop(&f->watch);
    mem_free(MEM_OBJ, f);
    fn(arg);
}

static void
on_death(struct weak_watch *w, void *arg)
{
    run(arg);
}

struct weak_finalizer *
weak_finalize(struct object *o, void (*fn)(void *arg), void *arg)
{
    struct weak_finalizer *f = mem_zalloc(MEM_OBJ, sizeof *f);

    if (f == NULL || weak_watch_start(&f->watch, o, on_death, f) != 0) {
        mem_free(MEM_OBJ, f);
        return NULL;
    }
    f->fn = fn;
    f->arg = arg;
    list_push_front(&finalizers, &f->node);
    return f;
}

void
weak_finalizer_detach(struct weak_finalizer **pf)
{
    struct weak_finalizer *f = *pf;

    *pf = NULL;
    if (f == NULL)
        return;
    list_remove(&f->node);
    weak_watch_stop(&f->watch);
    mem_free(MEM_OBJ, f);
}

void
weak_finalizers_run_all(void)
{
    while (!list_is_empty(&finalizers))
        run(LIST_ELEMENT(finalizers.next, struct weak_finalizer, node));
}
