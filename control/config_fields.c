/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_fields.h"

#include <arpa/inet.h>
#include <stdio.h>

static const char *const idle_names[] = {"balanced", "performance", NULL};
static const char *const hugepages_names[] = {"auto", "on", "off", NULL};
static const char *const switch_names[] = {"off", "on", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};
static const char *const client_certificates_names[] = {"off", "optional", "required", NULL};
static const char *const registration_names[] = {"open", "closed", "invite", NULL};
static const char *const format_names[] = {"logfmt", "json", NULL};
const char *const config_port_kinds[] = {"afxdp", "afpacket", "tap", "memif", "pci", NULL};

#define AT(member) offsetof(struct wax_config, member)
#define TEXT(section, key, member)                                                                           \
    {                                                                                                        \
        section, key, CONFIG_FIELD_TEXT, AT(member), 0, 0, NULL                                              \
    }
#define NUMBER(section, key, member, min, max)                                                               \
    {                                                                                                        \
        section, key, CONFIG_FIELD_NUMBER, AT(member), min, max, NULL                                        \
    }
#define CHOICE(section, key, member, names)                                                                  \
    {                                                                                                        \
        section, key, CONFIG_FIELD_CHOICE, AT(member), 0, 0, names                                           \
    }
#define SWITCH(section, key, member, names)                                                                  \
    {                                                                                                        \
        section, key, CONFIG_FIELD_SWITCH, AT(member), 0, 0, names                                           \
    }

static const struct config_field fields[] = {
    TEXT("control", "socket", control_socket),
    TEXT("control", "admin_socket", admin_socket),
    TEXT("control", "socket_group", control_socket_group),
    TEXT("control", "admin_group", admin_group),
    TEXT("control", "view_socket", view_socket),
    TEXT("control", "view_group", view_group),
    TEXT("management", "listen", management),
    TEXT("store", "directory", store_directory),
    TEXT("store", "key_file", store_key_file),
    NUMBER("store", "purge_s", store_purge_s, WAX_STORE_PURGE_S_MIN, WAX_STORE_PURGE_S_MAX),
    CHOICE("log", "level", log_level, level_names),
    SWITCH("log", "format", log_json, format_names),
    SWITCH("log", "core_dumps", core_dumps, switch_names),
    SWITCH("log", "confine", confine, switch_names),
    NUMBER("dataplane", "workers", workers, 1, WAX_WORKERS_MAX),
    CHOICE("dataplane", "idle", idle, idle_names),
    CHOICE("dataplane", "hugepages", hugepages, hugepages_names),
    NUMBER("dataplane", "memory_mib", memory_mib, 64, 1u << 20),
    NUMBER("dataplane", "handshake_threads", handshake_threads, 1, WAX_HANDSHAKE_THREADS_MAX),
    TEXT("dataplane", "dpdk_prefix", dpdk_prefix),
    SWITCH("dataplane", "telemetry", telemetry, switch_names),
    SWITCH("dataplane", "capture", capture, switch_names),
    NUMBER("dataplane", "burst", burst, 1, WAX_BURST_MAX),
    TEXT("tls", "certificate", tls.certificate),
    TEXT("tls", "key", tls.key),
    CHOICE("tls", "client_certificates", tls.client_certificates, client_certificates_names),
    TEXT("tls", "client_ca", tls.client_ca),
    NUMBER("tls", "tickets", tls.tickets, 0, WAX_TICKETS_MAX),
    NUMBER("tls", "ticket_key_s", tls.ticket_key_s, WAX_TICKET_KEY_S_MIN, WAX_TICKET_KEY_S_MAX),
    NUMBER("limits", "connections", connections_max, 1, 1u << 22),
    NUMBER("limits", "half_open", half_open_max, 1, 1u << 22),
    NUMBER("limits", "per_address", per_address_max, 0, 1u << 22),
    NUMBER("limits", "per_prefix", per_prefix_max, 0, 1u << 22),
    NUMBER("limits", "opens_per_s", opens_per_s, 0, WAX_OPENS_PER_S_MAX),
    NUMBER("limits", "opens_burst", opens_burst, 1, WAX_OPENS_BURST_MAX),
    NUMBER("limits", "device_sends_per_s", rates.device.per_s, 0, WAX_SENDS_PER_S_MAX),
    NUMBER("limits", "device_sends_burst", rates.device.burst, 1, WAX_SENDS_BURST_MAX),
    NUMBER("limits", "account_sends_per_s", rates.account.per_s, 0, WAX_SENDS_PER_S_MAX),
    NUMBER("limits", "account_sends_burst", rates.account.burst, 1, WAX_SENDS_BURST_MAX),
    NUMBER("limits", "address_sends_per_s", rates.address.per_s, 0, WAX_SENDS_PER_S_MAX),
    NUMBER("limits", "address_sends_burst", rates.address.burst, 1, WAX_SENDS_BURST_MAX),
    NUMBER("limits", "handshakes", handshakes_max, 1, 1u << 16),
    NUMBER("limits", "handshakes_waiting", handshakes_waiting_max, 1, 1u << 20),
    NUMBER("limits", "handshakes_per_address", handshakes_per_address_max, 1, 1u << 16),
    NUMBER("limits", "blocks", blocks, 64, 1u << 26),
    NUMBER("limits", "messages", messages, 64, 1u << 26),
    NUMBER("limits", "recipients", recipients, 16, 1u << 26),
    NUMBER("protocol", "payload_bytes_max", payload_bytes_max, 1, WAX_PAYLOAD_BYTES_MAX),
    NUMBER("protocol", "send_window", send_window, 1, WAX_SEND_WINDOW_MAX),
    NUMBER("protocol", "heartbeat_s", heartbeat_s, 1, 3600),
    NUMBER("protocol", "ttl_s", ttl_s_default, 1, 10u * 365u * 24u * 3600u),
    NUMBER("protocol", "token_s", token_s, WAX_TOKEN_S_MIN, WAX_TOKEN_S_MAX),
    SWITCH("media", "enabled", media_enabled, switch_names),
    TEXT("media", "path", media_path),
    NUMBER("media", "max_bytes", media_bytes_max, 1, UINT32_MAX),
    NUMBER("media", "ttl_s", media_ttl_s, 1, 10u * 365u * 24u * 3600u),
    NUMBER("media", "quota_mib", media_quota_mib, 0, UINT32_MAX),
    TEXT("wake", "socket", wake_socket),
    TEXT("wake", "webhook", wake_webhook),
    TEXT("wake", "webhook_socket", wake_webhook_socket),
    TEXT("wake", "webhook_ca", wake_webhook_ca),
    NUMBER("wake", "interval_ms", wake_interval_ms, 0, WAX_WAKE_INTERVAL_MS_MAX),
    CHOICE("accounts", "registration", registration, registration_names),
    NUMBER("accounts", "mailbox_messages", mailbox_messages, 0, UINT32_MAX),
    NUMBER("accounts", "mailbox_mib", mailbox_mib, 0, UINT32_MAX),
};

const struct config_field *config_fields(size_t *count)
{
    *count = sizeof fields / sizeof fields[0];
    return fields;
}

bool config_value_number(struct view text, uint32_t min, uint32_t max, uint32_t *out, const char **reason)
{
    uint64_t value = 0;
    *reason = "is not a decimal number";
    if (text.len == 0 || text.len > 10)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *reason = "is out of range";
    if (value < min || value > max)
        return false;
    *out = (uint32_t)value;
    return true;
}

bool config_value_choice(struct view text, const char *const *names, uint32_t *index, const char **reason)
{
    for (uint32_t i = 0; names[i] != NULL; i++) {
        if (strlen(names[i]) == text.len && memcmp(names[i], text.data, text.len) == 0) {
            *index = i;
            return true;
        }
    }
    *reason = "is none of the choices";
    return false;
}

/*
 * Whether a character begins at `at` that a YAML scalar can't hold as it is: controls of both
 * sets, U+2028 and U+2029 (line breaks), U+FEFF and the two that are no characters. The text is UTF-8.
 */
static bool is_control(struct view text, size_t at)
{
    const uint8_t *p = text.data + at;
    if (p[0] < 0x20 || p[0] == 0x7f)
        return true;
    if (p[0] == 0xc2 && at + 1 < text.len)
        return p[1] < 0xa0;
    if (at + 2 >= text.len)
        return false;
    return (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) ||
           (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe);
}

bool config_value_text(struct view text, char *out, size_t room, const char **reason)
{
    *reason = "is too long";
    if (text.len >= room)
        return false;
    *reason = "has a control character";
    for (size_t i = 0; i < text.len; i++) {
        if (is_control(text, i))
            return false;
    }
    memset(out, 0, room);
    if (text.len != 0)
        memcpy(out, text.data, text.len);
    return true;
}

static bool is_mapped(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, mapped, sizeof mapped) == 0;
}

bool config_value_address(struct view text, bool with_prefix, struct config_address *out, const char **reason)
{
    char host[64];
    const uint8_t *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
    *reason = with_prefix ? "is not an address with a prefix (a.b.c.d/n)" : "is not an address";
    if (text.len == 0 || text.len >= sizeof host || (slash != NULL) != with_prefix)
        return false;
    size_t host_len = slash != NULL ? (size_t)(slash - text.data) : text.len;
    memcpy(host, text.data, host_len);
    host[host_len] = '\0';
    if (strlen(host) != host_len)
        return false;

    struct config_address address = {0};
    uint32_t prefix_max = 32;
    if (inet_pton(AF_INET, host, address.address + 12) == 1) {
        address.address[10] = address.address[11] = 0xff;
    } else if (inet_pton(AF_INET6, host, address.address) == 1 && !is_mapped(address.address)) {
        address.ip6 = true;
        prefix_max = 128;
    } else {
        return false;
    }
    uint32_t prefix = prefix_max;
    if (with_prefix &&
        !config_value_number(view_of(slash + 1, text.len - host_len - 1), 1, prefix_max, &prefix, reason))
        return false;
    address.prefix = (uint8_t)prefix;
    *out = address;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool config_value_mac(struct view text, uint8_t mac[6], const char **reason)
{
    *reason = "is not a unicast MAC address (aa:bb:cc:dd:ee:ff)";
    if (text.len != 17)
        return false;
    uint8_t out[6];
    for (size_t i = 0; i < 6; i++) {
        int high = hex_digit(text.data[3 * i]);
        int low = hex_digit(text.data[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text.data[3 * i + 2] != ':'))
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    static const uint8_t zero[6];
    if ((out[0] & 1) != 0 || memcmp(out, zero, sizeof zero) == 0)
        return false;
    memcpy(mac, out, sizeof out);
    return true;
}

void config_address_text(const uint8_t address[16], char *text)
{
    if (is_mapped(address))
        inet_ntop(AF_INET, address + 12, text, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}
