/* error.h - failures of the machine, as negative codes
 *
 * Three failures, three shapes: our own bug is a CHECK (check.h); the machine (memory, disk, socket) is one of these
 * negative codes; the web (bad HTML, 404, robots) is an enum outcome (crawler/outcome.h), never an error.
 * Functions that can fail return 0 or one of these, and leave their arguments as they were.
 */
#ifndef ORB_POOL_ERROR_H
#define ORB_POOL_ERROR_H

enum orb_error {
    ORB_OK = 0,
    ORB_ENOMEM = -1,    /* an allocation failed, or a domain's hard limit was reached */
    ORB_ETOOBIG = -2,   /* a ceiling was reached */
    ORB_EINVAL = -3,    /* malformed input */
    ORB_EIO = -4,       /* read, write or fsync failed; errno says why */
    ORB_EFULL = -5,     /* the disk is full */
    ORB_ECORRUPT = -6,  /* stored data is damaged */
    ORB_EVERSION = -7,  /* stored data is of a newer orb */
    ORB_EBUSY = -8,     /* locked by somebody else; try again */
    ORB_ENOTFOUND = -9,
    ORB_EEXIST = -10,
    ORB_EAGAIN = -11,   /* would block */
    ORB_EPERM = -12,
    ORB_EMFILE = -13,   /* no file descriptors left */
    ORB_ECLOSED = -14,  /* the peer is gone */
    ORB_EPROTO = -15,   /* the peer broke the protocol */
    ORB_ENOTSUP = -16,  /* this orb was built without it */
};

/* A short lower-case phrase for a code; BORROWED, static. */
const char *orb_strerror(int err);

/* The code that fits errno. */
int orb_error_from_errno(int saved_errno);

#endif
