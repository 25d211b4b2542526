/* trial.h - inside gc/: trial deletion over a set of objects, phases 1 to 3 of a collection
 *
 * The set is bits: heap_slab.suspect. It begins as every object of the generations asked for; what is found to be reached from
 * outside leaves it; what stays is garbage. Nothing here allocates or recurses.
 */
#ifndef ORB_GC_TRIAL_H
#define ORB_GC_TRIAL_H

#include "gc/object_internal.h"

struct trial {
    struct heap_slab *set;    /* the slabs that have members, through next_in_set */
    unsigned generation;
    uint64_t n_members;
};

#define TRIAL_EACH_SLAB(s, trial) for (struct heap_slab *s = (trial)->set; s != NULL; s = s->next_in_set)
/* All suspects of slab s. The loop may not change suspect. */
#define TRIAL_EACH_SUSPECT(o, s)                                                                                       \
    for (unsigned w_ = 0; w_ < (s)->n_words; w_++)                                                                     \
        for (uint64_t word_ = (s)->suspect[w_]; word_ != 0;)                                                           \
            for (struct object *o = heap_at((s), w_ * 64 + HEAP_TAKE_BIT(word_)); o != NULL; o = NULL)

void trial_choose(struct trial *t, unsigned generation); /* suspect: all tracked objects of generations <= generation */
void trial_count(struct trial *t);                       /* gcn of each suspect: how many references to it suspects hold */
void trial_mark(struct trial *t);                        /* whatever is reached from outside the set is no suspect any more; its
                                                            gcn is 0, its flags name the next older generation */
void trial_spare_ordered(struct trial *t);               /* as if they were held: OBJECT_ORDERED ones (now _FOUND) and what they reach */
void trial_promote(struct trial *t);                     /* bitmaps and counts say what trial_mark() wrote into the flags */
void trial_forget_counts(struct trial *t);               /* gcn of each suspect is 0, as finalizers expect it (object_pin()) */
uint64_t trial_again(struct trial *t);                   /* after that: 1 to 3 over the suspects alone; how many were reached this time: their
                                                            generation is right already */
#endif
