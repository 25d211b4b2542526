#include "gc/trace_internal.h"

#include "pool/map.h"

#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <sys/auxv.h>

#define NAME_BYTES 256
#define MAX_NAMES 16384 /* the program has fewer addresses that lead to an allocation; beyond, all are forgotten and asked for again */

static struct map names = { .domain = MEM_DEFAULT }; /* by address */
static size_t names_ram_bytes;

/* ---- modules ---------------------------------------------------------------------------------------------------------- */

/* The dynamic loader gives the program itself no name, and workers are started through /proc. */
static const char *
program_path(void)
{
    const char *path = (const char *)getauxval(AT_EXECFN);

    return path != NULL && strncmp(path, "/proc/", 6) != 0 ? path : program_invocation_name;
}

static void
write_hex(char *to, size_t cap, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;

    for (; i < n && 2 * i + 2 < cap; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    to[2 * i] = '\0';
}

static void
read_build_id(struct trace_module *m, const char *note, size_t n_bytes)
{
    while (n_bytes >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *n = (const void *)note;
        size_t name_bytes = (n->n_namesz + 3u) & ~3u, desc_bytes = (n->n_descsz + 3u) & ~3u, all = sizeof *n + name_bytes + desc_bytes;

        if (all > n_bytes)
            return;
        if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && memcmp(note + sizeof *n, "GNU", 4) == 0) {
            write_hex(m->build_id, sizeof m->build_id, (const uint8_t *)note + sizeof *n + name_bytes, n->n_descsz);
            return;
        }
        note += all;
        n_bytes -= all;
    }
}

struct module_search {
    struct trace_modules *modules;
    bool is_out_of_memory;
};

static int
add_module(struct module_search *search, const struct trace_module *m)
{
    struct trace_modules *to = search->modules;
    struct trace_module *list = mem_realloc(MEM_DEFAULT, to->list, (to->n + 1) * sizeof *list);

    if (list == NULL) {
        search->is_out_of_memory = true;
        return 1;
    }
    to->list = list;
    list[to->n++] = *m;
    return 0;
}

static int
on_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct trace_module m = { .base = info->dlpi_addr };

    m.path = info->dlpi_name != NULL && info->dlpi_name[0] != '\0' ? info->dlpi_name : program_path();
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE && m.build_id[0] == '\0')
            read_build_id(&m, (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, info->dlpi_phdr[i].p_memsz);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];

        if (h->p_type != PT_LOAD || (h->p_flags & PF_X) == 0)
            continue;
        m.begin = info->dlpi_addr + h->p_vaddr;
        m.end = m.begin + h->p_memsz;
        m.file_offset = h->p_offset;
        if (add_module(arg, &m) != 0)
            return 1;
    }
    return 0;
}

int
trace_modules_make(struct trace_modules *out)
{
    struct module_search search = { .modules = out };

    if (names.n > MAX_NAMES)
        trace_names_forget();
    *out = (struct trace_modules){ 0 };
    dl_iterate_phdr(on_module, &search);
    if (!search.is_out_of_memory)
        return 0;
    trace_modules_fini(out);
    return ORB_ENOMEM;
}

void
trace_modules_fini(struct trace_modules *modules)
{
    MEM_FREE(MEM_DEFAULT, &modules->list);
    modules->n = 0;
}

const struct trace_module *
trace_module_of(const struct trace_modules *modules, uintptr_t address)
{
    for (size_t i = 0; i < modules->n; i++)
        if (address >= modules->list[i].begin && address < modules->list[i].end)
            return &modules->list[i];
    return NULL;
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

void
trace_names_forget(void)
{
    MAP_EACH (slot, &names)
        mem_free(MEM_DEFAULT, slot->value);
    map_fini(&names);
    names_ram_bytes = 0;
}

size_t
trace_names_ram_bytes(void)
{
    return names_ram_bytes + names.cap * sizeof(struct map_slot);
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static void
find_name(const struct trace_modules *modules, uintptr_t address, char *to)
{
    const struct trace_module *m = trace_module_of(modules, address);
    uintptr_t begins_at;

    if (m == NULL)
        snprintf(to, NAME_BYTES, "0x%zx", (size_t)address);
    else if (!trace_function(address, to, NAME_BYTES, &begins_at))
        snprintf(to, NAME_BYTES, "%s+0x%zx", base_name(m->path), (size_t)((begins_at != 0 ? begins_at : address) - m->base));
    for (char *c = to; *c != '\0'; c++) /* names must stand in every format as they are */
        if (*c <= ' ' || *c >= 0x7f || *c == ';' || *c == '"' || *c == '\\')
            *c = '_';
}

const char *
trace_name(const struct trace_modules *modules, const void *frame)
{
    uintptr_t address = trace_call_address(frame);
    char *name = map_get(&names, address), text[NAME_BYTES];

    if (name != NULL)
        return name;
    find_name(modules, address, text);
    name = mem_strdup(MEM_DEFAULT, text);
    if (name == NULL || map_put(&names, address, name) != 0) {
        mem_free(MEM_DEFAULT, name);
        return NULL;
    }
    names_ram_bytes += strlen(name) + 1;
    return name;
}

/* ---- the allocator's own frames: in every stack, and the domain says it already ------------------------------------------ */

#define OWN_FRAMES 8 /* of pool/mem*.c, at most; which of them are there depends on what the compiler inlined */

static bool
is_allocator(const char *name)
{
    static const char *const prefixes[] = { "mem_", "small_", "large_" };

    for (unsigned i = 0; i < ORB_N_ELEMENTS(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return strcmp(name, "get_slowly") == 0 || strcmp(name, "move") == 0;
}

unsigned
trace_first_frame(const struct trace_modules *modules, const struct trace_stack *s)
{
    unsigned first = 0;

    for (unsigned i = 0; i < s->n_frames && i < OWN_FRAMES; i++) {
        const char *name = trace_name(modules, s->frames[i]);

        if (name == NULL || trace_module_of(modules, trace_call_address(s->frames[i])) != modules->list)
            break; /* a library: here it begins */
        if (is_allocator(name))
            first = i + 1;
    }
    return first < s->n_frames ? first : 0;
}
