#include <libxml/parser.h>
#include <libxml/xmlmemory.h>

#include "crawler/xml.h"
#include "pool/mem_hooks.h"

static bool is_ready, is_hooked;

/* libxml2 prints to standard error what no context has a handler for. */
static void
error_ignore(void *arg, const char *format, ...)
{
}

bool
xml_init(void)
{
    if (is_ready)
        return is_hooked;
    is_hooked = xmlMemSetup(mem_xml_free, mem_xml_malloc, mem_xml_realloc, mem_xml_strdup) == 0;
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, error_ignore);
    is_ready = true;
    return is_hooked;
}

void
xml_fini(void)
{
    if (is_ready)
        xmlCleanupParser();
    is_ready = false;
}
