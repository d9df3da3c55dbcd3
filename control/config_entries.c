/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists of the configuration: cores, ports, listeners, certificates. */
#include "config_load.h"

#include <stdio.h>

enum wax_status entry_cores(struct loading *l, yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return loading_refuse(l, node, WAX_CONFIG_VALUE, "'cores' takes a list of core numbers");
    l->config->core_count = 0;
    memset(l->config->cores, 0, sizeof l->config->cores);
    for (yaml_node_item_t *i = node->data.sequence.items.start; i != node->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(l->document, *i);
        const char *reason;
        uint32_t core;
        struct view text;
        enum wax_status status = loading_scalar(l, "cores", item, &text);
        if (status != WAX_OK)
            return status;
        if (l->config->core_count == WAX_WORKERS_MAX)
            return loading_refuse(l, item, WAX_CONFIG_VALUE, "'cores' has more than %u entries",
                                  WAX_WORKERS_MAX);
        if (!config_value_number(text, 0, 1023, &core, &reason))
            return loading_bad_value(l, "cores", item, reason);
        l->config->cores[l->config->core_count++] = (uint16_t)core;
    }
    return WAX_OK;
}

static enum wax_status take_addresses(struct loading *l, yaml_node_t *node, struct config_port *port)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return loading_refuse(l, node, WAX_CONFIG_VALUE, "'addresses' takes a list");
    for (yaml_node_item_t *i = node->data.sequence.items.start; i != node->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(l->document, *i);
        const char *reason;
        struct view text;
        enum wax_status status = loading_scalar(l, "addresses", item, &text);
        if (status != WAX_OK)
            return status;
        if (port->address_count == CONFIG_ADDRESSES_MAX)
            return loading_refuse(l, item, WAX_CONFIG_VALUE, "'addresses' has more than %u entries",
                                  CONFIG_ADDRESSES_MAX);
        if (!config_value_address(text, true, &port->address[port->address_count], &reason))
            return loading_bad_value(l, "addresses", item, reason);
        port->address_count++;
    }
    return WAX_OK;
}

/* An address of one family, without a prefix. */
static bool take_gateway(struct view text, bool ip6, uint8_t out[16], const char **reason)
{
    struct config_address gateway;
    if (!config_value_address(text, false, &gateway, reason))
        return false;
    *reason = ip6 ? "is not an IPv6 address" : "is not an IPv4 address (gateway6 is for IPv6)";
    if (gateway.ip6 == ip6)
        memcpy(out, gateway.address, sizeof gateway.address);
    return gateway.ip6 == ip6;
}

enum wax_status entry_port_key(struct loading *l, const char *key, yaml_node_t *value, void *entry)
{
    struct config_port *port = entry;
    const char *reason = "";
    uint32_t index;
    struct view text;
    if (strcmp(key, "addresses") == 0)
        return take_addresses(l, value, port);
    if (strcmp(key, "memif_server") == 0)
        return loading_bool(l, key, value, &port->memif_server);
    if (strcmp(key, "mtu") == 0)
        return loading_u16(l, key, value, 576, 9000, &port->mtu);
    if (strcmp(key, "queues") == 0)
        return loading_u16(l, key, value, 0, WAX_WORKERS_MAX, &port->queues);
    if (strcmp(key, "vlan") == 0)
        return loading_u16(l, key, value, 0, CONFIG_VLAN_MOST, &port->vlan);
    if (strcmp(key, "router_discovery") == 0)
        return loading_bool(l, key, value, &port->router_discovery);
    if (strcmp(key, "duplicate_detection") == 0)
        return loading_bool(l, key, value, &port->duplicate_detection);
    enum wax_status status = loading_scalar(l, key, value, &text);
    if (status != WAX_OK)
        return status;
    bool good = false;
    if (strcmp(key, "kind") == 0) {
        good = config_value_choice(text, config_port_kinds, &index, &reason);
        if (good)
            port->kind = (enum config_port_kind)index;
        else
            reason = "is none of: afxdp, afpacket, tap, memif, pci";
    } else if (strcmp(key, "device") == 0) {
        good = config_value_text(text, port->device, sizeof port->device, &reason);
    } else if (strcmp(key, "mac") == 0) {
        good = config_value_mac(text, port->mac, &reason);
    } else if (strcmp(key, "gateway") == 0) {
        good = take_gateway(text, false, port->gateway, &reason);
    } else if (strcmp(key, "gateway6") == 0) {
        good = take_gateway(text, true, port->gateway6, &reason);
    } else {
        return loading_refuse(l, value, WAX_CONFIG_KEY, "unknown key '%.60s' of a port", key);
    }
    return good ? WAX_OK : loading_bad_value(l, key, value, reason);
}

enum wax_status entry_listener_key(struct loading *l, const char *key, yaml_node_t *value, void *entry)
{
    struct config_listener *listener = entry;
    if (strcmp(key, "port") == 0)
        return loading_u16(l, key, value, 1, 65535, &listener->port);
    if (strcmp(key, "tls") == 0)
        return loading_bool(l, key, value, &listener->tls);
    if (strcmp(key, "proxy_protocol") == 0)
        return loading_bool(l, key, value, &listener->proxy_protocol);
    return loading_refuse(l, value, WAX_CONFIG_KEY, "unknown key '%.60s' of a listener", key);
}

static enum wax_status certificate_key(struct loading *l, const char *key, yaml_node_t *value, void *entry)
{
    struct config_identity *identity = entry;
    const char *reason = "";
    struct view text;
    bool certificate = strcmp(key, "certificate") == 0;
    if (!certificate && strcmp(key, "key") != 0)
        return loading_refuse(l, value, WAX_CONFIG_KEY, "unknown key '%.60s' of a certificate", key);
    enum wax_status status = loading_scalar(l, key, value, &text);
    if (status != WAX_OK)
        return status;
    char *out = certificate ? identity->certificate : identity->key;
    return config_value_text(text, out, CONFIG_PATH_BYTES, &reason)
               ? WAX_OK
               : loading_bad_value(l, key, value, reason);
}

enum wax_status entry_certificates(struct loading *l, yaml_node_t *node)
{
    static const struct config_identity fresh;
    struct config_tls *tls = &l->config->tls;
    return loading_list(l, "certificates", node, certificate_key, tls->identity, &fresh, sizeof fresh,
                        WAX_CERTIFICATES_MAX - 1u, &tls->identity_count);
}
