/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1u << 20)

void config_defaults(struct wax_config *config)
{
    memset(config, 0, sizeof *config);
    strcpy(config->control_socket, "/run/waxwire/control.sock");
    strcpy(config->admin_socket, "/run/waxwire/admin.sock");
    strcpy(config->store_directory, "/var/lib/waxwire");
    config->store_purge_s = WAX_STORE_PURGE_S_DEFAULT;
    config->log_level = CONFIG_LEVEL_INFO;
    config->confine = true;
    config->workers = 1;
    config->memory_mib = 512;
    config->handshake_threads = 1;
    strcpy(config->dpdk_prefix, "waxwire");
    config->burst = 32;
    config->listener_count = 1;
    config->listener[0] = (struct config_listener){.port = 443, .tls = true};
    config->connections_max = 16384;
    config->half_open_max = 4096;
    config->tls.tickets = 1;
    config->tls.ticket_key_s = 28800;
    config->per_address_max = 4096;
    config->per_prefix_max = 0;
    config->opens_per_s = 1000;
    config->opens_burst = 4096;
    config->rates = (struct config_rates){{200, 4000}, {400, 8000}, {0, 100000}};
    config->handshakes_max = 512;
    config->handshakes_waiting_max = 4096;
    config->handshakes_per_address_max = 128;
    config->blocks = 32768;
    config->messages = 32768;
    config->recipients = 65536;
    config->payload_bytes_max = WAX_PAYLOAD_BYTES_DEFAULT;
    config->send_window = WAX_SEND_WINDOW_DEFAULT;
    config->heartbeat_s = WAX_HEARTBEAT_S_DEFAULT;
    config->ttl_s_default = WAX_TTL_S_DEFAULT;
    config->token_s = WAX_TOKEN_S_DEFAULT;
    config->media_enabled = true;
    config->media_bytes_max = WAX_MEDIA_BYTES_DEFAULT;
    config->media_ttl_s = WAX_MEDIA_TTL_S_DEFAULT;
    config->media_quota_mib = WAX_MEDIA_QUOTA_MIB_DEFAULT;
    config->mailbox_messages = WAX_MAILBOX_MESSAGES_DEFAULT;
    config->mailbox_mib = WAX_MAILBOX_MIB_DEFAULT;
    config->wake_interval_ms = WAX_WAKE_INTERVAL_MS_DEFAULT;
}

enum wax_status loading_refuse(struct loading *l, const yaml_node_t *node, enum wax_status status,
                               const char *format, ...)
{
    size_t line = node != NULL ? node->start_mark.line + 1 : 1;
    int at = snprintf(l->error->text, sizeof l->error->text, "%.200s:%zu: ", l->name, line);
    va_list args;
    va_start(args, format);
    vsnprintf(l->error->text + at, sizeof l->error->text - (size_t)at, format, args);
    va_end(args);
    return status;
}

static bool is_null(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static struct view scalar(const yaml_node_t *node)
{
    return view_of(node->data.scalar.value, node->data.scalar.length);
}

/* The scalar of a node, or a refusal when it is a list or a mapping. */
enum wax_status loading_scalar(struct loading *l, const char *key, const yaml_node_t *node, struct view *out)
{
    if (node->type != YAML_SCALAR_NODE)
        return loading_refuse(l, node, WAX_CONFIG_VALUE, "'%s' takes a single value", key);
    *out = scalar(node);
    return WAX_OK;
}

enum wax_status loading_bad_value(struct loading *l, const char *key, const yaml_node_t *node,
                                  const char *reason)
{
    return loading_refuse(l, node, WAX_CONFIG_VALUE, "'%s': '%.60s' %s", key,
                          (const char *)node->data.scalar.value, reason);
}

/* The text of a mapping's key, or NULL and a refusal. */
static const char *key_of(struct loading *l, yaml_node_t *map, yaml_node_pair_t *pair,
                          enum wax_status *status)
{
    yaml_node_t *key = yaml_document_get_node(l->document, pair->key);
    if (key->type != YAML_SCALAR_NODE) {
        *status = loading_refuse(l, key, WAX_CONFIG_KEY, "a key must be a plain word");
        return NULL;
    }
    struct view text = scalar(key);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p != pair; p++) {
        struct view other = scalar(yaml_document_get_node(l->document, p->key));
        if (other.len == text.len && memcmp(other.data, text.data, text.len) == 0) {
            *status =
                loading_refuse(l, key, WAX_CONFIG_KEY, "key '%.60s' is repeated", (const char *)text.data);
            return NULL;
        }
    }
    return (const char *)text.data;
}

static enum wax_status choice_refused(struct loading *l, const struct config_field *field,
                                      const yaml_node_t *node)
{
    char list[160] = "";
    for (size_t i = 0; field->names[i] != NULL; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s%s", i == 0 ? "" : ", ", field->names[i]);
    }
    return loading_refuse(l, node, WAX_CONFIG_VALUE, "'%s': '%.60s' is none of: %s", field->key,
                          (const char *)node->data.scalar.value, list);
}

static enum wax_status take_field(struct loading *l, const struct config_field *field, yaml_node_t *node)
{
    void *at = (char *)l->config + field->offset;
    const char *reason = "";
    uint32_t number = 0;
    struct view text;
    enum wax_status status = loading_scalar(l, field->key, node, &text);
    if (status != WAX_OK)
        return status;
    switch (field->kind) {
    case CONFIG_FIELD_TEXT:
        return config_value_text(text, at, CONFIG_PATH_BYTES, &reason)
                   ? WAX_OK
                   : loading_bad_value(l, field->key, node, reason);
    case CONFIG_FIELD_NUMBER:
        if (!config_value_number(text, field->min, field->max, &number, &reason))
            return loading_refuse(l, node, WAX_CONFIG_VALUE, "'%s': '%.60s' %s (%u to %u)", field->key,
                                  (const char *)text.data, reason, field->min, field->max);
        memcpy(at, &number, sizeof number);
        return WAX_OK;
    case CONFIG_FIELD_CHOICE:
    case CONFIG_FIELD_SWITCH:
        if (!config_value_choice(text, field->names, &number, &reason))
            return choice_refused(l, field, node);
        if (field->kind == CONFIG_FIELD_SWITCH)
            *(bool *)at = number != 0;
        else
            memcpy(at, &number, sizeof number);
        return WAX_OK;
    }
    return WAX_BAD_ARGUMENT;
}

enum wax_status loading_bool(struct loading *l, const char *key, yaml_node_t *value, bool *out)
{
    static const char *const names[] = {"false", "true", NULL};
    const char *reason;
    uint32_t index;
    struct view text;
    enum wax_status status = loading_scalar(l, key, value, &text);
    if (status != WAX_OK)
        return status;
    if (!config_value_choice(text, names, &index, &reason))
        return loading_bad_value(l, key, value, "is neither true nor false");
    *out = index != 0;
    return WAX_OK;
}

enum wax_status loading_u16(struct loading *l, const char *key, yaml_node_t *value, uint32_t min,
                            uint32_t max, uint16_t *out)
{
    const char *reason;
    uint32_t number;
    struct view text;
    enum wax_status status = loading_scalar(l, key, value, &text);
    if (status != WAX_OK)
        return status;
    if (!config_value_number(text, min, max, &number, &reason))
        return loading_refuse(l, value, WAX_CONFIG_VALUE, "'%s': '%.60s' %s (%u to %u)", key,
                              (const char *)text.data, reason, min, max);
    *out = (uint16_t)number;
    return WAX_OK;
}

/* Walk a mapping, one key after the other. */
enum wax_status loading_map(struct loading *l, yaml_node_t *map, entry_take *take, void *entry)
{
    enum wax_status status = WAX_OK;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p != map->data.mapping.pairs.top; p++) {
        const char *key = key_of(l, map, p, &status);
        if (key == NULL)
            return status;
        status = take(l, key, yaml_document_get_node(l->document, p->value), entry);
        if (status != WAX_OK)
            return status;
    }
    return WAX_OK;
}

/* A list of mappings into an array of `max` entries of `bytes` each, every one begun from `fresh`. */
enum wax_status loading_list(struct loading *l, const char *name, yaml_node_t *node, entry_take *take,
                             void *array, const void *fresh, size_t bytes, uint32_t max, uint32_t *count)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return loading_refuse(l, node, WAX_CONFIG_VALUE, "'%s' takes a list", name);
    *count = 0;
    memset(array, 0, bytes * max);
    for (yaml_node_item_t *i = node->data.sequence.items.start; i != node->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(l->document, *i);
        if (item->type != YAML_MAPPING_NODE)
            return loading_refuse(l, item, WAX_CONFIG_VALUE, "an entry of '%s' must have keys", name);
        if (*count == max)
            return loading_refuse(l, item, WAX_CONFIG_VALUE, "'%s' has more than %u entries", name, max);
        void *entry = (char *)array + bytes * *count;
        memcpy(entry, fresh, bytes);
        enum wax_status status = loading_map(l, item, take, entry);
        if (status != WAX_OK)
            return status;
        ++*count;
    }
    return WAX_OK;
}

static enum wax_status take_section_key(struct loading *l, const char *key, yaml_node_t *value, void *entry)
{
    const char *section = entry;
    size_t count;
    const struct config_field *fields = config_fields(&count);
    if (strcmp(section, "dataplane") == 0 && strcmp(key, "cores") == 0)
        return entry_cores(l, value);
    if (strcmp(section, "tls") == 0 && strcmp(key, "certificates") == 0)
        return entry_certificates(l, value);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].section, section) == 0 && strcmp(fields[i].key, key) == 0)
            return take_field(l, &fields[i], value);
    }
    return loading_refuse(l, value, WAX_CONFIG_KEY, "unknown key '%.60s' in '%s'", key, section);
}

static enum wax_status take_top_key(struct loading *l, const char *key, yaml_node_t *value, void *entry)
{
    static const struct config_port fresh_port = {
        .mtu = 1500, .router_discovery = true, .duplicate_detection = true};
    static const struct config_listener fresh_listener = {.tls = true};
    struct wax_config *config = l->config;
    size_t count;
    const struct config_field *fields = config_fields(&count);
    (void)entry;
    if (strcmp(key, "ports") == 0)
        return loading_list(l, key, value, entry_port_key, config->port, &fresh_port, sizeof fresh_port,
                            WAX_PORTS_MAX, &config->port_count);
    if (strcmp(key, "listeners") == 0)
        return loading_list(l, key, value, entry_listener_key, config->listener, &fresh_listener,
                            sizeof fresh_listener, WAX_LISTENERS_MAX, &config->listener_count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].section, key) != 0)
            continue;
        if (is_null(value))
            return WAX_OK;
        if (value->type != YAML_MAPPING_NODE)
            return loading_refuse(l, value, WAX_CONFIG_VALUE, "section '%s' must have keys", key);
        return loading_map(l, value, take_section_key, (void *)(uintptr_t)fields[i].section);
    }
    return loading_refuse(l, value, WAX_CONFIG_KEY, "unknown section '%.60s'", key);
}

static enum wax_status syntax_error(struct loading *l, const yaml_parser_t *parser)
{
    snprintf(l->error->text, sizeof l->error->text, "%.200s:%zu: %.200s", l->name,
             parser->problem_mark.line + 1, parser->problem != NULL ? parser->problem : "is not valid YAML");
    return WAX_CONFIG_SYNTAX;
}

/* Take the first document; a second one is refused. */
static enum wax_status take_documents(struct loading *l, yaml_parser_t *parser)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return syntax_error(l, parser);
    l->document = &document;
    yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root == NULL) {
        yaml_document_delete(&document);
        return WAX_OK;
    }
    enum wax_status status = WAX_OK;
    if (root->type == YAML_MAPPING_NODE)
        status = loading_map(l, root, take_top_key, NULL);
    else if (!is_null(root))
        status = loading_refuse(l, root, WAX_CONFIG_VALUE, "the file must be made of sections");
    yaml_document_delete(&document);
    if (status != WAX_OK)
        return status;

    if (!yaml_parser_load(parser, &document))
        return syntax_error(l, parser);
    root = yaml_document_get_root_node(&document);
    if (root != NULL)
        status = loading_refuse(l, root, WAX_CONFIG_SYNTAX, "a second document in one file");
    yaml_document_delete(&document);
    return status;
}

enum wax_status config_load_text(struct wax_config *config, const char *name, struct view text,
                                 struct config_error *error)
{
    struct wax_config copy = *config;
    struct loading loading = {.name = name, .config = &copy, .error = error};
    yaml_parser_t parser;
    error->text[0] = '\0';
    if (!yaml_parser_initialize(&parser))
        return WAX_NO_MEMORY;
    yaml_parser_set_input_string(&parser, text.data != NULL ? text.data : (const uint8_t *)"", text.len);
    enum wax_status status = take_documents(&loading, &parser);
    yaml_parser_delete(&parser);
    if (status == WAX_OK)
        *config = copy;
    return status;
}

static enum wax_status file_error(const char *path, const char *reason, struct config_error *error)
{
    snprintf(error->text, sizeof error->text, "%.200s:0: %s", path, reason);
    return WAX_CONFIG_FILE;
}

enum wax_status config_load(struct wax_config *config, const char *path, struct config_error *error)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_error(path, strerror(errno), error);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > FILE_BYTES_MAX) {
        close(fd);
        return file_error(path, "is not a regular file of at most 1 MiB", error);
    }
    uint8_t *text = malloc((size_t)info.st_size + 1);
    if (text == NULL) {
        close(fd);
        return WAX_NO_MEMORY;
    }
    ssize_t got = read(fd, text, (size_t)info.st_size);
    int saved = errno;
    close(fd);
    enum wax_status status = got < 0 ? file_error(path, strerror(saved), error)
                                     : config_load_text(config, path, view_of(text, (size_t)got), error);
    free(text);
    return status;
}
