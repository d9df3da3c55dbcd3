/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of scalar configuration keys: what the loader accepts, the dump writes and
 * deploy/waxwire.yaml documents. Ports, listeners and cores are lists and stand apart.
 */
#ifndef CONTROL_CONFIG_FIELDS_H
#define CONTROL_CONFIG_FIELDS_H

#include "waxwire/bytes.h"
#include "waxwire/config.h"

enum config_field_kind {
    CONFIG_FIELD_TEXT,   /* char[CONFIG_PATH_BYTES] */
    CONFIG_FIELD_NUMBER, /* uint32_t within min and max */
    CONFIG_FIELD_CHOICE, /* an enum: the index within `names` */
    CONFIG_FIELD_SWITCH, /* a bool: the index within `names` */
};

struct config_field {
    const char *section;
    const char *key;
    enum config_field_kind kind;
    size_t offset; /* within struct wax_config */
    uint32_t min;
    uint32_t max;
    const char *const *names; /* ended by NULL */
};

/* All scalar keys, grouped by section in the order of the dump; `*count` is their number. */
const struct config_field *config_fields(size_t *count);

/* The names of the port kinds by enum config_port_kind, ended by NULL. */
extern const char *const config_port_kinds[];

/* ---- values, as they stand in the file; each returns false and sets `*reason` when refused ---- */

/* A decimal number within [min, max]. */
bool config_value_number(struct view text, uint32_t min, uint32_t max, uint32_t *out, const char **reason);

/* One of `names`; `*index` is its place. */
bool config_value_choice(struct view text, const char *const *names, uint32_t *index, const char **reason);

/* Printable text that fits `room` with its NUL; the rest of `out` is zeroed. */
bool config_value_text(struct view text, char *out, size_t room, const char **reason);

/* "a.b.c.d/n" or "x::y/n" when `with_prefix`, else a bare address. */
bool config_value_address(struct view text, bool with_prefix, struct config_address *out,
                          const char **reason);

/* "aa:bb:cc:dd:ee:ff", unicast. */
bool config_value_mac(struct view text, uint8_t mac[6], const char **reason);

/* Write the address without its prefix as text; `text` has room for INET6_ADDRSTRLEN. */
void config_address_text(const uint8_t address[16], char *text);

/* Parse a YAML text as config_load does a file; `name` stands in the errors. */
enum wax_status config_load_text(struct wax_config *config, const char *name, struct view text,
                                 struct config_error *error);

#endif
