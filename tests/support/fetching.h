/* fetching.h - a loop, a mux and one transfer at a time, for tests that look at what a transfer came to */
#ifndef ORB_TESTS_FETCHING_H
#define ORB_TESTS_FETCHING_H

#include <ev.h>

#include "crawler/fetch.h"

struct fetching {
    struct ev_loop *loop;
    struct mux *mux;
    struct mux_conf conf;
    struct guard guard;      /* permits everything */
};

void fetching_init(struct fetching *t);  /* libraries, loop, guard, conf with roomy limits; no mux yet */
void fetching_open(struct fetching *t);  /* the mux, from t->conf */
void fetching_fini(struct fetching *t);

/* Counts ends by outcome; breaks the loop when the n-th is there. */
struct fetching_many {
    struct ev_loop *loop;
    unsigned n_wanted, n_done;
    unsigned n_of[OUTCOME_N];
};
void fetching_on_done(void *many, struct page *page);

/* Literal addresses, comma-separated: "127.0.0.1,::1". */
void answer_of(struct dns_answer *answer, const char *addresses);

/* Fetches http://127.0.0.1:port/path, or `url` as it is, to its end. NEW page. */
struct page *fetching_get(struct fetching *t, uint16_t port, const char *path);
struct page *fetching_url(struct fetching *t, const char *url, const char *addresses, const struct fetch_request *like);

#endif
