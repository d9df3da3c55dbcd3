/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

static enum wax_status refuse(struct config_error *error, const char *reason)
{
    snprintf(error->text, sizeof error->text, "configuration: %s", reason);
    return WAX_CONFIG_VALUE;
}

static bool port_has_family(const struct config_port *port, bool ip6)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        if (port->address[i].ip6 == ip6)
            return true;
    }
    return false;
}

/* Whether one host can have the address: none that is unspecified, of a group, of this machine or reserved.
 */
static bool is_host(const uint8_t a[16], bool ip6)
{
    static const uint8_t zero[16], loopback[16] = {[15] = 1};
    if (ip6)
        return a[0] != 0xff && memcmp(a, zero, 16) != 0 && memcmp(a, loopback, 16) != 0;
    return a[12] != 0 && a[12] != 127 && a[12] < 224;
}

static bool is_set(const uint8_t gateway[16])
{
    static const uint8_t none[16];
    return memcmp(gateway, none, sizeof none) != 0;
}

static enum wax_status check_addresses(const struct config_port *port, struct config_error *error)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        if (!is_host(port->address[i].address, port->address[i].ip6))
            return refuse(error, "a port has an address that no host can have");
        for (uint32_t j = 0; j < i; j++) {
            if (memcmp(port->address[i].address, port->address[j].address, 16) == 0)
                return refuse(error, "a port has an address twice");
        }
    }
    if (is_set(port->gateway) && (!port_has_family(port, false) || !is_host(port->gateway, false)))
        return refuse(error, "a port's gateway is no host, or of a family that the port has no address of");
    if (is_set(port->gateway6) && (!port_has_family(port, true) || !is_host(port->gateway6, true)))
        return refuse(error, "a port's gateway6 is no host, or of a family that the port has no address of");
    if (port_has_family(port, true) && port->mtu < CONFIG_MTU6_LEAST)
        return refuse(error, "a port with an IPv6 address has an mtu below 1280");
    return WAX_OK;
}

static enum wax_status check_port(const struct config_port *port, struct config_error *error)
{
    if (port->device[0] == '\0')
        return refuse(error, "a port has no device");
    if (port->address_count == 0)
        return refuse(error, "a port has no address");
    if (port->memif_server && port->kind != CONFIG_PORT_MEMIF)
        return refuse(error, "memif_server stands on a port that is not memif");
    return check_addresses(port, error);
}

static enum wax_status check_listeners(const struct wax_config *config, struct config_error *error)
{
    bool tls = false;
    if (config->listener_count == 0)
        return refuse(error, "there is no listener");
    for (uint32_t i = 0; i < config->listener_count; i++) {
        if (config->listener[i].port == 0)
            return refuse(error, "a listener has no port");
        for (uint32_t j = 0; j < i; j++) {
            if (config->listener[j].port == config->listener[i].port)
                return refuse(error, "two listeners share a port");
        }
        if (config->listener[i].tls && config->listener[i].proxy_protocol)
            return refuse(error, "proxy_protocol stands on a TLS listener");
        tls = tls || config->listener[i].tls;
    }
    if (tls && config->tls.certificate[0] == '\0' && config->tls.identity_count == 0)
        return refuse(error, "a TLS listener needs tls.certificate and tls.key");
    return WAX_OK;
}

static enum wax_status check_tls(const struct config_tls *tls, struct config_error *error)
{
    if ((tls->certificate[0] == '\0') != (tls->key[0] == '\0'))
        return refuse(error, "tls.certificate and tls.key need each other");
    for (uint32_t i = 0; i < tls->identity_count; i++)
        if (tls->identity[i].certificate[0] == '\0' || tls->identity[i].key[0] == '\0')
            return refuse(error, "an entry of tls.certificates needs certificate and key");
    if (tls->client_certificates != CONFIG_CLIENT_CERTIFICATES_OFF && tls->client_ca[0] == '\0')
        return refuse(error, "tls.client_certificates needs tls.client_ca");
    return WAX_OK;
}

static enum wax_status check_socket(const char *path, struct config_error *error)
{
    if (path[0] != '/')
        return refuse(error, "control.socket and control.admin_socket must be absolute paths");
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return refuse(error, "a socket's path is longer than a UNIX socket allows (107)");
    return WAX_OK;
}

/* DPDK makes a folder of it, and tools name it on their command line. */
static enum wax_status check_dpdk(const struct wax_config *config, struct config_error *error)
{
    const char *prefix = config->dpdk_prefix;
    size_t len = strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    if (len == 0 || prefix[len] != '\0' || len > CONFIG_DPDK_PREFIX_MAX)
        return refuse(error, "dataplane.dpdk_prefix must be 1 to 32 letters, digits, - or _");
    if (config->capture && config->hugepages == CONFIG_HUGEPAGES_OFF)
        return refuse(error, "dataplane.capture needs dataplane.hugepages");
    return WAX_OK;
}

/* Plain HTTP stays on this machine: an event tells who gets messages, and when. */
static bool webhook_is_near(const char *url)
{
    static const char *const hosts[] = {"http://127.", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t len = strlen(hosts[i]);
        if (strncmp(url, hosts[i], len) != 0)
            continue;
        if (i == 0)
            len += strspn(url + len, "0123456789.");
        if (url[len] == '\0' || url[len] == ':' || url[len] == '/')
            return true;
    }
    return false;
}

static enum wax_status check_wake(const struct wax_config *config, struct config_error *error)
{
    const char *url = config->wake_webhook, *way = config->wake_webhook_socket;
    size_t room = sizeof((struct sockaddr_un *)0)->sun_path;
    if ((config->wake_socket[0] != '/' && config->wake_socket[0] != '\0') ||
        (way[0] != '/' && way[0] != '\0'))
        return refuse(error, "wake.socket and wake.webhook_socket must be absolute paths, or empty");
    if (strlen(config->wake_socket) >= room || strlen(way) >= room)
        return refuse(error, "a socket's path is longer than a UNIX socket allows (107)");
    if (url[0] == '\0')
        return way[0] == '\0' ? WAX_OK : refuse(error, "wake.webhook_socket needs wake.webhook");
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return refuse(error, "wake.webhook must begin with http:// or https://");
    if (strchr(url, '@') != NULL)
        return refuse(error, "wake.webhook must not hold a name or password");
    if (strncmp(url, "http://", 7) == 0 && way[0] == '\0' && !webhook_is_near(url))
        return refuse(error, "wake.webhook is plain HTTP to another machine: https://, or loopback, or "
                             "wake.webhook_socket");
    return WAX_OK;
}

/* Metrics are for this machine alone. */
static enum wax_status check_management(const char *listen, struct config_error *error)
{
    static const char *const begins[] = {"127.0.0.1:", "[::1]:"};
    char *end;
    if (listen[0] == '\0')
        return WAX_OK;
    if (strncmp(listen, "unix:", 5) == 0)
        return check_socket(listen + 5, error);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        size_t len = strlen(begins[i]);
        if (strncmp(listen, begins[i], len) != 0)
            continue;
        unsigned long port = strtoul(listen + len, &end, 10);
        if (listen[len] >= '0' && listen[len] <= '9' && *end == '\0' && port != 0 && port <= UINT16_MAX)
            return WAX_OK;
    }
    return refuse(error, "management.listen is 127.0.0.1:PORT, [::1]:PORT or unix:/PATH");
}

enum wax_status config_check(const struct wax_config *config, struct config_error *error)
{
    enum wax_status status = check_socket(config->control_socket, error);
    if (status == WAX_OK)
        status = check_socket(config->admin_socket, error);
    if (status != WAX_OK)
        return status;
    if (status == WAX_OK && config->view_socket[0] != '\0')
        status = check_socket(config->view_socket, error);
    if (status != WAX_OK)
        return status;
    if (strcmp(config->admin_socket, config->view_socket) == 0 ||
        strcmp(config->control_socket, config->view_socket) == 0)
        return refuse(error, "control.view_socket is one of the other sockets");
    status = check_management(config->management, error);
    if (status != WAX_OK)
        return status;
    if (strcmp(config->control_socket, config->admin_socket) == 0)
        return refuse(error, "control.socket and control.admin_socket are the same");
    if (config->store_directory[0] != '/')
        return refuse(error, "store.directory must be an absolute path");
    if (config->store_key_file[0] != '\0' && config->store_key_file[0] != '/')
        return refuse(error, "store.key_file must be an absolute path");
    if (config->media_path[0] != '/' && config->media_path[0] != '\0')
        return refuse(error, "media.path must be an absolute path, or empty");
    status = check_wake(config, error);
    if (status != WAX_OK)
        return status;
    if (config->port_count == 0)
        return refuse(error, "there is no port");
    for (uint32_t i = 0; i < config->port_count; i++) {
        status = check_port(&config->port[i], error);
        if (status != WAX_OK)
            return status;
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(config->port[i].device, config->port[j].device) == 0)
                return refuse(error, "two ports share a device");
        }
    }
    if (config->half_open_max > config->connections_max)
        return refuse(error, "limits.half_open is above limits.connections");
    if (config->per_prefix_max != 0 && config->per_prefix_max < config->per_address_max)
        return refuse(error, "limits.per_prefix is below limits.per_address");
    status = check_dpdk(config, error);
    if (status == WAX_OK)
        status = check_tls(&config->tls, error);
    return status == WAX_OK ? check_listeners(config, error) : status;
}
