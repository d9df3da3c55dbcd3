/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_fields.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

/* Text that may not fit: the length goes on being counted. */
struct sink {
    char *text;
    size_t room;
    size_t len;
};

static void put(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct sink *sink, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool fits = sink->len < sink->room;
    int n = vsnprintf(fits ? sink->text + sink->len : NULL, fits ? sink->room - sink->len : 0, format, args);
    va_end(args);
    sink->len += (size_t)n;
}

/* A double-quoted scalar: values hold no control characters, only these two need an escape. */
static void put_text(struct sink *sink, const char *text)
{
    put(sink, "\"");
    for (; *text != '\0'; text++)
        put(sink, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    put(sink, "\"");
}

static void put_field(struct sink *sink, const struct wax_config *config, const struct config_field *field)
{
    const char *at = (const char *)config + field->offset;
    uint32_t number = 0;
    if (field->kind == CONFIG_FIELD_NUMBER || field->kind == CONFIG_FIELD_CHOICE)
        memcpy(&number, at, sizeof number);
    put(sink, "  %s: ", field->key);
    switch (field->kind) {
    case CONFIG_FIELD_TEXT:
        put_text(sink, at);
        break;
    case CONFIG_FIELD_NUMBER:
        put(sink, "%u", number);
        break;
    case CONFIG_FIELD_CHOICE:
        put(sink, "%s", field->names[number]);
        break;
    case CONFIG_FIELD_SWITCH:
        put(sink, "%s", field->names[*(const bool *)(const void *)at ? 1 : 0]);
        break;
    }
    put(sink, "\n");
}

static void put_cores(struct sink *sink, const struct wax_config *config)
{
    put(sink, "  cores: [");
    for (uint32_t i = 0; i < config->core_count; i++)
        put(sink, "%s%u", i == 0 ? "" : ", ", config->cores[i]);
    put(sink, "]\n");
}

static void put_certificates(struct sink *sink, const struct config_tls *tls)
{
    put(sink, tls->identity_count == 0 ? "  certificates: []\n" : "  certificates:\n");
    for (uint32_t i = 0; i < tls->identity_count; i++) {
        put(sink, "    - certificate: ");
        put_text(sink, tls->identity[i].certificate);
        put(sink, "\n      key: ");
        put_text(sink, tls->identity[i].key);
        put(sink, "\n");
    }
}

static void put_port(struct sink *sink, const struct config_port *port)
{
    static const uint8_t zero[16];
    char text[INET6_ADDRSTRLEN];
    put(sink, "  - kind: %s\n    device: ", config_port_kinds[port->kind]);
    put_text(sink, port->device);
    put(sink, "\n    memif_server: %s\n", port->memif_server ? "true" : "false");
    if (memcmp(port->mac, zero, sizeof port->mac) != 0)
        put(sink, "    mac: \"%02x:%02x:%02x:%02x:%02x:%02x\"\n", port->mac[0], port->mac[1], port->mac[2],
            port->mac[3], port->mac[4], port->mac[5]);
    put(sink, "    mtu: %u\n    queues: %u\n    addresses: [", port->mtu, port->queues);
    for (uint32_t i = 0; i < port->address_count; i++) {
        config_address_text(port->address[i].address, text);
        put(sink, "%s\"%s/%u\"", i == 0 ? "" : ", ", text, port->address[i].prefix);
    }
    put(sink, "]\n");
    if (memcmp(port->gateway, zero, sizeof zero) != 0) {
        config_address_text(port->gateway, text);
        put(sink, "    gateway: \"%s\"\n", text);
    }
    if (memcmp(port->gateway6, zero, sizeof zero) != 0) {
        config_address_text(port->gateway6, text);
        put(sink, "    gateway6: \"%s\"\n", text);
    }
    put(sink, "    vlan: %u\n    router_discovery: %s\n    duplicate_detection: %s\n", port->vlan,
        port->router_discovery ? "true" : "false", port->duplicate_detection ? "true" : "false");
}

size_t config_dump(const struct wax_config *config, char *text, size_t room)
{
    struct sink sink = {text, room, 0};
    const char *section = "";
    size_t count;
    const struct config_field *fields = config_fields(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(section, fields[i].section) != 0) {
            section = fields[i].section;
            put(&sink, "%s:\n", section);
            if (strcmp(section, "dataplane") == 0)
                put_cores(&sink, config);
            if (strcmp(section, "tls") == 0)
                put_certificates(&sink, &config->tls);
        }
        put_field(&sink, config, &fields[i]);
    }
    put(&sink, config->port_count == 0 ? "ports: []\n" : "ports:\n");
    for (uint32_t i = 0; i < config->port_count; i++)
        put_port(&sink, &config->port[i]);
    put(&sink, config->listener_count == 0 ? "listeners: []\n" : "listeners:\n");
    for (uint32_t i = 0; i < config->listener_count; i++) {
        put(&sink, "  - tls: %s\n    proxy_protocol: %s\n", config->listener[i].tls ? "true" : "false",
            config->listener[i].proxy_protocol ? "true" : "false");
        if (config->listener[i].port != 0) /* else config_check refuses it */
            put(&sink, "    port: %u\n", config->listener[i].port);
    }
    return sink.len;
}
