/* export_text.h - the visible text of stored HTML pages, one JSON object a line: {"url", "text"} */
#ifndef ORB_CLUSTER_EXPORT_TEXT_H
#define ORB_CLUSTER_EXPORT_TEXT_H

#include "storage/export.h"

/* n_unreadable: pages whose record could not be read or decoded; they are left out. Errors: as export_run(). */
int export_text(struct export *e, uint64_t *n_unreadable) ORB_MUST_USE;

#endif
