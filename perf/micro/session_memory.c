/* SPDX-License-Identifier: BSD-3-Clause */
/* What a session takes in the data plane by its own account (stack_memory), as one object of JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn/stack.h"

int main(int argc, char **argv)
{
    struct wax_config config;
    struct wax_metrics metrics;
    unsigned long sessions = 1000000;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--sessions") == 0)
            sessions = strtoul(argv[i + 1], NULL, 10);
    if (sessions < 16 || sessions > 4000000) {
        fprintf(stderr, "session-memory: --sessions takes 16 to 4000000\n");
        return 2;
    }
    config_defaults(&config);
    config.connections_max = config.recipients = (uint32_t)sessions;
    config.half_open_max = 1;
    struct stack_config stack = {
        .config = &config, .workers = 1, .port_count = 1, .handshake_threads = 1, .metrics = &metrics};
    stack.net[0].mtu = 1500;
    struct stack_memory m = stack_memory(&stack);
    double n = (double)sessions;
    printf("{\"sessions\": %lu, \"session_bytes\": %u, \"tcp\": %.1f, \"tls\": %.1f, \"ws\": %.1f, "
           "\"session\": %.1f, "
           "\"session_of_relay\": %.1f, \"session_of_conn\": %.1f, \"session_of_home\": %.1f, \"tables\": "
           "%.2f, \"shared\": %zu}\n",
           sessions, m.session_bytes, (double)m.tcp / n, (double)m.tls / n, (double)m.ws / n,
           (double)(m.session + m.conn + m.recipient) / n, (double)m.session / n, (double)m.conn / n,
           (double)m.recipient / n, (double)m.tables / n, m.shared);
    return 0;
}
