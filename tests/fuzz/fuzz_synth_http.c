/* Any bytes as requests to the synthetic server. */
#include "cluster/synth_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct synth_web web = { .seed = 1, .n_hosts = 9, .n_pages = 20, .text_bytes = 100, .large_bytes = 1000, .port = 80 };
    struct slice rest = slice_of(data, size);
    struct synth_request request;
    struct synth_answer answer;
    struct synth_site site;
    struct buf out;

    if (synth_site_init(&site, &web) != 0)
        return 0;
    buf_init(&out, MEM_DEFAULT, 1 << 20);
    while (synth_read_request(rest, &request) == 1 && synth_answer(&site, &request, &out, &answer) == 0) {
        rest = slice_sub(rest, request.head_bytes, rest.n);
        buf_clear(&out);
    }
    buf_fini(&out);
    synth_site_fini(&site);
    return 0;
}
