/* conf_json.c - the settings as JSON: what the coordinator sends to its workers
 *
 *   {"delay":"1s","include":["..."],"hosts":[{"pattern":"*.example.org","delay":"500ms"}],
 *    "authorizations":[{"pattern":"example.org","authorization":"Basic ..."}]}
 *
 * Every value is a text as in a config file, so that both are checked by the same code.
 */
#include "cluster/conf_knob.h"

#include <jansson.h>

static int
set_new(json_t *object, const char *key, json_t *value)
{
    return value == NULL || json_object_set_new(object, key, value) != 0 ? ORB_ENOMEM : 0;
}

/* Bytes that are no UTF-8 cannot stand in JSON: they are refused where they come in (conf_check). */
static int
put_list(json_t *object, const char *name, const struct conf_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++)
        if (array == NULL || json_array_append_new(array, json_string(list->items[i])) != 0) {
            json_decref(array);
            return ORB_ENOMEM;
        }
    return set_new(object, name, array);
}

static int
put_knob(json_t *object, const struct knob *k, const struct conf *conf)
{
    struct buf text;
    int err;

    if (k->kind == KNOB_LIST)
        return put_list(object, k->name, knob_field_const(k, conf));
    if (k->kind == KNOB_TEXT && *(char *const *)knob_field_const(k, conf) == NULL)
        return 0;
    buf_init(&text, MEM_JSON, BUF_NO_CEILING);
    err = buf_append(&text, "", 0);
    if (err == 0)
        err = knob_print(k, conf, &text);
    if (err == 0)
        err = set_new(object, k->name, json_stringn(text.n > 0 ? text.p : "", text.n));
    buf_fini(&text);
    return err;
}

static json_t *
hosts_to_json(const struct conf *conf)
{
    json_t *array = json_array();

    for (size_t i = 0; i < conf->n_hosts; i++) {
        const struct conf *v = conf->hosts[i].values;
        json_t *object = json_object();
        int err = set_new(object, "pattern", json_string(conf->hosts[i].pattern));

        for (size_t k = 0; k < CONF_N_KNOBS && err == 0; k++)
            if (v->origin[k] != CONF_BY_DEFAULT)
                err = put_knob(object, &conf_knobs[k], v);
        if (err != 0 || json_array_append_new(array, json_incref(object)) != 0) {
            json_decref(object);
            json_decref(array);
            return NULL;
        }
        json_decref(object);
    }
    return array;
}

static json_t *
auths_to_json(const struct conf *conf, bool with_secrets)
{
    json_t *array = json_array();

    for (size_t i = 0; i < conf->n_auths; i++) {
        json_t *object = json_pack("{s:s,s:s}", "pattern", conf->auths[i].pattern, "authorization",
                                   with_secrets ? conf->auths[i].authorization : "(hidden)");

        if (object == NULL || json_array_append_new(array, object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

struct dump {
    struct buf *out;
    int err; /* kept here: jansson drops some failures of its callback and goes on with a hole in the text */
};

static int
dump_to_buf(const char *bytes, size_t n_bytes, void *arg)
{
    struct dump *d = arg;

    if (d->err == 0)
        d->err = buf_append(d->out, bytes, n_bytes);
    return d->err == 0 ? 0 : -1;
}

int
conf_to_json(const struct conf *conf, bool with_secrets, struct buf *out)
{
    json_t *object = json_object();
    struct dump dump = { out, 0 };
    size_t at = out->n;
    int err = object == NULL ? ORB_ENOMEM : 0;

    CHECK_IS(conf, CONF_MAGIC);
    for (size_t i = 0; i < CONF_N_KNOBS && err == 0; i++)
        if (!(conf_knobs[i].flags & CONF_LOCAL) && (with_secrets || i != CONF_KNOB_headers))
            err = put_knob(object, &conf_knobs[i], conf);
    if (err == 0)
        err = set_new(object, "hosts", hosts_to_json(conf));
    if (err == 0)
        err = set_new(object, "authorizations", auths_to_json(conf, with_secrets));
    if (err == 0 && (json_dump_callback(object, dump_to_buf, &dump, JSON_COMPACT) != 0 || dump.err != 0))
        err = ORB_ENOMEM;
    if (err != 0)
        buf_truncate(out, at);
    json_decref(object);
    return err;
}

static int
refuse(struct buf *error, const char *what, const char *key)
{
    return buf_printf(error, "settings: %s%s%.60s", what, key == NULL ? "" : ": ", key == NULL ? "" : key) != 0
               ? ORB_ENOMEM
               : ORB_EINVAL;
}

static int
apply_json_text(struct conf *conf, const struct knob *k, const json_t *text, struct buf *error)
{
    if (!json_is_string(text))
        return refuse(error, "not a text", k->name);
    return conf_apply(conf, k, slice_of(json_string_value(text), json_string_length(text)), CONF_BY_COORDINATOR, k->name,
                      error);
}

static int
apply_json_knob(struct conf *conf, const char *name, json_t *value, struct buf *error)
{
    const struct knob *k = knob_find(slice_str(name));
    size_t i;
    json_t *item;
    int err = 0;

    if (k == NULL || k->flags & CONF_LOCAL)
        return refuse(error, "unknown knob", name);
    if (k->kind != KNOB_LIST)
        return apply_json_text(conf, k, value, error);
    if (!json_is_array(value))
        return refuse(error, "not a list", name);
    json_array_foreach(value, i, item)
        if (err == 0)
            err = apply_json_text(conf, k, item, error);
    return err;
}

static int
apply_json_host(struct conf *conf, json_t *object, struct buf *error)
{
    json_t *pattern = json_object_get(object, "pattern"), *value;
    struct conf_host *h;
    const char *key;
    int err = 0;

    if (!json_is_string(pattern))
        return refuse(error, "a host without a pattern", NULL);
    h = conf_add_host(conf, slice_of(json_string_value(pattern), json_string_length(pattern)));
    if (h == NULL)
        return ORB_ENOMEM;
    json_object_foreach(object, key, value)
        if (err == 0 && strcmp(key, "pattern") != 0)
            err = apply_json_knob(h->values, key, value, error);
    return err;
}

static int
apply_json_auth(struct conf *conf, json_t *object, struct buf *error)
{
    const char *pattern = json_string_value(json_object_get(object, "pattern"));
    const char *authorization = json_string_value(json_object_get(object, "authorization"));

    if (pattern == NULL || authorization == NULL)
        return refuse(error, "an authorization without its two texts", NULL);
    return conf_add_auth(conf, slice_str(pattern), slice_str(authorization));
}

static int
apply_json(struct conf *conf, const char *key, json_t *value, struct buf *error)
{
    bool is_hosts = strcmp(key, "hosts") == 0, is_auths = strcmp(key, "authorizations") == 0;
    size_t i;
    json_t *item;
    int err = 0;

    if (!is_hosts && !is_auths)
        return apply_json_knob(conf, key, value, error);
    json_array_foreach(value, i, item)
        if (err == 0)
            err = is_hosts ? apply_json_host(conf, item, error) : apply_json_auth(conf, item, error);
    return err;
}

int
conf_from_json(struct conf *conf, struct slice json, struct buf *error)
{
    json_error_t trouble;
    json_t *object = json_loadb(json.p == NULL ? "" : json.p, json.n, JSON_REJECT_DUPLICATES, &trouble), *value;
    const char *key;
    int err = 0;

    CHECK_IS(conf, CONF_MAGIC);
    if (object == NULL && json_error_code(&trouble) == json_error_out_of_memory)
        return ORB_ENOMEM;
    if (!json_is_object(object)) {
        json_decref(object);
        return refuse(error, "not a JSON object", NULL);
    }
    json_object_foreach(object, key, value)
        if (err == 0)
            err = apply_json(conf, key, value, error);
    json_decref(object);
    return err;
}
