/* SPDX-License-Identifier: BSD-3-Clause */
/* waxcat's command line. */
#ifndef WAXWIRE_CLIENT_WAXCAT_ARGS_H
#define WAXWIRE_CLIENT_WAXCAT_ARGS_H

#include "waxwire/client.h"

enum waxcat_command {
    WAXCAT_ID,
    WAXCAT_LISTEN,
    WAXCAT_DEVICES,
    WAXCAT_BLOCK,
    WAXCAT_UNBLOCK,
    WAXCAT_SEND,
    WAXCAT_CHAT,
};

/* What waxcat's exit status says. */
enum waxcat_exit {
    WAXCAT_DONE = 0,
    WAXCAT_USAGE = 1,
    WAXCAT_CONNECTION = 2,
    WAXCAT_REFUSED = 3,
    WAXCAT_TIMEOUT = 4,
};

struct waxcat_args {
    enum waxcat_command command;
    struct wax_loop_config loop;
    char host[256]; /* of --server, without the port */
    char key_file[4096];
    uint16_t device;
    bool send_only;
    bool json;
    bool wait_delivered;
    bool read;     /* say of each message that arrives that it has been read */
    uint8_t flags; /* of SENDs */
    uint32_t ttl_s;
    uint32_t count;      /* how often to send the text */
    uint32_t exit_after; /* messages received; 0: never */
    uint32_t timeout_s;  /* for everything; 0: none */
    uint8_t recipient[WAX_USER_BYTES];
    uint16_t recipient_device;
    char **words; /* of the text, `word_count` of them */
    int word_count;
};

/*
 * Reads the command line. Returns true when waxcat is to go on; else prints help, version or what is wrong,
 * and *exit_status is what to leave with.
 */
bool waxcat_args_read(struct waxcat_args *args, int argc, char **argv, int *exit_status);

#endif
