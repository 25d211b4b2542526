/* wire.h - what coordinator and workers say to each other: frames of at most 64 KiB, versioned, bounds-checked
 *
 * A frame is one SOCK_SEQPACKET packet: u8 version, u8 type, then the fields of its type, little-endian; texts carry a u32
 * length. Writers never fail before wire_finish(); a reader that runs over the end, or meets a value out of range, becomes
 * `is_bad`, has nothing left and yields zeros from then on: the caller asks once, at the end of the frame.
 *
 *   coordinator -> worker                            worker -> coordinator
 *   CONF...  settings as JSON, in parts              READY
 *   LEASE, HOST, ROBOTS..., URLS..., LEASE_END       REPORT, (HOST_NEWS, ROBOTS..., RESULT, LINKS...)..., REPORT_END
 *   LEASE_OVER nothing of it is outstanding any more
 *   TAKE_BACK  hand unstarted URLs back              RETURNED  u8 is nothing under way, url_ids
 *   DRAIN      finish what is in flight, then exit   PONG
 *   PING                                             TROUBLE  (disk full, ...), LOG  u8 level, text
 *   HEAP       id, question (heap.h)                 HEAP_ANSWER...  id, is it the last part, is it an answer, bytes
 *
 * A report counts as a whole: what stands between REPORT and REPORT_END is kept aside until the end came, one unfinished
 * report per worker, dropped at its death.
 */
#ifndef ORB_CLUSTER_WIRE_H
#define ORB_CLUSTER_WIRE_H

#include "pool/buf.h"

#define WIRE_VERSION 1
#define WIRE_MAX_FRAME_BYTES (64 * 1024)
#define WIRE_MAX_TEXT_BYTES (WIRE_MAX_FRAME_BYTES - 1024)
#define WIRE_MAX_URL_BYTES (60 * 1024) /* fits a frame with all that stands around it */
#define WIRE_MAX_REPORT_BYTES (64 * 1024 * 1024)

enum wire_type {
    WIRE_CONF = 1, WIRE_LEASE, WIRE_HOST, WIRE_ROBOTS, WIRE_URLS, WIRE_LEASE_END, WIRE_TAKE_BACK, WIRE_DRAIN, WIRE_PING,
    WIRE_LEASE_OVER, WIRE_HEAP,
    WIRE_READY = 64, WIRE_REPORT, WIRE_HOST_NEWS, WIRE_ROBOTS_NEWS, WIRE_RESULT, WIRE_LINKS, WIRE_REPORT_END,
    WIRE_RETURNED, WIRE_PONG, WIRE_TROUBLE, WIRE_LOG, WIRE_HEAP_ANSWER,
};
const char *wire_type_name(unsigned type);

/* Writing: into a buf that holds one frame. */
struct wire_out {
    struct buf *frame;
    int err; /* the first failure; sticky */
};

void wire_begin(struct wire_out *w, struct buf *frame, enum wire_type type); /* clears the frame */
void wire_u8(struct wire_out *w, uint8_t v);
void wire_u16(struct wire_out *w, uint16_t v);
void wire_u32(struct wire_out *w, uint32_t v);
void wire_u64(struct wire_out *w, uint64_t v);
void wire_text(struct wire_out *w, struct slice text); /* longer than WIRE_MAX_TEXT_BYTES: ORB_ETOOBIG */
int wire_finish(struct wire_out *w) ORB_MUST_USE;      /* ORB_ENOMEM, ORB_ETOOBIG */
/* Would a text of n bytes still fit this frame? */
bool wire_has_room(const struct wire_out *w, size_t n_bytes);

/* Reading. Texts are BORROWED from the frame. */
struct wire_in {
    struct slice rest;
    bool is_bad;
};

int wire_open(struct wire_in *r, struct slice frame, unsigned *type) ORB_MUST_USE; /* ORB_EPROTO, ORB_EVERSION */
uint8_t wire_get_u8(struct wire_in *r);
uint16_t wire_get_u16(struct wire_in *r);
uint32_t wire_get_u32(struct wire_in *r);
uint64_t wire_get_u64(struct wire_in *r);
bool wire_get_bool(struct wire_in *r); /* anything but 0 and 1 is bad */
uint8_t wire_get_enum(struct wire_in *r, unsigned n_values); /* >= n_values is bad */
struct slice wire_get_text(struct wire_in *r, size_t max_bytes);
bool wire_at_end(const struct wire_in *r); /* nothing left and nothing bad */

#endif
