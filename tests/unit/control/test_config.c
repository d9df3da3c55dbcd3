/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_fields.h"

static enum wax_status load(struct wax_config *config, const char *text, struct config_error *error)
{
    return config_load_text(config, "t.yaml", view_of(text, strlen(text)), error);
}

/* The text is refused with this status and this error, and the configuration stays as it was. */
static void refused(const char *text, enum wax_status status, const char *message)
{
    struct wax_config config, before;
    struct config_error error;
    config_defaults(&config);
    before = config;
    enum wax_status got = load(&config, text, &error);
    cr_assert_eq(got, status, "%s: got %s (%s)", text, wax_status_name(got), error.text);
    cr_assert_str_eq(error.text, message);
    cr_assert_arr_eq(&config, &before, sizeof config);
}

Test(config, an_empty_file_changes_nothing)
{
    struct wax_config config, defaults;
    struct config_error error;
    config_defaults(&config);
    defaults = config;
    cr_assert_eq(load(&config, "", &error), WAX_OK);
    cr_assert_eq(load(&config, "# nothing\nstore:\n", &error), WAX_OK);
    cr_assert_arr_eq(&config, &defaults, sizeof config);
}

Test(config, scalars_override_and_lists_replace)
{
    struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    cr_assert_eq(load(&config,
                      "dataplane:\n  workers: 4\n  cores: [2, 3]\n  idle: performance\n"
                      "listeners:\n  - port: 8443\n  - {port: 8080, tls: false, proxy_protocol: true}\n"
                      "log: {format: json, level: debug}\n",
                      &error),
                 WAX_OK, "%s", error.text);
    cr_assert_eq(load(&config, "dataplane: {cores: [7]}\nlisteners: [{port: 9000, tls: false}]\n", &error),
                 WAX_OK);
    cr_assert_eq(config.workers, 4);
    cr_assert_eq(config.core_count, 1);
    cr_assert_eq(config.cores[0], 7);
    cr_assert_eq(config.cores[1], 0);
    cr_assert_eq(config.idle, CONFIG_IDLE_PERFORMANCE);
    cr_assert_eq(config.listener_count, 1);
    cr_assert_eq(config.listener[0].port, 9000);
    cr_assert_not(config.listener[0].tls);
    cr_assert_eq(config.listener[1].port, 0);
    cr_assert(config.log_json);
    cr_assert_eq(config.log_level, CONFIG_LEVEL_DEBUG);
}

Test(config, a_port_takes_all_its_keys)
{
    static const uint8_t ip4[16] = {[10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 2};
    static const uint8_t gateway[16] = {[10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 1};
    static const uint8_t gateway6[16] = {0xfe, 0x80, [15] = 1};
    static const uint8_t mac[6] = {2, 0, 0xab, 0, 0, 1};
    struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    cr_assert_eq(
        load(&config,
             "ports:\n- kind: memif\n  device: /run/m.sock\n  memif_server: true\n  mac: 02:00:AB:00:00:01\n"
             "  mtu: 9000\n  queues: 2\n  addresses: [198.18.0.2/24, '2001:2::2/64']\n"
             "  gateway: 198.18.0.1\n  gateway6: fe80::1\n  vlan: 4094\n  router_discovery: false\n"
             "  duplicate_detection: false\n",
             &error),
        WAX_OK, "%s", error.text);
    const struct config_port *port = &config.port[0];
    cr_assert_eq(config.port_count, 1);
    cr_assert_eq(port->kind, CONFIG_PORT_MEMIF);
    cr_assert_str_eq(port->device, "/run/m.sock");
    cr_assert(port->memif_server);
    cr_assert_arr_eq(port->mac, mac, 6);
    cr_assert_eq(port->mtu, 9000);
    cr_assert_eq(port->queues, 2);
    cr_assert_eq(port->address_count, 2);
    cr_assert_arr_eq(port->address[0].address, ip4, 16);
    cr_assert_eq(port->address[0].prefix, 24);
    cr_assert_not(port->address[0].ip6);
    cr_assert(port->address[1].ip6);
    cr_assert_eq(port->address[1].prefix, 64);
    cr_assert_arr_eq(port->gateway, gateway, 16);
    cr_assert_arr_eq(port->gateway6, gateway6, 16);
    cr_assert_eq(port->vlan, 4094);
    cr_assert_not(port->router_discovery);
    cr_assert_not(port->duplicate_detection);
}

Test(config, what_is_not_yaml_is_refused_with_its_line)
{
    refused("store:\n  directory: [\n", WAX_CONFIG_SYNTAX, "t.yaml:3: did not find expected node content");
    refused("store: {}\n---\nstore: {}\n", WAX_CONFIG_SYNTAX, "t.yaml:3: a second document in one file");
    refused("a: *nowhere\n", WAX_CONFIG_SYNTAX, "t.yaml:1: found undefined alias");
}

Test(config, unknown_and_repeated_keys_are_refused)
{
    refused("stores: {}\n", WAX_CONFIG_KEY, "t.yaml:1: unknown section 'stores'");
    refused("store:\n  directory: /a\n  path: /b\n", WAX_CONFIG_KEY,
            "t.yaml:3: unknown key 'path' in 'store'");
    refused("store: {}\nstore: {}\n", WAX_CONFIG_KEY, "t.yaml:2: key 'store' is repeated");
    refused("log:\n  level: info\n  level: info\n", WAX_CONFIG_KEY, "t.yaml:3: key 'level' is repeated");
    refused("ports:\n- name: x\n", WAX_CONFIG_KEY, "t.yaml:2: unknown key 'name' of a port");
    refused("listeners:\n- address: x\n", WAX_CONFIG_KEY, "t.yaml:2: unknown key 'address' of a listener");
    refused("? [a]\n: b\n", WAX_CONFIG_KEY, "t.yaml:1: a key must be a plain word");
}

Test(config, numbers_out_of_range_or_of_the_wrong_kind_are_refused)
{
    refused("dataplane:\n\n  workers: 0\n", WAX_CONFIG_VALUE,
            "t.yaml:3: 'workers': '0' is out of range (1 to 64)");
    refused("dataplane: {workers: 65}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'workers': '65' is out of range (1 to 64)");
    refused("dataplane: {workers: -1}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'workers': '-1' is not a decimal number (1 to 64)");
    refused("dataplane: {workers: }\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'workers': '' is not a decimal number (1 to 64)");
    refused("dataplane: {workers: 99999999999}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'workers': '99999999999' is not a decimal number (1 to 64)");
    refused("dataplane: {workers: [1]}\n", WAX_CONFIG_VALUE, "t.yaml:1: 'workers' takes a single value");
    refused("protocol: {payload_bytes_max: 1048513}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'payload_bytes_max': '1048513' is out of range (1 to 1048512)");
}

Test(config, choices_and_texts_are_refused_with_what_would_be_good)
{
    refused("log: {level: loud}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'level': 'loud' is none of: debug, info, warn, error");
    refused("log: {format: JSON}\n", WAX_CONFIG_VALUE, "t.yaml:1: 'format': 'JSON' is none of: logfmt, json");
    refused("store: {directory: \"a\\nb\"}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'directory': 'a\nb' has a control character");
    refused("store: {directory: \"/\\N\"}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'directory': '/\xc2\x85' has a control character");
    refused("store: {directory: \"/\\L\"}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'directory': '/\xe2\x80\xa8' has a control character");
    refused("store: [x]\n", WAX_CONFIG_VALUE, "t.yaml:1: section 'store' must have keys");
    refused("- a\n", WAX_CONFIG_VALUE, "t.yaml:1: the file must be made of sections");
    char text[400] = "store: {directory: ";
    memset(text + strlen(text), 'a', 256);
    strcat(text, "}\n");
    struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    cr_assert_eq(load(&config, text, &error), WAX_CONFIG_VALUE);
    cr_assert_not_null(strstr(error.text, "is too long"));
}

Test(config, bad_ports_are_refused)
{
    refused("ports: 1\n", WAX_CONFIG_VALUE, "t.yaml:1: 'ports' takes a list");
    refused("ports: [1]\n", WAX_CONFIG_VALUE, "t.yaml:1: an entry of 'ports' must have keys");
    refused("ports:\n- kind: eth\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'kind': 'eth' is none of: afxdp, afpacket, tap, memif, pci");
    refused("ports:\n- mtu: 100\n", WAX_CONFIG_VALUE, "t.yaml:2: 'mtu': '100' is out of range (576 to 9000)");
    refused("ports:\n- mac: 03:00:00:00:00:01\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'mac': '03:00:00:00:00:01' is not a unicast MAC address (aa:bb:cc:dd:ee:ff)");
    refused("ports:\n- addresses: [198.18.0.1]\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'addresses': '198.18.0.1' is not an address with a prefix (a.b.c.d/n)");
    refused("ports:\n- addresses: [198.18.0.1/33]\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'addresses': '198.18.0.1/33' is out of range");
    refused("ports:\n- addresses: [198.18.0.256/24]\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'addresses': '198.18.0.256/24' is not an address with a prefix (a.b.c.d/n)");
    refused("ports:\n- addresses: ['::ffff:198.18.0.1/24']\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'addresses': '::ffff:198.18.0.1/24' is not an address with a prefix (a.b.c.d/n)");
    refused("ports:\n- gateway: 198.18.0.1/24\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'gateway': '198.18.0.1/24' is not an address");
    refused("ports:\n- gateway: fe80::1\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'gateway': 'fe80::1' is not an IPv4 address (gateway6 is for IPv6)");
    refused("ports:\n- gateway6: 198.18.0.1\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'gateway6': '198.18.0.1' is not an IPv6 address");
    refused("ports:\n- vlan: 4095\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'vlan': '4095' is out of range (0 to 4094)");
    refused("ports:\n- memif_server: yes\n", WAX_CONFIG_VALUE,
            "t.yaml:2: 'memif_server': 'yes' is neither true nor false");
    refused("ports: [{},{},{},{},{},{},{},{},{}]\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'ports' has more than 8 entries");
    refused("listeners: [{port: 0}]\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'port': '0' is out of range (1 to 65535)");
    refused("dataplane: {cores: 3}\n", WAX_CONFIG_VALUE, "t.yaml:1: 'cores' takes a list of core numbers");
    refused("dataplane: {cores: [a]}\n", WAX_CONFIG_VALUE, "t.yaml:1: 'cores': 'a' is not a decimal number");
}

Test(config, certificates_are_a_list)
{
    struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    cr_assert_eq(load(&config,
                      "tls:\n  certificates:\n  - {certificate: /a.pem, key: /a.key}\n"
                      "  - {certificate: /b.pem, key: /b.key}\n  client_certificates: required\n",
                      &error),
                 WAX_OK, "%s", error.text);
    cr_assert_eq(config.tls.identity_count, 2);
    cr_assert_str_eq(config.tls.identity[1].certificate, "/b.pem");
    cr_assert_str_eq(config.tls.identity[1].key, "/b.key");
    cr_assert_eq(config.tls.client_certificates, CONFIG_CLIENT_CERTIFICATES_REQUIRED);
    refused("tls:\n  certificates: /a.pem\n", WAX_CONFIG_VALUE, "t.yaml:2: 'certificates' takes a list");
    refused("tls:\n  certificates:\n  - {file: /a.pem}\n", WAX_CONFIG_KEY,
            "t.yaml:3: unknown key 'file' of a certificate");
    refused("tls: {client_certificates: maybe}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'client_certificates': 'maybe' is none of: off, optional, required");
    refused("tls: {ticket_key_s: 60}\n", WAX_CONFIG_VALUE,
            "t.yaml:1: 'ticket_key_s': '60' is out of range (3600 to 86400)");
}

/* A configuration that passes, to be spoilt by the tests. */
static struct wax_config sound(void)
{
    struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    cr_assert_eq(load(&config,
                      "ports: [{kind: tap, device: wax0, addresses: [198.18.0.2/24], gateway: 198.18.0.1}]\n"
                      "tls: {certificate: /c.pem, key: /k.pem}\n",
                      &error),
                 WAX_OK);
    cr_assert_eq(config_check(&config, &error), WAX_OK, "%s", error.text);
    return config;
}

static void check_refused(const struct wax_config *config, const char *message)
{
    struct config_error error;
    cr_assert_eq(config_check(config, &error), WAX_CONFIG_VALUE);
    cr_assert_str_eq(error.text, message);
}

Test(config, check_finds_what_only_the_whole_can_tell)
{
    struct wax_config config = sound();
    config.tls.key[0] = '\0';
    check_refused(&config, "configuration: tls.certificate and tls.key need each other");
    config.tls.certificate[0] = '\0';
    check_refused(&config, "configuration: a TLS listener needs tls.certificate and tls.key");
    config.listener[0].tls = false;
    struct config_error error;
    cr_assert_eq(config_check(&config, &error), WAX_OK);

    config = sound();
    config.tls.certificate[0] = config.tls.key[0] = '\0';
    config.tls.identity_count = 1;
    check_refused(&config, "configuration: an entry of tls.certificates needs certificate and key");
    strcpy(config.tls.identity[0].certificate, "/a.pem");
    strcpy(config.tls.identity[0].key, "/a.key");
    cr_assert_eq(config_check(&config, &error), WAX_OK, "the list alone will do");
    config.tls.client_certificates = CONFIG_CLIENT_CERTIFICATES_OPTIONAL;
    check_refused(&config, "configuration: tls.client_certificates needs tls.client_ca");

    config = sound();
    config.port_count = 0;
    check_refused(&config, "configuration: there is no port");
    config = sound();
    config.port[0].device[0] = '\0';
    check_refused(&config, "configuration: a port has no device");
    config = sound();
    config.port[0].address_count = 0;
    check_refused(&config, "configuration: a port has no address");
    config = sound();
    config.port[0].gateway6[0] = 0x20;
    check_refused(&config, "configuration: a port's gateway6 is no host, or of a family that the port has no "
                           "address of");
    config = sound();
    config.port[0].gateway[12] = 224;
    check_refused(&config, "configuration: a port's gateway is no host, or of a family that the port has no "
                           "address of");
    config = sound();
    config.port[0].address[0].address[12] = 127;
    check_refused(&config, "configuration: a port has an address that no host can have");
    config = sound();
    config.port[0].address[1] = config.port[0].address[0];
    config.port[0].address_count = 2;
    check_refused(&config, "configuration: a port has an address twice");
    config = sound();
    config.port[0].address[0] = (struct config_address){.address = {0x20, 1}, .prefix = 64, .ip6 = true};
    memset(config.port[0].gateway, 0, 16);
    cr_assert_eq(config_check(&config, &error), WAX_OK);
    config.port[0].mtu = 1279;
    check_refused(&config, "configuration: a port with an IPv6 address has an mtu below 1280");
    config = sound();
    config.port[0].memif_server = true;
    check_refused(&config, "configuration: memif_server stands on a port that is not memif");
    config = sound();
    config.port[1] = config.port[0];
    config.port_count = 2;
    check_refused(&config, "configuration: two ports share a device");
    config = sound();
    config.listener_count = 0;
    check_refused(&config, "configuration: there is no listener");
    config = sound();
    config.listener_count = 2;
    check_refused(&config, "configuration: a listener has no port");
    config.listener[1] = config.listener[0];
    check_refused(&config, "configuration: two listeners share a port");
    config.listener[1] = (struct config_listener){.port = 81, .proxy_protocol = true};
    struct config_error none;
    cr_assert_eq(config_check(&config, &none), WAX_OK, "%s", none.text);
    config.listener[1].tls = true;
    check_refused(&config, "configuration: proxy_protocol stands on a TLS listener");
    config = sound();
    config.half_open_max = config.connections_max + 1;
    check_refused(&config, "configuration: limits.half_open is above limits.connections");
    config = sound();
    strcpy(config.dpdk_prefix, "../x");
    check_refused(&config, "configuration: dataplane.dpdk_prefix must be 1 to 32 letters, digits, - or _");
    config.dpdk_prefix[0] = '\0';
    check_refused(&config, "configuration: dataplane.dpdk_prefix must be 1 to 32 letters, digits, - or _");
    memset(config.dpdk_prefix, 'a', 33);
    check_refused(&config, "configuration: dataplane.dpdk_prefix must be 1 to 32 letters, digits, - or _");
    config = sound();
    config.capture = true;
    cr_assert_eq(config_check(&config, &error), WAX_OK);
    config.hugepages = CONFIG_HUGEPAGES_OFF;
    check_refused(&config, "configuration: dataplane.capture needs dataplane.hugepages");
    config = sound();
    strcpy(config.store_directory, "store");
    check_refused(&config, "configuration: store.directory must be an absolute path");
    config = sound();
    strcpy(config.admin_socket, "admin");
    check_refused(&config, "configuration: control.socket and control.admin_socket must be absolute paths");
    config = sound();
    strcpy(config.admin_socket, config.control_socket);
    check_refused(&config, "configuration: control.socket and control.admin_socket are the same");
    config = sound();
    memset(config.admin_socket, '/', 108);
    check_refused(&config, "configuration: a socket's path is longer than a UNIX socket allows (107)");
}

Test(config, plain_wake_ups_stay_on_this_machine)
{
    static const char *const near[] = {"http://127.0.0.1:8080/wake", "http://localhost/", "http://[::1]:9/x",
                                       "https://push.example/wake"};
    static const char *const far[] = {"http://push.example/", "http://127.0.0.1.example/", "http://127.evil/",
                                      "http://localhost.example/"};
    struct wax_config config = sound();
    struct config_error error;
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        strcpy(config.wake_webhook, near[i]);
        cr_assert_eq(config_check(&config, &error), WAX_OK, "%s: %s", near[i], error.text);
    }
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        strcpy(config.wake_webhook, far[i]);
        check_refused(&config, "configuration: wake.webhook is plain HTTP to another machine: https://, or "
                               "loopback, or wake.webhook_socket");
    }
    strcpy(config.wake_webhook_socket, "/run/push.sock");
    cr_assert_eq(config_check(&config, &error), WAX_OK);
    strcpy(config.wake_webhook, "https://me:secret@push.example/");
    check_refused(&config, "configuration: wake.webhook must not hold a name or password");
    strcpy(config.wake_webhook, "ftp://push.example/");
    check_refused(&config, "configuration: wake.webhook must begin with http:// or https://");
    config.wake_webhook[0] = '\0';
    check_refused(&config, "configuration: wake.webhook_socket needs wake.webhook");
    config.wake_webhook_socket[0] = '\0';
    strcpy(config.wake_socket, "push.sock");
    check_refused(&config,
                  "configuration: wake.socket and wake.webhook_socket must be absolute paths, or empty");
}

Test(config, a_dump_loads_to_the_same_configuration)
{
    struct wax_config config = sound(), again;
    struct config_error error;
    char text[8192];
    strcpy(config.store_directory, "/a \"quoted\" \\ path: #x");
    config.port[0].address[1] = (struct config_address){{0x20, 1, 0, 2, [15] = 9}, 64, true};
    config.port[0].address_count = 2;
    config.port[0].mac[0] = 2;
    config.core_count = 2;
    config.cores[0] = 3;
    config.hugepages = CONFIG_HUGEPAGES_OFF;
    config.tls.identity_count = 2;
    strcpy(config.tls.identity[1].certificate, "/b \"quoted\".pem");
    strcpy(config.tls.identity[1].key, "/b.key");
    size_t len = config_dump(&config, text, sizeof text);
    cr_assert_lt(len, sizeof text);
    config_defaults(&again);
    cr_assert_eq(load(&again, text, &error), WAX_OK, "%s\n%s", error.text, text);
    cr_assert_arr_eq(&again, &config, sizeof config);
    char small[100];
    cr_assert_eq(config_dump(&config, small, sizeof small), len);
    cr_assert_arr_eq(small, text, sizeof small - 1);
}

Test(config, the_documented_file_names_every_key_with_its_default)
{
    struct wax_config config, defaults;
    struct config_error error;
    static char text[32768], bare[32768];
    FILE *file = fopen(DEPLOY_YAML, "r");
    cr_assert_not_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file), out = 0;
    fclose(file);
    text[len] = '\0';
    /* take the "#" of commented keys away: those that have no space behind it */
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t indent = strspn(line, " ");
        bool key = line[indent] == '#' && (line[indent + 1] > ' ' || strncmp(line, "#  -", 4) == 0 ||
                                           (strncmp(line, "#    ", 5) == 0 && line[5] != ' '));
        if (key)
            memmove(line + indent, line + indent + 1, strlen(line + indent));
        out += (size_t)snprintf(bare + out, sizeof bare - out, "%s\n", line);
    }
    config_defaults(&config);
    config_defaults(&defaults);
    cr_assert_eq(load(&config, bare, &error), WAX_OK, "%s\n%s", error.text, bare);
    cr_assert_eq(config.port_count, 1);
    memset(config.port, 0, sizeof config.port);
    config.port_count = 0;
    cr_assert_arr_eq(&config, &defaults, sizeof config);
    size_t count;
    const struct config_field *fields = config_fields(&count);
    for (size_t i = 0; i < count; i++) {
        char key[80];
        snprintf(key, sizeof key, "\n  %s: ", fields[i].key);
        cr_assert_not_null(strstr(bare, key), "%s.%s is not documented", fields[i].section, fields[i].key);
    }
}

Test(config, files_that_cannot_be_read_are_refused)
{
    struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    cr_assert_eq(config_load(&config, "/nonexistent.yaml", &error), WAX_CONFIG_FILE);
    cr_assert_str_eq(error.text, "/nonexistent.yaml:0: No such file or directory");
    cr_assert_eq(config_load(&config, "/tmp", &error), WAX_CONFIG_FILE);
    char path[] = "/tmp/wax-config-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "log: {level: warn}\n", 19), 19);
    close(fd);
    enum wax_status status = config_load(&config, path, &error);
    unlink(path);
    cr_assert_eq(status, WAX_OK);
    cr_assert_eq(config.log_level, CONFIG_LEVEL_WARN);
}
