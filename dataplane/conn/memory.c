/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the memory of a stack goes. */
#include "base/flow.h"
#include "conn/conn.h"
#include "conn/state.h"

#define FEW 1280u /* of which each table takes a whole number of cache lines */

/* An engine's memory but for its table of flows. */
static size_t tcp_bytes(const struct stack_config *config, uint32_t conns)
{
    struct tcp_config tcp = stack_tcp_config(config);
    tcp.conns_max = conns;
    tcp.half_open_max = 1;
    return tcp_engine_bytes(&tcp) - flow_bytes(conns);
}

static size_t share(size_t bytes, uint32_t count)
{
    return (bytes + count - 1u) / count;
}

struct stack_memory stack_memory(const struct stack_config *config)
{
    const struct wax_config *c = config->config;
    struct home_config home = stack_home_config(config);
    uint32_t conns = c->connections_max;
    size_t flows = flow_bytes(conns), lists = 2u * conns * sizeof(uint32_t), names = home_table_bytes(&home);
    struct stack_memory m = {.tcp = conns * (tcp_bytes(config, 2 * FEW) - tcp_bytes(config, FEW)) / FEW,
                             .tls = conns * sizeof(struct tls_state),
                             .ws = conns * sizeof(struct ws_decoder),
                             .session = conns * sizeof(struct session),
                             .recipient = home_recipients_bytes(&home),
                             .tables = flows + lists + names};
    m.conn = conns * sizeof(struct conn) - m.tls - m.ws - m.session;
    size_t all = m.tcp + m.tls + m.ws + m.session + m.conn;
    m.shared = stack_bytes(config) - all - m.recipient - m.tables;
    m.session_bytes =
        (uint32_t)(share(all + flows + lists, conns) + share(m.recipient + names, home.recipients));
    return m;
}
