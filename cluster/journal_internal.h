/* journal_internal.h - what journal.c (the loop's side) and journal_thread.c share */
#ifndef ORB_CLUSTER_JOURNAL_INTERNAL_H
#define ORB_CLUSTER_JOURNAL_INTERNAL_H

#include "cluster/journal.h"

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#define JOURNAL_MAGIC 0x10c4a1

struct record {
    uint32_t n_bytes;
    uint32_t type;
    /* payload, then padding to 8 bytes */
};

struct segment {
    struct segment *next;    /* written under the lock */
    size_t cap, n;           /* n: the loop's */
    size_t n_published;      /* under the lock */
    char bytes[] __attribute__((aligned(8)));
};

struct place {
    struct segment *segment;
    size_t at;
};

struct call {
    void (*fn)(void *arg);
    void *arg;
};

struct journal {
    uint32_t magic;
    struct journal_conf conf;
    pthread_t thread;
    bool is_started;
    ev_async async;
    pthread_mutex_t lock;
    pthread_cond_t wake, settled;
    /* the loop's */
    struct segment *last;
    uint64_t last_cookie, told_cookie;
    uint64_t bytes_in;
    /* under the lock */
    bool is_stopping, is_sleeping, is_hurried;
    uint64_t committed_cookie, calls_done;
    struct list done;
    int trouble;             /* the latest trouble to tell; 1 = none */
    char sentence[256];
    uint64_t n_troubles;     /* failed attempts in all: a waiter sees that one happened */
    /* the thread's */
    struct place tx, read;
    uint64_t tx_records, tx_again; /* records applied in this transaction; in its earlier attempts */
    uint64_t tx_began_ms, tx_cookie, tx_bytes;
    bool is_tx, in_report, was_trouble;
    _Atomic uint64_t bytes_out, n_commits, n_records;
    _Atomic int error;
    _Atomic bool is_paused;
    uint64_t calls_made;     /* the loop's */
};

static inline size_t
record_bytes(size_t n_bytes)
{
    return sizeof(struct record) + ((n_bytes + 7) & ~(size_t)7);
}

void *journal_thread(void *journal);

#endif
