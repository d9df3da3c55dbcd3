/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration of an appliance: one YAML file (deploy/waxwire.yaml names every key,
 * its default and its range), read by both processes. Files are laid over one another, the
 * later over the earlier; a wrong key or value is refused with file, line and reason.
 */
#ifndef WAXWIRE_CONFIG_H
#define WAXWIRE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "waxwire/limits.h"
#include "waxwire/status.h"

#define CONFIG_PATH_BYTES      256u
#define CONFIG_NAME_BYTES      64u
#define CONFIG_ADDRESSES_MAX   8u
#define CONFIG_VLAN_MOST       4094u
#define CONFIG_MTU6_LEAST      1280u /* of a port with IPv6 (RFC 8200 5) */
#define CONFIG_DPDK_PREFIX_MAX 32u

enum config_port_kind {
    CONFIG_PORT_AFXDP,
    CONFIG_PORT_AFPACKET,
    CONFIG_PORT_TAP,
    CONFIG_PORT_MEMIF,
    CONFIG_PORT_PCI,
};

enum config_idle { CONFIG_IDLE_BALANCED, CONFIG_IDLE_PERFORMANCE };
enum config_hugepages { CONFIG_HUGEPAGES_AUTO, CONFIG_HUGEPAGES_ON, CONFIG_HUGEPAGES_OFF };
enum config_registration {
    CONFIG_REGISTRATION_OPEN,
    CONFIG_REGISTRATION_CLOSED,
    CONFIG_REGISTRATION_INVITE,
};
enum config_level { CONFIG_LEVEL_DEBUG, CONFIG_LEVEL_INFO, CONFIG_LEVEL_WARN, CONFIG_LEVEL_ERROR };

/* An address with its prefix; IPv4 as ::ffff:a.b.c.d and the prefix counted within IPv4. */
struct config_address {
    uint8_t address[16];
    uint8_t prefix;
    bool ip6;
};

struct config_port {
    enum config_port_kind kind;
    char device[CONFIG_PATH_BYTES]; /* interface name, PCI address, or memif socket path */
    bool memif_server;              /* memif: this side makes the socket */
    uint8_t mac[6];                 /* zero: the port's own */
    uint16_t mtu;
    uint16_t queues; /* 0: one per worker where the port has them */
    uint32_t address_count;
    struct config_address address[CONFIG_ADDRESSES_MAX];
    uint8_t gateway[16];      /* of IPv4; zero: none */
    uint8_t gateway6[16];     /* of IPv6; zero: none */
    uint16_t vlan;            /* 0: none */
    bool router_discovery;    /* of IPv6, when there is no gateway6 */
    bool duplicate_detection; /* of IPv6 addresses at the start */
};

struct config_listener {
    uint16_t port;
    bool tls;
    bool
        proxy_protocol; /* a PROXY protocol header comes first, and says who the client is; plain ones only */
};

enum config_client_certificates {
    CONFIG_CLIENT_CERTIFICATES_OFF,
    CONFIG_CLIENT_CERTIFICATES_OPTIONAL,
    CONFIG_CLIENT_CERTIFICATES_REQUIRED,
};

/* Files of a certificate chain and its key. */
struct config_identity {
    char certificate[CONFIG_PATH_BYTES];
    char key[CONFIG_PATH_BYTES];
};

/* What `waxctl tls reload` reads anew; the rest of a configuration stays as it was at the start. */
struct config_tls {
    char certificate[CONFIG_PATH_BYTES]; /* the first certificate; empty: the first of the list is */
    char key[CONFIG_PATH_BYTES];
    uint32_t identity_count;
    struct config_identity identity[WAX_CERTIFICATES_MAX - 1u];
    enum config_client_certificates client_certificates;
    char client_ca[CONFIG_PATH_BYTES];
    uint32_t tickets;
    uint32_t ticket_key_s;
};

/* Messages that one may send in a second (0: any number), and at once after a rest. */
struct config_rate {
    uint32_t per_s, burst;
};

struct config_rates {
    struct config_rate device, account, address;
};

struct wax_config {
    /* runtime */
    char control_socket[CONFIG_PATH_BYTES];
    char admin_socket[CONFIG_PATH_BYTES];
    char control_socket_group[CONFIG_PATH_BYTES]; /* who may connect beside the owner; empty: nobody */
    char admin_group[CONFIG_PATH_BYTES];          /* empty: the process' own group */
    char view_socket[CONFIG_PATH_BYTES]; /* as the admin socket, but it changes nothing; empty: none */
    char view_group[CONFIG_PATH_BYTES];
    char management[CONFIG_PATH_BYTES]; /* where metrics and the dashboard are; empty: nowhere */
    char store_directory[CONFIG_PATH_BYTES];
    char store_key_file[CONFIG_PATH_BYTES]; /* empty: a credential of systemd, or a file in the directory */
    uint32_t store_purge_s; /* after which what was delivered can't be read from the disk any more */
    enum config_level log_level;
    bool log_json;
    bool core_dumps;
    bool confine; /* what is never done once it runs is forbidden */

    /* data plane */
    uint32_t workers;
    uint32_t core_count; /* 0: any; else workers are laid on these cores in turn */
    uint16_t cores[WAX_WORKERS_MAX];
    enum config_idle idle;
    enum config_hugepages hugepages;
    uint32_t memory_mib; /* for EAL, all workers together */
    uint32_t handshake_threads;
    char dpdk_prefix[CONFIG_PATH_BYTES]; /* of DPDK's files, where it makes any */
    bool telemetry;                      /* DPDK's telemetry socket */
    bool capture;                        /* dpdk-dumpcap can attach */
    uint32_t port_count;
    struct config_port port[WAX_PORTS_MAX];
    uint32_t listener_count;
    struct config_listener listener[WAX_LISTENERS_MAX];
    struct config_tls tls;

    /* limits, per worker unless said */
    uint32_t connections_max;
    uint32_t half_open_max;
    uint32_t per_address_max;  /* connections of an IPv4 address or IPv6 /64; 0: any number */
    uint32_t per_prefix_max;   /* of an IPv4 /24 or IPv6 /48; 0: any number */
    uint32_t opens_per_s;      /* that an address may open; 0: any number */
    uint32_t opens_burst;      /* of them after a rest */
    struct config_rates rates; /* messages that a device, an account, an address may send */
    uint32_t handshakes_max;
    uint32_t handshakes_waiting_max;
    uint32_t handshakes_per_address_max;
    uint32_t blocks;     /* of WAX_BLOCK_BYTES, shared by all connections of a worker */
    uint32_t messages;   /* in memory */
    uint32_t recipients; /* known at home at a time */

    /* protocol */
    uint32_t payload_bytes_max;
    uint32_t send_window;
    uint32_t heartbeat_s;
    uint32_t ttl_s_default;
    uint32_t token_s; /* that a resume or media token is good for */
    uint32_t burst;

    /* media */
    bool media_enabled;
    char media_path[CONFIG_PATH_BYTES]; /* empty: "media" within the store */
    uint32_t media_bytes_max;           /* of a blob */
    uint32_t media_ttl_s;               /* that a blob is kept, at most and by default */
    uint32_t media_quota_mib;           /* of an account; 0: any number */

    /* wake-ups */
    char wake_socket[CONFIG_PATH_BYTES];         /* where a push gateway listens; empty: none */
    char wake_webhook[CONFIG_PATH_BYTES];        /* URL of one that is asked; empty: none */
    char wake_webhook_socket[CONFIG_PATH_BYTES]; /* a UNIX socket to reach that by; empty: TCP */
    char wake_webhook_ca[CONFIG_PATH_BYTES];     /* of its certificate; empty: the system's authorities */
    uint32_t wake_interval_ms;

    /* accounts */
    enum config_registration registration;
    uint32_t mailbox_messages; /* that wait for an account; 0: any number */
    uint32_t mailbox_mib;      /* of them; 0: any number */
};

/* Where and why a file was refused: "file:line: reason", always terminated. */
struct config_error {
    char text[CONFIG_PATH_BYTES + 256];
};

/* The defaults, without ports; listeners 443 (TLS) and none plain. */
void config_defaults(struct wax_config *config);

/*
 * Lay a YAML file over `config`. Lists (ports, listeners, cores) replace, scalars override.
 * Returns OK, or CONFIG_FILE, CONFIG_SYNTAX, CONFIG_KEY or CONFIG_VALUE with `error` filled;
 * `config` is then unchanged.
 */
enum wax_status config_load(struct wax_config *config, const char *path, struct config_error *error);

/*
 * Check what only the whole can tell (a TLS listener needs a certificate, a port needs an
 * address, the store needs a directory …). Errors as above.
 */
enum wax_status config_check(const struct wax_config *config, struct config_error *error);

/*
 * Write the whole configuration as YAML that config_load takes. Returns the length that the
 * text has (without the NUL), which may exceed `room`.
 */
size_t config_dump(const struct wax_config *config, char *text, size_t room);

#endif
