/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the loader share: config.c walks the YAML, config_entries.c takes the entries of lists.
 */
#ifndef CONTROL_CONFIG_LOAD_H
#define CONTROL_CONFIG_LOAD_H

#include <yaml.h>

#include "config_fields.h"

/* What one load carries along. */
struct loading {
    const char *name;
    yaml_document_t *document;
    struct wax_config *config;
    struct config_error *error;
};

/* How one key of a mapping of a list (ports, listeners) is taken. */
typedef enum wax_status entry_take(struct loading *, const char *key, yaml_node_t *value, void *entry);

/* Write why `node` is refused, behind file and line, into the load's error. Returns `status`. */
enum wax_status loading_refuse(struct loading *l, const yaml_node_t *node, enum wax_status status,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for the value of a key, which stands in the text: "'key': 'value' reason". */
enum wax_status loading_bad_value(struct loading *l, const char *key, const yaml_node_t *node,
                                  const char *reason);

/* The scalar of a node, or a refusal when it is a list or a mapping. */
enum wax_status loading_scalar(struct loading *l, const char *key, const yaml_node_t *node, struct view *out);

/* true or false. */
enum wax_status loading_bool(struct loading *l, const char *key, yaml_node_t *value, bool *out);

/* A number within [min, max]. */
enum wax_status loading_u16(struct loading *l, const char *key, yaml_node_t *value, uint32_t min,
                            uint32_t max, uint16_t *out);

/* Walk a mapping, one key after the other; keys that are repeated are refused. */
enum wax_status loading_map(struct loading *l, yaml_node_t *map, entry_take *take, void *entry);

/* A list of mappings into an array of `max` entries of `bytes` each, every one begun from `fresh`. */
enum wax_status loading_list(struct loading *l, const char *name, yaml_node_t *node, entry_take *take,
                             void *array, const void *fresh, size_t bytes, uint32_t max, uint32_t *count);

/* ---- config_entries.c ---- */

/* The list of cores. */
enum wax_status entry_cores(struct loading *l, yaml_node_t *node);

/* The list of certificates. */
enum wax_status entry_certificates(struct loading *l, yaml_node_t *node);

/* A key of a port (`entry` is a struct config_port) and of a listener (struct config_listener). */
entry_take entry_port_key, entry_listener_key;

#endif
