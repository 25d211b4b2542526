/* synth_http.h - one request in, one answer out: the part of the synthetic server that knows no sockets
 *
 * Total: any bytes give an answer. synth_answer() appends to `out` and says what the connection does next.
 */
#ifndef ORB_CLUSTER_SYNTH_HTTP_H
#define ORB_CLUSTER_SYNTH_HTTP_H

#include "cluster/synth.h"

#define SYNTH_MAX_HEAD_BYTES 16384

struct libdeflate_compressor;

struct synth_request {
    struct slice method, path, host, if_none_match;
    bool accepts_gzip, wants_close, is_http10;
    size_t head_bytes;
};

struct synth_answer {
    uint32_t host;      /* UINT32_MAX = unknown */
    unsigned status;    /* 0 = reset */
    bool is_reset, is_last, is_slow;
};

struct synth_site { /* what answers need beside the web itself */
    const struct synth_web *web;
    uint8_t *n_asked;   /* per host and kind FLAKY..CUT: whether it was asked before */
    struct buf body, packed;
    struct libdeflate_compressor *compressor;
};

int synth_site_init(struct synth_site *site, const struct synth_web *web) ORB_MUST_USE; /* web is BORROWED */
void synth_site_fini(struct synth_site *site);

/* 1: a whole head is there; 0: not yet; ORB_EPROTO: never will be. */
int synth_read_request(struct slice bytes, struct synth_request *out);
int synth_answer(struct synth_site *site, const struct synth_request *request, struct buf *out,
                 struct synth_answer *answer) ORB_MUST_USE;

#endif
