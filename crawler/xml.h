/* xml.h - libxml2 made ready: its memory under MEM_XML, its start-up done
 *
 * Call xml_init() before anything else of libxml2 is used in the process; calling it again is free. The library keeps
 * process-wide tables from then on; xml_fini() frees them (tests that count blocks, end of a worker).
 */
#ifndef ORB_CRAWLER_XML_H
#define ORB_CRAWLER_XML_H

#include <stdbool.h>

bool xml_init(void); /* false: the memory hooks did not take; the library works with malloc then */
void xml_fini(void);

#endif
