#include "pool/error.h"

#include <errno.h>

const char *
orb_strerror(int err)
{
    switch (err) {
    case ORB_OK: return "no error";
    case ORB_ENOMEM: return "out of memory";
    case ORB_ETOOBIG: return "too big";
    case ORB_EINVAL: return "malformed input";
    case ORB_EIO: return "input/output error";
    case ORB_EFULL: return "disk full";
    case ORB_ECORRUPT: return "damaged data";
    case ORB_EVERSION: return "written by a newer orb";
    case ORB_EBUSY: return "in use";
    case ORB_ENOTFOUND: return "not found";
    case ORB_EEXIST: return "exists already";
    case ORB_EAGAIN: return "try again";
    case ORB_EPERM: return "not permitted";
    case ORB_EMFILE: return "no file descriptors left";
    case ORB_ECLOSED: return "peer is gone";
    case ORB_EPROTO: return "protocol error";
    case ORB_ENOTSUP: return "not built in";
    default: return "unknown error";
    }
}

int
orb_error_from_errno(int saved_errno)
{
    switch (saved_errno) {
    case 0: return ORB_OK;
    case ENOMEM: return ORB_ENOMEM;
    case ENOSPC:
    case EDQUOT: return ORB_EFULL;
    case EMFILE:
    case ENFILE: return ORB_EMFILE;
    case EACCES:
    case EPERM:
    case EROFS: return ORB_EPERM;
    case ENOENT: return ORB_ENOTFOUND;
    case EEXIST: return ORB_EEXIST;
    case EAGAIN: return ORB_EAGAIN;
    case EPIPE:
    case ECONNRESET: return ORB_ECLOSED;
    case EINVAL: return ORB_EINVAL;
    default: return ORB_EIO;
    }
}
