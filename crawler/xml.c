#include <libxml/parser.h>
#include <libxml/xmlmemory.h>

#include "crawler/xml.h"
#include "pool/mem_hooks.h"

static bool is_ready;

/* libxml2 prints to standard error what no context has a handler for. */
static void
error_ignore(void *arg, const char *format, ...)
{
}

static void
probe(void)
{
    xmlChar *text;

    mem_hook_begin(MEM_XML);
    text = xmlStrdup(BAD_CAST "x");
    if (text != NULL)
        mem_hook_end(MEM_XML);
    xmlFree(text);
}

bool
xml_init(void)
{
    if (is_ready)
        return mem_hook_state(MEM_XML) != MEM_HOOK_FAILED;
    if (xmlMemSetup(mem_xml_free, mem_xml_malloc, mem_xml_realloc, mem_xml_strdup) == 0)
        probe();
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, error_ignore);
    is_ready = true;
    return mem_hook_state(MEM_XML) != MEM_HOOK_FAILED;
}

void
xml_fini(void)
{
    if (is_ready)
        xmlCleanupParser();
    is_ready = false;
}
